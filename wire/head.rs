//! The heads of requests and responses (RFC 9112 2 to 5), read by httparse.

use httparse::{EMPTY_HEADER, Error, Header, Status};

use crate::side::Side;

/// A head that is longer is not waited for.
const LONGEST: usize = 64 * 1024;

/// A head with more header lines is not read.
const MOST_HEADERS: usize = 128;

/// The first line of a head.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Start {
    Request { method: String, target: String },
    Response { status: u16, reason: String },
}

/// A head.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    pub start: Start,
    pub headers: Headers,
}

/// The header lines of a head, with their names and values as they came.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The values of a header, joined as one (RFC 9110 5.3); none if it is missing.
    pub fn get(&self, name: &str) -> Option<String> {
        let lines = self.0.iter();
        let values: Vec<&str> = lines
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// Whether a word is in the list that a header's value is. Case does not matter.
    pub fn lists(&self, name: &str, word: &str) -> bool {
        let value = self.get(name).unwrap_or_default();
        let mut words = value.split(',');
        words.any(|other| other.trim().eq_ignore_ascii_case(word))
    }
}

/// The bytes of a head, while they come.
#[derive(Clone, Debug, Default)]
pub struct Collecting {
    bytes: Vec<u8>,
    /// Of how many bytes the empty lines before the head are (RFC 9112 2.2).
    blank: usize,
    /// The empty line that ends the head does not begin before this place.
    searched: usize,
    /// A head without its end is looked at when it has this length, to see
    /// early that it is none. The distance grows, or a head that comes byte by
    /// byte would cost the square of its length.
    next_look: usize,
}

impl Collecting {
    /// What has come so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// More bytes have come. Gives how many of them belong to the head, and the
    /// head when it is whole.
    ///
    /// # Errors
    /// Why this is no head. All that has come is in [`Self::bytes`] then.
    pub fn add(&mut self, side: Side, more: &[u8]) -> Result<(usize, Option<Head>), String> {
        let before = self.bytes.len();
        let more = &more[..more.len().min(LONGEST - before)];
        self.bytes.extend_from_slice(more);
        self.pass_over_blank();
        while let Some(end) = self.next_empty_line() {
            if let Some((length, head)) = parse(side, &self.bytes[..end])? {
                self.bytes.truncate(length);
                return Ok((length - before.min(length), Some(head)));
            }
        }
        if self.bytes.len() >= self.next_look {
            parse(side, &self.bytes)?;
            self.next_look = 2 * self.bytes.len();
        }
        if self.bytes.len() == LONGEST {
            return Err(format!("a head of more than {LONGEST} bytes is not read"));
        }
        Ok((more.len(), None))
    }

    /// An empty line before the head does not end it. If each of them were a
    /// reason to look, thousands would cost the square of their number.
    fn pass_over_blank(&mut self) {
        let unsearched = &self.bytes[self.blank..];
        let is_blank = |byte: &&u8| matches!(byte, b'\r' | b'\n');
        self.blank += unsearched.iter().take_while(is_blank).count();
        self.searched = self.searched.max(self.blank);
    }

    /// Where the next empty line ends that has not been looked at.
    fn next_empty_line(&mut self) -> Option<usize> {
        let unsearched = &self.bytes[self.searched..];
        let found = unsearched.iter().enumerate().find_map(|(index, byte)| {
            let rest = &unsearched[index..];
            match (byte, rest.get(1), rest.get(2)) {
                (b'\n', Some(b'\n'), _) => Some((index, 2)),
                (b'\n', Some(b'\r'), Some(b'\n')) => Some((index, 3)),
                _ => None,
            }
        });
        let Some((index, length)) = found else {
            // The last two bytes may be the beginning of one.
            self.searched = self.searched.max(self.bytes.len().saturating_sub(2));
            return None;
        };
        let end = self.searched + index + length;
        self.searched = end - 1;
        Some(end)
    }
}

/// A head and its length, if it is whole.
fn parse(side: Side, bytes: &[u8]) -> Result<Option<(usize, Head)>, String> {
    let mut headers = [EMPTY_HEADER; MOST_HEADERS];
    match side {
        Side::Client => {
            let mut request = httparse::Request::new(&mut headers);
            let status = request.parse(bytes).map_err(words)?;
            let start = Start::Request {
                method: request.method.unwrap_or_default().to_string(),
                target: request.path.unwrap_or_default().to_string(),
            };
            Ok(whole(status, start, request.headers))
        }
        Side::Server => {
            let mut response = httparse::Response::new(&mut headers);
            let status = response.parse(bytes).map_err(words)?;
            let start = Start::Response {
                status: response.code.unwrap_or_default(),
                reason: response.reason.unwrap_or_default().to_string(),
            };
            Ok(whole(status, start, response.headers))
        }
    }
}

