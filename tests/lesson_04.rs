//! Lesson 4, chat: what is asked of a room in which everyone hears everyone.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::browser::Browser;
use crate::conversation::{Conversation, Step, Stop, stop};
use crate::lesson::{Exercise, Lesson, Need, Number};
use crate::room::{ALICE, BOB, CATCHING_UP, Room, hears, number_of, says, tell};
use crate::socket::{Socket, json_of};
use crate::transcript::readable;

/// The lesson and its exercises.
pub const LESSON: Lesson = Lesson {
    number: 4,
    name: "04-chat",
    title: "Chat",
    exercises: &[
        Exercise {
            number: Number(4, 1),
            needs: Need::Nothing,
            converse: |talk| Box::pin(everyone_hears(talk)),
        },
        Exercise {
            number: Number(4, 2),
            needs: Need::Nothing,
            converse: |talk| Box::pin(presence(talk)),
        },
        Exercise {
            number: Number(4, 3),
            needs: Need::Nothing,
            converse: |talk| Box::pin(one_order(talk)),
        },
        Exercise {
            number: Number(4, 4),
            needs: Need::Nothing,
            converse: |talk| Box::pin(mistakes_stay_private(talk)),
        },
        Exercise {
            number: Number(4, 5),
            needs: Need::Browser,
            converse: |talk| Box::pin(page(talk)),
        },
        Exercise {
            number: Number(4, 6),
            needs: Need::Nothing,
            converse: |talk| Box::pin(somebody_stops_reading(talk)),
        },
    ],
};

/// Where everybody meets.
const CHAT: &str = "/chat/public";

async fn everyone_hears(talk: Conversation) -> Step {
    let mut room = Room::with(&talk, CHAT, &["alice", "bob", "carol"]).await?;
    for (speaker, message) in [
        (ALICE, "Hello, everyone!"),
        (BOB, "안녕하세요 👋 \"you\" \\ me"),
    ] {
        talk.step(&format!("{} speaks", room.people[speaker].lane));
        room.say(speaker, message).await?;
    }
    Ok(())
}

async fn presence(talk: Conversation) -> Step {
    let mut people: Vec<Socket> = Vec::new();
    for lane in ["alice", "bob", "carol", "dave"] {
        talk.step(&format!("{lane} joins"));
        people.push(talk.socket(lane, CHAT).await?);
        tell(&mut people).await?;
    }

    talk.step("dave closes");
    let mut dave = people.pop().expect("dave is there");
    dave.close(Some(1000)).await?;
    tell(&mut people).await?;

    talk.step("carol is gone without a word");
    people.pop().expect("carol is there").vanish();
    tell(&mut people).await?;

    talk.step("eve joins");
    people.push(talk.socket("eve", CHAT).await?);
    tell(&mut people).await?;
    talk.step("eve sends binary, and the server closes her");
    let mut eve = people.pop().expect("eve is there");
    eve.send_binary(b"\x00\x01\x02").await?;
    eve.receive_close().await?;
    tell(&mut people).await?;

    talk.step("bob's connection is reset");
    people.pop().expect("bob is there").reset()?;
    tell(&mut people).await?;

    talk.step("five others come");
    let mut alice = people.pop().expect("alice is there");
    let mut crowd = Vec::new();
    for _ in 0..5 {
        crowd.push(talk.aside().socket("other", CHAT).await?);
        alice.receive().await?;
    }
    talk.step("they are all reset at the same time");
    for person in crowd {
        person.reset()?;
    }
    for _ in 0..5 {
        alice.receive().await?;
    }

    talk.step("alice closes, and fred comes into an empty room");
    alice.close(Some(1000)).await?;
    let fred = talk.socket("fred", CHAT).await?;
    // He may come before the server has noticed that alice is gone.
    let mut fred = fred.passing_over(|message| json_of(message) == Some(json!({ "online": 2 })));
    fred.receive().await?;
    Ok(())
}

/// How many messages each speaks when all speak at once.
const EACH: usize = 30;

