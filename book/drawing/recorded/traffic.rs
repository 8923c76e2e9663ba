//! What it costs one reader to hear of one message.

use serde_json::Value;

use super::anchors::Anchors;
use super::frames::frames;
use super::http::{Exchange, Split, connections, only};
use crate::Drawn;
use crate::numbers::with_commas;
use crate::recording::conversations::{MESSAGE, POLLS, SENDER};

/// Requests, and bytes of HTTP or WebSocket; those of TCP and IP below come on top.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Cost {
    requests: usize,
    from_browser: usize,
    from_server: usize,
}

impl Cost {
    fn of(exchanges: &[Exchange]) -> Self {
        Self {
            requests: exchanges.len(),
            from_browser: exchanges.iter().map(Exchange::client_bytes).sum(),
            from_server: exchanges.iter().map(Exchange::server_bytes).sum(),
        }
    }

    fn add_to(self, anchors: &mut Anchors, name: &str) {
        let columns = [
            ("requests", self.requests),
            ("browser", self.from_browser),
            ("server", self.from_server),
            ("total", self.from_browser + self.from_server),
        ];
        let row: Vec<String> = columns
            .iter()
            .map(|(_, number)| with_commas(*number))
            .collect();
        anchors.add(name, row.join(" | "));
        for ((column, _), number) in columns.iter().zip(row) {
            anchors.add(format_args!("{name}-{column}"), number);
        }
    }
}

/// `traffic.txt`; [`super`] tells its anchors.
pub fn traffic() -> Result<Drawn, String> {
    let mut anchors = Anchors::default();
    let page = exchanges("page")?;
    page_costs(&page, &mut anchors).map_err(|reason| format!("page: {reason}"))?;
    let polls = exchanges("polling")?;
    polling_costs(&polls, &mut anchors).map_err(|reason| format!("polling: {reason}"))?;
    let long_poll = exchanges("long-polling")?;
    long_polling_costs(&long_poll, &mut anchors)
        .map_err(|reason| format!("long-polling: {reason}"))?;
    let events = exchanges("events")?;
    event_costs(&events, &mut anchors).map_err(|reason| format!("events: {reason}"))?;
    let socket = only("websocket")?;
    socket_costs(&socket, &mut anchors).map_err(|reason| format!("websocket: {reason}"))?;
    Ok(anchors.file("traffic.txt"))
}

fn page_costs(exchanges: &[Exchange], anchors: &mut Anchors) -> Result<(), String> {
    let shown = format!("<li>{SENDER} : {MESSAGE}</li>");
    let page = exchanges.first().ok_or("there is no request")?;
    let html = String::from_utf8_lossy(&page.response.content);
    expect("the page shows the message", html.contains(&shown))?;
    Cost::of(exchanges).add_to(anchors, "page");
    Cost::of(&exchanges[..1]).add_to(anchors, "page-html");
    Ok(())
}

fn polling_costs(polls: &[Exchange], anchors: &mut Anchors) -> Result<(), String> {
    expect("there are ten polls", polls.len() == POLLS)?;
    let (last, others) = polls.split_last().ok_or("there is no poll")?;
    expect(
        "only the last poll has an answer",
        others.iter().all(|poll| poll.response.content == b"[]"),
    )?;
    expect_message(in_array(&last.response.content))?;
    Cost::of(polls).add_to(anchors, "polling");
    Cost::of(&others[..1]).add_to(anchors, "polling-nothing");
    Cost::of(&polls[others.len()..]).add_to(anchors, "polling-message");
    Ok(())
}

fn long_polling_costs(polls: &[Exchange], anchors: &mut Anchors) -> Result<(), String> {
    expect("there is one poll", polls.len() == 1)?;
    expect_message(in_array(&polls[0].response.content))?;
    Cost::of(polls).add_to(anchors, "long-polling");
    Ok(())
}

