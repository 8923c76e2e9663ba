//! Different: hyper without a framework, fastwebsockets instead of
//! tungstenite, and no channel in which messages are sent. A room is a log in a
//! `watch`, with lines for all and lines for one client, and every client reads
//! it at its own pace from its own place in it. The house knows its rooms weakly:
//! whoever is in a room holds it, and with the last one it is gone.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    env, process,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use fastwebsockets::{
    CloseCode, Frame, OpCode, Role, WebSocket, WebSocketError,
    upgrade::{UpgradeFut, is_upgrade_request, upgrade},
};
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, empty, join, sink, split},
    net::TcpListener,
    select, spawn,
    sync::{mpsc, watch},
    time::timeout,
};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

const TEXT_LIMIT: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(1);

/// How many lines the log keeps. Who is further behind misses the oldest.
const KEPT: usize = 700;

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
    println!("The logs of the rooms are open at http://{address}");
    let house = Arc::new(House::default());
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let house = house.clone();
        let service = service_fn(move |request| serve(request, house.clone()));
        let connection = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        spawn(connection);
    }
}

/// The rooms by their names. One of which nobody holds anything is gone.
#[derive(Default)]
struct House(Mutex<HashMap<String, Weak<Room>>>);

impl House {
    fn enter(&self, name: &str) -> (Arc<Room>, Place) {
        let mut rooms = self.0.lock().unwrap();
        let room = rooms.get(name).and_then(Weak::upgrade).unwrap_or_default();
        rooms.insert(name.to_string(), Arc::downgrade(&room));
        let place = room.enter();
        (room, place)
    }

    fn leave(&self, name: &str, room: Arc<Room>) {
        let mut rooms = self.0.lock().unwrap();
        room.leave();
        drop(room);
        if rooms.get(name).is_some_and(|room| room.strong_count() == 0) {
            rooms.remove(name);
        }
    }

    fn list(&self) -> Value {
        let rooms = self.0.lock().unwrap();
        let mut names: Vec<&String> = rooms.keys().collect();
        names.sort_unstable_by(|one, other| one.chars().cmp(other.chars()));
        let objects = names.into_iter().filter_map(|name| {
            let room = rooms[name].upgrade()?;
            let online = room.log.borrow().online;
            Some(json!({ "online": online, "room": name }))
        });
        objects.collect()
    }
}

/// The name of a room, from its part of a path, if it can be one.
fn name(part: &str) -> Option<String> {
    let mut parts = part.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    let name: String = String::from_utf8(bytes).ok()?.nfc().collect();
    let strange = |one: char| !one.is_alphanumeric() && !is_combining_mark(one);
    let strangers = name.replace(['-', '_'], "").chars().any(strange);
    let length = name.chars().count();
    (length > 0 && length <= 64 && !strangers).then_some(name)
}

struct Line {
    /// One client alone, or everybody.
    to: Option<u64>,
    text: Arc<str>,
}

#[derive(Default)]
struct Log {
    lines: VecDeque<Line>,
    /// How many lines there have ever been.
    end: u64,
    online: usize,
}

impl Log {
    fn add(&mut self, to: Option<u64>, text: &str) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        let text = text.into();
        self.lines.push_back(Line { to, text });
        self.end += 1;
    }

    fn add_online(&mut self) {
        self.add(None, &format!("{{ \"online\" : {} }}", self.online));
    }
}

#[derive(Default)]
struct Room {
    log: watch::Sender<Log>,
    clients: AtomicU64,
}

impl Room {
    fn enter(&self) -> Place {
        let client = self.clients.fetch_add(1, Ordering::Relaxed);
        let mut next = 0;
        self.log.send_modify(|log| {
            next = log.end;
            log.online += 1;
            log.add_online();
        });
        let log = self.log.subscribe();
        Place { log, next, client }
    }

    fn leave(&self) {
        self.log.send_modify(|log| {
            log.online -= 1;
            log.add_online();
        });
    }

    /// Where the log ends now.
    fn end(&self) -> u64 {
        self.log.borrow().end
    }

    fn say(&self, to: Option<u64>, text: &str) {
        self.log.send_modify(|log| log.add(to, text));
    }
}

/// How far a client has read.
struct Place {
    log: watch::Receiver<Log>,
    next: u64,
    client: u64,
}

