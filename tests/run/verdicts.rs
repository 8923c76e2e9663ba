//! `cargo test --test verdicts`: what a learner is told. Copies the workbook,
//! works on the lessons as a learner would, and reads what `cargo test` says.

mod copied;
mod written;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use copied::{Copied, copy, said};
use graders::harness::{arguments, run};
use graders::lesson::{LESSONS, workbook};
use libtest_mimic::Trial;
use written::write;

fn main() -> ExitCode {
    let mut arguments = arguments();
    // They work on the same copy, one after the other.
    arguments.test_threads = Some(1);
    let checks: [(&str, fn(&Copied) -> Result<(), String>); 5] = [
        ("verdicts-of-a-fresh-clone", fresh),
        ("verdicts-of-what-is-demanded", demanded),
        ("verdicts-of-solved-lessons", solved),
        ("verdicts-of-mistakes", mistakes),
        ("verdicts-whatever-insta-is-told", insta_cannot_pass),
    ];
    let trials = checks
        .into_iter()
        .map(|(name, check)| {
            Trial::test(name, move || {
                check(&Copied::new()?)?;
                Ok(())
            })
        })
        .collect();
    run(&arguments, trials).exit_code()
}

/// What a run of cargo test said, and how it ended.
struct Said {
    words: String,
    passed: bool,
}

impl Copied {
    fn solve(&self) -> Result<(), String> {
        for lesson in LESSONS {
            let from = workbook().join(lesson.solution_folder());
            for entry in fs::read_dir(&from).map_err(said)?.flatten() {
                if entry.file_name() != "Cargo.toml" {
                    let to = self.folder.join(lesson.starter_folder());
                    copy(&entry.path(), &to.join(entry.file_name()))?;
                }
            }
        }
        Ok(())
    }

    fn edit(&self, file: &str, old: &str, new: &str) -> Result<(), String> {
        let path = self.folder.join(file);
        let text = fs::read_to_string(&path).map_err(said)?;
        if !text.contains(old) {
            return Err(format!("{file} has no {old:?} to edit"));
        }
        write(&path, text.replacen(old, new, 1).as_bytes())
    }

    fn cargo_test(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Said, String> {
        let mut command = Command::new(env!("CARGO"));
        command
            .current_dir(&self.folder)
            .args(["test", "--test", "your_lessons", "--"])
            .args(arguments)
            // Programs of the same names must not take the workspace's places.
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .env("NO_COLOR", "1")
            .env_remove("LESSON_COMMAND")
            .envs(environment.iter().copied());
        let output = command.output().map_err(said)?;
        Ok(Said {
            words: String::from_utf8_lossy(&output.stdout).into_owned(),
            passed: output.status.success(),
        })
    }
}

impl Said {
    fn must(&self, passed: bool, phrases: &[&str]) -> Result<(), String> {
        let missing = phrases.iter().find(|phrase| !self.words.contains(**phrase));
        if let Some(phrase) = missing {
            return Err(format!("it does not say {phrase:?}:\n\n{}", self.words));
        }
        if self.passed != passed {
            return Err(format!(
                "it ended with passed = {}:\n\n{}",
                self.passed, self.words
            ));
        }
        if self.words.matches("\nnext: ").count() != 1 {
            return Err(format!("it does not say one next step:\n\n{}", self.words));
        }
        let last = self.words.trim_end().lines().last().unwrap_or_default();
        if last.starts_with("next: ") {
            Ok(())
        } else {
            Err(format!("its last line is {last:?}, not the next step"))
        }
    }
}

fn fresh(copied: &Copied) -> Result<(), String> {
    let said = copied.cargo_test(&[], &[])?;
    let not_started = said.words.matches("ignored (not started: ").count();
    let exercises: usize = LESSONS.iter().map(|lesson| lesson.exercises.len()).sum();
    if not_started != exercises {
        return Err(format!(
            "{not_started} of {exercises} are not started:\n\n{}",
            said.words
        ));
    }
    said.must(true, &["0 failed", "\nlesson  1  Pages ", "\nnext: 1.1 "])
}

fn demanded(copied: &Copied) -> Result<(), String> {
    let said = copied.cargo_test(&["lesson-1", "--include-ignored"], &[])?;
    said.must(
        false,
        &["0 passed; 5 failed", "not started: lessons/01-pages/"],
    )
}

fn solved(copied: &Copied) -> Result<(), String> {
    copied.solve()?;
    let said = copied.cargo_test(&[], &[])?;
    said.must(
        true,
        &["0 failed", "next: nothing: every exercise is passed"],
    )
}

/// A panic, a type error, a handler that never answers, and a server that ends
/// at once, each in a lesson of its own.
fn mistakes(copied: &Copied) -> Result<(), String> {
    copied.solve()?;
    let (one, two) = ("lessons/01-pages/main.rs", "lessons/02-fetch/main.rs");
    let (three, four) = ("lessons/03-echo/main.rs", "lessons/04-chat/main.rs");
    copied.edit(
        one,
        "\"Hello, stranger!\".to_string()",
        "panic!(\"nobody\")",
    )?;
    copied.edit(two, "guestbook.all()", "guestbook.nobody()")?;
    copied.edit(
        three,
        "    accept_key(",
        "    pending::<()>().await;\n    accept_key(",
    )?;
    copied.edit(
        four,
        "async fn main() {",
        "async fn main() {\n    process::exit(3);",
    )?;
    let said = copied.cargo_test(&[], &[])?;
    said.must(
        false,
        &[
            "Your server panicked at lessons/01-pages/main.rs:",
            "test lesson-1.2 ... ok",
            "Lesson 2 does not compile:\n\nerror[E0599]",
            "test lesson-3.1 ... ok",
            "No answer to GET /accept?key=dGhlIHNhbXBsZSBub25jZQ== within 5 s.",
            "The server ended before it could be talked to (exit status: 3).",
            "\nlesson  1  Pages        x####    4 of 5 passed",
            "next: 1.1 ",
        ],
    )
}

/// No variable makes insta write a snapshot or pass a learner's wrong answer.
fn insta_cannot_pass(copied: &Copied) -> Result<(), String> {
    copied.solve()?;
    copied.edit(
        "lessons/01-pages/main.rs",
        "Hello, stranger!",
        "Hello, you!",
    )?;
    let before = snapshots(copied)?;
    let told = [
        ("INSTA_UPDATE", "always"),
        ("INSTA_FORCE_PASS", "1"),
        ("INSTA_FORCE_UPDATE", "1"),
    ];
    let said = copied.cargo_test(&["lesson-1.1"], &told)?;
    said.must(false, &["+            h1: \"Hello, you!\""])?;
    if snapshots(copied)? == before {
        Ok(())
    } else {
        Err("a snapshot was written".to_string())
    }
}

/// The names and texts of the snapshots.
fn snapshots(copied: &Copied) -> Result<Vec<(PathBuf, String)>, String> {
    let folder = copied.folder.join("tests/snapshots");
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(said)?.flatten() {
        let text = fs::read_to_string(entry.path()).map_err(said)?;
        all.push((entry.path(), text));
    }
    all.sort();
    Ok(all)
}
