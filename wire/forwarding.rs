//! Passes bytes on between clients and a server, as they come, and says what it heard.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::side::Side;

/// How many bytes are read at a time, at most. With a quarter of that, a large
/// download took a third longer (`cargo bench --bench wire`). Memory is only
/// taken for as much as was once read.
const BUFFER: usize = 256 * 1024;

/// How long to wait before the next attempt to accept, when there are too many
/// open files, for instance.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a client may take to read that there is no server.
const PATIENCE: Duration = Duration::from_secs(2);

/// What happens on a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Heard<'a> {
    /// A client has connected.
    Opened,
    /// There is no server to connect to, and why.
    Unreachable(&'a str),
    Bytes(Side, &'a [u8]),
    /// A side has ended its half of the connection.
    Ended(Side),
    /// A side has broken off the connection.
    Reset(Side),
    /// The connection is over: nothing else will be heard of it.
    Closed,
}

/// Forwards every client of a listener to a server, given as `host:port`, until
/// the future is dropped. Connections that are open then end with it, and nothing
/// more is heard of them.
///
/// `hear` is told the number of the connection, counted from 1, and what
/// happened. What is passed on has been heard before, so whoever sees an effect
/// finds its cause. Clients wait while it works: it must be quick.
pub async fn forward<H>(listener: TcpListener, server: String, hear: H)
where
    H: Fn(usize, Heard<'_>) + Send + Sync + 'static,
{
    let hear = Arc::new(hear);
    let server: Arc<str> = server.into();
    let mut open = JoinSet::new();
    let mut connection = 0;
    loop {
        let accepted = select! {
            accepted = listener.accept() => accepted,
            // Those that are over take no room in the set.
            Some(_) = open.join_next() => continue,
        };
        let Ok((client, _)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        connection += 1;
        let hear = hear.clone();
        let hear = move |heard: Heard<'_>| hear(connection, heard);
        open.spawn(forward_one(client, server.clone(), hear));
    }
}

/// Forwards one client, until its connection is over.
async fn forward_one(client: TcpStream, server: Arc<str>, hear: impl Fn(Heard<'_>)) {
    hear(Heard::Opened);
    // Either way, what went wrong has been heard.
    let _ = match TcpStream::connect(&*server).await {
        Ok(server) => pass_on_both_ways(client, server, &hear).await,
        Err(error) => apologise(client, &server, error, &hear).await,
    };
    hear(Heard::Closed);
}

async fn pass_on_both_ways(
    client: TcpStream,
    server: TcpStream,
    hear: &impl Fn(Heard<'_>),
) -> io::Result<()> {
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // When one side breaks off, both connections end, as one would have.
    tokio::try_join!(
        pass_on(Side::Client, from_client, to_server, hear),
        pass_on(Side::Server, from_server, to_client, hear),
    )?;
    Ok(())
}

/// Passes on what one side sends, until its end.
async fn pass_on(
    side: Side,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    hear: &impl Fn(Heard<'_>),
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer).await {
            Ok(0) => {
                hear(Heard::Ended(side));
                // A half-closed connection goes on in the other direction. If
                // this fails, there is nobody left to be told.
                let _ = to.shutdown().await;
                return Ok(());
            }
            Ok(length) => {
                let bytes = &buffer[..length];
                hear(Heard::Bytes(side, bytes));
                if to.write_all(bytes).await.is_err() {
                    // Whoever does not read any more may have sent something
                    // before: the other direction reads that to its end.
                    return Ok(());
                }
            }
            Err(error) => {
                hear(Heard::Reset(side));
                // The other side gets a reset too, and not an orderly end.
                let _ = to.as_ref().set_zero_linger();
                to.forget();
                return Err(error);
            }
        }
    }
}

/// Tells a client in HTTP that there is no server.
async fn apologise(
    mut client: TcpStream,
    server: &str,
    error: io::Error,
    hear: &impl Fn(Heard<'_>),
) -> io::Result<()> {
    let why = format!(
        "Nothing answers at {server} ({error}). Start a lesson there, for instance with \
         `cargo run --bin lesson-1`, and try again."
    );
    // Who has not asked yet would not take it for an answer.
    let mut buffer = vec![0; BUFFER];
    let length = client.read(&mut buffer).await?;
    if length > 0 {
        hear(Heard::Bytes(Side::Client, &buffer[..length]));
    }
    hear(Heard::Unreachable(&why));
    let answer = format!(
        "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{why}",
        why.len()
    );
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await?;
    // Bytes that nobody reads would reset the connection before the answer is read.
    let rest = async { while let Ok(1..) = client.read(&mut buffer).await {} };
    let _ = timeout(PATIENCE, rest).await;
    Ok(())
}
