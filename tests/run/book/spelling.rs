//! What people read is spelt right.

use std::process::Command;

use graders::lesson::workbook;

use super::check::{Check, Tool};
use crate::copied::said;

pub fn check() -> Check {
    Check::new("book-is-spelt-right", spelt).needs(Tool::Typos)
}

fn spelt() -> Result<(), String> {
    let output = Command::new("typos")
        .current_dir(workbook())
        .args(["--config", "_typos.toml", "--format", "brief", "."])
        .output()
        .map_err(said)?;
    if output.status.success() {
        return Ok(());
    }
    let words =
        [output.stdout, output.stderr].map(|words| String::from_utf8_lossy(&words).into_owned());
    Err(format!(
        "correct these words, or teach _typos.toml those that are right:\n{}",
        words.concat()
    ))
}
