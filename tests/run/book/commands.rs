//! Every command that a page or the README shows in a block of its own is run
//! in a copy of the workbook, and must do what it is there for.

use std::fs;
use std::path::{Path, PathBuf};

use graders::port;

use super::check::{Check, Tool, told};
use super::fences::{self, Command};
use super::running::{Running, answers};
use super::source_page::{self, SourcePage};
use crate::copied::{Copied, copy, said};

/// Commands that are shown and not run here, by how they begin, and why.
const NOT_RUN: &[(&str, &str)] = &[
    ("python3 -m venv target/channels", IN_CI),
    ("target/channels/bin/python -m pip ", IN_CI),
    ("cargo test --test channels", IN_CI),
    (
        "target/channels/bin/python book/channels/",
        "needs those packages; `cargo test --test channels` serves the same programs",
    ),
    ("exec 3<>/dev/tcp/", LOOKS_IN),
    ("printf 'GET /chat/public ", LOOKS_IN),
    ("ss -tn ", LOOKS_IN),
    ("strace ", LOOKS_IN),
    (
        "redis-server ",
        "would take the port of a Redis server that the machine may have; the graders start their own",
    ),
    (
        "redis-cli publish ",
        "speaks to that server; the graders of lesson 8 publish such messages",
    ),
];

const LOOKS_IN: &str = "looks from another terminal into a lesson that is being used";

const IN_CI: &str = "needs packages from PyPI, and .ci/run does the same";

pub fn checks(pages: &[SourcePage]) -> Vec<Check> {
    let mut pages = pages.to_vec();
    let mut checks = Vec::new();
    match source_page::readme() {
        Ok(readme) => pages.push(readme),
        Err(reason) => checks.push(Check::new("book-readme-commands-run", || Err(reason))),
    }
    for page in pages {
        let mut commands: Vec<Command> = fences::all(&page)
            .iter()
            .flat_map(fences::Fence::commands)
            .collect();
        commands.retain(|command| {
            !NOT_RUN
                .iter()
                .any(|(begin, _)| command.words.starts_with(begin))
        });
        if commands.is_empty() {
            continue;
        }
        // The copy in which they run is made with git.
        let mut tools = vec![Tool::Git];
        for (begin, tool) in [("mdbook ", Tool::Mdbook), ("curl ", Tool::Curl)] {
            if commands
                .iter()
                .any(|command| command.words.starts_with(begin))
            {
                tools.push(tool);
            }
        }
        let name = format!("book-{}-commands-run", page.name);
        let check = Check::new(name, move || told(wrong(&page, &commands)?));
        checks.push(tools.into_iter().fold(check, Check::needs));
    }
    checks
}

/// The commands of a page that do not do what they are there for.
fn wrong(page: &SourcePage, commands: &[Command]) -> Result<Vec<String>, String> {
    let copied = Copied::new()?;
    // The curls of a page talk to one server, one after the other.
    let mut server = None;
    let mut faults = Vec::new();
    for command in commands {
        let words = &command.words;
        let outcome = match Purpose::of(words) {
            Purpose::Serve => serves(&copied, words),
            Purpose::Ask => asks(&copied, words, page, &mut server),
            Purpose::Grade => grades(&copied, words),
            Purpose::Compare => compares(&copied, words),
            Purpose::BeginAgain => begins_again(words),
            Purpose::Other => run(&copied, words)?.must_end_with(0),
        };
        if let Err(reason) = outcome {
            faults.push(format!(
                "{}: `{words}` does not do what it is there for: mend it, or what it runs: {reason}",
                page.place(command.first)
            ));
        }
    }
    Ok(faults)
}

/// What a command is there for.
enum Purpose {
    /// Serves something until it is ended.
    Serve,
    /// Asks the server of the page's lesson.
    Ask,
    Grade,
    /// Shows differences.
    Compare,
    /// Throws away what was written in a lesson.
    BeginAgain,
    Other,
}

impl Purpose {
    fn of(command: &str) -> Self {
        // Variables may stand before the program.
        let mut words = command.split_whitespace();
        let program = words.by_ref().find(|word| !word.contains('='));
        match (
            program.unwrap_or_default(),
            words.next().unwrap_or_default(),
        ) {
            ("cargo", "run") if command.contains("--bin ") => Purpose::Serve,
            ("mdbook", "serve") => Purpose::Serve,
            ("cargo", "test") => Purpose::Grade,
            ("curl", _) => Purpose::Ask,
            ("diff", _) | ("git", "diff") => Purpose::Compare,
            ("git", "checkout") => Purpose::BeginAgain,
            _ => Purpose::Other,
        }
    }
}

/// A command that has run to its end, and what it said.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn must_end_with(&self, code: i32) -> Result<(), String> {
        if self.code == Some(code) {
            return Ok(());
        }
        let ended = self
            .code
            .map_or("a signal".to_string(), |code| code.to_string());
        Err(format!(
            "it must end with {code}, and ended with {ended}:\n{}\n{}",
            self.stdout, self.stderr
        ))
    }
}

fn start(copied: &Copied, words: &str, folder: &Path) -> Result<Running, String> {
    let target = copied.folder.join("target");
    let variables = [
        // Programs of the same names must not take the workspace's places.
        ("CARGO_TARGET_DIR", target.as_path()),
        ("CURL_HOME", folder),
    ];
    Running::start(words, &copied.folder, &variables)
}

