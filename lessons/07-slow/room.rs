//! One room, in which everyone hears everyone.

use std::sync::Mutex;

use axum::extract::ws::Utf8Bytes;
use serde_json::json;
use tokio::sync::broadcast::{self, Sender};

use crate::message::ChatMessage;

/// How many texts a slow client may be behind before it misses some.
pub const BACKLOG: usize = 256;

/// All who are here. What is sent to `texts`, every one of them hears.
pub struct Room {
    pub texts: Sender<Utf8Bytes>,
    online: Mutex<isize>,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            texts: broadcast::channel(BACKLOG).0,
            online: Mutex::new(0),
        }
    }
}

impl Room {
    /// The text is made once. What each client gets is a reference to it.
    pub fn say(&self, message: &ChatMessage) {
        let text = serde_json::to_string(message).expect("two strings make JSON");
        // The only error is that nobody is here.
        let _ = self.texts.send(text.into());
    }

    /// Counts one who comes (1) or goes (-1).
    pub fn count(&self, change: isize) {
        let mut online = self.online.lock().unwrap();
        *online += change;
        // All hear the number, before it can change again.
        let text = json!({ "online": *online }).to_string();
        let _ = self.texts.send(text.into());
    }
}
