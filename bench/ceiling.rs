//! The least work that delivers the same bytes: a frame is made once, what is
//! waiting is one buffer, and every client gets all of it that it has not got
//! yet in one write.
//!
//! There is no room, no limit, nobody may be slow, and only what the crowd
//! sends is understood. It is here to show how much of the time is the
//! kernel's, and no program's.

use std::io;

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// What happens at a client.
enum Event {
    Came(OwnedWriteHalf),
    Said(BytesMut),
}

/// Serves the crowd, and does not end.
pub async fn serve(listener: TcpListener) {
    let (events, happening) = mpsc::unbounded_channel();
    tokio::spawn(deliver(happening));
    while let Ok((stream, _)) = listener.accept().await {
        let events = events.clone();
        // An error is the end of a client, which nobody here has to know.
        tokio::spawn(async move { attend(stream, &events).await });
    }
}

async fn attend(mut stream: TcpStream, events: &UnboundedSender<Event>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    shake_hands(&mut stream).await?;
    let (mut reader, writer) = stream.into_split();
    let _ = events.send(Event::Came(writer));
    // Nothing is kept for a client that only listens.
    let mut bytes = BytesMut::new();
    loop {
        reader.readable().await?;
        read_what_is_there(&mut reader, &mut bytes)?;
        while let Some(text) = next_text(&mut bytes) {
            let _ = events.send(Event::Said(text));
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

/// Somebody who listens.
struct Listener {
    stream: OwnedWriteHalf,
    /// How many bytes of the frames it has got.
    has: usize,
}

/// The frames that somebody has still to get, and all who listen.
#[derive(Default)]
struct Everybody {
    frames: BytesMut,
    listeners: Vec<Listener>,
}

impl Everybody {
    fn hear_of(&mut self, event: Event) {
        match event {
            Event::Came(stream) => self.listeners.push(Listener {
                stream,
                has: self.frames.len(),
            }),
            Event::Said(text) => put_frame(&mut self.frames, &text),
        }
    }

    fn somebody_is_behind(&self) -> bool {
        let length = self.frames.len();
        self.listeners.iter().any(|listener| listener.has < length)
    }

    /// Brings a listener all that there is for it, in one write.
    async fn bring(&mut self, place: usize) {
        let listener = &mut self.listeners[place];
        let frames = &self.frames[listener.has..];
        // A client that is gone is the crowd's end, and so ours.
        let _ = listener.stream.write_all(frames).await;
        listener.has = self.frames.len();
    }

    /// What everybody has is over.
    fn forget(&mut self) {
        let of_all = self.listeners.iter().map(|listener| listener.has).min();
        let of_all = of_all.unwrap_or(self.frames.len());
        self.frames.advance(of_all);
        for listener in &mut self.listeners {
            listener.has -= of_all;
        }
    }
}

async fn deliver(mut happening: UnboundedReceiver<Event>) {
    let mut everybody = Everybody::default();
    while let Some(event) = happening.recv().await {
        everybody.hear_of(event);
        while everybody.somebody_is_behind() {
            for place in 0..everybody.listeners.len() {
                // What comes meanwhile goes along.
                while let Ok(event) = happening.try_recv() {
                    everybody.hear_of(event);
                }
                everybody.bring(place).await;
            }
            everybody.forget();
        }
    }
}

/// A whole short text in one frame, not masked (RFC 6455 5.2).
fn put_frame(frames: &mut BytesMut, text: &[u8]) {
    frames.put_u8(0x81);
    frames.put_u8(text.len() as u8);
    frames.put_slice(text);
}
