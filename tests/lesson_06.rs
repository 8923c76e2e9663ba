//! Lesson 6, namespaces: what is asked of one socket on which many conversations are held.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::conversation::{Conversation, Step, Stop};
use crate::lesson::{Exercise, Lesson, Need, Number};
use crate::member::{Member, Place, envelope, message, with_ref};

/// The lesson and its exercises.
pub const LESSON: Lesson = Lesson {
    number: 6,
    name: "06-namespaces",
    title: "Namespaces",
    exercises: &[
        Exercise {
            number: Number(6, 1),
            needs: Need::Nothing,
            converse: |talk| Box::pin(many_rooms(talk)),
        },
        Exercise {
            number: Number(6, 2),
            needs: Need::Nothing,
            converse: |talk| Box::pin(replies(talk)),
        },
        Exercise {
            number: Number(6, 3),
            needs: Need::Nothing,
            converse: |talk| Box::pin(two_namespaces(talk)),
        },
        Exercise {
            number: Number(6, 4),
            needs: Need::Nothing,
            converse: |talk| Box::pin(subprotocol(talk)),
        },
        Exercise {
            number: Number(6, 5),
            needs: Need::Nothing,
            converse: |talk| Box::pin(gone_from_every_room(talk)),
        },
    ],
};

const LOBBY: Place = ("chat", "lobby");
const RUST: Place = ("chat", "rust");

async fn many_rooms(talk: Conversation) -> Step {
    talk.step("alice joins the lobby");
    let mut alice = Member::new(&talk, "alice").await?;
    alice.join(LOBBY).await?;
    talk.step("bob joins it too");
    let mut bob = Member::new(&talk, "bob").await?;
    bob.join(LOBBY).await?;
    alice.hears(LOBBY).await?;
    talk.step("alice says something there");
    alice.ask(message(LOBBY, "alice", "Hello, lobby!")).await?;
    all_hear(LOBBY, [&mut alice, &mut bob]).await?;

    talk.step("bob joins a second room, on the same socket");
    bob.join(RUST).await?;
    talk.step("carol joins that room, and no other");
    let mut carol = Member::new(&talk, "carol").await?;
    carol.join(RUST).await?;
    bob.hears(RUST).await?;
    talk.step("what is said in a room is heard by those who are in it");
    bob.ask(message(RUST, "bob", "Who is here? 안녕 🦀"))
        .await?;
    all_hear(RUST, [&mut bob, &mut carol]).await?;
    bob.ask(message(LOBBY, "bob", "I am in two rooms.")).await?;
    all_hear(LOBBY, [&mut bob, &mut alice]).await?;
    talk.step("and by nobody else: carol hears the next thing in her room");
    carol.ask(message(RUST, "carol", "I am here.")).await?;
    all_hear(RUST, [&mut carol, &mut bob]).await?;

    talk.step("bob leaves that room");
    bob.ask(envelope(RUST, "leave")).await?;
    carol.hears(RUST).await?;
    talk.step("carol says something that he does not hear");
    carol.ask(message(RUST, "carol", "Bob is gone.")).await?;
    carol.hears(RUST).await?;
    talk.step("he is still in the other room");
    alice.ask(message(LOBBY, "alice", "Bob is here.")).await?;
    all_hear(LOBBY, [&mut alice, &mut bob]).await?;
    talk.step("bob comes back, and hears what is said from now on");
    bob.join(RUST).await?;
    carol.hears(RUST).await?;
    carol.ask(message(RUST, "carol", "Welcome back.")).await?;
    all_hear(RUST, [&mut carol, &mut bob]).await?;
    talk.step("carol leaves, and is in no room");
    carol.ask(envelope(RUST, "leave")).await?;
    bob.hears(RUST).await?;
    talk.step("and comes back");
    carol.join(RUST).await?;
    bob.hears(RUST).await?;
    nobody_heard_more([&mut alice, &mut bob, &mut carol])
}

