//! A copy of the workbook to work on, for the harnesses that act as a learner
//! or a reader does.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use graders::lesson::{LESSONS, workbook};

use crate::written::write;

/// What git has, and what is built.
const NOT_COPIED: [&str; 2] = [".git", "target"];

/// A copy of the workbook, to work on. Nobody else works on it meanwhile.
pub struct Copied {
    pub folder: PathBuf,
    /// Unlocked when it is dropped.
    _lock: File,
}

impl Copied {
    /// The workbook as it is; what an earlier check has changed is as before.
    pub fn new() -> Result<Self, String> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("workbook");
        fs::create_dir_all(&folder).map_err(said)?;
        let lock = File::create(folder.join("lock")).map_err(said)?;
        lock.lock().map_err(said)?;
        for entry in fs::read_dir(workbook()).map_err(said)?.flatten() {
            if !NOT_COPIED.iter().any(|name| entry.file_name() == *name) {
                copy(&entry.path(), &folder.join(entry.file_name()))?;
            }
        }
        let copied = Self {
            folder,
            _lock: lock,
        };
        // Somebody may be at work here: the lessons of the copy begin as starters.
        for lesson in LESSONS {
            copied.git_checkout(&lesson.starter_folder())?;
        }
        Ok(copied)
    }

    /// Writes a folder as it was committed.
    fn git_checkout(&self, part: &Path) -> Result<(), String> {
        for entry in fs::read_dir(workbook().join(part)).map_err(said)?.flatten() {
            let file = part.join(entry.file_name());
            let name = format!("HEAD:{}", file.to_string_lossy().replace('\\', "/"));
            let output = Command::new("git")
                .current_dir(workbook())
                .args(["show", &name])
                .output()
                .map_err(said)?;
            if output.status.success() {
                write(&self.folder.join(&file), &output.stdout)?;
            }
        }
        Ok(())
    }
}

/// Copies a file, or a folder with what is in it; what is in it no more goes.
pub fn copy(from: &Path, to: &Path) -> Result<(), String> {
    if !from.is_dir() {
        return write(to, &fs::read(from).map_err(said)?);
    }
    for there in fs::read_dir(to).into_iter().flatten().flatten() {
        if !from.join(there.file_name()).exists() {
            remove(&there.path())?;
        }
    }
    for entry in fs::read_dir(from).map_err(said)?.flatten() {
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), String> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.map_err(said)
}

pub fn said(error: impl ToString) -> String {
    error.to_string()
}
