//! N clients in a room, each with its transcript: the vocabulary of every chat.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::conversation::{Conversation, Step, stop};
use crate::socket::{Socket, json_of};

/// The first who comes: a place in [`Room::people`].
pub const ALICE: usize = 0;
/// The second who comes.
pub const BOB: usize = 1;

/// A chat message.
pub fn says(sender: &str, message: &str) -> Value {
    json!({ "sender": sender, "message": message })
}

/// Whether a message is `{"online":N}`, which only some exercises are about.
pub fn is_presence(message: &Message) -> bool {
    json_of(message).is_some_and(|data| data.get("online").is_some())
}

/// A room's name as it stands in a path: percent-encoded (RFC 3986 2.1).
pub fn in_path(name: &str) -> String {
    let encoded = name.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    });
    encoded.collect()
}

/// The people in a room, in the order in which they came.
#[derive(Default)]
pub struct Room {
    /// Their sockets.
    pub people: Vec<Socket>,
}

impl Room {
    /// Opens the room at a path with these people in it.
    pub async fn with(talk: &Conversation, path: &str, lanes: &[&str]) -> Step<Self> {
        let mut room = Self::default();
        for lane in lanes {
            talk.step(&format!("{lane} joins and says so"));
            room.join(talk.socket(lane, path).await?).await?;
        }
        Ok(room)
    }

    /// Lets somebody in. An upgrade is answered before the server listens to
    /// the socket, so everybody waits until the newcomer has been heard.
    pub async fn join(&mut self, newcomer: Socket) -> Step {
        self.people.push(newcomer.passing_over(is_presence));
        self.say(self.people.len() - 1, "I am here.").await
    }

    /// Somebody says something, and everybody hears it.
    pub async fn say(&mut self, speaker: usize, message: &str) -> Step {
        let speaker = &mut self.people[speaker];
        let name = speaker.lane.clone();
        speaker.send_json(says(&name, message)).await?;
        tell(&mut self.people).await
    }

    /// Somebody says a thing for each number, each so many bytes long, and
    /// everybody hears them in order.
    pub async fn say_at_length(
        &mut self,
        talk: &Conversation,
        speaker: usize,
        numbers: RangeInclusive<usize>,
        bytes: usize,
    ) -> Step {
        let count = numbers.clone().count();
        let numbers: Vec<usize> = numbers.collect();
        for numbers in numbers.chunks(ON_THEIR_WAY) {
            self.say_numbers(talk, speaker, numbers, bytes).await?;
        }
        for person in &self.people {
            let what = format!("{count} messages of {bytes} bytes each");
            talk.transcript.received(&person.lane, what);
        }
        Ok(())
    }

    /// A few of these things, and nothing is written down unless it goes wrong.
    pub async fn say_numbers(
        &mut self,
        talk: &Conversation,
        speaker: usize,
        numbers: &[usize],
        bytes: usize,
    ) -> Step {
        let long = "x".repeat(bytes);
        let name = self.people[speaker].lane.clone();
        let messages = numbers
            .iter()
            .map(|number| says(&name, &format!("{number} {long}")));
        let messages: Vec<Value> = messages.collect();
        for message in &messages {
            self.people[speaker].send_quietly(message).await?;
        }
        for person in &mut self.people {
            for (message, number) in messages.iter().zip(numbers) {
                let heard = hears(person, message).await;
                heard.or_else(|instead| {
                    let what = format!("{instead} instead of message {number}");
                    talk.transcript.received(&person.lane, &what);
                    stop(format!("{} got {what}", person.lane))
                })?;
            }
        }
        Ok(())
    }
}

/// How many messages are on their way at the same time when one of them talks
/// at length: few enough for any room.
pub const ON_THEIR_WAY: usize = 10;

/// How long somebody may take who has to catch up: what waited is read a few
/// kilobytes at a time, on a machine that may have much else to do.
pub const CATCHING_UP: Duration = Duration::from_secs(30);

/// The number of a message of somebody who talks at length.
pub fn number_of(said: &Value) -> Option<usize> {
    let words = said["message"].as_str()?;
    words.split(' ').next()?.parse().ok()
}

/// Everybody is told something, and it is written down.
pub async fn tell(people: &mut [Socket]) -> Step {
    for person in people {
        person.receive().await?;
    }
    Ok(())
}

/// Waits for this very message, and writes nothing down, for crowds of them.
///
/// # Errors
/// What came instead.
pub async fn hears(person: &mut Socket, expected: &Value) -> Result<(), String> {
    let message = person.next().await?;
    if json_of(&message).as_ref() == Some(expected) {
        Ok(())
    } else {
        Err("another message".to_string())
    }
}

/// Waits for this very message, whatever comes before it, and writes nothing down.
///
/// # Errors
/// What came instead when nothing more came.
pub async fn hears_at_last(person: &mut Socket, expected: &Value) -> Result<(), String> {
    while json_of(&person.next().await?).as_ref() != Some(expected) {}
    Ok(())
}
