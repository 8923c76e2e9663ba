//! Lesson 7: slow readers. Whoever is slow is slow alone.

mod delivery;
mod message;
mod room;
mod slow;
mod socket;

use std::{env, process, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{State, WebSocketUpgrade, ws::WebSocket},
    http::header,
    response::{Html, IntoResponse, Response},
    routing::get,
    serve::ListenerExt,
};
use tokio::{net::TcpListener, select};

use delivery::Delivery;
use message::check;
use room::Room;
use slow::slow;
use socket::{End, close, limited, next_text};

const TEXT_LIMIT: usize = 64 * 1024;

#[tokio::main]
async fn main() {
    let stall = stall();
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .unwrap_or_else(|error| {
            eprintln!(
                "Lesson 7 cannot listen on port {port}: {error}. \
                 Choose another one: PORT=8001 cargo run --bin lesson-7"
            );
            process::exit(1)
        });
    let address = listener
        .local_addr()
        .expect("a bound listener has an address");
    println!("Lesson 7 is at http://{address}");
    // Otherwise TCP holds a small text back until the one before is acknowledged.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app(stall))
        .await
        .expect("axum::serve does not end");
}

/// How long a client may take nothing although something waits for it.
fn stall() -> Duration {
    let text = env::var("STALL_MS").unwrap_or("10000".to_string());
    let milliseconds = text.parse().unwrap_or_else(|error| {
        eprintln!(
            "Lesson 7 cannot wait for STALL_MS={text} milliseconds: {error}. \
             Give it a number: STALL_MS=10000 cargo run --bin lesson-7"
        );
        process::exit(1)
    });
    Duration::from_millis(milliseconds)
}

fn app(stall: Duration) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/chat/public", get(enter))
        .route("/slow", get(slow))
        .route("/style.css", get(style))
        .with_state((Arc::new(Room::default()), stall))
}

async fn enter(
    upgrade: WebSocketUpgrade,
    State((room, stall)): State<(Arc<Room>, Duration)>,
) -> Response {
    limited(upgrade, TEXT_LIMIT).on_upgrade(async move |mut socket| {
        let texts = room.texts.subscribe();
        room.count(1);
        let end = chat(&mut socket, &room, Delivery { texts, stall }).await;
        // The room hears at once who is gone. Why it is gone, the client hears when it reads.
        room.count(-1);
        close(socket, end).await;
    })
}

/// Listens to the room and to the client, whichever speaks first.
async fn chat(socket: &mut WebSocket, room: &Room, mut delivery: Delivery) -> End {
    loop {
        select! {
            heard = delivery.texts.recv() => delivery.deliver(heard, socket).await?,
            text = next_text(socket) => match text?.map(|text| check(&text)) {
                Some(Ok(message)) => room.say(&message),
                Some(Err(problem)) => delivery.refuse(&problem, socket).await?,
                None => return Ok(()),
            },
        }
    }
}

async fn page() -> Html<&'static str> {
    Html(include_str!("page.html"))
}

async fn style() -> Response {
    let css = include_str!("../../lessons/style.css");
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], css).into_response()
}
