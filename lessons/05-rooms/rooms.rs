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

/// The open rooms. Whoever holds a receiver of a room's channel is in the room.
#[derive(Default)]
pub struct Rooms {
    open: Mutex<HashMap<RoomName, Sender<Utf8Bytes>>>,
}

impl Rooms {
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

    /// Exercise 5.2: all in this room hear it, and nobody else.
    pub fn say(&self, name: &RoomName, message: &ChatMessage) {
        todo!("5.2 send it as JSON to all in the room {name:?}: {message:?}")
    }

    /// A client is gone.
    pub fn leave(&self, name: &RoomName, texts: Receiver<Utf8Bytes>) {
        // Nobody enters between this client's leaving and the look at who is left.
        let mut open = self.open.lock().unwrap();
        drop(texts);
        let Entry::Occupied(room) = open.entry(name.clone()) else {
            return;
        };
        let left = tell_online(room.get());
        if left == 0 {
            // Exercise 5.4, first half: nobody is left, and neither is the room.
            // TODO 5.4: remove the room
        }
    }

    /// The open rooms, sorted by name, and how many are in each.
    pub fn list(&self) -> Vec<(RoomName, usize)> {
        let mut listed = Vec::new();
        // Exercise 5.4, second half: every open room, and how many are there.
        // TODO 5.4: add each open room to the list
        listed.sort();
        listed
    }
}

/// Counts who is in a room, and tells them.
fn tell_online(room: &Sender<Utf8Bytes>) -> usize {
    let online = room.receiver_count();
    // Exercise 5.5: all in the room hear how many are there.
    // TODO 5.5: send the number to all in the room
    online
}
