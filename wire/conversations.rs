//! The conversations that go on side by side, one on each connection.

use std::collections::HashMap;

use crate::conversation::Conversation;
use crate::event::Event;
use crate::forwarding::Heard;
use crate::recording::Chunk;

/// The conversations on connections that are not over, by the connection's number.
#[derive(Default)]
pub struct Conversations(HashMap<usize, Conversation>);

impl Conversations {
    /// Something happened on a connection, so many seconds after the beginning:
    /// what it is, and what has become of the events before.
    pub fn hear(&mut self, connection: usize, at: f64, heard: Heard) -> Vec<Event> {
        let conversation = self.0.entry(connection);
        let conversation = conversation.or_insert_with(|| Conversation::new(connection));
        match heard {
            Heard::Opened => vec![conversation.opened(at)],
            Heard::Unreachable(why) => vec![conversation.unreachable(at, why)],
            Heard::Bytes(from, bytes) => conversation.hear(from, at, bytes),
            Heard::Ended(from) => conversation.end(from, at),
            Heard::Reset(from) => conversation.reset(from, at),
            Heard::Closed => {
                let events = conversation.close(at);
                self.0.remove(&connection);
                events
            }
        }
    }

    /// Something had happened when a recording was made.
    pub fn hear_again(&mut self, chunk: &Chunk) -> Vec<Event> {
        let mut hear = |heard| self.hear(chunk.connection, chunk.at, heard);
        match (chunk.bytes.as_slice(), chunk.reset) {
            ([], false) => hear(Heard::Ended(chunk.from)),
            ([], true) => {
                let mut events = hear(Heard::Reset(chunk.from));
                events.extend(hear(Heard::Closed));
                events
            }
            (bytes, _) => hear(Heard::Bytes(chunk.from, bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::side::Side;

    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";

    #[test]
    fn a_connection_that_is_over_leaves_nothing_behind() {
        let mut conversations = Conversations::default();
        for connection in 1..100 {
            let mut hear = |heard| conversations.hear(connection, 0.0, heard);
            hear(Heard::Opened);
            hear(Heard::Bytes(Side::Server, HEAD));
            match connection % 3 {
                0 => drop(hear(Heard::Reset(Side::Client))),
                1 => drop(hear(Heard::Ended(Side::Client))),
                _ => {}
            }
            hear(Heard::Closed);
        }
        assert!(conversations.0.is_empty());
    }
}
