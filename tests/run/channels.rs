//! `cargo test --test channels`: the Django code that the book prints is graded
//! as any lesson is. What it is said to pass it must pass; where it is said to
//! differ, it must differ in just these lines, so that the book tells the truth.
//!
//! `DJANGO_PYTHON` names a Python that has the packages of
//! `book/channels/requirements.txt`; otherwise it is `target/channels/bin/python`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::sync::Arc;
use std::time::Duration;

use graders::accepted;
use graders::conversation::{CLIENT, Conversation, PATIENCE, Stop};
use graders::grading::{RUNTIME, Verdict, grade, hold};
use graders::harness::{arguments_side_by_side, asked_for, is_ci, run};
use graders::lesson::{Exercise, LESSONS, Lesson, Need, Number, workbook};
use graders::redis_server::RedisServer;
use graders::server::{Program, Server};
use graders::socket::Socket;
use graders::{lesson_03, lesson_05, lesson_07, lesson_08};
use libtest_mimic::{Completion, Trial};
use serde_json::json;
use tokio::time::{Instant, sleep};

use Known::{Differs, NotGraded, Passes};

/// A Python that starts Django keeps a core busy for a second or two, so fewer of
/// them run side by side than elsewhere.
const SIDE_BY_SIDE: usize = 4;

/// What the Django code of each chapter is known to make of its exercises.
const TABLE: &[(Number, Known)] = &[
    (Number(1, 1), Passes),
    (Number(1, 2), Passes),
    (Number(1, 3), Passes),
    (Number(1, 4), Passes),
    (Number(1, 5), Passes),
    (Number(2, 1), Passes),
    (Number(2, 2), Passes),
    (Number(2, 3), Passes),
    (Number(2, 4), Passes),
    (Number(2, 5), Passes),
    (Number(2, 6), Passes),
    // Daphne sends no empty text.
    (
        Number(3, 1),
        Differs(&[("client < text \"\"", "client < nothing within 5 s")]),
    ),
    (Number(3, 2), Passes),
    (Number(3, 3), Passes),
    // Daphne's WebSocket library, autobahn, lets an application close with 1000 or
    // 3000 to 4999, answers every Close with 1000, and ends the connection without
    // a Close when a peer breaks the rules.
    (
        Number(3, 4),
        Differs(&[
            ("client < close 1003", "client < close 4003"),
            ("client < close 1003", "client < close 4003"),
            ("client < close 3000", "client < close 1000"),
            ("client < close 4001", "client < close 1000"),
            ("client < close with no code", "client < close 1000"),
            (
                "client < close 1009",
                "client < the end of the connection without a Close",
            ),
        ]),
    ),
    (Number(3, 5), Passes),
    (Number(3, 6), Passes),
    (Number(4, 1), Passes),
    (
        Number(4, 2),
        Differs(&[("eve   < close 1003", "eve   < close 4003")]),
    ),
    (Number(4, 3), Passes),
    (
        Number(4, 4),
        Differs(&[("eve   < close 1003", "eve   < close 4003")]),
    ),
    (Number(4, 5), Passes),
    (Number(4, 6), Passes),
    (Number(5, 1), Passes),
    (Number(5, 2), Passes),
    // Whatever is refused before the upgrade, Daphne answers with 403.
    (
        Number(5, 3),
        Differs(&[("socket < 404 Not Found", "socket < 403 Forbidden"); 14]),
    ),
    (Number(5, 4), Passes),
    (Number(5, 5), Passes),
    (Number(6, 1), Passes),
    (Number(6, 2), Passes),
    (Number(6, 3), Passes),
    (Number(6, 4), Passes),
    (Number(6, 5), Passes),
    (Number(7, 1), Passes),
    // Daphne keeps what a client does not read, however much it is. A consumer's
    // send never waits, so nobody knows who is slow.
    (
        Number(7, 2),
        Differs(&[(
            "zoe   < {\"missed\":N} in the place of what she missed, and what alice says now",
            "zoe   < everything",
        )]),
    ),
    (
        Number(7, 3),
        Differs(&[("alice < text {\"online\":2}", "alice < nothing within 5 s")]),
    ),
    // Each message is a call of the consumer, and each call writes.
    (
        Number(7, 4),
        Differs(&[(
            "bob   < all of them in order",
            "bob   < 100 of them in more than 20 reads",
        )]),
    ),
    // Channels has a protocol of its own in Redis, with channels of other names.
    // What was tried, and what came of it, stands in the two files below.
    (Number(8, 1), NotGraded),
    (Number(8, 2), NotGraded),
    (Number(8, 3), NotGraded),
    (Number(8, 4), NotGraded),
];

