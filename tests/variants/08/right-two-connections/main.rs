//! Different: one actor owns the rooms, another one Redis, and they tell each
//! other what happens. RESP2: a connection that has subscribed can do nothing
//! else, so there is a second one for publishing. The pause between two
//! attempts is always the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{
        Path, State, WebSocketUpgrade,
        ws::{Message, Utf8Bytes, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use futures_util::StreamExt;
use redis::{
    AsyncConnectionConfig, Client, Cmd, Msg,
    aio::{MultiplexedConnection, PubSubSink, PubSubStream},
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    select, spawn,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{interval, sleep, timeout},
};
use unicode_normalization::UnicodeNormalization;

const TEXT_LIMIT: usize = 64 * 1024;
const PAUSE: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(1);

/// What the actor of the rooms is told.
enum Order {
    Enter(String, u64, UnboundedSender<Utf8Bytes>),
    Leave(String, u64),
    Say(String, Value),
    Refuse(String, u64, String),
    /// From another process.
    Hear(String, Value),
    Degraded(bool),
}

/// What the actor of Redis is told.
enum Event {
    Opened(String),
    Closed(String),
    Said(String, Value),
}

#[derive(Clone)]
struct Hall {
    orders: UnboundedSender<Order>,
    came: Arc<AtomicU64>,
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
        "Two actors at http://{}",
        listener.local_addr().expect("it is bound")
    );
    let (orders, told) = unbounded_channel();
    let (events, happened) = unbounded_channel();
    let url = env::var("REDIS_URL").ok();
    spawn(rooms(told, events, url.is_some()));
    if let Some(url) = url {
        let client = Client::open(url).expect("REDIS_URL is an address");
        spawn(post(client, happened, orders.clone()));
    }
    let came = Arc::default();
    let app = Router::new()
        .route(
            "/",
            get(async || Html("<!doctype html><title>Chat</title>")),
        )
        .route("/ws/chat/{room}", get(enter))
        .with_state(Hall { orders, came });
    axum::serve(listener, app).await.expect("it does not end");
}

async fn enter(
    Path(room): Path<String>,
    State(hall): State<Hall>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let room: String = room.nfc().collect();
    let fits = |one: char| one.is_alphanumeric() || "-_".contains(one);
    if room.is_empty() || room.chars().count() > 64 || !room.chars().all(fits) {
        return (StatusCode::NOT_FOUND, "No such room.").into_response();
    }
    match upgrade {
        Ok(upgrade) => upgrade
            .max_message_size(TEXT_LIMIT)
            .on_upgrade(|socket| visit(socket, hall, room)),
        Err(rejection) => rejection.into_response(),
    }
}

async fn visit(mut socket: WebSocket, hall: Hall, room: String) {
    let client = hall.came.fetch_add(1, Ordering::Relaxed);
    let (queue, mut texts) = unbounded_channel();
    let tell = |order| {
        let _ = hall.orders.send(order);
    };
    tell(Order::Enter(room.clone(), client, queue));
    loop {
        select! {
            Some(text) = texts.recv() => {
                if socket.send(Message::Text(text)).await.is_err() {
                    break;
                }
            }
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) => match message(text.as_bytes()) {
                    Ok(said) => tell(Order::Say(room.clone(), said)),
                    Err(problem) => tell(Order::Refuse(room.clone(), client, problem)),
                },
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => {
                    // The answer to a Close leaves while we read on.
                    while let Some(Ok(_)) = socket.recv().await {}
                    break;
                }
            },
        }
    }
    tell(Order::Leave(room, client));
}

/// What a message is to everybody: two fields, and nothing else.
fn message(bytes: &[u8]) -> Result<Value, String> {
    let said: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let field = |name: &str| match said[name].as_str() {
        Some(text) if !text.trim().is_empty() => Ok(text.to_string()),
        _ => Err(format!("{name} says nothing")),
    };
    let said = json!({ "sender": field("sender")?, "message": field("message")? });
    if said.to_string().len() > TEXT_LIMIT + 100 {
        return Err("this is too long".to_string());
    }
    Ok(said)
}

type Clients = BTreeMap<u64, UnboundedSender<Utf8Bytes>>;

