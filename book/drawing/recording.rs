//! The recorded conversations of the book, in `book/recordings`. What is in such
//! a file, [`wire::recording`] tells; `cargo run --bin wire -- --open FILE` shows it.

mod by_hand;
pub mod conversations;
mod forwarder;
mod redis;

use std::fs;
use std::path::PathBuf;

use graders::lesson::workbook;
use wire::recording::Recording;

/// The folder of the recordings.
pub fn folder() -> PathBuf {
    workbook().join("book/recordings")
}

/// Reads a recording of [`folder`].
///
/// # Errors
/// The file, its line, and what is wrong with it.
pub fn read(name: &str) -> Result<Recording, String> {
    let path = folder().join(format!("{name}.jsonl"));
    let text = fs::read_to_string(&path).map_err(|error| {
        format!(
            "{} cannot be read: {error}. `cargo run -p drawing --bin record` makes it.",
            path.display()
        )
    })?;
    Recording::parse(&text).map_err(|reason| format!("{}, {reason}", path.display()))
}

/// Writes a recording into [`folder`].
///
/// # Errors
/// When the file cannot be written.
pub fn write(name: &str, recording: &Recording) -> Result<(), String> {
    let path = folder().join(format!("{name}.jsonl"));
    fs::write(&path, recording.to_text())
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))
}
