//! Different: no async at all. A thread for each connection, HTTP written by
//! hand (one request a connection), and tungstenite over a blocking stream.
//! Each message goes out in three frames, cut in the middle of a character
//! where it must be, and the last of them is empty.

use std::{
    env,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process, thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::json;
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

const TEXT_LIMIT: usize = 64 * 1024;
const HEAD_LIMIT: usize = 16 * 1024;
const PATIENCE: Duration = Duration::from_secs(1);

fn main() {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap_or_else(|error| {
        eprintln!("Cannot listen on port {port}: {error}. Choose another with PORT.");
        process::exit(1)
    });
    let address = listener.local_addr().expect("it is bound");
    println!("Echo threads are at http://{address}");
    for stream in listener.incoming().flatten() {
        // Without a thread there is no answer, and the connection is dropped.
        let _ = thread::Builder::new().spawn(move || serve(stream));
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
}

/// What a route is for.
#[derive(Clone, Copy, PartialEq)]
enum Speaks {
    Text,
    Json,
    Anything,
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let request = match read_request(&mut stream)? {
        Ok(request) => request,
        Err(status) => {
            answer(&mut stream, status, "text/plain", status)?;
            return part(stream);
        }
    };
    let (path, query) = match request.target.split_once('?') {
        Some((path, query)) => (path, query),
        None => (request.target.as_str(), ""),
    };
    let speaks = match path {
        "/ws" => Speaks::Text,
        "/ws/json" => Speaks::Json,
        "/ws/any" => Speaks::Anything,
        _ => {
            resource(&mut stream, &request.method, path, query)?;
            return part(stream);
        }
    };
    if let Err(status) = upgrade(&mut stream, &request) {
        let more = "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n";
        write!(
            stream,
            "HTTP/1.1 {status}\r\n{more}Connection: close\r\nContent-Length: 0\r\n\r\n"
        )?;
        return part(stream);
    }
    stream.set_read_timeout(None)?;
    let limit = match speaks {
        Speaks::Anything => 64 * 1024 * 1024,
        _ => TEXT_LIMIT,
    };
    let limits = WebSocketConfig::default()
        .max_message_size(Some(limit))
        .max_frame_size(Some(limit));
    let mut socket =
        WebSocket::from_partially_read(stream, request.rest, Role::Server, Some(limits));
    if let Err(offence) = converse(&mut socket, speaks)
        && let Some(code) = code_for(&offence)
    {
        let reason = "that is not how we talk".into();
        let _ = socket.close(Some(CloseFrame { code, reason }));
    }
    part(socket.into_inner())
}

/// A request's head, or the status that refuses it.
fn read_request(stream: &mut TcpStream) -> io::Result<Result<Request, &'static str>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            break end;
        }
        if bytes.len() > HEAD_LIMIT {
            return Ok(Err("431 Request Header Fields Too Large"));
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
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Ok(Err("400 Bad Request"));
    };
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_string(), value.trim().to_string()));
    Ok(Ok(Request {
        method: method.to_string(),
        target: target.to_string(),
        version: version.to_string(),
        headers: headers.collect(),
        rest,
    }))
}

fn resource(stream: &mut TcpStream, method: &str, path: &str, query: &str) -> io::Result<()> {
    match (method, path) {
        ("GET", "/") => answer(
            stream,
            "200 OK",
            "text/html;charset=UTF-8",
            include_str!("page.html"),
        ),
        ("GET", "/accept") => {
            let mut pairs = query.split('&');
            match pairs.find_map(|pair| pair.strip_prefix("key=")) {
                Some(key) => {
                    let key = derive_accept_key(&unescape(key));
                    answer(stream, "200 OK", "Text/Plain; charset=\"utf-8\"", &key)
                }
                None => answer(stream, "422 Unprocessable Content", "text/plain", "key?"),
            }
        }
        (_, "/" | "/accept") => answer(stream, "405 Method Not Allowed", "text/plain", "GET it"),
        _ => answer(stream, "404 Not Found", "text/plain", "nothing here"),
    }
}

