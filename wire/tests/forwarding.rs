//! Every kind of conversation passes through byte for byte, and is read right.

mod peers;

use peers::{Forwarder, Peers, soon, transcript};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use wire::side::Side::{Client, Server};

const GET: &str = "GET / HTTP/1.1\r\nHost: here\r\n\r\n";
const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A frame of a client, masked.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=65535 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(key);
    frame.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

async fn socket() -> Peers {
    let mut peers = Peers::connect().await;
    peers.says(Client, UPGRADE).await;
    peers.says(Server, SWITCHING).await;
    peers
}

const SOCKET: &str = "\
client-1  > GET /ws, upgrade to WebSocket
client-1  < 101 Switching Protocols
";

#[tokio::test]
async fn a_connection_is_kept_alive() {
    let mut peers = Peers::connect().await;
    for number in 1..=3 {
        peers.says(Client, GET).await;
        let body = format!("{number}");
        peers
            .says(
                Server,
                format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{body}"),
            )
            .await;
    }
    peers.ends(Client).await;
    peers.ends(Server).await;
    let exchange = |number| {
        format!("client-1  > GET /\nclient-1  < 200 OK\n              body: \"{number}\"\n")
    };
    assert_eq!(
        peers.transcript(),
        (1..=3).map(exchange).collect::<String>()
    );
}

