//! The terminal: the conversation in the notation of the workbook's transcripts.

use std::io::{self, Write};
use std::sync::Arc;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::event::{Event, Kind};
use crate::journal::News;
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
