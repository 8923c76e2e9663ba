//! What is drawn is as it would be drawn now.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use graders::lesson::workbook;

use super::check::{Check, told};
use crate::copied::{Copied, said};

/// The folder of all that is drawn.
const DRAWN: &str = "book/src/drawn";

pub fn check() -> Check {
    Check::new("book-figures-are-as-drawn", || told(differing()?))
}

fn differing() -> Result<Vec<String>, String> {
    let copied = Copied::new()?;
    let output = Command::new(env!("CARGO"))
        .current_dir(&copied.folder)
        .args(["run", "-p", "drawing", "--bin", "draw"])
        .env("CARGO_TARGET_DIR", copied.folder.join("target"))
        .output()
        .map_err(said)?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(format!("nothing can be drawn; mend what it says:\n{words}"));
    }
    let (there, drawn) = (files(workbook())?, files(&copied.folder)?);
    let names = there.keys().chain(drawn.keys());
    let mut names: Vec<&String> = names
        .filter(|name| there.get(*name) != drawn.get(*name))
        .collect();
    names.sort();
    names.dedup();
    let faults = names.into_iter().map(|name| {
        format!("{DRAWN}/{name} is not as drawn: run `cargo run -p drawing --bin draw`, and read what changes")
    });
    Ok(faults.collect())
}

fn files(workbook: &Path) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(workbook.join(DRAWN)).map_err(said)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        files.insert(name, fs::read(entry.path()).map_err(said)?);
    }
    Ok(files)
}
