//! Somebody who is far behind makes a mistake. The error comes when all that was
//! said before it has come or is lost, however much waits: what exercise 4.3 asks,
//! held against the finished servers in the case that a learner's need not meet.

use crate::conversation::{Conversation, Step, Stop, stop};
use crate::room::{ALICE, Room, number_of};
use crate::server::{Program, Server};
use crate::socket::json_of;

/// A server that has both a text for the client and one of it takes either first.
/// It can be wrong only when it takes the mistake first.
const TRIES: usize = 8;

/// More than kernels and a room keep for somebody who does not read.
const FLOOD: usize = 700;

/// How long each message is, in bytes.
const LONG: usize = 10_000;

/// Holds it several times in the room at a path.
///
/// # Errors
/// What was said before the error and had not come yet.
pub async fn come_last(program: &Program, path: &str) -> Result<(), String> {
    let server = Server::start_with(program, &[("STALL_MS", "600000")]).await?;
    let talk = Conversation::new(server).aside();
    for _ in 0..TRIES {
        comes_last(&talk, path)
            .await
            .map_err(|Stop(reason)| reason)?;
    }
    Ok(())
}

async fn comes_last(talk: &Conversation, path: &str) -> Step {
    let mut room = Room::with(talk, path, &["alice"]).await?;
    room.join(talk.narrow_socket("zoe", path, 4096).await?)
        .await?;
    let mut zoe = room.people.pop().expect("zoe is there");
    room.say_at_length(talk, ALICE, 1..=FLOOD, LONG).await?;
    zoe.send_text("oops").await?;
    let mut newest = 0;
    loop {
        let heard = json_of(&zoe.next().await.map_err(Stop)?).unwrap_or_default();
        if heard.get("error").is_some() {
            break;
        }
        newest = number_of(&heard).unwrap_or(newest);
    }
    if newest == FLOOD {
        Ok(())
    } else {
        stop(format!(
            "the error came after message {newest}, and {FLOOD} had been said before it"
        ))
    }
}
