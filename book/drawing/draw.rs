//! `cargo run -p drawing --bin draw`: draws the book's figures and tables.

use std::fs;
use std::process::ExitCode;

fn main() -> ExitCode {
    match draw() {
        Ok(count) => {
            println!("Drew {count} files into book/src/drawn.");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn draw() -> Result<usize, String> {
    let drawn = drawing::all()?;
    let folder = drawing::folder();
    // What is drawn no more must not stay.
    fs::remove_dir_all(&folder)
        .and_then(|()| fs::create_dir(&folder))
        .map_err(|error| format!("{} cannot be emptied: {error}", folder.display()))?;
    for file in &drawn {
        let path = folder.join(&file.name);
        fs::write(&path, &file.text)
            .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    }
    Ok(drawn.len())
}
