//! The frames of a WebSocket (RFC 6455 5.2), their headers read by tungstenite.

use std::io::Cursor;

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;

/// A header is no longer than this: two bytes, 64 bits of length, the masking key.
const LONGEST: usize = 14;

/// Where in the frames of one side.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Frames {
    /// In a header, of which so much has come.
    Header(Vec<u8>),
    /// In a payload, of which so many bytes are still to come.
    Payload(u64),
}

/// A header that is whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Begun {
    pub header: FrameHeader,
    /// The header's bytes.
    pub bytes: Vec<u8>,
    /// How many bytes the payload has.
    pub length: u64,
}

impl Default for Frames {
    fn default() -> Self {
        Self::Header(Vec::new())
    }
}

impl Frames {
    /// What has come of a header.
    pub fn unfinished_header(&self) -> &[u8] {
        match self {
            Self::Header(bytes) => bytes,
            Self::Payload(_) => &[],
        }
    }

    /// More bytes of a header. Gives how many of them belong to it, and the
    /// header when it is whole; the payload is next then.
    ///
    /// # Errors
    /// Why this is no header. All that has come is in [`Self::unfinished_header`] then.
    pub fn header(&mut self, more: &[u8]) -> Result<(usize, Option<Begun>), String> {
        let Self::Header(bytes) = self else {
            return Ok((0, None));
        };
        let before = bytes.len();
        let room = LONGEST - before;
        bytes.extend_from_slice(&more[..more.len().min(room)]);
        let mut cursor = Cursor::new(bytes.as_slice());
        let parsed = FrameHeader::parse(&mut cursor);
        let end = cursor.position();
        let parsed = parsed.map_err(|error| format!("this is no frame: {error}"))?;
        let Some((header, length)) = parsed else {
            return Ok((bytes.len() - before, None));
        };
        // The cursor is in memory, so its position is a length.
        bytes.truncate(usize::try_from(end).unwrap_or(LONGEST));
        let begun = Begun {
            header,
            bytes: bytes.clone(),
            length,
        };
        let taken = bytes.len() - before;
        *self = Self::Payload(length);
        Ok((taken, Some(begun)))
    }

    /// More bytes, of which so many belong to the payload. With the last one,
    /// the next header is next.
    pub fn payload(&mut self, more: &[u8]) -> usize {
        let Self::Payload(left) = self else {
            return 0;
        };
        let available = more.len() as u64;
        let taken = available.min(*left);
        *left -= taken;
        if *left == 0 {
            *self = Self::default();
        }
        // No more than there are bytes in memory.
        usize::try_from(taken).unwrap_or(more.len())
    }
}

/// A payload with its mask taken off, or put on (RFC 6455 5.3).
pub fn unmasked(payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let key = key.unwrap_or_default();
    let pairs = payload.iter().zip(key.iter().cycle());
    pairs.map(|(byte, key)| byte ^ key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455 5.7: "Hello", once masked and once not.
    const MASKED: [u8; 11] = [
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    const UNMASKED: [u8; 7] = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];

    /// The headers and the payloads, in pieces of so many bytes.
    fn read(bytes: &[u8], at_once: usize) -> Result<Vec<(Begun, Vec<u8>)>, String> {
        let mut frames = Frames::default();
        let mut all: Vec<(Begun, Vec<u8>)> = Vec::new();
        for part in bytes.chunks(at_once) {
            let mut rest = part;
            while !rest.is_empty() {
                let taken = match &frames {
                    Frames::Header(_) => {
                        let (taken, begun) = frames.header(rest)?;
                        all.extend(begun.map(|begun| (begun, Vec::new())));
                        taken
                    }
                    Frames::Payload(_) => {
                        let taken = frames.payload(rest);
                        let (_, payload) = all.last_mut().expect("a header has come");
                        payload.extend_from_slice(&rest[..taken]);
                        taken
                    }
                };
                rest = &rest[taken..];
            }
        }
        Ok(all)
    }

    #[test]
    fn frames_are_the_same_however_they_are_cut() {
        let long = [[0x82, 126, 1, 0].as_slice(), &[7; 256]].concat();
        let all = [MASKED.as_slice(), &UNMASKED, &long, &UNMASKED].concat();
        for at_once in [1, 2, 3, 5, 8, 13, 1000] {
            let frames = read(&all, at_once).unwrap();
            let [masked, unmasked_one, long, last] = frames.as_slice() else {
                panic!("{at_once}: {frames:?}")
            };
            let key = masked.0.header.mask;
            assert_eq!(key, Some([0x37, 0xfa, 0x21, 0x3d]));
            assert_eq!(unmasked(&masked.1, key), b"Hello");
            assert_eq!(masked.0.bytes, MASKED[..6]);
            assert_eq!(unmasked_one.1, b"Hello");
            assert_eq!((long.0.bytes.len(), long.1.len()), (4, 256));
            assert_eq!(last, unmasked_one);
        }
    }

    #[test]
    fn a_length_may_be_anything() {
        let endless = [[0x82, 127].as_slice(), &[0xff; 8], &[0; 20]].concat();
        let frames = read(&endless, 7).unwrap();
        assert_eq!(frames[0].0.length, u64::MAX);
        assert_eq!(frames[0].1.len(), 20);
    }

    #[test]
    fn a_reserved_opcode_is_no_frame() {
        let error = read(&[0x83, 0x00], 9).unwrap_err();
        assert!(error.starts_with("this is no frame: "), "{error}");
    }
}
