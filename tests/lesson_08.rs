//! Lesson 8, Redis: what is asked of many processes that are one chat. Whose
//! name begins with an a is at process A, whose begins with a b at B, and so on.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::conversation::{Conversation, PATIENCE, Step, stop};
use crate::lesson::{Exercise, Lesson, Need, Number};
use crate::redis_server::{REDIS_CLI, RedisServer, attempts_within};
use crate::room::{ALICE, Room, is_presence, says, tell};
use crate::socket::{Socket, json_of};
use crate::transcript::readable;

/// The lesson and its exercises.
pub const LESSON: Lesson = Lesson {
    number: 8,
    name: "08-redis",
    title: "Redis",
    exercises: &[
        Exercise {
            number: Number(8, 1),
            needs: Need::Redis,
            converse: |talk| Box::pin(all_processes_hear(talk)),
        },
        Exercise {
            number: Number(8, 2),
            needs: Need::Redis,
            converse: |talk| Box::pin(only_rooms_that_are_served(talk)),
        },
        Exercise {
            number: Number(8, 3),
            needs: Need::Redis,
            converse: |talk| Box::pin(redis_goes_and_comes_back(talk)),
        },
        Exercise {
            number: Number(8, 4),
            needs: Need::Redis,
            converse: |talk| Box::pin(redis_is_not_trusted(talk)),
        },
    ],
};

/// Where most of it happens, and its channel.
const LOBBY: &str = "/ws/chat/lobby";
const LOBBY_CHANNEL: &str = "chat:lobby";

/// A socket for exercises that are not about presence, nor about Redis being gone.
async fn enter(process: &Conversation, lane: &str, path: &str) -> Step<Socket> {
    let socket = process.socket(lane, path).await?;
    Ok(socket.passing_over(|message| is_presence(message) || is_state(message)))
}

/// Whether a message says how things stand with Redis.
fn is_state(message: &Message) -> bool {
    json_of(message).is_some_and(|data| data.get("degraded").is_some())
}

/// Whether a message says that Redis is there.
fn is_connected(message: &Message) -> bool {
    json_of(message) == Some(json!({ "degraded": false }))
}

fn is_knock(message: &Message) -> bool {
    json_of(message).is_some_and(|data| data["sender"] == REDIS_CLI)
}

/// An upgrade is answered before the process has subscribed. So redis-cli says
/// something again and again until everybody has heard it.
async fn knock(people: &mut [Socket], redis: &RedisServer, channel: &str) -> Step {
    let knock = says(REDIS_CLI, "Knock, knock.").to_string();
    redis.publish(channel, &knock).await?;
    let deadline = Instant::now() + PATIENCE;
    for person in people.iter_mut() {
        loop {
            match timeout(Duration::from_millis(20), person.next()).await {
                Ok(Ok(message)) if is_knock(&message) => break,
                Ok(Ok(message)) => {
                    let text = message.to_text().unwrap_or_default();
                    return stop(format!("{} got {text} instead of a knock", person.lane));
                }
                Ok(Err(instead)) => return stop(format!("{} got {instead}", person.lane)),
                Err(_) if Instant::now() < deadline => {
                    redis.publish_quietly(channel, knock.as_bytes()).await?;
                }
                Err(_) => {
                    let what = format!("nothing of what redis-cli publishes in {channel}");
                    person.writes_down(&what);
                    return stop(format!("{} hears {what}", person.lane));
                }
            }
        }
        person.writes_down(&format!("text {}", readable(&knock)));
    }
    for person in people {
        person.pass_over(|message| is_presence(message) || is_state(message) || is_knock(message));
    }
    Ok(())
}

