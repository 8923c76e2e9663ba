//! Different: no async at all. Each client has two threads, one that reads and
//! one that writes, and between them a mailbox which loses its oldest letters
//! when it is full, and remembers how many. The kernel watches the clock: a
//! write that gets nowhere for STALL_MS comes back with an error. The thread
//! that writes naps for a moment first, so that letters leave together.

use std::{
    collections::{HashMap, VecDeque},
    env,
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tungstenite::{
    Message, WebSocket,
    handshake::derive_accept_key,
    protocol::{
        Role, WebSocketConfig,
        frame::{
            Frame,
            coding::{CloseCode, Data, OpCode},
        },
    },
};

const TEXT_LIMIT: usize = 64 * 1024;
const HEAD_LIMIT: usize = 16 * 1024;

/// How long a Close waits for a reader.
const PATIENCE: Duration = Duration::from_secs(7);

/// How many letters a mailbox holds.
const MAILBOX: usize = 150;

/// For so long letters are collected before they leave.
const NAP: Duration = Duration::from_millis(2);

fn main() {
    let number = |name: &str, otherwise: u64| {
        let text = env::var(name).unwrap_or(otherwise.to_string());
        text.parse::<u64>().unwrap_or_else(|error| {
            eprintln!("{name}={text} is no number: {error}. Choose another.");
            process::exit(1)
        })
    };
    let port = number("PORT", 8000);
    let stall = Duration::from_millis(number("STALL_MS", 10_000));
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap_or_else(|error| {
        eprintln!("Cannot listen on port {port}: {error}. Choose another with PORT.");
        process::exit(1)
    });
    let address = listener.local_addr().expect("it is bound");
    println!("Chatting threads are at http://{address}");
    let room = Arc::new(Room::default());
    for stream in listener.incoming().flatten() {
        let room = room.clone();
        // Without a thread there is no answer, and the connection is dropped.
        let _ = thread::Builder::new().spawn(move || serve(stream, &room, stall));
    }
}

/// What waits to be written to a client: a whole frame.
type Letter = Arc<[u8]>;

#[derive(Default)]
struct Mailbox {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    letters: VecDeque<Letter>,
    /// How many letters were lost before the first that is there.
    lost: usize,
    ended: bool,
}

impl Mailbox {
    /// Never waits.
    fn post(&self, letter: Letter) {
        let mut waiting = self.waiting.lock().unwrap();
        if waiting.letters.len() == MAILBOX {
            waiting.letters.pop_front();
            waiting.lost += 1;
        }
        waiting.letters.push_back(letter);
        self.changed.notify_one();
    }

    fn end(&self) {
        self.waiting.lock().unwrap().ended = true;
        self.changed.notify_one();
    }

    /// Waits for letters, and takes all of them. There are none after the end.
    fn take(&self) -> Option<Vec<u8>> {
        let waiting = self.waiting.lock().unwrap();
        let empty = |waiting: &mut Waiting| waiting.letters.is_empty() && !waiting.ended;
        drop(self.changed.wait_while(waiting, empty).unwrap());
        thread::sleep(NAP);
        let mut waiting = self.waiting.lock().unwrap();
        let mut bytes = Vec::new();
        if waiting.lost > 0 {
            bytes.extend_from_slice(&letter(&json!({ "missed": waiting.lost })));
            waiting.lost = 0;
        }
        for letter in waiting.letters.drain(..) {
            bytes.extend_from_slice(&letter);
        }
        (!bytes.is_empty()).then_some(bytes)
    }
}

/// Everybody's mailbox. Whoever holds the lock speaks, so all hear one order.
#[derive(Default)]
struct Room(Mutex<People>);

#[derive(Default)]
struct People {
    mailboxes: HashMap<u64, Arc<Mailbox>>,
    came: u64,
}

impl Room {
    fn people(&self) -> MutexGuard<'_, People> {
        self.0.lock().unwrap()
    }

    fn enter(&self, mailbox: Arc<Mailbox>) -> u64 {
        let mut people = self.people();
        people.came += 1;
        let number = people.came;
        people.mailboxes.insert(number, mailbox);
        people.count();
        number
    }

    /// May be said twice.
    fn leave(&self, number: u64) {
        let mut people = self.people();
        if people.mailboxes.remove(&number).is_some() {
            people.count();
        }
    }
}

impl People {
    fn hear(&self, said: &Value) {
        let letter = letter(said);
        for mailbox in self.mailboxes.values() {
            mailbox.post(letter.clone());
        }
    }

    fn count(&self) {
        self.hear(&json!({ "online": self.mailboxes.len() }));
    }
}

