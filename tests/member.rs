//! A client that holds many conversations on one socket. The replies to its
//! requests and what each room says are read apart, because the order between
//! them is free; the transcript has them in the order in which it asks.

use serde_json::{Value, json};

use crate::conversation::{Conversation, Step, stop};
use crate::socket::{Socket, json_of};
use crate::transcript::{Transcript, readable};

/// A room: its namespace and its name.
pub type Place = (&'static str, &'static str);

/// The envelope of a request that has no data.
pub fn envelope((ns, room): Place, event: &str) -> Value {
    json!({ "ns": ns, "room": room, "event": event })
}

/// The envelope of a message.
pub fn message(place: Place, sender: &str, message: &str) -> Value {
    let mut envelope = envelope(place, "message");
    envelope["data"] = json!({ "sender": sender, "message": message });
    envelope
}

/// An envelope whose reply is to bear this `ref`.
pub fn with_ref(mut envelope: Value, reference: impl Into<Value>) -> Value {
    envelope["ref"] = reference.into();
    envelope
}

/// A client on the one socket.
pub struct Member {
    /// Its socket, with which it may leave.
    pub socket: Socket,
    transcript: Transcript,
    /// The `ref` of each reply that is due; none for an error without a `ref`.
    due: Vec<Option<Value>>,
    /// Replies that have come and have not been asked for.
    replies: Vec<Value>,
    /// What rooms have said, and has not been asked for.
    said: Vec<Value>,
}

impl Member {
    /// Opens the socket.
    pub async fn new(talk: &Conversation, lane: &str) -> Step<Self> {
        Ok(Self::on(talk, talk.lenient_socket(lane, "/ws").await?))
    }

    /// A member on a socket that is open.
    pub fn on(talk: &Conversation, socket: Socket) -> Self {
        Self {
            socket,
            transcript: talk.transcript.clone(),
            due: Vec::new(),
            replies: Vec::new(),
            said: Vec::new(),
        }
    }

    /// Sends a request. One with a `ref` gets a reply; one without is taken to succeed.
    pub async fn ask(&mut self, envelope: Value) -> Step {
        self.due.extend(envelope.get("ref").cloned().map(Some));
        self.socket.send_json(envelope).await
    }

    /// Sends a request with a `ref`, and waits for its reply.
    pub async fn ask_and_hear_how(&mut self, envelope: Value) -> Step {
        let reference = envelope["ref"].clone();
        self.ask(envelope).await?;
        self.reply(Some(&reference)).await
    }

    /// Sends what gets an error without a `ref`, and waits for that.
    pub async fn blunder(&mut self, text: &str) -> Step {
        self.due.push(None);
        self.socket.send_text(text).await?;
        self.reply(None).await
    }

    /// Joins a room, and waits until it says how many are there.
    pub async fn join(&mut self, place: Place) -> Step {
        self.ask(envelope(place, "join")).await?;
        self.hears(place).await
    }

    /// Waits for the reply with this `ref`, or for the error without one.
    pub async fn reply(&mut self, reference: Option<&Value>) -> Step {
        loop {
            let of = |reply: &Value| reply.get("ref") == reference;
            if let Some(at) = self.replies.iter().position(of) {
                let reply = self.replies.remove(at);
                self.write_down(&reply);
                return Ok(());
            }
            self.read().await?;
        }
    }

    /// Waits for what a room says next.
    pub async fn hears(&mut self, place: Place) -> Step {
        let (ns, room) = place;
        loop {
            let there = |said: &Value| said["ns"] == ns && said["room"] == room;
            if let Some(at) = self.said.iter().position(there) {
                let said = self.said.remove(at);
                self.write_down(&said);
                return Ok(());
            }
            self.read().await?;
        }
    }

    /// Nothing has come that was not asked for: a sentinel has come since it could have.
    pub fn heard_nothing_else(&mut self) -> Step {
        if self.write_down_the_rest() {
            let lane = &self.socket.lane;
            stop(format!("{lane} got something that was not due"))
        } else {
            Ok(())
        }
    }

    /// Reads one more text, and puts it where it belongs.
    async fn read(&mut self) -> Step {
        let message = match self.socket.next().await {
            Ok(message) => message,
            Err(instead) => {
                // What came instead says most about what went wrong.
                self.write_down_the_rest();
                let lane = self.socket.lane.clone();
                self.transcript.received(&lane, &instead);
                return stop(format!("{lane} got {instead}"));
            }
        };
        let data = json_of(&message).unwrap_or_default();
        if data.get("ok").is_some() {
            let reference = data.get("ref").cloned();
            match self.due.iter().position(|due| *due == reference) {
                Some(at) => {
                    self.due.remove(at);
                    self.replies.push(data);
                    return Ok(());
                }
                None => self.write_down(&data),
            }
        } else if data.get("ns").is_some() && data.get("room").is_some() {
            self.said.push(data);
            return Ok(());
        } else {
            let what = match message.to_text() {
                Ok(text) if message.is_text() => format!("text {}", readable(text)),
                _ => "what is no text".to_string(),
            };
            self.transcript.received(&self.socket.lane, what);
        }
        let lane = &self.socket.lane;
        stop(format!("{lane} got something that was not due"))
    }

    fn write_down(&self, data: &Value) {
        let text = format!("text {}", readable(&data.to_string()));
        self.transcript.received(&self.socket.lane, text);
    }

    fn write_down_the_rest(&mut self) -> bool {
        let rest: Vec<Value> = self.replies.drain(..).chain(self.said.drain(..)).collect();
        for data in &rest {
            self.write_down(data);
        }
        !rest.is_empty()
    }
}
