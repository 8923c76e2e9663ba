//! How a side ends its half of a connection.

use std::mem;

use super::{Conversation, Hearing, Reading, done};
use crate::body::Body;
use crate::event::{Event, Kind};
use crate::kept::Kept;
use crate::side::Side;

impl Conversation {
    /// A side has ended its half of the connection.
    pub fn end(&mut self, from: Side, at: f64) -> Vec<Event> {
        self.ending(from, at, |cut, without_close| {
            let (line, rule) = if without_close {
                (
                    "the end of the connection without a Close",
                    Some("each side of a WebSocket says Close before it ends (RFC 6455 7.1.1)"),
                )
            } else {
                ("the end of the connection", None)
            };
            (Kind::Ended, line, cut.or(rule.map(str::to_string)))
        })
    }

    /// A side has broken off the connection, for both.
    pub fn reset(&mut self, from: Side, at: f64) -> Vec<Event> {
        let mut told = self.ending(from, at, |cut, _| {
            let why = cut.unwrap_or("a reset (RST) came, not an orderly end (FIN)".to_string());
            (Kind::Reset, "the connection is broken off", Some(why))
        });
        told.extend(self.give_up(from.other(), at));
        told
    }

    /// The connection is over, however its sides have ended.
    pub fn close(&mut self, at: f64) -> Vec<Event> {
        let mut told = Vec::new();
        for side in [Side::Client, Side::Server] {
            told.extend(self.ending(side, at, |cut, _| {
                (Kind::Ended, "nobody reads any more", cut)
            }));
        }
        told
    }

    /// What was coming from a side that will not end by itself any more.
    fn give_up(&mut self, from: Side, at: f64) -> Vec<Event> {
        let mut told = Vec::new();
        let reading = mem::replace(self.reading(from), Reading::Ended);
        let mut hearing = Hearing {
            from,
            at,
            told: &mut told,
        };
        self.finish(&mut hearing, reading);
        told
    }

    /// A side ends. What is told of it depends on what was coming, and on
    /// whether a Close is missing.
    fn ending(
        &mut self,
        from: Side,
        at: f64,
        told_as: impl Fn(Option<String>, bool) -> (Kind, &'static str, Option<String>),
    ) -> Vec<Event> {
        let mut told = Vec::new();
        let reading = mem::replace(self.reading(from), Reading::Ended);
        if let Reading::Ended = reading {
            return told;
        }
        let mut hearing = Hearing {
            from,
            at,
            told: &mut told,
        };
        let cut = self.finish(&mut hearing, reading);
        let (kind, line, problem) = told_as(cut, self.without_close(from));
        let mut event = self.event(from, at, kind, line.to_string(), Kept::default());
        event.problem = problem;
        told.push(done(event));
        told
    }

    /// What was coming when a side ended, and what is wrong with its end.
    fn finish(&mut self, hearing: &mut Hearing, reading: Reading) -> Option<String> {
        let cut = |what: &str| Some(format!("it comes in the middle of {what}"));
        match reading {
            Reading::Head(collecting) if !collecting.bytes().is_empty() => {
                self.raw(hearing, collecting.bytes(), None);
                cut("a head")
            }
            Reading::Message(message) => {
                let missing = message.missing();
                self.finish_message(hearing, message, None);
                cut(&missing?)
            }
            Reading::Events(events) => {
                let whole = events.body == Body::UntilTheEnd;
                self.finish_events(hearing, events);
                if whole { None } else { cut("a stream") }
            }
            Reading::Held(held) if !held.is_empty() => {
                self.raw(hearing, &held, None);
                cut("an upgrade")
            }
            Reading::Frames(frames, growing) => {
                let header = frames.unfinished_header();
                if !header.is_empty() {
                    self.raw(hearing, header, None);
                    return cut("a frame's header");
                }
                self.finish_frame(hearing, growing?);
                cut("a frame")
            }
            _ => None,
        }
    }

    /// Whether a side of a WebSocket ends without having said so.
    fn without_close(&self, from: Side) -> bool {
        self.is_socket && !self.closed.contains(&from)
    }
}
