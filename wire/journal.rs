//! What has happened lately: the newest events, and who waits for the next.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::extract::ws::Utf8Bytes;
use tokio::sync::broadcast::{self, Receiver, Sender};

use crate::conversations::Conversations;
use crate::event::{Event, Told};
use crate::forwarding::Heard;
use crate::recording::{Chunk, in_tenths_of_milliseconds};

/// How many events are kept.
pub const KEPT: usize = 2000;

/// How many events a slow viewer may be behind before it misses some.
pub const BACKLOG: usize = 4096;

/// An event, and the text in which the page gets it. It is made once, for all.
#[derive(Debug)]
pub struct News {
    pub event: Event,
    pub text: Utf8Bytes,
    /// Whether it is among those kept. One that went on for so long that its own
    /// beginning is forgotten is news to the terminal, and no row of the page.
    pub is_kept: bool,
}

/// The events of all connections.
pub struct Journal {
    began: Instant,
    state: Mutex<State>,
    news: Sender<Arc<News>>,
}

#[derive(Default)]
struct State {
    conversations: Conversations,
    kept: VecDeque<Arc<News>>,
    forgotten: u64,
}

/// What a viewer gets first, and where it hears the rest.
pub struct Subscription {
    /// How many events have been forgotten before the first of these.
    pub forgotten: u64,
    pub kept: Vec<Arc<News>>,
    pub news: Receiver<Arc<News>>,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            state: Mutex::default(),
            news: broadcast::channel(BACKLOG).0,
        }
    }
}

impl Journal {
    /// Seconds since the beginning.
    pub fn now(&self) -> f64 {
        in_tenths_of_milliseconds(self.began.elapsed())
    }

    /// Something happened on a connection just now.
    pub fn hear(&self, connection: usize, heard: Heard) {
        let at = self.now();
        let mut state = self.lock();
        let events = state.conversations.hear(connection, at, heard);
        state.tell_all(events, &self.news);
    }

    /// Something had happened when a recording was made.
    pub fn hear_again(&self, chunk: &Chunk) {
        let mut state = self.lock();
        let events = state.conversations.hear_again(chunk);
        state.tell_all(events, &self.news);
    }

    /// All that is kept, and all that comes: nothing in between is missed.
    pub fn subscribe(&self) -> Subscription {
        let state = self.lock();
        Subscription {
            forgotten: state.forgotten,
            kept: state.kept.iter().cloned().collect(),
            news: self.news.subscribe(),
        }
    }

    /// An event, if it is still kept.
    pub fn find(&self, id: &str) -> Option<Arc<News>> {
        let state = self.lock();
        let mut kept = state.kept.iter();
        kept.find(|news| news.event.id() == id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // One who panicked was told something that it could not read. The
        // others go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell_all(&mut self, events: Vec<Event>, news: &Sender<Arc<News>>) {
        for event in events {
            self.tell(event, news);
        }
    }

    fn tell(&mut self, event: Event, news: &Sender<Arc<News>>) {
        let text = serde_json::to_string(&Told::from(&event)).expect("an event makes JSON");
        let earlier = event.again.then(|| self.place_of(&event.id()));
        let told = Arc::new(News {
            event,
            text: text.into(),
            is_kept: earlier != Some(None),
        });
        match earlier {
            Some(Some(place)) => self.kept[place] = told.clone(),
            Some(None) => {}
            None => self.keep(told.clone()),
        }
        // The only error is that nobody looks.
        let _ = news.send(told);
    }

    /// Where an event is kept, if it still is.
    fn place_of(&self, id: &str) -> Option<usize> {
        self.kept.iter().rposition(|kept| kept.event.id() == id)
    }

    fn keep(&mut self, told: Arc<News>) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
            self.forgotten += 1;
        }
        self.kept.push_back(told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::side::Side;

    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";

    fn lines(kept: &[Arc<News>]) -> Vec<&str> {
        kept.iter().map(|news| news.event.line.as_str()).collect()
    }

    #[test]
    fn the_newest_are_kept_and_the_others_counted() {
        let journal = Journal::default();
        for _ in 0..KEPT + 3 {
            journal.hear(1, Heard::Bytes(Side::Client, b"GET / HTTP/1.1\r\n\r\n"));
            journal.hear(
                1,
                Heard::Bytes(Side::Server, b"HTTP/1.1 204 No Content\r\n\r\n"),
            );
        }
        let subscription = journal.subscribe();
        assert_eq!(subscription.kept.len(), KEPT);
        assert_eq!(subscription.forgotten, KEPT as u64 + 6);
        assert!(journal.find("1.1").is_none());
        assert!(journal.find(&format!("1.{}", 2 * KEPT + 6)).is_some());
    }

    #[test]
    fn what_is_told_again_takes_its_own_place() {
        let journal = Journal::default();
        journal.hear(1, Heard::Opened);
        journal.hear(1, Heard::Bytes(Side::Server, HEAD));
        journal.hear(2, Heard::Opened);
        let Subscription { kept, mut news, .. } = journal.subscribe();
        let expected = ["connection 1 opens", "200 OK", "connection 2 opens"];
        assert_eq!(lines(&kept), expected);
        assert!(!kept[1].event.done);
        journal.hear(1, Heard::Bytes(Side::Server, b"hello"));
        let kept = journal.subscribe().kept;
        assert_eq!(lines(&kept), expected);
        assert!(kept[1].event.done);
        let told = news.try_recv().unwrap();
        assert_eq!(told.event.id(), "1.2");
        assert!(told.text.contains(r#""done":true"#), "{}", told.text);
    }

    #[test]
    fn what_ends_when_its_beginning_is_forgotten_is_told_and_not_kept() {
        let journal = Journal::default();
        journal.hear(1, Heard::Bytes(Side::Server, HEAD));
        for connection in 2..KEPT + 3 {
            journal.hear(connection, Heard::Opened);
        }
        let mut news = journal.subscribe().news;
        journal.hear(1, Heard::Bytes(Side::Server, b"hello"));
        let told = news.try_recv().unwrap();
        assert_eq!(told.event.line, "200 OK");
        assert!(told.event.done && !told.is_kept);
        assert!(journal.find(&told.event.id()).is_none());
    }
}
