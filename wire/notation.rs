//! What was said, in the notation of the workbook's transcripts.

use serde_json::Value;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::head::{Head, Headers, Start};
use crate::kept::Bytes;

/// Above this many characters a text is named by its size.
const LONG: usize = 200;

/// Of a list, no more than this many are told.
const MANY: usize = 20;

/// The headers that say what is going on. The others are in the bytes.
const SHOWN: &[&str] = &[
    "allow",
    "connection",
    "content-encoding",
    "content-type",
    "cookie",
    "etag",
    "expect",
    "if-none-match",
    "last-event-id",
    "location",
    "origin",
    "retry-after",
    "sec-websocket-protocol",
    "set-cookie",
    "transfer-encoding",
    "www-authenticate",
];

/// The first line of a message.
pub fn start_line(head: &Head) -> String {
    match &head.start {
        Start::Request { method, target } => {
            let upgrade = match upgrade_of(&head.headers) {
                Some(protocol) if protocol.eq_ignore_ascii_case("websocket") => {
                    ", upgrade to WebSocket".to_string()
                }
                Some(protocol) => format!(", upgrade to {}", shortened(&protocol)),
                None => String::new(),
            };
            format!("{} {}{upgrade}", shortened(method), shortened(target))
        }
        Start::Response { status, reason } => format!("{status} {}", shortened(reason))
            .trim_end()
            .to_string(),
    }
}

/// The protocol to which a request wants to change (RFC 9110 7.8).
pub fn upgrade_of(headers: &Headers) -> Option<String> {
    let wanted = headers.lists("connection", "upgrade");
    headers.get("upgrade").filter(|_| wanted)
}

/// The headers that are worth a line each.
pub fn headers(headers: &Headers) -> Vec<String> {
    // Of a handshake, the first line says it all, but for the subprotocol.
    let handshake = headers.get("upgrade").is_some();
    let names = SHOWN.iter().filter(|name| match **name {
        "connection" => !handshake && !headers.lists("connection", "keep-alive"),
        "origin" => !handshake,
        _ => true,
    });
    names
        .filter_map(|name| {
            let value = headers.get(name)?;
            Some(format!("{name}: {}", shortened(&value)))
        })
        .collect()
}

/// A body, of which the content is known.
pub fn body(media_type: &str, content: &[u8]) -> Vec<String> {
    if content.is_empty() {
        return Vec::new();
    }
    if media_type.starts_with("application/x-www-form-urlencoded") {
        let fields = form_urlencoded::parse(content);
        let lines =
            fields.map(|(name, value)| format!("{} = {}", shortened(&name), quoted(&value)));
        return first_of(lines.collect());
    }
    match serde_json::from_slice(content) {
        Ok(Value::Array(elements)) if !elements.is_empty() => {
            let lines = elements.iter();
            let lines = lines.map(|element| format!("  {}", readable_data(element)));
            let mut all = vec!["body: [".to_string()];
            all.extend(first_of(lines.collect()));
            all.push("]".to_string());
            all
        }
        _ => vec![format!("body: {}", readable(content))],
    }
}

/// The lines, or the first of them and how many more there are.
fn first_of(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > MANY {
        let more = lines.len() - MANY;
        lines.truncate(MANY);
        lines.push(format!("  and {more} more"));
    }
    lines
}

/// A frame. The payload is what is kept of it, without its mask.
pub fn frame(header: &FrameHeader, payload: &[u8], bytes: &Bytes) -> String {
    let size = bytes.size - bytes.head as u64;
    let more = if header.is_final {
        ""
    } else {
        ", to be continued"
    };
    let text = |name: &str| {
        if header.rsv1 {
            format!("{name} of {}, compressed{more}", self::bytes(size))
        } else if bytes.is_cut() {
            format!("{name} of {}{more}", self::bytes(size))
        } else {
            format!("{name} {}{more}", readable(payload))
        }
    };
    match header.opcode {
        OpCode::Data(Data::Text) => text("text"),
        OpCode::Data(Data::Continue) => text("continuation"),
        OpCode::Data(Data::Binary) => format!("binary of {}{more}", self::bytes(size)),
        OpCode::Control(Control::Ping) => with_payload("ping", payload),
        OpCode::Control(Control::Pong) => with_payload("pong", payload),
        OpCode::Control(Control::Close) => close(payload),
        // tungstenite reads no frame with another one.
        OpCode::Data(Data::Reserved(opcode)) | OpCode::Control(Control::Reserved(opcode)) => {
            format!("a frame of reserved opcode {opcode}")
        }
    }
}

fn with_payload(name: &str, payload: &[u8]) -> String {
    match payload {
        [] => name.to_string(),
        payload => format!("{name} {}", quoted(&String::from_utf8_lossy(payload))),
    }
}

fn close(payload: &[u8]) -> String {
    match payload {
        [] => "close with no code".to_string(),
        [_] => "close with half a code".to_string(),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            with_payload(&format!("close {code}"), reason)
        }
    }
}

/// A text as data when it is a JSON object or array (its keys sorted), else in
/// quotes; or its size when it is long, or no text.
pub fn readable(content: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(content) else {
        return of_bytes(content.len());
    };
    match serde_json::from_str(text) {
        Ok(data @ (Value::Object(_) | Value::Array(_))) => readable_data(&data),
        _ => quoted(text),
    }
}

fn readable_data(data: &Value) -> String {
    let text = data.to_string();
    if is_long(&text) {
        format!("JSON {}", of_bytes(text.len()))
    } else {
        escaped_json(&text)
    }
}

