//! What every socket of the chat has in common: its limit, its texts, its end.

use std::{future::pending, time::Duration};

use axum::extract::{
    WebSocketUpgrade,
    ws::{CloseCode, CloseFrame, Message, Utf8Bytes, WebSocket, close_code},
};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{
    Error,
    error::{CapacityError, ProtocolError},
};

/// How long a peer may take to answer our Close.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many bytes are read at a time. Each socket keeps room for them, always.
const READ_BUFFER: usize = 1024;

/// From how many bytes on waiting texts are written, even if more are to come.
const WRITE_BUFFER: usize = 8 * 1024;

/// How many bytes may wait to be written. A client that sends pings and reads
/// no answer would fill any memory with pongs.
const WRITE_LIMIT: usize = 1024 * 1024;

/// A conversation ends well, or with the code that tells the peer what was wrong.
pub type End = Result<(), CloseCode>;

/// A message may come in several frames. The limit of one frame refuses a long
/// one by its announced length, before its bytes are read.
pub fn limited(upgrade: WebSocketUpgrade, bytes: usize) -> WebSocketUpgrade {
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(WRITE_LIMIT);
    upgrade.max_message_size(bytes).max_frame_size(bytes)
}

/// Waits for the next text. There is none when the peer has closed the socket.
pub async fn next_text(socket: &mut WebSocket) -> Result<Option<Utf8Bytes>, CloseCode> {
    while let Some(received) = socket.recv().await {
        match received.map_err(code_for)? {
            Message::Text(text) => return Ok(Some(text)),
            // Only text is spoken here.
            Message::Binary(_) => return Err(close_code::UNSUPPORTED),
            // axum answers pings and a Close by itself, while we read on.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => {}
        }
    }
    Ok(None)
}

/// The close code for what went wrong (RFC 6455 7.4.1).
pub fn code_for(error: axum::Error) -> CloseCode {
    let error = error.into_inner();
    match error.downcast_ref::<Error>() {
        // The connection is gone: nobody is left to tell.
        None
        | Some(Error::Io(_))
        | Some(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
            close_code::ABNORMAL
        }
        // The highest bit of a length is always 0 (RFC 6455 5.2).
        Some(Error::Capacity(CapacityError::MessageTooLong { size, .. }))
            if *size > isize::MAX as usize =>
        {
            close_code::PROTOCOL
        }
        // Each offence has its code.
        Some(offence) => match offence {
            // It takes nothing, not even our pongs.
            Error::WriteBufferFull(_) => close_code::POLICY,
            Error::Utf8(_) => close_code::INVALID,
            Error::Capacity(_) => close_code::SIZE,
            _ => close_code::PROTOCOL,
        },
    }
}

/// Tells the peer what was wrong and waits for its Close. Without the wait
/// the kernel may reset the connection before the peer has read the code.
pub async fn close(mut socket: WebSocket, end: End) {
    let code = match end {
        Ok(()) | Err(close_code::ABNORMAL) => return,
        Err(code) => code,
    };
    let reason = Utf8Bytes::default();
    let goodbye = Message::Close(Some(CloseFrame { code, reason }));
    let answered = async {
        if socket.send(goodbye).await.is_err() {
            return;
        }
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Close(_) = message {
                return;
            }
        }
        // After an error axum reads no more: all we can give the peer is time.
        pending().await
    };
    let _ = timeout(PATIENCE, answered).await;
}
