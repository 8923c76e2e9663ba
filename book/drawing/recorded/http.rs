//! The bytes of a connection, split into requests and their responses
//! (RFC 9112), and after an upgrade into what follows.

use httparse::{EMPTY_HEADER, Header, Status};

use wire::recording::Connection;

use crate::recording;

/// A head has no more header lines than this.
const MOST_HEADERS: usize = 64;

/// A request or a response, as it went over the wire.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Message {
    /// From the first line to the empty one, with it.
    pub head: Vec<u8>,
    /// The headers with their names and values as they came.
    pub headers: Vec<(String, String)>,
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

    /// The first value of a header, whose name's case does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
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
    let mut headers = [EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let length = whole(request.parse(bytes))?;
    let headers = owned(request.headers);
    message(bytes, length, headers, Body::NoneUnlessSaid)
}

fn response(bytes: &mut &[u8]) -> Result<(u16, Message), String> {
    let mut headers = [EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = whole(response.parse(bytes))?;
    let status = response.code.ok_or("there is no status")?;
    let headers = owned(response.headers);
    let body = match status {
        100..=199 | 204 | 304 => Body::None,
        _ => Body::Some,
    };
    Ok((status, message(bytes, length, headers, body)?))
}

/// What a head says of its body (RFC 9112 6.3).
enum Body {
    None,
    NoneUnlessSaid,
    Some,
}

fn message(
    bytes: &mut &[u8],
    head_length: usize,
    headers: Vec<(String, String)>,
    body: Body,
) -> Result<Message, String> {
    let mut message = Message {
        head: take(bytes, head_length)?.to_vec(),
        headers,
        ..Message::default()
    };
    let chunked = message
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let length = message.header("content-length").map(str::to_string);
    match (body, length) {
        (Body::None, _) => {}
        (_, _) if chunked => (message.body, message.content) = chunks(bytes)?,
        (_, Some(length)) => {
            let length = length.parse();
            let length = length.map_err(|_| "its Content-Length is no number".to_string())?;
            message.body = take(bytes, length)?.to_vec();
            message.content = message.body.clone();
        }
        (Body::NoneUnlessSaid, None) => {}
        (Body::Some, None) => return Err("it does not say how long its body is".to_string()),
    }
    Ok(message)
}

/// The chunks of a body (RFC 9112 7.1), raw and without their sizes. A stream
/// may not have ended, but its last chunk has to be whole.
fn chunks(bytes: &mut &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
    let all = *bytes;
    let mut content = Vec::new();
    while !bytes.is_empty() {
        let size = httparse::parse_chunk_size(bytes);
        let size = size.map_err(|_| "the size of a chunk is no number")?;
        let Status::Complete((line, size)) = size else {
            return Err(CUT.to_string());
        };
        take(bytes, line)?;
        let size = usize::try_from(size).map_err(|_| CUT)?;
        content.extend(take(bytes, size)?);
        if take(bytes, 2)? != b"\r\n" {
            return Err("a chunk is longer than its size says".to_string());
        }
        if size == 0 {
            break;
        }
    }
    let raw = &all[..all.len() - bytes.len()];
    Ok((raw.to_vec(), content))
}

const CUT: &str = "its bytes end in the middle";

/// Takes so many bytes from the front.
fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], String> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or(CUT)?;
    *bytes = rest;
    Ok(taken)
}

fn whole(parsed: httparse::Result<usize>) -> Result<usize, String> {
    match parsed {
        Ok(Status::Complete(length)) => Ok(length),
        Ok(Status::Partial) => Err(CUT.to_string()),
        Err(error) => Err(format!("it is no HTTP/1.1: {error}")),
    }
}

fn owned(headers: &[Header]) -> Vec<(String, String)> {
    let value = |header: &Header| String::from_utf8_lossy(header.value).into_owned();
    headers
        .iter()
        .map(|header| (header.name.to_string(), value(header)))
        .collect()
}

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
        assert_eq!(first.request.header("host"), Some("a"));
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
