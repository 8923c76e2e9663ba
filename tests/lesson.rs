//! What a lesson and an exercise are to the graders.

use std::fmt;
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;

use crate::conversation::{Conversation, Step};
use crate::{lesson_01, lesson_02, lesson_03, lesson_04};

/// Every lesson, in the order in which they are done.
pub const LESSONS: &[Lesson] = &[
    lesson_01::LESSON,
    lesson_02::LESSON,
    lesson_03::LESSON,
    lesson_04::LESSON,
];

/// One lesson: a server that the learner finishes.
#[derive(Clone, Copy, Debug)]
pub struct Lesson {
    /// The number in `lesson-4`.
    pub number: u32,
    /// The folder below `lessons/` and `solutions/`, and the chapter's file name.
    pub name: &'static str,
    /// What the board calls it.
    pub title: &'static str,
    /// The exercises, in the order in which they are done.
    pub exercises: &'static [Exercise],
}

/// One exercise: what is asked, as a conversation. Its text and its hint stand
/// in the lesson's chapter, its accepted transcript in `tests/snapshots/`.
#[derive(Clone, Copy)]
pub struct Exercise {
    /// The number in `lesson-4.2`.
    pub number: Number,
    /// Whether the conversation is held in a browser.
    pub in_browser: bool,
    /// Holds the conversation. It ends early with the reason when it cannot go on.
    pub converse: fn(Conversation) -> BoxFuture<'static, Step>,
}

impl fmt::Debug for Exercise {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "exercise {}", self.number)
    }
}

/// An exercise's number: lesson and place in it, written `4.2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub u32, pub u32);

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.0, self.1)
    }
}

impl std::str::FromStr for Number {
    type Err = std::num::ParseIntError;

    /// Reads `4.2`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (lesson, exercise) = text.split_once('.').unwrap_or((text, ""));
        Ok(Number(lesson.parse()?, exercise.parse()?))
    }
}

impl Lesson {
    /// The learner's folder, below the workbook's.
    pub fn starter_folder(&self) -> PathBuf {
        Path::new("lessons").join(self.name)
    }

    /// The finished lesson's folder, below the workbook's.
    pub fn solution_folder(&self) -> PathBuf {
        Path::new("solutions").join(self.name)
    }

    /// The chapter, below the workbook's folder.
    pub fn chapter_file(&self) -> PathBuf {
        Path::new("book/src/en").join(format!("{}.md", self.name))
    }
}

/// The workbook's folder: where `lessons/`, `solutions/` and `book/` are.
pub fn workbook() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the workbook")
}