impl Place {
    /// Waits for the next line for this client. There is none when the room is gone.
    async fn line(&mut self) -> Option<Arc<str>> {
        loop {
            let next = self.next;
            let log = self.log.wait_for(|log| log.end > next).await.ok()?;
            let oldest = log.end - log.lines.len() as u64;
            let place = next.max(oldest);
            self.next = place + 1;
            let line = &log.lines[(place - oldest) as usize];
            if line.to.is_none_or(|client| client == self.client) {
                return Some(line.text.clone());
            }
        }
    }
}

type Answer = Response<Full<Bytes>>;

async fn serve(mut request: Request<Incoming>, house: Arc<House>) -> Result<Answer, Infallible> {
    let path = request.uri().path().to_string();
    if let Some(part) = path.strip_prefix("/ws/chat/") {
        return Ok(match name(part) {
            Some(name) if is_upgrade_request(&request) => open(&mut request, house, name),
            Some(_) => answer(StatusCode::BAD_REQUEST, "text/plain", "Not so."),
            None => no_such_room(),
        });
    }
    Ok(match path.strip_prefix("/chat/").map(name) {
        Some(Some(_)) => answer(StatusCode::OK, "text/html", include_str!("page.html")),
        Some(None) => no_such_room(),
        None if path == "/" => answer(StatusCode::OK, "text/html", include_str!("index.html")),
        None if path == "/api/rooms" => {
            let list = serde_json::to_string_pretty(&house.list()).expect("JSON is text");
            answer(StatusCode::OK, "application/json; charset=utf-8", list)
        }
        None => answer(StatusCode::NOT_FOUND, "text/plain", "Not here."),
    })
}

fn no_such_room() -> Answer {
    answer(
        StatusCode::NOT_FOUND,
        "text/plain",
        "There is no room of such a name.",
    )
}

fn open(request: &mut Request<Incoming>, house: Arc<House>, name: String) -> Answer {
    match upgrade(request) {
        Ok((response, socket)) => {
            spawn(visit(socket, house, name));
            response.map(|_| Full::default())
        }
        Err(error) => answer(StatusCode::BAD_REQUEST, "text/plain", error.to_string()),
    }
}

fn answer(status: StatusCode, media: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let media = HeaderValue::from_static(media);
    answer.headers_mut().insert(CONTENT_TYPE, media);
    answer
}

/// Why a conversation is over.
enum Bye {
    /// Nobody is there to be told.
    Gone,
    /// What our Close carries: what theirs carried, or why we do not go on.
    Close(Vec<u8>),
}

impl Bye {
    fn with(code: CloseCode) -> Self {
        Bye::Close(u16::from(code).to_be_bytes().to_vec())
    }
}

impl From<WebSocketError> for Bye {
    fn from(error: WebSocketError) -> Self {
        match error {
            WebSocketError::UnexpectedEOF
            | WebSocketError::ConnectionClosed
            | WebSocketError::IoError(_)
            | WebSocketError::HTTPError(_) => Bye::Gone,
            WebSocketError::InvalidUTF8 => Bye::with(CloseCode::Invalid),
            WebSocketError::FrameTooLarge => Bye::with(CloseCode::Size),
            _ => Bye::with(CloseCode::Protocol),
        }
    }
}

/// What goes to a client past the log.
enum Aside {
    Pong(Vec<u8>),
    /// A Close, which stands behind the lines of the log before this place.
    Close(Vec<u8>, u64),
}

async fn visit(socket: UpgradeFut, house: Arc<House>, name: String) {
    let Ok(socket) = socket.await else { return };
    // One half of a connection is a connection whose other half is empty.
    let (incoming, outgoing) = split(socket.into_inner());
    let mut reader = WebSocket::after_handshake(join(incoming, sink()), Role::Server);
    let writer = WebSocket::after_handshake(join(empty(), outgoing), Role::Server);
    let (aside, asides) = mpsc::channel(4);
    let (room, place) = house.enter(&name);
    let client = place.client;
    let mut writing = spawn(write(writer, place, asides));

    let bye = listen(&mut reader, &room, client, &aside).await;
    // Before the leaving, which is told to the others, and may end the room.
    if let Bye::Close(payload) = bye {
        let goodbye = aside.send(Aside::Close(payload, room.end()));
        let _ = timeout(PATIENCE, goodbye).await;
    }
    house.leave(&name, room);
    drop(aside);
    // What is left unread would make the kernel reset the connection.
    let _ = timeout(PATIENCE, copy(&mut reader.into_inner(), &mut sink())).await;
    if timeout(PATIENCE, &mut writing).await.is_err() {
        writing.abort();
    }
}

