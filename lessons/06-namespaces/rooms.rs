//! Every room in which somebody is.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Mutex,
};

use axum::extract::ws::Utf8Bytes;
use serde_json::json;
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio_stream::wrappers::BroadcastStream;

use crate::{
    envelope::{Place, push},
    message::ChatMessage,
};

/// How many texts a slow client may be behind before it misses some.
const BACKLOG: usize = 256;

/// The open rooms. Whoever holds a receiver of a room's channel is in the room.
#[derive(Default)]
pub struct Rooms {
    open: Mutex<HashMap<Place, Sender<Utf8Bytes>>>,
}

impl Rooms {
    /// Lets a client into a room, which opens with the first one.
    pub fn enter(&self, place: &Place) -> Receiver<Utf8Bytes> {
        // Found and entered under one lock: in between, the room could be closed.
        let mut open = self.open.lock().unwrap();
        let room = open
            .entry(place.clone())
            .or_insert_with(|| broadcast::channel(BACKLOG).0);
        let texts = room.subscribe();
        tell_online(place, room);
        texts
    }

    /// All in this room hear it, and nobody else.
    pub fn say(&self, place: &Place, message: &ChatMessage) {
        let text = push(place, "message", message);
        if let Some(room) = self.open.lock().unwrap().get(place) {
            // The only error is that nobody is here.
            let _ = room.send(text.into());
        }
    }

    /// A client is gone.
    pub fn leave(&self, place: &Place, texts: BroadcastStream<Utf8Bytes>) {
        // Nobody enters between this client's leaving and the look at who is left.
        let mut open = self.open.lock().unwrap();
        drop(texts);
        let Entry::Occupied(room) = open.entry(place.clone()) else {
            return;
        };
        let left = tell_online(place, room.get());
        if left == 0 {
            room.remove();
        }
    }
}

/// Counts who is in a room, and tells them.
fn tell_online(place: &Place, room: &Sender<Utf8Bytes>) -> usize {
    let online = room.receiver_count();
    let text = push(place, "online", json!({ "online": online }));
    let _ = room.send(text.into());
    online
}