async fn replies(talk: Conversation) -> Step {
    talk.step("bob is in the lobby, and wants no replies");
    let mut bob = Member::new(&talk, "bob").await?;
    bob.join(LOBBY).await?;
    talk.step("alice joins, with a ref");
    let mut alice = Member::new(&talk, "alice").await?;
    let join = with_ref(envelope(LOBBY, "join"), 1);
    alice.ask_and_hear_how(join).await?;
    all_hear(LOBBY, [&mut alice, &mut bob]).await?;
    talk.step("alice speaks, with a ref");
    let said = message(LOBBY, "alice", "Hello!");
    alice.ask_and_hear_how(with_ref(said, 2)).await?;
    all_hear(LOBBY, [&mut alice, &mut bob]).await?;
    talk.step("alice leaves, with a ref");
    let leave = with_ref(envelope(LOBBY, "leave"), 3);
    alice.ask_and_hear_how(leave).await?;
    bob.hears(LOBBY).await?;

    talk.step("a ref is any whole number or any string, and comes back as it came");
    let refs = [json!(0), json!(-7), json!(9007199254740991_i64)];
    let words = ["", "1", "null", "둘 🦀 \"three\"\n"].map(|word| json!(word));
    for (count, reference) in refs.into_iter().chain(words).enumerate() {
        let event = ["join", "leave"][count % 2];
        let request = with_ref(envelope(("chat", "alone"), event), reference);
        alice.ask_and_hear_how(request).await?;
        if event == "join" {
            alice.hears(("chat", "alone")).await?;
        }
    }

    talk.step("it comes back with every error, too");
    for (count, mistake) in mistakes().into_iter().enumerate() {
        let reference = 100 + count;
        alice.ask_and_hear_how(with_ref(mistake, reference)).await?;
    }
    talk.step("nobody joins twice, and nobody leaves or speaks from outside");
    alice
        .ask_and_hear_how(with_ref(envelope(("chat", "alone"), "join"), 200))
        .await?;
    alice
        .ask_and_hear_how(with_ref(message(LOBBY, "alice", "I am outside."), 201))
        .await?;
    alice
        .ask_and_hear_how(with_ref(envelope(LOBBY, "leave"), 202))
        .await?;
    talk.step("a room of the same name in the other namespace is another one");
    let same_name = ("news", "alone");
    for (event, reference) in [("leave", 203), ("join", 204), ("leave", 205)] {
        let request = with_ref(envelope(same_name, event), reference);
        alice.ask_and_hear_how(request).await?;
        if event == "join" {
            alice.hears(same_name).await?;
        }
    }
    talk.step("bob has heard nothing of that");
    bob.ask(message(LOBBY, "bob", "Quiet today.")).await?;
    bob.hears(LOBBY).await?;

    talk.step("without a ref, success is silent, and an error is told");
    alice
        .ask(message(("chat", "alone"), "alice", "Nobody hears me."))
        .await?;
    alice.hears(("chat", "alone")).await?;
    for mistake in [
        envelope(("chat", "alone"), "join"),
        envelope(LOBBY, "leave"),
        message(LOBBY, "alice", "Hello?"),
        json!({}),
    ] {
        alice.blunder(&mistake.to_string()).await?;
    }
    talk.step("what is no request at all, too");
    let deep = "[".repeat(60_000);
    for text in ["hello", "{\"ns\":\"chat\"", "7", "null", "[]", &deep] {
        alice.blunder(text).await?;
    }
    talk.step("so is a ref that is neither a whole number nor a string, and nothing is done");
    for reference in [json!(true), json!(1.5), json!([1]), json!({ "id": 1 })] {
        let request = with_ref(envelope(LOBBY, "join"), reference);
        alice.blunder(&request.to_string()).await?;
    }

    talk.step("one name is one room, however its letters are composed");
    alice
        .ask_and_hear_how(with_ref(envelope(("chat", DECOMPOSED), "join"), "composed"))
        .await?;
    alice.hears(("chat", COMPOSED)).await?;
    alice
        .ask_and_hear_how(with_ref(envelope(("chat", COMPOSED), "join"), "again"))
        .await?;

    talk.step("many requests at once: each gets one reply");
    let lobby = envelope(LOBBY, "join");
    let said = message(LOBBY, "alice", "I am back.");
    let requests = [
        with_ref(lobby.clone(), "first"),
        with_ref(lobby, "second"),
        with_ref(json!({}), "third"),
        with_ref(said, "fourth"),
    ];
    for request in &requests {
        alice.ask(request.clone()).await?;
    }
    for request in &requests {
        alice.reply(request.get("ref")).await?;
    }
    for _ in 0..2 {
        all_hear(LOBBY, [&mut alice, &mut bob]).await?;
    }
    talk.step("and no more than one: the next is that of the next request");
    let next = with_ref(envelope(("chat", "alone"), "leave"), "sentinel");
    alice.ask_and_hear_how(next).await?;
    nobody_heard_more([&mut alice, &mut bob])
}

