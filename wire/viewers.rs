//! The page, and its sockets: a broadcast chat in which only `wire` speaks.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use axum::extract::{Path, State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use futures_util::SinkExt;
use serde::Serialize;
use serde_json::json;
use tokio::select;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use crate::explained::Explained;
use crate::files::{file, page};
use crate::journal::{BACKLOG, Journal, KEPT, News, Subscription};
use crate::visitors::only_from_here;

/// How long a viewer may take nothing although something waits for it.
const STALL: Duration = Duration::from_secs(10);

/// What a viewer says is not read, and need not be long.
const TEXT_LIMIT: usize = 1024;

/// What the page shows above the events.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// Where clients connect to, unless a recording is shown.
    pub listen: Option<String>,
    /// Where their bytes go.
    pub server: Option<String>,
    /// The recording that is shown.
    pub file: Option<String>,
}

/// What all requests share.
struct Watched {
    journal: Arc<Journal>,
    about: About,
}

/// The page's server.
pub fn app(journal: Arc<Journal>, about: About) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/{file}", get(file))
        .route("/ws", get(enter))
        .route("/api/events/{id}", get(event))
        .layer(middleware::from_fn(only_from_here))
        .with_state(Arc::new(Watched { journal, about }))
}

/// An event with its bytes, explained.
async fn event(Path(id): Path<String>, State(watched): State<Arc<Watched>>) -> Response {
    match watched.journal.find(&id) {
        Some(news) => Json(Explained::from(&news.event)).into_response(),
        None => {
            let error = format!("event {id} is forgotten: only the last {KEPT} are kept");
            (StatusCode::NOT_FOUND, Json(json!({ "error": error }))).into_response()
        }
    }
}

async fn enter(upgrade: WebSocketUpgrade, State(watched): State<Arc<Watched>>) -> Response {
    let upgrade = upgrade
        .max_message_size(TEXT_LIMIT)
        .read_buffer_size(TEXT_LIMIT);
    upgrade.on_upgrade(async move |mut socket| {
        // However it ends, there is nothing to clean up: the subscription ends with it.
        if let Err(End::TookNothing) = watch(&mut socket, &watched).await {
            let reason = Utf8Bytes::default();
            let code = close_code::POLICY;
            let close = socket.send(Message::Close(Some(CloseFrame { code, reason })));
            let _ = timeout(STALL, close).await;
        }
    })
}

/// What comes from the journal.
type Heard = Result<Arc<News>, RecvError>;

/// How a viewer's socket ends.
#[derive(Debug, Eq, PartialEq)]
enum End {
    Gone,
    TookNothing,
}

/// Tells a viewer what is kept, and then what happens.
async fn watch(socket: &mut WebSocket, watched: &Watched) -> Result<(), End> {
    let Subscription {
        forgotten,
        kept,
        mut news,
    } = watched.journal.subscribe();
    write(socket, about(&watched.about, forgotten)).await?;
    for news in kept {
        write(socket, news.text.clone()).await?;
    }
    taken(socket.flush()).await?;
    loop {
        select! {
            heard = news.recv() => deliver(socket, heard, &mut news).await?,
            // Pings are answered while we read; there is nothing else to hear.
            said = socket.recv() => match said {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(End::Gone),
            },
        }
    }
}

fn about(about: &About, forgotten: u64) -> Utf8Bytes {
    let mut about = json!(about);
    about["keeps"] = json!(KEPT);
    about["forgotten"] = json!(forgotten);
    json!({ "about": about }).to_string().into()
}

/// What woke us, and all that waits behind it, in one write.
async fn deliver(
    socket: &mut WebSocket,
    first: Heard,
    news: &mut Receiver<Arc<News>>,
) -> Result<(), End> {
    write_heard(socket, first).await?;
    for _ in 0..news.len().min(BACKLOG) {
        write_heard(socket, news.recv().await).await?;
    }
    taken(socket.flush()).await
}

async fn write_heard(socket: &mut WebSocket, heard: Heard) -> Result<(), End> {
    let text = match heard {
        Ok(news) if news.is_kept => news.text.clone(),
        // The page has no row for it.
        Ok(_) => return Ok(()),
        // This viewer was too slow, and the lesson did not wait for it.
        Err(RecvError::Lagged(missed)) => json!({ "missed": missed }).to_string().into(),
        Err(RecvError::Closed) => return Err(End::Gone),
    };
    write(socket, text).await
}

async fn write(socket: &mut WebSocket, text: Utf8Bytes) -> Result<(), End> {
    taken(socket.feed(Message::Text(text))).await
}

/// Waits until the viewer has taken something, but not for ever.
async fn taken(write: impl Future<Output = Result<(), axum::Error>>) -> Result<(), End> {
    match timeout(STALL, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::TookNothing),
    }
}
