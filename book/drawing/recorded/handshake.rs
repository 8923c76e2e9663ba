//! The handshake of a WebSocket, taken apart (RFC 6455 1.3 and 4).

use base64::{Engine, prelude::BASE64_STANDARD};
use sha1::{Digest, Sha1};

use super::anchors::Anchors;
use super::hex;
use super::http::{Exchange, Message, only};
use crate::Drawn;

/// RFC 6455 1.3: what a server writes behind the key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// `handshake.txt`; [`super`] tells its anchors.
pub fn handshake() -> Result<Drawn, String> {
    let socket = only("websocket")?;
    let exchange = socket.exchanges.first().ok_or("there is no handshake")?;
    let anchors = taken_apart(exchange).map_err(|reason| format!("websocket: {reason}"))?;
    Ok(anchors.file("handshake.txt"))
}

fn taken_apart(exchange: &Exchange) -> Result<Anchors, String> {
    let key = exchange.request.header("sec-websocket-key");
    let key = key.ok_or("the request has no Sec-WebSocket-Key")?;
    let accept = exchange.response.header("sec-websocket-accept");
    let accept = accept.ok_or("the response has no Sec-WebSocket-Accept")?;
    let hash = Sha1::digest(format!("{key}{GUID}"));
    if BASE64_STANDARD.encode(hash) != accept {
        return Err(format!("{accept} is not the answer to the key {key}"));
    }
    let key_bytes = BASE64_STANDARD.decode(&key);
    let key_bytes = key_bytes.map_err(|error| format!("the key {key} is no base64: {error}"))?;

    let mut anchors = Anchors::default();
    add_head(&mut anchors, "request", &exchange.request)?;
    add_head(&mut anchors, "response", &exchange.response)?;
    anchors.add("key", &key);
    anchors.add("key-bytes", hex::bytes(&key_bytes));
    anchors.add("guid", GUID);
    anchors.add("key-guid", format_args!("{key}{GUID}"));
    anchors.add("sha1", hex::bytes(&hash));
    anchors.add("accept", accept);
    Ok(anchors)
}

/// A head: as text, each of its lines, its size, and its bytes.
fn add_head(anchors: &mut Anchors, name: &str, message: &Message) -> Result<(), String> {
    let lines = message.lines();
    let (first, others) = lines.split_first().ok_or("a head is empty")?;
    anchors.begin(name);
    anchors.add(format_args!("{name}-line"), first);
    for line in others {
        let header = line.split(':').next().unwrap_or_default();
        anchors.add(format_args!("{name}-{}", header.to_lowercase()), line);
    }
    anchors.end(name);
    let head = &message.head;
    anchors.add(format_args!("{name}-bytes"), head.len());
    let first_line = head.get(..first.len() + 2).unwrap_or(head);
    anchors.add(format_args!("{name}-line-hex"), hex::dump(first_line));
    let end = &head[head.len().saturating_sub(16)..];
    anchors.add(format_args!("{name}-end-hex"), hex::dump(end));
    anchors.add(format_args!("{name}-hex"), hex::dump(head));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::http::split;
    use wire::recording::Connection;

    /// The key and the answer of RFC 6455 1.3.
    fn exchange(accept: &str) -> Exchange {
        let connection = Connection {
            client: b"GET /chat HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                .to_vec(),
            server: format!(
                "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            )
            .into_bytes(),
        };
        split(&connection).unwrap().exchanges.remove(0)
    }

    #[test]
    fn the_example_of_the_rfc_is_taken_apart() {
        let anchors = taken_apart(&exchange("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")).unwrap();
        let text = anchors.file("").text;
        for part in [
            "ANCHOR: sha1\nB3 7A 4F 2C C0 62 4F 16 90 F6 46 06 CF 38 59 45 B2 BE C4 EA\n",
            "ANCHOR: request\nANCHOR: request-line\nGET /chat HTTP/1.1\nANCHOR_END: request-line\n",
            "ANCHOR: request-sec-websocket-key\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n",
            "0D 0A 0D 0A",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn an_answer_to_another_key_is_refused() {
        let error = taken_apart(&exchange("AAAAAAAAAAAAAAAAAAAAAAAAAAA=")).unwrap_err();
        assert!(error.contains("is not the answer"), "{error}");
    }
}