fn letter(said: &Value) -> Letter {
    framed(Frame::message(
        said.to_string(),
        OpCode::Data(Data::Text),
        true,
    ))
}

fn framed(frame: Frame) -> Letter {
    let mut bytes = Vec::new();
    frame.format(&mut bytes).expect("memory takes all bytes");
    bytes.into()
}

/// Reads from the client, and writes to its mailbox.
struct Duplex {
    stream: TcpStream,
    mailbox: Arc<Mailbox>,
}

impl Read for Duplex {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.read(bytes)
    }
}

impl Write for Duplex {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.mailbox.post(bytes.into());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn serve(mut stream: TcpStream, room: &Arc<Room>, stall: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Some((head, rest)) = read_head(&mut stream)? else {
        return Ok(());
    };
    let header = |name: &str| {
        let mut headers = head.lines().filter_map(|line| line.split_once(':'));
        headers
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    };
    if head.starts_with("GET /slow ") {
        return answer(&mut stream, &hard_work());
    }
    let (true, Some(key)) = (
        head.starts_with("GET /chat/public "),
        header("Sec-WebSocket-Key"),
    ) else {
        return answer(&mut stream, "The threads chat at /chat/public.");
    };
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nsec-websocket-accept: {}\r\nupgrade: websocket\r\n\r\n",
        derive_accept_key(key.as_bytes())
    )?;
    chat(stream, rest, room, stall)
}

/// The head of a request, and what came behind it.
fn read_head(stream: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            let head = String::from_utf8_lossy(&bytes).into_owned();
            return Ok(Some((head, rest)));
        }
        let mut piece = [0; 2048];
        match stream.read(&mut piece)? {
            0 => return Ok(None),
            _ if bytes.len() > HEAD_LIMIT => return Ok(None),
            length => bytes.extend_from_slice(&piece[..length]),
        }
    }
}

fn answer(stream: &mut TcpStream, body: &str) -> io::Result<()> {
    // The end of the connection is the end of the body.
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n{body}"
    )?;
    stream.shutdown(Shutdown::Write)
}

/// Each request has a thread, so nobody else waits.
fn hard_work() -> String {
    let begun = Instant::now();
    let mut sum = 7_u64;
    while begun.elapsed() < Duration::from_secs(1) {
        sum = sum.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    }
    format!("{sum:x}")
}

fn chat(stream: TcpStream, rest: Vec<u8>, room: &Arc<Room>, stall: Duration) -> io::Result<()> {
    let mailbox = Arc::new(Mailbox::default());
    let duplex = Duplex {
        stream: stream.try_clone()?,
        mailbox: mailbox.clone(),
    };
    let limits = WebSocketConfig::default().max_message_size(Some(TEXT_LIMIT));
    let mut socket = WebSocket::from_partially_read(duplex, rest, Role::Server, Some(limits));
    let outgoing = stream.try_clone()?;
    outgoing.set_write_timeout(Some(stall))?;
    let number = room.enter(mailbox.clone());
    let (letters, of_the_room) = (mailbox.clone(), room.clone());
    thread::Builder::new().spawn(move || {
        let written = write_letters(&letters, outgoing, &of_the_room, number);
        of_the_room.leave(number);
        written
    })?;
    while let Ok(message) = socket.read() {
        let Message::Text(text) = message else {
            continue;
        };
        let said: Value = serde_json::from_str(&text).unwrap_or_default();
        match (&said["sender"], &said["message"]) {
            (Value::String(_), Value::String(_)) => room.people().hear(&said),
            _ => mailbox.post(letter(&json!({ "error": "I do not understand." }))),
        }
    }
    let _ = socket.flush();
    room.leave(number);
    mailbox.end();
    Ok(())
}

fn write_letters(
    mailbox: &Mailbox,
    mut stream: TcpStream,
    room: &Room,
    number: u64,
) -> io::Result<()> {
    while let Some(bytes) = mailbox.take() {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            // Some of it is a few at most: a large write ends when all of it is taken.
            match stream.write(&rest[..rest.len().min(TEXT_LIMIT)]) {
                Ok(taken) => rest = &rest[taken..],
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    room.leave(number);
                    return give_up(&mut stream, rest);
                }
                Err(error) => return Err(error),
            }
        }
    }
    stream.shutdown(Shutdown::Write)
}

/// The rest of the frame that has begun, and the Close.
fn give_up(stream: &mut TcpStream, rest: &[u8]) -> io::Result<()> {
    let code = CloseCode::Policy;
    let reason = "".into();
    let close = Frame::close(Some(tungstenite::protocol::CloseFrame { code, reason }));
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(rest)?;
    stream.write_all(&framed(close))?;
    stream.shutdown(Shutdown::Write)
}
