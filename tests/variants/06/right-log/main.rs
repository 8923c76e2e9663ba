//! Different: hyper without a framework, fastwebsockets instead of
//! tungstenite, and no room anywhere. Everything that is said is one log, in a
//! `watch`; every client reads all of it, and passes on what is for it: what
//! is said where it is, and the replies to itself.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    convert::Infallible,
    env, process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use fastwebsockets::{
    FragmentCollector, Frame, OpCode, Role, WebSocket,
    upgrade::{UpgradeFut, is_upgrade_request, upgrade},
};
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{empty, join, sink, split},
    net::TcpListener,
    spawn,
    sync::{Mutex, watch},
};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// How many lines the log keeps.
const KEPT: usize = 2000;

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
    println!("The log is open at http://{address}");
    let book = Arc::new(Book::default());
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let book = book.clone();
        let service = service_fn(move |request| serve(request, book.clone()));
        let connection = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        spawn(connection);
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Namespace {
    Chat,
    News,
}

type Place = (Namespace, String);

/// For whom a line is: decided when it is written.
struct Line {
    to: BTreeSet<u64>,
    text: Arc<str>,
}

#[derive(Default)]
struct Log {
    lines: VecDeque<Line>,
    /// How many lines there have ever been.
    end: u64,
    people: BTreeMap<Place, BTreeSet<u64>>,
}

#[derive(Default)]
struct Book {
    log: watch::Sender<Log>,
    clients: AtomicU64,
}

impl Log {
    fn add(&mut self, to: BTreeSet<u64>, text: String) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        let text = text.into();
        self.lines.push_back(Line { to, text });
        self.end += 1;
    }

    fn say(&mut self, place: &Place, event: &str, data: &Value) {
        let to = self.people.get(place).cloned().unwrap_or_default();
        let (ns, room) = place;
        let ns = match ns {
            Namespace::Chat => "chat",
            Namespace::News => "news",
        };
        let room = json!(room);
        let text = format!(
            " {{\"event\": \"{event}\",\n \"room\": {room}, \"ns\": \"{ns}\", \"data\": {data} }} "
        );
        self.add(to, text);
    }

    fn count(&mut self, place: &Place) {
        let online = self.people.get(place).map_or(0, BTreeSet::len);
        self.say(place, "online", &json!({ "online": online }));
    }

    fn join(&mut self, place: Place, client: u64) -> bool {
        let new = self.people.entry(place.clone()).or_default().insert(client);
        if new {
            self.count(&place);
        }
        new
    }

    fn leave(&mut self, place: &Place, client: u64) -> bool {
        let Some(people) = self.people.get_mut(place) else {
            return false;
        };
        let was_here = people.remove(&client);
        if people.is_empty() {
            self.people.remove(place);
        } else if was_here {
            self.count(place);
        }
        was_here
    }

    fn leave_all(&mut self, client: u64) {
        let places: Vec<Place> = self.people.keys().cloned().collect();
        for place in places {
            self.leave(&place, client);
        }
    }

    fn act(&mut self, envelope: Envelope, client: u64) -> Result<(), &'static str> {
        let place = (envelope.ns, name(&envelope.room).ok_or("a name, please")?);
        let here = self.people.get(&place);
        let here = here.is_some_and(|people| people.contains(&client));
        match envelope.said {
            Asked::Join => self.join(place, client).then_some(()).ok_or("again?"),
            Asked::Leave => self.leave(&place, client).then_some(()).ok_or("whence?"),
            Asked::Message if place.0 == Namespace::News => Err("read on"),
            Asked::Message if !here => Err("come in first"),
            Asked::Message => {
                let said = said(&envelope.data).ok_or("a word or two, please")?;
                self.say(&place, "message", &said);
                Ok(())
            }
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    ns: Namespace,
    room: String,
    #[serde(rename = "event")]
    said: Asked,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Asked {
    Join,
    Leave,
    Message,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Reference {
    Number(i64),
    Word(String),
}

/// Does what is asked, and writes down the reply for this client.
fn hear(book: &Book, client: u64, text: &[u8]) {
    let envelope: Option<Value> = serde_json::from_slice(text).ok().filter(Value::is_object);
    let reference = match &envelope {
        None => Err("an object, please"),
        Some(envelope) => match envelope.get("ref").map(Reference::deserialize) {
            None => Ok(None),
            Some(Ok(reference)) => Ok(Some(reference)),
            Some(Err(_)) => Err("a ref that can be one, please"),
        },
    };
    book.log.send_modify(|log| {
        let (reference, outcome) = match (reference, envelope.map(Envelope::deserialize)) {
            (Err(why), _) => (None, Err(why)),
            (Ok(reference), Some(Ok(envelope))) => (reference, log.act(envelope, client)),
            (Ok(reference), _) => (reference, Err("a whole envelope, please")),
        };
        let reference = reference.map(|reference| match reference {
            Reference::Number(number) => json!(number),
            Reference::Word(word) => json!(word),
        });
        let reply = match (reference, outcome) {
            (None, Ok(())) => return,
            (Some(reference), Ok(())) => json!({ "ok": true, "ref": reference }),
            (Some(reference), Err(why)) => json!({ "ok": false, "error": why, "ref": reference }),
            (None, Err(why)) => json!({ "ok": false, "error": why }),
        };
        log.add(BTreeSet::from([client]), reply.to_string());
    });
}

type Answer = Response<Full<Bytes>>;

async fn serve(mut request: Request<Incoming>, book: Arc<Book>) -> Result<Answer, Infallible> {
    let path = request.uri().path().to_string();
    if request.method() == Method::POST
        && let Some(room) = path.strip_prefix("/api/news/")
    {
        let body = request.into_body().collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        let said = serde_json::from_slice(&body).ok().as_ref().and_then(said);
        // Names in percent signs are beyond this server: it would have to decode them.
        let (Some(said), Some(room)) = (said, name(room)) else {
            return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY));
        };
        book.log
            .send_modify(|log| log.say(&(Namespace::News, room), "message", &said));
        return Ok(answer(StatusCode::NO_CONTENT));
    }
    if path != "/ws" || !is_upgrade_request(&request) {
        return Ok(answer(StatusCode::NOT_FOUND));
    }
    let offers = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let mut offers = offers.flat_map(|line| line.to_str().unwrap_or_default().split(','));
    let spoken = offers.any(|offer| offer.trim() == "chat.v1");
    let Ok((response, socket)) = upgrade(&mut request) else {
        return Ok(answer(StatusCode::BAD_REQUEST));
    };
    spawn(visit(socket, book));
    let mut response = response.map(|_| Full::default());
    if spoken {
        let picked = HeaderValue::from_static("chat.v1");
        let headers = response.headers_mut();
        headers.insert(SEC_WEBSOCKET_PROTOCOL, picked);
    }
    Ok(response)
}

