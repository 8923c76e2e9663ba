//! Lesson 4: a chat. What one says, everyone hears.

use std::{
    env,
    future::pending,
    process,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseCode, CloseFrame, Message, Utf8Bytes, WebSocket, close_code},
    },
    http::header,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{
    net::TcpListener,
    select,
    sync::broadcast::{self, Receiver, Sender, error::RecvError},
    time::timeout,
};
use tokio_tungstenite::tungstenite::{
    Error,
    error::{CapacityError, ProtocolError},
};

const TEXT_LIMIT: usize = 64 * 1024;

/// How long a peer may take to answer our Close.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many texts a slow client may be behind before it misses some.
const BACKLOG: usize = 256;

/// A conversation ends well, or with the code that tells the peer what was wrong.
type End = Result<(), CloseCode>;

#[derive(Debug, Deserialize, Serialize)]
struct ChatMessage {
    sender: String,
    message: String,
}

// ANCHOR: room
/// All who are here. What is sent to `texts`, every one of them hears.
struct Room {
    texts: Sender<Utf8Bytes>,
    online: Mutex<isize>,
}
// ANCHOR_END: room

impl Room {
    /// Exercise 4.1: everyone hears it.
    fn say(&self, message: &ChatMessage) {
        let text = serde_json::to_string(message).expect("two strings make JSON");
        // The only error is that nobody is here.
        let _ = self.texts.send(text.into());
    }

    /// Counts one who comes (1) or goes (-1).
    fn count(&self, change: isize) {
        let mut online = self.online.lock().unwrap();
        *online += change;
        // Exercise 4.2, first half: all hear the number, before it can change again.
        let text = json!({ "online": *online }).to_string();
        let _ = self.texts.send(text.into());
    }
}

#[tokio::main]
async fn main() {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .unwrap_or_else(|error| {
            eprintln!(
                "Lesson 4 cannot listen on port {port}: {error}. \
                 Choose another one: PORT=8001 cargo run --bin lesson-4"
            );
            process::exit(1)
        });
    let address = listener
        .local_addr()
        .expect("a bound listener has an address");
    println!("Lesson 4 is at http://{address}");
    axum::serve(listener, app())
        .await
        .expect("axum::serve does not end");
}

// ANCHOR: app
fn app() -> Router {
    let room = Room {
        texts: broadcast::channel(BACKLOG).0,
        online: Mutex::new(0),
    };
    Router::new()
        .route("/", get(page))
        .route("/chat/public", get(enter))
        .route("/style.css", get(style))
        .with_state(Arc::new(room))
}
// ANCHOR_END: app

// ANCHOR: whole_enter
// ANCHOR: enter
async fn enter(upgrade: WebSocketUpgrade, State(room): State<Arc<Room>>) -> Response {
    limited(upgrade, TEXT_LIMIT).on_upgrade(async move |mut socket| {
        let texts = room.texts.subscribe();
        room.count(1);
        let end = chat(&mut socket, &room, texts).await;
        // ANCHOR_END: enter
        // Exercise 4.2, second half: one less, however the conversation ended.
        room.count(-1);
        close(socket, end).await;
    })
}
// ANCHOR_END: whole_enter

// ANCHOR: whole_chat
// ANCHOR: chat
/// Listens to the room and to the client, whichever speaks first.
async fn chat(socket: &mut WebSocket, room: &Room, mut texts: Receiver<Utf8Bytes>) -> End {
    loop {
        select! {
            heard = texts.recv() => deliver(heard, socket).await?,
            text = next_text(socket) => match text?.map(|text| check(&text)) {
                Some(Ok(message)) => room.say(&message),
                // ANCHOR_END: chat
                Some(Err(problem)) => {
                    // Exercise 4.3: what was said before this is heard before it.
                    // `len` counts lost texts too. For all of those there comes one `Lagged`.
                    for _ in 0..texts.len().min(BACKLOG + 1) {
                        deliver(texts.recv().await, socket).await?;
                    }
                    refuse(&problem, socket).await?;
                }
                None => return Ok(()),
            },
        }
    }
}
// ANCHOR_END: whole_chat

/// From the room to the client.
async fn deliver(heard: Result<Utf8Bytes, RecvError>, socket: &mut WebSocket) -> End {
    match heard {
        Ok(text) => socket.send(Message::Text(text)).await.map_err(code_for),
        // Exercise 4.6: this client was too slow, and the room did not wait for it.
        Err(RecvError::Lagged(missed)) => {
            eprintln!("A slow client missed {missed} texts.");
            Ok(())
        }
        Err(RecvError::Closed) => Err(close_code::AWAY),
    }
}

async fn refuse(problem: &str, socket: &mut WebSocket) -> End {
    let answer = Message::text(json!({ "error": problem }).to_string());
    socket.send(answer).await.map_err(code_for)
}

// ANCHOR: whole_check
// ANCHOR: check
/// A message, or what is wrong with the text.
fn check(text: &str) -> Result<ChatMessage, String> {
    let message: ChatMessage = serde_json::from_str(text).map_err(|error| error.to_string())?;
    // ANCHOR_END: check
    // Exercise 4.4: somebody says something.
    for (name, value) in [("sender", &message.sender), ("message", &message.message)] {
        if value.trim().is_empty() {
            return Err(format!("{name} is empty"));
        }
    }
    Ok(message)
}
// ANCHOR_END: whole_check

/// A message may come in several frames. The limit of one frame refuses a long
/// one by its announced length, before its bytes are read.
fn limited(upgrade: WebSocketUpgrade, bytes: usize) -> WebSocketUpgrade {
    upgrade.max_message_size(bytes).max_frame_size(bytes)
}

/// Waits for the next text. There is none when the peer has closed the socket.
async fn next_text(socket: &mut WebSocket) -> Result<Option<Utf8Bytes>, CloseCode> {
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
fn code_for(error: axum::Error) -> CloseCode {
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
            Error::Utf8(_) => close_code::INVALID,
            Error::Capacity(_) => close_code::SIZE,
            _ => close_code::PROTOCOL,
        },
    }
}

/// Tells the peer what was wrong and waits for its Close. Without the wait
/// the kernel may reset the connection before the peer has read the code.
async fn close(mut socket: WebSocket, end: End) {
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

async fn page() -> Html<&'static str> {
    Html(include_str!("page.html"))
}

async fn style() -> Response {
    let css = include_str!("../../lessons/style.css");
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], css).into_response()
}
