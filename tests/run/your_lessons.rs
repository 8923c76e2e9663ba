//! `cargo test lesson-4`: grades the learner's lessons, then shows the board.

use std::collections::BTreeMap;
use std::env;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use graders::board::{Verdicts, board};
use graders::building::{Built, build};
use graders::colours;
use graders::grading::{Verdict, grade};
use graders::harness::{arguments, asked_for, is_ci, is_nextest, run};
use graders::lesson::{Exercise, LESSONS, Lesson, Number};
use graders::server::Program;
use graders::source::{self, Place};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

fn main() -> ExitCode {
    let arguments = arguments();
    let asked: Vec<Asked> = LESSONS.iter().flat_map(exercises).collect();
    let asked: Vec<Asked> = asked
        .into_iter()
        .filter(|asked| asked_for(&arguments, &asked.name()))
        .collect();
    if asked.is_empty() {
        return nothing_asked(&arguments);
    }
    let subject = Arc::new(Subject::new(&arguments, &asked));
    let verdicts = Arc::new(Mutex::new(Verdicts::new()));
    let trials = asked
        .into_iter()
        .map(|asked| trial(asked, &arguments, &subject, &verdicts))
        .collect();
    let conclusion = run(&arguments, trials);
    let verdicts = lock(&verdicts);
    if !arguments.list && !is_nextest() && !verdicts.is_empty() {
        print!(
            "{}",
            board(&verdicts, command().is_none(), colours::wanted())
        );
    }
    conclusion.exit_code()
}

/// An exercise that is asked for.
#[derive(Clone)]
struct Asked {
    lesson: &'static Lesson,
    exercise: &'static Exercise,
    /// Its first hole, while it has one.
    hole: Option<Place>,
}

impl Asked {
    fn name(&self) -> String {
        format!("lesson-{}", self.exercise.number)
    }
}

fn exercises(lesson: &'static Lesson) -> impl Iterator<Item = Asked> {
    lesson.exercises.iter().map(move |exercise| Asked {
        lesson,
        exercise,
        hole: match command() {
            Some(_) => None,
            None => source::holes(&lesson.starter_folder(), exercise.number)
                .into_iter()
                .next(),
        },
    })
}

/// The server in another language that is graded instead of the lessons.
fn command() -> Option<String> {
    env::var("LESSON_COMMAND")
        .ok()
        .filter(|text| !text.trim().is_empty())
}

/// What is graded: the lessons, built; or one command for all.
struct Subject {
    command: Option<String>,
    built: Built,
    /// For each lesson that does not compile, the exercise that says why.
    spokesmen: BTreeMap<u32, Number>,
}

impl Subject {
    fn new(arguments: &Arguments, asked: &[Asked]) -> Self {
        let command = command();
        let mut programs: Vec<String> = asked.iter().map(|asked| program(asked.lesson)).collect();
        programs.dedup();
        let built = if command.is_some() || arguments.list {
            Built::default()
        } else {
            build(&programs)
        };
        let mut spokesmen = BTreeMap::new();
        // The first that was started speaks; the first at all if none was.
        let started = asked.iter().filter(|asked| asked.hole.is_none());
        for asked in started.chain(asked) {
            let number = asked.exercise.number;
            spokesmen.entry(number.0).or_insert(number);
        }
        Self {
            command,
            built,
            spokesmen,
        }
    }

    /// The program to talk to, or the verdict of a lesson that does not compile.
    fn program(&self, asked: &Asked) -> Result<Program, Verdict> {
        if let Some(command) = &self.command {
            return Ok(Program::Command(command.clone()));
        }
        let built = self.built.program(&program(asked.lesson));
        built.map(Program::Built).map_err(|words| {
            let spokesman = self.spokesmen[&asked.lesson.number];
            Verdict::DoesNotCompile(if spokesman == asked.exercise.number {
                let number = asked.lesson.number;
                let template = if words.contains("derive(Template)") {
                    "The mistake is in a template, one of the .html files.\n"
                } else {
                    ""
                };
                format!("Lesson {number} does not compile:\n\n{words}\n{template}")
            } else {
                format!(
                    "Lesson {} does not compile; the compiler's words are with lesson-{spokesman}.",
                    asked.lesson.number
                )
            })
        })
    }