async fn all_processes_hear(talk: Conversation) -> Step {
    let redis = RedisServer::start(&talk).await?;
    let (a, b) = (redis.process(&talk).await?, redis.process(&talk).await?);
    talk.step("alice and amir enter the lobby at process A, bob and bea at process B");
    let mut room = Room::default();
    for (process, lane) in [(&a, "alice"), (&a, "amir"), (&b, "bob"), (&b, "bea")] {
        room.people.push(enter(process, lane, LOBBY).await?);
    }
    let (amir, bob) = (1, 2);
    talk.step("somebody speaks with redis-cli, until all have heard it");
    knock(&mut room.people, &redis, LOBBY_CHANNEL).await?;

    talk.step("alice speaks");
    room.say(ALICE, "Hello, everyone!").await?;
    talk.step("bob speaks");
    let greeting = says("alice", "Hello, everyone!");
    say_after(&greeting, &mut room, bob, "안녕하세요 👋 \"you\" \\ me").await?;
    talk.step("amir speaks");
    room.say(amir, "One process?").await?;

    talk.step("alice makes a mistake, and she alone is told");
    room.people[ALICE].send_text("oops").await?;
    room.people[ALICE].receive().await?;

    for speaker in [ALICE, bob] {
        let lane = &room.people[speaker].lane;
        talk.step(&format!(
            "{lane} says the longest that a client may, 64 KiB"
        ));
        let longest = longest_message(&room.people[speaker].lane);
        room.people[speaker].send_json(longest).await?;
        tell(&mut room.people).await?;
    }

    talk.step(&format!(
        "alice and bob speak at once, {EACH} messages each"
    ));
    let conversations = room.people.iter_mut().map(speak_and_listen);
    for (what, person) in join_all(conversations).await.into_iter().zip(&room.people) {
        person.writes_down(&what?);
    }
    talk.step("bob speaks, and nobody hears anything twice");
    room.say(bob, "So many processes, and one chat.").await?;
    talk.step("and alice");
    room.say(ALICE, "Indeed.").await?;

    talk.step("carol is at a process without REDIS_URL: she is alone");
    let mut carol = Room::default();
    carol.people.push(enter(&talk, "carol", LOBBY).await?);
    carol.say(0, "Is anybody here?").await
}

/// Somebody says something, and everybody hears it, and not once more what was
/// said before.
async fn say_after(before: &Value, room: &mut Room, speaker: usize, message: &str) -> Step {
    let speaker = &mut room.people[speaker];
    let message = says(&speaker.lane, message);
    speaker.send_json(message).await?;
    for person in &mut room.people {
        let heard = person.receive().await?;
        if json_of(&heard).as_ref() == Some(before) {
            let lane = &person.lane;
            return stop(format!("{lane} heard {} twice", before["message"]));
        }
    }
    Ok(())
}

/// A message as long as a text may be.
fn longest_message(sender: &str) -> Value {
    let short = says(sender, "").to_string().len();
    says(sender, &"x".repeat(64 * 1024 - short))
}

/// How many messages a speaker says when two speak at once.
const EACH: usize = 50;

/// Who speaks when two speak at once.
const SPEAKERS: [&str; 2] = ["alice", "bob"];

/// Says all that one has to say, if anything, and hears what everybody says.
/// Whose messages come first is free, as it is between two processes.
async fn speak_and_listen(person: &mut Socket) -> Step<String> {
    if SPEAKERS.contains(&person.lane.as_str()) {
        for number in 0..EACH {
            let message = says(&person.lane, &number.to_string());
            person.send_quietly(&message).await?;
        }
    }
    let mut heard = [0; SPEAKERS.len()];
    while heard != [EACH; SPEAKERS.len()] {
        let [alice, bob] = heard;
        let so_far = format!("{alice} messages of alice and {bob} of bob");
        let message = match person.next().await {
            Ok(message) => json_of(&message).unwrap_or_default(),
            Err(instead) => {
                let what = format!("{so_far}, then {instead}");
                person.writes_down(&what);
                return stop(format!("{} got {what}", person.lane));
            }
        };
        let mut speakers = SPEAKERS.iter().zip(&mut heard);
        let next = speakers.find(|(lane, count)| message == says(lane, &count.to_string()));
        match next {
            Some((_, count)) => *count += 1,
            None => return Ok(format!("{so_far}, then {message}")),
        }
    }
    Ok("all of them, each speaker's in order".to_string())
}

