//! Different: hyper without a framework, fastwebsockets instead of
//! tungstenite, and no channel in which messages are sent. The room is one
//! log in a `watch`, with lines for all and lines for one client, and every
//! client reads it at its own pace from its own place in it. All that is new
//! in the log becomes one piece of bytes, and the clock is set anew whenever
//! the client takes some of them.

use std::{
    collections::VecDeque,
    convert::Infallible,
    env, io, process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fastwebsockets::{
    CloseCode, OpCode, Role, WebSocket, WebSocketError,
    upgrade::{UpgradeFut, is_upgrade_request, upgrade},
};
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, join, sink, split},
    net::TcpListener,
    select, spawn,
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

const TEXT_LIMIT: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(6);

/// How many lines the log keeps. Who is further behind misses the oldest.
const KEPT: usize = 400;

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
    println!("The log of the room is open at http://{address}");
    let stall = env::var("STALL_MS").unwrap_or("10000".to_string());
    let stall = stall.parse().unwrap_or_else(|error| {
        eprintln!("STALL_MS={stall} is no number of milliseconds: {error}.");
        process::exit(1)
    });
    let room = Arc::new(Room {
        stall: Duration::from_millis(stall),
        log: watch::Sender::default(),
        clients: AtomicU64::default(),
    });
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let room = room.clone();
        let service = service_fn(move |request| serve(request, room.clone()));
        let connection = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        spawn(connection);
    }
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

struct Room {
    log: watch::Sender<Log>,
    clients: AtomicU64,
    stall: Duration,
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

    /// Leaves, and says where the log ended when this client left.
    fn leave(&self) -> u64 {
        let mut last = 0;
        self.log.send_modify(|log| {
            last = log.end;
            log.online -= 1;
            log.add_online();
        });
        last
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
    /// Waits for lines for this client, and takes them all, as frames. There
    /// are none when the room is gone.
    async fn lines(&mut self) -> Option<Vec<u8>> {
        let mut frames = Vec::new();
        while frames.is_empty() {
            let next = self.next;
            let log = self.log.wait_for(|log| log.end > next).await.ok()?;
            let oldest = log.end - log.lines.len() as u64;
            if next < oldest {
                put(&mut frames, &json!({ "missed": oldest - next }).to_string());
            }
            let place = next.max(oldest);
            self.next = log.end;
            for line in log.lines.iter().skip((place - oldest) as usize) {
                if line.to.is_none_or(|client| client == self.client) {
                    put(&mut frames, &line.text);
                }
            }
        }
        Some(frames)
    }
}

/// A text as a server's frame, which has no mask.
fn put(frames: &mut Vec<u8>, text: &str) {
    frames.push(0x81);
    match text.len() {
        length @ 0..126 => frames.push(length as u8),
        length @ 126..0x10000 => {
            frames.push(126);
            frames.extend((length as u16).to_be_bytes());
        }
        length => {
            frames.push(127);
            frames.extend((length as u64).to_be_bytes());
        }
    }
    frames.extend(text.as_bytes());
}

type Answer = Response<Full<Bytes>>;

async fn serve(mut request: Request<Incoming>, room: Arc<Room>) -> Result<Answer, Infallible> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => answer(StatusCode::OK, "text/plain", "The room is at /chat/public."),
        (&Method::GET, "/chat/public")
            if request.version() == Version::HTTP_11 && is_upgrade_request(&request) =>
        {
            match upgrade(&mut request) {
                Ok((response, socket)) => {
                    spawn(visit(socket, room));
                    response.map(|_| Full::default())
                }
                Err(error) => answer(StatusCode::BAD_REQUEST, "text/plain", error.to_string()),
            }
        }
        (&Method::GET, "/slow") => {
            let hash = tokio::task::block_in_place(hard_work);
            answer(StatusCode::OK, "text/plain", hash)
        }
        (_, "/" | "/chat/public") => answer(StatusCode::BAD_REQUEST, "text/plain", "Not so."),
        _ => answer(StatusCode::NOT_FOUND, "text/plain", "Not here."),
    })
}

fn answer(status: StatusCode, media: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let media = HeaderValue::from_static(media);
    answer.headers_mut().insert(CONTENT_TYPE, media);
    answer
}

/// The thread that does this hands its other tasks to another one first.
fn hard_work() -> String {
    let begun = Instant::now();
    let mut sum = 7_u64;
    while begun.elapsed() < Duration::from_secs(1) {
        sum = sum.rotate_left(7) ^ sum.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    format!("{sum:x}")
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

async fn visit(socket: UpgradeFut, room: Arc<Room>) {
    let Ok(socket) = socket.await else { return };
    // One half of a connection is a connection whose other half is empty.
    let (incoming, outgoing) = split(socket.into_inner());
    let mut reader = WebSocket::after_handshake(join(incoming, sink()), Role::Server);
    let (aside, asides) = mpsc::channel(4);
    let place = room.enter();
    let client = place.client;
    let (stalled, stalls) = oneshot::channel();
    let mut writing = spawn(write(outgoing, place, asides, room.stall, stalled));

    let bye = select! {
        bye = listen(&mut reader, &room, client, &aside) => bye,
        Ok(()) = stalls => Bye::Gone,
    };
    let last = room.leave();
    if let Bye::Close(payload) = bye {
        let goodbye = aside.send(Aside::Close(payload, last));
        let _ = timeout(PATIENCE, goodbye).await;
    }
    drop(aside);
    // What is left unread would make the kernel reset the connection.
    let _ = timeout(PATIENCE, copy(&mut reader.into_inner(), &mut sink())).await;
    if timeout(PATIENCE, &mut writing).await.is_err() {
        writing.abort();
    }
}

async fn write<S>(
    mut stream: S,
    mut place: Place,
    mut asides: mpsc::Receiver<Aside>,
    stall: Duration,
    stalled: oneshot::Sender<()>,
) -> io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    loop {
        let (mut frames, end) = select! {
            frames = place.lines() => match frames {
                Some(frames) => (frames, false),
                None => break,
            },
            aside = asides.recv() => match aside {
                Some(Aside::Pong(payload)) => (control(0x8a, &payload), false),
                Some(Aside::Close(payload, last)) => {
                    let mut frames = Vec::new();
                    while place.next < last
                        && let Some(lines) = place.lines().await
                    {
                        frames.extend(lines);
                    }
                    frames.extend(control(0x88, &payload));
                    (frames, true)
                }
                None => break,
            },
        };
        while !frames.is_empty() {
            match timeout(stall, stream.write(&frames)).await {
                Ok(taken) => {
                    frames.drain(..taken?);
                }
                Err(_) => {
                    let _ = stalled.send(());
                    let code = u16::from(CloseCode::Policy);
                    frames.extend(control(0x88, &code.to_be_bytes()));
                    let _ = timeout(PATIENCE, stream.write_all(&frames)).await;
                    return stream.shutdown().await;
                }
            }
        }
        if end {
            break;
        }
    }
    stream.shutdown().await
}

fn control(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, payload.len() as u8];
    frame.extend(payload);
    frame
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
