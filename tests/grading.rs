//! From a program to a verdict: starts it, holds the exercise's conversation
//! with it, ends it, and judges what was said.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::accepted;
use crate::colours;
use crate::conversation::{Conversation, Stop};
use crate::lesson::{Exercise, Lesson, Number};
use crate::panics::{self, Panic};
use crate::report::{Report, report};
use crate::server::{Program, Server};
use crate::source::Place;

/// How long a whole exercise may take, the wait for a browser's place included. Each
/// of its steps has a shorter deadline of its own, so this ends only what never would.
const EXERCISE: Duration = Duration::from_secs(600);

/// The runtime on which every conversation is held.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("the system gives threads and an event queue");
    runtime.spawn(async {
        // Whatever runs is then dropped, and with it servers and browsers end.
        if tokio::signal::ctrl_c().await.is_ok() {
            INTERRUPTED.send_replace(true);
        }
    });
    runtime
});

/// Whether somebody pressed Ctrl-C.
static INTERRUPTED: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

async fn interrupted() {
    let mut interrupted = INTERRUPTED.subscribe();
    // The sender is a static, so the wait ends only with an interruption.
    let _ = interrupted.wait_for(|yes| *yes).await;
}

/// What an exercise's grader says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The conversation is the accepted one.
    Passed,
    /// The exercise is still a hole, here.
    NotStarted(Place),
    /// The conversation ran into the hole of another exercise, here.
    WaitsFor(Number, String),
    /// Something that the exercise needs is not installed; how to get it.
    Missing(String),
    /// The lesson does not compile: the compiler's words.
    DoesNotCompile(String),
    /// The conversation went wrong: what the learner is told.
    Wrong(String),
}

/// What a conversation left behind.
#[derive(Debug)]
pub struct Held {
    /// What was said.
    pub transcript: String,
    /// Why it ended early, if it did.
    pub stop: Option<Stop>,
    /// What the server wrote to stderr.
    pub stderr: String,
    /// How the server ended by itself, if it did.
    pub ended: Option<String>,
}

/// Holds an exercise's conversation with a fresh process of a program.
///
/// # Errors
/// One sentence on why the server could not be talked to.
pub async fn hold(program: &Program, exercise: &Exercise) -> Result<Held, String> {
    let conversation = Conversation::new(Server::start(program).await?);
    let servers = conversation.servers.clone();
    let transcript = conversation.transcript.clone();
    let left_open = conversation.left_open.clone();
    let left_running = conversation.left_running.clone();
    let outcome = tokio::select! {
        outcome = timeout(EXERCISE, (exercise.converse)(conversation)) => {
            outcome.unwrap_or_else(|_| Err(Stop(format!(
                "the whole conversation was not over within {} s",
                EXERCISE.as_secs()
            ))))
        }
        () = interrupted() => Err(Stop("grading was interrupted".to_string())),
    };
    let ended = match &outcome {
        Ok(()) => None,
        // Its connections end a moment before it does.
        Err(_) => servers.one_ends_soon().await,
    };
    let stderr = servers.end_and_read_stderr();
    drop((left_open, left_running));
    Ok(Held {
        transcript: transcript.text(),
        stop: outcome.err(),
        stderr,
        ended,
    })
}

/// Grades one exercise of a program against the accepted transcript.
pub fn grade(program: &Program, lesson: &Lesson, exercise: &Exercise) -> Verdict {
    if let Some(reason) = exercise.needs.missing() {
        return Verdict::Missing(reason);
    }
    let accepted = match accepted::transcript(exercise.number) {
        Ok(accepted) => accepted,
        Err(reason) => return Verdict::Wrong(reason),
    };
    let held = match RUNTIME.block_on(hold(program, exercise)) {
        Ok(held) => held,
        // No exercise has been looked at, so there is nothing to say about one.
        Err(reason) => return Verdict::Wrong(reason),
    };
    let panic = panics::first(&held.stderr);
    let hole = panic.as_ref().and_then(Panic::hole);
    let hole = hole.filter(|other| *other != exercise.number);
    if held.stop.is_none() && held.transcript == accepted && (panic.is_none() || hole.is_some()) {
        return Verdict::Passed;
    }
    if let (Some(panic), Some(other)) = (&panic, hole) {
        return Verdict::WaitsFor(other, panic.place.clone());
    }
    let wrong = Report {
        lesson,
        exercise: exercise.number,
        headline: &headline(panic.as_ref(), &held, &accepted),
        expected: &accepted,
        yours: &held.transcript,
        ended_early: held.stop.is_some(),
        has_source: matches!(program, Program::Built(_)),
    };
    Verdict::Wrong(report(&wrong, colours::wanted()))
}

/// What went wrong, in one sentence: the cause before its consequence.
fn headline(panic: Option<&Panic>, held: &Held, accepted: &str) -> String {
    let consequence = held.stop.as_ref().map(|Stop(reason)| reason.as_str());
    if let Some(Panic { place, message }) = panic {
        return format!("Your server panicked at {place}: {message}");
    }
    if let Some(status) = &held.ended
        && let Some(consequence) = consequence
    {
        let last = held.stderr.trim_end();
        let last = last.lines().last().unwrap_or("nothing");
        return format!(
            "Your server ended by itself ({status}), so {consequence}. The last it wrote to stderr: {last}"
        );
    }
    match consequence {
        Some(consequence) => format!("{}.", capital(consequence)),
        None => first_difference(accepted, &held.transcript),
    }
}

/// The first line that differs, in words.
pub fn first_difference(accepted: &str, yours: &str) -> String {
    let words = |line: Option<&str>| {
        line.map_or("the end".to_string(), |line| format!("`{}`", line.trim()))
    };
    let mut yours = yours.lines();
    let mut accepted = accepted.lines();
    loop {
        let (came, expected) = (yours.next(), accepted.next());
        if came != expected {
            let (came, expected) = (words(came), words(expected));
            return format!("{} came where {expected} was expected.", capital(&came));
        }
        if came.is_none() {
            return "Nothing differs.".to_string();
        }
    }
}

fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}
