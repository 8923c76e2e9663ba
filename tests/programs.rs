//! Programs that a conversation needs, found where the system keeps them.

use std::env;
use std::path::PathBuf;

/// The programs of these names on the PATH, in the order of the names.
pub fn on_the_path(names: &[&str]) -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let places: Vec<PathBuf> = names
        .iter()
        .map(|name| format!("{name}{}", env::consts::EXE_SUFFIX))
        .flat_map(|file| folders.iter().map(move |folder| folder.join(&file)))
        .collect();
    places.into_iter().filter(|place| place.is_file())
}
