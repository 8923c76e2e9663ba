//! The rules of RFC 6455 that a single frame can break.

use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::frames::Begun;
use crate::side::Side;

/// Which rule a frame breaks, as a sentence. The payload is what is kept of it,
/// without its mask.
pub fn broken(from: Side, frame: &Begun, payload: &[u8]) -> Option<String> {
    let header = &frame.header;
    let is_control = matches!(header.opcode, OpCode::Control(_));
    let whole = payload.len() as u64 == frame.length;
    let whole_text = match header.opcode {
        OpCode::Data(Data::Text) => header.is_final && !header.rsv1 && whole,
        _ => false,
    };
    let rule = match (from, header.mask) {
        (Side::Client, None) => "a client masks its frames (RFC 6455 5.1)",
        (Side::Server, Some(_)) => "a server does not mask its frames (RFC 6455 5.1)",
        _ if is_control && !header.is_final => "a control frame is never a fragment (RFC 6455 5.5)",
        _ if is_control && frame.length > 125 => {
            "a control frame has at most 125 bytes (RFC 6455 5.5)"
        }
        _ if header.opcode == OpCode::Control(Control::Close) && frame.length == 1 => {
            "a close code has two bytes (RFC 6455 5.5.1)"
        }
        _ if whole_text && std::str::from_utf8(payload).is_err() => {
            "a text is UTF-8 (RFC 6455 5.6)"
        }
        _ => return None,
    };
    Some(rule.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::Frames;

    fn problem(from: Side, bytes: &[u8]) -> Option<String> {
        let (taken, begun) = Frames::default().header(bytes).unwrap();
        broken(from, &begun.unwrap(), &bytes[taken..])
    }

    #[test]
    fn each_rule_is_named() {
        for (from, bytes, words) in [
            (Side::Client, [0x81, 1, b'a'].as_slice(), "a client masks"),
            (
                Side::Server,
                &[0x81, 0x80, 1, 2, 3, 4],
                "a server does not mask",
            ),
            (Side::Server, &[0x09, 0], "never a fragment"),
            (Side::Server, &[0x89, 126, 0, 126], "at most 125 bytes"),
            (Side::Server, &[0x88, 1, 3], "two bytes"),
            (Side::Server, &[0x81, 1, 0xff], "UTF-8"),
        ] {
            let problem = problem(from, bytes).unwrap_or_default();
            assert!(problem.contains(words), "{bytes:?}: {problem}");
        }
    }

    #[test]
    fn what_keeps_the_rules_is_not_named() {
        for bytes in [
            [0x81, 1, b'a'].as_slice(),
            // The beginning of a text may be the beginning of a character.
            &[0x01, 1, 0xec],
            &[0xc1, 1, 0xff],
            &[0x82, 1, 0xff],
            &[0x88, 2, 3, 0xe8],
        ] {
            assert_eq!(problem(Side::Server, bytes), None, "{bytes:?}");
        }
    }
}
