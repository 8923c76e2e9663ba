//! What happens on a connection, an arrow each.

use serde::Serialize;

use crate::kept::Kept;
use crate::side::Side;

/// One arrow of the sequence chart.
#[derive(Clone, Debug)]
pub struct Event {
    /// Which TCP connection, counted from 1.
    pub connection: usize,
    /// Which event of this connection, counted from 1. An event that is told
    /// again under the same number replaces what was told before.
    pub number: u64,
    /// Seconds since the beginning, when it began.
    pub at: f64,
    /// Who sent it.
    pub from: Side,
    pub kind: Kind,
    /// What it says, in the notation of the transcripts.
    pub line: String,
    /// What stands indented below the line.
    pub details: Vec<String>,
    /// What is wrong with it, as a sentence.
    pub problem: Option<String>,
    /// Whether it was told before, when only a part of it had come.
    pub again: bool,
    /// Whether all of it has come.
    pub done: bool,
    pub bytes: Kept,
    /// The key of the handshake that a response 101 answers.
    pub key: Option<String>,
}

/// What an event is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A client has connected.
    Opened,
    Request,
    Response,
    /// The response 101 that makes the connection a WebSocket.
    Upgrade,
    /// A frame of text or binary, or one that continues it.
    Frame,
    /// Ping or pong.
    Control,
    Close,
    /// One server-sent event of a response that goes on.
    ServerSent,
    /// A body that came apart from its head, as after `Expect: 100-continue`.
    Body,
    /// Bytes that are neither HTTP nor WebSocket.
    Raw,
    /// A side has ended its half of the connection.
    Ended,
    /// A side has broken off the connection, for both.
    Reset,
    /// There is no server to connect to.
    Unreachable,
}

impl Event {
    /// The name under which it is told, and told again.
    pub fn id(&self) -> String {
        format!("{}.{}", self.connection, self.number)
    }
}

/// An event as the page gets it.
#[derive(Serialize)]
pub struct Told<'a> {
    id: String,
    connection: usize,
    at: f64,
    from: Side,
    kind: Kind,
    line: &'a str,
    details: &'a [String],
    size: u64,
    cut: bool,
    done: bool,
    problem: Option<&'a str>,
}

impl<'a> From<&'a Event> for Told<'a> {
    fn from(event: &'a Event) -> Self {
        let (size, cut) = {
            let bytes = event.bytes.lock();
            (bytes.size, bytes.is_cut())
        };
        Self {
            id: event.id(),
            connection: event.connection,
            at: event.at,
            from: event.from,
            kind: event.kind,
            line: &event.line,
            details: &event.details,
            size,
            cut,
            done: event.done,
            problem: event.problem.as_deref(),
        }
    }
}
