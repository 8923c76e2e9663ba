//! Every room in which somebody of this process is.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Mutex,
};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::broadcast::{self, Receiver, Sender};

use crate::{layer::Layer, message::ChatMessage, room_name::RoomName};

/// How many texts a slow client may be behind before it misses some.
pub const BACKLOG: usize = 256;

// ANCHOR: rooms
/// The rooms of this process, and the layer that leads to the others.
pub struct Rooms {
    layer: Box<dyn Layer>,
    here: Mutex<Here>,
}

/// What this process knows. One lock is around all of it.
struct Here {
    open: HashMap<RoomName, Sender<Utf8Bytes>>,
    /// Whether the other processes are out of reach.
    degraded: bool,
}
// ANCHOR_END: rooms

impl Rooms {
    /// No room is open yet.
    pub fn new(layer: impl Layer + 'static, degraded: bool) -> Self {
        let open = HashMap::new();
        Self {
            layer: Box::new(layer),
            here: Mutex::new(Here { open, degraded }),
        }
    }

    // ANCHOR: enter
    /// Lets a client into a room, which opens with the first one, and says
    /// whether this process is degraded at that moment.
    pub fn enter(&self, name: &RoomName) -> (Receiver<Utf8Bytes>, bool) {
        // Found and entered under one lock: in between, the room could be closed.
        let mut here = self.here.lock().unwrap();
        let degraded = here.degraded;
        let room = here.open.entry(name.clone()).or_insert_with(|| {
            self.layer.opened(name);
            broadcast::channel(BACKLOG).0
        });
        let texts = room.subscribe();
        tell_online(room);
        (texts, degraded)
    }
    // ANCHOR_END: enter

    // ANCHOR: say
    /// A client of this process speaks: who is here hears it at once, and the
    /// layer carries it to the others.
    pub fn say(&self, name: &RoomName, message: &ChatMessage) {
        self.hear(name, message);
        self.layer.say(name, message);
    }

    /// All in this room of this process hear it, and nobody else.
    pub fn hear(&self, name: &RoomName, message: &ChatMessage) {
        let text = serde_json::to_string(message).expect("two strings make JSON");
        if let Some(room) = self.here.lock().unwrap().open.get(name) {
            // The only error is that nobody is here.
            let _ = room.send(text.into());
        }
    }
    // ANCHOR_END: say

    /// A client is gone.
    pub fn leave(&self, name: &RoomName, texts: Receiver<Utf8Bytes>) {
        // Nobody enters between this client's leaving and the look at who is left.
        let mut here = self.here.lock().unwrap();
        drop(texts);
        let Entry::Occupied(room) = here.open.entry(name.clone()) else {
            return;
        };
        let left = tell_online(room.get());
        if left == 0 {
            room.remove();
            self.layer.closed(name);
        }
    }

    // ANCHOR: degraded
    /// Whether the other processes are out of reach, from now on.
    pub fn set_degraded(&self, degraded: bool) {
        let mut here = self.here.lock().unwrap();
        // An attempt that failed like the one before is no news.
        if here.degraded == degraded {
            return;
        }
        here.degraded = degraded;
        // ANCHOR_END: degraded
        // Exercise 8.3, first third: everybody in this process is told.
        let text = serde_json::json!({ "degraded": degraded }).to_string();
        for room in here.open.values() {
            let _ = room.send(text.clone().into());
        }
    }

    /// The open rooms of this process, sorted by name, and how many are in each.
    pub fn list(&self) -> Vec<(RoomName, usize)> {
        let mut listed = Vec::new();
        for (name, room) in self.here.lock().unwrap().open.iter() {
            listed.push((name.clone(), room.receiver_count()));
        }
        listed.sort();
        listed
    }
}

/// Counts who is in a room of this process, and tells them.
fn tell_online(room: &Sender<Utf8Bytes>) -> usize {
    let online = room.receiver_count();
    let text = serde_json::json!({ "online": online }).to_string();
    let _ = room.send(text.into());
    online
}
