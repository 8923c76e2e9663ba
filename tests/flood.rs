//! A flood of joins to rooms that nobody has been in before: when all have left,
//! nothing of it stays, neither a room nor a descriptor nor memory.

use std::time::Duration;

use futures_util::future::try_join_all;
use reqwest::Method;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::conversation::{Conversation, PATIENCE, Step, stop};
use crate::resources::Resources;
use crate::server::{Program, Server};

/// How many rooms are joined.
const ROOMS: usize = 1_000;

/// How many sockets are open at the same time.
const WAVE: usize = 100;

/// How much more memory the second flood may leave behind than the first, in
/// KiB. Without a leak the two differ by 3 MiB; an empty room that stays takes
/// 15 KiB, so all of them take nearly 15 MiB.
const SLACK: usize = 8 * 1024;

/// Floods a server twice. The first flood may leave memory behind that the
/// program keeps for the next time; the second finds it there.
///
/// # Errors
/// What stays, in one sentence.
pub async fn of_rooms(program: &Program) -> Result<(), String> {
    let server = Server::start(program).await?;
    let talk = Conversation::new(server.clone());
    let before = server.resources()?;
    let first = flood(&talk, "first", &before).await?;
    let second = flood(&talk, "second", &before).await?;
    if second.memory > first.memory + SLACK {
        return Err(format!(
            "a flood of {ROOMS} rooms left {first:?}, and one more left {second:?}"
        ));
    }
    Ok(())
}

/// Joins all rooms, leaves them, and says what the server takes when it has noticed.
async fn flood(talk: &Conversation, name: &str, before: &Resources) -> Result<Resources, String> {
    let rooms: Vec<usize> = (0..ROOMS).collect();
    for wave in rooms.chunks(WAVE) {
        let visits = wave.iter().map(|room| visit(talk, name, *room));
        try_join_all(visits).await.map_err(|stop| stop.0)?;
    }
    no_room_is_open(talk).await.map_err(|stop| stop.0)?;
    let settled = |now: &Resources| now.descriptors <= before.descriptors;
    talk.server.resources_become(settled).await
}

/// Joins a room and leaves it, with a Close or with a reset.
async fn visit(talk: &Conversation, flood: &str, room: usize) -> Step {
    let path = format!("/ws/chat/{flood}-{room}");
    let mut socket = talk.aside().socket("somebody", &path).await?;
    if room.is_multiple_of(2) {
        socket.close(Some(1000)).await
    } else {
        socket.reset()
    }
}

/// Waits until the list of open rooms is empty.
async fn no_room_is_open(talk: &Conversation) -> Step {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // A connection that is kept would count as one that the server keeps.
        let request = talk.aside().request(Method::GET, "/api/rooms");
        let answer = request.header("connection", "close").send().await?;
        let list = answer.json_value();
        if list == Some(json!([])) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let rooms = list.and_then(|list| list.as_array().map(Vec::len));
            return stop(format!("{rooms:?} rooms are still open"));
        }
        sleep(Duration::from_millis(20)).await;
    }
}