/// What the book prints of Django and Redis: the channel layer, and the file
/// of lesson 8's project that the conversation is printed in.
const WITH_REDIS: &[(&str, &str)] = &[
    (
        "channels_redis.pubsub.RedisPubSubChannelLayer",
        "pubsub.txt",
    ),
    ("channels_redis.core.RedisChannelLayer", "core.txt"),
];

/// How the Django code does in an exercise.
#[derive(Clone, Copy)]
enum Known {
    /// It passes.
    Passes,
    /// Its transcript has other lines: each accepted one with what stands there instead.
    Differs(&'static [(&'static str, &'static str)]),
    /// It is another protocol, so that the conversation cannot be held.
    NotGraded,
}

fn main() -> ExitCode {
    let arguments = arguments_side_by_side(SIDE_BY_SIDE);
    let python = Arc::new(Python::find());
    let mut checks = vec![
        Check::new(
            "channels-versions-are-those-pinned",
            versions_are_those_pinned,
        ),
        Check::new("channels-3-unknown-path-is-a-500", |python| {
            RUNTIME.block_on(unknown_path(&python.serving(&lesson_03::LESSON)))
        }),
        Check::new("channels-3-broken-rules-get-no-close", |python| {
            RUNTIME.block_on(broken_rules(&python.serving(&lesson_03::LESSON)))
        }),
        Check::new("channels-5-a-group-name-is-ascii", a_group_name_is_ascii),
        Check::new(
            "channels-7-full-queue-is-as-printed",
            full_queue_is_as_printed,
        ),
    ];
    checks.extend(WITH_REDIS.iter().map(|(layer, printed)| {
        let name = format!("channels-8-{}", printed.replace(".txt", "-is-as-printed"));
        Check {
            needs: Need::Redis,
            ..Check::new(name, move |python| {
                redis_is_as_printed(python, layer, printed)
            })
        }
    }));
    let lessons = LESSONS.iter().filter(|lesson| project(lesson).is_dir());
    checks.extend(lessons.flat_map(checks_of));
    let trials = checks
        .into_iter()
        .filter(|check| asked_for(&arguments, &check.name))
        .map(|check| check.trial(python.clone()))
        .collect();
    run(&arguments, trials).exit_code()
}

/// A check of the Django code. `Err` says what is not as the book says.
struct Check {
    name: String,
    needs: Need,
    check: Box<Function>,
}

type Function = dyn FnOnce(&Python) -> Result<(), String> + Send;

impl Check {
    fn new(
        name: impl Into<String>,
        check: impl FnOnce(&Python) -> Result<(), String> + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            needs: Need::Nothing,
            check: Box::new(check),
        }
    }

    /// The check as a test. Where something is missing it is ignored, and fails in CI.
    fn trial(self, python: Arc<Result<Python, String>>) -> Trial {
        Trial::ignorable_test(self.name, move || {
            match (python.as_ref(), self.needs.missing()) {
                (Ok(python), None) => {
                    (self.check)(python)?;
                    Ok(Completion::Completed)
                }
                (Err(reason), _) if is_ci() => Err(reason.into()),
                (Err(reason), _) => Ok(Completion::ignored_with(reason)),
                (_, Some(reason)) if is_ci() => Err(reason.into()),
                (_, Some(reason)) => Ok(Completion::ignored_with(reason)),
            }
        })
    }
}

