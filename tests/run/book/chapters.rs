//! Every chapter has the same parts in the same order, and three hints for each
//! of its exercises. The pages around the chapters know all lessons.

use graders::chapter::anchor;
use graders::lesson::{LESSONS, Lesson};

use super::check::{Check, told};
use super::headings::{self, Heading};
use super::source_page::SourcePage;

/// The parts above the exercises, and those below. A chapter may have others between them.
const ABOVE: [&str; 4] = ["broken", "idea", "conversation", "program"];
const BELOW: [&str; 4] = ["traps", "wire", "channels", "read"];

/// The page that says what each lesson brings, and the one that plans a course.
const WELCOME: &str = "welcome";
const TEACHERS: &str = "teachers";

/// What stands in the schedule before the exercises of a session.
const AT_THE_MACHINE: &str = "**At the machine:**";

/// How many hints an exercise has.
const HINTS: usize = 3;

pub fn checks(pages: &[SourcePage]) -> Vec<Check> {
    let mut checks = Vec::new();
    let around: [(&str, &str, fn(&SourcePage) -> Vec<String>); 2] = [
        (WELCOME, "book-welcome-names-every-lesson", not_named),
        (TEACHERS, "book-teachers-plan-every-exercise", not_planned),
    ];
    for (page, name, faults) in around {
        let missing = format!("book/src/en/{page}.md is missing: write it");
        let page = pages.iter().find(|with_name| with_name.name == page);
        let page = page.cloned().ok_or(missing);
        checks.push(Check::new(name, move || told(faults(&page?))));
    }
    for page in pages {
        let Some(lesson) = page.lesson() else {
            continue;
        };
        let name = &page.name;
        let of = page.clone();
        checks.push(Check::new(
            format!("book-{name}-parts-are-in-order"),
            move || told(parts(&of, lesson)),
        ));
        let of = page.clone();
        checks.push(Check::new(
            format!("book-{name}-hints-are-three"),
            move || told(hints(&of, lesson)),
        ));
    }
    checks
}

/// The lessons to which the table of what is built has no row.
fn not_named(page: &SourcePage) -> Vec<String> {
    let has_row = |lesson: &Lesson| {
        let row = format!(
            "| [{} {}]({}.md) |",
            lesson.number, lesson.title, lesson.name
        );
        page.text.contains(&row)
    };
    let missing = LESSONS.iter().filter(|lesson| !has_row(lesson));
    let faults = missing.map(|lesson| {
        format!(
            "{}: the table has no row for lesson {}: begin one with `| [{} {}]({}.md) |`",
            page.place(1),
            lesson.number,
            lesson.number,
            lesson.title,
            lesson.name
        )
    });
    faults.collect()
}

/// The exercises that the schedule does not give to exactly one session.
fn not_planned(page: &SourcePage) -> Vec<String> {
    let sessions = page.text.split(AT_THE_MACHINE).skip(1);
    let sessions = sessions.map(|rest| rest.split("<br>").next().unwrap_or_default());
    let planned: Vec<&str> = sessions
        .flat_map(|exercises| exercises.split(','))
        .map(|exercise| exercise.trim().trim_end_matches('.'))
        .collect();
    let exercises = LESSONS.iter().flat_map(|lesson| lesson.exercises);
    let numbers: Vec<String> = exercises
        .map(|exercise| exercise.number.to_string())
        .collect();
    let mut faults = Vec::new();
    for number in &numbers {
        let sessions = planned.iter().filter(|planned| *planned == number).count();
        if sessions != 1 {
            faults.push(format!(
                "{}: the schedule has exercise {number} in {sessions} sessions: name it behind \
                 `{AT_THE_MACHINE}` of one",
                page.place(1)
            ));
        }
    }
    for planned in planned {
        if !numbers.iter().any(|number| number == planned) {
            faults.push(format!(
                "{}: the schedule names `{planned}`, which is no exercise: take it away",
                page.place(1)
            ));
        }
    }
    faults
}

