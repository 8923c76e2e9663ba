//! Writes what is heard into a recording, as it comes.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::forwarding::Heard;
use crate::recording::Chunk;

/// A recording that is being made.
pub struct Saving {
    path: PathBuf,
    /// None when it could not be written any more.
    file: Mutex<Option<File>>,
}

impl Saving {
    /// Begins a recording in a new file.
    ///
    /// # Errors
    /// When it cannot be made, or is there already: a recording is not written over.
    pub fn begin(path: &Path) -> io::Result<Self> {
        let file = File::create_new(path)?;
        Ok(Self {
            path: path.to_path_buf(),
            file: Mutex::new(Some(file)),
        })
    }

    /// Something happened on a connection, so many seconds after the beginning.
    /// Each line is written at once, so a recording that is broken off is whole lines.
    pub fn hear(&self, connection: usize, at: f64, heard: Heard) {
        let Some(chunk) = Chunk::heard(connection, at, heard) else {
            return;
        };
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = file
            .as_mut()
            .map(|file| file.write_all(chunk.line().as_bytes()));
        if let Some(Err(error)) = written {
            eprintln!(
                "{} cannot be written any more: {error}. Forwarding goes on without it.",
                self.path.display()
            );
            *file = None;
        }
    }
}
