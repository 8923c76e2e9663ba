//! A crowd of clients, of which one speaks and all listen. It lives on one
//! thread, so that it takes one core and leaves the other to the server.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, sink};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;

/// How many clients connect at the same time: fewer than a listener's queue holds.
const WAVE: usize = 100;

/// How long a message may take to everybody before the run is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// The delays of one client in so many are looked at.
const SAMPLED: usize = 16;

/// How long the crowd waits for a first message before it says another one.
const READY: Duration = Duration::from_millis(500);

/// How many bytes a client reads at a time, at least.
const READ: usize = 16 * 1024;

/// What all messages of the crowd begin with; a number of ten digits follows.
const BEGINNING: &str = r#"{"sender":"crowd","message":""#;
const DIGITS: usize = 10;

/// How presence begins.
const ONLINE: &[u8] = br#"{"online":"#;

/// What they end with.
const ENDING: &str = r#""}"#;

/// How long a text is, in bytes, if nothing else is said: a short line of chat.
pub const SHORT: usize = 100;

/// The connected crowd.
pub struct Crowd {
    shared: Rc<Shared>,
    /// The last one speaks. The others are kept: dropping one would end half of its connection.
    writers: Vec<OwnedWriteHalf>,
    text_length: usize,
    /// How long the server took to open all sockets, a hundred at the same time.
    pub opened_in: Duration,
}

/// What the clients and the speaker know of each other.
#[derive(Default)]
struct Shared {
    clients: usize,
    /// Of each message, by its number: when it was sent, and how many have heard it.
    messages: RefCell<Vec<(Instant, usize)>>,
    /// Messages that everybody has heard.
    heard_by_all: Cell<usize>,
    /// Messages received, all clients together.
    deliveries: Cell<u64>,
    /// Delays of the sampled clients, in microseconds.
    delays: RefCell<Vec<u32>>,
    progress: Notify,
    /// What the server has said last of how many are online.
    online: Cell<usize>,
    /// Where a client has heard something else than the next message, the first time.
    disorder: Cell<Option<Disorder>>,
}

/// A message was left out, came twice, or came before its turn.
#[derive(Clone, Copy)]
struct Disorder {
    next: usize,
    heard: usize,
}

/// What happened while one spoke and all listened.
pub struct Heard {
    /// How long that was.
    pub time: Duration,
    /// Messages received, all clients together.
    pub deliveries: u64,
    /// From the speaker's write to a client's read, in microseconds, sorted.
    pub delays: Vec<u32>,
}

impl Crowd {
    /// Connects so many clients, and waits until the server delivers to each of them.
    ///
    /// # Errors
    /// When a client cannot connect, or is not delivered to.
    pub async fn connect(address: &str, path: &str, clients: usize) -> io::Result<Self> {
        let shared = Rc::new(Shared {
            clients,
            ..Shared::default()
        });
        let mut writers = Vec::with_capacity(clients);
        let begin = Instant::now();
        while writers.len() < clients {
            let wave = WAVE.min(clients - writers.len());
            for upgraded in join_all((0..wave).map(|_| upgrade(address, path))).await {
                let (stream, rest) = upgraded?;
                stream.set_nodelay(true)?;
                let (reader, writer) = stream.into_split();
                let client = Client {
                    shared: shared.clone(),
                    is_sampled: writers.len().is_multiple_of(SAMPLED),
                    next: Cell::new(None),
                };
                spawn_local(client.listen(reader, rest));
                writers.push(writer);
            }
        }
        let mut crowd = Self {
            shared,
            writers,
            text_length: SHORT,
            opened_in: begin.elapsed(),
        };
        crowd.get_ready().await?;
        Ok(crowd)
    }

