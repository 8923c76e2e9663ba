//! A recording: the bytes of each TCP connection, as they came.
//!
//! A recording is a text file, one JSON object a line, in the order in which
//! the bytes came:
//!
//! ```json
//! {"connection":1,"at":0.0123,"from":"client","bytes":"GET / HTTP/1.1\r\n..."}
//! ```
//!
//! - `connection`: which TCP connection, counted from 1 in the order in which
//!   they were first heard of;
//! - `at`: seconds since the recording began;
//! - `from`: who sent the bytes, `client` or `server`;
//! - `bytes`: what one read from the connection gave. Each character is one
//!   byte, U+0000 to U+00FF (ISO 8859-1), so that the heads of HTTP stay
//!   readable and the frames of WebSocket exact. The line itself is ASCII: what
//!   is not stands as `\u00XX`.
//!   A read that gave nothing is how a side ends its half of the connection;
//! - `reset`: there, and true, where that end was a reset (RST) that broke off
//!   the whole connection, and not an orderly one (FIN).
//!
//! The reads may be cut anywhere. Only the bytes of one side of one connection,
//! one after the other, mean anything.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, Serializer};

use crate::forwarding::Heard;
use crate::side::Side;

/// What one read from a connection gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// Which TCP connection, counted from 1.
    pub connection: usize,
    /// Seconds since the recording began.
    pub at: f64,
    pub from: Side,
    /// None at the end of this side.
    pub bytes: Vec<u8>,
    /// Whether the end was a reset.
    pub reset: bool,
}

/// A chunk as a line of the file.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    connection: usize,
    at: f64,
    from: Side,
    bytes: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    reset: bool,
}

/// All that one side of a connection sent, and all that the other did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Connection {
    pub client: Vec<u8>,
    pub server: Vec<u8>,
}

/// A recorded conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    pub chunks: Vec<Chunk>,
}

impl Recording {
    /// Reads the text of a recording.
    ///
    /// # Errors
    /// The line that is no chunk, and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().enumerate();
        let chunks = lines.map(|(index, line)| {
            Chunk::parse(line).map_err(|reason| format!("line {}: {reason}", index + 1))
        });
        let chunks = chunks.collect::<Result<_, String>>()?;
        Ok(Self { chunks })
    }

    /// The text of the recording.
    pub fn to_text(&self) -> String {
        self.chunks.iter().map(Chunk::line).collect()
    }

    /// The bytes of each connection, in the order of their numbers.
    pub fn connections(&self) -> Vec<Connection> {
        let mut connections: BTreeMap<usize, Connection> = BTreeMap::new();
        for chunk in &self.chunks {
            let connection = connections.entry(chunk.connection).or_default();
            match chunk.from {
                Side::Client => connection.client.extend(&chunk.bytes),
                Side::Server => connection.server.extend(&chunk.bytes),
            }
        }
        connections.into_values().collect()
    }
}

/// Seconds, with the digits that mean something.
pub fn in_tenths_of_milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e4).round() / 1e4
}

impl Chunk {
    /// What is recorded of what was heard on a connection; not all is.
    pub fn heard(connection: usize, at: f64, heard: Heard) -> Option<Self> {
        let (from, bytes, reset) = match heard {
            Heard::Bytes(from, bytes) => (from, bytes, false),
            Heard::Ended(from) => (from, [].as_slice(), false),
            Heard::Reset(from) => (from, [].as_slice(), true),
            Heard::Opened | Heard::Unreachable(_) | Heard::Closed => return None,
        };
        Some(Self {
            connection,
            at,
            from,
            bytes: bytes.to_vec(),
            reset,
        })
    }

    /// Reads a line of a recording.
    ///
    /// # Errors
    /// Why it is no chunk.
    pub fn parse(line: &str) -> Result<Self, String> {
        let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let bytes = line.bytes.chars().map(u8::try_from);
        let bytes = bytes
            .collect::<Result<_, _>>()
            .map_err(|_| "a character of `bytes` is above U+00FF, so it is no byte")?;
        Ok(Self {
            connection: line.connection,
            at: line.at,
            from: line.from,
            bytes,
            reset: line.reset,
        })
    }

