//! The page's socket: nothing is told twice, and whoever is slow is told so.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};
use wire::forwarding::Heard;
use wire::journal::{BACKLOG, Journal, KEPT};
use wire::side::Side;
use wire::viewers::{About, app};

const PATIENCE: Duration = Duration::from_secs(20);
const HEAD: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const LAST: &[u8] = b"GET /last HTTP/1.1\r\n\r\n";

type Viewer = WebSocketStream<TcpStream>;

/// Serves the page of a journal, and says where.
async fn serve(journal: &Arc<Journal>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let about = About {
        listen: None,
        server: None,
        file: None,
    };
    let served = axum::serve(listener, app(journal.clone(), about));
    tokio::spawn(async move { served.await.unwrap() });
    address
}

/// Lets a viewer in whose kernel takes hardly anything.
async fn viewer(journal: &Arc<Journal>) -> Viewer {
    let address = serve(journal).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let (socket, _) = client_async(format!("ws://{address}/ws"), stream)
        .await
        .unwrap();
    socket
}

async fn next(viewer: &mut Viewer) -> Value {
    let message = timeout(PATIENCE, viewer.next())
        .await
        .expect("something comes");
    match message.unwrap().unwrap() {
        Message::Text(text) => serde_json::from_str(&text).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_viewer_gets_what_is_kept_and_then_what_comes() {
    let journal = Arc::new(Journal::default());
    for connection in 1..=KEPT + 5 {
        journal.hear(connection, Heard::Opened);
    }
    let mut viewer = viewer(&journal).await;
    let about = next(&mut viewer).await;
    assert_eq!(about["about"]["keeps"], KEPT);
    assert_eq!(about["about"]["forgotten"], 5);
    for connection in 6..=KEPT + 5 {
        assert_eq!(next(&mut viewer).await["id"], format!("{connection}.1"));
    }
    journal.hear(6, Heard::Bytes(Side::Client, HEAD));
    let event = next(&mut viewer).await;
    assert_eq!(
        (&event["id"], &event["line"]),
        (&"6.2".into(), &"GET /".into())
    );
}

// The server has its turn only while this test waits for something: what is heard
// in one go is more than the journal holds for a viewer, on any machine.
#[tokio::test]
async fn a_slow_viewer_is_told_how_much_it_missed() {
    let journal = Arc::new(Journal::default());
    let mut viewer = viewer(&journal).await;
    next(&mut viewer).await;
    let too_many = 1000;
    let rounds = 3;
    let (mut told, mut missed) = (0, 0);
    for _ in 0..rounds {
        for _ in 0..BACKLOG + too_many {
            journal.hear(1, Heard::Bytes(Side::Server, RESPONSE));
        }
        // The next round comes while this one is being told.
        for _ in 0..100 {
            count(&next(&mut viewer).await, &mut told, &mut missed);
        }
    }
    journal.hear(1, Heard::Bytes(Side::Client, LAST));
    loop {
        let news = next(&mut viewer).await;
        if news["line"] == "GET /last" {
            break;
        }
        count(&news, &mut told, &mut missed);
    }
    assert!(missed >= too_many, "{told} came, {missed} did not");
    assert_eq!(told + missed, rounds * (BACKLOG + too_many));
}

/// Counts an event that came, or those that did not.
fn count(news: &Value, told: &mut usize, missed: &mut usize) {
    match news["missed"].as_u64() {
        Some(count) => *missed += count as usize,
        None => *told += 1,
    }
}

#[tokio::test]
async fn other_pages_may_not_look() {
    let address = serve(&Arc::new(Journal::default())).await;
    for (host, origin, status) in [
        (address.to_string(), format!("http://{address}"), "101"),
        (
            address.to_string(),
            "http://evil.example".to_string(),
            "403",
        ),
        (
            "evil.example".to_string(),
            "http://evil.example".to_string(),
            "403",
        ),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        let read = timeout(PATIENCE, stream.read_exact(&mut answer)).await;
        read.expect("an answer comes").unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert_eq!(answer, format!("HTTP/1.1 {status}"), "{host} {origin}");
    }
}
