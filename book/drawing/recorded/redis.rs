//! What a process of lesson 8 and Redis say to each other, in RESP3:
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use super::anchors::Anchors;
use crate::Drawn;
use crate::recording;

/// `redis.txt`: the commands of a process, and what comes back.
pub fn redis() -> Result<Drawn, String> {
    let connections = recording::read("redis")?.connections();
    let [connection] = connections.as_slice() else {
        return Err("redis: a process must have one connection".to_string());
    };
    let commands = values(&connection.client)?;
    let answers = values(&connection.server)?;
    let find = |all: &[String], what: &str, words: &[&str]| {
        let fits = |value: &&String| words.iter().all(|word| value.contains(word));
        let found = all.iter().find(fits).cloned();
        found.ok_or(format!("redis: nobody said {what}"))
    };
    let mut file = Anchors::default();
    for (name, all, words) in [
        ("hello", &commands, &["HELLO"][..]),
        ("subscribe", &commands, &["\nSUBSCRIBE\n"]),
        ("subscribed", &answers, &["\nsubscribe\n"]),
        ("publish", &commands, &["\nPUBLISH\n"]),
        ("ours", &answers, &["\nmessage\n", "\"sender\":\"Ann\""]),
        ("others", &answers, &["\nmessage\n", "\"sender\":\"Ben\""]),
        ("ping", &commands, &["\nPING\n"]),
        ("unsubscribe", &commands, &["\nUNSUBSCRIBE\n"]),
        ("unsubscribed", &answers, &["\nunsubscribe\n"]),
    ] {
        file.add(name, find(all, name, words)?.trim_end());
    }
    // A response that is a number is how many have received what was published.
    let received = answers.iter().find(|value| value.starts_with(':'));
    let received = received.ok_or("redis: nobody received what was published")?;
    file.add("published", received.trim_end());
    Ok(file.file("redis.txt"))
}

/// The values one after the other, each as text with a line for each line.
fn values(bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut values = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = length(rest).ok_or("redis: the recording ends within a value")?;
        let (value, behind) = rest.split_at(length);
        values.push(String::from_utf8_lossy(value).replace("\r\n", "\n"));
        rest = behind;
    }
    Ok(values)
}

/// How many bytes the first value has. Its first byte says what kind it is of.
fn length(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|end| end == b"\r\n")? + 2;
    let count = || -> Option<usize> {
        let number = str::from_utf8(&bytes[1..line - 2]).ok()?;
        number.parse().ok()
    };
    let within = match bytes[0] {
        // A string: its bytes follow, and an end of line.
        b'$' => return Some(line + count()? + 2),
        b'*' | b'>' => count()?,
        // A map: each of its entries is two values.
        b'%' => 2 * count()?,
        _ => 0,
    };
    (0..within).try_fold(line, |at, _| Some(at + length(&bytes[at..])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_apart() {
        let bytes = b"+OK\r\n:2\r\n*2\r\n$1\r\na\r\n$2\r\n\r\n\r\n%1\r\n+a\r\n>1\r\n_\r\n";
        let values = values(bytes).unwrap();
        let ends = ["+OK\n", ":2\n", "*2\n$1\na\n$2\n\n\n", "%1\n+a\n>1\n_\n"];
        assert_eq!(values, ends);
    }

    #[test]
    fn half_a_value_is_none() {
        assert!(values(b"*2\r\n$1\r\na\r\n").is_err());
    }
}
