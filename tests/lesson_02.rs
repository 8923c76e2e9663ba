//! Lesson 2, fetch: what is asked of JSON endpoints and of a page that stops moving.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::conversation::{Conversation, Step, Stop, stop};
use crate::lesson::{Exercise, Lesson, Need, Number};
use crate::request::{Request, Waiting};

/// The lesson and its exercises.
pub const LESSON: Lesson = Lesson {
    number: 2,
    name: "02-fetch",
    title: "Fetch",
    exercises: &[
        Exercise {
            number: Number(2, 1),
            needs: Need::Nothing,
            converse: |talk| Box::pin(listing(talk)),
        },
        Exercise {
            number: Number(2, 2),
            needs: Need::Nothing,
            converse: |talk| Box::pin(posting(talk)),
        },
        Exercise {
            number: Number(2, 3),
            needs: Need::Nothing,
            converse: |talk| Box::pin(only_newer(talk)),
        },
        Exercise {
            number: Number(2, 4),
            needs: Need::Browser,
            converse: |talk| Box::pin(page(talk)),
        },
        Exercise {
            number: Number(2, 5),
            needs: Need::Nothing,
            converse: |talk| Box::pin(long_poll(talk)),
        },
        Exercise {
            number: Number(2, 6),
            needs: Need::Nothing,
            converse: |talk| Box::pin(events(talk)),
        },
    ],
};

const MESSAGES: &str = "/api/messages";

fn message(text: &str) -> Value {
    json!({ "sender": "Ann", "message": text })
}

/// Posts a message for the sake of those who wait for it.
async fn post(talk: &Conversation, text: &str) -> Step {
    let request = talk.post(MESSAGES).json(&message(text));
    request.send_for_its_effect().await
}

async fn listing(talk: Conversation) -> Step {
    let answer = talk.get(MESSAGES).await?;
    answer.content_type();
    answer.json();
    Ok(())
}

async fn posting(talk: Conversation) -> Step {
    talk.step("a message is stored and can be asked for");
    let answer = talk.post(MESSAGES).json(&message("안녕 👋")).send().await?;
    answer.content_type();
    answer.location();
    answer.json();
    let answer = talk.get("/api/messages/3").await?;
    answer.content_type();
    answer.json();

    talk.step("an id that is not there");
    for id in ["99", "0", "abc"] {
        let answer = talk.get(&format!("/api/messages/{id}")).await?;
        answer.content_type();
        answer.json();
    }

    talk.step("what is no message is refused, each for its own reason");
    let refused = [
        ("application/json", "{\"sender\":\"Ann\",\"message\":"),
        ("text/plain", "{\"sender\":\"Ann\",\"message\":\"Hi\"}"),
        ("application/json", "{\"sender\":\"Ann\"}"),
        ("application/json", "{\"sender\":\"Ann\",\"message\":\"\"}"),
        ("application/json", "{\"sender\":\"  \",\"message\":\"Hi\"}"),
        ("application/json", "{\"sender\":\"Ann\",\"message\":7}"),
        ("application/json", "[]"),
    ];
    for (content_type, body) in refused {
        let answer = talk.post(MESSAGES).text(content_type, body).send().await?;
        answer.content_type();
        answer.json();
    }

    talk.step("nothing of that was stored");
    talk.get(MESSAGES).await?.json();
    Ok(())
}

async fn only_newer(talk: Conversation) -> Step {
    // The page's own form stores as well, so this needs no exercise but 2.3.
    for text in ["Third", "Fourth"] {
        let fields = [("sender", "Ann"), ("message", text)];
        talk.aside().post("/").form(&fields).send().await?;
    }
    for since in [0, 1, 3, 4, 99] {
        let answer = talk.get(&format!("{MESSAGES}?since={since}")).await?;
        answer.json();
    }
    Ok(())
}