async fn only_rooms_that_are_served(talk: Conversation) -> Step {
    let redis = RedisServer::start(&talk).await?;
    let (a, b) = (redis.process(&talk).await?, redis.process(&talk).await?);
    let lobby = LOBBY_CHANNEL;
    // ㄹ and ㅗ on their own, which is another way to write 로비.
    let (korean, decomposed) = ("chat:로비", "/ws/chat/%E1%84%85%E1%85%A9%E1%84%87%E1%85%B5");

    talk.step("alice enters the lobby at process A");
    let alice = enter(&a, "alice", LOBBY).await?;
    redis.channels_become(&[lobby]).await?;
    talk.step("bob and bea enter it at process B, which subscribes once");
    let bob = enter(&b, "bob", LOBBY).await?;
    let bea = enter(&b, "bea", LOBBY).await?;
    redis.subscribers_become(lobby, 2).await?;
    talk.step("ben is in another room, whose name he writes in another way");
    let ben = enter(&b, "ben", decomposed).await?;
    redis.channels_become(&[lobby, korean]).await?;

    let mut everybody = vec![alice, bob, bea];
    talk.step("somebody speaks with redis-cli in the lobby, until all there have heard it");
    knock(&mut everybody, &redis, lobby).await?;
    let mut bens = vec![ben];
    talk.step("and in the other room");
    knock(&mut bens, &redis, korean).await?;
    let mut room = Room { people: everybody };
    talk.step("alice speaks, and only the lobby hears it");
    room.say(ALICE, "Hello, lobby!").await?;
    let mut other_room = Room { people: bens };
    other_room.say(0, "Nobody here but me.").await?;

    talk.step("bob leaves, and bea stays");
    room.people.remove(1).close(Some(1000)).await?;
    // When a process has followed somebody who came and went after bob, it has
    // also done whatever it does about bob.
    talk.step("cora comes to a third room of process B");
    let mut cora = enter(&b, "cora", "/ws/chat/attic").await?;
    redis
        .channels_become(&["chat:attic", lobby, korean])
        .await?;
    talk.step("and leaves: process B goes on hearing the lobby");
    cora.close(Some(1000)).await?;
    redis.channels_become(&[lobby, korean]).await?;
    redis.subscribers_become(lobby, 2).await?;
    room.say(ALICE, "Is bob gone?").await?;
    talk.step("bea leaves, and process B unsubscribes");
    room.people.remove(1).close(Some(1000)).await?;
    redis.subscribers_become(lobby, 1).await?;
    talk.step("alice is gone without a word, and so is ben");
    room.people.remove(0).vanish();
    other_room.people.remove(0).reset()?;
    redis.channels_become(&[]).await?;

    talk.step("others come and go in the lobby, ten times");
    for _ in 0..10 {
        let mut other = enter(&a.aside(), "other", LOBBY).await?;
        other.close(Some(1000)).await?;
    }
    talk.step("amir comes and stays, and bruno at process B");
    for (process, lane) in [(&a, "amir"), (&b, "bruno")] {
        room.people.push(enter(process, lane, LOBBY).await?);
    }
    redis.subscribers_become(lobby, 2).await?;
    talk.step("somebody speaks with redis-cli, until both have heard it");
    knock(&mut room.people, &redis, lobby).await?;
    talk.step("amir speaks");
    room.say(0, "A room may open again.").await?;

    talk.step("five others open five rooms");
    let names: Vec<String> = (1..=5).map(|number| format!("room-{number}")).collect();
    let mut others = Vec::new();
    for name in &names {
        let path = format!("/ws/chat/{name}");
        others.push(enter(&a.aside(), "other", &path).await?);
    }
    let channels: Vec<String> = names.iter().map(|name| format!("chat:{name}")).collect();
    let open = [lobby]
        .into_iter()
        .chain(channels.iter().map(String::as_str));
    redis.channels_become(&open.collect::<Vec<_>>()).await?;
    talk.step("they are all gone at the same time");
    for other in others {
        other.vanish();
    }
    redis.channels_become(&[lobby]).await
}

/// How long the grader listens to attempts to connect, and how many each
/// process may make meanwhile. One that is slow makes fewer.
const LISTENING: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 20;

/// How long it listens after that, and how many attempts each must make at least.
/// One that pauses for a second at most makes four, on an idle machine.
const LISTENING_ON: Duration = Duration::from_secs(4);
const STILL: usize = 2;

