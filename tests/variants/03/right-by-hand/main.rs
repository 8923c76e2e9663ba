//! Different: no crate for HTTP and none for WebSocket. A TcpListener, and
//! every head and every frame is read and written here, byte by byte. The
//! welcome is glued to the answer of the handshake, the head and the payload
//! of a frame are written one after the other, and each Close has a reason.

use std::{env, io, process, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use sha1::{Digest, Sha1};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, sink},
    net::{TcpListener, TcpStream},
    spawn,
    time::timeout,
};

const TEXT_LIMIT: usize = 64 * 1024;
const HEAD_LIMIT: usize = 16 * 1024;
const PATIENCE: Duration = Duration::from_secs(1);

// The codes of RFC 6455 7.4.1.
const PROTOCOL: u16 = 1002;
const UNSUPPORTED: u16 = 1003;
const NO_TEXT: u16 = 1007;
const TOO_BIG: u16 = 1009;

// The opcodes of RFC 6455 5.2.
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

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
    println!("Made by hand, at http://{address}");
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            spawn(serve(stream));
        }
    }
}

/// A connection, and what came over it and is not yet used.
struct Wire {
    stream: TcpStream,
    unused: Vec<u8>,
}

/// Answers requests until one of them makes a WebSocket of the connection.
async fn serve(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let unused = Vec::new();
    let mut wire = Wire { stream, unused };
    loop {
        let Ok(head) = timeout(Duration::from_secs(10), wire.head()).await else {
            return Ok(());
        };
        let head = head?;
        let request = Request::from(head.as_str());
        let (path, query) = match request.target.split_once('?') {
            Some((path, query)) => (path, query),
            None => (request.target, ""),
        };
        let limit = match path {
            "/ws" | "/ws/json" => TEXT_LIMIT,
            "/ws/any" => 64 * 1024 * 1024,
            _ => {
                wire.resource(&request, path, query).await?;
                if request.has_body() {
                    // It would have to be read before the next request.
                    return wire.part().await;
                }
                continue;
            }
        };
        if let Err(reason) = request.check_upgrade() {
            wire.answer("400 Bad Request", "text/plain", reason).await?;
            return wire.part().await;
        }
        let accept = accept_key(request.header("sec-websocket-key").unwrap_or_default());
        let mut answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nSEC-WEBSOCKET-ACCEPT:{accept}\r\nSERVER:   hands\r\nCONNECTION:Upgrade  \r\nUPGRADE:\tWEBSOCKET\r\n\r\n"
        )
        .into_bytes();
        if path == "/ws" {
            let welcome = br#"{"message":"welcome", "sender":"server"}"#;
            answer.extend(frame_head(TEXT, welcome.len()));
            answer.extend(welcome);
        }
        wire.stream.write_all(&answer).await?;
        if let Bye::Close(code, reason) = wire.converse(path, limit).await {
            let mut payload = Vec::new();
            if let Some(code) = code {
                payload.extend(code.to_be_bytes());
                payload.extend(reason.as_bytes());
            }
            let goodbye = wire.send(CLOSE, &payload);
            let _ = timeout(PATIENCE, goodbye).await;
        }
        return wire.part().await;
    }
}

struct Request<'a> {
    method: &'a str,
    target: &'a str,
    version: &'a str,
    headers: Vec<(&'a str, &'a str)>,
}

impl<'a> From<&'a str> for Request<'a> {
    fn from(head: &'a str) -> Self {
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split_whitespace();
        Request {
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            version: words.next().unwrap_or_default(),
            headers: lines.filter_map(|line| line.split_once(':')).collect(),
        }
    }
}

impl Request<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|header| header.0.eq_ignore_ascii_case(name))
            .map(|header| header.1.trim())
    }

    fn names(&self, header: &str, token: &str) -> bool {
        self.header(header).is_some_and(|tokens| {
            let mut tokens = tokens.split(',');
            tokens.any(|other| other.trim().eq_ignore_ascii_case(token))
        })
    }

    fn has_body(&self) -> bool {
        let length = self.header("content-length");
        length.is_some_and(|length| length != "0") || self.header("transfer-encoding").is_some()
    }

    fn check_upgrade(&self) -> Result<(), &'static str> {
        let key = self.header("sec-websocket-key").unwrap_or_default();
        let conditions = [
            (self.method == "GET", "It takes a GET."),
            (self.version == "HTTP/1.1", "It takes HTTP/1.1."),
            (self.names("connection", "upgrade"), "Connection: Upgrade?"),
            (self.names("upgrade", "websocket"), "Upgrade: websocket?"),
            (
                self.header("sec-websocket-version") == Some("13"),
                "Sec-WebSocket-Version: 13?",
            ),
            (
                BASE64_STANDARD
                    .decode(key)
                    .is_ok_and(|bytes| bytes.len() == 16),
                "Sec-WebSocket-Key is 16 bytes in base64.",
            ),
        ];
        match conditions.iter().find(|(holds, _)| !holds) {
            Some((_, reason)) => Err(reason),
            None => Ok(()),
        }
    }
}

