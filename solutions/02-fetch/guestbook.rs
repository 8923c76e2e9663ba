//! What the guestbook holds.

use std::{
    fmt::{self, Display, Formatter},
    sync::Mutex,
};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// What somebody wrote. A field that the form does not send is empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Entry {
    pub sender: String,
    pub message: String,
}

impl Entry {
    /// An entry with this sender and this message.
    pub fn new(sender: &str, message: &str) -> Entry {
        Entry {
            sender: sender.to_string(),
            message: message.to_string(),
        }
    }

    /// The form's names of the fields that are empty or hold spaces alone.
    pub fn missing(&self) -> Vec<&'static str> {
        let fields = [("sender", &self.sender), ("message", &self.message)];
        let empty = fields.iter().filter(|(_, text)| text.trim().is_empty());
        empty.map(|(name, _)| *name).collect()
    }
}

/// An entry that is in the guestbook. The first id is 1, the next one 2.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    pub id: u64,
    pub sender: String,
    pub message: String,
}

impl Display for Message {
    fn fmt(&self, formatter: &mut Formatter) -> fmt::Result {
        write!(formatter, "{} : {}", self.sender, self.message)
    }
}

// ANCHOR: guestbook
/// All messages, and the news that there is one more.
#[derive(Debug, Default)]
pub struct Guestbook {
    /// Behind a lock, because requests are answered side by side. Its `unwrap`
    /// fails only after a panic of our own while the lock was held.
    messages: Mutex<Vec<Message>>,
    /// The newest id. Whoever waits for more messages subscribes to it.
    pub newest: watch::Sender<u64>,
}
// ANCHOR_END: guestbook

impl Guestbook {
    // ANCHOR: store
    /// Puts an entry behind the others, and tells all who wait for one.
    pub fn store(&self, entry: Entry) -> Message {
        let mut messages = self.messages.lock().unwrap();
        let message = Message {
            id: messages.len() as u64 + 1,
            sender: entry.sender,
            message: entry.message,
        };
        messages.push(message.clone());
        // Still under the lock: whoever hears of an id finds its message.
        self.newest.send_replace(message.id);
        message
    }
    // ANCHOR_END: store

    /// Every message, the oldest first.
    pub fn all(&self) -> Vec<Message> {
        self.messages.lock().unwrap().clone()
    }
}
