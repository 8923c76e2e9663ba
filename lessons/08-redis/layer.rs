//! What carries a message to the other processes of this chat.

use crate::{message::ChatMessage, room_name::RoomName};

/// A layer is told what happens in this process, and never makes it wait.
pub trait Layer: Send + Sync {
    /// Somebody is in this room now, and nobody was before.
    fn opened(&self, room: &RoomName);
    /// The last one has left this room.
    fn closed(&self, room: &RoomName);
    /// Somebody said this, and all in this process have heard it.
    fn say(&self, room: &RoomName, message: &ChatMessage);
}

/// The layer of a chat that is one process: there is nobody else to tell.
pub struct InProcess;

impl Layer for InProcess {
    fn opened(&self, _: &RoomName) {}
    fn closed(&self, _: &RoomName) {}
    fn say(&self, _: &RoomName, _: &ChatMessage) {}
}
