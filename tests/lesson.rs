//! What a lesson and an exercise are to the graders.

use std::fmt;
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;

use crate::conversation::{Conversation, Step};
use crate::{browser, redis_server};
use crate::{
    lesson_01, lesson_02, lesson_03, lesson_04, lesson_05, lesson_06, lesson_07, lesson_08,
};

/// Every lesson, in the order in which they are done.
pub const LESSONS: &[Lesson] = &[
    lesson_01::LESSON,
    lesson_02::LESSON,
    lesson_03::LESSON,
    lesson_04::LESSON,
    lesson_05::LESSON,
    lesson_06::LESSON,
    lesson_07::LESSON,
    lesson_08::LESSON,
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
    /// What must be installed for the conversation.
    pub needs: Need,
    /// Holds the conversation. It ends early with the reason when it cannot go on.
    pub converse: fn(Conversation) -> BoxFuture<'static, Step>,
}

impl fmt::Debug for Exercise {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "exercise {}", self.number)
    }
}

/// What a conversation needs besides the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// A browser: the conversation is held in its tabs.
    Browser,
    /// A redis-server, which the conversation starts.
    Redis,
}

impl Need {
    /// What is missing on this machine, in one sentence that says how to get it.
    pub fn missing(self) -> Option<String> {
        match self {
            Need::Nothing => None,
            Need::Browser => browser::find().err(),
            Need::Redis => redis_server::find().err(),
        }
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
