//! What pages include is there, and what solutions mark for them is shown.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use graders::lesson::{LESSONS, workbook};
use graders::source;

use super::check::{Check, told};
use super::source_page::{SourcePage, line_of};

/// An `{{#include FILE:PART}}`.
#[derive(Debug)]
struct Include {
    /// The line of the page.
    line: usize,
    /// As it is written.
    words: String,
    /// Below the workbook's folder.
    file: PathBuf,
    part: Part,
}

/// What is included of a file.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// From a line to a line, from 1.
    Lines(usize, Option<usize>),
    Anchor(String),
}

pub fn checks(pages: &[SourcePage], drafts: &[SourcePage]) -> Vec<Check> {
    let resolving = pages.iter().cloned().map(|page| {
        Check::new(format!("book-{}-includes-resolve", page.name), move || {
            told(unresolved(&page))
        })
    });
    let held = pages.iter().cloned().map(|page| {
        Check::new(
            format!("book-{}-includes-what-runs", page.name),
            move || told(not_held(&page)),
        )
    });
    let all = [pages, drafts].concat();
    let shown = Check::new("book-shows-every-anchor", move || told(not_shown(&all)?));
    resolving.chain(held).chain([shown]).collect()
}

/// Where files lie that are compiled, run, graded or generated.
const HELD: &[&str] = &[
    "lessons",
    "solutions",
    "tests",
    "bench",
    "book/channels",
    // Held by figures.rs, and this page by attack.rs.
    "book/src/drawn",
    "book/src/en/examples/innerhtml.html",
];

/// The includes of a page whose file nobody runs: what is typed into a file
/// beside the book is typed into the book.
fn not_held(page: &SourcePage) -> Vec<String> {
    let includes = includes(page).into_iter();
    let loose = includes.filter(|include| !HELD.iter().any(|held| include.file.starts_with(held)));
    let faults = loose.map(|include| {
        format!(
            "{}: `{}` includes a file that nothing runs or draws: include from solutions/, \
             book/channels/ or book/src/drawn/",
            page.place(include.line),
            include.words
        )
    });
    faults.collect()
}

/// The includes of a page whose part is not there.
fn unresolved(page: &SourcePage) -> Vec<String> {
    let faults = includes(page).into_iter().filter_map(|include| {
        let reason = include.resolve().err()?;
        let place = page.place(include.line);
        Some(format!(
            "{place}: `{}` does not resolve: {reason}",
            include.words
        ))
    });
    faults.collect()
}

/// The anchors in solutions that no page includes. What is drawn and recorded
/// has more anchors than are shown, and nobody types them.
fn not_shown(pages: &[SourcePage]) -> Result<Vec<String>, String> {
    let shown: BTreeSet<(PathBuf, String)> = pages
        .iter()
        .flat_map(includes)
        .filter_map(|include| match include.part {
            Part::Anchor(name) => Some((include.file, name)),
            _ => None,
        })
        .collect();
    let mut faults = Vec::new();
    for lesson in LESSONS {
        for path in source::files(&workbook().join(lesson.solution_folder())) {
            let file = path.strip_prefix(workbook()).unwrap_or(&path);
            let text = read(file)?;
            let marks = marks(&text, "ANCHOR:").chain(marks(&text, "ANCHOR_END:"));
            let mut named = BTreeSet::new();
            for (line, name) in marks {
                let is_shown = shown.contains(&(file.to_path_buf(), name.to_string()));
                if !is_shown && named.insert(name) {
                    faults.push(format!(
                        "{}:{line}: no page includes the anchor `{name}`: show it, or take its \
                         ANCHOR and ANCHOR_END away",
                        in_slashes(file)
                    ));
                }
            }
        }
    }
    Ok(faults)
}

