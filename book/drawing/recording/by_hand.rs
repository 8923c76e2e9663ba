//! Requests that no browser would send, typed by hand over a TCP connection.

use std::time::Instant;

use graders::server::{Program, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wire::recording::{Chunk, Connection, Recording};
use wire::side::Side;

use super::conversations::PATIENCE;
use crate::recorded::http::split;

/// A greeting in a script whose letters have more than one byte.
const GREETING: &str = "GET /hello?name=%ED%95%9C%EA%B8%80 HTTP/1.1\r\n\
    Host: 127.0.0.1:8000\r\n\
    Connection: close\r\n\r\n";

/// The handshake of RFC 6455 1.2, of which each refused request breaks one rule.
const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\n\
    Host: 127.0.0.1:8000\r\n\
    Connection: Upgrade\r\n\
    Upgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The greeting of lesson 1, asked for by hand.
pub async fn greeting(program: &Program) -> Result<Recording, String> {
    say_each(program, &[GREETING.to_string()]).await
}

/// Requests for the socket of lesson 3 that are no handshake, each on a
/// connection of its own: a plain GET, a POST, an old version, and no key.
pub async fn refusals(program: &Program) -> Result<Recording, String> {
    let plain = "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nConnection: close\r\n\r\n";
    let requests = [
        plain.to_string(),
        HANDSHAKE.replacen("GET", "POST", 1),
        HANDSHAKE.replace("Version: 13", "Version: 8"),
        HANDSHAKE.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
    ];
    say_each(program, &requests).await
}

async fn say_each(program: &Program, requests: &[String]) -> Result<Recording, String> {
    let server = Server::start(program).await?;
    let began = Instant::now();
    let mut recording = Recording::default();
    for (index, request) in requests.iter().enumerate() {
        let mut add = |from, bytes| {
            recording.chunks.push(Chunk {
                connection: index + 1,
                at: began.elapsed().as_secs_f64(),
                from,
                bytes,
                reset: false,
            });
        };
        let mut connection = TcpStream::connect(&server.address)
            .await
            .map_err(|error| format!("nobody accepted a connection: {error}"))?;
        let sent = connection.write_all(request.as_bytes()).await;
        sent.map_err(|error| format!("the request was not taken: {error}"))?;
        add(Side::Client, request.clone().into_bytes());
        let response = timeout(PATIENCE, response(&mut connection, request));
        let response = response
            .await
            .map_err(|_| format!("no whole response to {request:?}"))?;
        add(Side::Server, response?);
    }
    Ok(recording)
}

/// Reads until a response is whole. The connection may stay open after it.
async fn response(stream: &mut TcpStream, request: &str) -> Result<Vec<u8>, String> {
    let mut connection = Connection {
        client: request.as_bytes().to_vec(),
        server: Vec::new(),
    };
    while split(&connection).is_err() {
        let read = stream.read_buf(&mut connection.server).await;
        if read.map_err(|error| format!("the response was cut: {error}"))? == 0 {
            return Err(format!(
                "the connection ended in the response to {request:?}"
            ));
        }
    }
    Ok(connection.server)
}
