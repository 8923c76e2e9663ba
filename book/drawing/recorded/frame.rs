//! The frames of a WebSocket, taken apart (RFC 6455 5.2 and 5.3).

use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::anchors::Anchors;
use super::frame_picture;
use super::frames::{Frame, frames};
use super::hex;
use super::http::only;
use crate::Drawn;

/// `frame.txt` and `frame.svg`; [`super`] tells the anchors.
pub fn frame() -> Result<Vec<Drawn>, String> {
    let said = |reason| format!("websocket: {reason}");
    let rest = only("websocket")?.after_upgrade;
    let rest = rest.ok_or_else(|| said("it is no WebSocket".to_string()))?;
    let client = frames(&rest.client).map_err(said)?;
    let server = frames(&rest.server).map_err(said)?;
    let ([text, close], [echo, answer]) = (client.as_slice(), server.as_slice()) else {
        return Err(said("each side must have sent two frames".to_string()));
    };
    let mut anchors = Anchors::default();
    for (name, frame) in [("client", text), ("server", echo)] {
        add_frame(&mut anchors, name, frame);
        add_text(&mut anchors, name, frame).map_err(said)?;
    }
    for (name, frame) in [("close-client", close), ("close-server", answer)] {
        add_frame(&mut anchors, name, frame);
        let code = close_code(frame).map_err(said)?;
        anchors.add(format_args!("{name}-code"), code);
    }
    let picture = frame_picture::svg(text).map_err(said)?;
    Ok(vec![
        anchors.file("frame.txt"),
        Drawn {
            name: "frame.svg".to_string(),
            text: picture,
        },
    ])
}

/// What every frame has.
fn add_frame(anchors: &mut Anchors, name: &str, frame: &Frame) {
    let mut add = |part: &str, content: String| {
        anchors.add(format_args!("{name}-{part}"), content);
    };
    let [first, second] = frame.start;
    let header_size = frame.header_bytes.len();
    let payload_size = frame.sent.len();
    add("hex", hex::lines(&frame.bytes()));
    add("header-hex", hex::bytes(&frame.header_bytes));
    add("first-byte", hex::byte(first));
    add("first-bits", hex::bits(first));
    add("fin", (first >> 7).to_string());
    add("rsv", format!("{:03b}", first >> 4 & 0b111));
    add("opcode-bits", format!("{:04b}", first & 0b1111));
    add("opcode", (first & 0b1111).to_string());
    add("second-byte", hex::byte(second));
    add("second-bits", hex::bits(second));
    add("mask", (second >> 7).to_string());
    add("length-bits", format!("{:07b}", second & 0x7F));
    add("length", (second & 0x7F).to_string());
    add("header-size", header_size.to_string());
    add("payload-size", payload_size.to_string());
    add("frame-size", (header_size + payload_size).to_string());
    add(
        "size",
        format!(
            "{header_size} + {payload_size} = {}",
            header_size + payload_size
        ),
    );
    add("payload-hex", hex::lines(&frame.payload()));
    if let Some(key) = frame.header.mask {
        add("key", hex::bytes(&key));
        add("masked-hex", hex::lines(&frame.sent));
    }
}

/// What a frame of text has: its text, and how each of its bytes is unmasked.
fn add_text(anchors: &mut Anchors, name: &str, frame: &Frame) -> Result<(), String> {
    anchors.add(format_args!("{name}-text"), text_of(frame)?);
    if frame.header.mask.is_none() {
        return Ok(());
    }
    let lines = unmasking(frame)?;
    anchors.add(format_args!("{name}-xor"), all(&lines));
    let beginning = &lines[..lines.len().min(4)];
    anchors.add(format_args!("{name}-xor-beginning"), all(beginning));
    let mut characters = lines.chunk_by(|_, next| next.character.is_none());
    if let Some(long) = characters.find(|character| character.len() > 1) {
        anchors.add(format_args!("{name}-xor-character"), all(long));
    }
    Ok(())
}

