//! The way from the loop of lesson 4 to that of lesson 7, a step at a time,
//! with nothing else in it: no presence, no checks, no limits.

use axum::{
    Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, Utf8Bytes, WebSocket},
    },
    response::Response,
    routing::get,
    serve::ListenerExt,
};
use futures_util::SinkExt;
use tokio::net::TcpListener;
use tokio::select;
use tokio::sync::broadcast::{self, Receiver, Sender};

/// How far the way has been gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// One loop listens to the room and to the client, as in lesson 4.
    OneLoop,
    /// And reads into a small buffer.
    SmallBuffer,
    /// And no small text waits for the one before (TCP_NODELAY).
    NoDelay,
    /// And what is waiting leaves in one write.
    OneWrite,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [
        Self::OneLoop,
        Self::SmallBuffer,
        Self::NoDelay,
        Self::OneWrite,
    ];

    /// What the tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneLoop => "one-loop",
            Self::SmallBuffer => "small-buffer",
            Self::NoDelay => "nodelay",
            Self::OneWrite => "one-write",
        }
    }
}

#[derive(Clone)]
struct Room {
    texts: Sender<Utf8Bytes>,
    step: Step,
}

/// Serves the chat, and does not end.
pub async fn serve(listener: TcpListener, step: Step) {
    let (texts, _) = broadcast::channel(256);
    let app = Router::new()
        .route("/chat/public", get(enter))
        .with_state(Room { texts, step });
    let nodelay = step >= Step::NoDelay;
    let listener = listener.tap_io(move |stream| {
        let _ = stream.set_nodelay(nodelay);
    });
    axum::serve(listener, app)
        .await
        .expect("axum::serve does not end");
}

async fn enter(upgrade: WebSocketUpgrade, State(room): State<Room>) -> Response {
    let upgrade = if room.step >= Step::SmallBuffer {
        upgrade.read_buffer_size(1024).write_buffer_size(16 * 1024)
    } else {
        upgrade
    };
    upgrade.on_upgrade(async move |mut socket| {
        let heard = room.texts.subscribe();
        // An error is the end of a client, which nobody here has to know.
        let _ = chat(&mut socket, &room, heard).await;
    })
}

async fn chat(
    socket: &mut WebSocket,
    room: &Room,
    mut heard: Receiver<Utf8Bytes>,
) -> Result<(), axum::Error> {
    loop {
        select! {
            text = heard.recv() => {
                let Ok(text) = text else { continue };
                if room.step < Step::OneWrite {
                    socket.send(Message::Text(text)).await?;
                    continue;
                }
                socket.feed(Message::Text(text)).await?;
                for _ in 0..heard.len() {
                    let Ok(text) = heard.recv().await else { continue };
                    socket.feed(Message::Text(text)).await?;
                }
                socket.flush().await?;
            }
            said = socket.recv() => match said.transpose()? {
                Some(Message::Text(text)) => {
                    let _ = room.texts.send(text);
                }
                Some(_) => {}
                None => return Ok(()),
            },
        }
    }
}