/// Writes a whole answer, its body in chunks.
fn answer(stream: &mut TcpStream, status: &str, media: &str, body: &str) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\ntransfer-encoding: chunked\r\nconnection: close\r\nallow: GET\r\ncontent-type: {media}\r\n\r\n"
    )?;
    for chunk in body.as_bytes().chunks(700) {
        write!(stream, "{:x}\r\n", chunk.len())?;
        stream.write_all(chunk)?;
        stream.write_all(b"\r\n")?;
    }
    stream.write_all(b"0\r\n\r\n")
}

/// `%2B` is a plus, and so is a plus.
fn unescape(text: &str) -> Vec<u8> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let escaped = piece
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&piece.as_bytes()[2..]);
            }
            None => {
                bytes.push(b'%');
                bytes.extend_from_slice(piece.as_bytes());
            }
        }
    }
    bytes
}

/// Switches protocols, or says with which status it refuses to.
fn upgrade(stream: &mut TcpStream, request: &Request) -> Result<(), &'static str> {
    let Some(key) = request.header("Sec-WebSocket-Key") else {
        return Err("400 Bad Request");
    };
    if request.method != "GET" {
        return Err("405 Method Not Allowed");
    }
    if request.version != "HTTP/1.1"
        || !request.names("Connection", "upgrade")
        || !request.names("Upgrade", "websocket")
        || request.header("Sec-WebSocket-Version") != Some("13")
    {
        return Err("426 Upgrade Required");
    }
    let accept = derive_accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 101 Off We Go\r\nsec-websocket-accept: {accept}\r\nUPGRADE: WebSocket\r\nconnection: UPGRADE\r\n\r\n"
    );
    stream
        .write_all(head.as_bytes())
        .map_err(|_| "400 Bad Request")
}

enum Offence {
    Binary,
    Failure(Error),
}

impl From<Error> for Offence {
    fn from(error: Error) -> Self {
        Offence::Failure(error)
    }
}

#[derive(Deserialize, Serialize)]
struct ChatMessage {
    // Sent in this order: the message first.
    message: String,
    sender: String,
}

fn converse(socket: &mut WebSocket<TcpStream>, speaks: Speaks) -> Result<(), Offence> {
    if speaks == Speaks::Text {
        let welcome = "{\n  \"message\": \"welcome\",\n  \"sender\": \"server\"\n}";
        send(socket, Data::Text, welcome.into())?;
    }
    loop {
        match (socket.read()?, speaks) {
            (Message::Text(text), Speaks::Json) => {
                let answer = match serde_json::from_str::<ChatMessage>(&text) {
                    Ok(message) => serde_json::to_string_pretty(&message),
                    Err(_) => serde_json::to_string_pretty(&json!({ "error": "what?" })),
                };
                let answer = answer.expect("texts make JSON");
                send(socket, Data::Text, answer.into())?;
            }
            (Message::Text(text), _) => send(socket, Data::Text, text.into())?,
            (Message::Binary(bytes), Speaks::Anything) => send(socket, Data::Binary, bytes)?,
            (Message::Binary(_), _) => return Err(Offence::Binary),
            // Pongs, and the answer to a Close, go out with the next read.
            _ => {}
        }
    }
}

/// Sends a message in two halves and an empty rest.
fn send(socket: &mut WebSocket<TcpStream>, kind: Data, payload: Bytes) -> Result<(), Error> {
    let middle = payload.len() / 2;
    let pieces = [payload.slice(..middle), payload.slice(middle..)];
    let mut kind = OpCode::Data(kind);
    for piece in pieces {
        socket.write(Message::Frame(Frame::message(piece, kind, false)))?;
        kind = OpCode::Data(Data::Continue);
    }
    socket.send(Message::Frame(Frame::message(Bytes::new(), kind, true)))
}

/// The close code for what went wrong; none if nobody is left to tell.
fn code_for(offence: &Offence) -> Option<CloseCode> {
    let error = match offence {
        Offence::Binary => return Some(CloseCode::Unsupported),
        Offence::Failure(error) => error,
    };
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

/// Ends our half, and reads what still comes: bytes left unread would turn
/// the end into a reset, which may overtake what we said last.
fn part(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
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
