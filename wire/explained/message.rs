//! The fields of requests and responses (RFC 9112), and how a handshake is answered.

use base64::{Engine, prelude::BASE64_STANDARD};
use sha1::{Digest, Sha1};

use super::{Field, Part, hex, part};
use crate::body::{Body, What, content_of_chunks};
use crate::head::{Collecting, Headers};
use crate::kept::Bytes;
use crate::side::Side;

/// RFC 6455 1.3: what a server writes behind the key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The head, the body, and the content of the body if it is in chunks.
pub fn parts(from: Side, bytes: &Bytes, key: Option<&str>) -> Vec<Part> {
    let head = bytes.head();
    let mut parts = vec![part("The head", head, head.len() as u64).with(head_fields(head, key))];
    let body = bytes.body();
    if body.is_empty() {
        return parts;
    }
    let size = bytes.size - head.len() as u64;
    let parsed = Collecting::default().add(from, head);
    let headers = match parsed {
        Ok((_, Some(head))) => head.headers,
        _ => Headers::default(),
    };
    let delimited = match from {
        Side::Client => Body::of_request(&headers),
        Side::Server => Body::of_response(&headers),
    };
    if let Ok(Body::Chunked(_)) = delimited {
        parts.push(part("The body, in chunks", body, size).with(chunk_fields(body)));
        let content = content_of_chunks(body);
        let content_size = content.len() as u64;
        parts.push(part("The content of the chunks", &content, content_size));
    } else {
        parts.push(part("The body", body, size));
    }
    parts
}

/// The words of the first line, and each header.
fn head_fields(head: &[u8], key: Option<&str>) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut place = 0;
    for (index, line) in head.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let text = line.trim_ascii_end();
        if index == 0 {
            fields.extend(first_line(text));
        } else if let Some(colon) = text.iter().position(|byte| *byte == b':') {
            let name = String::from_utf8_lossy(&text[..colon]).into_owned();
            let value = text[colon + 1..].trim_ascii();
            let value = String::from_utf8_lossy(value).into_owned();
            fields.push(Field {
                meaning: meaning_of(&name, &value, key),
                name,
                value,
                from: place,
                to: place + text.len(),
                bits: None,
            });
        }
        place += line.len();
    }
    if head.ends_with(b"\r\n\r\n") {
        fields.push(Field {
            name: "empty line".to_string(),
            value: String::new(),
            meaning: Some("the end of the head".to_string()),
            from: head.len() - 2,
            to: head.len(),
            bits: None,
        });
    }
    fields
}

/// The words of a first line: three, of which the last one of a response may have spaces.
fn first_line(line: &[u8]) -> Vec<Field> {
    let names = match line.starts_with(b"HTTP/") {
        true => ["version", "status", "reason"],
        false => ["method", "target", "version"],
    };
    let mut place = 0;
    let words = line.splitn(3, |byte| *byte == b' ');
    let fields = words.zip(names).map(|(word, name)| {
        let from = place;
        place += word.len() + 1;
        Field {
            name: name.to_string(),
            value: String::from_utf8_lossy(word).into_owned(),
            meaning: None,
            from,
            to: from + word.len(),
            bits: None,
        }
    });
    fields.collect()
}

/// What a header means, for those without which the rest cannot be understood.
fn meaning_of(name: &str, value: &str, key: Option<&str>) -> Option<String> {
    let meaning = match name.to_ascii_lowercase().as_str() {
        "content-length" => "the body has so many bytes (not characters)",
        "transfer-encoding" => {
            "the body comes in chunks, each with its size before it (RFC 9112 7.1)"
        }
        "upgrade" => "the protocol that is to be spoken from now on (RFC 9110 7.8)",
        "sec-websocket-version" => "13 is the version of RFC 6455",
        "sec-websocket-key" => {
            "16 random bytes in base64; the answer proves that the server has read them"
        }
        "sec-websocket-protocol" => "the subprotocols that are offered, or the one that was picked",
        "sec-websocket-extensions" => {
            "the extensions that are offered, or those that were picked (permessage-deflate compresses)"
        }
        "origin" => "the site whose page asks; a browser does not let pages change it",
        "sec-websocket-accept" => return Some(accept(value, key)),
        _ => return None,
    };
    Some(meaning.to_string())
}