/// 로비 in two ways: as 2 syllables, and as 4 letters. NFC makes the first of both.
const COMPOSED: &str = "\u{b85c}\u{be44}";
const DECOMPOSED: &str = "\u{1105}\u{1169}\u{1107}\u{1175}";

/// Requests of which something is wrong, by one who is in the room `alone`.
fn mistakes() -> Vec<Value> {
    let right = message(("chat", "alone"), "alice", "Hello!");
    let with = |field: &str, value: Value| {
        let mut wrong = right.clone();
        wrong[field] = value;
        wrong
    };
    let without = |field: &str| {
        let mut wrong = right.clone();
        if let Value::Object(fields) = &mut wrong {
            fields.remove(field);
        }
        wrong
    };
    let mut mistakes = vec![json!({})];
    mistakes.extend(["ns", "room", "event", "data"].map(without));
    mistakes.extend(["dance", "Message", ""].map(|event| with("event", json!(event))));
    mistakes.extend(["event", "room", "ns"].map(|field| with(field, json!(7))));
    let long = "x".repeat(65);
    for room in ["", " ", "bar ", "a/b", "bar!", &long] {
        mistakes.push(json!({ "ns": "chat", "room": room, "event": "join" }));
    }
    for data in [
        Value::Null,
        json!("Hello!"),
        json!({ "sender": "alice" }),
        json!({ "sender": "alice", "message": 7 }),
        json!({ "sender": "alice", "message": "" }),
        json!({ "sender": " ", "message": "Hello!" }),
    ] {
        mistakes.push(with("data", data));
    }
    mistakes
}

const NEWS: Place = ("news", "lobby");

async fn two_namespaces(talk: Conversation) -> Step {
    talk.step("alice joins the chat's lobby, bob the one of the news, carol both");
    let mut alice = Member::new(&talk, "alice").await?;
    alice.join(LOBBY).await?;
    let mut bob = Member::new(&talk, "bob").await?;
    bob.join(NEWS).await?;
    let mut carol = Member::new(&talk, "carol").await?;
    carol.join(LOBBY).await?;
    alice.hears(LOBBY).await?;
    carol.join(NEWS).await?;
    bob.hears(NEWS).await?;

    talk.step("alice speaks in the chat");
    alice.ask(message(LOBBY, "alice", "Any news?")).await?;
    all_hear(LOBBY, [&mut alice, &mut carol]).await?;

    talk.step(
        "nobody may speak in the news, neither inside nor outside, and whoever they say they are",
    );
    for (member, sender) in [
        (&mut alice, "alice"),
        (&mut bob, "bob"),
        (&mut carol, "press"),
    ] {
        let said = message(NEWS, sender, "I made this up.");
        member.ask_and_hear_how(with_ref(said, "may I?")).await?;
    }

    talk.step("news comes from outside");
    let news = json!({ "sender": "press", "message": "속보: 🦀 sighted" });
    let press = talk.by("press");
    press.post("/api/news/lobby").json(&news).send().await?;
    all_hear(NEWS, [&mut bob, &mut carol]).await?;
    talk.step("and stays in the news: alice hears the next thing in the chat");
    alice.ask(message(LOBBY, "alice", "No news, then.")).await?;
    all_hear(LOBBY, [&mut alice, &mut carol]).await?;

    talk.step("nobody is in this room of the news, and that is no mistake");
    press.post("/api/news/rust").json(&news).send().await?;

    talk.step("there is no third namespace");
    for ns in ["sports", "Chat", "NEWS", "chat ", "chat/news"] {
        let join = json!({ "ns": ns, "room": "lobby", "event": "join", "ref": ns });
        bob.ask_and_hear_how(join).await?;
    }
    talk.step("once more news, and once more chat");
    press.post("/api/news/lobby").json(&news).send().await?;
    all_hear(NEWS, [&mut bob, &mut carol]).await?;
    carol.ask(message(LOBBY, "carol", "I hear both.")).await?;
    all_hear(LOBBY, [&mut carol, &mut alice]).await?;
    nobody_heard_more([&mut alice, &mut bob, &mut carol])
}

