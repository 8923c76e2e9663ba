//! Faults that a room with slow readers meets, held against the finished
//! server of lesson 7. What a grader cannot ask without looking at the
//! server's process is asked here: that nothing is left behind in it.
//!
//! Not here: a client that vanishes without a FIN, which needs a network to pull
//! the plug of: `cargo bench --bench faults -- --fault vanish`. To a server that is
//! one who never reads and is silent, as here.

use futures_util::future::join_all;
use serde_json::json;

use crate::conversation::{Conversation, Step, Stop, stop};
use crate::resources::Resources;
use crate::room::{ALICE, ON_THEIR_WAY, Room, hears, is_presence, says};
use crate::server::{Program, Server};
use crate::socket::json_of;

const CHAT: &str = "/chat/public";

/// What a server may have grown by after a fault, in KiB.
const GROWTH: usize = 4 * 1024;

/// Holds each fault against a fresh server, three times: what the first time leaves
/// behind is what a server keeps ready, and the others must not add to it.
///
/// # Errors
/// The fault that the server did not survive, and what happened.
pub async fn all(program: &Program) -> Result<(), String> {
    for fault in [
        Fault::StopsReading,
        Fault::PingsAndNeverReads,
        Fault::Resets,
    ] {
        let server = Server::start_with(program, &[("STALL_MS", "500")]).await?;
        let talk = Conversation::new(server.clone());
        let outcome = leaves_nothing(&talk, fault).await;
        let stderr = server.end_and_read_stderr();
        outcome.map_err(|Stop(reason)| format!("{fault:?}: {reason}\n{stderr}"))?;
        if stderr.contains("panicked") {
            return Err(format!("{fault:?}: {stderr}"));
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    StopsReading,
    PingsAndNeverReads,
    Resets,
}

async fn leaves_nothing(talk: &Conversation, fault: Fault) -> Step {
    let before = talk.server.resources().map_err(Stop)?;
    let mut kept = before;
    for time in 0..3 {
        match fault {
            Fault::StopsReading => somebody_stops_reading(talk).await?,
            Fault::PingsAndNeverReads => somebody_pings(talk).await?,
            Fault::Resets => many_are_reset(talk).await?,
        }
        let fits = |now: &Resources| {
            now.descriptors <= before.descriptors
                && now.threads <= before.threads
                && (time == 0 || now.memory <= kept.memory + GROWTH)
        };
        let after = talk.server.resources_become(fits).await;
        let after = after.or_else(|reason| stop(format!("{reason}; before: {before:?}")))?;
        kept.memory = kept.memory.max(after.memory);
    }
    Ok(())
}

/// How many are in the room, and how many of them stop reading.
const CLIENTS: usize = 50;
const STUCK: usize = 5;

/// How much is said: more than kernels keep for somebody who does not read.
const MESSAGES: usize = 200;
const BYTES: usize = 20_000;

/// Some stop reading. All others hear everything, then that they are gone.
async fn somebody_stops_reading(talk: &Conversation) -> Step {
    let aside = talk.aside();
    let mut room = Room::default();
    for _ in STUCK..CLIENTS {
        let person = aside.socket("healthy", CHAT).await?;
        room.people.push(person.passing_over(is_presence));
    }
    let mut stuck = Vec::new();
    for _ in 0..STUCK {
        stuck.push(aside.narrow_socket("stuck", CHAT, 4096).await?);
    }
    // An upgrade is answered before the server listens to the socket.
    somebody_hears_online(&aside, CLIENTS + 1).await?;
    let numbers: Vec<usize> = (1..=MESSAGES).collect();
    for numbers in numbers.chunks(ON_THEIR_WAY) {
        room.say_numbers(&aside, ALICE, numbers, BYTES).await?;
    }
    somebody_hears_online(&aside, CLIENTS + 1 - STUCK).await?;

    let here = says("alice", "Are you all there?");
    room.people[ALICE].send_quietly(&here).await?;
    for person in &mut room.people {
        if let Err(instead) = hears(person, &here).await {
            return stop(format!("a healthy client got {instead}"));
        }
    }
    for person in room.people.into_iter().chain(stuck) {
        person.vanish();
    }
    Ok(())
}

/// Somebody comes, and stays until so many are online.
async fn somebody_hears_online(talk: &Conversation, count: usize) -> Step {
    let mut watcher = talk.socket("watcher", CHAT).await?;
    let online = json!({ "online": count });
    loop {
        match watcher.next().await {
            Ok(message) if json_of(&message).as_ref() == Some(&online) => break,
            Ok(_) => {}
            Err(instead) => return stop(format!("there were never {online}, but {instead}")),
        }
    }
    watcher.vanish();
    Ok(())
}

/// More pings than kernels and one write buffer can keep pongs for.
const PINGS: usize = 200_000;

/// A ping of 125 bytes, masked with zeros.
fn ping() -> Vec<u8> {
    let mut frame = vec![0x89, 0x80 | 125, 0, 0, 0, 0];
    frame.extend([b'x'; 125]);
    frame
}

/// Somebody sends pings and reads no pong. The memory of the server has an end.
async fn somebody_pings(talk: &Conversation) -> Step {
    let before = talk.server.resources().map_err(Stop)?;
    let mut pinger = talk.aside().narrow_socket("pinger", CHAT, 4096).await?;
    let many = ping().repeat(1_000);
    for _ in 0..PINGS / 1_000 {
        pinger.send_bytes("pings", &many).await?;
    }
    let here = says("alice", "Is somebody there?");
    let mut alice = talk.aside().socket("alice", CHAT).await?;
    alice.send_quietly(&here).await?;
    while json_of(&alice.next().await.map_err(Stop)?) != Some(here.clone()) {}
    let fits = |now: &Resources| now.memory <= before.memory + GROWTH;
    talk.server.resources_become(fits).await.map_err(Stop)?;
    pinger.reset()?;
    alice.vanish();
    Ok(())
}

/// How many come and are gone.
const COMERS: usize = 200;

/// Many come, and are reset at the same time.
async fn many_are_reset(talk: &Conversation) -> Step {
    let aside = talk.aside();
    let comers = (0..COMERS).map(|_| aside.socket("comer", CHAT));
    for comer in join_all(comers).await {
        comer?.reset()?;
    }
    Ok(())
}
