//! A client of a Redis server as redis-cli is one: a command, and its response.
//! The notation on the wire is RESP2: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// What Redis responds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A word or a string.
    Text(String),
    /// A number.
    Number(i64),
    /// Several of them.
    List(Vec<Reply>),
    /// Nothing is there.
    Nothing,
}

/// Sends one command on a connection of its own.
///
/// # Errors
/// When there is no connection, or the response is an error or cannot be read.
pub async fn ask(port: u16, words: &[&[u8]]) -> io::Result<Reply> {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
    stream.write_all(&packed(words)).await?;
    read(&mut stream).await
}

/// A command on the wire: a list of its words, each with its length before it.
pub fn packed(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).into_bytes());
        bytes.extend(*word);
        bytes.extend(b"\r\n");
    }
    bytes
}

/// Reads a response. Its first letter says what it is.
async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Reply> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let line = line.trim_end();
    let Some(kind) = line.get(..1) else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let rest = &line[1..];
    let number = || rest.parse::<i64>().map_err(io::Error::other);
    match kind {
        "+" => Ok(Reply::Text(rest.to_string())),
        ":" => Ok(Reply::Number(number()?)),
        "$" => match usize::try_from(number()?) {
            Ok(length) => {
                let mut bytes = vec![0; length + 2];
                stream.read_exact(&mut bytes).await?;
                let text = String::from_utf8_lossy(&bytes[..length]);
                Ok(Reply::Text(text.into_owned()))
            }
            Err(_) => Ok(Reply::Nothing),
        },
        "*" => {
            let mut list = Vec::new();
            for _ in 0..number()? {
                list.push(Box::pin(read(stream)).await?);
            }
            Ok(Reply::List(list))
        }
        _ => Err(io::Error::other(line.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_list_of_words_with_their_lengths() {
        let bytes = packed(&[b"PUBLISH", "chat:로비".as_bytes(), b""]);
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text,
            "*3\r\n$7\r\nPUBLISH\r\n$11\r\nchat:로비\r\n$0\r\n\r\n"
        );
    }
}
