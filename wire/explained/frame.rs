//! The fields of a frame (RFC 6455 5.2).

use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::{Field, Part, hex, part};
use crate::frames::{Begun, Frames, unmasked};
use crate::kept::Bytes;

/// The frame as it came, and its payload without the mask.
pub fn parts(bytes: &Bytes) -> Vec<Part> {
    // What is kept began as a frame's header, so it is one.
    let Ok((_, Some(begun))) = Frames::default().header(bytes.head()) else {
        return Vec::new();
    };
    let mut fields = header_fields(&begun);
    let end = bytes.kept.len();
    let payload_size = bytes.size - bytes.head as u64;
    if end > bytes.head {
        let masked = begun.header.mask.is_some();
        fields.push(Field {
            name: if masked { "payload, masked" } else { "payload" }.to_string(),
            value: format!("{payload_size} bytes"),
            meaning: None,
            from: bytes.head,
            to: end,
            bits: None,
        });
    }
    let mut parts = vec![part("The frame as it came", &bytes.kept, bytes.size).with(fields)];
    let payload = unmasked(bytes.body(), begun.header.mask);
    if begun.header.mask.is_some() && !payload.is_empty() {
        parts.push(part("The payload without its mask", &payload, payload_size));
    }
    if let (OpCode::Control(Control::Close), Some(last)) = (begun.header.opcode, parts.last_mut()) {
        let start = if begun.header.mask.is_some() {
            0
        } else {
            bytes.head
        };
        last.fields.extend(close_fields(&payload, start));
    }
    parts
}

fn header_fields(begun: &Begun) -> Vec<Field> {
    let header = &begun.header;
    let bytes = &begun.bytes;
    let (first, second) = (bytes[0], bytes[1]);
    let fin = match header.is_final {
        true => "the last frame of its message",
        false => "more frames of this message follow",
    };
    let reserved = match first & 0b0111_0000 {
        0 => "reserved for extensions; none is used here",
        _ => {
            "an extension is used: with permessage-deflate, RSV1 says that the message is \
              compressed (RFC 7692 6)"
        }
    };
    let mask = match header.mask {
        Some(_) => "the payload is masked: clients have to (RFC 6455 5.1)",
        None => "the payload is not masked: servers must not (RFC 6455 5.1)",
    };
    let mut fields = vec![
        bits("FIN", first, 0, 0b1000_0000, fin),
        bits("RSV", first, 0, 0b0111_0000, reserved),
        bits("opcode", first, 0, 0b0000_1111, opcode(header.opcode)),
        bits("MASK", second, 1, 0b1000_0000, mask),
    ];
    let short = second & 0b0111_1111;
    let length = match short {
        126 => "126: the length is in the next 16 bits",
        127 => "127: the length is in the next 64 bits",
        _ => "the length of the payload in bytes; up to 125 it stands here",
    };
    fields.push(bits("length", second, 1, 0b0111_1111, length));
    let extended = match short {
        126 => Some(("length, 16 bits", 4)),
        127 => Some(("length, 64 bits", 10)),
        _ => None,
    };
    if let Some((name, to)) = extended {
        fields.push(Field {
            name: name.to_string(),
            value: begun.length.to_string(),
            meaning: Some("the length of the payload in bytes, the highest byte first".to_string()),
            from: 2,
            to,
            bits: None,
        });
    }
    if let Some(key) = header.mask {
        fields.push(Field {
            name: "masking key".to_string(),
            value: hex(&key),
            meaning: Some(
                "byte i of the payload is XORed with byte i mod 4 of the key (RFC 6455 5.3)"
                    .to_string(),
            ),
            from: bytes.len() - 4,
            to: bytes.len(),
            bits: None,
        });
    }
    fields
}

/// A field that is some bits of a byte.
fn bits(name: &str, byte: u8, place: usize, mask: u8, meaning: &str) -> Field {
    let digits: String = (0..8)
        .rev()
        .map(|bit| match (mask >> bit & 1, byte >> bit & 1) {
            (0, _) => '.',
            (_, 0) => '0',
            _ => '1',
        })
        .collect();
    let value = (byte & mask) >> mask.trailing_zeros();
    let value = match name {
        "RSV" => format!("{value:03b}"),
        _ => value.to_string(),
    };
    Field {
        name: name.to_string(),
        value,
        meaning: Some(meaning.to_string()),
        from: place,
        to: place + 1,
        bits: Some(digits),
    }
}

fn opcode(opcode: OpCode) -> &'static str {
    match opcode {
        OpCode::Data(Data::Continue) => "a continuation of the message before",
        OpCode::Data(Data::Text) => "text, in UTF-8",
        OpCode::Data(Data::Binary) => "binary data",
        OpCode::Control(Control::Close) => "Close",
        OpCode::Control(Control::Ping) => "ping",
        OpCode::Control(Control::Pong) => "pong",
        OpCode::Data(Data::Reserved(_)) | OpCode::Control(Control::Reserved(_)) => "reserved",
    }
}

