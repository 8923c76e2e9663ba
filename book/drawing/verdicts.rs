//! What a learner reads after a wrong answer, for the page that explains it.

use std::collections::BTreeMap;

use graders::board::board;
use graders::grading::{Verdict, first_difference};
use graders::lesson::{LESSONS, Number};
use graders::report::{Report, report};
use graders::{accepted, source};

use crate::Drawn;

/// The exercise that somebody got wrong: a stranger is greeted by a wrong word.
const WRONG: Number = Number(1, 1);
const EXPECTED: &str = "Hello, stranger!";
const YOURS: &str = "Hello, you!";

/// The report on a wrong answer, and the board below it.
///
/// # Errors
/// The accepted transcript or a hole of the first lesson is missing.
pub fn all() -> Result<Vec<Drawn>, String> {
    let lesson = &LESSONS[0];
    let expected = accepted::transcript(WRONG)?;
    let yours = expected.replace(EXPECTED, YOURS);
    let wrong = Report {
        lesson,
        exercise: WRONG,
        headline: &first_difference(&expected, &yours),
        expected: &expected,
        yours: &yours,
        ended_early: false,
        has_source: true,
    };
    let report = report(&wrong, false);
    let mut verdicts = BTreeMap::new();
    for exercise in lesson.exercises {
        let number = exercise.number;
        let verdict = if number == WRONG {
            Verdict::Wrong(report.clone())
        } else {
            let folder = lesson.starter_folder();
            let hole = source::holes(&folder, number).into_iter().next();
            let solved = format!(
                "{} has no hole for exercise {number}: draw where the lessons are as committed",
                folder.display()
            );
            Verdict::NotStarted(hole.ok_or(solved)?)
        };
        verdicts.insert(number, verdict);
    }
    Ok(vec![
        drawn("wrong-answer.txt", report),
        drawn("board.txt", board(&verdicts, true, false)),
    ])
}

fn drawn(name: &str, text: String) -> Drawn {
    Drawn {
        name: name.to_string(),
        text,
    }
}
