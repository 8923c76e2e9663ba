//! What a client may say.

use serde::{Deserialize, Serialize};

/// What one says and all in the room hear.
#[derive(Debug, Deserialize, Serialize)]
pub struct ChatMessage {
    sender: String,
    message: String,
}

/// A message, or what is wrong with the text.
pub fn check(text: &str) -> Result<ChatMessage, String> {
    let message: ChatMessage = serde_json::from_str(text).map_err(|error| error.to_string())?;
    for (name, value) in [("sender", &message.sender), ("message", &message.message)] {
        if value.trim().is_empty() {
            return Err(format!("{name} is empty"));
        }
    }
    Ok(message)
}
