//! Different: no async at all. Each client has two threads, one that reads
//! and one that writes, and between them a mailbox which loses its oldest
//! letters when it is full. There is one list of people, and a room is no more
//! than a word that some of them have in common. JSON is written in ASCII alone.

use std::{
    collections::{BTreeMap, VecDeque},
    env,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tungstenite::{
    Bytes, Error, Message, WebSocket,
    error::{CapacityError, ProtocolError},
    handshake::derive_accept_key,
    protocol::{
        CloseFrame, Role, WebSocketConfig,
        frame::{
            Frame,
            coding::{CloseCode, Data, OpCode},
        },
    },
};
use unicode_normalization::{UnicodeNormalization, char::canonical_combining_class};

const TEXT_LIMIT: usize = 64 * 1024;
const HEAD_LIMIT: usize = 16 * 1024;
const PATIENCE: Duration = Duration::from_secs(1);

/// How many letters a mailbox holds.
const MAILBOX: usize = 200;

fn main() {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap_or_else(|error| {
        eprintln!("Cannot listen on port {port}: {error}. Choose another with PORT.");
        process::exit(1)
    });
    let address = listener.local_addr().expect("it is bound");
    println!("Chatting threads are at http://{address}");
    let house = Arc::new(House::default());
    for stream in listener.incoming().flatten() {
        let house = house.clone();
        // Without a thread there is no answer, and the connection is dropped.
        let _ = thread::Builder::new().spawn(move || serve(stream, &house));
    }
}

/// What waits to be written to a client: whole frames.
type Letter = Arc<[u8]>;

#[derive(Default)]
struct Mailbox {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    letters: VecDeque<Letter>,
    ended: bool,
}

impl Mailbox {
    /// Never waits.
    fn post(&self, letter: Letter) {
        let mut waiting = self.waiting.lock().unwrap();
        if waiting.letters.len() == MAILBOX {
            waiting.letters.pop_front();
        }
        waiting.letters.push_back(letter);
        self.changed.notify_one();
    }

    fn end(&self) {
        self.waiting.lock().unwrap().ended = true;
        self.changed.notify_one();
    }

    /// Waits for the next letter. There is none after the end.
    fn take(&self) -> Option<Letter> {
        let waiting = self.waiting.lock().unwrap();
        let mut waiting = self
            .changed
            .wait_while(waiting, |waiting| {
                waiting.letters.is_empty() && !waiting.ended
            })
            .unwrap();
        waiting.letters.pop_front()
    }
}

/// Everybody. Whoever holds the lock speaks, so all hear one order.
#[derive(Default)]
struct House(Mutex<People>);

#[derive(Default)]
struct People {
    here: BTreeMap<u64, Person>,
    came: u64,
}

struct Person {
    room: String,
    mailbox: Arc<Mailbox>,
}

impl House {
    fn people(&self) -> MutexGuard<'_, People> {
        self.0.lock().unwrap()
    }

    fn enter(&self, room: &str, mailbox: Arc<Mailbox>) -> u64 {
        let mut people = self.people();
        people.came += 1;
        let number = people.came;
        let room = room.to_string();
        people.here.insert(number, Person { room, mailbox });
        people.count(number);
        number
    }

    fn leave(&self, number: u64) {
        self.people().remove(number);
    }

    fn say(&self, room: &str, text: &str) {
        self.people().hear(room, text);
    }

    /// JSON, in the order of the names.
    fn rooms(&self) -> String {
        let mut rooms: BTreeMap<String, u32> = BTreeMap::new();
        for person in self.people().here.values() {
            *rooms.entry(person.room.clone()).or_default() += 1;
        }
        let rooms = rooms.iter();
        let rooms = rooms.map(|(room, online)| json!({ "online": online, "room": room }));
        ascii(&Value::Array(rooms.collect()))
    }
}

impl People {
    fn hear(&self, room: &str, text: &str) {
        let letter = letter(text);
        for person in self.here.values().filter(|person| person.room == room) {
            person.mailbox.post(letter.clone());
        }
    }

    fn count(&self, number: u64) {
        let room = &self.here[&number].room;
        let online = self.here.values().filter(|person| person.room == *room);
        self.hear(room, &format!("{{\"online\":\n{}}}", online.count()));
    }

