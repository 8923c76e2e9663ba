//! The notation: what was said, a line each, as people would want to read it.
//!
//! ```text
//! # bob joins
//! bob   > GET /chat/public, upgrade to WebSocket
//! bob   < 101 Switching Protocols
//! bob   < text {"online":2}
//! alice < text {"online":2}
//! ```
//!
//! `>` goes from a client to the server, `<` comes back, as in `curl -v`. Lines
//! below a line, indented, say more about it. `#` opens a step. Within a step
//! the lines of each client keep their order and stand together; the order
//! between two clients is free there, so it is not in the transcript.

use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A transcript while it is being written. Clones write into the same one.
#[derive(Clone, Default)]
pub struct Transcript {
    steps: Arc<Mutex<Vec<Scene>>>,
}

/// What happened between two `#` lines.
#[derive(Default)]
struct Scene {
    title: Option<String>,
    lines: Vec<Line>,
}

struct Line {
    lane: String,
    /// `>` or `<`, and what was said.
    text: String,
    details: Vec<String>,
}

impl Transcript {
    /// Opens a step: everything before it has happened before everything after it.
    pub fn step(&self, title: &str) {
        self.scenes().push(Scene {
            title: Some(title.to_string()),
            lines: Vec::new(),
        });
    }

    /// Writes down what a client said to the server.
    pub fn sent(&self, lane: &str, what: impl AsRef<str>) {
        self.add(lane, format!("> {}", what.as_ref()));
    }

    /// Writes down what a client got from the server.
    pub fn received(&self, lane: &str, what: impl AsRef<str>) {
        self.add(lane, format!("< {}", what.as_ref()));
    }

    /// Says more about the newest line of a client.
    pub fn detail(&self, lane: &str, detail: impl Into<String>) {
        let mut scenes = self.scenes();
        let newest = scenes
            .iter_mut()
            .rev()
            .flat_map(|scene| scene.lines.iter_mut().rev())
            .find(|line| line.lane == lane);
        if let Some(line) = newest {
            line.details.push(detail.into());
        }
    }

    fn add(&self, lane: &str, text: String) {
        let mut scenes = self.scenes();
        if scenes.is_empty() {
            scenes.push(Scene::default());
        }
        let scene = scenes.last_mut().expect("there is a scene");
        scene.lines.push(Line {
            lane: lane.to_string(),
            text,
            details: Vec::new(),
        });
    }

    fn scenes(&self) -> std::sync::MutexGuard<'_, Vec<Scene>> {
        // A writer that panicked has left whole lines behind.
        self.steps
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The transcript as text, ending in a line break.
    pub fn text(&self) -> String {
        let scenes = self.scenes();
        let width = scenes
            .iter()
            .flat_map(|scene| &scene.lines)
            .map(|line| line.lane.chars().count())
            .max()
            .unwrap_or(0);
        let mut text = String::new();
        for scene in scenes.iter() {
            if let Some(title) = &scene.title {
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(&format!("# {title}\n"));
            }
            for line in scene.by_lane() {
                text.push_str(&format!("{:width$} {}\n", line.lane, line.text));
                for detail in &line.details {
                    text.push_str(&format!("{:width$}     {detail}\n", ""));
                }
            }
        }
        text
    }
}

impl Scene {
    /// The lines, those of one client together, clients in the order in which they first appear.
    fn by_lane(&self) -> Vec<&Line> {
        let mut lanes: Vec<&str> = Vec::new();
        for line in &self.lines {
            if !lanes.contains(&line.lane.as_str()) {
                lanes.push(&line.lane);
            }
        }
        let mut lines: Vec<&Line> = self.lines.iter().collect();
        lines.sort_by_key(|line| lanes.iter().position(|lane| *lane == line.lane));
        lines
    }
}

/// A text as data when it is a JSON object or array (its keys sorted), else in quotes.
///
/// Right answers word their errors as they like, so the words under a key
/// `error` are not shown; an error without words is.
pub fn readable(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(data @ (Value::Object(_) | Value::Array(_))) => readable_data(&data),
        _ => short(text),
    }
}

/// JSON in one line, keys sorted, the words of errors left out.
pub fn readable_data(data: &Value) -> String {
    let mut data = data.clone();
    hide_error_words(&mut data);
    let text = data.to_string();
    if text.chars().count() > LONG {
        format!("JSON of {} bytes", text.len())
    } else {
        text
    }
}

/// A text in quotes, or its size when it is long.
pub fn short(text: &str) -> String {
    if text.chars().count() > LONG {
        format!("of {} bytes", text.len())
    } else {
        format!("{text:?}")
    }
}

/// A path, or its beginning and its size when it is long.
pub fn short_path(path: &str) -> String {
    if path.chars().count() > LONG {
        let begin: String = path.chars().take(20).collect();
        format!("{begin}... of {} bytes", path.len())
    } else {
        path.to_string()
    }
}

/// Above this many characters a text is named by its size.
const LONG: usize = 200;

fn hide_error_words(data: &mut Value) {
    if let Value::Object(fields) = data
        && let Some(Value::String(words)) = fields.get_mut("error")
        && !words.trim().is_empty()
    {
        *words = "...".to_string();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_client_stand_together_within_a_step() {
        let transcript = Transcript::default();
        transcript.step("alice says hello");
        transcript.sent("alice", "text \"hello\"");
        transcript.received("bob", "text \"hello\"");
        transcript.received("alice", "text \"hello\"");
        assert_eq!(
            transcript.text(),
            "# alice says hello\n\
             alice > text \"hello\"\n\
             alice < text \"hello\"\n\
             bob   < text \"hello\"\n"
        );
    }

    #[test]
    fn details_stand_below_the_newest_line_of_their_client() {
        let transcript = Transcript::default();
        transcript.sent("client", "GET /");
        transcript.received("client", "200 OK");
        transcript.detail("client", "h1: \"Hello\"");
        assert_eq!(
            transcript.text(),
            "client > GET /\nclient < 200 OK\n           h1: \"Hello\"\n"
        );
    }

    #[test]
    fn keys_are_sorted_and_the_words_of_an_error_are_free() {
        assert_eq!(readable(r#"{"b":1, "a":2}"#), r#"{"a":2,"b":1}"#);
        assert_eq!(readable(r#"{"error":"no"}"#), r#"{"error":"..."}"#);
        assert_eq!(readable(r#"{"error":" "}"#), r#"{"error":" "}"#);
        assert_eq!(readable("7"), "\"7\"");
    }
}