/// The code and the reason of a Close (RFC 6455 5.5.1), in a payload that begins at a place.
fn close_fields(payload: &[u8], start: usize) -> Vec<Field> {
    let [high, low, reason @ ..] = payload else {
        return Vec::new();
    };
    let code = u16::from_be_bytes([*high, *low]);
    let mut fields = vec![Field {
        name: "close code".to_string(),
        value: code.to_string(),
        meaning: meaning_of(code).map(str::to_string),
        from: start,
        to: start + 2,
        bits: None,
    }];
    if !reason.is_empty() {
        fields.push(Field {
            name: "reason".to_string(),
            value: String::from_utf8_lossy(reason).into_owned(),
            meaning: None,
            from: start + 2,
            to: start + payload.len(),
            bits: None,
        });
    }
    fields
}

/// What a close code means (RFC 6455 7.4.1).
fn meaning_of(code: u16) -> Option<&'static str> {
    Some(match code {
        1000 => "normal closure: all is said",
        1001 => "going away: the page is left, or the server stops",
        1002 => "protocol error: a frame breaks the rules",
        1003 => "unsupported data: such messages are not spoken here",
        1007 => "invalid payload: a text that is not UTF-8",
        1008 => "policy violation: a rule of this server is broken",
        1009 => "message too big",
        1010 => "the client needs an extension that the server did not pick",
        1011 => "internal error: the server cannot go on",
        1004..=1006 | 1015 => "reserved: must not be sent",
        3000..=3999 => "registered for a library or framework (RFC 6455 7.4.2)",
        4000..=4999 => "agreed between this client and this server (RFC 6455 7.4.2)",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};

    use super::*;
    use crate::kept::Kept;

    fn parts_of(head: &[u8], payload: &[u8]) -> Vec<Part> {
        let kept = Kept::new(head);
        kept.add(payload);
        let bytes = kept.lock().clone();
        parts(&bytes)
    }

    /// The name, the value and the bytes of each field, as one word each.
    fn words(part: &Part) -> Vec<String> {
        let bytes = BASE64_STANDARD.decode(&part.bytes).unwrap();
        let fields = part.fields.iter();
        fields
            .map(|field| match &field.bits {
                Some(bits) => format!("{}={} {bits}", field.name, field.value),
                None => {
                    let bytes = hex(&bytes[field.from..field.to]);
                    format!("{}={} {bytes}", field.name, field.value)
                }
            })
            .collect()
    }

    #[test]
    fn a_masked_text_is_taken_apart() {
        // RFC 6455 5.7.
        let parts = parts_of(
            &[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d],
            &[0x7f, 0x9f, 0x4d, 0x51, 0x58],
        );
        assert_eq!(
            words(&parts[0]),
            [
                "FIN=1 1.......",
                "RSV=0 .000....",
                "opcode=1 ....0001",
                "MASK=1 1.......",
                "length=5 .0000101",
                "masking key=37 FA 21 3D 37 FA 21 3D",
                "payload, masked=5 bytes 7F 9F 4D 51 58",
            ]
            .map(|word| word.replace("RSV=0 ", "RSV=000 "))
        );
        assert_eq!(BASE64_STANDARD.decode(&parts[1].bytes).unwrap(), b"Hello");
    }

    #[test]
    fn longer_lengths_have_fields_of_their_own() {
        let parts = parts_of(&[0x02, 126, 1, 0], &[7; 256]);
        let words = words(&parts[0]);
        assert_eq!(words[4], "length=126 .1111110");
        assert_eq!(words[5], "length, 16 bits=256 01 00");
        assert_eq!(parts.len(), 1);
        let parts = parts_of(&[0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0], b"x");
        assert_eq!(parts[0].fields[5].value, (1_u64 << 32).to_string());
    }

    #[test]
    fn a_close_has_its_code_named_masked_or_not() {
        let parts_unmasked = parts_of(&[0x88, 6], b"\x03\xf0slow");
        let words_unmasked = words(&parts_unmasked[0]);
        assert_eq!(words_unmasked[6], "close code=1008 03 F0");
        assert_eq!(words_unmasked[7], "reason=slow 73 6C 6F 77");
        let parts = parts_of(&[0x88, 0x82, 1, 1, 1, 1], &[2, 0xe9]);
        assert_eq!(words(&parts[1]), ["close code=1000 03 E8"]);
        assert!(parts_of(&[0x88, 0], b"")[0].fields.len() == 5);
    }
}
