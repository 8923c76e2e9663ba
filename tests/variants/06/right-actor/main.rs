//! Different: one task, the actor, knows all clients and where they are; it
//! carries out every request and tells the replies as well as what rooms say,
//! through one queue for each client. The reply comes after what it is about.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    extract::{
        Path, State, WebSocketUpgrade,
        ws::{Message, Utf8Bytes, WebSocket},
    },
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    spawn,
    sync::mpsc::{self, Sender, UnboundedReceiver, UnboundedSender},
};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

#[tokio::main]
async fn main() {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .unwrap_or_else(|error| {
            eprintln!("Cannot listen on port {port}: {error}. Choose another with PORT.");
            process::exit(1)
        });
    let address = listener.local_addr().expect("it is bound");
    println!("The actor plays at http://{address}");
    let (orders, mut told) = mpsc::channel(100);
    spawn(async move {
        let mut theatre = Theatre::default();
        while let Some(order) = told.recv().await {
            theatre.obey(order);
        }
    });
    let box_office = BoxOffice {
        orders,
        next: Arc::default(),
    };
    let app = Router::new()
        .route(
            "/",
            get(async || "A page is not what this server is about."),
        )
        .route("/ws", get(upgrade))
        .route("/api/news/{room}", post(publish))
        .with_state(box_office);
    axum::serve(listener, app)
        .await
        .expect("axum::serve does not end");
}

#[derive(Clone)]
struct BoxOffice {
    orders: Sender<Order>,
    next: Arc<AtomicU64>,
}

enum Order {
    Come(u64, UnboundedSender<Utf8Bytes>),
    Ask(u64, Utf8Bytes),
    Publish(String, Value),
    Go(u64),
}

/// A namespace and a name.
type Stage = (&'static str, String);

#[derive(Default)]
struct Theatre {
    queues: BTreeMap<u64, UnboundedSender<Utf8Bytes>>,
    /// Who is where: one set for all stages.
    present: BTreeSet<(Stage, u64)>,
}

impl Theatre {
    fn obey(&mut self, order: Order) {
        match order {
            Order::Come(client, queue) => {
                self.queues.insert(client, queue);
            }
            Order::Ask(client, text) => {
                if let Some(reply) = self.asked(client, &text)
                    && let Some(queue) = self.queues.get(&client)
                {
                    let _ = queue.send(reply.to_string().into());
                }
            }
            Order::Publish(room, said) => self.tell(&("news", room), "message", &said),
            Order::Go(client) => {
                self.queues.remove(&client);
                let here = self.present.iter().filter(|(_, who)| *who == client);
                let stages: Vec<Stage> = here.map(|(stage, _)| stage.clone()).collect();
                for stage in stages.into_iter().rev() {
                    self.present.remove(&(stage.clone(), client));
                    self.count(&stage);
                }
            }
        }
    }

    fn asked(&mut self, client: u64, text: &str) -> Option<Value> {
        let envelope: Value = match serde_json::from_str(text) {
            Ok(envelope @ Value::Object(_)) => envelope,
            _ => return Some(json!({ "error": "this is no object", "ok": false })),
        };
        let reference = match envelope.get("ref") {
            Some(one) if one.is_string() || one.is_i64() || one.is_u64() => Some(one),
            None => None,
            Some(_) => return Some(json!({ "error": "this is no ref", "ok": false })),
        };
        match (self.act(client, &envelope), reference) {
            (Ok(()), None) => None,
            (Ok(()), Some(reference)) => Some(json!({ "ok": true, "ref": reference })),
            (Err(why), None) => Some(json!({ "error": why, "ok": false })),
            (Err(why), Some(reference)) => {
                Some(json!({ "error": why, "ok": false, "ref": reference }))
            }
        }
    }

    fn act(&mut self, client: u64, envelope: &Value) -> Result<(), &'static str> {
        let ns = match envelope["ns"].as_str() {
            Some("chat") => "chat",
            Some("news") => "news",
            _ => return Err("there is no such namespace"),
        };
        let room = envelope["room"].as_str().and_then(name);
        let stage: Stage = (ns, room.ok_or("no room has such a name")?);
        let presence = (stage.clone(), client);
        match envelope["event"].as_str() {
            Some("join") => {
                if !self.present.insert(presence) {
                    return Err("you have come already");
                }
                self.count(&stage);
            }
            Some("leave") => {
                if !self.present.remove(&presence) {
                    return Err("you have not come");
                }
                self.count(&stage);
            }
            Some("message") if ns == "news" => return Err("you cannot make news"),
            Some("message") if !self.present.contains(&presence) => {
                return Err("you are not on this stage");
            }
            Some("message") => {
                let said = said(&envelope["data"]).ok_or("you say nothing")?;
                self.tell(&stage, "message", &said);
            }
            _ => return Err("this cannot be done"),
        }
        Ok(())
    }

    fn count(&self, stage: &Stage) {
        let online = self.present.iter().filter(|(other, _)| other == stage);
        self.tell(stage, "online", &json!({ "online": online.count() }));
    }

    fn tell(&self, stage: &Stage, event: &str, data: &Value) {
        let (ns, room) = stage;
        let text = json!({ "room": room, "data": data, "ns": ns, "event": event }).to_string();
        let text = Utf8Bytes::from(text);
        for (_, client) in self.present.iter().filter(|(other, _)| other == stage) {
            if let Some(queue) = self.queues.get(client) {
                let _ = queue.send(text.clone());
            }
        }
    }
}

