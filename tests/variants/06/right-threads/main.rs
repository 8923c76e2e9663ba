//! Different: no async at all. Each client has a thread that reads and one
//! that writes. Rooms are sets of outgoing queues under one lock; a client
//! keeps no list of its rooms, so at its end it is looked for in all of them.

use std::{
    collections::HashMap,
    env,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use serde_json::{Map, Value, json};
use tungstenite::{
    Bytes, Message, WebSocket,
    handshake::derive_accept_key,
    protocol::{
        Role,
        frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

fn main() {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap_or_else(|error| {
        eprintln!("Cannot listen on port {port}: {error}. Choose another with PORT.");
        process::exit(1)
    });
    let address = listener.local_addr().expect("it is bound");
    println!("Many threads are at http://{address}");
    let house = Arc::new(House::default());
    for (number, stream) in listener.incoming().flatten().enumerate() {
        let house = house.clone();
        // Without a thread there is no answer, and the connection is dropped.
        let _ = thread::Builder::new().spawn(move || serve(stream, number, &house));
    }
}

/// The frames that go to a client.
type Queue = Sender<Vec<u8>>;
/// Who is in a room.
type People = HashMap<usize, Queue>;

/// Rooms by namespace, and there by name.
#[derive(Default)]
struct House {
    chat: Mutex<HashMap<String, People>>,
    news: Mutex<HashMap<String, People>>,
}

impl House {
    fn floor(&self, ns: &str) -> Option<&Mutex<HashMap<String, People>>> {
        match ns {
            "chat" => Some(&self.chat),
            "news" => Some(&self.news),
            _ => None,
        }
    }

    fn leave_all(&self, client: usize) {
        for ns in ["news", "chat"] {
            let Some(floor) = self.floor(ns) else {
                continue;
            };
            let mut floor = floor.lock().unwrap();
            for (room, people) in floor.iter_mut() {
                if people.remove(&client).is_some() {
                    tell_online(ns, room, people);
                }
            }
            floor.retain(|_, people| !people.is_empty());
        }
    }

    fn publish(&self, room: &str, said: &Value) {
        if let Some(people) = self.news.lock().unwrap().get(room) {
            tell(("news", room), "message", said, people);
        }
    }
}

fn tell((ns, room): (&str, &str), event: &str, data: &Value, people: &People) {
    let text = json!({ "event": event, "ns": ns, "room": room, "data": data }).to_string();
    let frames = frames(&text);
    for queue in people.values() {
        let _ = queue.send(frames.clone());
    }
}

fn tell_online(ns: &str, room: &str, people: &People) {
    let online = json!({ "online": people.len() });
    tell((ns, room), "online", &online, people);
}

/// A text in two frames, and a ping between them, where control frames may stand.
fn frames(text: &str) -> Vec<u8> {
    let (first, second) = text.as_bytes().split_at(text.len() / 2);
    let (first, second) = (
        Bytes::copy_from_slice(first),
        Bytes::copy_from_slice(second),
    );
    let mut bytes = Vec::new();
    for frame in [
        Frame::message(first, OpCode::Data(Data::Text), false),
        Frame::ping("between"),
        Frame::message(second, OpCode::Data(Data::Continue), true),
    ] {
        frame.format(&mut bytes).expect("memory takes all bytes");
    }
    bytes
}

fn serve(mut stream: TcpStream, client: usize, house: &House) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (head, rest) = read_head(&mut stream)?;
    let mut words = head.split_whitespace();
    let (method, path) = (words.next(), words.next().unwrap_or_default());
    match (method, path, path.strip_prefix("/api/news/")) {
        (Some("GET"), "/ws", _) => {
            let Some(key) = header(&head, "sec-websocket-key") else {
                return answer(stream, "400 Bad Request");
            };
            let accept = derive_accept_key(key.as_bytes());
            let offered = header(&head, "sec-websocket-protocol").unwrap_or_default();
            let picked = if offered.split(',').any(|one| one.trim() == "chat.v1") {
                "SEC-WEBSOCKET-PROTOCOL:chat.v1\r\n"
            } else {
                ""
            };
            write!(
                stream,
                "HTTP/1.1 101 Go on\r\n{picked}connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
            )?;
            chat(stream, rest, client, house)
        }
        (Some("POST"), _, Some(room)) => {
            let length = header(&head, "content-length").and_then(|length| length.parse().ok());
            let body = read_body(&mut stream, rest, length.unwrap_or(0))?;
            let data = serde_json::from_slice(&body).unwrap_or_default();
            match (name(&decoded(room)), said(&data)) {
                (Some(room), Some(said)) => {
                    house.publish(&room, &said);
                    answer(stream, "204 No Content")
                }
                _ => answer(stream, "422 Unprocessable Content"),
            }
        }
        _ => answer(stream, "404 Not Found"),
    }
}

fn read_head(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        read_more(stream, &mut bytes)?;
    }
}

fn read_body(stream: &mut TcpStream, mut bytes: Vec<u8>, length: usize) -> io::Result<Vec<u8>> {
    while bytes.len() < length {
        read_more(stream, &mut bytes)?;
    }
    Ok(bytes)
}

fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = [0; 2048];
    match stream.read(&mut piece)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        length => {
            bytes.extend_from_slice(&piece[..length]);
            Ok(())
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let field = fields.find(|(field, _)| field.eq_ignore_ascii_case(name));
    field.map(|(_, value)| value.trim())
}

/// A path without its percent signs.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, others @ ..] = rest {
        let code = others.get(..2).and_then(|code| str::from_utf8(code).ok());
        let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        match (first, code) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = &others[2..];
            }
            _ => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn answer(mut stream: TcpStream, status: &str) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    )?;
    stream.shutdown(Shutdown::Write)
}