async fn write<S>(
    mut writer: WebSocket<S>,
    mut place: Place,
    mut asides: mpsc::Receiver<Aside>,
) -> Result<(), WebSocketError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        select! {
            // A goodbye goes before the line that says that this client is gone.
            biased;
            aside = asides.recv() => match aside {
                Some(Aside::Pong(payload)) => {
                    writer.write_frame(Frame::pong(payload.into())).await?;
                }
                Some(Aside::Close(payload, last)) => {
                    while place.next < last
                        && let Some(line) = place.line().await
                    {
                        writer.write_frame(text(&line)).await?;
                    }
                    writer.write_frame(Frame::close_raw(payload.into())).await?;
                    break;
                }
                None => break,
            },
            line = place.line() => match line {
                Some(line) => writer.write_frame(text(&line)).await?,
                None => break,
            },
        }
    }
    Ok(writer.into_inner().shutdown().await?)
}

fn text(line: &str) -> Frame<'static> {
    Frame::text(line.as_bytes().to_vec().into())
}

async fn listen<S>(
    reader: &mut WebSocket<S>,
    room: &Room,
    client: u64,
    aside: &mpsc::Sender<Aside>,
) -> Bye
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    reader.set_auto_close(false);
    reader.set_auto_pong(false);
    // The crate refuses what is as long as its maximum.
    reader.set_max_message_size(TEXT_LIMIT + 1);
    loop {
        match message(reader, aside).await {
            Ok(text) => match check(&text) {
                Ok(said) => room.say(None, &said),
                Err(problem) => room.say(Some(client), &json!({ "error": problem }).to_string()),
            },
            Err(bye) => return bye,
        }
    }
}

/// Reads frames until they make a text.
async fn message<S>(reader: &mut WebSocket<S>, aside: &mpsc::Sender<Aside>) -> Result<Vec<u8>, Bye>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut begun: Option<Vec<u8>> = None;
    loop {
        let mut frame = reader.read_frame().await?;
        // The crate lets frames without a mask pass, but their head tells.
        let mut head = [0; 16];
        frame.fmt_head(&mut head);
        let control = matches!(frame.opcode, OpCode::Close | OpCode::Ping | OpCode::Pong);
        if head[1] & 0x80 == 0 || (control && frame.payload.len() > 125) {
            return Err(Bye::with(CloseCode::Protocol));
        }
        let last = frame.fin;
        match (frame.opcode, &mut begun) {
            (OpCode::Ping, _) => {
                let pong = aside.send(Aside::Pong(frame.payload.into()));
                pong.await.map_err(|_| Bye::Gone)?;
            }
            (OpCode::Pong, _) => {}
            (OpCode::Close, _) => return Err(farewell(frame.payload.into())),
            (OpCode::Binary, _) => return Err(Bye::with(CloseCode::Unsupported)),
            (OpCode::Text, None) => begun = Some(frame.payload.into()),
            (OpCode::Continuation, Some(text)) => text.extend_from_slice(&frame.payload),
            _ => return Err(Bye::with(CloseCode::Protocol)),
        }
        if control {
            continue;
        }
        if begun.as_ref().is_some_and(|text| text.len() > TEXT_LIMIT) {
            return Err(Bye::with(CloseCode::Size));
        }
        if last && let Some(text) = begun.take() {
            return match str::from_utf8(&text) {
                Ok(_) => Ok(text),
                Err(_) => Err(Bye::with(CloseCode::Invalid)),
            };
        }
    }
}

/// The answer to a Close that carries this.
fn farewell(payload: Vec<u8>) -> Bye {
    match payload.as_slice() {
        [] => Bye::Close(payload),
        [high, low, reason @ ..] => {
            let code = CloseCode::from(u16::from_be_bytes([*high, *low]));
            if !code.is_allowed() {
                Bye::with(CloseCode::Protocol)
            } else if str::from_utf8(reason).is_err() {
                Bye::with(CloseCode::Invalid)
            } else {
                Bye::Close(payload)
            }
        }
        [_] => Bye::with(CloseCode::Protocol),
    }
}

#[derive(Deserialize)]
struct Said {
    sender: String,
    message: String,
}

fn check(text: &[u8]) -> Result<String, &'static str> {
    let Ok(Said { sender, message }) = serde_json::from_slice(text) else {
        return Err("a sender and a message, please");
    };
    let nothing = |word: &str| word.chars().all(char::is_whitespace);
    if nothing(&sender) || nothing(&message) {
        return Err("a word or two, please");
    }
    Ok(format!(
        " {{\"message\":{},\r\n \"sender\":{} }}\n",
        json!(message),
        json!(sender)
    ))
}