/// Why a conversation is over.
enum Bye {
    /// Nobody is there to be told.
    Gone,
    /// What our Close carries.
    Close(Option<u16>, &'static str),
}

impl Bye {
    fn because<T>(code: u16, reason: &'static str) -> Result<T, Bye> {
        Err(Bye::Close(Some(code), reason))
    }
}

impl From<io::Error> for Bye {
    fn from(_: io::Error) -> Self {
        Bye::Gone
    }
}

struct Frame {
    last: bool,
    opcode: u8,
    payload: Vec<u8>,
}

impl Wire {
    /// Waits until so many unused bytes are here.
    async fn fill(&mut self, length: usize) -> io::Result<()> {
        while self.unused.len() < length {
            // Room for what comes next, however much was announced.
            self.unused.reserve(16 * 1024);
            if self.stream.read_buf(&mut self.unused).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        self.fill(length).await?;
        let rest = self.unused.split_off(length);
        Ok(std::mem::replace(&mut self.unused, rest))
    }

    async fn head(&mut self) -> io::Result<String> {
        loop {
            let end = self.unused.windows(4).position(|end| end == b"\r\n\r\n");
            if let Some(end) = end {
                let head = self.take(end + 4).await?;
                return Ok(String::from_utf8_lossy(&head).into_owned());
            }
            if self.unused.len() > HEAD_LIMIT {
                let status = "431 Request Header Fields Too Large";
                self.answer(status, "text/plain", "Too much.").await?;
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.fill(self.unused.len() + 1).await?;
        }
    }

    async fn resource(&mut self, request: &Request<'_>, path: &str, query: &str) -> io::Result<()> {
        match (request.method, path) {
            ("GET", "/") => {
                let page = include_str!("page.html");
                self.answer("200 OK", "text/html;charset=UTF-8", page).await
            }
            ("GET", "/accept") => {
                let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                let key = pairs.find(|(name, _)| *name == "key");
                let key = unescape(key.map_or("", |(_, value)| value));
                self.answer("200 OK", "text/plain;charset=us-ascii", &accept_key(&key))
                    .await
            }
            _ => {
                let words = "There is a page at /.";
                self.answer("404 Not Found", "text/plain", words).await
            }
        }
    }

    async fn answer(&mut self, status: &str, media: &str, body: &str) -> io::Result<()> {
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nX-Made-By: hand\r\nconTent-tyPe: {media}\r\n\r\n{body}"
        );
        self.stream.write_all(answer.as_bytes()).await
    }

    /// Sends back what comes, until there is a reason to stop.
    async fn converse(&mut self, path: &str, limit: usize) -> Bye {
        loop {
            let said = match self.message(limit, path == "/ws/any").await {
                Ok(said) => said,
                Err(bye) => return bye,
            };
            let (kind, mut payload) = said;
            if path == "/ws/json" && !is_message(&payload) {
                payload = br#"{"error":"\u0000 is not what I had hoped for"}"#.to_vec();
            }
            if self.send(kind, &payload).await.is_err() {
                return Bye::Gone;
            }
        }
    }

    /// Reads frames until they make a message.
    async fn message(&mut self, limit: usize, binary: bool) -> Result<(u8, Vec<u8>), Bye> {
        let mut kind = CONTINUATION;
        let mut whole = Vec::new();
        // So many bytes of it are known to be text.
        let mut checked = 0;
        loop {
            let frame = self.frame(limit - whole.len()).await?;
            match frame.opcode {
                PING => self.send(PONG, &frame.payload).await?,
                PONG => {}
                CLOSE => return Err(farewell(&frame.payload)),
                BINARY if !binary => return Bye::because(UNSUPPORTED, "text, please"),
                CONTINUATION if kind == CONTINUATION => {
                    return Bye::because(PROTOCOL, "what does this go on with?");
                }
                TEXT | BINARY if kind != CONTINUATION => {
                    return Bye::because(PROTOCOL, "one message at a time");
                }
                opcode => {
                    if opcode != CONTINUATION {
                        kind = opcode;
                    }
                    whole.extend(frame.payload);
                    if kind == TEXT {
                        checked += match str::from_utf8(&whole[checked..]) {
                            Ok(text) => text.len(),
                            // A character may be cut by the end of a frame.
                            Err(error) if error.error_len().is_none() && !frame.last => {
                                error.valid_up_to()
                            }
                            Err(_) => return Bye::because(NO_TEXT, "that is no text"),
                        };
                    }
                    if frame.last {
                        return Ok((kind, whole));
                    }
                }
            }
        }
    }

    /// Reads a frame; one that is longer than there is room is not collected.
    async fn frame(&mut self, room: usize) -> Result<Frame, Bye> {
        let head = self.take(2).await?;
        let (last, opcode) = (head[0] & 0x80 != 0, head[0] & 0x0f);
        let (masked, length) = (head[1] & 0x80 != 0, head[1] & 0x7f);
        if head[0] & 0x70 != 0 {
            return Bye::because(PROTOCOL, "a reserved bit");
        }
        if !masked {
            return Bye::because(PROTOCOL, "no mask");
        }
        match opcode {
            CONTINUATION | TEXT | BINARY => {}
            CLOSE | PING | PONG if last && length <= 125 => {}
            CLOSE | PING | PONG => return Bye::because(PROTOCOL, "a control frame is short"),
            _ => return Bye::because(PROTOCOL, "a reserved opcode"),
        }
        let (length, least) = match length {
            126 => (self.number(2).await?, 126),
            127 => (self.number(8).await?, 1 << 16),
            length => (u64::from(length), 0),
        };
        if length < least || length >> 63 == 1 {
            return Bye::because(PROTOCOL, "that is no way to write a length");
        }
        let length = match usize::try_from(length) {
            Ok(length) if length <= room || opcode >= CLOSE => length,
            _ => return Bye::because(TOO_BIG, "too long"),
        };
        let key = self.take(4).await?;
        let mut payload = self.take(length).await?;
        for (byte, key) in payload.iter_mut().zip(key.iter().cycle()) {
            *byte ^= key;
        }
        Ok(Frame {
            last,
            opcode,
            payload,
        })
    }

    async fn number(&mut self, bytes: usize) -> io::Result<u64> {
        let bytes = self.take(bytes).await?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    async fn send(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let head = frame_head(opcode, payload.len());
        self.stream.write_all(&head).await?;
        self.stream.write_all(payload).await
    }

    /// Ends our half, and reads what still comes: a connection that is closed
    /// with bytes unread is reset, and our last words may be lost.
    async fn part(mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let _ = timeout(PATIENCE, copy(&mut self.stream, &mut sink())).await;
        Ok(())
    }
}

fn frame_head(opcode: u8, length: usize) -> Vec<u8> {
    let mut head = vec![0x80 | opcode];
    match length {
        0..=125 => head.push(length as u8),
        126..=0xffff => {
            head.push(126);
            head.extend((length as u16).to_be_bytes());
        }
        _ => {
            head.push(127);
            head.extend((length as u64).to_be_bytes());
        }
    }
    head
}

/// The answer to a Close that carries this.
fn farewell(payload: &[u8]) -> Bye {
    let (code, reason) = match payload {
        [] => return Bye::Close(None, ""),
        [_] => return Bye::Close(Some(PROTOCOL), "half a code"),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    match code {
        1000..=1003 | 1007..=1014 | 3000..=4999 if str::from_utf8(reason).is_ok() => {
            Bye::Close(Some(code), "bye")
        }
        1000..=1003 | 1007..=1014 | 3000..=4999 => Bye::Close(Some(NO_TEXT), "no text"),
        _ => Bye::Close(Some(PROTOCOL), "no such code"),
    }
}

fn is_message(text: &[u8]) -> bool {
    match serde_json::from_slice(text) {
        Ok(Value::Object(fields)) => ["sender", "message"]
            .iter()
            .all(|name| fields.get(*name).is_some_and(Value::is_string)),
        _ => false,
    }
}

fn accept_key(key: &str) -> String {
    let hash = Sha1::new()
        .chain_update(key)
        .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64_STANDARD.encode(hash.finalize())
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let escaped = match (first, behind) {
            (b'%', [high, low, ..]) => {
                let digits = [char::from(*high), char::from(*low)];
                digits[0].to_digit(16).zip(digits[1].to_digit(16))
            }
            _ => None,
        };
        rest = match escaped {
            Some((high, low)) => {
                bytes.push((high * 16 + low) as u8);
                &behind[2..]
            }
            None => {
                bytes.push(*first);
                behind
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