/// How the answer to a handshake comes from its key (RFC 6455 4.2.2).
fn accept(value: &str, key: Option<&str>) -> String {
    let Some(key) = key else {
        return "the answer to Sec-WebSocket-Key, which is not known here".to_string();
    };
    let hash = Sha1::digest(format!("{key}{GUID}"));
    let encoded = BASE64_STANDARD.encode(hash);
    let right = match encoded == value {
        true => "which is this value",
        false => "which is not this value: the client will refuse the connection",
    };
    format!(
        "the key {key}, with {GUID} behind it, has the SHA-1 hash {}, in base64 {encoded}, {right} \
         (RFC 6455 4.2.2)",
        hex(&hash)
    )
}

/// The sizes of chunks, and the chunks.
fn chunk_fields(body: &[u8]) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    let mut chunks = Body::chunked();
    let mut place = 0;
    while place < body.len() && !chunks.is_over() {
        let Ok(piece) = chunks.next(&body[place..]) else {
            break;
        };
        let to = place + piece.length;
        match piece.what {
            What::Size => {
                let line = body[place..to].trim_ascii_end();
                let line = String::from_utf8_lossy(line).into_owned();
                let digits = line.split(';').next().unwrap_or_default().trim();
                let size = u64::from_str_radix(digits, 16);
                let meaning = match size {
                    Ok(0) => Some("there are no more chunks".to_string()),
                    Ok(size) => Some(format!("{size} bytes follow; the size is in hexadecimal")),
                    Err(_) => None,
                };
                fields.push(field("size of a chunk", line, meaning, place, to));
            }
            What::Content => {
                let value = format!("{} bytes", piece.length);
                fields.push(field("chunk", value, None, place, to));
            }
            What::Behind => {}
        }
        place = to;
    }
    fields
}

fn field(name: &str, value: String, meaning: Option<String>, from: usize, to: usize) -> Field {
    Field {
        name: name.to_string(),
        value,
        meaning,
        from,
        to,
        bits: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kept::Kept;

    const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    fn parts_of(from: Side, head: &[u8], body: &[u8], key: Option<&str>) -> Vec<Part> {
        let kept = Kept::new(head);
        kept.add(body);
        let bytes = kept.lock().clone();
        parts(from, &bytes, key)
    }

    #[test]
    fn the_fields_of_a_head_are_where_they_say() {
        let head = b"GET /chat?x=1 HTTP/1.1\r\nHost: here\r\nX-Empty:\r\n\r\n";
        let parts = parts_of(Side::Client, head, b"", None);
        let fields = parts[0].fields.iter();
        let found: Vec<(&str, &[u8])> = fields
            .map(|field| (field.name.as_str(), &head[field.from..field.to]))
            .collect();
        let expected: [(&str, &[u8]); 6] = [
            ("method", b"GET"),
            ("target", b"/chat?x=1"),
            ("version", b"HTTP/1.1"),
            ("Host", b"Host: here"),
            ("X-Empty", b"X-Empty:"),
            ("empty line", b"\r\n"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_answer_to_a_key_is_explained() {
        // RFC 6455 1.3.
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        for (key, words) in [
            (
                Some(key),
                "B3 7A 4F 2C C0 62 4F 16 90 F6 46 06 CF 38 59 45 B2 BE C4 EA",
            ),
            (Some(key), "which is this value"),
            (Some("another"), "which is not this value"),
            (None, "not known"),
        ] {
            let parts = parts_of(Side::Server, RESPONSE, b"", key);
            let meaning = parts[0].fields[3].meaning.as_deref().unwrap_or_default();
            assert!(meaning.contains(words), "{meaning}");
        }
    }

    #[test]
    fn chunks_are_taken_apart() {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let parts = parts_of(Side::Server, head, b"3\r\nabc\r\n0\r\n\r\n", None);
        let names: Vec<&str> = parts.iter().map(|part| part.name).collect();
        assert_eq!(
            names,
            [
                "The head",
                "The body, in chunks",
                "The content of the chunks"
            ]
        );
        let fields = parts[1].fields.iter();
        let found: Vec<(&str, &str, usize, usize)> = fields
            .map(|field| {
                (
                    field.name.as_str(),
                    field.value.as_str(),
                    field.from,
                    field.to,
                )
            })
            .collect();
        let expected = [
            ("size of a chunk", "3", 0, 3),
            ("chunk", "3 bytes", 3, 6),
            ("size of a chunk", "0", 8, 11),
        ];
        assert_eq!(found, expected);
        assert_eq!(BASE64_STANDARD.decode(&parts[2].bytes).unwrap(), b"abc");
    }
}
