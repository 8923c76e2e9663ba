//! Files that cargo builds from, written only when they change.

use std::fs;
use std::path::Path;

/// Writes a file, unless it is so already: cargo builds again what is newer.
///
/// # Errors
/// The file, and what the system says.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let written = path.parent().map_or(Ok(()), fs::create_dir_all);
    let written = written.and_then(|()| fs::write(path, bytes));
    written.map_err(|error| format!("{}: {error}", path.display()))
}