fn run(copied: &Copied, words: &str) -> Result<Ran, String> {
    let folder = copied.folder.clone();
    end(start(copied, words, &folder)?)
}

fn end(running: Running) -> Result<Ran, String> {
    let ended = running.end()?;
    Ok(Ran {
        code: ended.status.code(),
        stdout: ended.stdout,
        stderr: ended.stderr,
    })
}

/// It prints a URL, and answers there.
fn serves(copied: &Copied, words: &str) -> Result<(), String> {
    let words = if words.starts_with("mdbook ") {
        // A lesson takes its port from PORT, and mdBook does not.
        format!("{words} --port {}", port::free()?)
    } else {
        words.to_string()
    };
    let mut server = start(copied, &words, &copied.folder)?;
    answers(&server.address()?)
}

/// The finished lesson that a page's curls talk to.
struct Asked {
    _running: Running,
    /// Where curl reads its settings.
    settings: PathBuf,
}

/// It gets an answer of the page's finished lesson, from a path that is there.
fn asks(
    copied: &Copied,
    words: &str,
    page: &SourcePage,
    server: &mut Option<Asked>,
) -> Result<(), String> {
    let asked = match server {
        Some(asked) => asked,
        None => server.insert(serve_lesson(copied, page)?),
    };
    let ran = end(start(copied, words, &asked.settings)?)?;
    ran.must_end_with(0)?;
    let statuses = ran
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix(ANSWERED));
    let statuses: Vec<u16> = statuses.filter_map(|status| status.parse().ok()).collect();
    let fits = |status: &u16| (100..500).contains(status) && *status != 404;
    if !statuses.is_empty() && statuses.iter().all(fits) {
        Ok(())
    } else {
        let lesson = page.lesson_number().unwrap_or_default();
        Err(format!(
            "solution-{lesson} answered {statuses:?}:\n{}",
            ran.stdout
        ))
    }
}

/// What curl writes to stderr before the status of an answer.
const ANSWERED: &str = "answered ";

fn serve_lesson(copied: &Copied, page: &SourcePage) -> Result<Asked, String> {
    let number = page
        .lesson_number()
        .ok_or("this page is no lesson's, so it is not known which server is asked")?;
    let command = format!("cargo run --bin solution-{number}");
    let mut running = start(copied, &command, &copied.folder)?;
    let address = running.address()?;
    // The command is run as it is shown; only the port is another one.
    let settings = copied.folder.join("curl");
    let lines = format!(
        "silent\nshow-error\nnoproxy = \"*\"\nmax-time = 60\n\
         connect-to = \"127.0.0.1:8000:{address}\"\n\
         write-out = \"%{{stderr}}\\n{ANSWERED}%{{response_code}}\\n\"\n"
    );
    fs::create_dir_all(&settings).map_err(said)?;
    fs::write(settings.join(".curlrc"), lines).map_err(said)?;
    Ok(Asked {
        _running: running,
        settings,
    })
}

/// It ends as it should for somebody who has done nothing yet, with the next step.
fn grades(copied: &Copied, words: &str) -> Result<(), String> {
    let ran = run(copied, words)?;
    // What is demanded and not started fails.
    ran.must_end_with(if words.contains("--include-ignored") {
        101
    } else {
        0
    })?;
    let last = ran.stdout.trim_end().lines().last().unwrap_or_default();
    if last.starts_with("next: ") {
        Ok(())
    } else {
        Err(format!(
            "its last line must be the next step:\n{}",
            ran.stdout
        ))
    }
}

/// It finds differences, and shows them.
fn compares(copied: &Copied, words: &str) -> Result<(), String> {
    let ran = run(copied, words)?;
    ran.must_end_with(1)?;
    // git ends with 1, too, where a folder is not there.
    if ran.stdout.is_empty() {
        return Err(format!("it must show differences:\n{}", ran.stderr));
    }
    Ok(())
}

/// It brings back what was committed, in a repository of its own.
fn begins_again(words: &str) -> Result<(), String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("begin-again");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(said)?;
    }
    let lessons = graders::lesson::workbook().join("lessons");
    copy(&lessons, &folder.join("lessons"))?;
    let git = |arguments: &str| {
        let name = "-c user.name=learner -c user.email=learner@localhost -c commit.gpgsign=false";
        let running = Running::start(&format!("git {name} {arguments}"), &folder, &[])?;
        end(running)?.must_end_with(0)
    };
    git("init --quiet")?;
    git("add .")?;
    git("commit --quiet --message begun")?;

    let again = words.split_whitespace().last().unwrap_or_default();
    let file = folder.join(again).join("main.rs");
    let begun = fs::read_to_string(&file)
        .map_err(|error| format!("{again}/main.rs: {error}: name a folder below lessons/"))?;
    fs::write(&file, format!("{begun}// Mine.\n")).map_err(said)?;
    end(Running::start(words, &folder, &[])?)?.must_end_with(0)?;
    if fs::read_to_string(&file).map_err(said)? == begun {
        Ok(())
    } else {
        Err(format!("{again}/main.rs is not as it was"))
    }
}