/// JSON in which what [`disturbs`] a line is written as `\u....`. Such characters
/// stand only within texts, and four digits are enough for each of them.
fn escaped_json(json: &str) -> String {
    let mut escaped = String::new();
    for character in json.chars() {
        if disturbs(character) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Whether a character breaks a line, commands the terminal, or hides or turns
/// round what stands beside it. The joiners do not: words and emoji need them.
fn disturbs(character: char) -> bool {
    let is_unseen = matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
    );
    is_unseen || character.is_control()
}

/// A text in quotes, or its size when it is long.
pub fn quoted(text: &str) -> String {
    if is_long(text) {
        of_bytes(text.len())
    } else {
        format!("{text:?}")
    }
}

/// A text without quotes, or its beginning and its size when it is long.
/// What [`disturbs`] a line is written as `\u{..}`.
pub fn shortened(text: &str) -> String {
    let escaped = |text: &str| -> String {
        let characters = text.chars();
        characters
            .flat_map(|character| match disturbs(character) {
                true => character.escape_default().to_string().chars().collect(),
                false => vec![character],
            })
            .collect()
    };
    if is_long(text) {
        let begin: String = text.chars().take(20).collect();
        format!("{}... {}", escaped(&begin), of_bytes(text.len()))
    } else {
        escaped(text)
    }
}

fn of_bytes(size: usize) -> String {
    format!("of {}", bytes(size as u64))
}

/// A number of bytes, in words.
pub fn bytes(size: u64) -> String {
    match size {
        1 => "1 byte".to_string(),
        size => format!("{size} bytes"),
    }
}

fn is_long(text: &str) -> bool {
    text.chars().nth(LONG).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers_of(lines: &[(&str, &str)]) -> Headers {
        let owned = lines.iter();
        Headers(
            owned
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
        )
    }

    #[test]
    fn a_body_is_told_as_what_it_is() {
        assert_eq!(
            body(
                "application/x-www-form-urlencoded",
                b"sender=Ann&message=a+b%21"
            ),
            [r#"sender = "Ann""#, r#"message = "a b!""#]
        );
        assert_eq!(body("", br#"{"b":1,"a":2}"#), [r#"body: {"a":2,"b":1}"#]);
        assert_eq!(body("", b"[]"), ["body: []"]);
        assert_eq!(body("", b"[1,[2]]"), ["body: [", "  1", "  [2]", "]"]);
        assert_eq!(body("", b"7"), [r#"body: "7""#]);
        assert_eq!(body("", "안녕\n".as_bytes()), [r#"body: "안녕\n""#]);
        assert_eq!(body("", b"\xff"), ["body: of 1 byte"]);
        assert_eq!(body("", &[b'x'; 300]), ["body: of 300 bytes"]);
        assert!(body("", b"").is_empty());
        let many = format!("[{}]", ["1"; 100].join(","));
        let lines = body("", many.as_bytes());
        assert_eq!(lines.len(), 23);
        assert_eq!(lines[21], "  and 80 more");
    }

    #[test]
    fn a_handshake_is_one_line() {
        let head = Head {
            start: Start::Request {
                method: "GET".to_string(),
                target: "/ws".to_string(),
            },
            headers: headers_of(&[
                ("Connection", "keep-alive, Upgrade"),
                ("Upgrade", "websocket"),
                ("Origin", "http://here"),
            ]),
        };
        assert_eq!(start_line(&head), "GET /ws, upgrade to WebSocket");
        assert!(headers(&head.headers).is_empty());
    }

    #[test]
    fn nothing_breaks_a_line() {
        assert_eq!(shortened("a\nb\u{1b}[0m한"), "a\\nb\\u{1b}[0m한");
        assert_eq!(
            shortened(&"a".repeat(201)),
            format!("{}... of 201 bytes", "a".repeat(20))
        );
    }

    #[test]
    fn nothing_in_json_disturbs_a_line() {
        let disturbing = ['\u{7f}', '\u{9b}', '\u{202e}', '\u{2028}', '\u{feff}'];
        for character in disturbing {
            let data = serde_json::json!({ character.to_string(): [character.to_string()] });
            // Not every writer of JSON escapes them.
            let readable = readable(data.to_string().as_bytes());
            assert!(!readable.contains(disturbing), "{readable:?}");
            let read: Value = serde_json::from_str(&readable).unwrap();
            assert_eq!(read, data);
            assert!(!shortened(&character.to_string()).contains(disturbing));
        }
        assert_eq!(
            readable("{\"a\":\"\u{9b}31m\"}".as_bytes()),
            r#"{"a":"\u009b31m"}"#
        );
        assert_eq!(body("", "[\"\u{202e}\"]".as_bytes())[1], r#"  "\u202e""#);
    }

    #[test]
    fn ordinary_text_in_json_stays_as_it_is() {
        let texts = "안녕 é e\u{301} ❤\u{fe0f} 👨\u{200d}👩 नि \u{a0}\u{3000}";
        let data = serde_json::json!({ "text": texts }).to_string();
        assert_eq!(readable(data.as_bytes()), data);
    }

    #[test]
    fn a_close_has_a_code_and_perhaps_a_reason() {
        assert_eq!(close(&[]), "close with no code");
        assert_eq!(close(&[3]), "close with half a code");
        assert_eq!(close(&[3, 0xe8]), "close 1000");
        assert_eq!(close(b"\x03\xf0slow"), r#"close 1008 "slow""#);
    }
}
