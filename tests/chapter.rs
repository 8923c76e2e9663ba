//! An exercise's text and hint, read from its chapter: they stand only there.

use std::fs;
use std::path::Path;

use crate::lesson::{Lesson, Number, workbook};

/// What a chapter says about an exercise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What is asked, in one line: the heading.
    pub title: String,
    /// The first hint, in one paragraph.
    pub hint: String,
}

/// The id of an exercise's heading, the same in every language of the book.
pub fn anchor(exercise: Number) -> String {
    format!("exercise-{}-{}", exercise.0, exercise.1)
}

/// Reads an exercise's section from the chapter of its lesson.
///
/// # Errors
/// What the chapter lacks.
pub fn section(lesson: &Lesson, exercise: Number) -> Result<Section, String> {
    let file = lesson.chapter_file();
    let text = fs::read_to_string(workbook().join(&file))
        .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    read(&text, exercise).map_err(|lacks| format!("{} {lacks}", file.display()))
}

/// Where the section is: the file below the workbook's folder, and its heading.
pub fn place(lesson: &Lesson, exercise: Number) -> String {
    let file = lesson.chapter_file();
    let file = Path::new(&file).to_string_lossy().replace('\\', "/");
    format!("{file}#{}", anchor(exercise))
}

fn read(text: &str, exercise: Number) -> Result<Section, String> {
    let id = format!("{{#{}}}", anchor(exercise));
    let mut lines = text.lines();
    let heading = lines
        .by_ref()
        .find(|line| line.starts_with('#') && line.trim_end().ends_with(&id))
        .ok_or(format!("has no heading with {id}"))?;
    let title = heading.trim_start_matches('#').trim_end_matches(&id).trim();
    let title = title
        .strip_prefix(&format!("Exercise {exercise}:"))
        .ok_or(format!(
            "must begin the heading with {id} by `Exercise {exercise}:`"
        ))?;
    let section: Vec<&str> = lines.take_while(|line| !line.starts_with("## ")).collect();
    let hint: Vec<&str> = section
        .iter()
        .skip_while(|line| !line.starts_with("<details><summary>Hint"))
        .skip(1)
        .take_while(|line| !line.contains("</details>"))
        .map(|line| line.trim())
        .filter(|line| !line.is_empty())
        .collect();
    if hint.is_empty() {
        return Err(format!("has no hint below the heading with {id}"));
    }
    Ok(Section {
        title: title.trim().to_string(),
        hint: hint.join(" "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAPTER: &str = "\
# 4 Chat {#lesson-4}

## Exercise 4.1: Everyone hears it {#exercise-4-1}
Say it.

## Exercise 4.2: Everyone knows who is there {#exercise-4-2}
Count.

<details><summary>The conversation</summary>

bob < text

</details>

<details><summary>Hint 1</summary>

Count under the lock
that you announce under.

</details>
";

    #[test]
    fn the_heading_is_the_title_and_the_first_hint_the_hint() {
        let section = read(CHAPTER, Number(4, 2)).unwrap();
        assert_eq!(section.title, "Everyone knows who is there");
        assert_eq!(
            section.hint,
            "Count under the lock that you announce under."
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(read(CHAPTER, Number(4, 1)).unwrap_err().contains("hint"));
        assert!(
            read(CHAPTER, Number(4, 3))
                .unwrap_err()
                .contains("exercise-4-3")
        );
    }
}
