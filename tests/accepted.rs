//! The accepted transcripts: insta's snapshots in `tests/snapshots/`, one file
//! for each exercise. They are the specification that the book shows.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use insta::Settings;

use crate::lesson::{Number, workbook};

/// The folder of the snapshots, below the workbook's.
pub const FOLDER: &str = "tests/snapshots";

/// The snapshot of an exercise.
pub fn file(exercise: Number) -> PathBuf {
    workbook().join(FOLDER).join(format!("{exercise}.snap"))
}

/// The accepted transcript of an exercise. Read here and not by insta, whose
/// environment variables could overwrite it or pass anything: for a learner's
/// lesson it is read-only.
///
/// # Errors
/// One sentence when the workbook lacks it.
pub fn transcript(exercise: Number) -> Result<String, String> {
    let file = file(exercise);
    let text = fs::read_to_string(&file).map_err(|error| {
        format!(
            "The workbook lacks {FOLDER}/{exercise}.snap ({error}). Bring it back with: git checkout {FOLDER}"
        )
    })?;
    // A snapshot is a head between two lines of dashes, then the text.
    let body = text.replace("\r\n", "\n");
    let body = body
        .splitn(3, "---\n")
        .nth(2)
        .unwrap_or_default()
        .trim_end();
    Ok(format!("{body}\n"))
}

/// Compares a solution's transcript in insta's usual way: authors review and
/// accept it with cargo-insta.
///
/// # Errors
/// When it differs from the accepted one.
pub fn assert_by_insta(exercise: Number, title: &str, transcript: &str) -> Result<(), String> {
    let mut settings = Settings::new();
    settings.set_snapshot_path(FOLDER.trim_start_matches("tests/"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(title);
    let asserted = AssertUnwindSafe(|| {
        settings.bind(|| insta::assert_snapshot!(exercise.to_string(), transcript));
    });
    catch_unwind(asserted).map_err(|_| {
        "The solution's conversation is not the accepted one. \
         Read the difference above; if the new one is right, accept it: \
         cargo insta test --review --test solutions"
            .to_string()
    })
}