async fn subprotocol(talk: Conversation) -> Step {
    for (what, offer) in [
        ("nothing is offered", None),
        ("chat.v1 is offered", Some("chat.v1")),
        ("it is offered first", Some("chat.v1, chat.v2")),
        ("it is offered last", Some("chat.v3, chat.v2, chat.v1")),
        (
            "it is offered in the middle, without spaces",
            Some("soap,chat.v1,wamp"),
        ),
        ("only another version is offered", Some("chat.v2")),
        (
            "what is offered only looks like it",
            Some("chat.v10, superchat.v1, chat"),
        ),
    ] {
        talk.step(what);
        let socket = talk.socket_offering("client", "/ws", offer).await?;
        let mut member = Member::on(&talk, socket);
        let join = with_ref(envelope(LOBBY, "join"), "spoken all the same");
        member.ask_and_hear_how(join).await?;
        member.socket.vanish();
    }
    Ok(())
}

const ONE: Place = ("chat", "one");
const TWO: Place = ("chat", "two");
const NEWS_THREE: Place = ("news", "three");
const PLACES: [Place; 3] = [ONE, TWO, NEWS_THREE];

async fn gone_from_every_room(talk: Conversation) -> Step {
    talk.step("alice joins three rooms");
    let mut alice = Member::new(&talk, "alice").await?;
    for place in PLACES {
        alice.join(place).await?;
    }

    let mut bob = comes(&talk, "bob", &mut alice).await?;
    talk.step("bob closes his one socket");
    bob.socket.close(Some(1000)).await?;
    hears_in_each(&mut alice).await?;

    let carol = comes(&talk, "carol", &mut alice).await?;
    talk.step("carol is gone without a word");
    carol.socket.vanish();
    hears_in_each(&mut alice).await?;

    let dave = comes(&talk, "dave", &mut alice).await?;
    talk.step("dave's connection is reset");
    dave.socket.reset()?;
    hears_in_each(&mut alice).await?;

    let mut eve = comes(&talk, "eve", &mut alice).await?;
    talk.step("eve breaks the protocol");
    // FIN and opcode 3, which means nothing; MASK and length 0; a key (RFC 6455 5.2).
    eve.socket
        .send_bytes("a frame of opcode 3", b"\x83\x80\x00\x00\x00\x00")
        .await?;
    hears_in_each(&mut alice).await?;

    let mut fred = comes(&talk, "fred", &mut alice).await?;
    talk.step("fred leaves one of the rooms");
    fred.ask(envelope(TWO, "leave")).await?;
    alice.hears(TWO).await?;
    talk.step("and closes his socket: he leaves the other two");
    fred.socket.close(Some(1000)).await?;
    alice.hears(ONE).await?;
    alice.hears(NEWS_THREE).await?;
    talk.step("and not that one again");
    alice.ask(message(TWO, "alice", "I am alone.")).await?;
    alice.hears(TWO).await?;
    alice.heard_nothing_else()
}

/// Somebody joins all the rooms, and alice hears it in each.
async fn comes(talk: &Conversation, lane: &str, alice: &mut Member) -> Step<Member> {
    talk.step(&format!("{lane} joins them too"));
    let mut newcomer = Member::new(talk, lane).await?;
    for place in PLACES {
        newcomer.join(place).await?;
        alice.hears(place).await?;
    }
    Ok(newcomer)
}

