//! Every room in which somebody is.

use std::{collections::BTreeMap, sync::Mutex};

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

// ANCHOR: rooms
/// The open rooms. Whoever holds a receiver of a room's channel is in the room.
#[derive(Default)]
pub struct Rooms {
    open: Mutex<BTreeMap<Place, Sender<Utf8Bytes>>>,
}
// ANCHOR_END: rooms

impl Rooms {
    /// Lets a client into a room, which opens with the first one.
    pub fn enter(&self, place: &Place) -> Receiver<Utf8Bytes> {
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
        if let Some(room) = self.open.lock().unwrap().get(place) {
            // The only error is that nobody is here.
            let _ = room.send(push(place, "message", message).into());
        }
    }

    /// A client is gone.
    pub fn leave(&self, place: &Place, texts: BroadcastStream<Utf8Bytes>) {
        // Nobody enters between this client's leaving and the look at who is left.
        let mut open = self.open.lock().unwrap();
        drop(texts);
        let Some(room) = open.get(place) else { return };
        tell_online(place, room);
        // Nobody is left, and neither is the room.
        if room.receiver_count() == 0 {
            open.remove(place);
        }
    }
}

/// All in the room hear how many are there.
fn tell_online(place: &Place, room: &Sender<Utf8Bytes>) {
    let online = json!({ "online": room.receiver_count() });
    let _ = room.send(push(place, "online", online).into());
}