async fn one_order(talk: Conversation) -> Step {
    let mut room = Room::with(&talk, CHAT, &["alice", "bob", "carol"]).await?;
    talk.step(&format!("all speak at once, {EACH} messages each"));
    let conversations = room.people.iter_mut().map(speak_and_listen);
    let mut heard = Vec::new();
    for of_one in join_all(conversations).await {
        heard.push(of_one?);
    }
    for (person, messages) in room.people.iter().zip(&heard) {
        let lane = &person.lane;
        let difference = first_difference(messages, &heard[ALICE]);
        let own = messages.iter().filter(|said| said["sender"] == *lane);
        let spoken = (0..EACH).map(|number| says(lane, &number.to_string()));
        let what = match difference {
            Some(difference) => difference,
            None if own.cloned().eq(spoken) => {
                format!(
                    "{} messages in alice's order, {lane}'s as spoken",
                    messages.len()
                )
            }
            None => format!("{lane}'s own messages, not in the order spoken"),
        };
        talk.transcript.received(lane, &what);
    }

    talk.step("bob makes a mistake among his messages, and waits for nothing, ten times");
    for _ in 0..10 {
        let bob = &mut room.people[BOB];
        let spoken = [
            says("bob", "One."),
            says("bob", "Two."),
            says("bob", "Three."),
        ];
        let spoken = spoken.map(|message| message.to_string());
        let [one, two, three] = &spoken;
        bob.send_together(&[one, two, "oops", three]).await?;
        let error = r#"{"error":"..."}"#;
        for expected in [
            readable(one),
            readable(two),
            error.to_string(),
            readable(three),
        ] {
            let heard = match bob.next().await {
                Ok(message) => readable(message.to_text().unwrap_or_default()),
                Err(instead) => instead,
            };
            if heard != expected {
                talk.transcript.received("bob", &heard);
                return stop(format!("bob got {heard} where {expected} was due"));
            }
        }
    }
    talk.transcript
        .received("bob", "two messages, an error, a message, each time");
    Ok(())
}

/// Says all that one has to say, then hears what everybody said.
async fn speak_and_listen(person: &mut Socket) -> Step<Vec<Value>> {
    for number in 0..EACH {
        let message = says(&person.lane, &number.to_string());
        person.send_quietly(&message).await?;
    }
    let mut heard = Vec::new();
    while heard.len() < 3 * EACH {
        match person.next().await {
            Ok(message) => heard.push(json_of(&message).unwrap_or_default()),
            Err(instead) => {
                let lane = &person.lane;
                let count = heard.len();
                return stop(format!(
                    "{lane} got {count} messages of {}, then {instead}",
                    3 * EACH
                ));
            }
        }
    }
    Ok(heard)
}

fn first_difference(messages: &[Value], of_alice: &[Value]) -> Option<String> {
    let pairs = messages.iter().zip(of_alice).enumerate();
    let mut differing = pairs.filter(|(_, (one, other))| one != other);
    differing.next().map(|(position, (one, other))| {
        format!("message {} is {one}, where alice got {other}", position + 1)
    })
}

async fn mistakes_stay_private(talk: Conversation) -> Step {
    let mut room = Room::with(&talk, CHAT, &["alice", "bob", "eve"]).await?;
    let eve = 2;

    talk.step("eve makes mistakes, and she alone is told");
    let deep = "[".repeat(60_000);
    for text in [
        "hello",
        "{\"sender\":\"eve\",\"message\":",
        "{\"sender\":\"eve\"}",
        "{\"sender\":\"eve\",\"message\":7}",
        "{\"sender\":\"eve\",\"message\":\"\"}",
        "{\"sender\":\"eve\",\"message\":\"   \"}",
        "{\"sender\":\"\",\"message\":\"Boo!\"}",
        "{\"sender\":\"  \",\"message\":\"Boo!\"}",
        &deep,
    ] {
        room.people[eve].send_text(text).await?;
        room.people[eve].receive().await?;
    }

    talk.step("a ping is answered, and eve goes on speaking");
    room.people[eve].ping("are you there?").await?;
    room.say(eve, "Sorry.").await?;
    talk.step("and hearing");
    room.say(ALICE, "Never mind.").await?;

    talk.step("eve sends binary and is closed");
    room.people[eve].send_binary(b"\x00\x01\x02").await?;
    room.people[eve].receive_close().await?;
    room.people.pop();
    talk.step("nobody else is");
    room.say(BOB, "Where is eve?").await?;
    talk.step("and the room goes on");
    room.say(ALICE, "Gone.").await?;
    Ok(())
}