    /// An upgrade is answered before the server listens to the socket, so that
    /// the first messages do not reach everybody: one is said until it does.
    async fn get_ready(&mut self) -> io::Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            self.say().await?;
            let newest = self.shared.messages.borrow().len() - 1;
            if timeout(READY, self.all_have_heard(newest)).await.is_ok() {
                // What some have missed before does not count.
                self.shared.heard_by_all.set(newest + 1);
                return Ok(());
            }
        }
        Err(io::Error::other("some clients of the crowd hear nothing"))
    }

    /// From now on, texts have about so many bytes: more than [`SHORT`], up to 65,535.
    pub fn speak_at_length(&mut self, text_length: usize) {
        self.text_length = text_length;
    }

    /// How many the server has last said to be online.
    pub fn online(&self) -> usize {
        self.shared.online.get()
    }

    /// One speaks flat out, for so long: a message is sent as soon as fewer
    /// than `window` are on their way to somebody.
    ///
    /// # Errors
    /// When a message does not reach everybody, once and in its turn.
    pub async fn speak(&mut self, window: usize, time: Duration) -> io::Result<Heard> {
        self.shared.delays.borrow_mut().clear();
        let before = self.shared.deliveries.get();
        let begin = Instant::now();
        while begin.elapsed() < time {
            let sent = self.shared.messages.borrow().len();
            let room = window.saturating_sub(sent - self.shared.heard_by_all.get());
            for _ in 0..room {
                self.say().await?;
            }
            self.progress_or_give_up().await?;
        }
        let heard = Heard {
            time: begin.elapsed(),
            deliveries: self.shared.deliveries.get() - before,
            delays: {
                let mut delays = self.shared.delays.take();
                delays.sort_unstable();
                delays
            },
        };
        let sent = self.shared.messages.borrow().len();
        while self.shared.heard_by_all.get() < sent {
            self.progress_or_give_up().await?;
        }
        self.shared.check_order()?;
        Ok(heard)
    }

    async fn progress_or_give_up(&self) -> io::Result<()> {
        let progress = timeout(PATIENCE, self.shared.progress.notified()).await;
        self.shared.check_order()?;
        progress.map_err(|_| {
            let heard = self.shared.heard_by_all.get();
            let (_, by) = self.shared.messages.borrow()[heard];
            io::Error::other(format!(
                "message {heard} reached {by} of {} clients, and no more within {} s",
                self.shared.clients,
                PATIENCE.as_secs()
            ))
        })
    }

    async fn all_have_heard(&self, number: usize) {
        while self.shared.messages.borrow()[number].1 < self.shared.clients {
            self.shared.progress.notified().await;
        }
    }

    /// Sends the next message, in a frame masked with zeros (RFC 6455 5.3).
    async fn say(&mut self) -> io::Result<()> {
        let number = self.shared.messages.borrow().len();
        let fixed = BEGINNING.len() + DIGITS + ENDING.len();
        let padding = ".".repeat(self.text_length.saturating_sub(fixed));
        let text = format!("{BEGINNING}{number:0DIGITS$}{padding}{ENDING}");
        let mut frame = vec![0x81];
        match text.len() {
            length @ ..=125 => frame.push(0x80 | length as u8),
            length => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.shared.messages.borrow_mut().push((Instant::now(), 0));
        let speaker = self.writers.last_mut().expect("somebody is there");
        speaker.write_all(&frame).await
    }
}

impl Shared {
    fn check_order(&self) -> io::Result<()> {
        match self.disorder.get() {
            None => Ok(()),
            Some(Disorder { next, heard }) => Err(io::Error::other(format!(
                "a client got message {heard} when it was the turn of message {next}"
            ))),
        }
    }
}

/// Opens a WebSocket for somebody who will never read from it. The kernel keeps
/// as little as it can for that client.
///
/// # Errors
/// When the server cannot be reached.
pub async fn silent(address: &str, path: &str) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    let address_of_it = address.parse().map_err(io::Error::other)?;
    let mut stream = socket.connect(address_of_it).await?;
    ask_to_upgrade(&mut stream, address, path).await?;
    Ok(stream)
}

/// Opens a WebSocket for somebody who only comes and goes.
///
/// # Errors
/// When the server does not answer, or answers otherwise.
pub async fn visitor(address: &str, path: &str) -> io::Result<TcpStream> {
    let (stream, _) = upgrade(address, path).await?;
    Ok(stream)
}

