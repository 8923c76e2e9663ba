//! A WebSocket client that writes down every frame it is asked about.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::StatusCode;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::answer::status_line;
use crate::conversation::{Conversation, PATIENCE, Step, nothing_within, stop};
use crate::head::{header_of, read_head, status_of};
use crate::transcript::{Transcript, readable, short_path};

/// Whether an exercise is not about a message, so that it is passed over.
pub type NotAsked = fn(&Message) -> bool;

/// An open WebSocket, on the client's side.
pub struct Socket {
    /// Taken when the client leaves.
    stream: Option<WebSocketStream<TcpStream>>,
    /// Where the stream goes when the conversation is over before the client has left.
    left_open: LeftOpen,
    transcript: Transcript,
    /// What the transcript calls this client.
    pub lane: String,
    not_asked: NotAsked,
    /// What has come while something else was awaited.
    waiting: VecDeque<Message>,
    /// Whether both sides have said goodbye.
    closed: bool,
}

/// The connections of clients that had not left when the conversation was over.
/// They end after the server: what it makes of their end, nobody has asked.
pub type LeftOpen = Arc<Mutex<Vec<WebSocketStream<TcpStream>>>>;

impl Socket {
    /// Opens a WebSocket; `unread` bounds what the kernel keeps for a client that does not read.
    pub(crate) async fn open(
        conversation: &Conversation,
        lane: &str,
        path: &str,
        unread: Option<u32>,
    ) -> Step<Self> {
        match Self::ask(conversation, lane, path, unread).await? {
            Ok(socket) => Ok(socket),
            Err(status) => stop(format!(
                "the upgrade at {path} was answered {}, not {}",
                status_line(status),
                status_line(StatusCode::SWITCHING_PROTOCOLS)
            )),
        }
    }

    /// Asks for a WebSocket, and writes the answer down; its status, if it is a refusal.
    pub(crate) async fn ask(
        conversation: &Conversation,
        lane: &str,
        path: &str,
        unread: Option<u32>,
    ) -> Step<Result<Self, StatusCode>> {
        let transcript = conversation.transcript.clone();
        transcript.sent(
            lane,
            format!("GET {}, upgrade to WebSocket", short_path(path)),
        );
        let address = &conversation.server.address;
        let upgrade = async {
            let stream = connect(address, unread).await?;
            client_async(format!("ws://{address}{path}"), stream).await
        };
        match timeout(PATIENCE, upgrade).await {
            Ok(Ok((stream, response))) => {
                transcript.received(lane, status_line(response.status()));
                Ok(Ok(Self::new(conversation, lane, stream)))
            }
            Ok(Err(Error::Http(response))) => {
                transcript.received(lane, status_line(response.status()));
                Ok(Err(response.status()))
            }
            Ok(Err(error)) => {
                transcript.received(lane, "the connection ended without an answer");
                stop(format!("the upgrade at {path} failed: {error}"))
            }
            Err(_) => {
                transcript.received(lane, nothing_within());
                stop(format!(
                    "no answer to the upgrade at {path} within {} s",
                    PATIENCE.as_secs()
                ))
            }
        }
    }

    /// Opens a WebSocket whose client offers subprotocols, and writes down which one it gets.
    pub(crate) async fn open_offering(
        conversation: &Conversation,
        lane: &str,
        path: &str,
        offer: Option<&str>,
    ) -> Step<Self> {
        let (socket, picked) = Self::upgraded(conversation, lane, path, offer).await?;
        let picked = picked.unwrap_or("none".to_string());
        let picked = format!("{SUBPROTOCOL}: {picked}");
        conversation.transcript.detail(lane, picked);
        Ok(socket)
    }

    /// Opens a WebSocket, whatever subprotocol the server picks: what it must
    /// pick is what another exercise is about.
    pub(crate) async fn open_leniently(
        conversation: &Conversation,
        lane: &str,
        path: &str,
    ) -> Step<Self> {
        let (socket, _) = Self::upgraded(conversation, lane, path, None).await?;
        Ok(socket)
    }

