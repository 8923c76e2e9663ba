//! `cargo test --test variants`: the graders are graded. Right servers of other
//! designs must pass everything; wrong ones must fail exactly the exercise that
//! they name, with the words that they name.
//!
//! A right one is a program in the package `tests/variants`. A wrong one is a
//! patch of a solution, `tests/variants/NN/wrong-NAME.patch`, that begins with
//!
//! ```text
//! Wrong: 4.2
//! Says: words that the learner must read
//! ```
//!
//! and, where the fault is a race that may go well now and then, `Race: yes`:
//! then it may pass once, but not five times in a row. Where other exercises
//! need what is broken, `Also: 4.3 4.5` names those that may fail as well.
//!
//! More than a thousand conversations must pass, on a machine that may have much
//! else to do. One that does not is held once more, which is counted and printed:
//! a few are the machine's doing, many a grader's. A fault has no second try.

mod written;

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anstream::adapter::strip_str;
use diffy::Patch;
use graders::building::{Built, run as run_cargo};
use graders::grading::{Verdict, grade};
use graders::harness::{arguments, asked_for, is_ci, run};
use graders::lesson::{Exercise, LESSONS, Lesson, Number, workbook};
use graders::server::Program;
use libtest_mimic::{Completion, Failed, Trial};

use written::write;

/// How many conversations were held once more.
static AGAIN: AtomicUsize = AtomicUsize::new(0);

/// How many of them a busy machine may account for.
const FEW: usize = 3;

fn main() -> ExitCode {
    let arguments = arguments();
    let variants: Vec<Variant> = match read_all() {
        Ok(variants) => variants,
        Err(reason) => {
            eprintln!("{reason}");
            return ExitCode::from(101);
        }
    };
    let variants: Vec<Variant> = variants
        .into_iter()
        .filter(|variant| asked_for(&arguments, &variant.name))
        .collect();
    let built = if arguments.list {
        Vec::new()
    } else {
        match build(&variants) {
            Ok(built) => built,
            Err(reason) => {
                eprintln!("{reason}");
                return ExitCode::from(101);
            }
        }
    };
    let built = Arc::new(built);
    let count = |right: bool| {
        let of_the_kind = variants
            .iter()
            .filter(|variant| variant.is_right() == right);
        (Arc::new(AtomicUsize::new(0)), of_the_kind.count())
    };
    let (wrong, right) = (count(false), count(true));
    let trials = variants
        .into_iter()
        .map(|variant| {
            let built = built.clone();
            let judged = if variant.is_right() {
                &right.0
            } else {
                &wrong.0
            };
            let judged = judged.clone();
            Trial::ignorable_test(variant.name.clone(), move || {
                let completion = variant.judge(&built)?;
                if matches!(completion, Completion::Completed) {
                    judged.fetch_add(1, Ordering::Relaxed);
                }
                Ok(completion)
            })
        })
        .collect();
    let conclusion = run(&arguments, trials);
    let again = AGAIN.load(Ordering::Relaxed);
    if !arguments.list {
        println!(
            "{} wrong caught of {}, {} right accepted of {}, {again} conversations held once more",
            wrong.0.load(Ordering::Relaxed),
            wrong.1,
            right.0.load(Ordering::Relaxed),
            right.1
        );
    }
    if again > FEW {
        eprintln!(
            "More than {FEW} conversations went otherwise at first: a grader depends on how busy the machine is. \
             What they said stands above."
        );
        return ExitCode::from(101);
    }
    if arguments.filter.is_none()
        && let Err(reason) = readme_says(wrong.1, right.1)
    {
        eprintln!("{reason}");
        return ExitCode::from(101);
    }
    conclusion.exit_code()
}

/// The README publishes these figures, so they must be today's.
fn readme_says(wrong: usize, right: usize) -> Result<(), String> {
    let readme = read_file(&workbook().join("README.md"))?;
    for line in [
        format!("| {wrong} wrong servers, each with one fault | caught {wrong},"),
        format!("| {right} right servers of other designs | accepted {right} |"),
    ] {
        if !readme.contains(&line) {
            return Err(format!("README.md must say: {line}"));
        }
    }
    Ok(())
}

/// A server whose verdicts are known.
struct Variant {
    /// The program's name: `right-4-actor`, `wrong-4-ghosts`.
    name: String,
    lesson: &'static Lesson,
    fault: Option<Fault>,
}

/// What is wrong with a server, and how that is told.
struct Fault {
    exercise: Number,
    /// Exercises that need what is broken, so that they may fail as well.
    also: Vec<Number>,
    says: String,
    /// How often it may be tried until it shows.
    tries: usize,
    patch: String,
}