/// A room's name in NFC, if it is one.
fn name(text: &str) -> Option<String> {
    let name: String = text.nfc().collect();
    let belongs = |one: char| one.is_alphanumeric() || is_combining_mark(one) || "-_".contains(one);
    let fits = (1..=64).contains(&name.chars().count()) && name.chars().all(belongs);
    fits.then_some(name)
}

/// The message, if it is one.
fn said(data: &Value) -> Option<Value> {
    let sender = data["sender"].as_str()?;
    let message = data["message"].as_str()?;
    let empty = sender.trim().is_empty() || message.trim().is_empty();
    (!empty).then(|| json!({ "message": message, "sender": sender }))
}

async fn publish(
    Path(room): Path<String>,
    State(box_office): State<BoxOffice>,
    body: String,
) -> StatusCode {
    let data: Value = serde_json::from_str(&body).unwrap_or_default();
    let (Some(room), Some(said)) = (name(&room), said(&data)) else {
        return StatusCode::UNPROCESSABLE_ENTITY;
    };
    let _ = box_office.orders.send(Order::Publish(room, said)).await;
    StatusCode::NO_CONTENT
}

async fn upgrade(upgrade: WebSocketUpgrade, State(box_office): State<BoxOffice>) -> Response {
    upgrade
        .protocols(["chat.v1"])
        .on_upgrade(move |socket| visit(socket, box_office))
}

async fn visit(socket: WebSocket, box_office: BoxOffice) {
    let client = box_office.next.fetch_add(1, Ordering::Relaxed);
    let (sink, stream) = socket.split();
    let (queue, texts) = mpsc::unbounded_channel();
    let writing = spawn(write(sink, texts));
    let tell = async |order| {
        let _ = box_office.orders.send(order).await;
    };
    tell(Order::Come(client, queue)).await;
    listen(stream, |text| tell(Order::Ask(client, text))).await;
    tell(Order::Go(client)).await;
    writing.abort();
}

async fn write(mut sink: SplitSink<WebSocket, Message>, mut texts: UnboundedReceiver<Utf8Bytes>) {
    while let Some(text) = texts.recv().await {
        if sink.send(Message::Text(text)).await.is_err() {
            return;
        }
    }
}

/// Reads until nothing more can come, and so answers a Close.
async fn listen<F: Future<Output = ()>>(
    mut stream: SplitStream<WebSocket>,
    heard: impl Fn(Utf8Bytes) -> F,
) {
    while let Some(Ok(message)) = stream.next().await {
        if let Message::Text(text) = message {
            heard(text).await;
        }
    }
}
