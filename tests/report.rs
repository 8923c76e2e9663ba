//! What somebody reads whose answer is wrong: what was asked, what happened,
//! where it stands, and one hint. Nobody should need the grader's source.

use crate::chapter;
use crate::colours::{self, BOLD, DIM, GREEN, RED, paint};
use crate::difference;
use crate::lesson::{Lesson, Number};
use crate::source;

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
    /// The transcript of this conversation, if there was one.
    pub yours: Option<&'a str>,
    /// Whether this conversation ended before its end.
    pub ended_early: bool,
    /// Whether the program is the workbook's lesson, whose files can be pointed at.
    pub has_source: bool,
}

/// Writes the report.
pub fn report(report: &Report) -> String {
    let colours = colours::wanted();
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
    if let Some(yours) = report.yours
        && yours != report.expected
    {
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
        let place = source::beginning(&report.lesson.starter_folder(), report.exercise);
        let place = place.map_or(
            report.lesson.starter_folder().display().to_string(),
            |place| place.to_string(),
        );
        text.push_str(&labelled("your code", &place, colours));
    }
    let text_place = chapter::place(report.lesson, report.exercise);
    text.push_str(&labelled("its text", &text_place, colours));
    // A server that cannot be talked to has another trouble than this exercise.
    if report.yours.is_some()
        && let Ok(section) = &section
    {
        text.push_str(&labelled("hint", &section.hint, colours));
    }
    text
}

fn labelled(label: &str, text: &str, colours: bool) -> String {
    format!("{} {text}\n", paint(DIM, &format!("{label:>9}:"), colours))
}
