//! The way from the room to one client, who may be slow.

use std::time::Duration;

use axum::extract::ws::{CloseCode, Message, Utf8Bytes, WebSocket, close_code};
use futures_util::SinkExt;
use serde_json::json;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::{
    room::BACKLOG,
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
        // Exercise 7.4, second half: all of it leaves together.
        // TODO 7.4, second half: let all of it leave, instead of the next line
        Ok(())
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
        // Exercise 7.4, first half: it goes to the others that are to leave.
        // TODO 7.4, first half: let it wait, instead of the next line
        self.taken(socket.send(Message::Text(text))).await
    }

    /// Waits until the client has taken something.
    async fn taken(&self, write: impl Future<Output = Result<(), axum::Error>>) -> End {
        // Exercise 7.3: but not for ever.
        // TODO 7.3: wait no longer than self.stall, instead of the next 2 lines
        let _ = self.stall;
        write.await.map_err(code_for)
    }
}

/// What the client is told.
fn text_of(heard: Result<Utf8Bytes, RecvError>) -> Result<Utf8Bytes, CloseCode> {
    match heard {
        Ok(text) => Ok(text),
        // Exercise 7.2: this client was too slow, and the room did not wait for it.
        Err(RecvError::Lagged(missed)) => {
            todo!("7.2 tell the client how many it missed: {missed}")
        }
        Err(RecvError::Closed) => Err(close_code::AWAY),
    }
}