async fn hears_in_each(alice: &mut Member) -> Step {
    for place in PLACES {
        alice.hears(place).await?;
    }
    Ok(())
}

async fn all_hear<const N: usize>(place: Place, members: [&mut Member; N]) -> Step {
    for member in members {
        member.hears(place).await?;
    }
    Ok(())
}

fn nobody_heard_more<const N: usize>(members: [&mut Member; N]) -> Step {
    for member in members {
        member.heard_nothing_else()?;
    }
    Ok(())
}

/// The page is given, so no exercise asks for it: a check of the workbook's own.
pub const PAGE: Exercise = Exercise {
    number: Number(6, 0),
    needs: Need::Browser,
    converse: |talk| Box::pin(page(talk)),
};

/// The page connects to a server that knows no subprotocol yet.
pub const STARTERS_PAGE: Exercise = Exercise {
    number: Number(6, 0),
    needs: Need::Browser,
    converse: |talk| Box::pin(page_without_subprotocol(talk)),
};

async fn page(talk: Conversation) -> Step {
    let browser = Browser::start().await.map_err(Stop)?;
    let ann = talk.tab(&browser, "Ann's tab", "/").await?;
    let bob = talk.tab(&browser, "Bob's tab", "/").await?;
    for tab in [&ann, &bob] {
        tab.text_becomes("#connection", "connected").await?;
        tab.text_becomes("#subprotocol", "chat.v1").await?;
    }

    // Both join the chat's lobby, Ann a second room as well, and Bob the news.
    for tab in [&ann, &bob] {
        tab.click("#chat-join").await?;
        tab.text_becomes("#chat-reply", "ok").await?;
    }
    ann.text_becomes("#chat-rooms", "lobby (2)").await?;
    ann.type_into("#chat-room", DECOMPOSED).await?;
    ann.click("#chat-join").await?;
    let rooms = format!("lobby (2), {COMPOSED} (1)");
    ann.text_becomes("#chat-rooms", &rooms).await?;
    ann.click("#chat-join").await?;
    ann.text_contains("#chat-reply", "already", "why not")
        .await?;
    bob.click("#news-join").await?;
    bob.text_becomes("#news-rooms", "lobby (1)").await?;

    // What is said in a room shows there, and as text.
    ann.type_into("#chat-room", "lobby").await?;
    ann.type_into("#chat-sender", "Ann").await?;
    ann.type_into("#chat-message-input", "<img src=x data-eve>")
        .await?;
    ann.press_enter().await?;
    let log = ["lobby | Ann : <img src=x data-eve>"];
    for tab in [&ann, &bob] {
        tab.lines_become("#chat-log", &log).await?;
        tab.no_element("[data-eve]").await?;
    }
    ann.field_becomes("#chat-message-input", "").await?;

    // News goes to who has joined it, and only there.
    ann.type_into("#news-sender", "editor").await?;
    ann.type_into("#news-message-input", "Sighted!").await?;
    ann.click("#news-message-submit").await?;
    bob.lines_become("#news-log", &["lobby | editor : Sighted!"])
        .await?;
    ann.field_becomes("#news-message-input", "").await?;
    ann.click("#news-message-submit").await?;
    ann.text_becomes("#news-problem", "The server says 422.")
        .await?;
    ann.lines_become("#news-log", &[]).await?;
    bob.lines_become("#chat-log", &log).await?;

    bob.click("#chat-leave").await?;
    bob.text_becomes("#chat-rooms", "no room").await?;
    let rooms = format!("lobby (1), {COMPOSED} (1)");
    ann.text_becomes("#chat-rooms", &rooms).await?;

    talk.server.kill();
    for tab in [&ann, &bob] {
        tab.text_becomes("#connection", "not connected").await?;
        tab.text_becomes("#chat-rooms", "no room").await?;
        tab.errors();
    }
    Ok(())
}

async fn page_without_subprotocol(talk: Conversation) -> Step {
    let browser = Browser::start().await.map_err(Stop)?;
    let tab = talk.tab(&browser, "tab", "/").await?;
    tab.text_becomes("#connection", "connected").await?;
    tab.text_becomes("#subprotocol", "none").await
}
