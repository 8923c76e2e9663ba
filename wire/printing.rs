//! The terminal: the conversation in the notation of the workbook's transcripts.

use std::io::{self, Write};
use std::sync::Arc;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::conversations::Conversations;
use crate::event::{Event, Kind};
use crate::journal::News;
use crate::recording::Chunk;
use crate::side::Side;

/// How wide the name of a connection is. From the hundredth on, lines stand out.
const LANE: usize = "client-10".len();

/// Prints events as they come, for as long as there are any.
///
/// # Errors
/// When nothing can be written any more.
pub async fn print(mut news: Receiver<Arc<News>>, output: &mut impl Write) -> io::Result<()> {
    loop {
        match news.recv().await {
            Ok(news) => write!(output, "{}", lines(&news.event))?,
            Err(RecvError::Lagged(missed)) => {
                writeln!(
                    output,
                    "# {missed} events are missing: the terminal was too slow"
                )?;
            }
            Err(RecvError::Closed) => return Ok(()),
        }
        output.flush()?;
    }
}

/// A recording that is heard again, to be printed.
#[derive(Default)]
pub struct Replay(Conversations);

impl Replay {
    /// The lines of what comes next in the recording. However many they are,
    /// none is missing: unlike a connection, a file waits for the terminal.
    pub fn lines(&mut self, chunk: &Chunk) -> String {
        self.0.hear_again(chunk).iter().map(lines).collect()
    }
}

/// An event in the notation of the transcripts; nothing if it goes without
/// saying, or if the rest of it is to come.
pub fn lines(event: &Event) -> String {
    let goes_without_saying = match event.kind {
        Kind::Opened => true,
        Kind::Ended => event.problem.is_none(),
        _ => false,
    };
    if goes_without_saying || !event.done {
        return String::new();
    }
    let lane = format!("client-{}", event.connection);
    let direction = match event.from {
        Side::Client => '>',
        Side::Server => '<',
    };
    let mut lines = format!("{lane:LANE$} {direction} {}\n", event.line);
    let problem = event.problem.as_ref();
    let problem = problem.map(|problem| format!("! {problem}"));
    for detail in event.details.iter().chain(&problem) {
        lines.push_str(&format!("{:LANE$}     {detail}\n", ""));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::BACKLOG;

    fn said(from: Side, bytes: &[u8]) -> Chunk {
        Chunk {
            connection: 1,
            at: 0.0,
            from,
            bytes: bytes.to_vec(),
            reset: false,
        }
    }

    #[test]
    fn of_a_recording_nothing_is_missing_however_much_came_at_once() {
        let asked = b"GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        let switching = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
        let frame = b"\x81\x01a";
        let many = BACKLOG + 1000;
        let mut replay = Replay::default();
        replay.lines(&said(Side::Client, asked));
        replay.lines(&said(Side::Server, switching));
        let lines = replay.lines(&said(Side::Server, &frame.repeat(many)));
        assert_eq!(lines, "client-1  < text \"a\"\n".repeat(many));
    }
}