impl Variant {
    fn is_right(&self) -> bool {
        self.fault.is_none()
    }

    /// Whether an exercise may fail for the fault of another one.
    fn may_fail(&self, exercise: Number) -> bool {
        let fault = self.fault.as_ref();
        fault.is_some_and(|fault| fault.also.contains(&exercise))
    }

    /// Grades every exercise, and compares the verdicts with what is known.
    fn judge(&self, built: &[Built]) -> Result<Completion, Failed> {
        let exercises = self.lesson.exercises.iter();
        if let Some(reason) = exercises.clone().find_map(|one| one.needs.missing()) {
            return if is_ci() {
                Err(reason.into())
            } else {
                Ok(Completion::ignored_with(reason))
            };
        }
        let program = built
            .iter()
            .find_map(|built| built.program(&self.name).ok())
            .ok_or_else(|| {
                built[usize::from(self.is_right())]
                    .program(&self.name)
                    .unwrap_err()
            })?;
        let program = Program::Built(program);
        for exercise in self.lesson.exercises {
            if self.may_fail(exercise.number) {
                continue;
            }
            match &self.fault {
                Some(fault) if fault.exercise == exercise.number => {
                    self.is_caught(&program, exercise, fault)?;
                }
                _ => self.passes(&program, exercise).or_else(|reason| {
                    AGAIN.fetch_add(1, Ordering::Relaxed);
                    eprintln!("{}, held once more: {reason}", self.name);
                    self.passes(&program, exercise)
                })?,
            }
        }
        Ok(Completion::Completed)
    }

    /// The fault is found, and told as it should be.
    fn is_caught(
        &self,
        program: &Program,
        exercise: &Exercise,
        fault: &Fault,
    ) -> Result<(), String> {
        let number = exercise.number;
        let tries = (0..fault.tries).map(|_| grade(program, self.lesson, exercise));
        let mut not_passed = tries.filter(|verdict| *verdict != Verdict::Passed);
        match not_passed.next() {
            None => Err(format!("{number} passes, though it is wrong")),
            Some(Verdict::Wrong(words)) => {
                let words = strip_str(&words).to_string();
                let says = &fault.says;
                if words.contains(says) {
                    Ok(())
                } else {
                    Err(format!(
                        "{number} fails, but does not say `{says}`:\n\n{words}"
                    ))
                }
            }
            Some(other) => Err(format!("{number} should fail, but: {other:?}")),
        }
    }

    /// What is not wrong is not refused.
    fn passes(&self, program: &Program, exercise: &Exercise) -> Result<(), String> {
        let number = exercise.number;
        match grade(program, self.lesson, exercise) {
            Verdict::Passed => Ok(()),
            Verdict::Wrong(words) => Err(format!("{number} should pass, but:\n\n{words}")),
            other => Err(format!("{number} should pass, but: {other:?}")),
        }
    }
}

fn read_all() -> Result<Vec<Variant>, String> {
    let mut variants = Vec::new();
    for lesson in LESSONS {
        let folder = workbook().join(format!("tests/variants/{:02}", lesson.number));
        let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?
            .flatten()
            .map(|entry| entry.path())
            .collect();
        paths.sort();
        for path in paths {
            variants.push(read(lesson, &path)?);
        }
    }
    take_turns(&mut variants);
    Ok(variants)
}

/// One of each lesson after the other: what runs side by side is then seldom of
/// the lesson that keeps the cores busy.
fn take_turns(variants: &mut [Variant]) {
    let mut before: HashMap<u32, usize> = HashMap::new();
    variants.sort_by_cached_key(|variant| {
        let turn = before.entry(variant.lesson.number).or_default();
        *turn += 1;
        *turn
    });
}

fn read(lesson: &'static Lesson, path: &Path) -> Result<Variant, String> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = |kind: &str, rest: &str| format!("{kind}-{}-{rest}", lesson.number);
    if let Some(rest) = stem.strip_prefix("right-") {
        return Ok(Variant {
            name: name("right", rest),
            lesson,
            fault: None,
        });
    }
    let lacks = |what: &str| format!("{} lacks {what}", path.display());
    let rest = stem
        .strip_prefix("wrong-")
        .ok_or(lacks("a name that begins with right- or wrong-"))?;
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let line = |label: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(label));
        line.map(str::trim).ok_or(lacks(label))
    };
    let (head, _) = text.split_once("--- ").ok_or(lacks("a patch"))?;
    let number = |word: &str| {
        let number = word.parse();
        number.map_err(|_| lacks("the number of an exercise"))
    };
    let also = line("Also:").unwrap_or_default().split_whitespace();
    Ok(Variant {
        name: name("wrong", rest),
        lesson,
        fault: Some(Fault {
            exercise: number(line("Wrong:")?)?,
            also: also.map(number).collect::<Result<_, _>>()?,
            says: line("Says:")?.to_string(),
            tries: if line("Race:").is_ok() { 5 } else { 1 },
            patch: text[head.len()..].to_string(),
        }),
    })
}

