//! Different: no async, and no crate for Redis. Each client has two threads,
//! Redis has one that reads, and whoever speaks writes RESP2 to it by hand.
//! Nobody reads what Redis responds to a PUBLISH: it is told to keep quiet.

use std::{
    collections::{HashMap, HashSet},
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process,
    sync::{
        Arc, Mutex, MutexGuard,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use tungstenite::{
    Message, WebSocket,
    handshake::derive_accept_key,
    protocol::{
        Role, WebSocketConfig,
        frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};
use unicode_normalization::UnicodeNormalization;

const TEXT_LIMIT: usize = 64 * 1024;
const PAUSE: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_millis(1500);

fn main() {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap_or_else(|error| {
        eprintln!("Cannot listen on port {port}: {error}. Choose another with PORT.");
        process::exit(1)
    });
    println!(
        "Threads and Redis at http://{}",
        listener.local_addr().expect("it is bound")
    );
    let redis = env::var("REDIS_URL").ok();
    let chat = Arc::new(Mutex::new(Chat {
        degraded: redis.is_some(),
        ..Chat::default()
    }));
    if let Some(url) = redis {
        let address = url.trim_start_matches("redis://").trim_end_matches('/');
        let (address, chat) = (address.to_string(), chat.clone());
        let asked = chat.clone();
        thread::spawn(move || keep_connected(&address, &chat));
        thread::spawn(move || keep_asking(&asked));
    }
    for stream in listener.incoming().flatten() {
        let chat = chat.clone();
        thread::spawn(move || serve(stream, &chat));
    }
}

/// Everything, behind one lock.
#[derive(Default)]
struct Chat {
    rooms: HashMap<String, HashMap<u64, Sender<Vec<u8>>>>,
    came: u64,
    degraded: bool,
    /// Two connections, while there are any.
    redis: Option<Redis>,
    us: String,
}

struct Redis {
    subscriptions: TcpStream,
    publishing: TcpStream,
}

impl Chat {
    fn enter(&mut self, room: &str, letters: Sender<Vec<u8>>) -> u64 {
        self.came += 1;
        let _ = letters.send(framed(&state(self.degraded)));
        let people = self.rooms.entry(room.to_string()).or_default();
        let opened = people.is_empty();
        people.insert(self.came, letters);
        let online = json!({ "online": people.len() }).to_string();
        self.hear(room, &online);
        if opened && let Some(redis) = &mut self.redis {
            let _ = redis
                .subscriptions
                .write_all(&resp(&["SUBSCRIBE", &named(room)]));
        }
        self.came
    }

    fn leave(&mut self, room: &str, number: u64) {
        let Some(people) = self.rooms.get_mut(room) else {
            return;
        };
        people.remove(&number);
        let online = json!({ "online": people.len() }).to_string();
        if people.is_empty() {
            self.rooms.remove(room);
            if let Some(redis) = &mut self.redis {
                let _ = redis
                    .subscriptions
                    .write_all(&resp(&["UNSUBSCRIBE", &named(room)]));
            }
        }
        self.hear(room, &online);
    }

    fn say(&mut self, room: &str, mut said: Value) {
        self.hear(room, &said.to_string());
        said["origin"] = self.us.as_str().into();
        if let Some(redis) = &mut self.redis {
            let publish = resp(&["PUBLISH", &named(room), &said.to_string()]);
            let _ = redis.publishing.write_all(&publish);
        }
    }

    fn hear(&self, room: &str, text: &str) {
        for letters in self.rooms.get(room).into_iter().flatten() {
            let _ = letters.1.send(framed(text));
        }
    }

    fn set_degraded(&mut self, degraded: bool) {
        if self.degraded == degraded {
            return;
        }
        self.degraded = degraded;
        for letters in self.rooms.values().flatten() {
            let _ = letters.1.send(framed(&state(degraded)));
        }
    }
}

fn state(degraded: bool) -> String {
    json!({ "degraded": degraded }).to_string()
}

fn named(room: &str) -> String {
    format!("chat:{room}")
}

fn lock(chat: &Mutex<Chat>) -> MutexGuard<'_, Chat> {
    chat.lock().unwrap()
}

/// A command on the wire.
fn resp(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
    }
    bytes
}

/// A response: words, of which a number is one.
fn words(reader: &mut impl BufRead) -> io::Result<Vec<Vec<u8>>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line)? < 3 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let rest = String::from_utf8_lossy(&line[1..line.len() - 2]).into_owned();
    let number = || rest.parse::<i64>().map_err(io::Error::other);
    match line[0] {
        b'+' | b':' => Ok(vec![rest.into_bytes()]),
        b'$' => {
            let mut bytes = vec![0; number()?.max(-2) as usize + 2];
            reader.read_exact(&mut bytes)?;
            bytes.truncate(bytes.len() - 2);
            Ok(vec![bytes])
        }
        b'*' => {
            let mut all = Vec::new();
            for _ in 0..number()? {
                all.extend(words(reader)?);
            }
            Ok(all)
        }
        _ => Err(io::Error::other(rest)),
    }
}

