//! The bodies of messages: where they end (RFC 9112 6 and 7).

use httparse::Status;

use crate::head::Headers;

/// A line with the size of a chunk is no longer than this, with its extensions.
const LONGEST_SIZE_LINE: usize = 4 * 1024;

/// How a body is delimited, and how far it has come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Body {
    /// So many bytes are still to come.
    Length(u64),
    Chunked(Chunked),
    /// It ends with the connection.
    UntilTheEnd,
}

/// Where in the chunks of a body (RFC 9112 7.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Chunked {
    /// In the line with the next chunk's size, of which so much has come.
    Size(Vec<u8>),
    /// In a chunk, of which so many bytes are still to come.
    Content(u64),
    /// Behind a chunk, before the end of its line.
    Behind,
    /// Behind the last chunk. Its trailers end with an empty line.
    Trailers {
        line_is_empty: bool,
    },
    Over,
}

/// Some bytes of a body that belong together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Piece {
    /// How many bytes these are.
    pub length: usize,
    pub what: What,
}

/// What some bytes of a body are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum What {
    Content,
    /// A part of the line with a chunk's size.
    Size,
    /// The end of a chunk's line, or the trailers.
    Behind,
}

impl Body {
    /// The body of a request.
    ///
    /// # Errors
    /// Why nobody can know where it ends.
    pub fn of_request(headers: &Headers) -> Result<Self, String> {
        match coding(headers) {
            Some(true) => Ok(Self::chunked()),
            Some(false) => Err("nobody knows where this request's body ends: \
                 its last Transfer-Encoding is not chunked (RFC 9112 6.3)"
                .to_string()),
            None => Ok(Self::Length(length(headers)?.unwrap_or(0))),
        }
    }

    /// The body of a response that has one.
    ///
    /// # Errors
    /// Why nobody can know where it ends.
    pub fn of_response(headers: &Headers) -> Result<Self, String> {
        match coding(headers) {
            Some(true) => Ok(Self::chunked()),
            Some(false) => Ok(Self::UntilTheEnd),
            None => Ok(length(headers)?.map_or(Self::UntilTheEnd, Self::Length)),
        }
    }

    /// A body in chunks.
    pub fn chunked() -> Self {
        Self::Chunked(Chunked::Size(Vec::new()))
    }

    /// Whether all of it has come.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunked::Over))
    }

    /// How many bytes the current piece still wants, as far as that is known.
    pub fn missing(&self) -> Option<u64> {
        match self {
            Self::Length(left) | Self::Chunked(Chunked::Content(left)) => Some(*left),
            Self::Chunked(_) | Self::UntilTheEnd => None,
        }
    }

    /// The first piece of what has come. There are bytes, and the body is not over.
    ///
    /// # Errors
    /// What is wrong with the chunks.
    pub fn next(&mut self, bytes: &[u8]) -> Result<Piece, String> {
        match self {
            Self::UntilTheEnd => Ok(Piece {
                length: bytes.len(),
                what: What::Content,
            }),
            Self::Length(left) => Ok(content(left, bytes)),
            Self::Chunked(chunked) => chunked.next(bytes),
        }
    }
}

impl Chunked {
    fn next(&mut self, bytes: &[u8]) -> Result<Piece, String> {
        match self {
            Self::Size(line) => {
                let (length, size) = size_line(line, bytes)?;
                match size {
                    Some(0) => {
                        *self = Self::Trailers {
                            line_is_empty: true,
                        }
                    }
                    Some(size) => *self = Self::Content(size),
                    None => {}
                }
                Ok(Piece {
                    length,
                    what: What::Size,
                })
            }
            Self::Content(left) => {
                let piece = content(left, bytes);
                if *left == 0 {
                    *self = Self::Behind;
                }
                Ok(piece)
            }
            Self::Behind => {
                let length = match bytes {
                    [b'\r'] => 1,
                    [b'\r', b'\n', ..] => 2,
                    [b'\n', ..] => 1,
                    _ => return Err("a chunk is longer than its size says".to_string()),
                };
                if bytes[length - 1] == b'\n' {
                    *self = Self::Size(Vec::new());
                }
                Ok(Piece {
                    length,
                    what: What::Behind,
                })
            }
            Self::Trailers { line_is_empty } => {
                let byte = bytes[0];
                match (byte, *line_is_empty) {
                    (b'\n', true) => *self = Self::Over,
                    (b'\n', false) => *line_is_empty = true,
                    (b'\r', _) => {}
                    _ => *line_is_empty = false,
                }
                Ok(Piece {
                    length: 1,
                    what: What::Behind,
                })
            }
            Self::Over => Err("the last chunk has come".to_string()),
        }
    }
}

/// The content of chunks of which perhaps only the beginning is there.
pub fn content_of_chunks(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Body::chunked();
    let mut content = Vec::new();
    while !bytes.is_empty() && !body.is_over() {
        let Ok(piece) = body.next(bytes) else { break };
        let (piece_bytes, rest) = bytes.split_at(piece.length);
        if piece.what == What::Content {
            content.extend_from_slice(piece_bytes);
        }
        bytes = rest;
    }
    content
}

/// How many of the bytes belong to a piece of known length, which gets shorter by them.
fn content(left: &mut u64, bytes: &[u8]) -> Piece {
    let available = bytes.len() as u64;
    let taken = available.min(*left);
    *left -= taken;
    Piece {
        // No more than there are bytes in memory.
        length: usize::try_from(taken).unwrap_or(bytes.len()),
        what: What::Content,
    }
}