    /// The line of a recording, with its end.
    pub fn line(&self) -> String {
        let line = Line {
            connection: self.connection,
            at: self.at,
            from: self.from,
            bytes: self.bytes.iter().copied().map(char::from).collect(),
            reset: self.reset,
        };
        let mut text = Vec::new();
        let mut serializer = Serializer::with_formatter(&mut text, Ascii);
        line.serialize(&mut serializer)
            .expect("numbers and texts make JSON, and memory can be written to");
        text.push(b'\n');
        String::from_utf8(text).expect("JSON is text")
    }
}

/// JSON in ASCII: bytes from 7F on are not to be seen in a text, or end a line of it.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for character in fragment.chars() {
            match character {
                ' '..='~' => write!(writer, "{character}")?,
                _ => write!(writer, "\\u{:04x}", u32::from(character))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_byte() -> Chunk {
        Chunk {
            connection: 2,
            at: 0.0123,
            from: Side::Server,
            bytes: (0..=u8::MAX).collect(),
            reset: false,
        }
    }

    #[test]
    fn every_byte_comes_back_from_one_line_of_ascii() {
        let recording = Recording {
            chunks: vec![every_byte()],
        };
        let text = recording.to_text();
        assert!(text.is_ascii(), "{text}");
        assert_eq!(text.lines().count(), 1);
        assert_eq!(Recording::parse(&text), Ok(recording));
    }

    #[test]
    fn a_head_stays_readable() {
        let chunk = Chunk {
            connection: 1,
            at: 1.5,
            from: Side::Client,
            bytes: b"GET / HTTP/1.1\r\n\r\n\xff".to_vec(),
            reset: false,
        };
        assert_eq!(
            chunk.line(),
            r#"{"connection":1,"at":1.5,"from":"client","bytes":"GET / HTTP/1.1\r\n\r\n\u00ff"}"#
                .to_string()
                + "\n"
        );
    }

    #[test]
    fn an_end_is_a_read_of_nothing() {
        let end = Chunk {
            bytes: Vec::new(),
            reset: true,
            ..every_byte()
        };
        let line = r#"{"connection":2,"at":0.0123,"from":"server","bytes":"","reset":true}"#;
        assert_eq!(end.line().trim_end(), line);
        assert_eq!(Chunk::parse(line), Ok(end));
    }

    #[test]
    fn a_connection_is_put_together_from_its_reads() {
        let text = r#"{"connection":1,"at":0,"from":"client","bytes":"GE"}
{"connection":2,"at":0,"from":"client","bytes":"x"}
{"connection":1,"at":0,"from":"client","bytes":"T"}
{"connection":1,"at":0,"from":"server","bytes":"OK"}"#;
        let connections = Recording::parse(text).unwrap().connections();
        assert_eq!(connections.len(), 2);
        assert_eq!(connections[0].client, b"GET");
        assert_eq!(connections[0].server, b"OK");
        assert_eq!(connections[1].client, b"x");
    }

    #[test]
    fn a_damaged_line_is_named() {
        let good = r#"{"connection":1,"at":0,"from":"client","bytes":""}"#;
        let damaged = [
            "",
            "{",
            r#"{"connection":1,"at":0,"from":"client"}"#,
            r#"{"connection":-1,"at":0,"from":"client","bytes":""}"#,
            r#"{"connection":1,"at":0,"from":"nobody","bytes":""}"#,
            r#"{"connection":1,"at":0,"from":"client","bytes":"","more":1}"#,
            r#"{"connection":1,"at":0,"from":"client","bytes":"한"}"#,
        ];
        for bad in damaged {
            let error = Recording::parse(&format!("{good}\n{bad}\n{good}")).unwrap_err();
            assert!(error.starts_with("line 2: "), "{bad}: {error}");
        }
    }
}
