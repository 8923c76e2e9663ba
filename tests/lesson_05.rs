//! Lesson 5, rooms: what is asked of rooms that have a name each.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::browser::Browser;
use crate::conversation::{Conversation, PATIENCE, Step, Stop, stop};
use crate::lesson::{Exercise, Lesson, Need, Number};
use crate::room::{ALICE, BOB, Room, hears_at_last, in_path, says, tell};
use crate::socket::Socket;

/// The lesson and its exercises.
pub const LESSON: Lesson = Lesson {
    number: 5,
    name: "05-rooms",
    title: "Rooms",
    exercises: &[
        Exercise {
            number: Number(5, 1),
            needs: Need::Browser,
            converse: |talk| Box::pin(pages(talk)),
        },
        Exercise {
            number: Number(5, 2),
            needs: Need::Nothing,
            converse: |talk| Box::pin(it_stays_there(talk)),
        },
        Exercise {
            number: Number(5, 3),
            needs: Need::Nothing,
            converse: |talk| Box::pin(names(talk)),
        },
        Exercise {
            number: Number(5, 4),
            needs: Need::Nothing,
            converse: |talk| Box::pin(open_rooms(talk)),
        },
        Exercise {
            number: Number(5, 5),
            needs: Need::Nothing,
            converse: |talk| Box::pin(presence(talk)),
        },
    ],
};

/// Two syllables of Hangul, each of them one character, as keyboards type it (NFC).
const LOBBY_IN_HANGUL: &str = "로비";

/// The same to whoever reads it, with a character for each letter (NFD), as some
/// file systems write it.
const LOBBY_IN_LETTERS: &str = "\u{1105}\u{1169}\u{1107}\u{1175}";

/// The path of a room's page.
fn page_of(name: &str) -> String {
    format!("/chat/{}", in_path(name))
}

/// The path of a room's socket.
fn socket_of(name: &str) -> String {
    format!("/ws/chat/{}", in_path(name))
}

async fn pages(talk: Conversation) -> Step {
    let browser = Browser::start().await.map_err(Stop)?;

    talk.step("Ann asks for a room, and presses Enter");
    let ann = talk.tab(&browser, "Ann's tab", "/").await?;
    ann.type_into("#room-name-input", LOBBY_IN_HANGUL).await?;
    ann.press_enter().await?;
    ann.path_becomes(&page_of(LOBBY_IN_HANGUL)).await?;
    ann.text_becomes("#room-name", LOBBY_IN_HANGUL).await?;
    ann.socket_url(&talk).await?;
    ann.text_becomes("#connection", "connected").await?;

    talk.step("Bob asks for another one, and clicks the button");
    let bob = talk.tab(&browser, "Bob's tab", "/").await?;
    bob.type_into("#room-name-input", "My-Room").await?;
    bob.click("#room-name-submit").await?;
    bob.path_becomes("/chat/My-Room").await?;
    bob.text_becomes("#room-name", "My-Room").await?;
    bob.socket_url(&talk).await?;
    bob.text_becomes("#connection", "connected").await?;

    talk.step("Eve has been given the address of Ann's room");
    let address = page_of(LOBBY_IN_HANGUL);
    let eve = talk.tab(&browser, "Eve's tab", &address).await?;
    eve.text_becomes("#room-name", LOBBY_IN_HANGUL).await?;
    eve.socket_url(&talk).await?;
    eve.text_becomes("#connection", "connected").await?;

    talk.step("whatever is typed is the name: no part of it becomes another part of the address");
    for name in ["who is here?", "#1", "100%", "a/b"] {
        let dan = talk.tab(&browser, "Dan's tab", "/").await?;
        dan.type_into("#room-name-input", name).await?;
        dan.press_enter().await?;
        dan.path_becomes(&page_of(name)).await?;
    }
    Ok(())
}

async fn it_stays_there(talk: Conversation) -> Step {
    let mut lobby = Room::with(&talk, &socket_of("lobby"), &["alice", "bob"]).await?;
    let mut next_door = Room::with(&talk, &socket_of("lobby-2"), &["carol", "dave"]).await?;

    // What is said in one room would stand before what is said next in the other.
    for (speaker, message) in [(ALICE, "Do they hear us next door?"), (BOB, "I hope not.")] {
        talk.step(&format!("{} speaks in lobby", lobby.people[speaker].lane));
        lobby.say(speaker, message).await?;
        talk.step(&format!(
            "{} speaks in lobby-2, and that is what they hear there",
            next_door.people[speaker].lane
        ));
        next_door.say(speaker, "Did they say anything?").await?;
    }
    talk.step("alice speaks in lobby, and that is what they hear there");
    lobby.say(ALICE, "They did not.").await?;

    // As long as the other, and neither has a letter of ASCII.
    let mut hangul = Room::with(&talk, &socket_of(LOBBY_IN_HANGUL), &["eve", "fred"]).await?;
    let mut other = Room::with(&talk, &socket_of("부엌"), &["gina", "hugo"]).await?;
    for _ in 0..2 {
        talk.step(&format!("eve speaks in {LOBBY_IN_HANGUL}"));
        hangul.say(ALICE, "안녕!").await?;
        talk.step("gina speaks in 부엌");
        other.say(ALICE, "배고파.").await?;
    }
    Ok(())
}

