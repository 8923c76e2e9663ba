//! A TCP forwarder that stands between a client and a server, passes every
//! byte on as it came, and remembers it.

use std::collections::HashMap;
use std::io;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Chunk, Recording, Side};

/// What came since the recording began.
struct Heard {
    began: Instant,
    chunks: Vec<Chunk>,
}

/// A running forwarder. Dropping it stops accepting; what is open goes on.
pub struct Forwarder {
    /// Its host and port, to be used in place of the server's.
    pub address: String,
    heard: watch::Sender<Heard>,
    accepting: JoinHandle<()>,
}

impl Forwarder {
    /// Forwards from a free port to a server.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(server: &str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (heard, _) = watch::channel(Heard {
            began: Instant::now(),
            chunks: Vec::new(),
        });
        let accepting = tokio::spawn(accept(listener, server.to_string(), heard.clone()));
        Ok(Self {
            address,
            heard,
            accepting,
        })
    }

    /// Begins to record: what came before is forgotten.
    pub fn begin(&self) {
        self.heard.send_modify(|heard| {
            heard.began = Instant::now();
            heard.chunks.clear();
        });
    }

    /// Waits until some bytes have come from the client, within one read.
    pub async fn client_has_sent(&self, bytes: &[u8]) {
        let sent = |chunk: &Chunk| {
            let mut places = chunk.bytes.windows(bytes.len());
            chunk.from == Side::Client && places.any(|place| place == bytes)
        };
        let mut heard = self.heard.subscribe();
        heard
            .wait_for(|heard| heard.chunks.iter().any(sent))
            .await
            .expect("the forwarder itself holds the sender");
    }

    /// What has come so far, the connections numbered in their order.
    pub fn recording(&self) -> Recording {
        let mut chunks = self.heard.borrow().chunks.clone();
        let mut numbers = HashMap::new();
        for chunk in &mut chunks {
            let next = numbers.len() + 1;
            chunk.connection = *numbers.entry(chunk.connection).or_insert(next);
        }
        Recording { chunks }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: String, heard: watch::Sender<Heard>) {
    for connection in 1.. {
        let Ok((client, _)) = listener.accept().await else {
            return;
        };
        let server = server.clone();
        let heard = heard.clone();
        // When either side breaks off, both connections end, as one would have.
        tokio::spawn(async move { forward(client, &server, connection, heard).await });
    }
}

async fn forward(
    client: TcpStream,
    server: &str,
    connection: usize,
    heard: watch::Sender<Heard>,
) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let hear = |from, bytes: &[u8]| {
        heard.send_modify(|heard| {
            heard.chunks.push(Chunk {
                connection,
                at: in_tenths_of_milliseconds(heard.began),
                from,
                bytes: bytes.to_vec(),
            });
        });
    };
    tokio::try_join!(
        pass_on(from_client, to_server, |bytes| hear(Side::Client, bytes)),
        pass_on(from_server, to_client, |bytes| hear(Side::Server, bytes)),
    )?;
    Ok(())
}

/// Passes on until the end. What is passed on has been heard, so whoever sees
/// its effect finds it in the recording.
async fn pass_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    hear: impl Fn(&[u8]),
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        hear(&buffer[..length]);
        to.write_all(&buffer[..length]).await?;
    }
}

/// Seconds, with the digits that mean something.
fn in_tenths_of_milliseconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends back what it gets, until the client has ended its side.
    async fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await.unwrap();
            }
        });
        address
    }

    async fn say(forwarder: &Forwarder, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(&forwarder.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn every_byte_is_passed_on_both_ways_and_remembered() {
        let forwarder = Forwarder::start(&echo().await).await.unwrap();
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(300_000).collect();
        assert_eq!(say(&forwarder, &bytes).await, bytes);
        let connections = forwarder.recording().connections();
        assert_eq!(connections.len(), 1);
        assert_eq!(connections[0].client, bytes);
        assert_eq!(connections[0].server, bytes);
    }

    #[tokio::test]
    async fn what_came_before_the_recording_began_is_not_in_it() {
        let forwarder = Forwarder::start(&echo().await).await.unwrap();
        say(&forwarder, b"before").await;
        forwarder.begin();
        assert_eq!(forwarder.recording().chunks, []);
        say(&forwarder, b"after").await;
        forwarder.client_has_sent(b"fte").await;
        let chunks = forwarder.recording().chunks;
        assert_eq!(chunks[0].bytes, b"after");
        assert!(chunks.iter().all(|chunk| chunk.connection == 1));
    }
}
