//! The bytes of a connection, split into requests and their responses
//! (RFC 9112), and after an upgrade into what follows.

use wire::body::{Body, Chunked, What};
use wire::head::{Collecting, Head, Headers, Start};
use wire::recording::Connection;
use wire::side::Side;

use crate::recording;

/// A request or a response, as it went over the wire.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Message {
    /// From the first line to the empty one, with it.
    pub head: Vec<u8>,
    pub headers: Headers,
    /// What follows the head, with the sizes of the chunks if it is chunked.
    pub body: Vec<u8>,
    /// The body's content: without the sizes of the chunks.
    pub content: Vec<u8>,
}

impl Message {
    /// The lines of the head, without the empty one.
    pub fn lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.head);
        let lines = text.split("\r\n").filter(|line| !line.is_empty());
        lines.map(str::to_string).collect()
    }

    /// The value of a header, whose name's case does not matter.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name)
    }
}

/// A request and its response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exchange {
    pub request: Message,
    pub response: Message,
}

impl Exchange {
    /// How many bytes the client sent for it.
    pub fn client_bytes(&self) -> usize {
        self.request.head.len() + self.request.body.len()
    }

    /// How many bytes the server sent for it.
    pub fn server_bytes(&self) -> usize {
        self.response.head.len() + self.response.body.len()
    }
}

/// A connection, split.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Split {
    pub exchanges: Vec<Exchange>,
    /// What each side sent after the response 101, which ends HTTP.
    pub after_upgrade: Option<Connection>,
}

/// The connections of a recording, split.
///
/// # Errors
/// The recording that cannot be read, or is no HTTP.
pub fn connections(recording: &str) -> Result<Vec<Split>, String> {
    let connections = recording::read(recording)?.connections();
    let splits = connections.iter().map(split);
    splits
        .collect::<Result<_, _>>()
        .map_err(|reason| format!("{recording}: {reason}"))
}

/// The one connection of a recording.
///
/// # Errors
/// As [`connections`], or when there is another number of them.
pub fn only(recording: &str) -> Result<Split, String> {
    let mut splits = connections(recording)?;
    match (splits.pop(), splits.pop()) {
        (Some(split), None) => Ok(split),
        _ => Err(format!("{recording}: there is not just one connection")),
    }
}

/// Splits a connection that is heard from its first request on.
///
/// # Errors
/// Which request or response is no HTTP, is cut, or has no counterpart.
pub fn split(connection: &Connection) -> Result<Split, String> {
    let mut split = Split::default();
    let mut client = connection.client.as_slice();
    let mut server = connection.server.as_slice();
    while !client.is_empty() {
        let number = split.exchanges.len() + 1;
        let request =
            request(&mut client).map_err(|reason| format!("request {number}: {reason}"))?;
        let (status, response) =
            response(&mut server).map_err(|reason| format!("response {number}: {reason}"))?;
        split.exchanges.push(Exchange { request, response });
        if status == 101 {
            split.after_upgrade = Some(Connection {
                client: client.to_vec(),
                server: server.to_vec(),
            });
            return Ok(split);
        }
    }
    if server.is_empty() {
        Ok(split)
    } else {
        Err(format!("{} bytes answer no request", server.len()))
    }
}

fn request(bytes: &mut &[u8]) -> Result<Message, String> {
    let (mut message, head) = head(Side::Client, bytes)?;
    let body = Body::of_request(&head.headers)?;
    add_body(&mut message, body, bytes)?;
    Ok(message)
}

fn response(bytes: &mut &[u8]) -> Result<(u16, Message), String> {
    let (mut message, head) = head(Side::Server, bytes)?;
    let Start::Response { status, .. } = head.start else {
        return Err("there is no status".to_string());
    };
    if !matches!(status, 100..=199 | 204 | 304) {
        let body = Body::of_response(&head.headers)?;
        add_body(&mut message, body, bytes)?;
    }
    Ok((status, message))
}

