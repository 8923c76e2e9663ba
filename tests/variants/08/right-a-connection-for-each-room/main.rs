//! Different: each room has a task and a connection of its own, which opens
//! and closes with it. What is said goes through Redis even to those who are
//! in the same process, and only without Redis straight to them.

use std::{
    collections::HashMap,
    env, process,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{
        Path, State, WebSocketUpgrade,
        ws::{Message, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use redis::{
    AsyncConnectionConfig, Client, Cmd, Msg, PushInfo, PushKind, RedisResult,
    aio::MultiplexedConnection,
};
use serde::Deserialize;
use serde_json::json;
use tokio::{
    net::TcpListener,
    select, spawn,
    sync::{Notify, broadcast, mpsc, oneshot},
    time::{interval, sleep},
};
use unicode_normalization::{UnicodeNormalization, is_nfc};

const TEXT_LIMIT: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_millis(1500);
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Deserialize)]
struct Said {
    sender: String,
    message: String,
}

/// What the task of a room is told.
enum Told {
    /// Somebody comes, and wants to know how things are.
    Came(oneshot::Sender<(broadcast::Receiver<String>, bool)>),
    Said(String),
}

/// The task of a room, and how many clients are in it.
type Room = (mpsc::Sender<Told>, usize);

#[derive(Clone)]
struct House {
    client: Option<Client>,
    rooms: Arc<Mutex<HashMap<String, Room>>>,
}

#[tokio::main]
async fn main() {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .unwrap_or_else(|error| {
            eprintln!("Cannot listen on port {port}: {error}. Choose another with PORT.");
            process::exit(1)
        });
    println!(
        "A house with many rooms at http://{}",
        listener.local_addr().expect("it is bound")
    );
    let client = env::var("REDIS_URL").ok().map(|url| {
        Client::open(format!("{url}/?protocol=resp3")).expect("REDIS_URL is an address")
    });
    let rooms = Arc::default();
    let app = Router::new()
        .route(
            "/",
            get(async || Html("<!doctype html><title>Chat</title>")),
        )
        .route("/ws/chat/{room}", get(enter))
        .with_state(House { client, rooms });
    axum::serve(listener, app).await.expect("it does not end");
}

async fn enter(
    Path(room): Path<String>,
    State(house): State<House>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let room: String = if is_nfc(&room) {
        room
    } else {
        room.nfc().collect()
    };
    let letters = room.chars().filter(|one| one.is_alphanumeric()).count();
    let others = room.chars().filter(|one| matches!(one, '-' | '_')).count();
    if letters + others != room.chars().count() || !(1..65).contains(&(letters + others)) {
        return (StatusCode::NOT_FOUND, "There is no such room.").into_response();
    }
    let Ok(upgrade) = upgrade else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    upgrade
        .max_message_size(TEXT_LIMIT)
        .on_upgrade(move |socket| visit(socket, house, room))
}

async fn visit(mut socket: WebSocket, house: House, room: String) {
    let told = {
        let mut rooms = house.rooms.lock().unwrap();
        let (told, online) = rooms.entry(room.clone()).or_insert_with(|| {
            let (told, tells) = mpsc::channel(1000);
            spawn(live(house.client.clone(), format!("chat:{room}"), tells));
            (told, 0)
        });
        *online += 1;
        told.clone()
    };
    let (answer, answered) = oneshot::channel();
    let _ = told.send(Told::Came(answer)).await;
    if let Ok((mut texts, degraded)) = answered.await {
        let greeting = json!({ "degraded": degraded }).to_string();
        if socket.send(Message::text(greeting)).await.is_ok() {
            talk(&mut socket, &told, &mut texts).await;
        }
    }
    // With its last client the room ends: nobody can tell its task anything any more.
    let mut rooms = house.rooms.lock().unwrap();
    if let Some((_, online)) = rooms.get_mut(&room) {
        *online -= 1;
        if *online == 0 {
            rooms.remove(&room);
        }
    }
}

async fn talk(
    socket: &mut WebSocket,
    told: &mpsc::Sender<Told>,
    texts: &mut broadcast::Receiver<String>,
) {
    loop {
        select! {
            text = texts.recv() => match text {
                Ok(text) => {
                    if socket.send(Message::text(text)).await.is_err() {
                        return;
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            },
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) => match understand(text.as_bytes()) {
                    Some(said) => {
                        let _ = told.send(Told::Said(said)).await;
                    }
                    None => {
                        let error = Message::text(r#"{"error":"What do you say?"}"#);
                        if socket.send(error).await.is_err() {
                            return;
                        }
                    }
                },
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => {
                    // The answer to a Close leaves while we read on.
                    while let Some(Ok(_)) = socket.recv().await {}
                    return;
                }
            },
        }
    }
}

/// What everybody hears of it, if it is a message.
fn understand(bytes: &[u8]) -> Option<String> {
    let Said { sender, message } = serde_json::from_slice(bytes).ok()?;
    if bytes.len() > TEXT_LIMIT || sender.trim().is_empty() || message.trim().is_empty() {
        return None;
    }
    Some(json!({ "message": message, "sender": sender }).to_string())
}

/// A connection to Redis, and what is pushed through it.
type Link = (MultiplexedConnection, mpsc::UnboundedReceiver<PushInfo>);

/// The task of a room. It ends, and its connection with it, when nobody is there.
async fn live(client: Option<Client>, channel: String, mut tells: mpsc::Receiver<Told>) {
    let (texts, _) = broadcast::channel(1000);
    let state = |degraded: bool| json!({ "degraded": degraded }).to_string();
    let mut link: Option<Link> = None;
    // An attempt is made elsewhere: it may take its time.
    let (connected, mut connections) = mpsc::channel(1);
    let wanted = Arc::new(Notify::new());
    if let Some(client) = client.clone() {
        let wanted = wanted.clone();
        spawn(keep_connecting(client, channel.clone(), wanted, connected));
    }
    wanted.notify_one();
    let mut beat = interval(PATIENCE);
    loop {
        let well = select! {
            told = tells.recv() => match told {
                None => return,
                Some(Told::Came(answer)) => {
                    let degraded = client.is_some() && link.is_none();
                    let _ = answer.send((texts.subscribe(), degraded));
                    true
                }
                Some(Told::Said(said)) => match &mut link {
                    Some((connection, _)) => {
                        Cmd::publish(&channel, said).exec_async(connection).await.is_ok()
                    }
                    None => {
                        let _ = texts.send(said);
                        true
                    }
                },
            },
            push = pushed(&mut link) => match push {
                Some(push) if push.kind != PushKind::Disconnection => {
                    let message = Msg::from_push_info(push);
                    let said = message.and_then(|message| understand(message.get_payload_bytes()));
                    said.map(|said| texts.send(said));
                    true
                }
                _ => false,
            },
            _ = beat.tick() => match &mut link {
                Some((connection, _)) => redis::cmd("PING").exec_async(connection).await.is_ok(),
                None => true,
            },
            Some(new) = connections.recv(), if link.is_none() => {
                link = Some(new);
                let _ = texts.send(state(false));
                true
            }
        };
        if !well {
            link = None;
            wanted.notify_one();
            let _ = texts.send(state(true));
        }
    }
}

/// Makes one connection whenever one is wanted, until the room ends.
async fn keep_connecting(
    client: Client,
    channel: String,
    wanted: Arc<Notify>,
    connected: mpsc::Sender<Link>,
) {
    loop {
        select! {
            () = wanted.notified() => {}
            () = connected.closed() => return,
        }
        while !connected.is_closed() {
            match connect(&client, &channel).await {
                Ok(link) => {
                    let _ = connected.send(link).await;
                    break;
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
    }
}

async fn pushed(link: &mut Option<Link>) -> Option<PushInfo> {
    match link {
        Some((_, pushes)) => pushes.recv().await,
        None => std::future::pending().await,
    }
}

async fn connect(client: &Client, channel: &str) -> RedisResult<Link> {
    let (pushes, pushed) = mpsc::unbounded_channel();
    let config = AsyncConnectionConfig::new()
        .set_push_sender(pushes)
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    let mut connection = connection.await?;
    connection.subscribe(channel).await?;
    Ok((connection, pushed))
}