async fn page(talk: Conversation) -> Step {
    let browser = Browser::start().await.map_err(Stop)?;
    let tab = talk.tab(&browser, "tab", "/").await?;
    let list = ["Ferris : Welcome!", "Corro : Sign the book, please."];
    tab.texts_become("#entries", "li", &list).await?;
    tab.mark().await?;

    talk.step("Ann writes, and the page stays");
    tab.type_into("[name=sender]", "Ann").await?;
    tab.type_into("[name=message]", "Hello, page!").await?;
    tab.click("[type=submit]").await?;
    let list = [list[0], list[1], "Ann : Hello, page!"];
    tab.texts_become("#entries", "li", &list).await?;
    tab.text_becomes("#problem", "").await?;
    tab.field_becomes("[name=message]", "").await?;
    tab.field_becomes("[name=sender]", "Ann").await?;
    tab.still_the_same_page().await?;

    talk.step("the server refuses, and the page says why");
    let refusal = talk.aside();
    let refusal = refusal.post(MESSAGES).json(&message("   ")).send().await?;
    let reason = refusal.json_value().unwrap_or_default();
    let reason = reason["error"].as_str().unwrap_or("the answer's error");
    tab.type_into("[name=message]", "   ").await?;
    tab.press_enter().await?;
    tab.text_contains("#problem", reason, "the error of the answer")
        .await?;
    tab.texts_become("#entries", "li", &list).await?;
    tab.still_the_same_page().await?;

    talk.step("what people type is text");
    let hostile = "<img src=x data-eve onerror=eve()>";
    tab.type_into("[name=sender]", "<b data-eve>Eve</b>")
        .await?;
    tab.type_into("[name=message]", hostile).await?;
    tab.press_enter().await?;
    let hostile = format!("<b data-eve>Eve</b> : {hostile}");
    let list = [list[0], list[1], list[2], &hostile];
    tab.texts_become("#entries", "li", &list).await?;
    tab.no_element("[data-eve]").await?;
    tab.text_becomes("#problem", "").await?;
    tab.still_the_same_page().await?;
    tab.errors();
    Ok(())
}

async fn long_poll(talk: Conversation) -> Step {
    let board = talk.by("board");
    let ann = talk.by("Ann");
    talk.step("something newer is there: the answer comes at once");
    board.get("/api/messages?since=0&wait=30").await?.json();

    talk.step("nothing newer comes: an empty answer after the wait");
    board.get("/api/messages?since=2&wait=1").await?.json();

    talk.step("the board waits for what comes next");
    let waiting = board
        .request(Method::GET, "/api/messages?since=2&wait=30")
        .begin();
    // A server that means to wait 30 s is still waiting, however long this takes.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(300) {
        talk.aside().get(MESSAGES).await?;
    }
    talk.step("Ann writes, and the board is answered in the middle of its wait");
    post(&ann, "Hello, board!").await?;
    comes_soon(&talk, &waiting).await?;
    waiting.answer().await?.json();

    talk.step("the board asks to wait longer than 30 s, which is no error");
    let waiting = board
        .request(Method::GET, "/api/messages?since=3&wait=3000000")
        .begin();
    talk.aside().get(MESSAGES).await?;
    talk.step("Ann writes again");
    post(&ann, "Still there?").await?;
    waiting.answer().await?.json();

    talk.step("many messages, each asked for before and while it is stored");
    for message in 5..5 + WAITS {
        let path = format!("{MESSAGES}?since={}&wait=30", message - 1);
        let waiting = talk.aside().request(Method::GET, &path).begin();
        talk.aside().get(MESSAGES).await?;
        post(&talk.aside(), "And again!").await?;
        comes_soon(&talk, &waiting).await?;
    }
    let missed = missed_in_a_race(&talk.aside(), 5 + WAITS).await?;
    board.transcript.received(
        "board",
        match missed {
            None => "each message in the first answer after it".to_string(),
            Some(message) => format!("no message {message}, which was stored while it asked"),
        },
    );

    talk.step("many write at the same time, while many wait");
    let newest = 4 + WAITS + ROUNDS;
    if let Err(Stop(reason)) = many_at_once(&talk.aside(), newest).await {
        talk.transcript.received("board", &reason);
        return stop(format!("when many wrote at the same time, {reason}"));
    }
    talk.transcript.received("board", "an answer, each time");
    Ok(())
}

/// How often somebody waits: a server that only looks now and then is in time now and then.
const WAITS: u64 = 5;

/// How many requests the server may answer before it answers one that it can answer.
const LATER_REQUESTS: usize = 30;

/// Stops when the server answers many later requests before the one that waits.
/// No clock is asked: a slow server is slow with all of them.
async fn comes_soon(talk: &Conversation, waiting: &Waiting) -> Step {
    for _ in 0..LATER_REQUESTS {
        if waiting.is_over() {
            return Ok(());
        }
        talk.aside().get("/api/messages/1").await?;
    }
    let instead = format!(
        "nothing of what was stored while it asked, \
         though {LATER_REQUESTS} later requests were answered"
    );
    talk.transcript.received("board", &instead);
    stop(format!("whoever waited for the message got {instead}"))
}

