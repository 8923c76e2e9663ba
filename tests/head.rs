//! The head of an answer, read from a bare connection.

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::conversation::PATIENCE;

/// The head of an answer, and what came glued to it.
///
/// # Errors
/// When there is none in time.
pub async fn read_head(stream: &mut TcpStream) -> Result<(String, Vec<u8>), String> {
    let mut bytes = Vec::new();
    let reading = async {
        loop {
            if let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
                return Some(end + 4);
            }
            let mut piece = [0; 1024];
            match stream.read(&mut piece).await {
                Ok(length @ 1..) => bytes.extend_from_slice(&piece[..length]),
                Ok(0) | Err(_) => return None,
            }
        }
    };
    let end = timeout(PATIENCE, reading).await.ok().flatten();
    let end = end.ok_or("no answer to the request")?;
    let rest = bytes.split_off(end);
    Ok((String::from_utf8_lossy(&bytes).into_owned(), rest))
}

/// The status of a head.
///
/// # Errors
/// When it has none.
pub fn status_of(head: &str) -> Result<u16, String> {
    let status = head.split(' ').nth(1);
    let status = status.and_then(|status| status.parse().ok());
    status.ok_or(format!("no status in {head:?}"))
}

/// The values of a header, joined as one (RFC 9110 5.3); none if the head lacks it.
pub fn header_of(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().skip(1);
    let fields = lines.filter_map(|line| line.split_once(':'));
    let values: Vec<&str> = fields
        .filter(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "HTTP/1.1 101 Switching Protocols\r\nX-One: 1\r\nx-one:  2 \r\n\r\n";

    #[test]
    fn a_head_has_a_status_and_headers_in_any_letters() {
        assert_eq!(status_of(HEAD), Ok(101));
        assert!(status_of("").is_err());
        assert_eq!(header_of(HEAD, "x-one"), Some("1, 2".to_string()));
        assert_eq!(header_of(HEAD, "x-two"), None);
    }
}
