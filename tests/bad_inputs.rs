//! Bad inputs that a WebSocket server meets, sent frame by frame over TCP to
//! the finished servers of the lessons that speak WebSocket: each gets its
//! close code, and everybody else goes on as if nothing had happened.
//!
//! Frames: RFC 6455 5.2. Close codes: RFC 6455 7.4.1.
//!
//! One rule of 5.2 is not here: a length must be in its shortest form, but
//! tungstenite 0.29 reads the longer forms as well, and axum does not see them.

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::conversation::{Conversation, PATIENCE, Stop};
use crate::head::{read_head, status_of};
use crate::lesson::Lesson;
use crate::server::{Program, Server};
use crate::socket::{Socket, json_of};

/// Bad inputs of one kind.
pub struct BadInputs {
    /// What kind, in words joined by hyphens.
    pub kind: &'static str,
    inputs: Vec<BadInput>,
}

/// A bad input and what must come of it.
struct BadInput {
    name: &'static str,
    path: &'static str,
    language: Language,
    input: Input,
}

/// How somebody says something at a lesson's socket, and knows it again.
#[derive(Clone, Copy)]
enum Language {
    /// A message comes back as it is.
    Messages,
    /// A message stands in an envelope, and so does what comes back.
    Envelopes,
}

impl Language {
    /// The texts with which somebody says something; the last one shows that it is heard.
    fn saying(self, said: &Value) -> Vec<Value> {
        match self {
            Self::Messages => vec![said.clone()],
            Self::Envelopes => {
                let place = |event, data| json!({ "ns": "chat", "room": "lobby", "event": event, "data": data });
                // Who is there already is told so, and that is passed over.
                vec![place("join", &Value::Null), place("message", said)]
            }
        }
    }

    /// Whether this is what was said.
    fn is(self, message: &Message, said: &Value) -> bool {
        let heard = json_of(message).unwrap_or_default();
        match self {
            Self::Messages => heard == *said,
            Self::Envelopes => heard["event"] == "message" && heard["data"] == *said,
        }
    }
}

enum Input {
    /// Frames on an open socket, and the close code that they must get; no code for an empty Close.
    Frames(Vec<u8>, Option<u16>),
    /// A whole request, and whether it must be answered 101; else it must be a 4xx.
    Request(String, bool),
    /// An upgrade and a first message, in pieces of so many bytes.
    Pieces(usize),
    /// Bytes after which the client resets the connection.
    Reset(Vec<u8>),
    /// Bytes after which the client is silent, and stays.
    Silence(Vec<u8>),
}

/// A frame with its length in the shortest form, masked as a client's must be.
fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first_byte];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(masked(payload));
    frame
}

/// The masking key and the masked payload.
fn masked(payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let payload = payload.iter().zip(KEY.iter().cycle());
    KEY.iter()
        .copied()
        .chain(payload.map(|(byte, key)| byte ^ key))
        .collect()
}

fn close_frame(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes(), reason].concat())
}

// First bytes: FIN is 0x80, the opcode the low half.
const TEXT: u8 = 0x81;
const TEXT_BEGINS: u8 = 0x01;
const GOES_ON: u8 = 0x00;
const ENDS: u8 = 0x80;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PING_BEGINS: u8 = 0x09;
const RESERVED_BIT: u8 = 0x40;

/// What a lesson allows a text to be, in bytes.
const LIMIT: usize = 64 * 1024;

const MESSAGE: &str = r#"{"message":"Hello!","sender":"Ann"}"#;

/// The bad inputs that concern a lesson.
pub fn of(lesson: &Lesson) -> Vec<BadInputs> {
    let (path, language) = match lesson.number {
        3 => ("/ws", Language::Messages),
        4 | 7 => ("/chat/public", Language::Messages),
        5 | 8 => ("/ws/chat/lobby", Language::Messages),
        6 => ("/ws", Language::Envelopes),
        _ => return Vec::new(),
    };
    let kinds = [
        ("bad-frames", frames()),
        ("bad-requests", requests(path)),
        ("faulty-connections", faults(path)),
    ];
    let kinds = kinds.into_iter().map(|(kind, inputs)| BadInputs {
        kind,
        inputs: inputs
            .into_iter()
            .map(|(name, input)| BadInput {
                name,
                path,
                language,
                input,
            })
            .collect(),
    });
    kinds.collect()
}

impl BadInputs {
    /// Sends each input to a server of its own, several side by side.
    ///
    /// # Errors
    /// For each input that did not get what it must: its name, and what happened instead.
    pub async fn hold(&self, program: &Program) -> Result<(), String> {
        const SIDE_BY_SIDE: usize = 4;
        let outcomes = stream::iter(&self.inputs).map(|bad| async {
            let outcome = bad.holds(program).await;
            outcome.map_err(|instead| format!("{}: {instead}", bad.name))
        });
        let outcomes: Vec<_> = outcomes.buffer_unordered(SIDE_BY_SIDE).collect().await;
        let wrong: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(wrong.join("\n"))
        }
    }
}