/// How long a name may be.
const LONGEST: usize = 64;

async fn names(talk: Conversation) -> Step {
    let letters = |letter: &str, count: usize| in_path(&letter.repeat(count));
    // One syllable: one character in NFC, two in NFD.
    let syllable_in_letters = "\u{1107}\u{1161}";
    for (what, name) in [
        ("letters, a digit, - and _", in_path("-My-room_2_")),
        ("Hangul", in_path(LOBBY_IN_HANGUL)),
        ("letters that carry marks", in_path("हिन्दी")),
        ("digits of another script", in_path("१२३")),
        ("one letter", in_path("x")),
        ("64 letters", letters("x", LONGEST)),
        ("64 letters of three bytes each", letters("방", LONGEST)),
        (
            "64 letters that UTF-16 writes in two units each",
            letters("𠀀", LONGEST),
        ),
        (
            "64 letters in NFD, of two characters each",
            letters(syllable_in_letters, LONGEST),
        ),
    ] {
        talk.step(&format!("a room: {what}"));
        ask_for(&talk, &name).await?;
    }
    for (what, name) in [
        ("65 letters", letters("x", LONGEST + 1)),
        ("65 letters of three bytes each", letters("방", LONGEST + 1)),
        ("nothing", String::new()),
        ("a space", in_path("my room")),
        ("a slash", in_path("my/room")),
        ("a dot", in_path("my.room")),
        ("a line break at the end", in_path("lobby\n")),
        ("a NUL at the end", in_path("lobby\0")),
        ("an emoji", in_path("🎉")),
        ("markup", in_path("<b>")),
        (
            "a control character that turns the direction of text",
            in_path("lobby\u{202e}"),
        ),
        ("bytes that are not UTF-8", "%FF".to_string()),
        ("a letter that is encoded twice", "lob%2562y".to_string()),
    ] {
        talk.step(&format!("no room: {what}"));
        ask_for(&talk, &name).await?;
    }
    // Clients of HTTP resolve the dots themselves (RFC 3986 5.2.4).
    talk.step("no room: two dots, asked for the socket only");
    let _ = talk.ask_for_socket("socket", "/ws/chat/..").await?;
    Ok(())
}

/// Asks for a room's page and for its socket; the name is encoded already.
async fn ask_for(talk: &Conversation, name: &str) -> Step {
    talk.by("page").get(&format!("/chat/{name}")).await?;
    let path = format!("/ws/chat/{name}");
    let _ = talk.ask_for_socket("socket", &path).await?;
    Ok(())
}

async fn open_rooms(talk: Conversation) -> Step {
    talk.step("nobody is anywhere, and a page alone opens no room");
    let _ = talk.get(&page_of("lobby")).await?;
    rooms_become(&talk, json!([])).await?;

    let mut lobby = Room::with(&talk, &socket_of("lobby"), &["alice", "bob"]).await?;
    let hangul = socket_of(LOBBY_IN_HANGUL);
    let mut carols = Room::with(&talk, &hangul, &["carol"]).await?;
    let mut daves = Room::with(&talk, &socket_of("Zoo"), &["dave"]).await?;
    talk.step("three rooms are open");
    let zoo = json!({ "room": "Zoo", "online": 1 });
    let in_lobby = |online: usize| json!({ "room": "lobby", "online": online });
    let in_hangul = json!({ "room": LOBBY_IN_HANGUL, "online": 1 });
    rooms_become(&talk, json!([zoo, in_lobby(2), in_hangul])).await?;

    talk.step("dave is gone without a word");
    leaves(&mut daves).vanish();
    rooms_become(&talk, json!([in_lobby(2), in_hangul])).await?;
    talk.step("bob's connection is reset");
    leaves(&mut lobby).reset()?;
    rooms_become(&talk, json!([in_lobby(1), in_hangul])).await?;
    talk.step("carol closes");
    leaves(&mut carols).close(Some(1000)).await?;
    rooms_become(&talk, json!([in_lobby(1)])).await?;

    let mut eves = Room::with(&talk, &hangul, &["eve"]).await?;
    talk.step("the room is open again");
    rooms_become(&talk, json!([in_lobby(1), in_hangul])).await?;
    talk.step("alice and eve close");
    leaves(&mut lobby).close(Some(1000)).await?;
    leaves(&mut eves).close(Some(1000)).await?;
    rooms_become(&talk, json!([])).await?;

    talk.step("the last one leaves a room while another one comes, again and again");
    let arenas: Vec<String> = (1..=ARENAS)
        .map(|number| format!("arena-{number}"))
        .collect();
    let meetings = arenas.iter().map(|arena| meet(&talk, arena));
    try_join_all(meetings).await?;
    let what = "each newcomer hears who comes next";
    talk.transcript.received("crowd", what);
    talk.step("all have left");
    rooms_become(&talk, json!([])).await
}