    /// A socket, and the subprotocol that the server picked. The client of
    /// tungstenite would give the socket up over a wrong one.
    async fn upgraded(
        conversation: &Conversation,
        lane: &str,
        path: &str,
        offer: Option<&str>,
    ) -> Step<(Self, Option<String>)> {
        let transcript = &conversation.transcript;
        transcript.sent(lane, format!("GET {path}, upgrade to WebSocket"));
        let mut offered = String::new();
        if let Some(offer) = offer {
            transcript.detail(lane, format!("{SUBPROTOCOL}: {offer}"));
            offered = format!("{SUBPROTOCOL}: {offer}\r\n");
        }
        match upgrade(&conversation.server.address, path, &offered).await {
            Ok((stream, head)) => {
                let switching = status_line(StatusCode::SWITCHING_PROTOCOLS);
                transcript.received(lane, switching);
                let socket = Self::new(conversation, lane, stream);
                Ok((socket, header_of(&head, SUBPROTOCOL)))
            }
            Err(instead) => {
                transcript.received(lane, &instead);
                stop(format!("the upgrade at {path} got {instead}"))
            }
        }
    }

    fn new(conversation: &Conversation, lane: &str, stream: WebSocketStream<TcpStream>) -> Self {
        Self {
            stream: Some(stream),
            left_open: conversation.left_open.clone(),
            transcript: conversation.transcript.clone(),
            lane: lane.to_string(),
            not_asked: |_| false,
            waiting: VecDeque::new(),
            closed: false,
        }
    }

    /// Passes over the messages that the exercise is not about.
    pub fn passing_over(mut self, not_asked: NotAsked) -> Self {
        self.not_asked = not_asked;
        self
    }

    /// The same, from now on.
    pub fn pass_over(&mut self, not_asked: NotAsked) {
        self.not_asked = not_asked;
    }

    /// Writes down in other words what this client has got, for crowds of messages.
    pub fn writes_down(&self, what: &str) {
        self.transcript.received(&self.lane, what);
    }

    /// Sends a text.
    pub async fn send_text(&mut self, text: &str) -> Step {
        self.transcript
            .sent(&self.lane, format!("text {}", readable(text)));
        self.send(Message::text(text)).await
    }

    /// Sends a text that is JSON.
    pub async fn send_json(&mut self, data: Value) -> Step {
        self.send_text(&data.to_string()).await
    }

    /// Sends a text without writing it down, for crowds of them.
    pub async fn send_quietly(&mut self, data: &Value) -> Step {
        self.send(Message::text(data.to_string())).await
    }

    /// Sends several texts in one write, without writing them down: the server has them all at once.
    pub async fn send_together(&mut self, texts: &[&str]) -> Step {
        for text in texts {
            if self.stream().feed(Message::text(*text)).await.is_err() {
                return stop(format!("{} could not send", self.lane));
            }
        }
        match timeout(PATIENCE, self.stream().flush()).await {
            Ok(Ok(())) => Ok(()),
            _ => stop(format!("{} could not send", self.lane)),
        }
    }

    /// Sends a binary message.
    pub async fn send_binary(&mut self, bytes: &'static [u8]) -> Step {
        self.transcript
            .sent(&self.lane, format!("binary of {} bytes", bytes.len()));
        self.send(Message::Binary(Bytes::from_static(bytes))).await
    }

    /// Sends a ping and waits for its pong; what else comes meanwhile is kept.
    pub async fn ping(&mut self, payload: &'static str) -> Step {
        self.transcript
            .sent(&self.lane, format!("ping {payload:?}"));
        self.send(Message::Ping(Bytes::from_static(payload.as_bytes())))
            .await?;
        let pong = timeout(PATIENCE, async {
            loop {
                match self.stream().next().await {
                    Some(Ok(Message::Pong(payload))) => return Ok(payload),
                    Some(Ok(Message::Ping(_))) => {}
                    Some(Ok(other)) => self.waiting.push_back(other),
                    Some(Err(_)) | None => return Err(ENDED.to_string()),
                }
            }
        });
        let pong = pong
            .await
            .unwrap_or_else(|_| Err(format!("no pong within {} s", PATIENCE.as_secs())));
        match pong {
            Ok(payload) => {
                let payload = String::from_utf8_lossy(&payload).into_owned();
                self.transcript
                    .received(&self.lane, format!("pong {payload:?}"));
                Ok(())
            }
            Err(instead) => {
                self.transcript.received(&self.lane, &instead);
                stop(format!("{}'s ping got {instead}", self.lane))
            }
        }
    }