fn frames() -> Vec<(&'static str, Input)> {
    let chain = |count: usize| -> Vec<u8> {
        let quarter = [b'x'; LIMIT / 4];
        let middle = (0..count).flat_map(|_| frame(GOES_ON, &quarter));
        frame(TEXT_BEGINS, &quarter)
            .into_iter()
            .chain(middle)
            .collect()
    };
    // No more than the head of a frame: its length is refused before its bytes are sent.
    let announcing = |length: u64| -> Vec<u8> {
        [&[TEXT, 0x80 | 127][..], &length.to_be_bytes(), &masked(b"")].concat()
    };
    let frames: Vec<(&'static str, Vec<u8>, Option<u16>)> = vec![
        (
            "a-reserved-bit",
            frame(TEXT | RESERVED_BIT, b"hi"),
            Some(1002),
        ),
        ("opcode-3", frame(0x83, b"hi"), Some(1002)),
        ("opcode-11", frame(0x8b, b"hi"), Some(1002)),
        ("an-unmasked-frame", b"\x81\x02hi".to_vec(), Some(1002)),
        ("a-lone-continuation", frame(ENDS, b"hi"), Some(1002)),
        (
            "a-text-inside-a-fragmented-text",
            [frame(TEXT_BEGINS, b"a"), frame(TEXT, b"b")].concat(),
            Some(1002),
        ),
        ("a-fragmented-ping", frame(PING_BEGINS, b"hi"), Some(1002)),
        ("a-ping-of-126-bytes", frame(PING, &[b'x'; 126]), Some(1002)),
        ("a-length-of-2-to-the-63", announcing(1 << 63), Some(1002)),
        ("a-close-with-1-byte", frame(CLOSE, b"\x03"), Some(1002)),
        ("close-1005", close_frame(1005, b""), Some(1002)),
        ("close-1006", close_frame(1006, b""), Some(1002)),
        ("close-999", close_frame(999, b""), Some(1002)),
        ("bad-utf-8", frame(TEXT, b"\xff\xfe"), Some(1007)),
        (
            "bad-utf-8-across-fragments",
            [frame(TEXT_BEGINS, b"\xed\x95"), frame(ENDS, b"\xff")].concat(),
            Some(1007),
        ),
        (
            "a-surrogate-in-utf-8",
            frame(TEXT, b"\xed\xa0\x80"),
            Some(1007),
        ),
        (
            "a-close-reason-in-bad-utf-8",
            close_frame(1000, b"\xff\xfe"),
            Some(1007),
        ),
        (
            "an-announced-length-above-the-limit",
            announcing(LIMIT as u64 + 1),
            Some(1009),
        ),
        (
            "a-text-above-the-limit",
            frame(TEXT, &[b'x'; LIMIT + 1]),
            Some(1009),
        ),
        ("fragments-above-the-limit", chain(4), Some(1009)),
        ("a-binary-message", frame(BINARY, b"\x00\x01"), Some(1003)),
        ("close-1000", close_frame(1000, b"bye"), Some(1000)),
        ("close-3000", close_frame(3000, b""), Some(3000)),
        ("close-4001", close_frame(4001, b""), Some(4001)),
        ("an-empty-close", frame(CLOSE, b""), None),
    ];
    frames
        .into_iter()
        .map(|(name, bytes, code)| (name, Input::Frames(bytes, code)))
        .collect()
}

/// The head of an upgrade, with a line of it replaced by another.
fn upgrade(path: &str, instead_of: &str, line: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\n\
         Host: 127.0.0.1\r\n\
         Connection: Upgrade\r\n\
         Upgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         \r\n"
    )
    .replace(instead_of, line)
}