fn keep_connected(address: &str, chat: &Mutex<Chat>) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    lock(chat).us = format!("{}-{:?}", process::id(), now.unwrap_or_default());
    loop {
        let end = listen(address, chat);
        let mut chat = lock(chat);
        if let Some(redis) = chat.redis.take() {
            let _ = redis.subscriptions.shutdown(Shutdown::Both);
            chat.set_degraded(true);
        }
        drop(chat);
        eprintln!("Redis: {end:?}");
        thread::sleep(PAUSE);
    }
}

/// Listens to Redis until it is gone, or silent for too long.
fn listen(address: &str, chat: &Mutex<Chat>) -> io::Result<()> {
    let connect = || -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    let mut publishing = connect()?;
    publishing.write_all(&resp(&["CLIENT", "REPLY", "OFF"]))?;
    let subscriptions = connect()?;
    let mut reader = BufReader::new(subscriptions.try_clone()?);
    let mut wanted: HashSet<String> = HashSet::new();
    let redis = Redis {
        subscriptions,
        publishing,
    };
    {
        // From here on, whoever opens a room subscribes to its channel.
        let mut chat = lock(chat);
        let redis = chat.redis.insert(redis);
        // Even without a room there is an answer to wait for.
        redis.subscriptions.write_all(&resp(&["PING"]))?;
        wanted.insert("pong".to_string());
        let rooms: Vec<String> = chat.rooms.keys().map(|room| named(room)).collect();
        for channel in rooms {
            let redis = chat.redis.as_mut().expect("it was just put there");
            redis
                .subscriptions
                .write_all(&resp(&["SUBSCRIBE", &channel]))?;
            wanted.insert(channel);
        }
    }
    loop {
        // A silence that is longer than our pings are apart is too long.
        let response = words(&mut reader)?;
        let word = |place: usize| {
            let word = response.get(place).map(Vec::as_slice).unwrap_or_default();
            String::from_utf8_lossy(word).into_owned()
        };
        let mut chat = lock(chat);
        match word(0).to_lowercase().as_str() {
            "message" => {
                let said = understand(response.get(2).map(Vec::as_slice).unwrap_or_default());
                if let (Ok((said, origin)), Some(room)) = (said, word(1).strip_prefix("chat:"))
                    && origin != Some(chat.us.clone())
                {
                    chat.hear(room, &said.to_string());
                }
            }
            "subscribe" => {
                wanted.remove(&word(1));
            }
            "pong" => {
                wanted.remove("pong");
            }
            _ => {}
        }
        if wanted.is_empty() {
            chat.set_degraded(false);
        }
    }
}

