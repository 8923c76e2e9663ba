//! What a starter must be: its solution with holes where the exercises are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::conversation::PATIENCE;
use crate::harness::is_ci;
use crate::lesson::{Lesson, workbook};
use crate::panics;
use crate::process::Process;
use crate::server::{Program, Server};
use crate::source;

/// Why a lesson's starter is not to be checked here: the learner has begun.
/// `CI=true` asks for the check in any case.
pub fn changed(lesson: &Lesson) -> Option<String> {
    if is_ci() {
        return None;
    }
    let folder = lesson.starter_folder();
    let status = Command::new("git")
        .current_dir(workbook())
        .args(["status", "--porcelain", "--", &folder.to_string_lossy()])
        .output();
    let committed = status.is_ok_and(|status| status.status.success() && status.stdout.is_empty());
    if committed && all_are_holes(lesson).is_ok() {
        None
    } else {
        Some(format!("{} has been worked on", folder.display()))
    }
}

/// Every exercise is a hole, and a comment outside it says where it begins.
///
/// # Errors
/// The first exercise of which this is not so.
pub fn all_are_holes(lesson: &Lesson) -> Result<(), String> {
    let folder = lesson.starter_folder();
    for exercise in lesson.exercises {
        let number = exercise.number;
        if source::holes(&folder, number).is_empty() {
            return Err(format!(
                "{} has no hole for exercise {number}: todo!(\"{number} ...\") or a comment TODO {number}",
                folder.display()
            ));
        }
        if source::beginnings(&folder, number).is_empty() {
            return Err(format!(
                "{} has no comment `Exercise {number}` where the exercise begins",
                folder.display()
            ));
        }
    }
    Ok(())
}

/// Starter and solution are the same, file by file, outside the holes.
///
/// # Errors
/// The first line of the starter that the solution lacks.
pub fn same_outside_holes(lesson: &Lesson) -> Result<(), String> {
    let (starter, solution) = (lesson.starter_folder(), lesson.solution_folder());
    let names = |folder: &Path| -> BTreeSet<_> {
        let entries = fs::read_dir(workbook().join(folder)).into_iter().flatten();
        entries.flatten().map(|entry| entry.file_name()).collect()
    };
    if names(&starter) != names(&solution) {
        return Err(format!(
            "{} and {} hold different files",
            starter.display(),
            solution.display()
        ));
    }
    for name in names(&starter) {
        let read = |folder: &Path| {
            let file = workbook().join(folder).join(&name);
            fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))
        };
        let finished = without_anchors(&read(&solution)?).replace(
            &format!("solution-{}", lesson.number),
            &format!("lesson-{}", lesson.number),
        );
        surrounds(&read(&starter)?, &finished)
            .map_err(|line| format!("{}: {line}", solution.join(&name).display()))?;
    }
    Ok(())
}

/// A solution without the comments that mark what the book shows of it.
fn without_anchors(solution: &str) -> String {
    let lines = solution.split_inclusive('\n');
    lines.filter(|line| !line.contains("ANCHOR")).collect()
}

/// Whether the solution is the starter with its holes filled by whatever it is.
fn surrounds(starter: &str, solution: &str) -> Result<(), String> {
    let lines: Vec<&str> = starter.lines().collect();
    let solution: Vec<&str> = solution.lines().collect();
    let mut parts = Vec::new();
    let mut begin = 0;
    for (first, last) in source::hole_lines(starter) {
        parts.push(&lines[begin.min(first - 1)..first - 1]);
        begin = last;
    }
    parts.push(&lines[begin..]);

    let (first, rest) = parts
        .split_first()
        .expect("there is a part after the last hole");
    if !solution.starts_with(first) {
        return Err(lacks(first, &solution));
    }
    let Some((last, between)) = rest.split_last() else {
        return if solution.len() == first.len() {
            Ok(())
        } else {
            Err("has lines that the starter lacks, though it has no hole".to_string())
        };
    };
    let mut at = first.len();
    for part in between {
        let found = solution[at..]
            .windows(part.len().max(1))
            .position(|window| part.is_empty() || window == *part)
            .ok_or_else(|| lacks(part, &solution[at..]))?;
        at += found + part.len();
    }
    if solution[at..].ends_with(last) {
        Ok(())
    } else {
        Err(lacks(last, &solution[at..]))
    }
}

fn lacks(part: &[&str], solution: &[&str]) -> String {
    let missing = part.iter().find(|line| !solution.contains(line));
    let line = missing.or(part.first()).copied().unwrap_or_default();
    format!(
        "differs outside the holes from the starter near its line: {}",
        line.trim()
    )
}

/// The starter serves a page at `/` without a panic.
///
/// # Errors
/// What it answered, or what it said to stderr.
pub async fn serves_its_page(program: &Program) -> Result<(), String> {
    let server = Server::start(program).await?;
    let url = format!("http://{}/", server.address);
    let client = reqwest::Client::builder().no_proxy().build();
    let client = client.map_err(|error| error.to_string())?;
    let answer = client.get(url).send().await;
    let status = answer.map(|answer| answer.status().as_u16());
    let stderr = server.end_and_read_stderr();
    if let Some(panic) = panics::first(&stderr) {
        return Err(format!(
            "GET / made it panic at {}: {}",
            panic.place, panic.message
        ));
    }
    match status {
        Ok(200) => Ok(()),
        Ok(status) => Err(format!("GET / was answered {status}")),
        Err(error) => Err(format!("GET / was not answered: {error}")),
    }
}

/// A port in use is told in one sentence, with exit code 1.
///
/// # Errors
/// What happened instead.
pub fn says_that_its_port_is_in_use(program: &Path) -> Result<(), String> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let port = taken
        .local_addr()
        .map_err(|error| error.to_string())?
        .port();
    let mut command = Command::new(program);
    command.env("PORT", port.to_string());
    let mut process = Process::start(command).map_err(|error| error.to_string())?;
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        match process.ended() {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                let seconds = PATIENCE.as_secs();
                return Err(format!(
                    "it did not end within {seconds} s, though port {port} was in use"
                ));
            }
            None => sleep(Duration::from_millis(10)),
        }
    };
    let stderr = process.end_and_read_stderr();
    let says = stderr.contains(&port.to_string()) && stderr.contains("PORT=");
    if status.code() == Some(1) && says && stderr.trim().lines().count() == 1 {
        Ok(())
    } else {
        Err(format!("it ended with {status}, and said: {stderr}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTER: &str = "fn a() {\n    todo!(\"4.1 x\")\n}\nfn b() {\n    // TODO 4.2: y\n}\n";

    #[test]
    fn a_solution_may_differ_in_its_holes_only() {
        let solution = "fn a() {\n    x();\n    x()\n}\nfn b() {\n    y();\n}\n";
        assert_eq!(surrounds(STARTER, solution), Ok(()));
        let renamed = solution.replace("fn b()", "fn c()");
        assert!(surrounds(STARTER, &renamed).unwrap_err().contains("fn b()"));
        let longer = format!("{solution}fn c() {{}}\n");
        assert!(surrounds(STARTER, &longer).is_err());
    }

    #[test]
    fn a_file_without_holes_is_the_same() {
        assert_eq!(surrounds("a\nb\n", "a\nb\n"), Ok(()));
        assert!(surrounds("a\nb\n", "a\nb\nc\n").is_err());
    }
}
