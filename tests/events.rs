//! Server-sent events, as a browser's `EventSource` reads them.
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>

use reqwest::Response;
use tokio::time::timeout;

use crate::answer::Answer;
use crate::conversation::{PATIENCE, Step, nothing_within, stop};
use crate::transcript::readable;

/// A stream of events that has been opened.
pub struct Events {
    /// The head of the answer.
    pub answer: Answer,
    response: Response,
    unread: Vec<u8>,
    /// Whether the last line ended with a CR, which a LF may belong to.
    skip_line_feed: bool,
    last_id: String,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The id of this event, or of the last one before it that had one.
    pub id: String,
    /// Its name; `message` when the server gave none.
    pub name: String,
    /// Its data, lines joined by line breaks.
    pub data: String,
}

impl Events {
    pub(crate) fn new(answer: Answer, response: Response) -> Self {
        Self {
            answer,
            response,
            unread: Vec::new(),
            skip_line_feed: false,
            last_id: String::new(),
        }
    }

    /// Waits for the next event and writes it down.
    ///
    /// # Errors
    /// When none comes in time, or the stream ends.
    pub async fn receive(&mut self) -> Step<Event> {
        let Answer {
            transcript, lane, ..
        } = &self.answer;
        let (transcript, lane) = (transcript.clone(), lane.clone());
        match self.next().await {
            Ok(event) => {
                let name = if event.name == "message" {
                    String::new()
                } else {
                    format!(" {}", event.name)
                };
                let what = format!(
                    "event{name} with id {:?}: {}",
                    event.id,
                    readable(&event.data)
                );
                transcript.received(&lane, what);
                Ok(event)
            }
            Err(instead) => {
                transcript.received(&lane, &instead);
                stop(format!("{lane} got {instead} where an event was due"))
            }
        }
    }

    /// Waits for the next event and writes nothing down.
    ///
    /// # Errors
    /// What came instead of an event.
    pub async fn next(&mut self) -> Result<Event, String> {
        let event = timeout(PATIENCE, self.read_event()).await;
        event.unwrap_or_else(|_| match self.unread.as_slice() {
            [] => Err(nothing_within()),
            unread => Err(format!(
                "no whole event within {} s, only {:?}",
                PATIENCE.as_secs(),
                String::from_utf8_lossy(unread)
            )),
        })
    }

    async fn read_event(&mut self) -> Result<Event, String> {
        let mut name = String::new();
        let mut data: Vec<String> = Vec::new();
        loop {
            let line = self.read_line().await?;
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value).to_string();
            match field {
                // An empty line ends an event; one without data is none.
                "" if line.is_empty() => {
                    if !data.is_empty() {
                        return Ok(Event {
                            id: self.last_id.clone(),
                            name: if name.is_empty() {
                                "message".to_string()
                            } else {
                                name
                            },
                            data: data.join("\n"),
                        });
                    }
                    name.clear();
                }
                "id" => self.last_id = value,
                "event" => name = value,
                "data" => data.push(value),
                // A comment (nothing before the colon), `retry`, or an unknown field.
                _ => {}
            }
        }
    }

    /// A line ends with LF, CR, or both.
    async fn read_line(&mut self) -> Result<String, String> {
        loop {
            if self.skip_line_feed && self.unread.first() == Some(&b'\n') {
                self.unread.remove(0);
                self.skip_line_feed = false;
            }
            let end = self
                .unread
                .iter()
                .position(|byte| matches!(byte, b'\n' | b'\r'));
            if let Some(end) = end {
                self.skip_line_feed = self.unread[end] == b'\r';
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line[..end]).into_owned();
                // A byte order mark may stand before the first line.
                return Ok(line.trim_start_matches('\u{feff}').to_string());
            }
            match self.response.chunk().await {
                Ok(Some(bytes)) => self.unread.extend_from_slice(&bytes),
                Ok(None) | Err(_) => return Err("the end of the stream".to_string()),
            }
        }
    }
}
