//! The part of a connection behind a WebSocket handshake (RFC 6455).

use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, OpCode};

use super::{Conversation, Growing, Hearing, Reading, done};
use crate::event::Kind;
use crate::frames::{Begun, Frames, unmasked};
use crate::kept::Kept;
use crate::{notation, rules};

impl Conversation {
    pub(super) fn frame(
        &mut self,
        hearing: &mut Hearing,
        mut frames: Frames,
        growing: Option<Growing>,
        bytes: &[u8],
    ) -> (Reading, usize) {
        if let Some(growing) = growing {
            let taken = frames.payload(bytes);
            growing.event.bytes.add(&bytes[..taken]);
            return (self.after_payload(hearing, frames, growing), taken);
        }
        let before = frames.unfinished_header().len();
        match frames.header(bytes) {
            Ok((taken, None)) => (Reading::Frames(frames, None), taken),
            Ok((taken, Some(begun))) => {
                let kept = Kept::new(&begun.bytes);
                let kind = kind_of(&begun);
                let line = format!("a frame of {}", notation::bytes(begun.length));
                let event = self.event(hearing.from, hearing.at, kind, line, kept);
                let growing = Growing {
                    event,
                    frame: Some(begun),
                };
                if frames == Frames::Payload(0) {
                    frames = Frames::default();
                }
                (self.after_payload(hearing, frames, growing), taken)
            }
            Err(problem) => {
                let unread = frames.unfinished_header().to_vec();
                self.raw(hearing, &unread, Some(problem));
                (Reading::Raw, unread.len() - before)
            }
        }
    }

    /// A frame goes on, or it is whole.
    fn after_payload(
        &mut self,
        hearing: &mut Hearing,
        frames: Frames,
        growing: Growing,
    ) -> Reading {
        if let Frames::Payload(_) = frames {
            return Reading::Frames(frames, Some(growing));
        }
        self.finish_frame(hearing, growing);
        Reading::Frames(frames, None)
    }

    pub(super) fn finish_frame(&mut self, hearing: &mut Hearing, growing: Growing) {
        let Growing {
            mut event, frame, ..
        } = growing;
        if let Some(begun) = frame {
            let bytes = event.bytes.lock().clone();
            let payload = unmasked(bytes.body(), begun.header.mask);
            event.line = notation::frame(&begun.header, &payload, &bytes);
            event.problem = rules::broken(hearing.from, &begun, &payload);
        }
        if event.kind == Kind::Close && !self.closed.contains(&hearing.from) {
            self.closed.push(hearing.from);
        }
        hearing.told.push(done(event));
    }
}

fn kind_of(begun: &Begun) -> Kind {
    match begun.header.opcode {
        OpCode::Data(_) => Kind::Frame,
        OpCode::Control(Control::Close) => Kind::Close,
        OpCode::Control(_) => Kind::Control,
    }
}
