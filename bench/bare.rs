//! The same bytes over bare TCP. A frame is made once, and what is waiting
//! leaves in one write. There is no WebSocket library, no room and no limit,
//! nobody may be slow, and only what the crowd sends is understood: this shows
//! how much of the time is the kernel's, and no chat's.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bare {
    /// One task, to one client after the other.
    Writer,
    /// A task for each client, as in the chats.
    Tasks,
}

impl Bare {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Writer, Self::Tasks];

    /// What the tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Writer => "bare-writer",
            Self::Tasks => "bare-tasks",
        }
    }
}

/// Serves the crowd, and does not end.
pub async fn serve(listener: TcpListener, bare: Bare) {
    let (frames, _) = broadcast::channel(256);
    let (clients, newcomers) = mpsc::unbounded_channel();
    match bare {
        Bare::Writer => tokio::spawn(write_to_all(newcomers, frames.subscribe())),
        Bare::Tasks => tokio::spawn(spawn_for_each(newcomers, frames.clone())),
    };
    while let Ok((stream, _)) = listener.accept().await {
        let (clients, frames) = (clients.clone(), frames.clone());
        // An error is the end of a client, which nobody here has to know.
        tokio::spawn(async move { attend(stream, &clients, &frames).await });
    }
}

async fn write_to_all(
    mut newcomers: UnboundedReceiver<OwnedWriteHalf>,
    mut frames: Receiver<Bytes>,
) {
    let mut clients = Vec::new();
    loop {
        select! {
            Some(client) = newcomers.recv() => clients.push(client),
            first = frames.recv() => {
                // Whoever falls behind is done: the crowd says what it lacks.
                let Ok(first) = first else { return };
                let waiting = with_all_that_wait(first, &mut frames);
                for client in &mut clients {
                    // A client that is gone is the crowd's end, and so ours.
                    let _ = client.write_all(&waiting).await;
                }
            }
        }
    }
}

async fn spawn_for_each(mut newcomers: UnboundedReceiver<OwnedWriteHalf>, frames: Sender<Bytes>) {
    while let Some(client) = newcomers.recv().await {
        tokio::spawn(write_to_one(client, frames.subscribe()));
    }
}

async fn write_to_one(mut client: OwnedWriteHalf, mut frames: Receiver<Bytes>) -> io::Result<()> {
    while let Ok(first) = frames.recv().await {
        let waiting = with_all_that_wait(first, &mut frames);
        client.write_all(&waiting).await?;
    }
    Ok(())
}

fn with_all_that_wait(first: Bytes, frames: &mut Receiver<Bytes>) -> BytesMut {
    let mut waiting = BytesMut::from(first);
    while let Ok(next) = frames.try_recv() {
        waiting.put(next);
    }
    waiting
}

async fn attend(
    mut stream: TcpStream,
    clients: &UnboundedSender<OwnedWriteHalf>,
    frames: &Sender<Bytes>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    shake_hands(&mut stream).await?;
    let (mut reader, writer) = stream.into_split();
    let _ = clients.send(writer);
    // Nothing is kept for a client that only listens.
    let mut bytes = BytesMut::new();
    loop {
        reader.readable().await?;
        read_what_is_there(&mut reader, &mut bytes)?;
        while let Some(text) = next_text(&mut bytes) {
            let _ = frames.send(frame(&text));
        }
    }
}

/// Answers the upgrade (RFC 6455 4.2.2).
async fn shake_hands(stream: &mut TcpStream) -> io::Result<()> {
    let mut head = BytesMut::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    let accept = derive_accept_key(key.unwrap_or_default().as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await
}

fn read_what_is_there(reader: &mut OwnedReadHalf, bytes: &mut BytesMut) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    match reader.try_read(&mut buffer) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(length) => {
            bytes.extend_from_slice(&buffer[..length]);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}

/// Takes the text of the first frame, if all of it has come: short, and masked
/// with zeros, as the crowd sends it.
fn next_text(bytes: &mut BytesMut) -> Option<BytesMut> {
    const HEADER: usize = 6;
    let length = usize::from(*bytes.get(1)? & 0x7f);
    if bytes.len() < HEADER + length {
        return None;
    }
    bytes.advance(HEADER);
    Some(bytes.split_to(length))
}

/// A whole short text in one frame, not masked (RFC 6455 5.2).
fn frame(text: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(2 + text.len());
    frame.put_u8(0x81);
    frame.put_u8(text.len() as u8);
    frame.put_slice(text);
    frame.freeze()
}
