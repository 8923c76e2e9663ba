//! Lesson 5: rooms. What is said in a room stays there.

mod message;
mod room_name;
mod rooms;
mod socket;

use std::{env, process, sync::Arc};

use axum::{
    Json, Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, Utf8Bytes, WebSocket, close_code},
    },
    http::header,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    select,
    sync::broadcast::{Receiver, error::RecvError},
};

use message::check;
use room_name::RoomName;
use rooms::{BACKLOG, Rooms};
use socket::{End, close, code_for, limited, next_text};

const TEXT_LIMIT: usize = 64 * 1024;

#[tokio::main]
async fn main() {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .unwrap_or_else(|error| {
            eprintln!(
                "Lesson 5 cannot listen on port {port}: {error}. \
                 Choose another one: PORT=8001 cargo run --bin lesson-5"
            );
            process::exit(1)
        });
    let address = listener
        .local_addr()
        .expect("a bound listener has an address");
    println!("Lesson 5 is at http://{address}");
    axum::serve(listener, app())
        .await
        .expect("axum::serve does not end");
}

fn app() -> Router {
    Router::new()
        .route("/", get(index))
        .route("/chat/{room}", get(page))
        .route("/ws/chat/{room}", get(enter))
        .route("/api/rooms", get(list))
        .route("/style.css", get(style))
        .with_state(Arc::new(Rooms::default()))
}

/// The name comes before the upgrade: a room that cannot be is a 404, not a socket.
async fn enter(
    room: RoomName,
    upgrade: WebSocketUpgrade,
    State(rooms): State<Arc<Rooms>>,
) -> Response {
    limited(upgrade, TEXT_LIMIT).on_upgrade(async move |mut socket| {
        let mut texts = rooms.enter(&room);
        let end = chat(&mut socket, &rooms, &room, &mut texts).await;
        rooms.leave(&room, texts);
        close(socket, end).await;
    })
}

/// Listens to the room and to the client, whichever speaks first.
async fn chat(
    socket: &mut WebSocket,
    rooms: &Rooms,
    room: &RoomName,
    texts: &mut Receiver<Utf8Bytes>,
) -> End {
    loop {
        select! {
            heard = texts.recv() => deliver(heard, socket).await?,
            text = next_text(socket) => match text?.map(|text| check(&text)) {
                Some(Ok(message)) => rooms.say(room, &message),
                Some(Err(problem)) => {
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

/// From the room to the client.
async fn deliver(heard: Result<Utf8Bytes, RecvError>, socket: &mut WebSocket) -> End {
    match heard {
        Ok(text) => socket.send(Message::Text(text)).await.map_err(code_for),
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

/// The open rooms as JSON.
async fn list(State(rooms): State<Arc<Rooms>>) -> Json<Vec<Value>> {
    let listed = rooms.list().into_iter();
    let objects = listed.map(|(room, online)| json!({ "room": room, "online": online }));
    Json(objects.collect())
}

async fn index() -> Html<&'static str> {
    Html(include_str!("index.html"))
}

/// The page takes the room from its own address, once that is known to be one.
async fn page(_: RoomName) -> Html<&'static str> {
    Html(include_str!("page.html"))
}

async fn style() -> Response {
    let css = include_str!("../../lessons/style.css");
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], css).into_response()
}