fn requests(path: &str) -> Vec<(&'static str, Input)> {
    let refused =
        |instead_of: &str, line: &str| Input::Request(upgrade(path, instead_of, line), false);
    vec![
        (
            "no-upgrade",
            refused("Connection: Upgrade\r\nUpgrade: websocket\r\n", ""),
        ),
        ("a-post", refused("GET", "POST")),
        ("http-1-0", refused("HTTP/1.1", "HTTP/1.0")),
        (
            "no-key",
            refused("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
        ),
        ("version-12", refused("Version: 13", "Version: 12")),
        (
            "headers-in-other-letters",
            Input::Request(
                upgrade(path, "Upgrade: websocket", "uPGRADE: WebSocket"),
                true,
            ),
        ),
    ]
}

fn faults(path: &str) -> Vec<(&'static str, Input)> {
    let head = upgrade(path, "", "");
    let half = head.as_bytes()[..40].to_vec();
    let half_a_frame = [head.as_bytes(), &frame(TEXT, MESSAGE.as_bytes())[..9]].concat();
    vec![
        ("a-frame-glued-to-the-handshake", Input::Pieces(usize::MAX)),
        ("a-byte-at-a-time", Input::Pieces(1)),
        ("a-reset-in-the-handshake", Input::Reset(half.clone())),
        ("a-reset-in-a-frame", Input::Reset(half_a_frame.clone())),
        ("a-connection-without-a-request", Input::Silence(Vec::new())),
        ("a-handshake-that-stops", Input::Silence(half)),
        ("a-frame-that-stops", Input::Silence(half_a_frame)),
    ]
}

impl BadInput {
    /// Sends the input to a fresh server, and sees what comes of it; somebody
    /// who was there before, and somebody who comes after, are served.
    ///
    /// # Errors
    /// What happened instead.
    async fn holds(&self, program: &Program) -> Result<(), String> {
        let server = Server::start(program).await?;
        let talk = Conversation::new(server.clone());
        let outcome = self.between_others(&talk).await;
        let stderr = server.end_and_read_stderr();
        if stderr.contains("panicked") {
            return Err(stderr);
        }
        outcome.map_err(|Stop(reason)| reason)
    }

    async fn between_others(&self, talk: &Conversation) -> Result<(), Stop> {
        let mut before = talk.socket("somebody", self.path).await?;
        self.is_served(&mut before).await?;
        // Whoever is silent stays until the others have been served.
        let _silent = self.send(talk).await.map_err(Stop)?;
        self.is_served(&mut before).await?;
        let mut after = talk.socket("somebody else", self.path).await?;
        self.is_served(&mut after).await
    }

    /// Says something, and waits until it comes back; what else comes is passed over.
    async fn is_served(&self, somebody: &mut Socket) -> Result<(), Stop> {
        let said = json!({ "sender": somebody.lane, "message": "Is everything all right?" });
        for text in self.language.saying(&said) {
            somebody.send_json(text).await?;
        }
        loop {
            match somebody.next().await {
                Ok(message) if self.language.is(&message, &said) => return Ok(()),
                Ok(_) => {}
                Err(instead) => {
                    let reason = format!("{} got {instead} when all should be well", somebody.lane);
                    return Err(Stop(reason));
                }
            }
        }
    }

    /// Sends the input; the connection, if it is to stay open.
    async fn send(&self, talk: &Conversation) -> Result<Option<TcpStream>, String> {
        match &self.input {
            Input::Frames(bytes, code) => {
                let mut client = talk
                    .socket("client", self.path)
                    .await
                    .map_err(|stop| stop.0)?;
                client
                    .send_bytes(self.name, bytes)
                    .await
                    .map_err(|stop| stop.0)?;
                let answer = client.close_code().await?;
                if answer == *code {
                    Ok(None)
                } else {
                    Err(format!("it was closed with {answer:?}, not {code:?}"))
                }
            }
            Input::Request(head, welcome) => {
                let mut stream = connect(talk).await?;
                write(&mut stream, head.as_bytes()).await?;
                let status = answered(&mut stream).await?;
                if (*welcome && status == 101) || (!welcome && (400..500).contains(&status)) {
                    Ok(None)
                } else {
                    Err(format!("it was answered {status}"))
                }
            }
            Input::Pieces(size) => {
                let mut stream = connect(talk).await?;
                stream
                    .set_nodelay(true)
                    .map_err(|error| error.to_string())?;
                let said = serde_json::from_str(MESSAGE).expect("the message is JSON");
                let mut bytes = upgrade(self.path, "", "").into_bytes();
                for text in self.language.saying(&said) {
                    bytes.extend(frame(TEXT, text.to_string().as_bytes()));
                }
                for piece in bytes.chunks((*size).min(bytes.len())) {
                    write(&mut stream, piece).await?;
                    tokio::task::yield_now().await;
                }
                self.is_heard(stream, &said).await.map(|()| None)
            }
            Input::Reset(bytes) => {
                let mut stream = connect(talk).await?;
                write(&mut stream, bytes).await?;
                stream
                    .set_zero_linger()
                    .map_err(|error| error.to_string())?;
                Ok(None)
            }
            Input::Silence(bytes) => {
                let mut stream = connect(talk).await?;
                write(&mut stream, bytes).await?;
                Ok(Some(stream))
            }
        }
    }

    /// After the upgrade, what was said comes back.
    async fn is_heard(&self, mut stream: TcpStream, said: &Value) -> Result<(), String> {
        let (_, rest) = read_head(&mut stream).await?;
        let mut socket =
            WebSocketStream::from_partially_read(stream, rest, Role::Client, None).await;
        let answered = async {
            while let Some(Ok(message)) = socket.next().await {
                if self.language.is(&message, said) {
                    return Ok(());
                }
            }
            Err("the connection ended".to_string())
        };
        let answer = timeout(PATIENCE, answered).await;
        answer.unwrap_or_else(|_| Err("no answer to the message".to_string()))
    }
}

async fn connect(talk: &Conversation) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(&talk.server.address).await;
    stream.map_err(|error| format!("no connection: {error}"))
}

async fn write(stream: &mut TcpStream, bytes: &[u8]) -> Result<(), String> {
    let written = stream.write_all(bytes).await;
    written.map_err(|error| format!("the server does not take it: {error}"))
}

/// The status of the answer to a request.
async fn answered(stream: &mut TcpStream) -> Result<u16, String> {
    let (head, _) = read_head(stream).await?;
    status_of(&head)
}