fn whole(status: Status<usize>, start: Start, headers: &[Header]) -> Option<(usize, Head)> {
    let Status::Complete(length) = status else {
        return None;
    };
    let value = |header: &Header| String::from_utf8_lossy(header.value).into_owned();
    let lines = headers.iter();
    let headers = Headers(
        lines
            .map(|header| (header.name.to_string(), value(header)))
            .collect(),
    );
    Some((length, Head { start, headers }))
}

fn words(error: Error) -> String {
    match error {
        Error::TooManyHeaders => format!("a head of more than {MOST_HEADERS} headers is not read"),
        other => format!("this is no HTTP/1.1: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GET /a HTTP/1.1\r\nHost: here\r\nX: 1\r\nx: 2, Three\r\n\r\n";

    fn all_at_once(side: Side, bytes: &[u8]) -> Result<(usize, Option<Head>), String> {
        Collecting::default().add(side, bytes)
    }

    #[test]
    fn a_head_is_the_same_however_it_is_cut() {
        let with_more = [HEAD, b"\r\nmore\r\n\r\n"].concat();
        let (length, head) = all_at_once(Side::Client, &with_more).unwrap();
        assert_eq!(length, HEAD.len());
        let head = head.unwrap();
        let mut collecting = Collecting::default();
        for (index, byte) in HEAD.iter().enumerate() {
            let (taken, found) = collecting.add(Side::Client, &[*byte]).unwrap();
            assert_eq!(taken, 1);
            assert_eq!(found.is_some(), index + 1 == HEAD.len());
            if let Some(found) = found {
                assert_eq!(found, head);
            }
        }
        assert_eq!(collecting.bytes(), HEAD);
    }

    #[test]
    fn headers_are_found_in_any_letters() {
        let (_, head) = all_at_once(Side::Client, HEAD).unwrap();
        let headers = head.unwrap().headers;
        assert_eq!(headers.get("X"), Some("1, 2, Three".to_string()));
        assert!(headers.lists("x", "three"));
        assert!(!headers.lists("x", "four"));
        assert_eq!(headers.get("y"), None);
    }

    #[test]
    fn empty_lines_may_stand_before_a_request() {
        let bytes = [b"\r\n\r\n".as_slice(), HEAD].concat();
        let (length, head) = all_at_once(Side::Client, &bytes).unwrap();
        assert_eq!(length, bytes.len());
        assert!(head.is_some());
    }

    #[test]
    fn no_head_ends_before_it_has_begun() {
        let mut collecting = Collecting::default();
        for _ in 0..2 {
            let (_, head) = collecting.add(Side::Client, &[b'\n'; 1000]).unwrap();
            assert_eq!(head, None);
            assert_eq!(collecting.next_empty_line(), None);
            assert_eq!(collecting.searched, collecting.bytes.len());
        }
        let (length, head) = collecting.add(Side::Client, HEAD).unwrap();
        assert_eq!(length, HEAD.len());
        assert!(head.is_some());
    }

    #[test]
    fn what_is_no_head_is_known_at_once() {
        let error = all_at_once(Side::Client, b"\x16\x03\x01").unwrap_err();
        assert!(error.starts_with("this is no HTTP/1.1"), "{error}");
        let error = all_at_once(Side::Server, b"SSH-2.0-x\r\n").unwrap_err();
        assert!(error.starts_with("this is no HTTP/1.1"), "{error}");
    }

    #[test]
    fn a_head_without_an_end_is_not_waited_for() {
        let mut collecting = Collecting::default();
        let line = b"GET / HTTP/1.1\r\nX: ";
        collecting.add(Side::Client, line).unwrap();
        let error = collecting.add(Side::Client, &vec![b'x'; LONGEST]);
        assert!(error.unwrap_err().contains("more than 65536 bytes"));
        let many = "X: y\r\n".repeat(MOST_HEADERS + 1);
        let error = all_at_once(
            Side::Client,
            format!("GET / HTTP/1.1\r\n{many}\r\n").as_bytes(),
        );
        assert!(error.unwrap_err().contains("more than 128 headers"));
    }
}
