//! Requests and their responses (RFC 9112), and the change to another protocol.

use std::mem;

use super::stream::Events;
use super::{Conversation, Growing, Hearing, Reading, done};
use crate::body::{Body, content_of_chunks};
use crate::event::{Event, Kind};
use crate::frames::Frames;
use crate::head::{Collecting, Head, Headers, Start};
use crate::kept::Kept;
use crate::notation;
use crate::side::Side;

/// So many requests may wait for their responses.
const MOST_ASKED: usize = 1000;

/// So many bytes of a client are held until its upgrade is answered.
const MOST_HELD: usize = 64 * 1024;

/// A key has 24 characters (RFC 6455 4.1). What is far longer is not kept.
const LONGEST_KEY: usize = 100;

/// What has to be known of a request to read its response.
#[derive(Debug, Default)]
pub(super) struct Asked {
    is_head: bool,
    is_connect: bool,
    /// The protocol to which it wants to change.
    upgrade: Option<String>,
    /// Its Sec-WebSocket-Key.
    key: Option<String>,
}

impl Asked {
    fn new(method: &str, headers: &Headers) -> Self {
        let key = headers.get("sec-websocket-key");
        Self {
            is_head: method == "HEAD",
            is_connect: method == "CONNECT",
            upgrade: notation::upgrade_of(headers).map(|protocol| notation::shortened(&protocol)),
            key: key.filter(|key| key.len() <= LONGEST_KEY),
        }
    }
}

/// A message whose body is coming.
#[derive(Debug)]
pub(super) struct Message {
    body: Body,
    headers: Headers,
    /// There is no event yet if the body comes apart from its head, and has not begun.
    pub(super) growing: Option<Growing>,
}

impl Message {
    /// In the middle of what it would be if its side ended now.
    pub(super) fn missing(&self) -> Option<String> {
        match (&self.body, self.body.missing()) {
            (Body::UntilTheEnd, _) => None,
            (_, Some(missing)) => Some(format!(
                "a body, of which {} are missing",
                notation::bytes(missing)
            )),
            (_, None) => Some("a body".to_string()),
        }
    }
}

impl Conversation {
    pub(super) fn head(
        &mut self,
        hearing: &mut Hearing,
        mut collecting: Collecting,
        bytes: &[u8],
    ) -> (Reading, usize) {
        let before = collecting.bytes().len();
        match collecting.add(hearing.from, bytes) {
            Ok((taken, None)) => (Reading::Head(collecting), taken),
            Ok((taken, Some(head))) => {
                let kept = Kept::new(collecting.bytes());
                let next = match head.start.clone() {
                    Start::Request { method, .. } => self.request(hearing, &method, head, kept),
                    Start::Response { status, .. } => self.response(hearing, status, head, kept),
                };
                (next, taken)
            }
            Err(problem) => {
                self.raw(hearing, collecting.bytes(), Some(problem));
                (Reading::Raw, collecting.bytes().len() - before)
            }
        }
    }

    fn request(&mut self, hearing: &mut Hearing, method: &str, head: Head, kept: Kept) -> Reading {
        let mut event = self.begun(hearing, Kind::Request, &head, kept);
        if self.asked.len() == MOST_ASKED {
            event.problem = Some(format!(
                "{MOST_ASKED} requests wait for their responses: what follows is not read"
            ));
            hearing.told.push(done(event));
            return Reading::Raw;
        }
        let headers = head.headers;
        self.asked.push_back(Asked::new(method, &headers));
        let body = Body::of_request(&headers);
        // A body that waits for a go-ahead comes later (RFC 9110 10.1.1).
        let late = headers.lists("expect", "100-continue");
        self.with_body(hearing, event, headers, body, late)
    }

    fn response(&mut self, hearing: &mut Hearing, status: u16, head: Head, kept: Kept) -> Reading {
        let event = self.begun(hearing, Kind::Response, &head, kept);
        // Such a response comes before the one that counts (RFC 9110 15.2).
        if let 100 | 102..=199 = status {
            hearing.told.push(done(event));
            return Reading::default();
        }
        // A server may also speak unasked, when it has waited too long.
        let asked = self.asked.pop_front().unwrap_or_default();
        if status == 101 {
            return self.switch(hearing, event, asked);
        }
        if asked.is_connect && (200..300).contains(&status) {
            hearing.told.push(done(event));
            self.client = Reading::Raw;
            return Reading::Raw;
        }
        let next = if asked.is_head || matches!(status, 204 | 304) {
            self.with_body(hearing, event, head.headers, Ok(Body::Length(0)), false)
        } else {
            self.with_content(hearing, event, head.headers)
        };
        if asked.upgrade.is_some() {
            self.release(hearing, Reading::default());
        }
        next
    }

    /// A response goes on with what was asked for.
    fn with_content(&mut self, hearing: &mut Hearing, event: Event, headers: Headers) -> Reading {
        let media_type = headers.get("content-type").unwrap_or_default();
        let is_stream = media_type.starts_with("text/event-stream")
            && headers.get("content-encoding").is_none();
        match Body::of_response(&headers) {
            Ok(body) if is_stream && !body.is_over() => {
                hearing.told.push(done(event));
                Reading::Events(Events::new(body))
            }
            body => self.with_body(hearing, event, headers, body, false),
        }
    }