fn checks_of(lesson: &'static Lesson) -> Vec<Check> {
    let name = format!("channels-{}-has-no-issues", lesson.number);
    let mut checks = vec![Check::new(name, |python| has_no_issues(python, lesson))];
    for exercise in lesson.exercises {
        let number = exercise.number;
        let known = TABLE.iter().find(|(of, _)| *of == number);
        let known = known.map(|(_, known)| *known);
        if let Some(NotGraded) = known {
            continue;
        }
        let name = match known {
            Some(Differs(_)) => format!("channels-{number}-differs"),
            _ => format!("channels-{number}"),
        };
        let check = move |python: &Python| match known {
            Some(Passes) => passes(&python.serving(lesson), lesson, exercise),
            Some(Differs(lines)) => differs(&python.serving(lesson), exercise, lines),
            Some(NotGraded) => Ok(()),
            None => Err(format!("{number} lacks a line in the table of {}", file!())),
        };
        checks.push(Check {
            needs: exercise.needs,
            ..Check::new(name, check)
        });
    }
    checks
}

/// The folder of the Django projects.
fn folder() -> PathBuf {
    workbook().join("book/channels")
}

/// The folder of a lesson's Django project.
fn project(lesson: &Lesson) -> PathBuf {
    folder().join(lesson.name)
}

/// A Python that has Django, Channels and Daphne.
struct Python(PathBuf);

impl Python {
    /// Finds it, or says how to get one.
    fn find() -> Result<Self, String> {
        let named = env::var("DJANGO_PYTHON").unwrap_or("target/channels/bin/python".to_string());
        // A bare name is looked for where commands are; anything else is a path from the workbook.
        let python = Self(if named.contains('/') {
            workbook().join(&named)
        } else {
            PathBuf::from(&named)
        });
        let imported = python.run(&folder(), &["-c", "import channels, daphne, django"]);
        match imported {
            Ok(output) if output.status.success() => Ok(python),
            _ => Err(format!(
                "{named} does not run Django, Channels and Daphne: \
                 python3 -m venv target/channels && \
                 target/channels/bin/python -m pip install -r book/channels/requirements.txt"
            )),
        }
    }

    /// Runs it in a folder, where it writes nothing.
    fn run(&self, folder: &Path, arguments: &[&str]) -> Result<Output, String> {
        Command::new(&self.0)
            .arg("-B")
            .args(arguments)
            .current_dir(folder)
            .output()
            .map_err(|error| format!("{}: {error}", self.0.display()))
    }

    /// A lesson's Django project behind Daphne, with the lesson's limit of a text.
    fn serving(&self, lesson: &Lesson) -> Program {
        Program::Command(format!(
            "cd '{}' && exec '{}' -B -m daphne -b 127.0.0.1 -p $PORT \
             --websocket-max-message-size 65536 config.asgi:application",
            project(lesson).display(),
            self.0.display()
        ))
    }
}

/// The book names versions: those must be graded.
fn versions_are_those_pinned(python: &Python) -> Result<(), String> {
    let file = folder().join("requirements.txt");
    let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
    let page = workbook().join("book/src/en/channels.md");
    let named = fs::read_to_string(&page).map_err(|error| error.to_string())?;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let lacks = format!("{}: `{line}` fixes no version", file.display());
        let (package, pinned) = line.split_once("==").ok_or(lacks)?;
        let ask = format!("from importlib.metadata import version; print(version('{package}'))");
        let output = python.run(&folder(), &["-c", &ask])?;
        let installed = String::from_utf8_lossy(&output.stdout);
        let installed = installed.trim();
        if !named.contains(pinned) {
            return Err(format!(
                "{} does not name {package} {pinned}",
                page.display()
            ));
        }
        if installed != pinned {
            return Err(format!(
                "{package} {installed} is installed, not {pinned}: \
                 {} -m pip install -r book/channels/requirements.txt",
                python.0.display()
            ));
        }
    }
    Ok(())
}