/// Asks for each message while it is being stored. The first one that an answer lacks.
async fn missed_in_a_race(talk: &Conversation, first: u64) -> Step<Option<u64>> {
    // How long the quickest round took: the moment between a server's look at
    // what there is and its wait lies somewhere within.
    let mut round = Duration::from_millis(2);
    for message in first..first + ROUNDS {
        let path = format!("{MESSAGES}?since={}&wait=30", message - 1);
        let begin = Instant::now();
        let waiting: Vec<Waiting> = (0..ASKING)
            .map(|_| talk.request(Method::GET, &path).begin())
            .collect();
        // A little later from round to round, so that some round meets it.
        while begin.elapsed() < round * (message % 16) as u32 / 16 {
            tokio::task::yield_now().await;
        }
        post(talk, "Now!").await?;
        for waiting in waiting {
            let Ok(answer) = waiting.answer().await else {
                return Ok(Some(message));
            };
            let messages = answer.json_value();
            if messages.is_none_or(|messages| messages[0]["id"] != message) {
                return Ok(Some(message));
            }
        }
        round = round.min(begin.elapsed());
    }
    Ok(None)
}

/// Several write at the same time while others wait, again and again. A server
/// whose locks are taken in two orders comes to a stop in one of these rounds.
async fn many_at_once(talk: &Conversation, newest: u64) -> Step {
    for newest in (newest..newest + CROWDS * WRITING).step_by(WRITING as usize) {
        let path = format!("{MESSAGES}?since={newest}&wait=30");
        let waiting: Vec<Waiting> = (0..ASKING)
            .map(|_| talk.request(Method::GET, &path).begin())
            .collect();
        try_join_all((0..WRITING).map(|_| post(talk, "All at once!"))).await?;
        for waiting in waiting {
            waiting.answer().await?;
        }
    }
    Ok(())
}

/// How often.
const CROWDS: u64 = 40;

/// How many write at the same time.
const WRITING: u64 = 8;

const ROUNDS: u64 = 80;

/// How many ask at the same time, so that some are answered just while the message is stored.
const ASKING: usize = 32;

async fn events(talk: Conversation) -> Step {
    let ann = talk.by("Ann");
    let board = talk.by("board");
    talk.step("the board opens a stream of events");
    let mut events = board.request(Method::GET, EVENTS).open().await?;
    events.answer.media_type();
    for text in ["Third", "Fourth"] {
        talk.step("Ann writes");
        post(&ann, text).await?;
        events.receive().await?;
    }

    talk.step("the board comes back, and is told what it missed");
    let mut events = came_back(&board, 1).open().await?;
    events.answer.media_type();
    for _ in 2..=4 {
        events.receive().await?;
    }
    talk.step("and what Ann writes from then on");
    post(&ann, "Fifth").await?;
    events.receive().await?;

    talk.step("the board comes back from before a restart, with an id that is not there yet");
    let mut events = came_back(&board, 99).open().await?;
    talk.step("Ann writes");
    post(&ann, "Sixth").await?;
    events.receive().await?;

    talk.step("many come back while messages are being stored");
    let wrong = wrong_in_a_race(&talk.aside()).await?;
    let what = wrong.unwrap_or("each message once, in order".to_string());
    talk.transcript.received("board", what);
    Ok(())
}

const EVENTS: &str = "/api/events";

/// How often somebody comes back while messages are being stored.
const RETURNS: u64 = 40;

fn came_back(board: &Conversation, last: u64) -> Request {
    let request = board.request(Method::GET, EVENTS);
    request.header("Last-Event-ID", &last.to_string())
}

/// Comes back while two messages are being stored, again and again. What was missing or twice.
async fn wrong_in_a_race(talk: &Conversation) -> Step<Option<String>> {
    for last in (6..6 + 2 * RETURNS).step_by(2) {
        let coming_back = came_back(talk, last);
        let storing = async {
            post(talk, "Now!").await?;
            post(talk, "And now!").await
        };
        let (events, stored) = tokio::join!(coming_back.open(), storing);
        stored?;
        let mut events = events?;
        for expected in [last + 1, last + 2] {
            let event = events.next().await.map_err(Stop)?;
            if event.id != expected.to_string() {
                return Ok(Some(format!(
                    "an event with id {:?} instead of {expected}",
                    event.id
                )));
            }
        }
    }
    Ok(None)
}