/// Reads from the client, and writes to its queue.
struct Duplex(TcpStream, Queue);

impl Read for Duplex {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Write for Duplex {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.1.send(bytes.to_vec());
        sent.map_or(Err(io::ErrorKind::BrokenPipe.into()), |()| Ok(bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn chat(stream: TcpStream, rest: Vec<u8>, client: usize, house: &House) -> io::Result<()> {
    let (queue, letters) = channel();
    let outgoing = stream.try_clone()?;
    thread::Builder::new().spawn(move || write_letters(&letters, outgoing))?;
    let duplex = Duplex(stream, queue.clone());
    let mut socket = WebSocket::from_partially_read(duplex, rest, Role::Server, None);
    // Reading answers pings, and a Close.
    while let Ok(message) = socket.read() {
        if let Message::Text(text) = message
            && let Some(reply) = asked(&text, client, &queue, house)
        {
            let _ = queue.send(frames(&reply));
        }
    }
    house.leave_all(client);
    Ok(())
}

/// Ends when nobody can write to the client any more.
fn write_letters(letters: &Receiver<Vec<u8>>, mut stream: TcpStream) {
    while let Ok(letter) = letters.recv() {
        if stream.write_all(&letter).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

fn asked(text: &str, client: usize, queue: &Queue, house: &House) -> Option<String> {
    let Ok(envelope) = serde_json::from_str::<Map<String, Value>>(text) else {
        return Some("{\"error\":\"not an object\",\"ok\":false}".to_string());
    };
    let reference = envelope.get("ref");
    if reference.is_some_and(|one| !one.is_string() && !one.is_i64()) {
        return Some("{\"error\":\"not a ref\",\"ok\":false}".to_string());
    }
    let outcome = act(&envelope, client, queue, house);
    let mut reply = Map::new();
    if let Some(reference) = reference {
        reply.insert("ref".to_string(), reference.clone());
    } else if outcome.is_ok() {
        return None;
    }
    reply.insert("ok".to_string(), outcome.is_ok().into());
    if let Err(error) = outcome {
        reply.insert("error".to_string(), error.into());
    }
    Some(Value::from(reply).to_string())
}

fn act(
    envelope: &Map<String, Value>,
    client: usize,
    queue: &Queue,
    house: &House,
) -> Result<(), &'static str> {
    let word = |name| envelope.get(name).and_then(Value::as_str);
    let ns = word("ns").ok_or("where?")?;
    let floor = house.floor(ns).ok_or("no such namespace")?;
    let room = word("room").and_then(name).ok_or("no such room")?;
    let event = word("event").ok_or("what?")?;
    let mut floor = floor.lock().unwrap();
    let inside = floor
        .get(&room)
        .is_some_and(|people| people.contains_key(&client));
    match (event, inside, ns) {
        ("join", false, _) => {
            let people = floor.entry(room.clone()).or_default();
            people.insert(client, queue.clone());
            tell_online(ns, &room, people);
            Ok(())
        }
        ("leave", true, _) => {
            if let Some(people) = floor.get_mut(&room) {
                people.remove(&client);
                tell_online(ns, &room, people);
            }
            floor.retain(|_, people| !people.is_empty());
            Ok(())
        }
        ("message", true, "chat") => {
            let said = said(envelope.get("data").unwrap_or(&Value::Null)).ok_or("no message")?;
            if let Some(people) = floor.get(&room) {
                tell((ns, &room), "message", &said, people);
            }
            Ok(())
        }
        _ => Err("not here, not now"),
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
    let word = |name: &str| {
        data.get(name)?
            .as_str()
            .filter(|word| !word.trim().is_empty())
    };
    Some(json!({ "sender": word("sender")?, "message": word("message")? }))
}