async fn page(talk: Conversation) -> Step {
    let browser = Browser::start().await.map_err(Stop)?;
    talk.step("two tabs open the page");
    let ann = talk.tab(&browser, "Ann's tab", "/").await?;
    let bob = talk.tab(&browser, "Bob's tab", "/").await?;
    for tab in [&ann, &bob] {
        tab.text_becomes("#connection", "connected").await?;
    }

    talk.step("Ann presses Enter");
    ann.type_into("#chat-sender", "Ann").await?;
    ann.type_into("#chat-message-input", "Hello, Bob!").await?;
    ann.press_enter().await?;
    let log = ["Ann : Hello, Bob!"];
    for tab in [&ann, &bob] {
        tab.lines_become("#chat-log", &log).await?;
    }
    ann.field_becomes("#chat-message-input", "").await?;
    ann.field_becomes("#chat-sender", "Ann").await?;

    talk.step("Bob clicks Send, and what he typed is text");
    let image = "<img src=x data-eve onerror=eve()> &amp;";
    bob.type_into("#chat-sender", "<b data-eve>Bob</b>").await?;
    bob.type_into("#chat-message-input", image).await?;
    bob.click("#chat-message-submit").await?;
    let hostile = format!("<b data-eve>Bob</b> : {image}");
    let log = [log[0], &hostile];
    for tab in [&bob, &ann] {
        tab.lines_become("#chat-log", &log).await?;
        tab.no_element("[data-eve]").await?;
    }

    talk.step("an empty message is not sent, so the next line is the next message");
    ann.type_into("#chat-message-input", "").await?;
    ann.click("#chat-message-submit").await?;
    ann.type_into("#chat-message-input", "Nice try.").await?;
    ann.press_enter().await?;
    let log = [log[0], log[1], "Ann : Nice try."];
    for tab in [&ann, &bob] {
        tab.lines_become("#chat-log", &log).await?;
    }

    ann.texts_sent(2).await?;

    talk.step("the server is gone: nothing is sent, and nothing is lost");
    talk.server.kill();
    for tab in [&ann, &bob] {
        tab.text_becomes("#connection", "not connected").await?;
    }
    ann.type_into("#chat-message-input", "Anybody there?")
        .await?;
    ann.press_enter().await?;
    ann.click("#chat-message-submit").await?;
    ann.field_becomes("#chat-message-input", "Anybody there?")
        .await?;
    ann.lines_become("#chat-log", &log).await?;
    for tab in [&ann, &bob] {
        tab.errors();
    }
    Ok(())
}

/// More than a kernel keeps for somebody who does not read, and a room of some
/// hundred messages besides: somebody who reads nothing must miss some.
const FLOOD: usize = 1_000;

/// How long each of these messages is, in bytes.
const LONG: usize = 10_000;

async fn somebody_stops_reading(talk: Conversation) -> Step {
    let mut room = Room::with(&talk, CHAT, &["alice", "bob"]).await?;
    talk.step("zoe joins and says so, and reads no more after that");
    room.join(talk.narrow_socket("zoe", CHAT, 4096).await?)
        .await?;
    let mut zoe = room.people.pop().expect("zoe is there");

    talk.step(&format!("alice says {FLOOD} long things"));
    room.say_at_length(&talk, ALICE, 1..=FLOOD, LONG).await?;

    talk.step("zoe reads again, while alice says good morning until zoe hears it");
    let greeting = says("alice", "Good morning, zoe.");
    let mut newest = 0;
    let patience = Instant::now() + CATCHING_UP;
    while Instant::now() < patience {
        room.people[ALICE].send_quietly(&greeting).await?;
        for person in &mut room.people {
            if let Err(instead) = hears(person, &greeting).await {
                let reason = format!("{} got {instead} of a greeting", person.lane);
                return stop(reason);
            }
        }
        // What was waiting for her comes first, and a full queue may lose the greeting.
        let reading = timeout(
            Duration::from_millis(50),
            until(&mut zoe, &greeting, &mut newest),
        );
        match reading.await {
            Ok(Ok(())) => {
                talk.transcript.received("zoe", "what alice says now");
                return Ok(());
            }
            Ok(Err(instead)) => {
                talk.transcript.received("zoe", &instead);
                return stop(format!("zoe got {instead} when she read again"));
            }
            Err(_) => {}
        }
    }
    let instead = "nothing of what alice says now";
    talk.transcript.received("zoe", instead);
    stop(format!(
        "zoe heard {instead}, though she read for {} s",
        CATCHING_UP.as_secs()
    ))
}

/// Reads until a message comes. What comes before must be in the order in which
/// it was numbered; `newest` is the last number so far.
async fn until(person: &mut Socket, wanted: &Value, newest: &mut usize) -> Result<(), String> {
    loop {
        let heard = json_of(&person.next().await?).unwrap_or_default();
        if heard == *wanted {
            return Ok(());
        }
        match number_of(&heard) {
            Some(number) if number > *newest => *newest = number,
            _ => {
                return Err(format!(
                    "{} after message {newest}",
                    readable(&heard.to_string())
                ));
            }
        }
    }
}
