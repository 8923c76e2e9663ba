//! The channel of a room in Redis: what it is called, and what goes through it.

use serde::Deserialize;
use serde_json::json;

use crate::{message::ChatMessage, room_name::RoomName};

/// The channel of a room. A room's name has no `:` in it and no `*`, so it is
/// nobody else's channel and no pattern.
pub fn channel_of(room: &RoomName) -> String {
    format!("chat:{room}")
}

/// The room of a channel, if it is the channel of one.
pub fn room_of(channel: &str) -> Option<RoomName> {
    RoomName::parse(channel.strip_prefix("chat:")?)
}

/// A message, and the process that has published it. What somebody has typed
/// in redis-cli comes from none.
#[derive(Debug, Deserialize)]
pub struct Carried {
    pub origin: Option<String>,
    #[serde(flatten)]
    pub message: ChatMessage,
}

/// What goes into the channel.
pub fn write(origin: &str, message: &ChatMessage) -> String {
    let mut carried = json!(message);
    carried["origin"] = json!(origin);
    carried.to_string()
}

/// What has come from the channel, or what is wrong with it.
pub fn read(payload: &[u8]) -> Result<Carried, String> {
    // Exercise 8.4, first half: it must be what a client may say.
    // TODO 8.4: refuse what a client may not say
    serde_json::from_slice(payload).map_err(|error| error.to_string())
}
