//! Server-sent events, as a browser's `EventSource` reads them.
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>

use crate::notation::{quoted, readable, shortened};

/// An event that is longer is told in pieces.
const LONGEST: usize = 64 * 1024;

/// A stream of events, while it comes.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// The lines of the event that is coming, without their ends.
    lines: Vec<u8>,
    line_is_empty: bool,
    after_carriage_return: bool,
    begun: bool,
}

impl Stream {
    /// More bytes. Gives how many of them belong to the event that is coming,
    /// and the event, as a line of a transcript, when it is whole.
    pub fn next(&mut self, bytes: &[u8]) -> (usize, Option<String>) {
        for (index, byte) in bytes.iter().enumerate() {
            // A CR and the LF behind it are one end of a line.
            let second_half = self.after_carriage_return && *byte == b'\n';
            self.after_carriage_return = *byte == b'\r';
            if second_half {
                continue;
            }
            let ends_line = matches!(byte, b'\r' | b'\n');
            if ends_line && (self.line_is_empty || !self.begun) {
                let both = bytes[index..].starts_with(b"\r\n");
                self.after_carriage_return &= !both;
                return (index + 1 + usize::from(both), self.told());
            }
            self.line_is_empty = ends_line;
            self.begun = true;
            self.lines.push(if ends_line { b'\n' } else { *byte });
            if self.lines.len() == LONGEST {
                return (index + 1, self.told());
            }
        }
        (bytes.len(), None)
    }

    /// How many bytes are held of the event that is coming.
    pub fn held(&self) -> usize {
        self.lines.len()
    }

    /// What has come of an event, at the end of the stream.
    pub fn rest(&mut self) -> Option<String> {
        self.told()
    }

    fn told(&mut self) -> Option<String> {
        let lines = std::mem::take(&mut self.lines);
        self.line_is_empty = false;
        self.begun = false;
        (!lines.is_empty()).then(|| line(&String::from_utf8_lossy(&lines)))
    }
}

/// An event in the notation of the transcripts.
fn line(text: &str) -> String {
    let mut id = None;
    let mut name = String::new();
    let mut data: Vec<&str> = Vec::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => id = Some(value),
            "event" => name = format!(" {}", shortened(value)),
            "data" => data.push(value),
            // A comment (nothing before the colon), `retry`, or an unknown field.
            _ => {}
        }
    }
    if data.is_empty() {
        return format!("no event, but {}", quoted(text.trim_end()));
    }
    let id = id.map_or(String::new(), |id| format!(" with id {}", quoted(id)));
    format!("event{name}{id}: {}", readable(data.join("\n").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(bytes: &[u8], at_once: usize) -> Vec<String> {
        let mut stream = Stream::default();
        let mut events = Vec::new();
        for part in bytes.chunks(at_once) {
            let mut rest = part;
            while !rest.is_empty() {
                let (taken, event) = stream.next(rest);
                assert!(taken > 0);
                events.extend(event);
                rest = &rest[taken..];
            }
        }
        events.extend(stream.rest());
        events
    }

    #[test]
    fn events_are_the_same_however_they_are_cut_and_end() {
        let text =
            "id: 3\ndata: {\"b\":1,\ndata: \"a\":2}\n\n: still here\n\n\nevent: bye\ndata\n\n";
        let expected = [
            r#"event with id "3": {"a":2,"b":1}"#,
            r#"no event, but ": still here""#,
            r#"event bye: """#,
        ];
        for end in ["\n", "\r\n", "\r"] {
            let text = text.replace('\n', end);
            for at_once in 1..text.len() {
                assert_eq!(
                    events(text.as_bytes(), at_once),
                    expected,
                    "{end:?} {at_once}"
                );
            }
        }
    }

    #[test]
    fn an_event_without_an_end_is_told_in_pieces() {
        let long = vec![b'x'; LONGEST + 5];
        let events = events(&long, 1000);
        assert_eq!(events.len(), 2);
        assert_eq!(events[1], r#"no event, but "xxxxx""#);
    }
}