/// Django's own check of a project finds nothing.
fn has_no_issues(python: &Python, lesson: &Lesson) -> Result<(), String> {
    let arguments = ["manage.py", "check", "--fail-level", "WARNING"];
    let output = python.run(&project(lesson), &arguments)?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// What the book shows of a full queue is what the script says.
fn full_queue_is_as_printed(python: &Python) -> Result<(), String> {
    let folder = project(&lesson_07::LESSON);
    let output = python.run(&folder, &["full_queue.py"])?;
    let said = String::from_utf8_lossy(&output.stdout);
    let printed = fs::read_to_string(folder.join("full_queue.txt"));
    let printed = printed.map_err(|error| error.to_string())?;
    if said == printed {
        Ok(())
    } else {
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(format!("full_queue.py says:\n{said}{stderr}"))
    }
}

fn passes(program: &Program, lesson: &Lesson, exercise: &Exercise) -> Result<(), String> {
    match grade(program, lesson, exercise) {
        Verdict::Passed => Ok(()),
        Verdict::Wrong(words) => Err(words),
        other => Err(format!("{other:?}")),
    }
}

/// The transcript differs from the accepted one in these lines; if the
/// conversation ends early, it ends with the last of them.
fn differs(program: &Program, exercise: &Exercise, lines: &[(&str, &str)]) -> Result<(), String> {
    let accepted = accepted::transcript(exercise.number)?;
    let held = RUNTIME.block_on(hold(program, exercise))?;
    let transcript = held.transcript;
    let pairs = accepted.lines().zip(transcript.lines());
    let differing: Vec<(&str, &str)> = pairs.filter(|(one, other)| one != other).collect();
    let last = accepted.lines().zip(transcript.lines()).last();
    let as_told = match &held.stop {
        Some(_) => last == lines.last().copied(),
        None => accepted.lines().count() == transcript.lines().count(),
    };
    if differing == lines && as_told {
        return Ok(());
    }
    let end = held
        .stop
        .map_or("to its end".to_string(), |Stop(reason)| reason);
    Err(format!(
        "The lines that differ (accepted, Django's) are {differing:#?}\n\
         The conversation went on until: {end}\n\n{transcript}"
    ))
}

async fn unknown_path(program: &Program) -> Result<(), String> {
    let talk = Conversation::new(Server::start(program).await?);
    match talk.socket(CLIENT, "/nowhere").await {
        Err(Stop(reason)) if reason.contains("answered 500 Internal Server Error") => Ok(()),
        Err(Stop(reason)) => Err(reason),
        Ok(_) => Err("the socket was opened".to_string()),
    }
}

/// RFC 6455 has a code for each of these: 1007, 1002, 1002 (7.4.1).
async fn broken_rules(program: &Program) -> Result<(), String> {
    let talk = Conversation::new(Server::start(program).await?);
    // First byte: FIN and opcode 1 (text) or 3 (reserved); second: MASK and length; then a key of zeros.
    let offences: [(&str, &[u8]); 3] = [
        ("text that is not UTF-8", b"\x81\x82\0\0\0\0\xff\xfe"),
        ("text without a mask", b"\x81\x02hi"),
        ("a frame of reserved opcode 3", b"\x83\x82\0\0\0\0hi"),
    ];
    for (what, bytes) in offences {
        let offended = async {
            let mut client = talk.socket(CLIENT, "/ws").await?;
            client.send_bytes(what, bytes).await?;
            client.receive_close().await
        };
        match offended.await {
            Err(Stop(reason)) if reason.ends_with("the end of the connection without a Close") => {}
            Err(Stop(reason)) => return Err(format!("{what}: {reason}")),
            Ok(()) => return Err(format!("{what} is answered with a Close")),
        }
    }
    Ok(())
}

/// A group cannot be called after a room in Hangul, and the book prints why.
fn a_group_name_is_ascii(python: &Python) -> Result<(), String> {
    let ask = "import asyncio\n\
               from channels.layers import InMemoryChannelLayer\n\
               asyncio.run(InMemoryChannelLayer().group_add('chat_로비', 'somebody'))";
    let output = python.run(&folder(), &["-c", ask])?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let words = stderr.trim_end().lines().last().unwrap_or_default();
    let chapter = workbook().join(lesson_05::LESSON.chapter_file());
    let printed = fs::read_to_string(&chapter).map_err(|error| error.to_string())?;
    if words.starts_with("TypeError") && printed.contains(words) {
        Ok(())
    } else {
        Err(format!("{} does not print: {words}", chapter.display()))
    }
}

/// What the book prints of a channel layer is what happens.
fn redis_is_as_printed(python: &Python, layer: &str, printed: &str) -> Result<(), String> {
    let program = python.serving(&lesson_08::LESSON);
    let happened = RUNTIME.block_on(redis_is_killed(&program, layer))?;
    let path = project(&lesson_08::LESSON).join(printed);
    let printed = fs::read_to_string(&path).unwrap_or_default();
    if happened == printed {
        Ok(())
    } else {
        Err(format!("{} should say:\n{happened}", path.display()))
    }
}

/// People talk at two processes of a Django project while Redis goes and comes back.
async fn redis_is_killed(program: &Program, layer: &str) -> Result<String, String> {
    let talk = Conversation::new(Server::start(program).await?);
    let transcript = talk.transcript.clone();
    let held = async {
        let mut redis = RedisServer::start(&talk).await?;
        let url = redis.url();
        let environment = [("REDIS_URL", url.as_str()), ("CHANNEL_LAYER", layer)];
        let a = talk.at_another_server(&environment).await?;
        let b = talk.at_another_server(&environment).await?;
        let path = "/ws/chat/lobby";

        talk.step("alice and amir enter the lobby at process A, bob at process B");
        let mut alice = a.socket("alice", path).await?;
        let mut amir = a.socket("amir", path).await?;
        let mut bob = b.socket("bob", path).await?;
        talk.step("alice speaks");
        say(&mut alice, "Hello, everyone!").await?;
        for person in [&mut alice, &mut amir, &mut bob] {
            person.receive().await?;
        }
        talk.step("Redis is killed");
        redis.kill();
        if layer.contains("core") {
            for person in [&mut alice, &mut amir, &mut bob] {
                person.receive().await?;
            }
        } else {
            talk.step("alice speaks");
            say(&mut alice, "Who is here?").await?;
            alice.receive().await?;
        }
        talk.step("ada comes");
        // The answer is written down, whatever it is.
        let _ = a.socket("ada", path).await;

        if layer.contains("core") {
            return Ok(());
        }
        talk.step("Redis is back, and others come to both processes");
        redis.start_again().await?;
        for process in [&a, &b] {
            lets_somebody_in(process, path).await?;
        }
        let mut aron = a.socket("aron", path).await?;
        let mut bea = b.socket("bea", path).await?;
        talk.step("aron speaks");
        say(&mut aron, "All together now.").await?;
        for person in [&mut aron, &mut bea, &mut amir, &mut bob] {
            person.receive().await?;
        }
        talk.step("bob, who has been there all the time, speaks");
        say(&mut bob, "Did I miss anything?").await?;
        bob.receive().await.map(|_| ())
    };
    let held = held.await;
    held.map_err(|Stop(reason)| format!("{reason}\n{}", transcript.text()))?;
    Ok(transcript.text())
}

/// Waits until a process has found its Redis again: until then whoever comes gets a 500.
async fn lets_somebody_in(process: &Conversation, path: &str) -> Result<(), Stop> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match process.aside().socket("somebody", path).await {
            Ok(somebody) => return Ok(somebody.vanish()),
            Err(stop) if Instant::now() >= deadline => return Err(stop),
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn say(speaker: &mut Socket, message: &str) -> Result<(), Stop> {
    let said = json!({ "sender": speaker.lane, "message": message });
    speaker.send_json(said).await
}