fn event_costs(streams: &[Exchange], anchors: &mut Anchors) -> Result<(), String> {
    expect("there is one stream", streams.len() == 1)?;
    let stream = &streams[0];
    let content = String::from_utf8_lossy(&stream.response.content);
    let mut lines = content.lines();
    let mut data = lines
        .by_ref()
        .filter_map(|line| line.strip_prefix("data: "));
    let json = data.next().ok_or("there is no event")?.to_string();
    expect("there is one event", data.next().is_none())?;
    expect_message(json.as_bytes())?;
    let open = Cost {
        requests: 1,
        from_browser: stream.client_bytes(),
        from_server: stream.response.head.len(),
    };
    open.add_to(anchors, "events-open");
    let message = Cost {
        from_server: stream.response.body.len(),
        ..Cost::default()
    };
    message.add_to(anchors, "events-message");
    anchors.add("events-chunk", content.trim_end());
    anchors.add("message-2", &json);
    anchors.add("message-2-bytes", json.len());
    Ok(())
}

fn socket_costs(socket: &Split, anchors: &mut Anchors) -> Result<(), String> {
    let rest = socket.after_upgrade.as_ref().ok_or("it is no WebSocket")?;
    let [client, server] = [frames(&rest.client)?, frames(&rest.server)?];
    let both = client.first().zip(server.first());
    let (sent, heard) = both.ok_or("there is no frame")?;
    let json = sent.payload();
    expect("the same message came back", heard.payload() == json)?;
    expect_message(&json)?;
    let open = Cost::of(&socket.exchanges);
    expect("there is one request", open.requests == 1)?;
    open.add_to(anchors, "websocket-open");
    let hears = Cost {
        from_server: heard.bytes().len(),
        ..Cost::default()
    };
    hears.add_to(anchors, "websocket-message");
    let says = Cost {
        from_browser: sent.bytes().len(),
        ..Cost::default()
    };
    says.add_to(anchors, "websocket-send");
    anchors.add("message-3", String::from_utf8_lossy(&json));
    anchors.add("message-3-bytes", json.len());
    Ok(())
}

fn expect(what: &str, holds: bool) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(format!(
            "it does not hold that {what}: record it again with `cargo run -p drawing --bin record`"
        ))
    }
}

fn expect_message(json: &[u8]) -> Result<(), String> {
    let value: Value = serde_json::from_slice(json).unwrap_or_default();
    let is_it = value["sender"] == SENDER && value["message"] == MESSAGE;
    expect("the message comes", is_it)
}

/// The text between the brackets of an array.
fn in_array(json: &[u8]) -> &[u8] {
    let inner = json.strip_prefix(b"[");
    inner
        .and_then(|json| json.strip_suffix(b"]"))
        .unwrap_or(json)
}

/// All exchanges of a recording, one connection after the other.
fn exchanges(name: &str) -> Result<Vec<Exchange>, String> {
    let mut exchanges = Vec::new();
    for split in connections(name)? {
        expect("it is all HTTP", split.after_upgrade.is_none())
            .map_err(|reason| format!("{name}: {reason}"))?;
        exchanges.extend(split.exchanges);
    }
    Ok(exchanges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::http::Message;

    fn poll(content: &str) -> Exchange {
        Exchange {
            request: Message {
                head: vec![0; 1000],
                ..Message::default()
            },
            response: Message {
                head: vec![0; 100],
                body: content.into(),
                content: content.into(),
                ..Message::default()
            },
        }
    }

    fn polls() -> Vec<Exchange> {
        let message = format!(r#"[{{"id":3,"sender":"{SENDER}","message":"{MESSAGE}"}}]"#);
        let mut polls = vec![poll("[]"); 9];
        polls.push(poll(&message));
        polls
    }

    #[test]
    fn a_row_is_the_sum_of_its_polls() {
        let mut anchors = Anchors::default();
        polling_costs(&polls(), &mut anchors).unwrap();
        let text = anchors.file("").text;
        // Nine times "[]", and the message in brackets.
        let server = 10 * 100 + 9 * 2 + 45;
        let row = format!(
            "ANCHOR: polling\n10 | 10,000 | {} | {}\nANCHOR_END: polling\n",
            with_commas(server),
            with_commas(10_000 + server)
        );
        assert!(text.contains(&row), "{text}");
        assert!(text.contains("polling-nothing\n1 | 1,000 | 102 | 1,102\n"));
    }

    #[test]
    fn another_conversation_is_no_source() {
        let refused = |polls: &[Exchange]| {
            assert!(polling_costs(polls, &mut Anchors::default()).is_err());
        };
        refused(&[]);
        refused(&polls()[1..]);
        refused(&vec![poll("[]"); 10]);
        let mut early = polls();
        early.swap(0, 9);
        refused(&early);
    }
}