/// Builds the wrong ones, then the right ones.
fn build(variants: &[Variant]) -> Result<Vec<Built>, String> {
    let workspace = Path::new(env!("CARGO_TARGET_TMPDIR")).join("variants");
    lay_out(&workspace, variants)?;
    let cargo = || {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
        command.args(["build", "--keep-going", "--bins", "--message-format=json"]);
        command
    };
    let mut wrong = cargo();
    wrong
        .current_dir(&workspace)
        .env("CARGO_TARGET_DIR", workspace.join("target"))
        // Nobody edits or debugs them: building them all takes a third less time.
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "none");
    let mut right = cargo();
    right
        .current_dir(workbook())
        .args(["--package", "variants"]);
    Ok(vec![run_cargo(wrong), run_cargo(right)])
}

/// Lays out a workspace beside this one: for each wrong server its solution with the patch applied.
fn lay_out(workspace: &Path, variants: &[Variant]) -> Result<(), String> {
    let manifest = read_file(&workbook().join("Cargo.toml"))?;
    let mut lines: Vec<&str> = manifest.lines().collect();
    lines.retain(|line| !line.starts_with("default-members"));
    let manifest = lines.join("\n");
    let members = manifest.lines().find(|line| line.starts_with("members"));
    let members = members.ok_or("Cargo.toml lacks its members")?;
    let manifest = manifest.replace(members, "members = [\"solutions/*\"]");
    remove_others(&workspace.join("solutions"), variants)?;
    write(&workspace.join("Cargo.toml"), manifest.as_bytes())?;
    write(
        &workspace.join("Cargo.lock"),
        read_file(&workbook().join("Cargo.lock"))?.as_bytes(),
    )?;
    let style = "lessons/style.css";
    write(
        &workspace.join(style),
        read_file(&workbook().join(style))?.as_bytes(),
    )?;
    for variant in variants {
        let Some(fault) = &variant.fault else {
            continue;
        };
        let from = workbook().join(variant.lesson.solution_folder());
        let to = workspace.join("solutions").join(&variant.name);
        let entries = fs::read_dir(&from).map_err(|error| error.to_string())?;
        for path in entries.flatten().map(|entry| entry.path()) {
            let file = path.file_name().unwrap_or_default();
            let text = read_file(&path)?;
            let text = patched(&text, &file.to_string_lossy(), &fault.patch)
                .map_err(|reason| format!("{}: {reason}", variant.name))?;
            let solution = format!("solution-{}", variant.lesson.number);
            let text = text.replace(&solution, &variant.name);
            write(&to.join(file), text.as_bytes())?;
        }
    }
    Ok(())
}

/// Removes what was laid out for patches that are not asked for: it would be built all the same.
fn remove_others(solutions: &Path, variants: &[Variant]) -> Result<(), String> {
    let folders = fs::read_dir(solutions).into_iter().flatten().flatten();
    for folder in folders.map(|entry| entry.path()) {
        let asked = |variant: &Variant| folder.ends_with(&variant.name);
        if !variants.iter().any(asked) {
            fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// A file with what the patch says about it applied.
fn patched(text: &str, file: &str, patches: &str) -> Result<String, String> {
    let mut text = text.to_string();
    for patch in split(patches) {
        let names_it = patch
            .lines()
            .next()
            .is_some_and(|line| line.ends_with(&format!("/{file}")));
        if names_it {
            let patch = Patch::from_str(&patch).map_err(|error| error.to_string())?;
            text = diffy::apply(&text, &patch)
                .map_err(|error| format!("the patch does not fit {file} any more: {error}"))?;
        }
    }
    Ok(text)
}

/// A patch of several files as one patch for each.
fn split(patches: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for line in patches.lines() {
        if line.starts_with("--- ") || parts.is_empty() {
            parts.push(String::new());
        }
        let part = parts.last_mut().expect("there is a part");
        part.push_str(line);
        part.push('\n');
    }
    parts
}

fn read_file(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