#[tokio::test]
async fn requests_are_pipelined() {
    let mut peers = Peers::connect().await;
    peers.says(Client, "HEAD /1 HTTP/1.1\r\n\r\nPOST /2 HTTP/1.1\r\nContent-Length: 3\r\n\r\na=bGET /3 HTTP/1.1\r\n\r\n").await;
    peers.says(Server, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    peers
        .says(
            Server,
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n",
        )
        .await;
    assert_eq!(
        peers.transcript(),
        "\
client-1  > HEAD /1
client-1  > POST /2
              body: \"a=b\"
client-1  > GET /3
client-1  < 200 OK
client-1  < 404 Not Found
client-1  < 304 Not Modified
"
    );
}

#[tokio::test]
async fn bodies_come_in_chunks_with_trailers_a_byte_at_a_time() {
    let mut peers = Peers::connect().await;
    let chunked = "Transfer-Encoding: chunked\r\n\r\n4;name=value\r\n[1,2\r\n1\r\n]\r\n0\r\nLast: one\r\n\r\n";
    peers
        .dribbles(Client, format!("POST / HTTP/1.1\r\n{chunked}"))
        .await;
    peers
        .dribbles(Server, format!("HTTP/1.1 200 OK\r\n{chunked}"))
        .await;
    peers.says(Client, GET).await;
    let message = "              transfer-encoding: chunked
              body: [
                1
                2
              ]
";
    assert_eq!(
        peers.transcript(),
        format!("client-1  > POST /\n{message}client-1  < 200 OK\n{message}client-1  > GET /\n")
    );
}

#[tokio::test]
async fn a_body_waits_for_its_go_ahead() {
    let mut peers = Peers::connect().await;
    peers
        .says(
            Client,
            "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        )
        .await;
    peers.says(Server, "HTTP/1.1 100 Continue\r\n\r\n").await;
    peers.says(Client, "hello").await;
    peers.says(Server, "HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(
        peers.transcript(),
        "\
client-1  > POST /
              expect: 100-continue
client-1  < 100 Continue
client-1  > the body
              body: \"hello\"
client-1  < 204 No Content
"
    );
}

#[tokio::test]
async fn frames_are_masked_fragmented_and_closed() {
    let mut peers = socket().await;
    peers.says(Client, masked(0x81, "안녕".as_bytes())).await;
    peers
        .says(
            Server,
            [
                [0x01, 2].as_slice(),
                b"he",
                &[0x89, 1],
                b"?",
                &[0x80, 3],
                b"llo",
            ]
            .concat(),
        )
        .await;
    peers.dribbles(Client, masked(0x8a, b"?")).await;
    peers.says(Server, [0x82, 3, 1, 2, 3]).await;
    peers.says(Server, b"\x88\x06\x03\xf0slow").await;
    peers.says(Client, masked(0x88, &[3, 0xf0])).await;
    peers.ends(Server).await;
    peers.ends(Client).await;
    assert_eq!(
        peers.transcript(),
        format!(
            "{SOCKET}\
client-1  > text \"안녕\"
client-1  < text \"he\", to be continued
client-1  < ping \"?\"
client-1  < continuation \"llo\"
client-1  > pong \"?\"
client-1  < binary of 3 bytes
client-1  < close 1008 \"slow\"
client-1  > close 1008
"
        )
    );
}

#[tokio::test]
async fn a_frame_may_come_with_the_handshake_and_may_be_large() {
    let mut peers = Peers::connect().await;
    let large = vec![b'x'; 1024 * 1024];
    peers
        .says(
            Client,
            [UPGRADE.as_bytes(), &masked(0x81, b"early")].concat(),
        )
        .await;
    peers
        .says(Server, [SWITCHING.as_bytes(), &[0x81, 3], b"now"].concat())
        .await;
    peers.says(Client, masked(0x81, &large)).await;
    // Of a frame that never ends, the beginning passes.
    peers
        .says(
            Server,
            [[0x82, 127].as_slice(), &[0x7f; 8], b"beginning"].concat(),
        )
        .await;
    peers.ends(Server).await;
    assert_eq!(
        peers.transcript(),
        format!(
            "{SOCKET}\
client-1  > text \"early\"
client-1  < text \"now\"
client-1  > text of 1048576 bytes
client-1  < binary of 9 bytes
client-1  < the end of the connection without a Close
              ! it comes in the middle of a frame
"
        )
    );
}

#[tokio::test]
async fn what_breaks_the_rules_passes_too() {
    let mut peers = socket().await;
    peers.says(Client, [0x81, 1, b'a']).await;
    peers.says(Server, [0x81, 1, 0xff]).await;
    peers.says(Client, [0x83, 0]).await;
    peers.says(Client, "whatever").await;
    assert_eq!(
        peers.transcript(),
        format!(
            "{SOCKET}\
client-1  > text \"a\"
              ! a client masks its frames (RFC 6455 5.1)
client-1  < text of 1 byte
              ! a text is UTF-8 (RFC 6455 5.6)
client-1  > 2 bytes
              ! this is no frame: WebSocket protocol error: Encountered invalid opcode: 3
client-1  > 8 bytes
"
        )
    );
}

#[tokio::test]
async fn what_is_no_http_passes_too() {
    let mut peers = Peers::connect().await;
    peers.says(Client, [0x16, 3, 1, 0, 0xff]).await;
    peers.says(Server, "SSH-2.0-surprise\r\n").await;
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    peers.says(Client, &every_byte).await;
    peers.says(Server, &every_byte).await;
    assert_eq!(
        peers.transcript(),
        "\
client-1  > 5 bytes
              ! this is no HTTP/1.1: invalid token
client-1  < 18 bytes
              ! this is no HTTP/1.1: invalid HTTP version
client-1  > 256 bytes
client-1  < 256 bytes
"
    );
}

#[tokio::test]
async fn a_half_closed_connection_goes_on_in_the_other_direction() {
    let mut peers = Peers::connect().await;
    peers.says(Client, "GET / HTTP/1.0\r\n\r\n").await;
    peers.ends(Client).await;
    peers.says(Server, "HTTP/1.0 200 OK\r\n\r\n").await;
    for _ in 0..3 {
        peers.says(Server, "more ").await;
    }
    peers.ends(Server).await;
    assert_eq!(
        peers.transcript(),
        "client-1  > GET /\nclient-1  < 200 OK\n              body: \"more more more \"\n"
    );
}

#[tokio::test]
async fn a_reset_is_passed_on_as_a_reset() {
    for (from, direction) in [(Client, '>'), (Server, '<')] {
        let peers = socket().await;
        let journal = peers.resets(from).await;
        assert_eq!(
            transcript(&journal),
            format!(
                "{SOCKET}\
client-1  {direction} the connection is broken off
              ! a reset (RST) came, not an orderly end (FIN)
"
            )
        );
    }
}

#[tokio::test]
async fn what_is_open_ends_with_the_forwarder() {
    let mut peers = Peers::connect().await;
    peers.says(Client, GET).await;
    peers.stop_forwarding().await;
}

#[tokio::test]
async fn both_sides_may_speak_at_once_and_much() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let forwarder = Forwarder::start(server).await;
    // Nobody reads before all is written, but for what the kernel holds.
    let speak = |mut stream: TcpStream, seed: u8| async move {
        let bytes: Vec<u8> = (0..8_000_000_u32)
            .map(|index| (index / 7) as u8 ^ seed)
            .collect();
        let (mut read, mut write) = stream.split();
        let mut got = Vec::new();
        let (sent, read) = tokio::join!(
            async {
                write.write_all(&bytes).await?;
                write.shutdown().await
            },
            read.read_to_end(&mut got)
        );
        sent.unwrap();
        read.unwrap();
        (bytes, got)
    };
    let client = TcpStream::connect(forwarder.address).await.unwrap();
    let (accepted, _) = soon("the connection", listener.accept()).await.unwrap();
    let both = async { tokio::join!(speak(client, 0), speak(accepted, 0x55)) };
    let ((said_by_client, got_by_client), (said_by_server, got_by_server)) =
        soon("all bytes of both sides", both).await;
    assert!(said_by_client == got_by_server && said_by_server == got_by_client);
}

#[tokio::test]
async fn without_a_server_the_client_is_told() {
    // Whoever has a port and does not listen refuses, and nobody else can take it.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address_of_nobody = nobody.local_addr().unwrap().to_string();
    let forwarder = Forwarder::start(address_of_nobody.clone()).await;
    let mut client = TcpStream::connect(forwarder.address).await.unwrap();
    client.write_all(GET.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = client.read_to_string(&mut answer);
    soon("the answer with its end", read).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
        "{answer}"
    );
    assert!(answer.contains("cargo run --bin lesson-1"), "{answer}");
    let transcript = transcript(&forwarder.journal);
    let expected = format!("client-1  > GET /\nclient-1  < Nothing answers at {address_of_nobody}");
    assert!(transcript.starts_with(&expected), "{transcript}");
}
