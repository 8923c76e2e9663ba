//! What somebody reads whose answer is wrong: what was asked, what happened,
//! where it stands, and one hint. Nobody should need the grader's source.

use crate::chapter;
use crate::colours::{BOLD, DIM, GREEN, RED, paint};
use crate::difference;
use crate::lesson::{Lesson, Number};
use crate::source::{self, Place};

/// What a report is made of.
#[derive(Debug)]
pub struct Report<'a> {
    /// The lesson.
    pub lesson: &'a Lesson,
    /// The exercise.
    pub exercise: Number,
    /// What went wrong, in one sentence.
    pub headline: &'a str,
    /// The accepted transcript.
    pub expected: &'a str,
    /// The transcript of this conversation.
    pub yours: &'a str,
    /// Whether this conversation ended before its end.
    pub ended_early: bool,
    /// Whether the program is the workbook's lesson, whose files can be pointed at.
    pub has_source: bool,
}

/// Writes the report.
pub fn report(report: &Report, colours: bool) -> String {
    let section = chapter::section(report.lesson, report.exercise);
    let title = match &section {
        Ok(section) => &section.title,
        Err(lacks) => lacks,
    };
    let mut text = format!(
        "{}\n\n{}\n",
        paint(BOLD, &format!("{} {title}", report.exercise), colours),
        report.headline
    );
    let yours = report.yours;
    if yours != report.expected {
        let difference = if report.ended_early {
            difference::until_the_end(report.expected, yours, colours)
        } else {
            difference::between(report.expected, yours, colours)
        };
        text.push_str(&format!(
            "\nThe conversation ({}, {}; `>` to the server, `<` from it):\n\n{difference}",
            paint(GREEN, "- expected", colours),
            paint(RED, "+ yours", colours),
        ));
    }
    text.push('\n');
    if report.has_source {
        let folder = report.lesson.starter_folder();
        let places = source::beginnings(&folder, report.exercise);
        let places: Vec<String> = places.iter().map(Place::to_string).collect();
        let places = match places.as_slice() {
            [] => folder.join("main.rs").display().to_string(),
            places => places.join(" and "),
        };
        text.push_str(&labelled("your code", &places, colours));
    }
    let text_place = chapter::place(report.lesson, report.exercise);
    text.push_str(&labelled("its text", &text_place, colours));
    if let Ok(section) = &section {
        text.push_str(&labelled("hint", &section.hint, colours));
    }
    text
}

fn labelled(label: &str, text: &str, colours: bool) -> String {
    format!("{} {text}\n", paint(DIM, &format!("{label:>9}:"), colours))
}