/// How one byte of a payload is unmasked.
struct Unmasked {
    masked: u8,
    key: u8,
    /// The character that begins with this byte.
    character: Option<char>,
}

impl Unmasked {
    fn line(&self) -> String {
        let Self { masked, key, .. } = self;
        let line = format!("{masked:02X} ^ {key:02X} = {:02X}", masked ^ key);
        match self.character {
            Some(character) => format!("{line}  {character}"),
            None => line,
        }
    }
}

fn all(lines: &[Unmasked]) -> String {
    let lines = lines.iter().map(Unmasked::line);
    lines.collect::<Vec<_>>().join("\n")
}

fn unmasking(frame: &Frame) -> Result<Vec<Unmasked>, String> {
    let text = text_of(frame)?;
    let characters = text.chars().flat_map(|character| {
        let following = character.len_utf8() - 1;
        std::iter::once(Some(character)).chain(std::iter::repeat_n(None, following))
    });
    let bytes = frame.masked().zip(characters);
    Ok(bytes
        .map(|((masked, key), character)| Unmasked {
            masked,
            key,
            character,
        })
        .collect())
}

/// The text of a frame of text.
pub fn text_of(frame: &Frame) -> Result<String, String> {
    if frame.header.opcode != OpCode::Data(Data::Text) {
        return Err("each side's first frame must be a text".to_string());
    }
    let text = String::from_utf8(frame.payload());
    let text = text.map_err(|error| format!("a text is no UTF-8: {error}"))?;
    if text.contains(char::is_control) {
        return Err("a text with control characters cannot be shown in one line".to_string());
    }
    Ok(text)
}

fn close_code(frame: &Frame) -> Result<u16, String> {
    let payload = frame.payload();
    let code = payload.first_chunk::<2>();
    match (frame.header.opcode, code) {
        (OpCode::Control(Control::Close), Some(code)) => Ok(u16::from_be_bytes(*code)),
        _ => Err("each side's second frame must be a Close with a code".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only_frame(bytes: &[u8]) -> Frame {
        frames(bytes).unwrap().remove(0)
    }

    #[test]
    fn a_masked_text_is_taken_apart() {
        // The three bytes of the syllable, under the key 37 FA 21 3D.
        let frame = only_frame(&[0x81, 0x83, 0x37, 0xfa, 0x21, 0x3d, 0xdb, 0x6f, 0xa9]);
        let mut anchors = Anchors::default();
        add_frame(&mut anchors, "a", &frame);
        add_text(&mut anchors, "a", &frame).unwrap();
        let text = anchors.file("").text;
        for (name, content) in [
            ("a-first-bits", "1000 0001"),
            ("a-opcode", "1"),
            ("a-mask", "1"),
            ("a-length-bits", "0000011"),
            ("a-length", "3"),
            ("a-key", "37 FA 21 3D"),
            ("a-payload-hex", "EC 95 88"),
            ("a-text", "안"),
            ("a-size", "6 + 3 = 9"),
            (
                "a-xor-character",
                "DB ^ 37 = EC  안\n6F ^ FA = 95\nA9 ^ 21 = 88",
            ),
        ] {
            let part = format!("ANCHOR: {name}\n{content}\nANCHOR_END: {name}\n");
            assert!(text.contains(&part), "{part}\n{text}");
        }
    }

    #[test]
    fn what_is_no_text_and_no_close_is_an_error() {
        assert!(text_of(&only_frame(&[0x81, 0x01, 0xec])).is_err());
        assert!(text_of(&only_frame(&[0x81, 0x01, b'\n'])).is_err());
        assert!(text_of(&only_frame(&[0x82, 0x01, 0x41])).is_err());
        assert_eq!(close_code(&only_frame(&[0x88, 0x02, 0x03, 0xe8])), Ok(1000));
        assert!(close_code(&only_frame(&[0x88, 0x00])).is_err());
        assert!(close_code(&only_frame(&[0x81, 0x02, 0x03, 0xe8])).is_err());
    }
}
