//! Lesson 6: namespaces. One socket, many conversations.

mod envelope;
mod member;
mod message;
mod room_name;
mod rooms;
mod socket;

use std::{env, process, sync::Arc};

use axum::{
    Json, Router,
    extract::{
        DefaultBodyLimit, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde_json::Value;
use tokio::{net::TcpListener, select};
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use envelope::{Namespace, Place, Request, reply};
use member::{Heard, Member};
use message::check;
use room_name::RoomName;
use rooms::Rooms;
use socket::{End, close, code_for, limited, next_text};

const TEXT_LIMIT: usize = 64 * 1024;

#[tokio::main]
async fn main() {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .unwrap_or_else(|error| {
            eprintln!(
                "Lesson 6 cannot listen on port {port}: {error}. \
                 Choose another one: PORT=8001 cargo run --bin lesson-6"
            );
            process::exit(1)
        });
    let address = listener
        .local_addr()
        .expect("a bound listener has an address");
    println!("Lesson 6 is at http://{address}");
    axum::serve(listener, app())
        .await
        .expect("axum::serve does not end");
}

// ANCHOR: app
fn app() -> Router {
    Router::new()
        .route("/", get(page))
        .route("/ws", get(enter))
        .route("/api/news/{room}", post(publish))
        .route("/style.css", get(style))
        .layer(DefaultBodyLimit::max(TEXT_LIMIT))
        .with_state(Arc::new(Rooms::default()))
}
// ANCHOR_END: app

// ANCHOR: connect
async fn enter(upgrade: WebSocketUpgrade, State(rooms): State<Arc<Rooms>>) -> Response {
    let upgrade = limited(upgrade, TEXT_LIMIT);
    // Exercise 6.4: what both sides speak, if the client offers it.
    let upgrade = upgrade.protocols(["chat.v1"]);
    // ANCHOR: enter
    upgrade.on_upgrade(async move |mut socket| {
        let mut member = Member::new(rooms);
        let end = converse(&mut socket, &mut member).await;
        member.leave_all();
        close(socket, end).await;
    })
    // ANCHOR_END: enter
}
// ANCHOR_END: connect

// ANCHOR: converse
/// Listens to the client and to all its rooms, whichever speaks first.
async fn converse(socket: &mut WebSocket, member: &mut Member) -> End {
    loop {
        select! {
            heard = member.next() => deliver(heard, socket).await?,
            text = next_text(socket) => match text? {
                Some(text) => answer(&text, member, socket).await?,
                None => return Ok(()),
            },
        }
    }
}
// ANCHOR_END: converse

/// From a room to the client.
async fn deliver(heard: Heard, socket: &mut WebSocket) -> End {
    match heard {
        Ok(text) => socket.send(Message::Text(text)).await.map_err(code_for),
        Err(BroadcastStreamRecvError::Lagged(missed)) => {
            eprintln!("A slow client missed {missed} texts.");
            Ok(())
        }
    }
}

// ANCHOR: answer
/// Does what the client asks for, and replies.
async fn answer(text: &str, member: &mut Member, socket: &mut WebSocket) -> End {
    let Request { reference, asked } = Request::read(text);
    let outcome = asked.and_then(|asked| member.act(asked));
    match reply(reference, outcome) {
        Some(reply) => socket.send(Message::text(reply)).await.map_err(code_for),
        None => Ok(()),
    }
}
// ANCHOR_END: answer

// ANCHOR: publish
/// News comes from outside: to say it, one needs no socket.
async fn publish(
    room: RoomName,
    State(rooms): State<Arc<Rooms>>,
    Json(data): Json<Value>,
) -> Response {
    let ns = Namespace::News;
    match check(data) {
        Ok(message) => {
            rooms.say(&Place { ns, room }, &message);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(problem) => (StatusCode::UNPROCESSABLE_ENTITY, problem).into_response(),
    }
}
// ANCHOR_END: publish

async fn page() -> Html<&'static str> {
    Html(include_str!("page.html"))
}

async fn style() -> Response {
    let css = include_str!("../../lessons/style.css");
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], css).into_response()
}