/// The one who came last goes.
fn leaves(room: &mut Room) -> Socket {
    room.people.pop().expect("somebody is there")
}

/// Waits until the list of rooms is this one, since a server may notice a moment
/// later that somebody has left, and writes down what it is then.
async fn rooms_become(talk: &Conversation, expected: Value) -> Step {
    const LIST: &str = "/api/rooms";
    let deadline = Instant::now() + PATIENCE;
    // If there is no answer, that is written down below.
    while Instant::now() < deadline
        && let Ok(list) = talk.aside().get(LIST).await
        && list.json_value().as_ref() != Some(&expected)
    {
        sleep(Duration::from_millis(20)).await;
    }
    let list = talk.get(LIST).await?;
    list.media_type();
    list.json();
    if list.json_value().as_ref() == Some(&expected) {
        Ok(())
    } else {
        stop(format!(
            "{LIST} did not become {expected} within {} s",
            PATIENCE.as_secs()
        ))
    }
}

/// In how many rooms somebody leaves while another one comes.
const ARENAS: usize = 8;

/// How often, in each of them.
const MEETINGS: usize = 60;

/// The only one in a room leaves while another one comes. Who has come then must
/// be in the same room as whoever comes later.
async fn meet(talk: &Conversation, arena: &str) -> Step {
    let path = socket_of(arena);
    let aside = talk.aside();
    let mut last = aside.socket("last", &path).await?;
    for number in 1..=MEETINGS {
        // Sooner or later before the other one has come.
        let leaving = async {
            for _ in 0..number {
                yield_now().await;
            }
            last.reset()
        };
        let (newcomer, left) = tokio::join!(aside.socket("newcomer", &path), leaving);
        left?;
        let mut newcomer = newcomer?;
        let hello = says(arena, &format!("{number}: I came while the last one left."));
        newcomer.send_quietly(&hello).await?;
        hears_at_last(&mut newcomer, &hello).await.or_else(|instead| {
            stop(format!(
                "a newcomer came while the last one left the room, spoke, and got {instead} in place of it"
            ))
        })?;
        let mut later = aside.socket("later", &path).await?;
        let hello = says(arena, &format!("{number}: I came later."));
        later.send_quietly(&hello).await?;
        for (person, who) in [
            (&mut later, "the one who spoke"),
            (&mut newcomer, "the newcomer"),
        ] {
            hears_at_last(person, &hello).await.or_else(|instead| {
                stop(format!(
                    "a newcomer came while the last one left the room, then another one came \
                     and spoke: {who} got {instead} in place of it"
                ))
            })?;
        }
        later.reset()?;
        last = newcomer;
    }
    last.reset()
}

async fn presence(talk: Conversation) -> Step {
    let (mut lobby, mut capitals, mut hangul) = (Vec::new(), Vec::new(), Vec::new());
    joins(&talk, &mut lobby, "alice", "lobby").await?;
    joins(&talk, &mut lobby, "bob", "lobby").await?;
    joins(&talk, &mut hangul, "carol", LOBBY_IN_HANGUL).await?;
    joins(&talk, &mut capitals, "dave", "Lobby").await?;
    // Had the others heard of these, that would stand before what they hear next.
    joins(&talk, &mut hangul, "eve", LOBBY_IN_LETTERS).await?;
    joins(&talk, &mut lobby, "tab 2", "lobby").await?;

    talk.step("alice, who has two tabs, loses one of them");
    goes(&mut lobby, "alice").vanish();
    tell(&mut lobby).await?;
    talk.step("and closes the other one");
    goes(&mut lobby, "tab 2").close(Some(1000)).await?;
    tell(&mut lobby).await?;
    talk.step("carol's connection is reset");
    goes(&mut hangul, "carol").reset()?;
    tell(&mut hangul).await?;

    joins(&talk, &mut capitals, "gina", "Lobby").await?;
    talk.step("all leave Lobby, one after the other");
    goes(&mut capitals, "dave").close(Some(1000)).await?;
    tell(&mut capitals).await?;
    goes(&mut capitals, "gina").close(Some(1000)).await?;
    // Nobody is left to be told, and the other rooms go on.
    joins(&talk, &mut hangul, "fred", LOBBY_IN_HANGUL).await?;
    joins(&talk, &mut lobby, "hugo", "lobby").await
}

/// Somebody joins a room, and all who are in it are told, the newcomer first.
async fn joins(talk: &Conversation, people: &mut Vec<Socket>, lane: &str, name: &str) -> Step {
    talk.step(&match name {
        LOBBY_IN_LETTERS => format!("{lane} joins {LOBBY_IN_HANGUL}, whose name comes in NFD"),
        name => format!("{lane} joins {name}"),
    });
    people.insert(0, talk.socket(lane, &socket_of(name)).await?);
    tell(people).await
}

/// Takes somebody out of a room.
fn goes(people: &mut Vec<Socket>, lane: &str) -> Socket {
    let place = people.iter().position(|person| person.lane == lane);
    people.remove(place.expect("who goes has come"))
}
