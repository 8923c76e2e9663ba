//! Stands between a client and a server, and remembers what passed since a moment.

use std::collections::HashMap;
use std::io;
use std::time::Instant;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use wire::forwarding::{Heard, forward};
use wire::recording::{Chunk, Recording, in_tenths_of_milliseconds};
use wire::side::Side;

/// What came since the recording began.
struct Remembered {
    began: Instant,
    chunks: Vec<Chunk>,
}

/// A running forwarder. Dropping it ends it, with the connections that are open.
pub struct Forwarder {
    /// Its host and port, to be used in place of the server's.
    pub address: String,
    heard: watch::Sender<Remembered>,
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
        let (heard, _) = watch::channel(Remembered {
            began: Instant::now(),
            chunks: Vec::new(),
        });
        let remember = {
            let heard = heard.clone();
            move |connection, what: Heard<'_>| {
                heard.send_modify(|remembered| remembered.add(connection, what));
            }
        };
        let accepting = tokio::spawn(forward(listener, server.to_string(), remember));
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

impl Remembered {
    fn add(&mut self, connection: usize, heard: Heard) {
        let at = in_tenths_of_milliseconds(self.began.elapsed());
        self.chunks.extend(Chunk::heard(connection, at, heard));
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

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
