//! Every room in which somebody is.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Mutex,
};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::broadcast::{self, Receiver, Sender};

use crate::{message::ChatMessage, room_name::RoomName};

/// How many texts a slow client may be behind before it misses some.
pub const BACKLOG: usize = 256;

// ANCHOR: rooms
/// The open rooms. Whoever holds a receiver of a room's channel is in the room.
#[derive(Default)]
pub struct Rooms {
    open: Mutex<HashMap<RoomName, Sender<Utf8Bytes>>>,
}
// ANCHOR_END: rooms

impl Rooms {
    // ANCHOR: enter
    /// Lets a client into a room, which opens with the first one.
    pub fn enter(&self, name: &RoomName) -> Receiver<Utf8Bytes> {
        // Found and entered under one lock: in between, the room could be closed.
        let mut open = self.open.lock().unwrap();
        let room = open
            .entry(name.clone())
            .or_insert_with(|| broadcast::channel(BACKLOG).0);
        let texts = room.subscribe();
        tell_online(room);
        texts
    }
    // ANCHOR_END: enter

    /// Exercise 5.2: all in this room hear it, and nobody else.
    pub fn say(&self, name: &RoomName, message: &ChatMessage) {
        let text = serde_json::to_string(message).expect("two strings make JSON");
        if let Some(room) = self.open.lock().unwrap().get(name) {
            // The only error is that nobody is here.
            let _ = room.send(text.into());
        }
    }

    // ANCHOR: whole_leave
    // ANCHOR: leave
    /// A client is gone.
    pub fn leave(&self, name: &RoomName, texts: Receiver<Utf8Bytes>) {
        // Nobody enters between this client's leaving and the look at who is left.
        let mut open = self.open.lock().unwrap();
        drop(texts);
        let Entry::Occupied(room) = open.entry(name.clone()) else {
            return;
        };
        let left = tell_online(room.get());
        // ANCHOR_END: leave
        if left == 0 {
            // Exercise 5.4, first half: nobody is left, and neither is the room.
            room.remove();
        }
    }
    // ANCHOR_END: whole_leave

    /// The open rooms, sorted by name, and how many are in each.
    pub fn list(&self) -> Vec<(RoomName, usize)> {
        let mut listed = Vec::new();
        // Exercise 5.4, second half: every open room, and how many are there.
        for (name, room) in self.open.lock().unwrap().iter() {
            listed.push((name.clone(), room.receiver_count()));
        }
        listed.sort();
        listed
    }
}

/// Counts who is in a room, and tells them.
fn tell_online(room: &Sender<Utf8Bytes>) -> usize {
    let online = room.receiver_count();
    // Exercise 5.5: all in the room hear how many are there.
    let text = serde_json::json!({ "online": online }).to_string();
    let _ = room.send(text.into());
    online
}