    /// The protocol changes (RFC 9110 7.8).
    fn switch(&mut self, hearing: &mut Hearing, mut event: Event, asked: Asked) -> Reading {
        let protocol = asked
            .upgrade
            .unwrap_or("nothing that was asked for".to_string());
        self.is_socket = protocol.eq_ignore_ascii_case("websocket");
        if self.is_socket {
            event.kind = Kind::Upgrade;
            event.key = asked.key;
            hearing.told.push(done(event));
            self.release(hearing, Reading::Frames(Frames::default(), None));
            return Reading::Frames(Frames::default(), None);
        }
        event.problem = Some(format!("what follows is not read: it is {protocol}"));
        hearing.told.push(done(event));
        self.release(hearing, Reading::Raw);
        Reading::Raw
    }

    /// The client's upgrade is answered: now it is known what its bytes are.
    fn release(&mut self, hearing: &mut Hearing, next: Reading) {
        let Reading::Held(held) = &mut self.client else {
            // It has ended, or has sent more than can be held.
            return;
        };
        let held = mem::take(held);
        self.client = next;
        hearing
            .told
            .extend(self.hear(Side::Client, hearing.at, &held));
    }

    /// Bytes of a client before its upgrade is answered.
    pub(super) fn hold(
        &mut self,
        hearing: &mut Hearing,
        mut held: Vec<u8>,
        bytes: &[u8],
    ) -> (Reading, usize) {
        held.extend_from_slice(bytes);
        if held.len() <= MOST_HELD {
            return (Reading::Held(held), bytes.len());
        }
        let problem = format!("the upgrade is not answered, and more than {MOST_HELD} bytes wait");
        self.raw(hearing, &held, Some(problem));
        (Reading::Raw, bytes.len())
    }

    /// The event of a message whose head has come.
    fn begun(&mut self, hearing: &Hearing, kind: Kind, head: &Head, kept: Kept) -> Event {
        let line = notation::start_line(head);
        let mut event = self.event(hearing.from, hearing.at, kind, line, kept);
        event.details = notation::headers(&head.headers);
        event
    }

    /// A message goes on with its body, if there is one.
    fn with_body(
        &mut self,
        hearing: &mut Hearing,
        mut event: Event,
        headers: Headers,
        body: Result<Body, String>,
        late: bool,
    ) -> Reading {
        match body {
            Ok(body) if body.is_over() => {
                hearing.told.push(done(event));
                self.after_message(hearing.from)
            }
            Ok(body) => {
                let growing = if late {
                    hearing.told.push(done(event));
                    None
                } else {
                    Some(Growing::from(event))
                };
                Reading::Message(Message {
                    body,
                    headers,
                    growing,
                })
            }
            Err(problem) => {
                event.problem = Some(problem);
                hearing.told.push(done(event));
                Reading::Raw
            }
        }
    }

    /// What comes after a message that is whole.
    fn after_message(&self, side: Side) -> Reading {
        let waits = self
            .asked
            .back()
            .is_some_and(|asked| asked.upgrade.is_some());
        match side {
            Side::Client if waits => Reading::Held(Vec::new()),
            _ => Reading::default(),
        }
    }

    pub(super) fn message(
        &mut self,
        hearing: &mut Hearing,
        mut message: Message,
        bytes: &[u8],
    ) -> (Reading, usize) {
        let growing = message.growing.get_or_insert_with(|| {
            let line = "the body".to_string();
            let kept = Kept::new(&[]);
            self.event(hearing.from, hearing.at, Kind::Body, line, kept)
                .into()
        });
        match message.body.next(bytes) {
            Ok(piece) => {
                growing.event.bytes.add(&bytes[..piece.length]);
                if !message.body.is_over() {
                    return (Reading::Message(message), piece.length);
                }
                self.finish_message(hearing, message, None);
                (self.after_message(hearing.from), piece.length)
            }
            Err(problem) => {
                self.finish_message(hearing, message, Some(problem));
                (Reading::Raw, 0)
            }
        }
    }

    pub(super) fn finish_message(
        &self,
        hearing: &mut Hearing,
        message: Message,
        problem: Option<String>,
    ) {
        let Some(Growing { mut event, .. }) = message.growing else {
            return;
        };
        event.problem = problem;
        let body = {
            let bytes = event.bytes.lock();
            let content = match message.body {
                Body::Chunked(_) => content_of_chunks(bytes.body()),
                _ => bytes.body().to_vec(),
            };
            let compressed = message.headers.get("content-encoding").is_some();
            if bytes.is_cut() || compressed {
                let size = bytes.size - bytes.head as u64;
                vec![format!("body: of {}", notation::bytes(size))]
            } else {
                let media_type = message.headers.get("content-type").unwrap_or_default();
                notation::body(&media_type, &content)
            }
        };
        event.details.extend(body);
        hearing.told.push(done(event));
    }
}
