//! Different: one task, the actor, owns the room. Each client has a queue of
//! its own, and when it is full, the newest is dropped for that client alone:
//! the actor remembers how many, and says so when there is room again. The
//! half of a socket that writes is a task, and hard work is done by a thread
//! that is started for it.

use std::{
    collections::BTreeMap,
    env,
    hash::{DefaultHasher, Hasher},
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code},
    },
    response::Response,
    routing::get,
    serve::ListenerExt,
};
use futures_util::{SinkExt, StreamExt, stream::SplitSink};
use serde::Deserialize;
use serde_json::json;
use tokio::{
    net::TcpListener,
    select, spawn,
    sync::{
        mpsc::{self, Receiver, Sender, error::TrySendError},
        oneshot,
    },
    time::timeout,
};

const TEXT_LIMIT: usize = 64 * 1024;

/// How long a Close waits for a reader.
const PATIENCE: Duration = Duration::from_secs(8);

/// How many texts may wait for a client.
const QUEUE: usize = 200;

#[derive(Deserialize)]
struct Said {
    sender: String,
    message: String,
}

/// What the actor can be told. The order in which it is told is the order of the room.
enum Order {
    Enter(u64, Sender<Utf8Bytes>),
    Say(Said),
    Refuse(u64, String),
    Leave(u64),
}

#[tokio::main]
async fn main() {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let stall = env::var("STALL_MS").ok();
    let stall = stall.map_or(Ok(10_000), |text| text.parse());
    let Ok(stall) = stall else {
        eprintln!("STALL_MS must be a number of milliseconds.");
        process::exit(1)
    };
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .unwrap_or_else(|error| {
            eprintln!("Cannot listen on port {port}: {error}. Choose another with PORT.");
            process::exit(1)
        });
    let address = listener.local_addr().expect("it is bound");
    println!("The actor plays at http://{address}");
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app(Duration::from_millis(stall)))
        .await
        .expect("axum::serve does not end");
}

#[derive(Clone)]
struct Theatre {
    orders: Sender<Order>,
    next: Arc<AtomicU64>,
    stall: Duration,
}

fn app(stall: Duration) -> Router {
    let (orders, told) = mpsc::channel(100);
    spawn(act(told));
    let theatre = Theatre {
        orders,
        next: Arc::default(),
        stall,
    };
    Router::new()
        .route("/", get(async || "The play is at /chat/public."))
        .route("/chat/public", get(upgrade))
        .route("/slow", get(slow))
        .with_state(theatre)
}

async fn slow() -> String {
    let (answer, answered) = oneshot::channel();
    thread::spawn(move || {
        let begun = Instant::now();
        let mut hasher = DefaultHasher::new();
        while begun.elapsed() < Duration::from_secs(1) {
            hasher.write(&[7; 4096]);
        }
        // Nobody waits any more when the client has gone.
        let _ = answer.send(format!("{:x}", hasher.finish()));
    });
    answered.await.expect("the thread answers")
}

async fn upgrade(upgrade: WebSocketUpgrade, State(theatre): State<Theatre>) -> Response {
    upgrade
        .max_message_size(TEXT_LIMIT)
        .on_upgrade(move |socket| visit(socket, theatre))
}

/// What waits for a client, and how many texts it has missed since.
struct Queue {
    texts: Sender<Utf8Bytes>,
    missed: usize,
}

impl Queue {
    fn put(&mut self, text: &Utf8Bytes) {
        if self.missed > 0 && self.texts.capacity() > 1 {
            let news = json!({ "missed": self.missed }).to_string();
            if self.texts.try_send(news.into()).is_ok() {
                self.missed = 0;
            }
        }
        let full = self.missed > 0;
        if full
            || matches!(
                self.texts.try_send(text.clone()),
                Err(TrySendError::Full(_))
            )
        {
            self.missed += 1;
        }
    }
}

/// The actor. It waits for orders and for nobody else.
async fn act(mut told: Receiver<Order>) {
    let mut queues: BTreeMap<u64, Queue> = BTreeMap::new();
    while let Some(order) = told.recv().await {
        let text = match order {
            Order::Say(Said { sender, message }) => json!({ "sender": sender, "message": message }),
            Order::Refuse(client, problem) => {
                if let Some(queue) = queues.get_mut(&client) {
                    queue.put(&json!({ "error": problem }).to_string().into());
                }
                continue;
            }
            Order::Enter(client, texts) => {
                queues.insert(client, Queue { texts, missed: 0 });
                json!({ "online": queues.len() })
            }
            Order::Leave(client) => {
                if queues.remove(&client).is_none() {
                    continue;
                }
                json!({ "online": queues.len() })
            }
        };
        let text = Utf8Bytes::from(text.to_string());
        for queue in queues.values_mut() {
            queue.put(&text);
        }
    }
}

async fn visit(socket: WebSocket, theatre: Theatre) {
    let client = theatre.next.fetch_add(1, Ordering::Relaxed);
    let (sink, mut stream) = socket.split();
    let (queue, texts) = mpsc::channel(QUEUE);
    let tell = async |order| {
        let _ = theatre.orders.send(order).await;
    };
    tell(Order::Enter(client, queue)).await;
    let writing = spawn(write(sink, texts, theatre.clone(), client));
    while let Some(Ok(message)) = stream.next().await {
        if let Message::Text(text) = message {
            match serde_json::from_str(&text) {
                Ok(said) => tell(Order::Say(said)).await,
                Err(problem) => tell(Order::Refuse(client, problem.to_string())).await,
            }
        }
    }
    tell(Order::Leave(client)).await;
    let _ = timeout(PATIENCE, writing).await;
}

/// Writes what is in the queue, all of it at a time.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut texts: Receiver<Utf8Bytes>,
    theatre: Theatre,
    client: u64,
) {
    let mut waiting = Vec::new();
    while texts.recv_many(&mut waiting, QUEUE).await > 0 {
        for text in waiting.drain(..) {
            match timeout(theatre.stall, sink.feed(Message::Text(text))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => return give_up(sink, theatre, client).await,
            }
        }
        match timeout(theatre.stall, sink.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => return give_up(sink, theatre, client).await,
        }
    }
}

async fn give_up(mut sink: SplitSink<WebSocket, Message>, theatre: Theatre, client: u64) {
    let _ = theatre.orders.send(Order::Leave(client)).await;
    let close = Message::Close(Some(CloseFrame {
        code: close_code::POLICY,
        reason: "You do not listen.".into(),
    }));
    select! {
        _ = sink.send(close) => {}
        () = tokio::time::sleep(PATIENCE) => {}
    }
}