    /// Sends bytes as they are, past the client's own framing.
    pub async fn send_bytes(&mut self, what: &str, bytes: &[u8]) -> Step {
        self.transcript.sent(&self.lane, what);
        let sent = timeout(PATIENCE, self.stream().get_mut().write_all(bytes)).await;
        match sent {
            Ok(Ok(())) => Ok(()),
            _ => stop(format!("{} could not send {what}", self.lane)),
        }
    }

    async fn send(&mut self, message: Message) -> Step {
        match timeout(PATIENCE, self.stream().send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => {
                self.transcript.received(&self.lane, ENDED);
                stop(format!(
                    "{} could not send: the server had ended the connection",
                    self.lane
                ))
            }
            Err(_) => stop(format!(
                "{} could not send within {} s: the server does not read",
                self.lane,
                PATIENCE.as_secs()
            )),
        }
    }

    /// Waits for the next message and writes it down.
    ///
    /// # Errors
    /// When none comes in time, or the connection ends without a Close.
    pub async fn receive(&mut self) -> Step<Message> {
        match self.next().await {
            Ok(message) => {
                self.transcript.received(&self.lane, name_of(&message));
                Ok(message)
            }
            Err(instead) => {
                self.transcript.received(&self.lane, &instead);
                stop(format!("{} got {instead}", self.lane))
            }
        }
    }

    /// Waits for the next message and writes nothing down, for crowds of them.
    ///
    /// # Errors
    /// What came instead of a message.
    pub async fn next(&mut self) -> Result<Message, String> {
        let next = timeout(PATIENCE, async {
            loop {
                let message = self.take_next().await?;
                let of_the_protocol = matches!(message, Message::Ping(_) | Message::Pong(_));
                if !of_the_protocol && !(self.not_asked)(&message) {
                    return Ok(message);
                }
            }
        });
        next.await.unwrap_or_else(|_| Err(nothing_within()))
    }

    /// Closes as a browser does: sends Close, and waits for the answer to it.
    /// Messages that were on their way are passed over.
    pub async fn close(&mut self, code: Option<u16>) -> Step {
        self.transcript
            .sent(&self.lane, close_name(code.map(CloseCode::from)));
        let frame = code.map(|code| CloseFrame {
            code: CloseCode::from(code),
            reason: "".into(),
        });
        self.send(Message::Close(frame)).await?;
        self.receive_close().await
    }

    /// Waits for the server's Close and writes it down. Messages that were on
    /// their way are passed over.
    pub async fn receive_close(&mut self) -> Step {
        match self.close_code().await {
            Ok(code) => {
                let name = close_name(code.map(CloseCode::from));
                self.transcript.received(&self.lane, name);
                Ok(())
            }
            Err(instead) => {
                self.transcript.received(&self.lane, &instead);
                stop(format!("{} got {instead}", self.lane))
            }
        }
    }

    /// Waits for the server's Close and writes nothing down; its code, if it has one.
    /// Patience begins anew with each message, since megabytes may stand before it.
    ///
    /// # Errors
    /// What came instead of a Close.
    pub async fn close_code(&mut self) -> Result<Option<u16>, String> {
        // What came last instead of a Close says most about what went wrong.
        let mut before = String::new();
        let code = loop {
            let message = timeout(PATIENCE, self.take_next())
                .await
                .unwrap_or_else(|_| Err(format!("no Close within {} s", PATIENCE.as_secs())))
                .map_err(|instead| format!("{before}{instead}"))?;
            match message {
                Message::Close(frame) => break frame.map(|frame| frame.code.into()),
                message if (self.not_asked)(&message) => {}
                message => before = format!("{}, then ", name_of(&message)),
            }
        };
        // Lets the client's half of the closing handshake out.
        let _ = timeout(Duration::from_millis(100), self.stream().next()).await;
        self.closed = true;
        Ok(code)
    }

