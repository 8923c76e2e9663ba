//! Different: one task, the actor, owns all rooms, and everybody else sends it
//! orders, also who wants to know of them. The names of rooms are looked at in a
//! middleware before any handler, and the page gets the name from the server. A
//! socket's halves are two tasks, and the one that writes also pings.

use std::{
    collections::{BTreeMap, HashMap},
    env, process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Extension, Json, Router,
    extract::{
        Path, Request, State, WebSocketUpgrade,
        rejection::PathRejection,
        ws::{CloseCode, CloseFrame, Message, Utf8Bytes, WebSocket, close_code},
    },
    http::{StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    select, spawn,
    sync::{
        mpsc::{self, Receiver, Sender},
        oneshot,
    },
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_tungstenite::tungstenite::{
    Error,
    error::{CapacityError, ProtocolError},
};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

const TEXT_LIMIT: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(1);

/// How many texts may wait for a client.
const QUEUE: usize = 300;

#[derive(Deserialize)]
struct Said {
    sender: String,
    message: String,
}

/// A name that has passed the middleware.
#[derive(Clone)]
struct Name(Arc<str>);

/// What the actor can be told. The order in which it is told is the order of the rooms.
enum Order {
    Enter(Arc<str>, u64, Sender<Utf8Bytes>),
    Say(Arc<str>, Said),
    Refuse(Arc<str>, u64, String),
    Leave(Arc<str>, u64),
    List(oneshot::Sender<Value>),
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
    let address = listener.local_addr().expect("it is bound");
    println!("The actor plays at http://{address}");
    axum::serve(listener, app())
        .await
        .expect("axum::serve does not end");
}

#[derive(Clone)]
struct Theatre {
    orders: Sender<Order>,
    next: Arc<AtomicU64>,
}

fn app() -> Router {
    let (orders, told) = mpsc::channel(100);
    spawn(act(told));
    let theatre = Theatre {
        orders,
        next: Arc::default(),
    };
    let rooms = Router::new()
        .route("/chat/{name}", get(page))
        .route("/ws/chat/{name}", get(upgrade))
        .route_layer(from_fn(only_names));
    Router::new()
        .route("/", get(index))
        .route("/api/rooms", get(list))
        .merge(rooms)
        .fallback(async || (StatusCode::NOT_FOUND, "Nothing of that name."))
        .with_state(theatre)
}

async fn only_names(
    name: Result<Path<String>, PathRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    match name.ok().and_then(|Path(name)| as_name(&name)) {
        Some(name) => {
            request.extensions_mut().insert(name);
            next.run(request).await
        }
        None => (StatusCode::NOT_FOUND, "No room has that name.").into_response(),
    }
}

fn as_name(text: &str) -> Option<Name> {
    let mut name = String::new();
    for (count, one) in text.nfc().enumerate() {
        let belongs = match one {
            '-' | '_' => true,
            one => one.is_alphabetic() || one.is_numeric() || is_combining_mark(one),
        };
        if !belongs || count == 64 {
            return None;
        }
        name.push(one);
    }
    (!name.is_empty()).then(|| Name(name.into()))
}

async fn index() -> impl IntoResponse {
    let page = include_str!("index.html");
    ([(header::CONTENT_TYPE, "text/html;charset=UTF-8")], page)
}

/// Letters and digits, - and _: nothing in a name needs escaping.
async fn page(Extension(Name(name)): Extension<Name>) -> impl IntoResponse {
    let page = include_str!("page.html").replace("ROOM", &name);
    ([(header::CONTENT_TYPE, "text/html;charset=UTF-8")], page)
}

async fn list(State(theatre): State<Theatre>) -> Response {
    let (answer, answered) = oneshot::channel();
    let _ = theatre.orders.send(Order::List(answer)).await;
    match answered.await {
        Ok(list) => Json(list).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn upgrade(
    Extension(Name(name)): Extension<Name>,
    upgrade: WebSocketUpgrade,
    State(theatre): State<Theatre>,
) -> Response {
    upgrade
        .max_message_size(TEXT_LIMIT)
        .max_frame_size(TEXT_LIMIT)
        .on_upgrade(move |socket| visit(socket, name, theatre))
}

type Queues = BTreeMap<u64, Sender<Utf8Bytes>>;

/// The actor. It waits for orders and for nobody else.
async fn act(mut told: Receiver<Order>) {
    let mut rooms: HashMap<Arc<str>, Queues> = HashMap::new();
    while let Some(order) = told.recv().await {
        match order {
            Order::Say(name, Said { sender, message }) => {
                let text = json!({ "sender": sender, "message": message });
                tell(rooms.get(&name), &text);
            }
            Order::Refuse(name, client, problem) => {
                let queue = rooms.get(&name).and_then(|queues| queues.get(&client));
                if let Some(queue) = queue {
                    let _ = queue.try_send(json!({ "error": problem }).to_string().into());
                }
            }
            Order::Enter(name, client, queue) => {
                let queues = rooms.entry(name).or_default();
                queues.insert(client, queue);
                tell(Some(queues), &json!({ "online": queues.len() }));
            }
            Order::Leave(name, client) => {
                let Some(mut queues) = rooms.remove(&name) else {
                    continue;
                };
                queues.remove(&client);
                tell(Some(&queues), &json!({ "online": queues.len() }));
                if !queues.is_empty() {
                    rooms.insert(name, queues);
                }
            }
            Order::List(answer) => {
                let sorted: BTreeMap<&Arc<str>, &Queues> = rooms.iter().collect();
                let objects = sorted
                    .into_iter()
                    .map(|(name, queues)| json!({ "room": &**name, "online": queues.len() }));
                let _ = answer.send(objects.collect());
            }
        }
    }
}

fn tell(queues: Option<&Queues>, data: &Value) {
    let text = Utf8Bytes::from(data.to_string());
    for queue in queues.into_iter().flat_map(BTreeMap::values) {
        // Full: this client misses it. Closed: its Leave is on its way.
        let _ = queue.try_send(text.clone());
    }
}

async fn visit(socket: WebSocket, room: Arc<str>, theatre: Theatre) {
    let client = theatre.next.fetch_add(1, Ordering::Relaxed);
    let (sink, mut stream) = socket.split();
    let (queue, texts) = mpsc::channel(QUEUE);
    let (goodbye, last_word) = oneshot::channel();
    let mut writing = spawn(write(sink, texts, last_word));

    let tell = async |order| {
        let _ = theatre.orders.send(order).await;
    };
    tell(Order::Enter(room.clone(), client, queue)).await;
    let code = loop {
        match hear(&mut stream).await {
            Heard::Text(text) => match check(&text) {
                Ok(said) => tell(Order::Say(room.clone(), said)).await,
                Err(problem) => tell(Order::Refuse(room.clone(), client, problem)).await,
            },
            Heard::Nonsense(code) => break Some(code),
            Heard::End => break None,
        }
    };
    // With its queue gone, the half that writes comes to its last word.
    tell(Order::Leave(room, client)).await;
    let _ = goodbye.send(code);
    let patience = async {
        while let Some(Ok(_)) = stream.next().await {}
        if code.is_some() {
            // axum reads no more after an error: what is left is to give the peer time.
            sleep(PATIENCE).await;
        }
        let _ = (&mut writing).await;
    };
    let _ = timeout(PATIENCE, patience).await;
    writing.abort();
}

/// Writes what is in the queue, and at its end a Close, if there is a reason for one.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut texts: Receiver<Utf8Bytes>,
    last_word: oneshot::Receiver<Option<CloseCode>>,
) -> Result<(), axum::Error> {
    let mut heartbeat = interval(Duration::from_millis(25));
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        select! {
            text = texts.recv() => match text {
                Some(text) => sink.send(Message::Text(text)).await?,
                None => break,
            },
            _ = heartbeat.tick() => sink.send(Message::Ping("tick".into())).await?,
        }
    }
    if let Ok(Some(code)) = last_word.await {
        let reason = "The play is over for you.".into();
        let close = Message::Close(Some(CloseFrame { code, reason }));
        sink.send(close).await?;
    }
    Ok(())
}

enum Heard {
    Text(Utf8Bytes),
    /// What must be answered with this code.
    Nonsense(CloseCode),
    End,
}

async fn hear(stream: &mut SplitStream<WebSocket>) -> Heard {
    loop {
        return match stream.next().await {
            Some(Ok(Message::Text(text))) => Heard::Text(text),
            Some(Ok(Message::Binary(_))) => Heard::Nonsense(close_code::UNSUPPORTED),
            // axum answers these while we read on.
            Some(Ok(_)) => continue,
            Some(Err(error)) => code_for(error).map_or(Heard::End, Heard::Nonsense),
            None => Heard::End,
        };
    }
}

/// The close code for what went wrong; none if nobody is left to tell.
fn code_for(error: axum::Error) -> Option<CloseCode> {
    let error = error.into_inner().downcast::<Error>().ok()?;
    match *error {
        Error::Utf8(_) => Some(close_code::INVALID),
        // The highest bit of a length is always 0.
        Error::Capacity(CapacityError::MessageTooLong { size, .. })
            if size > isize::MAX as usize =>
        {
            Some(close_code::PROTOCOL)
        }
        Error::Capacity(_) => Some(close_code::SIZE),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(close_code::PROTOCOL),
        _ => None,
    }
}

fn check(text: &str) -> Result<Said, String> {
    match serde_json::from_str::<Said>(text) {
        Ok(said) if said.sender.trim().is_empty() => Err("Who are you?".to_string()),
        Ok(said) if said.message.trim().is_empty() => Err("What do you say?".to_string()),
        Ok(said) => Ok(said),
        Err(error) => Err(format!("I do not understand: {error}")),
    }
}
