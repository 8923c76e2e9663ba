//! What the book shows and nobody types: its message sequence charts, drawn
//! from the accepted transcripts in `tests/snapshots`; its byte counts and hex
//! dumps, taken from the recordings in `book/recordings`; what `wire` prints of one
//! of them; and what was measured, which is in `bench/fanout.json`.
//!
//! `cargo run -p drawing --bin draw` writes all of it into `book/src/drawn`;
//! `.ci/run` draws it again and fails where that changes a file.

pub mod chart;
pub mod charts;
pub mod measured;
mod numbers;
pub mod recorded;
pub mod recording;
mod svg;
pub mod transcript;
pub mod verdicts;
pub mod watched;

use std::path::PathBuf;

use graders::lesson::workbook;

/// A file of `book/src/drawn`.
#[derive(Debug)]
pub struct Drawn {
    /// Its name in the folder.
    pub name: String,
    pub text: String,
}

/// The folder of all that is drawn.
pub fn folder() -> PathBuf {
    workbook().join("book/src/drawn")
}

/// Draws everything.
///
/// # Errors
/// The transcript or the recording that cannot be drawn, and why.
pub fn all() -> Result<Vec<Drawn>, String> {
    let mut drawn = charts::all()?;
    drawn.extend(recorded::all()?);
    drawn.extend(watched::all()?);
    drawn.extend(verdicts::all()?);
    drawn.extend(measured::all()?);
    Ok(drawn)
}
