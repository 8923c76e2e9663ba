//! A client that reads as soon as there is something to read, and counts how
//! often: what a server writes at once, comes at once.

use std::hint;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, client};

use crate::answer::status_line;
use crate::conversation::{Conversation, PATIENCE, Step, nothing_within, stop};
use crate::socket::{ENDED, NotAsked, name_of};
use crate::transcript::{Transcript, readable};

/// An open WebSocket on the client's side, which never sleeps while it waits.
pub struct BareReader {
    socket: WebSocket<Prompt>,
    transcript: Transcript,
    lane: String,
    not_asked: NotAsked,
}

/// Messages that came one after the other.
#[derive(Debug)]
pub struct Burst {
    /// The messages; the last may be what came instead of one.
    pub messages: Vec<Result<Message, String>>,
    /// In how many reads they came.
    pub reads: usize,
    /// Whether the reader was there all the time. When the system lets others
    /// run in between, it finds together what was written one by one.
    pub prompt: bool,
}

/// A connection that is asked again and again, and counts what it gives.
struct Prompt {
    stream: TcpStream,
    deadline: Instant,
    reads: usize,
    last_asked: Instant,
    prompt: bool,
}

/// Whoever has not asked for so long was not there.
const AWAY: Duration = Duration::from_micros(200);

impl Read for Prompt {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            let now = Instant::now();
            if now - self.last_asked > AWAY {
                self.prompt = false;
            }
            self.last_asked = now;
            match self.stream.read(bytes) {
                // Whoever sleeps until something comes, finds more of it on waking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => hint::spin_loop(),
                Ok(length) => {
                    self.reads += 1;
                    return Ok(length);
                }
                Err(error) => return Err(error),
            }
            if now > self.deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
}

impl Write for Prompt {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl BareReader {
    /// Opens a WebSocket.
    ///
    /// # Errors
    /// When the server does not answer, or answers otherwise.
    pub fn open(talk: &Conversation, lane: &str, path: &str) -> Step<Self> {
        let transcript = talk.transcript.clone();
        transcript.sent(lane, format!("GET {path}, upgrade to WebSocket"));
        let address = &talk.server.address;
        let connected = TcpStream::connect(address).and_then(|stream| {
            stream.set_nonblocking(true)?;
            Ok(Prompt {
                stream,
                deadline: Instant::now() + PATIENCE,
                reads: 0,
                last_asked: Instant::now(),
                prompt: true,
            })
        });
        let connected = connected.map_err(|error| error.to_string());
        let upgraded = connected.and_then(|stream| {
            client(format!("ws://{address}{path}"), stream).map_err(|error| error.to_string())
        });
        match upgraded {
            Ok((socket, response)) => {
                transcript.received(lane, status_line(response.status()));
                Ok(Self {
                    socket,
                    transcript,
                    lane: lane.to_string(),
                    not_asked: |_| false,
                })
            }
            Err(error) => {
                transcript.received(lane, "no upgrade");
                stop(format!("the upgrade at {path} failed: {error}"))
            }
        }
    }

    /// Passes over the messages that the exercise is not about.
    pub fn passing_over(mut self, not_asked: NotAsked) -> Self {
        self.not_asked = not_asked;
        self
    }

    /// Sends a text that is JSON.
    ///
    /// # Errors
    /// When the server does not take it.
    pub fn send_json(&mut self, data: &Value) -> Step {
        let text = data.to_string();
        self.transcript
            .sent(&self.lane, format!("text {}", readable(&text)));
        let sent = self.socket.send(Message::text(text));
        sent.or_else(|error| stop(format!("{} could not send: {error}", self.lane)))
    }

    /// Waits for the next message and writes it down.
    ///
    /// # Errors
    /// When none comes.
    pub fn receive(&mut self) -> Step {
        let next = self.next_message();
        let what = match &next {
            Ok(message) => name_of(message),
            Err(instead) => instead.clone(),
        };
        self.transcript.received(&self.lane, &what);
        match next {
            Ok(_) => Ok(()),
            Err(instead) => stop(format!("{} got {instead}", self.lane)),
        }
    }

    /// Waits for so many messages, and writes nothing down.
    pub fn hear(&mut self, count: usize) -> Burst {
        let connection = self.socket.get_mut();
        connection.reads = 0;
        connection.last_asked = Instant::now();
        connection.prompt = true;
        let mut messages = Vec::new();
        while messages.len() < count && !matches!(messages.last(), Some(Err(_))) {
            messages.push(self.next_message());
        }
        let connection = self.socket.get_ref();
        Burst {
            messages,
            reads: connection.reads,
            prompt: connection.prompt,
        }
    }

    fn next_message(&mut self) -> Result<Message, String> {
        self.socket.get_mut().deadline = Instant::now() + PATIENCE;
        loop {
            match self.socket.read() {
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(message) if (self.not_asked)(&message) => {}
                Ok(message) => return Ok(message),
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {
                    return Err(nothing_within());
                }
                Err(_) => return Err(ENDED.to_string()),
            }
        }
    }
}