/// The parts that a chapter lacks, has in another order, or has without a reason.
fn parts(page: &SourcePage, lesson: &Lesson) -> Vec<String> {
    let exercises = lesson.exercises.iter();
    let exercises: Vec<String> = exercises.map(|exercise| anchor(exercise.number)).collect();
    let above = ABOVE.map(str::to_string).into_iter();
    let below = BELOW.map(str::to_string).into_iter();
    let expected: Vec<String> = above.chain(exercises).chain(below).collect();

    let parts = level_2(page);
    let mut faults = Vec::new();
    let mut above: Option<(&String, usize)> = None;
    for id in &expected {
        let Some(part) = parts.iter().find(|part| part.id.as_ref() == Some(id)) else {
            faults.push(format!(
                "{}: the part {{#{id}}} is missing: add it{}",
                page.place(1),
                above.map_or(String::new(), |(id, _)| format!(" below {{#{id}}}"))
            ));
            continue;
        };
        if let Some((before, line)) = above.filter(|(_, line)| *line > part.line) {
            faults.push(format!(
                "{}: the part {{#{id}}} stands above {{#{before}}} of line {line}: move it below, \
                 as in the other chapters",
                page.place(part.line)
            ));
        }
        above = Some((id, part.line));
    }
    let is_exercise = |id: &&String| id.starts_with("exercise-") && !expected.contains(id);
    for part in &parts {
        if let Some(id) = part.id.as_ref().filter(is_exercise) {
            faults.push(format!(
                "{}: no grader knows {{#{id}}}: add the exercise to tests/lesson_{:02}.rs, or \
                 take the part away",
                page.place(part.line),
                lesson.number
            ));
        }
    }
    for (edge, id) in [
        (parts.first(), ABOVE[0]),
        (parts.last(), BELOW[BELOW.len() - 1]),
    ] {
        if let Some(part) = edge.filter(|part| part.id.as_deref() != Some(id)) {
            faults.push(format!(
                "{}: the first part is {{#{}}} and the last one {{#{}}}: move this one between them",
                page.place(part.line),
                ABOVE[0],
                BELOW[BELOW.len() - 1]
            ));
        }
    }
    faults
}

/// The exercises whose hints are not three closed ones.
fn hints(page: &SourcePage, lesson: &Lesson) -> Vec<String> {
    let parts = level_2(page);
    let mut faults = Vec::new();
    for exercise in lesson.exercises {
        let id = anchor(exercise.number);
        // A missing exercise is told by the check of the parts.
        let Some(begin) = parts.iter().position(|part| part.id.as_ref() == Some(&id)) else {
            continue;
        };
        let first = parts[begin].line;
        let end = parts.get(begin + 1).map_or(usize::MAX, |part| part.line);
        let lines = page.text.lines().zip(1..);
        let lines: Vec<(&str, usize)> = lines.filter(|(_, at)| (first..end).contains(at)).collect();

        let open = lines.iter().filter(|(line, _)| line.contains("<details "));
        faults.extend(open.map(|(_, at)| {
            format!(
                "{}: these details may not be closed: begin them with a bare <details>",
                page.place(*at)
            )
        }));
        let is_hint = |line: &&(&str, usize)| line.0.contains("<summary>Hint");
        let found: Vec<&(&str, usize)> = lines.iter().filter(is_hint).collect();
        if found.len() != HINTS {
            faults.push(format!(
                "{}: this exercise has {} hints: make them {HINTS}",
                page.place(first),
                found.len()
            ));
        }
        for ((line, at), number) in found.into_iter().zip(1..) {
            let wanted = format!("<details><summary>Hint {number}</summary>");
            if *line != wanted {
                let place = page.place(*at);
                faults.push(format!(
                    "{place}: write `{wanted}` here, as in all exercises"
                ));
            }
            let below = lines.iter().filter(|(_, line)| line > at);
            let mut hint = below.take_while(|(line, _)| !line.contains("details>"));
            if hint.all(|(line, _)| line.trim().is_empty()) {
                let place = page.place(*at);
                faults.push(format!(
                    "{place}: this hint is empty: write it above its </details>"
                ));
            }
        }
    }
    faults
}

fn level_2(page: &SourcePage) -> Vec<Heading> {
    let mut headings = headings::all(page);
    headings.retain(|heading| heading.level == 2);
    headings
}
