//! `cargo test solution`: the workbook itself. Every solution passes every
//! exercise; starters, chapters and snapshots are what they should be.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use graders::accepted::{self, assert_by_insta};
use graders::building::{Built, build};
use graders::chapter;
use graders::conversation::Stop;
use graders::grading::{Held, RUNTIME, hold};
use graders::harness::{arguments, asked_for, is_ci, run};
use graders::lesson::{Exercise, LESSONS, Lesson, Need, workbook};
use graders::server::Program;
use graders::{
    bad_inputs, flood, late_errors, redis_outages, resources, slow_readers, source, starters,
};
use graders::{lesson_04, lesson_05, lesson_06, lesson_07, lesson_08};
use libtest_mimic::{Completion, Failed, Trial};

fn main() -> ExitCode {
    // insta tells a difference by a panic; its words are shown already, and
    // any other panic's are shown with the test's failure.
    std::panic::set_hook(Box::new(|_| {}));
    let arguments = arguments();
    let mut checks: Vec<Check> = LESSONS.iter().flat_map(checks_of).collect();
    for (lesson, path) in [
        (lesson_04::LESSON, "/chat/public"),
        (lesson_05::LESSON, "/ws/chat/lobby"),
        // Lesson 8 has its delivery.rs word for word.
        (lesson_07::LESSON, "/chat/public"),
    ] {
        let name = format!("solution-{}-tells-errors-last", lesson.number);
        checks.push(Check::new(name, move |programs| {
            let program = Program::Built(programs.path("solution", &lesson)?);
            RUNTIME.block_on(late_errors::come_last(&program, path))?;
            Ok(Completion::Completed)
        }));
    }
    checks.push(Check::new(
        "solution-5-survives-a-flood-of-rooms",
        |programs| {
            leaves_nothing_behind(programs, &lesson_05::LESSON, Need::Nothing, flood::of_rooms)
        },
    ));
    checks.push(Check::new("solution-7-survives-slow-readers", |programs| {
        leaves_nothing_behind(
            programs,
            &lesson_07::LESSON,
            Need::Nothing,
            slow_readers::all,
        )
    }));
    checks.push(Check::new(
        "solution-8-survives-ten-outages-of-redis",
        |programs| {
            leaves_nothing_behind(
                programs,
                &lesson_08::LESSON,
                Need::Redis,
                redis_outages::survived,
            )
        },
    ));
    checks.push(Check::new("solution-snapshots-are-all-used", |_| {
        no_snapshot_is_unused()
    }));
    checks.retain(|check| asked_for(&arguments, &check.name));
    if checks.is_empty() {
        return ExitCode::SUCCESS;
    }
    let programs = Arc::new(Programs::default());
    let trials = checks
        .into_iter()
        .map(|Check { name, check }| {
            let programs = programs.clone();
            Trial::ignorable_test(name, move || check(&programs).map_err(Failed::from))
        })
        .collect();
    run(&arguments, trials).exit_code()
}

/// A check of the workbook's own. `Err` says in one sentence what is not as it should be.
struct Check {
    name: String,
    check: Box<Function>,
}

type Function = dyn FnOnce(&Programs) -> Result<Completion, String> + Send;

impl Check {
    fn new(
        name: impl Into<String>,
        check: impl FnOnce(&Programs) -> Result<Completion, String> + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            check: Box::new(check),
        }
    }
}

/// All programs of the workbook, built when the first check needs one.
#[derive(Default)]
struct Programs(OnceLock<Built>);

impl Programs {
    fn built(&self) -> &Built {
        self.0.get_or_init(|| {
            let names = ["solution", "lesson"].into_iter().flat_map(|kind| {
                LESSONS
                    .iter()
                    .map(move |lesson| format!("{kind}-{}", lesson.number))
            });
            build(&names.collect::<Vec<_>>())
        })
    }

    fn path(&self, kind: &str, lesson: &Lesson) -> Result<PathBuf, String> {
        self.built().program(&format!("{kind}-{}", lesson.number))
    }
}

fn checks_of(lesson: &'static Lesson) -> Vec<Check> {
    let mut checks: Vec<Check> = lesson
        .exercises
        .iter()
        .map(|exercise| {
            let name = format!("solution-{}", exercise.number);
            Check::new(name, move |programs| passes(programs, lesson, exercise))
        })
        .collect();
    let number = lesson.number;
    let mut add = |name: &str, check: fn(&Programs, &Lesson) -> Result<(), String>| {
        let name = format!("solution-{number}-{name}");
        checks.push(Check::new(name, move |programs| {
            check(programs, lesson).map(|()| Completion::Completed)
        }));
    };
    add("has-no-hole", |_, lesson| has_no_hole(lesson));
    add("chapter-is-whole", |_, lesson| chapter_is_whole(lesson));
    add("says-that-its-port-is-in-use", |programs, lesson| {
        starters::says_that_its_port_is_in_use(&programs.path("solution", lesson)?)
    });

    let mut add = |name: &str, check: fn(&Programs, &Lesson) -> Result<(), String>| {
        let name = format!("solution-{number}-starter-{name}");
        checks.push(Check::new(name, move |programs| {
            match starters::changed(lesson) {
                Some(reason) => Ok(Completion::ignored_with(reason)),
                None => check(programs, lesson).map(|()| Completion::Completed),
            }
        }));
    };
    add("is-not-started", |_, lesson| {
        starters::all_are_holes(lesson)
    });
    add("is-its-solution-outside-holes", |_, lesson| {
        starters::same_outside_holes(lesson)
    });
    add("compiles-without-a-warning", |programs, lesson| {
        programs.path("lesson", lesson)?;
        let warnings = programs
            .built()
            .warnings(&format!("lesson-{}", lesson.number));
        warnings
            .first()
            .map_or(Ok(()), |warning| Err(warning.clone()))
    });
    add("serves-its-page", |programs, lesson| {
        let program = Program::Built(programs.path("lesson", lesson)?);
        RUNTIME.block_on(starters::serves_its_page(&program))
    });
    checks.extend(bad_input_checks(lesson));
    if lesson.number == lesson_06::LESSON.number {
        checks.extend(page_checks(lesson));
    }
    checks
}

