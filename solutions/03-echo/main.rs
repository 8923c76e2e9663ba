//! Lesson 3: an echo. Either side of a socket may speak, at any time.

use std::{env, future::pending, process, time::Duration};

use axum::{
    Router,
    extract::{
        Query, WebSocketUpgrade,
        ws::{CloseCode, CloseFrame, Message, Utf8Bytes, WebSocket, close_code},
    },
    http::header,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::tungstenite::{
    Error,
    error::{CapacityError, ProtocolError},
};

const TEXT_LIMIT: usize = 64 * 1024;

/// How long a peer may take to answer our Close.
const PATIENCE: Duration = Duration::from_secs(1);

// ANCHOR: end
/// A conversation ends well, or with the code that tells the peer what was wrong.
type End = Result<(), CloseCode>;
// ANCHOR_END: end

#[derive(Debug, Deserialize, Serialize)]
struct ChatMessage {
    sender: String,
    message: String,
}

#[derive(Deserialize)]
struct Handshake {
    key: String,
}

#[tokio::main]
async fn main() {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .unwrap_or_else(|error| {
            eprintln!(
                "Lesson 3 cannot listen on port {port}: {error}. \
                 Choose another one: PORT=8001 cargo run --bin lesson-3"
            );
            process::exit(1)
        });
    let address = listener
        .local_addr()
        .expect("a bound listener has an address");
    println!("Lesson 3 is at http://{address}");
    axum::serve(listener, app())
        .await
        .expect("axum::serve does not end");
}

// ANCHOR: app
fn app() -> Router {
    Router::new()
        .route("/", get(page))
        .route("/ws", get(ws))
        .route("/ws/json", get(ws_json))
        .route("/ws/any", get(ws_any))
        .route("/accept", get(accept))
        .route("/style.css", get(style))
}
// ANCHOR_END: app

// ANCHOR: ws
async fn ws(upgrade: WebSocketUpgrade) -> Response {
    limited(upgrade, TEXT_LIMIT).on_upgrade(async |mut socket| {
        let end = echo(&mut socket).await;
        close(socket, end).await;
    })
}
// ANCHOR_END: ws

async fn ws_json(upgrade: WebSocketUpgrade) -> Response {
    limited(upgrade, TEXT_LIMIT).on_upgrade(async |mut socket| {
        let end = echo_json(&mut socket).await;
        close(socket, end).await;
    })
}

/// For conformance suites, which send binary messages too, and very long ones.
async fn ws_any(upgrade: WebSocketUpgrade) -> Response {
    limited(upgrade, 64 * 1024 * 1024).on_upgrade(async |mut socket| {
        let end = echo_any(&mut socket).await;
        close(socket, end).await;
    })
}

async fn echo(socket: &mut WebSocket) -> End {
    // Exercise 3.2: the server speaks first.
    let welcome = Message::text(r#"{"sender":"server","message":"welcome"}"#);
    socket.send(welcome).await.map_err(code_for)?;

    while let Some(text) = next_text(socket).await? {
        // Exercise 3.1: each text goes back as it came.
        socket.send(Message::Text(text)).await.map_err(code_for)?;
    }
    Ok(())
}

async fn echo_json(socket: &mut WebSocket) -> End {
    while let Some(text) = next_text(socket).await? {
        let message: serde_json::Result<ChatMessage> = serde_json::from_str(&text);
        // Exercise 3.3: a message comes back, anything else is told what is wrong with it.
        let answer = match message {
            Ok(message) => serde_json::to_string(&message).expect("two strings make JSON"),
            Err(error) => serde_json::json!({ "error": error.to_string() }).to_string(),
        };
        socket.send(Message::text(answer)).await.map_err(code_for)?;
    }
    Ok(())
}

// ANCHOR: echo_any
async fn echo_any(socket: &mut WebSocket) -> End {
    while let Some(received) = socket.recv().await {
        let message = received.map_err(code_for)?;
        if let Message::Text(_) | Message::Binary(_) = message {
            socket.send(message).await.map_err(code_for)?;
        }
    }
    Ok(())
}
// ANCHOR_END: echo_any

// ANCHOR: limited
/// A message may come in several frames. The limit of one frame refuses a long
/// one by its announced length, before its bytes are read.
fn limited(upgrade: WebSocketUpgrade, bytes: usize) -> WebSocketUpgrade {
    upgrade.max_message_size(bytes).max_frame_size(bytes)
}
// ANCHOR_END: limited

/// Waits for the next text. There is none when the peer has closed the socket.
async fn next_text(socket: &mut WebSocket) -> Result<Option<Utf8Bytes>, CloseCode> {
    while let Some(received) = socket.recv().await {
        match received.map_err(code_for)? {
            Message::Text(text) => return Ok(Some(text)),
            // Exercise 3.4: only text is spoken here.
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
        // Exercise 3.4: each offence has its code.
        Some(offence) => match offence {
            Error::Utf8(_) => close_code::INVALID,
            Error::Capacity(_) => close_code::SIZE,
            _ => close_code::PROTOCOL,
        },
    }
}

// ANCHOR: close
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
// ANCHOR_END: close

async fn accept(Query(handshake): Query<Handshake>) -> String {
    accept_key(&handshake.key)
}

/// Exercise 3.6
fn accept_key(key: &str) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use sha1::{Digest, Sha1};

    // RFC 6455 1.3: the same for everybody, and unlikely to be known to a
    // server that does not speak WebSocket.
    let guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    BASE64_STANDARD.encode(Sha1::digest(format!("{key}{guid}")))
}

async fn page() -> Html<&'static str> {
    Html(include_str!("page.html"))
}

async fn style() -> Response {
    let css = include_str!("../../lessons/style.css");
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], css).into_response()
}
