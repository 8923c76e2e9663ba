//! The pages of the book as they are written.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use graders::lesson::{LESSONS, Lesson, workbook};

use super::check::Check;

/// The sources of the book, below the workbook's folder.
pub const SOURCES: &str = "book/src";

/// The table of contents.
pub const SUMMARY: &str = "book/src/SUMMARY.md";

/// A page of the book, or the README.
#[derive(Clone, Debug)]
pub struct SourcePage {
    /// `04-chat` in the names of checks.
    pub name: String,
    /// The file, below the workbook's folder.
    pub file: PathBuf,
    pub text: String,
    in_summary: bool,
}

/// Every page of the book, in the order of their names.
///
/// # Errors
/// The file that cannot be read.
pub fn all() -> Result<Vec<SourcePage>, String> {
    let summary = read(Path::new(SUMMARY))?;
    let linked: BTreeSet<PathBuf> = linked(&summary).collect();
    let mut files = Vec::new();
    collect(Path::new(SOURCES), &mut files)?;
    files.retain(|file| file != Path::new(SUMMARY));
    files.sort();
    let page = |file: PathBuf| {
        let below = file.strip_prefix(SOURCES).unwrap_or(&file);
        // English is the source, and what is said of a page means it.
        let name = below.strip_prefix("en").unwrap_or(below);
        let name = name.with_extension("").to_string_lossy().into_owned();
        Ok(SourcePage {
            name: name.replace(['/', '\\'], "-"),
            text: read(&file)?,
            in_summary: linked.contains(below),
            file,
        })
    };
    files.into_iter().map(page).collect()
}

/// The README, whose commands are held too.
///
/// # Errors
/// It cannot be read.
pub fn readme() -> Result<SourcePage, String> {
    let file = PathBuf::from("README.md");
    Ok(SourcePage {
        name: "readme".to_string(),
        text: read(&file)?,
        in_summary: false,
        file,
    })
}

impl SourcePage {
    /// The file with a line, as in `book/src/en/04-chat.md:57`.
    pub fn place(&self, line: usize) -> String {
        let file = self.file.to_string_lossy().replace('\\', "/");
        format!("{file}:{line}")
    }

    pub fn is_in_summary(&self) -> bool {
        self.in_summary
    }

    /// The lesson whose chapter this is, by the number in its name.
    pub fn lesson_number(&self) -> Option<u32> {
        let stem = self.file.file_stem()?.to_str()?;
        let number: u32 = stem.split_once('-')?.0.parse().ok()?;
        (number > 0).then_some(number)
    }

    /// The lesson whose chapter this is, if its graders are there.
    pub fn lesson(&self) -> Option<&'static Lesson> {
        let stem = self.file.file_stem()?.to_str()?;
        LESSONS.iter().find(|lesson| lesson.name == stem)
    }

    /// A chapter that somebody is writing: the reader does not see it yet.
    pub fn is_draft(&self) -> bool {
        self.lesson_number().is_some() && self.lesson().is_none() && !self.in_summary
    }

    /// The check of a draft, which waits.
    pub fn draft(&self) -> Check {
        let reason =
            format!("a draft: its lesson is not in LESSONS, and the page is not in {SUMMARY}");
        Check::ignored(format!("book-{}", self.name), reason)
    }
}

/// The line of an offset, from 1.
pub fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// The pages that a summary links.
fn linked(summary: &str) -> impl Iterator<Item = PathBuf> {
    let links = summary.split("](").skip(1);
    links.filter_map(|rest| rest.split_once(')').map(|(link, _)| PathBuf::from(link)))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(workbook().join(folder))
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries.flatten() {
        let file = folder.join(entry.file_name());
        if entry.path().is_dir() {
            collect(&file, files)?;
        } else if file.extension().is_some_and(|end| end == "md") {
            files.push(file);
        }
    }
    Ok(())
}

/// Reads a file of the workbook.
pub fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(workbook().join(file))
        .map_err(|error| format!("{}: {error}", file.display()))
}