/// The page of lesson 6 is given, so that no exercise looks at it.
fn page_checks(lesson: &'static Lesson) -> [Check; 2] {
    let finished = Check::new("solution-6-page-shows-both-namespaces", move |programs| {
        is_held(programs.path("solution", lesson)?, &lesson_06::PAGE)
    });
    let starter =
        Check::new(
            "solution-6-starter-page-connects",
            move |programs| match starters::changed(lesson) {
                Some(reason) => Ok(Completion::ignored_with(reason)),
                None => is_held(programs.path("lesson", lesson)?, &lesson_06::STARTERS_PAGE),
            },
        );
    [finished, starter]
}

/// A conversation without an accepted transcript goes on to its end.
fn is_held(program: PathBuf, exercise: &Exercise) -> Result<Completion, String> {
    if let Some(reason) = exercise.needs.missing() {
        return ignored_or_failed(reason);
    }
    let held = RUNTIME.block_on(hold(&Program::Built(program), exercise))?;
    match held.stop {
        Some(Stop(reason)) => Err(format!("{reason}\n\n{}", held.transcript)),
        None if held.transcript.contains("script threw") => Err(held.transcript),
        None => Ok(Completion::Completed),
    }
}

/// What is missing here is an error in CI.
fn ignored_or_failed(reason: String) -> Result<Completion, String> {
    if is_ci() {
        Err(reason)
    } else {
        Ok(Completion::ignored_with(reason))
    }
}

/// The solution's conversation is the accepted one.
fn passes(
    programs: &Programs,
    lesson: &'static Lesson,
    exercise: &'static Exercise,
) -> Result<Completion, String> {
    if let Some(reason) = exercise.needs.missing() {
        return ignored_or_failed(reason);
    }
    let program = Program::Built(programs.path("solution", lesson)?);
    let Held {
        transcript,
        stop,
        stderr,
        ..
    } = RUNTIME.block_on(hold(&program, exercise))?;
    if let Some(Stop(reason)) = stop {
        return Err(format!("{reason}\n\n{transcript}\n{stderr}"));
    }
    let title = chapter::section(lesson, exercise.number)?.title;
    assert_by_insta(exercise.number, &title, &transcript)?;
    Ok(Completion::Completed)
}

fn has_no_hole(lesson: &Lesson) -> Result<(), String> {
    for file in source::files(&workbook().join(lesson.solution_folder())) {
        let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        if let Some((line, _)) = source::hole_lines(&text).first() {
            return Err(format!("{}:{line} is a hole", file.display()));
        }
    }
    Ok(())
}

/// Each exercise has a text, a hint and an accepted transcript.
fn chapter_is_whole(lesson: &Lesson) -> Result<(), String> {
    for exercise in lesson.exercises {
        chapter::section(lesson, exercise.number)?;
        accepted::transcript(exercise.number)?;
    }
    Ok(())
}

fn no_snapshot_is_unused() -> Result<Completion, String> {
    let folder = workbook().join(accepted::FOLDER);
    let entries = fs::read_dir(&folder).map_err(|error| error.to_string())?;
    let numbers = LESSONS.iter().flat_map(|lesson| lesson.exercises);
    let used: Vec<PathBuf> = numbers
        .map(|exercise| accepted::file(exercise.number))
        .collect();
    for path in entries.flatten().map(|entry| entry.path()) {
        if !used.contains(&path) {
            return Err(format!("{} belongs to no exercise", path.display()));
        }
    }
    Ok(Completion::Completed)
}

/// What the solutions of the WebSocket lessons make of bad inputs.
fn bad_input_checks(lesson: &'static Lesson) -> Vec<Check> {
    bad_inputs::of(lesson)
        .into_iter()
        .map(|bad| {
            let name = format!("solution-{}-survives-{}", lesson.number, bad.kind);
            Check::new(name, move |programs| {
                let program = Program::Built(programs.path("solution", lesson)?);
                RUNTIME.block_on(bad.hold(&program))?;
                Ok(Completion::Completed)
            })
        })
        .collect()
}

/// What a fault leaves behind in a finished lesson.
fn leaves_nothing_behind(
    programs: &Programs,
    lesson: &Lesson,
    needs: Need,
    fault: impl AsyncFnOnce(&Program) -> Result<(), String>,
) -> Result<Completion, String> {
    if let Some(reason) = needs.missing() {
        return ignored_or_failed(reason);
    }
    if let Some(reason) = resources::missing() {
        return Ok(Completion::ignored_with(reason));
    }
    let program = Program::Built(programs.path("solution", lesson)?);
    RUNTIME.block_on(fault(&program))?;
    Ok(Completion::Completed)
}
