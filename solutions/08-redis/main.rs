//! Lesson 8: many processes, one chat. Redis carries what is said between them.

mod channel;
mod delivery;
mod layer;
mod message;
mod redis_layer;
mod room_name;
mod rooms;
mod socket;

use std::{env, process, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::header,
    response::{Html, IntoResponse, Response},
    routing::get,
    serve::ListenerExt,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, select, spawn};

use delivery::Delivery;
use layer::InProcess;
use message::check;
use room_name::RoomName;
use rooms::Rooms;
use socket::{End, close, code_for, limited, next_text};

const TEXT_LIMIT: usize = 64 * 1024;

/// How long a client may take nothing although something waits for it.
const STALL: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .unwrap_or_else(|error| {
            eprintln!(
                "Lesson 8 cannot listen on port {port}: {error}. \
                 Choose another one: PORT=8001 cargo run --bin lesson-8"
            );
            process::exit(1)
        });
    let address = listener
        .local_addr()
        .expect("a bound listener has an address");
    println!("Lesson 8 is at http://{address}");
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app(rooms()))
        .await
        .expect("axum::serve does not end");
}

// ANCHOR: choice
/// The rooms, with the layer that `REDIS_URL` asks for.
fn rooms() -> Arc<Rooms> {
    let Ok(url) = env::var("REDIS_URL") else {
        return Arc::new(Rooms::new(InProcess, false));
    };
    let (redis, relay) = redis_layer::layer_and_relay(&url).unwrap_or_else(|error| {
        // Without the address itself: there may be a password in it.
        eprintln!(
            "Lesson 8 cannot use REDIS_URL: {error}. \
             Give it an address: REDIS_URL=redis://127.0.0.1:6379 cargo run --bin lesson-8"
        );
        process::exit(1)
    });
    // Until the relay is connected, this process is alone.
    let rooms = Arc::new(Rooms::new(redis, true));
    spawn(relay.run(rooms.clone()));
    rooms
}
// ANCHOR_END: choice

fn app(rooms: Arc<Rooms>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/chat/{room}", get(page))
        .route("/ws/chat/{room}", get(enter))
        .route("/api/rooms", get(list))
        .route("/style.css", get(style))
        .with_state(rooms)
}

// ANCHOR: enter
/// The name comes before the upgrade: a room that cannot be is a 404, not a socket.
async fn enter(
    room: RoomName,
    upgrade: WebSocketUpgrade,
    State(rooms): State<Arc<Rooms>>,
) -> Response {
    limited(upgrade, TEXT_LIMIT).on_upgrade(async move |mut socket| {
        let (texts, degraded) = rooms.enter(&room);
        let mut delivery = Delivery {
            texts,
            stall: STALL,
        };
        let end = match greet(&mut socket, degraded).await {
            Ok(()) => chat(&mut socket, &rooms, &room, &mut delivery).await,
            gone => gone,
        };
        rooms.leave(&room, delivery.texts);
        close(socket, end).await;
    })
}

/// Who comes is told how things are. When that changes, all are told.
async fn greet(socket: &mut WebSocket, degraded: bool) -> End {
    let text = json!({ "degraded": degraded }).to_string();
    socket.send(Message::text(text)).await.map_err(code_for)
}
// ANCHOR_END: enter

/// Listens to the room and to the client, whichever speaks first.
async fn chat(
    socket: &mut WebSocket,
    rooms: &Rooms,
    room: &RoomName,
    delivery: &mut Delivery,
) -> End {
    loop {
        select! {
            heard = delivery.texts.recv() => delivery.deliver(heard, socket).await?,
            text = next_text(socket) => match text?.map(|text| check(&text)) {
                Some(Ok(message)) => rooms.say(room, &message),
                Some(Err(problem)) => delivery.refuse(&problem, socket).await?,
                None => return Ok(()),
            },
        }
    }
}

/// The open rooms of this process as JSON.
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
