//! Where an exercise stands in a lesson's files, and whether it is still a hole.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::lesson::{Number, workbook};

/// A line of a file of the workbook, written `lessons/04-chat/main.rs:57`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, below the workbook's folder.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One spelling on every system: terminals make it a link.
        let file = self.file.to_string_lossy().replace('\\', "/");
        write!(formatter, "{file}:{}", self.line)
    }
}

/// The exercise's holes: each `todo!("4.2 ...")` and each `TODO 4.2` in the folder's programs and pages.
pub fn holes(folder: &Path, exercise: Number) -> Vec<Place> {
    places(folder, |text| hole_offsets(text, exercise))
}

/// Where the exercise stands: each comment that says `Exercise 4.2`.
pub fn beginnings(folder: &Path, exercise: Number) -> Vec<Place> {
    let mark = format!("Exercise {exercise}");
    let begins = |text: &str| {
        let marks = text.match_indices(&mark);
        marks
            .filter(|(offset, mark)| ends_there(text, offset + mark.len()))
            .map(|(offset, _)| offset)
            .collect()
    };
    places(folder, begins)
}

/// Every hole of a text, of whichever exercise, as the ranges of its lines.
pub fn hole_lines(text: &str) -> Vec<(usize, usize)> {
    let mut lines: Vec<(usize, usize)> = Vec::new();
    for offset in all_hole_offsets(text) {
        let first = line_of(text, offset);
        let rest = &text[offset..];
        // A `todo!(` may be broken over lines by rustfmt; a comment may go on in the next line.
        let length = match rest.strip_prefix("todo!") {
            Some(_) => closing(rest).map_or(0, |end| rest[..end].matches('\n').count()),
            None => {
                let comment = comment_length(text, first);
                comment + replaced_lines(text, first, comment)
            }
        };
        lines.push((first, first + length));
    }
    lines
}

fn all_hole_offsets(text: &str) -> Vec<usize> {
    let macros = text.match_indices("todo!").map(|(offset, _)| offset);
    let macros = macros.filter(|offset| !in_comment(text, *offset));
    let comments = text.match_indices("TODO ").map(|(offset, _)| offset);
    let mut offsets: Vec<usize> = macros.chain(comments).collect();
    offsets.sort_unstable();
    offsets
}

fn hole_offsets(text: &str, exercise: Number) -> Vec<usize> {
    all_hole_offsets(text)
        .into_iter()
        .filter(|offset| number_at(&text[*offset..]) == Some(exercise))
        .collect()
}

/// The number of the exercise whose hole begins here.
fn number_at(hole: &str) -> Option<Number> {
    let after = match hole.strip_prefix("todo!") {
        Some(rest) => rest.trim_start().strip_prefix(['(', '{', '['])?,
        None => hole.strip_prefix("TODO")?,
    };
    let after = after.trim_start().trim_start_matches('"');
    let end = after.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let number = &after[..end.unwrap_or(after.len())];
    number.trim_end_matches('.').parse().ok()
}

/// Whether the number `4.2` that ends here is not the beginning of `4.25`.
fn ends_there(text: &str, end: usize) -> bool {
    !text[end..].starts_with(|letter: char| letter.is_ascii_digit())
}

fn in_comment(text: &str, offset: usize) -> bool {
    let before = &text[..offset];
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    let in_block = before.rfind("/*") > before.rfind("*/");
    in_block || before[line..].contains("//")
}

/// How long `todo!( ... )` is, in bytes; brackets within its text count as well, in pairs.
fn closing(hole: &str) -> Option<usize> {
    let mut depth = 0;
    for (offset, letter) in hole.char_indices() {
        match letter {
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(offset + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// How many more lines the comment goes on that begins in this line.
fn comment_length(text: &str, line: usize) -> usize {
    let mut lines = text.lines().skip(line - 1);
    let first = lines.next().unwrap_or_default();
    if first.trim_start().starts_with("//") {
        return lines
            .take_while(|line| {
                let line = line.trim_start();
                line.starts_with("//") && !line.contains("TODO ") && !line.contains("Exercise ")
            })
            .count();
    }
    for (begin, end) in [("<!--", "-->"), ("{#", "#}"), ("/*", "*/")] {
        if first.contains(begin) && !first.contains(end) {
            return 1 + lines.take_while(|line| !line.contains(end)).count();
        }
    }
    0
}

/// How many lines behind a comment are part of its hole, because the comment
/// says that it is to be done `instead of the next line`, or `2 lines`.
fn replaced_lines(text: &str, first: usize, more: usize) -> usize {
    let mut lines = text.lines().skip(first - 1).take(1 + more);
    let Some(count) = lines.find_map(|line| line.split_once("instead of the next ")) else {
        return 0;
    };
    let digits = count.1.split(' ').next().unwrap_or_default();
    digits.parse().unwrap_or(1)
}

fn places(folder: &Path, offsets: impl Fn(&str) -> Vec<usize>) -> Vec<Place> {
    let mut places = Vec::new();
    for file in files(&workbook().join(folder)) {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let name = file.strip_prefix(workbook()).unwrap_or(&file);
        places.extend(offsets(&text).into_iter().map(|offset| Place {
            file: name.to_path_buf(),
            line: line_of(&text, offset),
        }));
    }
    places
}

/// A folder's programs and pages, in a fixed order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path
            .extension()
            .is_some_and(|end| end == "rs" || end == "html")
        {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holes_in(text: &str) -> Vec<usize> {
        hole_offsets(text, Number(4, 2))
    }

    #[test]
    fn a_hole_is_a_todo_with_the_number_of_its_exercise() {
        assert_eq!(holes_in(r#"todo!("4.2 tell everyone: {online}")"#), [0]);
        assert_eq!(holes_in("todo!(\n    \"4.2 tell everyone\"\n)"), [0]);
        assert_eq!(holes_in("// TODO 4.2: tell everyone"), [3]);
        assert_eq!(holes_in("{# TODO 4.2 #}"), [3]);
    }

    #[test]
    fn other_exercises_and_commented_out_ones_are_none() {
        assert!(holes_in(r#"todo!("4.25 other")"#).is_empty());
        assert!(holes_in(r#"todo!("14.2 other")"#).is_empty());
        assert!(holes_in("TODO 4.3").is_empty());
        assert!(holes_in(r#"// todo!("4.2 done")"#).is_empty());
        assert!(holes_in(r#"/* todo!("4.2 done") */"#).is_empty());
        assert!(holes_in("Exercise 4.2").is_empty());
    }

    #[test]
    fn the_lines_of_a_hole_are_found_to_their_end() {
        let text = "fn a() {\n    todo!(\n        \"4.2 say {x}\"\n    )\n}\n";
        assert_eq!(hole_lines(text), [(2, 4)]);
        let text = "a();\n// TODO 4.2: this\n// and that\nb();\n";
        assert_eq!(hole_lines(text), [(2, 3)]);
        let text = "// TODO 4.2: this, instead of the next line\na();\nb();\n";
        assert_eq!(hole_lines(text), [(1, 2)]);
        let text = "// TODO 4.2: this\n// instead of the next 2 lines\na();\nb();\n";
        assert_eq!(hole_lines(text), [(1, 4)]);
        let text = "<p>\n<!-- TODO 4.2: this\n     and that -->\n</p>\n";
        assert_eq!(hole_lines(text), [(2, 3)]);
    }
}