fn answer(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

async fn visit(socket: UpgradeFut, book: Arc<Book>) {
    let Ok(socket) = socket.await else { return };
    let client = book.clients.fetch_add(1, Ordering::Relaxed);
    // One half of a connection is a connection whose other half is empty.
    let (incoming, outgoing) = split(socket.into_inner());
    let mut reader = WebSocket::after_handshake(join(incoming, sink()), Role::Server);
    reader.set_auto_close(false);
    reader.set_auto_pong(false);
    let mut reader = FragmentCollector::new(reader);
    let writer = WebSocket::after_handshake(join(empty(), outgoing), Role::Server);
    let writer = Arc::new(Mutex::new(writer));
    let mut log = book.log.subscribe();
    let mut next = log.borrow_and_update().end;

    let lines = writer.clone();
    let writing = spawn(async move {
        while log.wait_for(|log| log.end > next).await.is_ok() {
            let new: Vec<Arc<str>> = {
                let log = log.borrow();
                let oldest = log.end - log.lines.len() as u64;
                let skipped = next.saturating_sub(oldest) as usize;
                next = log.end;
                let new = log.lines.iter().skip(skipped);
                let mine = new.filter(|line| line.to.contains(&client));
                mine.map(|line| line.text.clone()).collect()
            };
            for line in new {
                let frame = Frame::text(line.as_bytes().into());
                if lines.lock().await.write_frame(frame).await.is_err() {
                    return;
                }
            }
        }
    });

    while let Ok(frame) = reader.read_frame().await {
        let answer = match frame.opcode {
            OpCode::Text => {
                hear(&book, client, &frame.payload);
                continue;
            }
            OpCode::Ping => Frame::pong(frame.payload),
            OpCode::Close => Frame::close_raw(frame.payload),
            _ => continue,
        };
        let last = answer.opcode == OpCode::Close;
        let written = writer.lock().await.write_frame(answer).await;
        if last || written.is_err() {
            break;
        }
    }
    book.log.send_modify(|log| log.leave_all(client));
    writing.abort();
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
    let word = |name: &str| {
        let word = data.get(name)?.as_str();
        word.filter(|word| !word.trim().is_empty())
    };
    Some(json!({ "message": word("message")?, "sender": word("sender")? }))
}