/// Asks Redis whether it is there, for as long as the program runs.
fn keep_asking(chat: &Mutex<Chat>) {
    loop {
        thread::sleep(PATIENCE / 3);
        if let Some(redis) = &mut lock(chat).redis {
            let _ = redis.subscriptions.write_all(&resp(&["PING"]));
        }
    }
}

/// A message without anything else, and where it is from; or what is wrong with it.
fn understand(bytes: &[u8]) -> Result<(Value, Option<String>), String> {
    if bytes.len() > TEXT_LIMIT + 200 {
        return Err("this is too long".to_string());
    }
    let said: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let word = |name: &str| match said.get(name).and_then(Value::as_str) {
        Some(word) if !word.trim().is_empty() => Ok(word.to_string()),
        _ => Err(format!("there is no “{name}”")),
    };
    let origin = said["origin"].as_str().map(str::to_string);
    let said = json!({ "sender": word("sender")?, "message": word("message")? });
    Ok((said, origin))
}

/// Reads from the client, and leaves what is to be written to the other thread.
struct Duplex {
    stream: TcpStream,
    letters: Sender<Vec<u8>>,
}

impl Read for Duplex {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.read(bytes)
    }
}

impl Write for Duplex {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.letters.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn serve(mut stream: TcpStream, chat: &Mutex<Chat>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut head = Vec::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    while !head.ends_with(b"\r\n\r\n") && reader.read_until(b'\n', &mut head)? > 0 {}
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let room = match path.strip_prefix("/ws/chat/").map(room_name) {
        Some(Some(room)) => room,
        _ if path == "/" => return answer(&mut stream, "200 OK", "<!doctype html>Chat"),
        _ => return answer(&mut stream, "404 Not Found", "Not here."),
    };
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    let key = headers.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
    let Some((_, key)) = key else {
        return answer(&mut stream, "426 Upgrade Required", "A WebSocket, please.");
    };
    let accept = derive_accept_key(key.as_bytes());
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nsec-websocket-accept: {accept}\r\nupgrade: websocket\r\n\r\n"
    )?;
    let (letters, mailbox) = channel();
    let outgoing = stream.try_clone()?;
    thread::spawn(move || write_letters(&mailbox, outgoing));
    let number = lock(chat).enter(&room, letters.clone());
    let duplex = Duplex {
        stream,
        letters: letters.clone(),
    };
    let limits = WebSocketConfig::default().max_message_size(Some(TEXT_LIMIT));
    let rest = reader.buffer().to_vec();
    let mut socket = WebSocket::from_partially_read(duplex, rest, Role::Server, Some(limits));
    while let Ok(message) = socket.read() {
        if let Message::Text(text) = message {
            match understand(text.as_bytes()) {
                Ok((said, _)) => lock(chat).say(&room, said),
                Err(problem) => {
                    let _ = letters.send(framed(&json!({ "error": problem }).to_string()));
                }
            }
        }
    }
    lock(chat).leave(&room, number);
    Ok(())
}

/// The name of a room in a path, if it is one.
fn room_name(path: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    let name: String = str::from_utf8(&bytes).ok()?.nfc().collect();
    let fits = |one: char| one.is_alphanumeric() || one == '-' || one == '_';
    let long = name.chars().count();
    (long > 0 && long <= 64 && name.chars().all(fits)).then_some(name)
}

fn answer(stream: &mut TcpStream, status: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    stream.shutdown(Shutdown::Write)
}

fn write_letters(mailbox: &Receiver<Vec<u8>>, mut stream: TcpStream) {
    for letter in mailbox {
        if stream.write_all(&letter).is_err() {
            break;
        }
    }
    // Nobody writes any more: the client has left, or is gone.
    let _ = stream.shutdown(Shutdown::Both);
}

/// A text on the wire.
fn framed(text: &str) -> Vec<u8> {
    let payload = text.as_bytes().to_vec();
    let mut bytes = Vec::new();
    let frame = Frame::message(payload, OpCode::Data(Data::Text), true);
    frame.format(&mut bytes).expect("memory takes all bytes");
    bytes
}