fn head(side: Side, bytes: &mut &[u8]) -> Result<(Message, Head), String> {
    let (length, head) = Collecting::default().add(side, bytes)?;
    let head = head.ok_or(CUT)?;
    let (head_bytes, rest) = bytes.split_at(length);
    *bytes = rest;
    let message = Message {
        head: head_bytes.to_vec(),
        headers: head.headers.clone(),
        ..Message::default()
    };
    Ok((message, head))
}

/// Takes a body from the front. A stream in chunks may not have ended, but its
/// last chunk has to be whole.
fn add_body(message: &mut Message, mut body: Body, bytes: &mut &[u8]) -> Result<(), String> {
    if body == Body::UntilTheEnd {
        return Err("it does not say how long its body is".to_string());
    }
    while !body.is_over() {
        if bytes.is_empty() {
            return match body {
                Body::Chunked(Chunked::Size(line)) if line.is_empty() => Ok(()),
                _ => Err(CUT.to_string()),
            };
        }
        let piece = body.next(bytes)?;
        let (piece_bytes, rest) = bytes.split_at(piece.length);
        message.body.extend(piece_bytes);
        if piece.what == What::Content {
            message.content.extend(piece_bytes);
        }
        *bytes = rest;
    }
    Ok(())
}

const CUT: &str = "its bytes end in the middle";

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

    fn of(client: &str, server: &str) -> Result<Split, String> {
        split(&Connection {
            client: client.as_bytes().to_vec(),
            server: server.as_bytes().to_vec(),
        })
    }

    #[test]
    fn each_request_has_its_response() {
        let post = "POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc";
        let empty = "HTTP/1.1 204 No Content\r\n\r\n";
        let split = of(&format!("{GET}{post}"), &format!("{OK}{empty}")).unwrap();
        let [first, second] = split.exchanges.as_slice() else {
            panic!("{split:?}")
        };
        assert_eq!(first.request.lines(), ["GET / HTTP/1.1", "Host: a"]);
        assert_eq!(first.request.header("host").as_deref(), Some("a"));
        assert_eq!(first.response.content, b"hi");
        assert_eq!(first.client_bytes(), GET.len());
        assert_eq!(first.server_bytes(), OK.len());
        assert_eq!(second.request.content, b"abc");
        assert_eq!(second.server_bytes(), empty.len());
        assert_eq!(split.after_upgrade, None);
    }

    #[test]
    fn a_stream_that_has_not_ended_has_whole_chunks() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let split_of = |chunks: &str| of(GET, &format!("{head}{chunks}"));
        let split = split_of("3\r\nabc\r\nA\r\n0123456789\r\n").unwrap();
        let response = &split.exchanges[0].response;
        assert_eq!(response.content, b"abc0123456789");
        assert_eq!(response.body.len(), 23);
        assert!(split_of("3\r\nabc\r\n0\r\n\r\n").is_ok());
        for damaged in [
            "3\r\nab",
            "3\r\nabc",
            "3\r\nabcd\r\n",
            "3",
            "x\r\nabc\r\n",
            "FFFFFFFFFFFFFFFF\r\nabc\r\n",
        ] {
            assert!(split_of(damaged).is_err(), "{damaged:?}");
        }
    }

    #[test]
    fn what_follows_an_upgrade_is_no_http() {
        let switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
        let split = of(&format!("{GET}\u{1}"), &format!("{switching}\u{2}\u{3}")).unwrap();
        let rest = split.after_upgrade.unwrap();
        assert_eq!((rest.client, rest.server), (vec![1], vec![2, 3]));
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        for (client, server) in [
            ("", OK),
            (GET, ""),
            (GET, "HTTP/1.1 200 OK\r\n\r\nhi"),
            (GET, "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhi"),
            (GET, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi"),
            (
                GET,
                "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhi",
            ),
            (GET, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nhi"),
            (GET, "\u{1}\u{2}"),
            ("GET / HTTP/1.1\r\nHost", OK),
            ("no HTTP\r\n\r\n", OK),
        ] {
            assert!(of(client, server).is_err(), "{client:?} {server:?}");
        }
    }
}
