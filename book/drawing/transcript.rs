//! Reads a transcript back: the notation is that of `tests/transcript.rs`.

use std::fs;

use graders::accepted;
use graders::lesson::Number;

/// What happened between two `#` lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Step {
    pub title: Option<String>,
    pub lines: Vec<Line>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// The client that spoke or was spoken to.
    pub lane: String,
    pub direction: Direction,
    pub text: String,
    /// What stands indented below the line.
    pub details: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `>`
    ToServer,
    /// `<`
    FromServer,
}

/// The steps of an exercise's accepted transcript.
///
/// # Errors
/// The snapshot cannot be read, or a line of it is in no known notation.
pub fn accepted(exercise: Number) -> Result<Vec<Step>, String> {
    let file = accepted::file(exercise);
    let text = fs::read_to_string(&file)
        .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let transcript = text
        .splitn(3, "---\n")
        .nth(2)
        .ok_or(format!("{} has no head", file.display()))?;
    read(transcript).map_err(|reason| format!("{}: {reason}", file.display()))
}

/// Reads a transcript.
///
/// # Errors
/// The first line that is in no known notation.
pub fn read(transcript: &str) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for line in transcript.lines().filter(|line| !line.is_empty()) {
        if let Some(title) = line.strip_prefix("# ") {
            steps.push(Step {
                title: Some(title.to_string()),
                lines: Vec::new(),
            });
            continue;
        }
        if steps.is_empty() {
            steps.push(Step::default());
        }
        let step = steps.last_mut().expect("there is a step");
        match line.strip_prefix(' ') {
            Some(detail) => step
                .lines
                .last_mut()
                .ok_or(format!("nothing stands above the detail: {line}"))?
                .details
                .push(detail.trim_start().to_string()),
            None => step.lines.push(read_line(line)?),
        }
    }
    Ok(steps)
}

fn read_line(line: &str) -> Result<Line, String> {
    let (lane, direction, text) = line
        .split_once(" > ")
        .map(|(lane, text)| (lane, Direction::ToServer, text))
        .filter(|(lane, ..)| !lane.contains(" < "))
        .or_else(|| {
            let (lane, text) = line.split_once(" < ")?;
            Some((lane, Direction::FromServer, text))
        })
        .ok_or(format!("neither `>` nor `<` in the line: {line}"))?;
    Ok(Line {
        lane: lane.trim_end().to_string(),
        direction,
        text: text.to_string(),
        details: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_lines_and_details_are_read_back() {
        let steps = read(
            "# bob asks\n\
             bob   > GET /\n\
             bob   < 200 OK\n          h1: \"a > b\"\n\
             \n\
             # bob joins\n\
             alice < text {\"a\":\" > \"}\n",
        )
        .unwrap();
        assert_eq!(steps.len(), 2);
        assert_eq!(steps[0].title.as_deref(), Some("bob asks"));
        assert_eq!(steps[0].lines[0].direction, Direction::ToServer);
        assert_eq!(steps[0].lines[1].details, ["h1: \"a > b\""]);
        assert_eq!(steps[1].lines[0].lane, "alice");
        assert_eq!(steps[1].lines[0].text, "text {\"a\":\" > \"}");
    }

    #[test]
    fn what_is_no_transcript_is_named() {
        assert!(read("hello\n").unwrap_err().contains("hello"));
        assert!(read("  detail\n").unwrap_err().contains("detail"));
    }
}