    /// Ends the TCP connection with no Close frame, as a client that crashed.
    pub fn vanish(mut self) {
        self.transcript
            .sent(&self.lane, "ends the connection without a Close");
        self.stream = None;
    }

    /// Resets the TCP connection, as a client that lost its network and came back.
    pub fn reset(mut self) -> Step {
        self.transcript.sent(&self.lane, "resets the connection");
        let reset = self.stream().get_ref().set_zero_linger();
        self.stream = None;
        reset.or_else(|error| stop(format!("the connection could not be reset: {error}")))
    }

    /// The next message, whatever it is; one that came while a pong was awaited first.
    async fn take_next(&mut self) -> Result<Message, String> {
        if let Some(message) = self.waiting.pop_front() {
            return Ok(message);
        }
        match self.stream().next().await {
            Some(Ok(message)) => Ok(message),
            Some(Err(_)) | None => Err(ENDED.to_string()),
        }
    }

    fn stream(&mut self) -> &mut WebSocketStream<TcpStream> {
        self.stream.as_mut().expect("nobody speaks after leaving")
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !self.closed {
            let mut left_open = self
                .left_open
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            left_open.extend(self.stream.take());
        }
    }
}

/// What the transcript says of a connection that ended without its closing handshake.
pub const ENDED: &str = "the end of the connection without a Close";

/// The header in which subprotocols are offered and picked.
const SUBPROTOCOL: &str = "sec-websocket-protocol";

/// A stream of frames, opened with these headers too, and the head of the answer.
async fn upgrade(
    address: &str,
    path: &str,
    headers: &str,
) -> Result<(WebSocketStream<TcpStream>, String), String> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    let stream = async {
        let mut stream = connect(address, None).await?;
        stream.write_all(request.as_bytes()).await?;
        std::io::Result::Ok(stream)
    };
    let mut stream = stream.await.map_err(|error| error.to_string())?;
    let (head, rest) = read_head(&mut stream).await?;
    let status = status_of(&head)?;
    if status != StatusCode::SWITCHING_PROTOCOLS.as_u16() {
        let status = StatusCode::from_u16(status).map(status_line);
        return Err(status.unwrap_or("no status of HTTP".to_string()));
    }
    let socket = WebSocketStream::from_partially_read(stream, rest, Role::Client, None);
    Ok((socket.await, head))
}

async fn connect(address: &str, unread: Option<u32>) -> std::io::Result<TcpStream> {
    let address: SocketAddr = match address.parse() {
        Ok(address) => address,
        Err(_) => return TcpStream::connect(address).await,
    };
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    if let Some(unread) = unread {
        socket.set_recv_buffer_size(unread)?;
    }
    socket.connect(address).await
}

/// A message as the transcript names it.
pub fn name_of(message: &Message) -> String {
    match message {
        Message::Text(text) => format!("text {}", readable(text)),
        Message::Binary(bytes) => format!("binary of {} bytes", bytes.len()),
        Message::Close(frame) => close_name(frame.as_ref().map(|frame| frame.code)),
        Message::Ping(_) => "ping".to_string(),
        Message::Pong(_) => "pong".to_string(),
        Message::Frame(_) => "a frame".to_string(),
    }
}

fn close_name(code: Option<CloseCode>) -> String {
    match code {
        Some(code) => format!("close {}", u16::from(code)),
        None => "close with no code".to_string(),
    }
}

/// The data of a text message that is JSON.
pub fn json_of(message: &Message) -> Option<Value> {
    match message {
        Message::Text(text) => serde_json::from_str(text).ok(),
        _ => None,
    }
}
