//! The chat that anybody would write first: a broadcast channel, and a loop
//! that sends each message by itself. Nothing is tuned.

use axum::{
    Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, Utf8Bytes, WebSocket},
    },
    response::Response,
    routing::get,
};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::broadcast::{self, Sender};

/// Serves the chat, and does not end.
pub async fn serve(listener: TcpListener) {
    let (texts, _) = broadcast::channel(256);
    let app = Router::new()
        .route("/chat/public", get(enter))
        .with_state(texts);
    axum::serve(listener, app)
        .await
        .expect("axum::serve does not end");
}

async fn enter(upgrade: WebSocketUpgrade, State(texts): State<Sender<Utf8Bytes>>) -> Response {
    upgrade.on_upgrade(|socket| chat(socket, texts))
}

async fn chat(socket: WebSocket, texts: Sender<Utf8Bytes>) {
    let mut heard = texts.subscribe();
    let (mut to_client, mut from_client) = socket.split();
    let sending = tokio::spawn(async move {
        while let Ok(text) = heard.recv().await {
            if to_client.send(Message::Text(text)).await.is_err() {
                return;
            }
        }
    });
    while let Some(Ok(Message::Text(text))) = from_client.next().await {
        let _ = texts.send(text);
    }
    sending.abort();
}