    fn remove(&mut self, number: u64) {
        let Some(person) = self.here.remove(&number) else {
            return;
        };
        if let Some(other) = self
            .here
            .iter()
            .find(|(_, other)| other.room == person.room)
        {
            self.count(*other.0);
        }
    }
}

/// The name of a room, from its part of a path.
fn name(part: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = part.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        bytes.push(match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                rest = after;
                let digits = [*high, *low];
                u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?
            }
            (byte, _) => *byte,
        });
    }
    let name: Vec<char> = str::from_utf8(&bytes).ok()?.nfc().collect();
    let belongs = |one: &char| {
        one.is_alphanumeric() || canonical_combining_class(*one) != 0 || ['-', '_'].contains(one)
    };
    ((1..65).contains(&name.len()) && name.iter().all(belongs)).then(|| name.iter().collect())
}

/// A text in two frames, and a ping between them, where control frames may stand.
fn letter(text: &str) -> Letter {
    let (first, second) = text.as_bytes().split_at(text.len() / 2);
    let frames = [
        Frame::message(
            Bytes::copy_from_slice(first),
            OpCode::Data(Data::Text),
            false,
        ),
        Frame::ping("between"),
        Frame::message(
            Bytes::copy_from_slice(second),
            OpCode::Data(Data::Continue),
            true,
        ),
    ];
    let mut bytes = Vec::new();
    for frame in frames {
        frame.format(&mut bytes).expect("memory takes all bytes");
    }
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

struct Request {
    method: String,
    target: String,
    version: String,
    headers: Vec<(String, String)>,
    /// What came behind the head: the first frames of an eager client.
    rest: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn names(&self, header: &str, token: &str) -> bool {
        let mut tokens = self.header(header).unwrap_or_default().split(',');
        tokens.any(|other| other.trim().eq_ignore_ascii_case(token))
    }

    /// The answer to the client's key, if this is the request for a WebSocket.
    fn accept(&self) -> Option<String> {
        let wanted = self.method == "GET"
            && self.version == "HTTP/1.1"
            && self.names("Connection", "upgrade")
            && self.names("Upgrade", "websocket")
            && self.header("Sec-WebSocket-Version") == Some("13");
        let key = self.header("Sec-WebSocket-Key").filter(|_| wanted)?;
        Some(derive_accept_key(key.as_bytes()))
    }
}

fn serve(mut stream: TcpStream, house: &House) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let Some(request) = read_request(&mut stream)? else {
        answer(&mut stream, "400 Bad Request", "text/plain", "What?")?;
        return part(&mut stream);
    };
    let parts: Vec<&str> = request.target.split('/').skip(1).collect();
    let (status, media, body) = match (parts.as_slice(), request.accept()) {
        (["ws", "chat", room], accept) => match (name(room), accept) {
            (Some(room), Some(accept)) => {
                write!(
                    stream,
                    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nsec-websocket-accept: {accept}\r\nupgrade: websocket\r\n\r\n"
                )?;
                stream.set_read_timeout(None)?;
                return chat(stream, request.rest, house, &room);
            }
            (Some(_), None) => ("400 Bad Request", "text/plain", "Chat!".to_string()),
            (None, _) => ("404 Not Found", "text/plain", "No room.".to_string()),
        },
        ([""], _) => (
            "200 OK",
            "text/html",
            include_str!("index.html").to_string(),
        ),
        (["api", "rooms"], _) => ("200 OK", "application/json", house.rooms()),
        (["chat", room], _) if name(room).is_some() => {
            ("200 OK", "text/html", include_str!("page.html").to_string())
        }
        _ => ("404 Not Found", "text/plain", "Not here.".to_string()),
    };
    answer(&mut stream, status, media, &body)?;
    part(&mut stream)
}

/// A request's head; none if it is not like one.
fn read_request(stream: &mut TcpStream) -> io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            break end;
        }
        if bytes.len() > HEAD_LIMIT {
            return Ok(None);
        }
        let mut piece = [0; 2048];
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => bytes.extend_from_slice(&piece[..length]),
        }
    };
    let rest = bytes.split_off(end + 4);
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next())
    else {
        return Ok(None);
    };
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_string(), value.trim().to_string()));
    Ok(Some(Request {
        method: method.to_string(),
        target: target.to_string(),
        version: version.to_string(),
        headers: headers.collect(),
        rest,
    }))
}

