//! The board: a line per lesson with what is done, and exactly one next step.

use std::collections::BTreeMap;

use crate::chapter;
use crate::colours::{BOLD, DIM, GREEN, RED, paint};
use crate::grading::Verdict;
use crate::lesson::{Exercise, LESSONS, Lesson, Number};

/// The verdicts of a run.
pub type Verdicts = BTreeMap<Number, Verdict>;

/// Writes the board of a run, with the lessons that were graded in it; the
/// server is the workbook's lesson, or one that `LESSON_COMMAND` has started.
pub fn board(verdicts: &Verdicts, is_lesson: bool, colours: bool) -> String {
    let mut text = String::new();
    for lesson in LESSONS {
        let graded: Vec<&Exercise> = lesson
            .exercises
            .iter()
            .filter(|exercise| verdicts.contains_key(&exercise.number))
            .collect();
        if !graded.is_empty() {
            text.push_str(&line(lesson, &graded, verdicts, colours));
        }
    }
    let next = paint(BOLD, "next:", colours);
    let step = next_step(verdicts, is_lesson);
    text.push_str(&format!("\n{next} {step}\n"));
    text
}

fn line(lesson: &Lesson, graded: &[&Exercise], verdicts: &Verdicts, colours: bool) -> String {
    let mut marks = String::new();
    let mut passed = 0;
    for exercise in graded {
        let (mark, style) = match verdicts[&exercise.number] {
            Verdict::Passed => {
                passed += 1;
                ('#', GREEN)
            }
            Verdict::Wrong(_) | Verdict::DoesNotCompile(_) => ('x', RED),
            Verdict::NotStarted(_) | Verdict::WaitsFor(..) | Verdict::Missing(_) => ('.', DIM),
        };
        marks.push_str(&paint(style, &mark.to_string(), colours));
    }
    let padding = " ".repeat(8_usize.saturating_sub(graded.len()));
    format!(
        "lesson {:>2}  {:<12} {marks}{padding} {passed} of {} passed\n",
        lesson.number,
        lesson.title,
        graded.len()
    )
}

/// The one thing to do next, as one sentence.
fn next_step(verdicts: &Verdicts, is_lesson: bool) -> String {
    let open = verdicts
        .iter()
        .find(|(_, verdict)| !matches!(verdict, Verdict::Passed | Verdict::Missing(_)));
    let Some((number, verdict)) = open else {
        return after_all(verdicts, is_lesson);
    };
    let lesson = lesson_of(*number);
    let text = chapter::place(lesson, *number);
    let title = chapter::section(lesson, *number).map_or(String::new(), |section| section.title);
    let grade = format!("cargo test lesson-{number}");
    match verdict {
        Verdict::NotStarted(place) => {
            format!("{number} {title}: read {text}, fill the hole at {place}, then {grade}")
        }
        Verdict::WaitsFor(other, place) => {
            format!(
                "{other}, which {number} needs: fill the hole at {place}, then cargo test lesson-{other}"
            )
        }
        Verdict::DoesNotCompile(_) => {
            format!(
                "make lesson {0} compile: cargo build --bin lesson-{0}",
                lesson.number
            )
        }
        _ => format!("{number} {title}: read what is said above, mend it, then {grade}"),
    }
}

fn after_all(verdicts: &Verdicts, is_lesson: bool) -> String {
    let ignored = verdicts.iter().find_map(|(number, verdict)| match verdict {
        Verdict::Missing(reason) => Some((number, reason)),
        _ => None,
    });
    if let Some((number, reason)) = ignored {
        return format!("{number} is ignored, because it {reason}");
    }
    if !is_lesson {
        return "nothing: your server passes all that it was asked".to_string();
    }
    let Some(last) = verdicts.keys().next_back() else {
        return "cargo test, to see all lessons on the board".to_string();
    };
    let exercises = || {
        let all = LESSONS.iter();
        all.flat_map(|lesson| {
            lesson
                .exercises
                .iter()
                .map(move |exercise| (lesson, exercise))
        })
    };
    match exercises().find(|(_, exercise)| exercise.number > *last) {
        Some((lesson, exercise)) if lesson.number == last.0 => {
            let number = exercise.number;
            let text = chapter::place(lesson, number);
            let title = chapter::section(lesson, number).map_or(String::new(), |text| text.title);
            format!("{number} {title}: read {text}, then cargo test lesson-{number}")
        }
        Some((lesson, _)) => format!(
            "lesson {0}, {1}: cargo run --bin lesson-{0}, and read {2}",
            lesson.number,
            lesson.title,
            lesson.chapter_file().display()
        ),
        None if exercises().all(|(_, exercise)| verdicts.contains_key(&exercise.number)) => {
            "nothing: every exercise is passed".to_string()
        }
        None => "cargo test, to see all lessons on the board".to_string(),
    }
}

fn lesson_of(number: Number) -> &'static Lesson {
    LESSONS
        .iter()
        .find(|lesson| lesson.number == number.0)
        .expect("verdicts are about exercises of lessons")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(passed: &[Number]) -> String {
        let passed = passed.iter().map(|number| (*number, Verdict::Passed));
        next_step(&passed.collect(), true)
    }

    #[test]
    fn the_next_step_follows_what_is_passed() {
        assert!(after(&[Number(1, 1)]).starts_with("1.2 "));
        assert!(after(&[Number(1, 5)]).starts_with("lesson 2, Fetch: "));
        let all = LESSONS.iter().flat_map(|lesson| lesson.exercises);
        let all: Vec<Number> = all.map(|exercise| exercise.number).collect();
        assert_eq!(after(&all), "nothing: every exercise is passed");
    }

    #[test]
    fn what_is_wrong_comes_before_what_is_next() {
        let mut verdicts = Verdicts::new();
        verdicts.insert(Number(1, 1), Verdict::Passed);
        verdicts.insert(Number(1, 2), Verdict::Wrong("no".to_string()));
        assert!(next_step(&verdicts, true).starts_with("1.2 "));
    }
}