    /// Judges an exercise. What is still a hole is only built, unless it speaks for its lesson.
    fn judge(&self, asked: &Asked) -> Verdict {
        let program = self.program(asked);
        let speaks = self.spokesmen.get(&asked.lesson.number) == Some(&asked.exercise.number);
        match (&asked.hole, program) {
            (None, Ok(program)) => {
                let verdict = grade(&program, asked.lesson, asked.exercise);
                self.with_what_else_may_be_wrong(verdict, asked)
            }
            (None, Err(verdict)) => verdict,
            (Some(_), Err(verdict)) if speaks => verdict,
            (Some(hole), _) => Verdict::NotStarted(hole.clone()),
        }
    }
}

impl Subject {
    /// Adds the first of the compiler's warnings, and an earlier exercise that is still a hole.
    fn with_what_else_may_be_wrong(&self, verdict: Verdict, asked: &Asked) -> Verdict {
        let Verdict::Wrong(mut words) = verdict else {
            return verdict;
        };
        if self.command.is_some() {
            return Verdict::Wrong(words);
        }
        let number = asked.exercise.number;
        let earlier = asked
            .lesson
            .exercises
            .iter()
            .map(|exercise| exercise.number);
        let holes = earlier
            .filter(|earlier| *earlier < number)
            .find_map(|earlier| {
                let holes = source::holes(&asked.lesson.starter_folder(), earlier);
                holes.into_iter().next().map(|hole| (earlier, hole))
            });
        if let Some((earlier, hole)) = holes {
            words.push_str(&format!(
                "   before: {earlier} is still a hole at {hole}, and {number} may need it\n"
            ));
        }
        let warnings = self.built.warnings(&program(asked.lesson));
        if let Some(first) = warnings.first() {
            words.push_str(&format!(
                "\nThe compiler warns as well ({} in all):\n\n{first}\n",
                warnings.len()
            ));
        }
        Verdict::Wrong(words)
    }
}

fn program(lesson: &Lesson) -> String {
    format!("lesson-{}", lesson.number)
}

fn trial(
    asked: Asked,
    arguments: &Arguments,
    subject: &Arc<Subject>,
    verdicts: &Arc<Mutex<Verdicts>>,
) -> Trial {
    let demanded = arguments.include_ignored || arguments.ignored;
    // cargo-nextest wants to know beforehand what is ignored.
    let known = (is_nextest() || arguments.ignored) && asked.hole.is_some();
    let (subject, verdicts) = (subject.clone(), verdicts.clone());
    Trial::ignorable_test(asked.name(), move || {
        let verdict = subject.judge(&asked);
        lock(&verdicts).insert(asked.exercise.number, verdict.clone());
        conclude(verdict, demanded)
    })
    .with_ignored_flag(known)
}

/// A verdict in the terms of cargo test.
fn conclude(verdict: Verdict, demanded: bool) -> Result<Completion, Failed> {
    let calm = |reason: String| {
        if demanded {
            Err(reason.into())
        } else {
            Ok(Completion::ignored_with(reason))
        }
    };
    match verdict {
        Verdict::Passed => Ok(Completion::Completed),
        Verdict::NotStarted(place) => calm(format!("not started: {place} is still a hole")),
        Verdict::WaitsFor(other, place) => calm(format!("waits for {other}: {place}")),
        Verdict::Missing(reason) if is_ci() => Err(reason.into()),
        Verdict::Missing(reason) => Ok(Completion::ignored_with(reason)),
        Verdict::DoesNotCompile(words) | Verdict::Wrong(words) => Err(words.into()),
    }
}

/// A filter that meant the solutions was answered by their harness; any other must not pass in silence.
fn nothing_asked(arguments: &Arguments) -> ExitCode {
    let filter = arguments.filter.as_deref().unwrap_or_default();
    if arguments.list || filter.contains("solution") {
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "No exercise is called {filter}: try lesson-1 for a lesson, lesson-1.1 for an exercise, solution for the workbook's own."
    );
    ExitCode::from(101)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