async fn redis_goes_and_comes_back(talk: Conversation) -> Step {
    let mut redis = RedisServer::start(&talk).await?;
    let (a, b) = (redis.process(&talk).await?, redis.process(&talk).await?);
    let mut people = Vec::new();
    for (process, lane, path) in [
        (&a, "alice", LOBBY),
        (&a, "amir", LOBBY),
        (&a, "ada", "/ws/chat/attic"),
        (&b, "bob", LOBBY),
    ] {
        let name = lane_process(lane);
        talk.step(&format!(
            "{lane} enters at process {name}, and is told how things are"
        ));
        people.push(told_when_connected(process, lane, path).await?);
    }
    let mut attic = Room {
        people: vec![people.remove(2)],
    };
    let mut lobby = Room { people };
    let (amir, bob) = (1, 2);
    talk.step("somebody speaks with redis-cli, until all have heard it");
    knock(&mut lobby.people, &redis, LOBBY_CHANNEL).await?;
    for person in &mut lobby.people {
        person.pass_over(|message| is_presence(message) || is_knock(message));
    }

    talk.step("Redis is killed: all are told, in every room of every process");
    redis.kill();
    tell(&mut lobby.people).await?;
    tell(&mut attic.people).await?;
    talk.step("alice speaks, and her process hears her");
    let mut bobs = Room {
        people: vec![lobby.people.remove(bob)],
    };
    lobby.say(ALICE, "Who is here?").await?;
    talk.step("bob speaks, and his process hears him");
    bobs.say(0, "I am alone.").await?;
    talk.step("aron enters meanwhile, and is told at once");
    let mut aron = a.socket("aron", LOBBY).await?.passing_over(is_presence);
    aron.receive().await?;
    lobby.people.push(aron);
    lobby.say(amir, "We still hear each other.").await?;
    talk.step("process C starts meanwhile, and cleo enters there");
    let c = redis.process(&talk).await?;
    let mut cleo = c.socket("cleo", LOBBY).await?.passing_over(is_presence);
    cleo.receive().await?;
    bobs.people.push(cleo);

    talk.step("somebody who is no Redis server listens on its port, and hangs up on everybody");
    let listener = redis.listen_in_its_place().await?;
    let attempts = attempts_within(&listener, LISTENING).await;
    let most = 3 * ATTEMPTS;
    if attempts > most {
        return stop(format!(
            "the three processes tried to connect {attempts} times in {} s, and not at most {most} times",
            LISTENING.as_secs()
        ));
    }
    let attempts = attempts_within(&listener, LISTENING_ON).await;
    let fewest = 3 * STILL;
    if attempts < fewest {
        let cause = match attempts {
            0 => "nobody tries again",
            _ => "a pause had grown too long",
        };
        return stop(format!(
            "the three processes tried to connect only {attempts} times in the next {} s, and not at least {fewest} times: {cause}",
            LISTENING_ON.as_secs()
        ));
    }
    lobby.say(ALICE, "That was not Redis.").await?;

    drop(listener);
    talk.step("Redis is back, and all are told");
    redis.start_again().await?;
    lobby.people.append(&mut bobs.people);
    tell(&mut lobby.people).await?;
    tell(&mut attic.people).await?;
    let (bob, cleo) = (3, 4);
    talk.step("bob speaks: whoever has been told may rely on it");
    lobby.say(bob, "What did I miss?").await?;
    talk.step("cleo speaks");
    lobby.say(cleo, "I am new.").await?;
    talk.step("ada is in another room, which has heard nothing of it");
    attic.say(0, "It is quiet here.").await?;

    talk.step("Redis hangs: its connections stay open, and nothing is answered");
    redis.suspend()?;
    tell(&mut lobby.people).await?;
    tell(&mut attic.people).await?;
    talk.step("Redis goes on");
    redis.resume()?;
    tell(&mut lobby.people).await?;
    tell(&mut attic.people).await?;
    talk.step("alice speaks");
    lobby.say(ALICE, "All together now.").await
}

