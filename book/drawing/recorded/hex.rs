//! Bytes as people read them.

/// How many bytes a line of a dump has: as many as a phone shows.
const LINE: usize = 8;

/// A byte as two hexadecimal digits.
pub fn byte(byte: u8) -> String {
    format!("{byte:02X}")
}

/// Bytes in one line.
pub fn bytes(bytes: &[u8]) -> String {
    bytes
        .iter()
        .copied()
        .map(byte)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Bytes, eight a line.
pub fn lines(all: &[u8]) -> String {
    all.chunks(LINE).map(bytes).collect::<Vec<_>>().join("\n")
}

/// Bytes, eight a line, and beside them the ASCII that they are; a dot for each
/// that is none.
pub fn dump(all: &[u8]) -> String {
    let line = |part: &[u8]| {
        let letters = part.iter().map(|byte| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        });
        let letters: String = letters.collect();
        let line = format!("{:<width$}  {letters}", bytes(part), width = 3 * LINE - 1);
        line.trim_end().to_string()
    };
    all.chunks(LINE).map(line).collect::<Vec<_>>().join("\n")
}

/// The bits of a byte, the highest first, in two halves.
pub fn bits(byte: u8) -> String {
    format!("{:04b} {:04b}", byte >> 4, byte & 0x0F)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_shows_what_is_ascii() {
        assert_eq!(
            dump(b"HTTP/1.1\r\n"),
            "48 54 54 50 2F 31 2E 31  HTTP/1.1\n0D 0A                    .."
        );
        assert_eq!(lines(b"HTTP/1.1\r\n"), "48 54 54 50 2F 31 2E 31\n0D 0A");
        assert_eq!(bits(0xA4), "1010 0100");
    }
}
