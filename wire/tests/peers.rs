//! A client and a server that say what they are told to, with a forwarder between them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use wire::forwarding::{Heard, forward};
use wire::journal::Journal;
use wire::printing::lines;
use wire::side::Side;

/// Nothing here takes so long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running forwarder.
pub struct Forwarder {
    /// Where to connect to.
    pub address: SocketAddr,
    /// What has passed.
    pub journal: Arc<Journal>,
    task: JoinHandle<()>,
}

/// Both ends of a forwarded connection.
pub struct Peers {
    forwarder: Forwarder,
    client: TcpStream,
    server: TcpStream,
}

impl Forwarder {
    /// Forwards to a server.
    pub async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let journal = Arc::new(Journal::default());
        let hear = {
            let journal = journal.clone();
            move |connection, heard: Heard<'_>| journal.hear(connection, heard)
        };
        Self {
            address,
            journal,
            task: tokio::spawn(forward(listener, server, hear)),
        }
    }
}

impl Peers {
    pub async fn connect() -> Self {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server_address = server.local_addr().unwrap().to_string();
        let forwarder = Forwarder::start(server_address).await;
        let client = TcpStream::connect(forwarder.address).await.unwrap();
        let (server, _) = soon("the connection", server.accept()).await.unwrap();
        Self {
            forwarder,
            client,
            server,
        }
    }

    /// One side sends bytes, and the other gets just these.
    pub async fn says(&mut self, from: Side, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let (sender, receiver) = self.both(from);
        let mut received = vec![0; bytes.len()];
        let both =
            async { tokio::join!(sender.write_all(bytes), receiver.read_exact(&mut received)) };
        let (sent, got) = soon("all bytes", both).await;
        sent.unwrap();
        got.unwrap();
        assert!(
            received == bytes,
            "{from:?} said {bytes:?}, but {received:?} came"
        );
    }

    /// One side sends bytes, each on its own.
    pub async fn dribbles(&mut self, from: Side, bytes: impl AsRef<[u8]>) {
        for byte in bytes.as_ref() {
            self.says(from, [*byte]).await;
        }
    }

    /// One side ends its half, and the other sees that.
    pub async fn ends(&mut self, from: Side) {
        let (sender, receiver) = self.both(from);
        sender.shutdown().await.unwrap();
        assert_eq!(
            next(receiver).await,
            Ok(Vec::new()),
            "the end of {from:?} comes"
        );
    }

    /// One side breaks off, and the other sees a reset, not an end.
    pub async fn resets(mut self, from: Side) -> Arc<Journal> {
        if from == Side::Server {
            std::mem::swap(&mut self.client, &mut self.server);
        }
        self.client.set_zero_linger().unwrap();
        drop(self.client);
        let got = next(&mut self.server).await;
        assert_eq!(got, Err(std::io::ErrorKind::ConnectionReset));
        self.forwarder.journal
    }

    /// The forwarder stops, and both sides see that.
    pub async fn stop_forwarding(mut self) {
        self.forwarder.task.abort();
        for side in [&mut self.client, &mut self.server] {
            assert_eq!(next(side).await, Ok(Vec::new()), "the end comes");
        }
    }

    fn both(&mut self, from: Side) -> (&mut TcpStream, &mut TcpStream) {
        match from {
            Side::Client => (&mut self.client, &mut self.server),
            Side::Server => (&mut self.server, &mut self.client),
        }
    }

    /// What was heard, as a transcript.
    pub fn transcript(&self) -> String {
        transcript(&self.forwarder.journal)
    }
}

/// What a journal has heard, as a transcript.
pub fn transcript(journal: &Journal) -> String {
    let kept = journal.subscribe().kept;
    kept.iter().map(|news| lines(&news.event)).collect()
}

async fn next(stream: &mut TcpStream) -> Result<Vec<u8>, std::io::ErrorKind> {
    let mut buffer = vec![0; 1024];
    let read = soon("the end", stream.read(&mut buffer)).await;
    let length = read.map_err(|error| error.kind())?;
    buffer.truncate(length);
    Ok(buffer)
}

/// What comes of something that is waited for.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let came = timeout(PATIENCE, future).await;
    came.unwrap_or_else(|_| panic!("{what} did not come within {PATIENCE:?}"))
}
