//! The way from the room to one client, who may be slow.

use std::time::Duration;

use axum::extract::ws::{CloseCode, Message, Utf8Bytes, WebSocket, close_code};
use futures_util::SinkExt;
use serde_json::json;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::{
    rooms::BACKLOG,
    socket::{End, code_for},
};

/// What a client hears of the room.
pub struct Delivery {
    pub texts: Receiver<Utf8Bytes>,
    pub stall: Duration,
}

impl Delivery {
    /// What woke us, and all that waits behind it.
    pub async fn deliver(
        &mut self,
        first: Result<Utf8Bytes, RecvError>,
        socket: &mut WebSocket,
    ) -> End {
        self.write(text_of(first)?, socket).await?;
        self.write_waiting(socket).await?;
        self.taken(socket.flush()).await
    }

    /// What was wrong, for this client alone, behind all that was said before.
    pub async fn refuse(&mut self, problem: &str, socket: &mut WebSocket) -> End {
        let answer = json!({ "error": problem }).to_string();
        self.write_waiting(socket).await?;
        self.write(answer.into(), socket).await?;
        self.taken(socket.flush()).await
    }

    /// All that waits now. What comes meanwhile is for the next time: in a room
    /// that is never silent, the client has to be listened to as well.
    async fn write_waiting(&mut self, socket: &mut WebSocket) -> End {
        // `len` counts lost texts too. For all of those there comes one `Lagged`.
        for _ in 0..self.texts.len().min(BACKLOG + 1) {
            let heard = self.texts.recv().await;
            self.write(text_of(heard)?, socket).await?;
        }
        Ok(())
    }

    async fn write(&self, text: Utf8Bytes, socket: &mut WebSocket) -> End {
        self.taken(socket.feed(Message::Text(text))).await
    }

    /// Waits until the client has taken something.
    async fn taken(&self, write: impl Future<Output = Result<(), axum::Error>>) -> End {
        match tokio::time::timeout(self.stall, write).await {
            Ok(written) => written.map_err(code_for),
            Err(_) => Err(close_code::POLICY),
        }
    }
}

/// What the client is told.
fn text_of(heard: Result<Utf8Bytes, RecvError>) -> Result<Utf8Bytes, CloseCode> {
    match heard {
        Ok(text) => Ok(text),
        Err(RecvError::Lagged(missed)) => {
            let text = json!({ "missed": missed }).to_string();
            Ok(text.into())
        }
        Err(RecvError::Closed) => Err(close_code::AWAY),
    }
}
