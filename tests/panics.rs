//! Panics of the server, read from what it wrote to stderr.

use crate::lesson::Number;

/// A panic of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    /// File, line and column: `lessons/04-chat/main.rs:57:9`.
    pub place: String,
    /// What it said, in one paragraph.
    pub message: String,
}

impl Panic {
    /// The exercise whose `todo!` this was.
    pub fn hole(&self) -> Option<Number> {
        let text = self.message.strip_prefix("not yet implemented: ")?;
        text.split_whitespace().next()?.parse().ok()
    }
}

/// The first panic in what the server wrote to stderr.
pub fn first(stderr: &str) -> Option<Panic> {
    let mut lines = stderr.lines();
    let head = lines.find(|line| line.starts_with("thread '") && line.contains(PANICKED_AT))?;
    let (_, place) = head.split_once(PANICKED_AT)?;
    let message: Vec<&str> = lines
        .take_while(|line| !line.starts_with("note: ") && !line.starts_with("thread '"))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    Some(Panic {
        place: place.trim_end_matches(':').to_string(),
        message: message.join(" "),
    })
}

const PANICKED_AT: &str = " panicked at ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_from_other_output() {
        let stderr = "listening\n\nthread 'tokio-rt-worker' (7) panicked at lessons/04-chat/main.rs:57:9:\n\
                      not yet implemented: 4.1 send it on\nnote: run with `RUST_BACKTRACE=1`\n";
        let panic = first(stderr).unwrap();
        assert_eq!(panic.place, "lessons/04-chat/main.rs:57:9");
        assert_eq!(panic.message, "not yet implemented: 4.1 send it on");
        assert_eq!(panic.hole(), Some(Number(4, 1)));
        assert_eq!(first("nothing happened"), None);
    }
}
