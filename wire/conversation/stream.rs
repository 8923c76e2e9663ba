//! A response that is a stream of server-sent events, an arrow each.

use super::{Conversation, Growing, Hearing, Reading, done};
use crate::body::{Body, What};
use crate::event::Kind;
use crate::kept::Kept;
use crate::server_sent::Stream;

/// A stream of events that is coming.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) body: Body,
    stream: Stream,
    /// The event that is coming.
    pub(super) growing: Option<Growing>,
    /// The event that has come, while what belongs to its chunk is coming.
    pub(super) whole: Option<Growing>,
}

impl Events {
    pub(super) fn new(body: Body) -> Self {
        Self {
            body,
            stream: Stream::default(),
            growing: None,
            whole: None,
        }
    }

    /// How many bytes are held of an event that is coming.
    pub(super) fn held(&self) -> usize {
        self.stream.held()
    }
}

impl Conversation {
    pub(super) fn server_sent(
        &mut self,
        hearing: &mut Hearing,
        mut events: Events,
        bytes: &[u8],
    ) -> (Reading, usize) {
        let piece = match events.body.next(bytes) {
            Ok(piece) => piece,
            Err(problem) => {
                self.finish_events(hearing, events);
                self.raw(hearing, bytes, Some(problem));
                return (Reading::Raw, bytes.len());
            }
        };
        let mut piece_bytes = &bytes[..piece.length];
        match (piece.what, &events.whole) {
            (What::Behind, Some(whole)) => whole.event.bytes.add(piece_bytes),
            (What::Content, _) => {
                while !piece_bytes.is_empty() {
                    let (length, line) = events.stream.next(piece_bytes);
                    let (event_bytes, rest) = piece_bytes.split_at(length);
                    self.add_to_event(hearing, &mut events, event_bytes);
                    if let Some(line) = line
                        && let Some(mut growing) = events.growing.take()
                    {
                        growing.event.line = line;
                        events.whole = Some(growing);
                    }
                    piece_bytes = rest;
                }
            }
            _ => self.add_to_event(hearing, &mut events, piece_bytes),
        }
        if events.body.is_over() {
            self.finish_events(hearing, events);
            return (Reading::default(), piece.length);
        }
        (Reading::Events(events), piece.length)
    }

    fn add_to_event(&mut self, hearing: &mut Hearing, events: &mut Events, bytes: &[u8]) {
        if let Some(whole) = events.whole.take() {
            hearing.told.push(done(whole.event));
        }
        let growing = events.growing.get_or_insert_with(|| {
            let line = "an event, of which the end is to come".to_string();
            let kept = Kept::new(&[]);
            self.event(hearing.from, hearing.at, Kind::ServerSent, line, kept)
                .into()
        });
        growing.event.bytes.add(bytes);
    }

    pub(super) fn finish_events(&self, hearing: &mut Hearing, mut events: Events) {
        if let Some(whole) = events.whole {
            hearing.told.push(done(whole.event));
        }
        if let Some(mut growing) = events.growing {
            let rest = events.stream.rest();
            growing.event.line = rest.unwrap_or("the end of the stream".to_string());
            hearing.told.push(done(growing.event));
        }
    }
}