/// How many bytes belong to the line of a size, and the size if the line is whole.
fn size_line(line: &mut Vec<u8>, bytes: &[u8]) -> Result<(usize, Option<u64>), String> {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let length = end.map_or(bytes.len(), |end| end + 1);
    if line.len() + length > LONGEST_SIZE_LINE {
        return Err("the line with a chunk's size has no end".to_string());
    }
    line.extend_from_slice(&bytes[..length]);
    // httparse takes an empty line for a 0.
    let begins_with_digit = line.first().is_some_and(u8::is_ascii_hexdigit);
    match httparse::parse_chunk_size(line) {
        Ok(Status::Complete((_, size))) if begins_with_digit => Ok((length, Some(size))),
        Ok(Status::Partial) if begins_with_digit && end.is_none() => Ok((length, None)),
        _ => Err("the size of a chunk is no number".to_string()),
    }
}

/// Whether the last coding is chunked, if there are any.
fn coding(headers: &Headers) -> Option<bool> {
    let codings = headers.get("transfer-encoding")?;
    let last = codings.rsplit(',').next().unwrap_or_default();
    Some(last.trim().eq_ignore_ascii_case("chunked"))
}

/// The Content-Length, which may be told several times, if it is always the same (RFC 9112 6.3).
fn length(headers: &Headers) -> Result<Option<u64>, String> {
    let Some(value) = headers.get("content-length") else {
        return Ok(None);
    };
    let mut lengths = value.split(',').map(str::trim);
    let first = lengths.next().unwrap_or_default();
    if lengths.any(|other| other != first) {
        return Err("nobody knows where this body ends: it has two lengths".to_string());
    }
    let digits = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
    let number = first.parse().ok().filter(|_| digits);
    let number = number.ok_or("nobody knows where this body ends: its Content-Length is no number");
    Ok(Some(number?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> Headers {
        let owned = lines.iter();
        Headers(
            owned
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
        )
    }

    /// The content, how many bytes were not the body's, and whether it was over;
    /// in pieces of so many bytes.
    fn read(body: &mut Body, bytes: &[u8], at_once: usize) -> Result<(Vec<u8>, usize), String> {
        let mut content = Vec::new();
        let mut taken = 0;
        for part in bytes.chunks(at_once) {
            let mut rest = part;
            while !rest.is_empty() && !body.is_over() {
                let piece = body.next(rest)?;
                if piece.what == What::Content {
                    content.extend_from_slice(&rest[..piece.length]);
                }
                taken += piece.length;
                rest = &rest[piece.length..];
            }
        }
        Ok((content, bytes.len() - taken))
    }

    #[test]
    fn chunks_are_the_same_however_they_are_cut() {
        let bytes = b"3\r\nabc\r\nA;why=not\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nmore";
        for at_once in 1..bytes.len() {
            let mut body = Body::chunked();
            let read = read(&mut body, bytes, at_once);
            assert_eq!(read, Ok((b"abc0123456789".to_vec(), 4)), "{at_once}");
            assert!(body.is_over());
        }
        assert_eq!(content_of_chunks(bytes), b"abc0123456789");
        assert_eq!(content_of_chunks(&bytes[..12]), b"abc");
    }

    #[test]
    fn damaged_chunks_are_an_error() {
        for damaged in ["3\r\nabcd\r\n", "x\r\n", "\r\n", "FFFFFFFFFFFFFFFFF\r\n"] {
            let read = read(&mut Body::chunked(), damaged.as_bytes(), 99);
            assert!(read.is_err(), "{damaged:?}: {read:?}");
        }
        let endless = vec![b'1'; LONGEST_SIZE_LINE + 1];
        assert!(read(&mut Body::chunked(), &endless, 100).is_err());
    }

    #[test]
    fn a_length_counts_down() {
        let mut body = Body::of_request(&headers(&[("Content-Length", "5")])).unwrap();
        assert_eq!(read(&mut body, b"abc", 9), Ok((b"abc".to_vec(), 0)));
        assert_eq!(body.missing(), Some(2));
        assert_eq!(read(&mut body, b"def", 9), Ok((b"de".to_vec(), 1)));
        assert!(body.is_over());
    }

    #[test]
    fn the_head_says_how_a_body_ends() {
        let length = ("content-length", "7");
        let chunked = ("transfer-encoding", "gzip, Chunked");
        let gzip = ("transfer-encoding", "gzip");
        for (lines, request, response) in [
            (vec![], Body::Length(0), Body::UntilTheEnd),
            (vec![length], Body::Length(7), Body::Length(7)),
            (vec![length, length], Body::Length(7), Body::Length(7)),
            (vec![length, chunked], Body::chunked(), Body::chunked()),
        ] {
            let headers = headers(&lines);
            assert_eq!(Body::of_request(&headers), Ok(request));
            assert_eq!(Body::of_response(&headers), Ok(response));
        }
        let headers_of_gzip = headers(&[gzip]);
        assert_eq!(Body::of_response(&headers_of_gzip), Ok(Body::UntilTheEnd));
        assert!(Body::of_request(&headers_of_gzip).is_err());
        for lengths in [["7", "8"], ["-1", "-1"], ["", ""], ["+7", "+7"]] {
            let lines = lengths.map(|length| ("content-length", length));
            assert!(Body::of_response(&headers(&lines)).is_err(), "{lengths:?}");
        }
    }
}
