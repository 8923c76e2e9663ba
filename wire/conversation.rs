//! One connection: both sides' bytes, read as they come.

mod ending;
mod messages;
mod socket;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::mem;

use crate::event::{Event, Kind};
use crate::frames::{Begun, Frames};
use crate::head::Collecting;
use crate::kept::Kept;
use crate::notation;
use crate::side::Side;
use messages::{Asked, Message};
use stream::Events;

/// A connection, as far as it has come.
#[derive(Debug)]
pub struct Conversation {
    connection: usize,
    /// How many events there were.
    events: u64,
    client: Reading,
    server: Reading,
    /// The requests whose responses have not come yet.
    asked: VecDeque<Asked>,
    /// Whether it has become a WebSocket.
    is_socket: bool,
    /// The sides that have sent a Close.
    closed: Vec<Side>,
}

/// What the next bytes of a side are.
#[derive(Debug)]
enum Reading {
    Head(Collecting),
    Message(Message),
    /// The body of a response that is a stream of events.
    Events(Events),
    /// What the answer to the client's upgrade will make of them: until it
    /// comes, nobody knows. They are forwarded all the same.
    Held(Vec<u8>),
    Frames(Frames, Option<Growing>),
    /// Nobody knows.
    Raw,
    /// There are none: this side has ended.
    Ended,
}

impl Default for Reading {
    fn default() -> Self {
        Self::Head(Collecting::default())
    }
}

/// An event whose bytes are coming.
#[derive(Debug)]
struct Growing {
    event: Event,
    /// The frame's header, if it is a frame.
    frame: Option<Begun>,
}

/// What is being heard, and what is told of it.
struct Hearing<'a> {
    from: Side,
    at: f64,
    told: &'a mut Vec<Event>,
}

impl Conversation {
    /// A connection on which nothing has been said.
    pub fn new(connection: usize) -> Self {
        Self {
            connection,
            events: 0,
            client: Reading::default(),
            server: Reading::default(),
            asked: VecDeque::new(),
            is_socket: false,
            closed: Vec::new(),
        }
    }

    /// The event with which it begins.
    pub fn opened(&mut self, at: f64) -> Event {
        let line = format!("connection {} opens", self.connection);
        let event = self.event(Side::Client, at, Kind::Opened, line, Kept::default());
        done(event)
    }

    /// There is no server to connect to.
    pub fn unreachable(&mut self, at: f64, why: &str) -> Event {
        let line = why.to_string();
        let event = self.event(Side::Server, at, Kind::Unreachable, line, Kept::default());
        done(event)
    }

    /// A side has sent bytes: what they are, and what has become of the events before.
    pub fn hear(&mut self, from: Side, at: f64, mut bytes: &[u8]) -> Vec<Event> {
        let mut told = Vec::new();
        let mut hearing = Hearing {
            from,
            at,
            told: &mut told,
        };
        while !bytes.is_empty() {
            let taken = self.step(&mut hearing, bytes);
            bytes = &bytes[taken..];
        }
        self.tell_unfinished(&mut hearing);
        told
    }

    /// How many bytes are held, apart from those of the events that were told.
    pub fn held(&self) -> usize {
        let of = |reading: &Reading| match reading {
            Reading::Head(collecting) => collecting.bytes().len(),
            Reading::Held(bytes) => bytes.len(),
            Reading::Frames(frames, _) => frames.unfinished_header().len(),
            Reading::Events(events) => events.held(),
            _ => 0,
        };
        of(&self.client) + of(&self.server)
    }

    fn reading(&mut self, side: Side) -> &mut Reading {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    fn event(&mut self, from: Side, at: f64, kind: Kind, line: String, bytes: Kept) -> Event {
        self.events += 1;
        Event {
            connection: self.connection,
            number: self.events,
            at,
            from,
            kind,
            line,
            details: Vec::new(),
            problem: None,
            again: false,
            done: false,
            bytes,
            key: None,
        }
    }

    /// Takes some of the bytes, and says how many.
    fn step(&mut self, hearing: &mut Hearing, bytes: &[u8]) -> usize {
        let reading = mem::replace(self.reading(hearing.from), Reading::Raw);
        let (next, taken) = match reading {
            Reading::Head(collecting) => self.head(hearing, collecting, bytes),
            Reading::Message(message) => self.message(hearing, message, bytes),
            Reading::Events(events) => self.server_sent(hearing, events, bytes),
            Reading::Held(held) => self.hold(hearing, held, bytes),
            Reading::Frames(frames, growing) => self.frame(hearing, frames, growing, bytes),
            Reading::Raw | Reading::Ended => {
                self.raw(hearing, bytes, None);
                (Reading::Raw, bytes.len())
            }
        };
        *self.reading(hearing.from) = next;
        taken
    }

    /// What came so far is told, though more of it is to come.
    fn tell_unfinished(&mut self, hearing: &mut Hearing) {
        let growing = match self.reading(hearing.from) {
            Reading::Message(message) => message.growing.as_mut(),
            Reading::Frames(_, growing) => growing.as_mut(),
            Reading::Events(events) => {
                if let Some(whole) = events.whole.take() {
                    hearing.told.push(done(whole.event));
                }
                events.growing.as_mut()
            }
            _ => None,
        };
        if let Some(growing) = growing
            && !growing.event.again
        {
            hearing.told.push(growing.event.clone());
            growing.event.again = true;
        }
    }

    /// Bytes of which nobody knows what they are.
    fn raw(&mut self, hearing: &mut Hearing, bytes: &[u8], problem: Option<String>) {
        let kept = Kept::new(&[]);
        kept.add(bytes);
        let line = notation::bytes(bytes.len() as u64);
        let mut event = self.event(hearing.from, hearing.at, Kind::Raw, line, kept);
        event.problem = problem;
        hearing.told.push(done(event));
    }
}

impl From<Event> for Growing {
    fn from(event: Event) -> Self {
        Self { event, frame: None }
    }
}

fn done(event: Event) -> Event {
    Event {
        done: true,
        ..event
    }
}
