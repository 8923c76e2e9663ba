//! A message sequence chart: clients left, the server right, time downwards.
//! Its text alternative is the transcript itself.

mod layout;

use std::collections::{BTreeMap, BTreeSet};

use graders::redis_server::REDIS_CLI;

use crate::transcript::{Direction, Line, Step};
use layout::Layout;

/// What a client's line shows between two messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    /// An HTTP request has not been answered yet, or its answer has not ended.
    Waiting,
    /// A WebSocket is open.
    Open,
}

/// What is to be drawn.
pub struct Chart<'a> {
    /// Who is on the other side of all clients.
    server: &'a str,
    lanes: Vec<&'a str>,
    steps: &'a [Step],
    /// The connections that the steps before have left behind.
    connections: BTreeMap<&'a str, Connection>,
    /// The clients whose answers are in the conversation. Of others it is not
    /// known how long they wait.
    answered: BTreeSet<&'a str>,
}

impl<'a> Chart<'a> {
    /// A chart of some steps of a conversation; of the steps `before` only what is still open.
    pub fn new(before: &'a [Step], steps: &'a [Step]) -> Self {
        let mut connections = BTreeMap::new();
        for line in before.iter().flat_map(|step| &step.lines) {
            follow(&mut connections, line);
        }
        let lines = || steps.iter().flat_map(|step| &step.lines);
        let mut lanes: Vec<&str> = Vec::new();
        let mut answered = BTreeSet::new();
        let earlier = before.iter().flat_map(|step| &step.lines);
        for line in earlier.chain(lines()) {
            if line.direction == Direction::FromServer {
                answered.insert(line.lane.as_str());
            }
            let lane = line.lane.as_str();
            let speaks = lines().any(|line| line.lane == lane);
            if !lanes.contains(&lane) && (speaks || connections.contains_key(lane)) {
                lanes.push(lane);
            }
        }
        Self {
            server: "server",
            lanes,
            steps,
            connections,
            answered,
        }
    }

    /// The same with another name for who is on the other side.
    pub fn with(self, server: &'a str) -> Self {
        Self { server, ..self }
    }

    /// Draws it.
    pub fn to_svg(&self) -> String {
        let mut layout = Layout::new(&self.lanes);
        for (lane, connection) in &self.connections {
            layout.begin(lane, *connection);
        }
        let mut connections = self.connections.clone();
        for step in self.steps {
            if let Some(title) = &step.title {
                layout.title(title);
            }
            for line in &step.lines {
                draw_line(&mut layout, line);
                let lane = line.lane.as_str();
                let before = connections.get(lane).copied();
                follow(&mut connections, line);
                let after = connections.get(lane).copied();
                if before != after {
                    layout.end(lane);
                    if let Some(connection) = after
                        && self.answered.contains(lane)
                    {
                        layout.begin(lane, connection);
                    }
                }
            }
        }
        layout.finish(self.server, &self.alternative())
    }

    fn alternative(&self) -> String {
        let mut text = Vec::new();
        for step in self.steps {
            text.extend(step.title.iter().map(|title| format!("# {title}")));
            for line in &step.lines {
                let arrow = match line.direction {
                    Direction::ToServer => '>',
                    Direction::FromServer => '<',
                };
                text.push(format!("{} {arrow} {}", line.lane, line.text));
                text.extend(line.details.iter().cloned());
            }
        }
        text.join("\n")
    }
}

fn draw_line(layout: &mut Layout, line: &Line) {
    if is_end(line) {
        layout.cut(&line.lane, &line.text);
    } else {
        layout.arrow(&line.lane, line.direction, &line.text, &line.details);
    }
}

/// A connection that is over without a frame that says so.
fn is_end(line: &Line) -> bool {
    ["ends the connection", "resets the connection"]
        .iter()
        .any(|end| line.text.starts_with(end))
}

/// What a line does to the connection of its client.
fn follow<'a>(connections: &mut BTreeMap<&'a str, Connection>, line: &'a Line) {
    let lane = line.lane.as_str();
    let open = connections.get(lane) == Some(&Connection::Open);
    let stream = line
        .details
        .iter()
        .any(|detail| detail.contains("text/event-stream"));
    match line.direction {
        // What is said to Redis goes past the server.
        _ if lane == REDIS_CLI => None,
        _ if is_end(line) => connections.remove(lane),
        // An upgrade is asked for on a connection of its own.
        Direction::ToServer if open && !line.text.ends_with("upgrade to WebSocket") => None,
        Direction::ToServer => connections.insert(lane, Connection::Waiting),
        Direction::FromServer if line.text.starts_with("101 ") => {
            connections.insert(lane, Connection::Open)
        }
        Direction::FromServer if open && line.text.starts_with("close ") => {
            connections.remove(lane)
        }
        Direction::FromServer if open || stream || line.text.starts_with("event ") => None,
        Direction::FromServer => connections.remove(lane),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::read;

    fn connections(transcript: &str) -> Vec<(String, Connection)> {
        let steps = read(transcript).unwrap();
        let chart = Chart::new(&steps, &[]);
        let connections = chart.connections.into_iter();
        connections
            .map(|(lane, connection)| (lane.to_string(), connection))
            .collect()
    }

    #[test]
    fn a_socket_is_open_until_it_is_closed() {
        let join = "bob > GET /ws, upgrade to WebSocket\nbob < 101 Switching Protocols\n";
        let open = vec![("bob".to_string(), Connection::Open)];
        assert_eq!(connections(join), open);
        assert_eq!(connections(&format!("{join}bob > close 1000\n")), open);
        for end in ["< close 1000", "> resets the connection"] {
            assert_eq!(connections(&format!("{join}bob {end}\n")), []);
        }
    }

    #[test]
    fn who_asks_for_another_socket_and_is_refused_has_none() {
        let join = "bob > GET /ws, upgrade to WebSocket\nbob < 101 Switching Protocols\n";
        let refused = "bob > GET /nowhere, upgrade to WebSocket\nbob < 404 Not Found\n";
        assert_eq!(connections(&format!("{join}{refused}")), []);
    }

    #[test]
    fn a_request_waits_until_it_is_answered_and_a_stream_goes_on() {
        let request = "bob > GET /api/events\n";
        let waiting = vec![("bob".to_string(), Connection::Waiting)];
        assert_eq!(connections(request), waiting);
        let stream = "bob < 200 OK\n      content-type: text/event-stream\n";
        assert_eq!(connections(&format!("{request}{stream}")), waiting);
        assert_eq!(connections(&format!("{request}bob < 200 OK\n")), []);
    }

    #[test]
    fn who_speaks_to_redis_waits_for_no_server() {
        assert_eq!(
            connections("redis-cli > PUBLISH chat:lobby \"hello\"\n"),
            []
        );
    }

    #[test]
    fn words_of_a_peer_are_text_in_the_chart() {
        let steps = read("eve > text \"<script>&\"\n").unwrap();
        let svg = Chart::new(&[], &steps).to_svg();
        assert!(svg.contains("&lt;script&gt;&amp;"));
        assert!(!svg.contains("<script>"));
    }

    #[test]
    fn a_chart_has_no_blank_line_which_would_end_it_in_markdown() {
        let steps = read("# a\nbob > GET /\n\n# b\nbob < 200 OK\n").unwrap();
        let svg = Chart::new(&[], &steps).to_svg();
        assert!(svg.lines().all(|line| !line.trim().is_empty()));
    }
}
