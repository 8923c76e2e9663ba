//! The bytes after a handshake, split into frames (RFC 6455 5.2).

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use wire::frames::{Frames, unmasked};

/// A frame, as it went over the wire.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What its header says.
    pub header: FrameHeader,
    /// The header's first two bytes, which every frame has.
    pub start: [u8; 2],
    /// All of the header's bytes: these two, the longer forms of the length, the masking key.
    pub header_bytes: Vec<u8>,
    /// The payload as it was sent: masked, if there is a masking key.
    pub sent: Vec<u8>,
}

impl Frame {
    /// The frame's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        [self.header_bytes.as_slice(), &self.sent].concat()
    }

    /// Each byte of the payload with the byte of the masking key that masks it,
    /// 0 where there is no key (RFC 6455 5.3).
    pub fn masked(&self) -> impl Iterator<Item = (u8, u8)> {
        let key = self.header.mask.unwrap_or_default();
        self.sent.iter().copied().zip(key.into_iter().cycle())
    }

    /// The payload without its mask.
    pub fn payload(&self) -> Vec<u8> {
        unmasked(&self.sent, self.header.mask)
    }
}

/// Splits all that one side sent into frames.
///
/// # Errors
/// Which frame is none, or is cut.
pub fn frames(mut bytes: &[u8]) -> Result<Vec<Frame>, String> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (frame, rest) =
            first(bytes).map_err(|reason| format!("frame {}: {reason}", frames.len() + 1))?;
        frames.push(frame);
        bytes = rest;
    }
    Ok(frames)
}

const CUT: &str = "its bytes end in the middle";

fn first(bytes: &[u8]) -> Result<(Frame, &[u8]), String> {
    let (header_length, begun) = Frames::default().header(bytes)?;
    let begun = begun.ok_or(CUT)?;
    let length = usize::try_from(begun.length).map_err(|_| CUT)?;
    let (sent, rest) = bytes[header_length..].split_at_checked(length).ok_or(CUT)?;
    let frame = Frame {
        header: begun.header,
        start: *begun.bytes.first_chunk().ok_or(CUT)?,
        header_bytes: begun.bytes,
        sent: sent.to_vec(),
    };
    Ok((frame, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455 5.7: "Hello", once masked and once not.
    const MASKED: [u8; 11] = [
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    const UNMASKED: [u8; 7] = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];

    #[test]
    fn the_examples_of_the_rfc_say_hello() {
        let both = [MASKED.as_slice(), &UNMASKED].concat();
        let frames = frames(&both).unwrap();
        let [masked, unmasked] = frames.as_slice() else {
            panic!("{frames:?}")
        };
        assert_eq!(masked.payload(), b"Hello");
        assert_eq!(masked.header_bytes, MASKED[..6]);
        assert_eq!(masked.header.mask, Some([0x37, 0xfa, 0x21, 0x3d]));
        assert_eq!(unmasked.payload(), b"Hello");
        assert_eq!(unmasked.header_bytes, UNMASKED[..2]);
        assert_eq!([masked.bytes(), unmasked.bytes()].concat(), both);
    }

    #[test]
    fn a_longer_length_is_part_of_the_header() {
        let mut bytes = vec![0x82, 126, 1, 0];
        bytes.extend([7; 256]);
        let frames = frames(&bytes).unwrap();
        assert_eq!(frames[0].header_bytes.len(), 4);
        assert_eq!(frames[0].payload(), [7; 256]);
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        for length in 1..MASKED.len() {
            assert!(frames(&MASKED[..length]).is_err(), "{length} bytes");
        }
        // A reserved opcode, and a length of almost 2^64.
        assert!(frames(&[0x83, 0x00]).is_err());
        let endless = [&[0x82, 127], [0xff; 8].as_slice(), &[0; 20]].concat();
        assert!(frames(&endless).is_err());
        let error = frames(&[UNMASKED.as_slice(), &[0x81]].concat()).unwrap_err();
        assert!(error.starts_with("frame 2: "), "{error}");
    }
}