/// The includes of a page, in code and outside of it.
fn includes(page: &SourcePage) -> Vec<Include> {
    let begins = page.text.match_indices("{{#");
    let found = begins.filter_map(|(begin, _)| {
        if page.text[..begin].ends_with('\\') {
            return None;
        }
        let rest = &page.text[begin..];
        let words = &rest[..rest.find("}}")? + 2];
        let inside = words.trim_start_matches("{{#").trim_end_matches("}}");
        let (directive, target) = inside.split_once(char::is_whitespace)?;
        if !["include", "rustdoc_include"].contains(&directive) {
            return None;
        }
        let (file, part) = parse(target.trim());
        let folder = page.file.parent().unwrap_or(Path::new(""));
        Some(Include {
            line: line_of(&page.text, begin),
            words: words.to_string(),
            file: without_dots(&folder.join(file)),
            part,
        })
    });
    found.collect()
}

/// Reads `FILE`, `FILE:ANCHOR`, `FILE:3`, `FILE:3:`, `FILE::9` or `FILE:3:9`, as mdBook does.
fn parse(target: &str) -> (&str, Part) {
    let mut parts = target.splitn(3, ':');
    let file = parts.next().unwrap_or_default();
    let (first, last) = (parts.next(), parts.next());
    let number = |text: &str| text.parse::<usize>().ok();
    let part = match (first, last) {
        (None, _) => Part::Whole,
        (Some(first), last) => match (number(first), last) {
            (None, _) if !first.is_empty() => Part::Anchor(first.to_string()),
            (Some(line), None) => Part::Lines(line, Some(line)),
            (line, last) => Part::Lines(line.unwrap_or(1), last.and_then(number)),
        },
    };
    (file, part)
}

impl Include {
    /// Whether what it names is there. The error says what is missing, and what to do.
    fn resolve(&self) -> Result<(), String> {
        let text = read(&self.file)?;
        let file = in_slashes(&self.file);
        let lines: Vec<&str> = text.lines().collect();
        let part = match &self.part {
            Part::Whole => &lines[..],
            Part::Lines(first, last) => {
                let last = last.unwrap_or(lines.len());
                if *first == 0 || *first > last || last > lines.len() {
                    return Err(format!(
                        "{file} has the lines 1 to {}: name some of them",
                        lines.len()
                    ));
                }
                &lines[first - 1..last]
            }
            Part::Anchor(name) => {
                let begin = only(&file, &text, "ANCHOR:", name)?;
                let end = only(&file, &text, "ANCHOR_END:", name)?;
                if end < begin {
                    return Err(format!(
                        "{file}:{end}: ANCHOR_END: {name} stands above its ANCHOR: exchange them"
                    ));
                }
                &lines[begin..end - 1]
            }
        };
        let says_something = |line: &&str| !line.trim().is_empty() && !line.contains("ANCHOR");
        if part.iter().any(says_something) {
            Ok(())
        } else {
            Err(format!("this part of {file} is empty: name another one"))
        }
    }
}

/// The line of the one mark with this name.
fn only(file: &str, text: &str, mark: &str, name: &str) -> Result<usize, String> {
    let lines: Vec<usize> = marks(text, mark)
        .filter(|(_, found)| *found == name)
        .map(|(line, _)| line)
        .collect();
    match lines[..] {
        [line] => Ok(line),
        [] => Err(format!(
            "{file} has no `{mark} {name}`: add it, or name another anchor"
        )),
        [_, again, ..] => Err(format!(
            "{file}:{again} has `{mark} {name}` once more: take all of them away but one"
        )),
    }
}

/// The names behind a mark, each with its line.
fn marks<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let lines = text.lines().zip(1..);
    lines.filter_map(move |(line, number)| {
        let (_, rest) = line.split_once(mark)?;
        let rest = rest.trim_start();
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && !"-_".contains(letter));
        Some((number, &rest[..end.unwrap_or(rest.len())]))
    })
}

fn read(file: &Path) -> Result<String, String> {
    let missing = |error| format!("{}: {error}: name a file that is there", in_slashes(file));
    fs::read_to_string(workbook().join(file)).map_err(missing)
}

/// A path with its `..` carried out.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

fn in_slashes(file: &Path) -> String {
    file.to_string_lossy().replace('\\', "/")
}