/// Opens a WebSocket from an address of this machine for somebody who takes
/// what comes, and looks at none of it.
///
/// # Errors
/// When the server does not answer, or answers otherwise.
pub async fn taker(from: Ipv4Addr, address: &str, path: &str) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let address_of_server = address.parse().map_err(io::Error::other)?;
    let mut stream = socket.connect(address_of_server).await?;
    ask_to_upgrade(&mut stream, address, path).await?;
    let (mut stream, _) = read_answer(stream).await?;
    spawn_local(async move { copy(&mut stream, &mut sink()).await });
    Ok(())
}

/// Opens a WebSocket; returns what came behind the answer as well (RFC 6455 4.1).
async fn upgrade(address: &str, path: &str) -> io::Result<(TcpStream, BytesMut)> {
    let mut stream = TcpStream::connect(address).await?;
    ask_to_upgrade(&mut stream, address, path).await?;
    read_answer(stream).await
}

async fn ask_to_upgrade(stream: &mut TcpStream, address: &str, path: &str) -> io::Result<()> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\r\n",
        generate_key()
    );
    stream.write_all(request.as_bytes()).await
}

async fn read_answer(mut stream: TcpStream) -> io::Result<(TcpStream, BytesMut)> {
    let mut bytes = BytesMut::new();
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::Error::other("an upgrade was not answered"));
        }
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = bytes.split_to(end + 4);
            if head.starts_with(b"HTTP/1.1 101 ") {
                return Ok((stream, bytes));
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            return Err(io::Error::other(format!("an upgrade was answered {head}")));
        }
    }
}

/// Takes the payload of the first frame, if all of it has come (RFC 6455 5.2).
/// A server's frames are not masked.
fn next_payload(bytes: &mut BytesMut) -> Option<BytesMut> {
    let (header, length) = match *bytes.get(1)? {
        126 => (
            4,
            u16::from_be_bytes(*bytes.get(2..4)?.as_array()?) as usize,
        ),
        127 => (
            10,
            u64::from_be_bytes(*bytes.get(2..10)?.as_array()?) as usize,
        ),
        length => (2, usize::from(length)),
    };
    if bytes.len() < header + length {
        return None;
    }
    bytes.advance(header);
    Some(bytes.split_to(length))
}

/// The number in decimal digits with which bytes begin; 0 if there is none.
fn number_of(bytes: &[u8]) -> usize {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
}

/// One who listens.
struct Client {
    shared: Rc<Shared>,
    /// Whether its delays are looked at.
    is_sampled: bool,
    /// Which message must come next, as soon as one has come.
    next: Cell<Option<usize>>,
}

impl Client {
    /// Reads until the server ends the connection. `bytes` came with the upgrade.
    async fn listen(self, mut reader: OwnedReadHalf, mut bytes: BytesMut) {
        loop {
            while let Some(payload) = next_payload(&mut bytes) {
                self.hear(&payload);
            }
            bytes.reserve(READ);
            match reader.read_buf(&mut bytes).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
        }
    }

    /// Whatever else a server says is passed over.
    fn hear(&self, payload: &[u8]) {
        let shared = &self.shared;
        if let Some(rest) = payload.strip_prefix(ONLINE) {
            shared.online.set(number_of(rest));
            shared.progress.notify_one();
        }
        let Some(rest) = payload.strip_prefix(BEGINNING.as_bytes()) else {
            return;
        };
        let number = number_of(rest);
        self.check_turn(number);
        let mut messages = shared.messages.borrow_mut();
        let Some((sent, heard_by)) = messages.get_mut(number) else {
            return;
        };
        *heard_by += 1;
        shared.deliveries.set(shared.deliveries.get() + 1);
        if self.is_sampled {
            let delay = sent.elapsed().as_micros();
            let delay = u32::try_from(delay).unwrap_or(u32::MAX);
            shared.delays.borrow_mut().push(delay);
        }
        if *heard_by == shared.clients {
            shared.heard_by_all.set(shared.heard_by_all.get() + 1);
            shared.progress.notify_one();
        }
    }

    /// Counting how many have heard a message is not enough: one may have
    /// heard it twice, and another one not at all.
    fn check_turn(&self, heard: usize) {
        let next = self.next.replace(Some(heard + 1)).unwrap_or(heard);
        if heard != next && self.shared.disorder.get().is_none() {
            self.shared.disorder.set(Some(Disorder { next, heard }));
            self.shared.progress.notify_one();
        }
    }
}