fn answer(stream: &mut TcpStream, status: &str, media: &str, body: &str) -> io::Result<()> {
    // The end of the connection is the end of the body.
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: {media}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    stream.shutdown(Shutdown::Write)
}

fn chat(mut stream: TcpStream, rest: Vec<u8>, house: &House, room: &str) -> io::Result<()> {
    let mailbox = Arc::new(Mailbox::default());
    let duplex = Duplex {
        stream: stream.try_clone()?,
        mailbox: mailbox.clone(),
    };
    let limits = WebSocketConfig::default()
        .max_message_size(Some(TEXT_LIMIT))
        .max_frame_size(Some(TEXT_LIMIT));
    let mut socket = WebSocket::from_partially_read(duplex, rest, Role::Server, Some(limits));
    let (letters, outgoing) = (mailbox.clone(), stream.try_clone()?);
    thread::Builder::new().spawn(move || write_letters(&letters, outgoing))?;

    let number = house.enter(room, mailbox.clone());
    let end = listen(&mut socket, &mailbox, |said| house.say(room, said));
    house.leave(number);
    // Nobody else writes to the mailbox from here on: a Close is the last letter in it.
    let code = match end {
        Ok(code) => code,
        Err(error) => code_for(&error),
    };
    if let Some(code) = code {
        let reason = "".into();
        let _ = socket.close(Some(CloseFrame { code, reason }));
    }
    let _ = socket.flush();
    mailbox.end();
    let parted = part(&mut stream);
    // The other thread may still be writing to somebody who does not read.
    let _ = stream.shutdown(Shutdown::Both);
    parted
}

fn write_letters(mailbox: &Mailbox, mut stream: TcpStream) {
    while let Some(letter) = mailbox.take() {
        if stream.write_all(&letter).is_err() {
            // Wakes the thread that reads.
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
}

/// Listens until the client closes, or until there is a code to close with.
fn listen(
    socket: &mut WebSocket<Duplex>,
    mailbox: &Mailbox,
    say: impl Fn(&str),
) -> Result<Option<CloseCode>, Error> {
    loop {
        match socket.read()? {
            Message::Text(text) => match understand(&text) {
                Ok(said) => say(&said),
                Err(problem) => {
                    mailbox.post(letter(&ascii(&json!({ "error": problem }))));
                }
            },
            Message::Binary(_) => return Ok(Some(CloseCode::Unsupported)),
            // Our answer goes out when the room has been left.
            Message::Close(_) => return Ok(None),
            _ => {}
        }
    }
}

/// What everybody hears, or why nobody does.
fn understand(text: &str) -> Result<String, String> {
    let said: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let word = |name: &str| match said.get(name).and_then(Value::as_str) {
        None => Err(format!("there is no “{name}”, or it is no text")),
        Some(word) if word.trim().is_empty() => Err(format!("“{name}” says nothing")),
        Some(word) => Ok(word),
    };
    let (sender, message) = (word("sender")?, word("message")?);
    Ok(ascii(&json!({ "sender": sender, "message": message })))
}

/// JSON in which every character beyond ASCII is escaped: it stands in strings only.
fn ascii(data: &Value) -> String {
    let mut escaped = String::new();
    for character in data.to_string().chars() {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped += &format!("\\u{unit:04x}");
            }
        }
    }
    escaped
}

/// The close code for what went wrong; none if nobody is left to tell.
fn code_for(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Io(_)
        | Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        // A length with its highest bit set is no length.
        Error::Capacity(CapacityError::MessageTooLong { size, .. })
            if *size > isize::MAX as usize =>
        {
            Some(CloseCode::Protocol)
        }
        Error::Capacity(_) => Some(CloseCode::Size),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        _ => Some(CloseCode::Protocol),
    }
}

/// Reads what still comes, for a while: bytes left unread would turn the end
/// into a reset, which may overtake what we said last.
fn part(stream: &mut TcpStream) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut rest = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        stream.set_read_timeout(Some(left))?;
        if stream.read(&mut rest)? == 0 {
            return Ok(());
        }
    }
}