/// The name of the process at which somebody is.
fn lane_process(lane: &str) -> String {
    lane.chars().take(1).flat_map(char::to_uppercase).collect()
}

/// Somebody enters. A process that has just started may have to say first that
/// it is not connected yet; that is passed over.
async fn told_when_connected(process: &Conversation, lane: &str, path: &str) -> Step<Socket> {
    let socket = process.socket(lane, path).await?;
    let mut socket = socket.passing_over(|message| {
        is_presence(message) || json_of(message) == Some(json!({ "degraded": true }))
    });
    socket.receive().await?;
    Ok(socket.passing_over(is_presence))
}

async fn redis_is_not_trusted(talk: Conversation) -> Step {
    let redis = RedisServer::start(&talk).await?;
    let (a, b) = (redis.process(&talk).await?, redis.process(&talk).await?);
    talk.step("alice enters the lobby at process A, bob at process B");
    let mut room = Room::default();
    for (process, lane) in [(&a, "alice"), (&b, "bob")] {
        room.people.push(enter(process, lane, LOBBY).await?);
    }
    talk.step("somebody speaks with redis-cli, until both have heard it");
    knock(&mut room.people, &redis, LOBBY_CHANNEL).await?;
    // From here on only what is true is passed over, and eve says nothing of it: presence,
    // and that Redis is there, which a process may tell later than it hears.
    for person in &mut room.people {
        person.pass_over(|message| {
            is_true_presence(message) || is_connected(message) || is_knock(message)
        });
    }

    talk.step("eve publishes what is no message, and nobody hears it");
    for text in [
        "hello",
        "",
        "{\"sender\":\"eve\",\"message\":",
        "{\"sender\":\"eve\"}",
        "{\"sender\":\"eve\",\"message\":7}",
        "{\"sender\":[\"eve\"],\"message\":\"Boo!\"}",
        "{\"sender\":\"eve\",\"message\":\"\"}",
        "{\"sender\":\"  \",\"message\":\"Boo!\"}",
        "{\"online\":99}",
        "{\"error\":\"Boo!\"}",
        "{\"degraded\":true}",
        &says("eve", &"x".repeat(70_000)).to_string(),
        &"[".repeat(60_000),
    ] {
        redis.publish(LOBBY_CHANNEL, text).await?;
    }
    let broken = b"{\"sender\":\"eve\",\"message\":\"\xed\xa0\x80 \xff\"}";
    redis
        .publish_bytes(LOBBY_CHANNEL, "a message in bad UTF-8", broken)
        .await?;
    talk.step("alice speaks, and both hear her next");
    room.say(ALICE, "Is everything all right?").await?;
    talk.step("bob speaks");
    room.say(1, "It is.").await?;

    talk.step("eve publishes a message with more in it than a message has");
    let more = json!({
        "sender": "eve", "message": "Boo!", "origin": "eve",
        "online": 99, "error": "Boo!", "degraded": true, "room": "attic",
    });
    redis.publish(LOBBY_CHANNEL, &more.to_string()).await?;
    tell(&mut room.people).await?;
    talk.step("eve publishes into channels of rooms that are not there");
    for channel in ["chat:", "chat:attic", "chat:*", "chat:lobby:x", "lobby"] {
        redis
            .publish(channel, &says("eve", "Boo!").to_string())
            .await?;
    }
    talk.step("eve publishes a message, and both hear it next");
    let message = says("eve", "<b>Boo!</b>").to_string();
    redis.publish(LOBBY_CHANNEL, &message).await?;
    tell(&mut room.people).await?;

    talk.step("no room has a name that reaches the channel of another one");
    for name in [
        "*",
        "lobby:x",
        "chat:lobby",
        "lobb%3F",
        "%5Ba-z%5D",
        "lobby%0D%0A",
    ] {
        let path = format!("/ws/chat/{name}");
        if a.socket("eve", &path).await.is_ok() {
            return stop(format!("the upgrade at {path} was not refused"));
        }
    }
    talk.step("alice speaks");
    room.say(ALICE, "Never mind eve.").await
}

/// Presence as a process of one client tells it.
fn is_true_presence(message: &Message) -> bool {
    json_of(message) == Some(json!({ "online": 1 }))
}