/// The actor of the rooms.
async fn rooms(
    mut told: UnboundedReceiver<Order>,
    events: UnboundedSender<Event>,
    mut degraded: bool,
) {
    let mut rooms: BTreeMap<String, Clients> = BTreeMap::new();
    let tell = |event| {
        let _ = events.send(event);
    };
    while let Some(order) = told.recv().await {
        match order {
            Order::Enter(room, client, queue) => {
                let state = json!({ "degraded": degraded }).to_string();
                let _ = queue.send(state.into());
                let clients = rooms.entry(room.clone()).or_default();
                clients.insert(client, queue);
                if clients.len() == 1 {
                    tell(Event::Opened(room));
                }
                say(clients, &json!({ "online": clients.len() }));
            }
            Order::Leave(room, client) => {
                let clients = rooms.entry(room.clone()).or_default();
                clients.remove(&client);
                say(clients, &json!({ "online": clients.len() }));
                if clients.is_empty() {
                    rooms.remove(&room);
                    tell(Event::Closed(room));
                }
            }
            Order::Say(room, said) => {
                say(rooms.entry(room.clone()).or_default(), &said);
                tell(Event::Said(room, said));
            }
            Order::Refuse(room, client, problem) => {
                if let Some(queue) = rooms.get(&room).and_then(|room| room.get(&client)) {
                    let _ = queue.send(json!({ "error": problem }).to_string().into());
                }
            }
            Order::Hear(room, said) => {
                if let Some(clients) = rooms.get(&room) {
                    say(clients, &said);
                }
            }
            Order::Degraded(now) => {
                degraded = now;
                for clients in rooms.values() {
                    say(clients, &json!({ "degraded": degraded }));
                }
            }
        }
    }
}

fn say(clients: &Clients, data: &Value) {
    let text = Utf8Bytes::from(data.to_string());
    for queue in clients.values() {
        let _ = queue.send(text.clone());
    }
}

/// Both connections to Redis.
struct Links {
    subscriptions: PubSubSink,
    messages: PubSubStream,
    publishing: MultiplexedConnection,
}

/// The actor of Redis.
async fn post(
    client: Client,
    mut happened: UnboundedReceiver<Event>,
    orders: UnboundedSender<Order>,
) {
    let us = format!("{:x}", rand::random::<u64>());
    let mut open = BTreeSet::new();
    loop {
        let mut links = connect_meanwhile(&client, &mut happened, &mut open).await;
        let channels: Vec<String> = open.iter().map(|room| format!("chat:{room}")).collect();
        if !channels.is_empty() && !answered(links.subscriptions.subscribe(channels)).await {
            continue;
        }
        let _ = orders.send(Order::Degraded(false));
        let mut beat = interval(PATIENCE);
        loop {
            let well = select! {
                message = links.messages.next() => match message {
                    Some(message) => {
                        orders_of(&message, &us).map(|order| orders.send(order));
                        true
                    }
                    // The stream has ended, and nobody subscribes again for us.
                    None => false,
                },
                Some(event) = happened.recv() => carry(event, &mut open, &mut links, &us).await,
                _ = beat.tick() => answered(links.subscriptions.ping::<redis::Value>()).await,
            };
            if !well {
                break;
            }
        }
        let _ = orders.send(Order::Degraded(true));
    }
}

/// Connects, and takes note of what happens until then.
async fn connect_meanwhile(
    client: &Client,
    happened: &mut UnboundedReceiver<Event>,
    open: &mut BTreeSet<String>,
) -> Links {
    let connecting = async {
        loop {
            sleep(PAUSE).await;
            if let Ok(Ok(links)) = timeout(PATIENCE, connect(client)).await {
                return links;
            }
        }
    };
    tokio::pin!(connecting);
    loop {
        select! {
            links = &mut connecting => return links,
            Some(event) = happened.recv() => match event {
                Event::Opened(room) => {
                    open.insert(room);
                }
                Event::Closed(room) => {
                    open.remove(&room);
                }
                Event::Said(..) => {}
            },
        }
    }
}

async fn connect(client: &Client) -> redis::RedisResult<Links> {
    let (subscriptions, messages) = client.get_async_pubsub().await?.split();
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
    let publishing = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    Ok(Links {
        subscriptions,
        messages,
        publishing,
    })
}

/// Whether a request was answered in time, and well.
async fn answered<T>(request: impl Future<Output = redis::RedisResult<T>>) -> bool {
    matches!(timeout(PATIENCE, request).await, Ok(Ok(_)))
}

async fn carry(event: Event, open: &mut BTreeSet<String>, links: &mut Links, us: &str) -> bool {
    match event {
        Event::Opened(room) => {
            let subscribed = links.subscriptions.subscribe(format!("chat:{room}"));
            let well = answered(subscribed).await;
            open.insert(room);
            well
        }
        Event::Closed(room) => {
            open.remove(&room);
            answered(links.subscriptions.unsubscribe(format!("chat:{room}"))).await
        }
        Event::Said(room, mut said) => {
            said["origin"] = us.into();
            let publish = Cmd::publish(format!("chat:{room}"), said.to_string());
            answered(publish.exec_async(&mut links.publishing)).await
        }
    }
}

/// What the actor of the rooms is to do about a message; nothing, if it is ours or none.
fn orders_of(message: &Msg, us: &str) -> Option<Order> {
    let payload = message.get_payload_bytes();
    let data: Value = serde_json::from_slice(payload).ok()?;
    if data["origin"] == *us {
        return None;
    }
    let room = message.get_channel_name().strip_prefix("chat:")?;
    Some(Order::Hear(room.to_string(), self::message(payload).ok()?))
}
