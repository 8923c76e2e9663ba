//! What somebody may say.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What one says and all in the room hear.
#[derive(Debug, Deserialize, Serialize)]
pub struct ChatMessage {
    sender: String,
    message: String,
}

/// A message, or what is wrong with the data.
pub fn check(data: Value) -> Result<ChatMessage, String> {
    let message: ChatMessage = serde_json::from_value(data).map_err(|error| error.to_string())?;
    for (name, value) in [("sender", &message.sender), ("message", &message.message)] {
        if value.trim().is_empty() {
            return Err(format!("{name} is empty"));
        }
    }
    Ok(message)
}
