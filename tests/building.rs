//! Builds lessons with cargo, one call for all that is asked, so that one
//! lesson's error leaves the others their programs.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::colours;
use crate::lesson::workbook;

/// What came of building some programs.
#[derive(Debug, Default)]
pub struct Built {
    executables: BTreeMap<String, PathBuf>,
    errors: BTreeMap<String, Vec<String>>,
    warnings: BTreeMap<String, Vec<String>>,
    /// What cargo said, for failures that are no program's own.
    stderr: String,
}

impl Built {
    /// The program that was built under this name.
    ///
    /// # Errors
    /// The compiler's own words on why there is none.
    pub fn program(&self, name: &str) -> Result<PathBuf, String> {
        if let Some(errors) = self.errors.get(name) {
            return Err(errors.join("\n"));
        }
        self.executables
            .get(name)
            .cloned()
            .ok_or_else(|| self.stderr.clone())
    }
}

impl Built {
    /// The compiler's warnings about a program.
    pub fn warnings(&self, name: &str) -> &[String] {
        self.warnings.get(name).map_or(&[], Vec::as_slice)
    }
}

/// Builds programs of the workbook in cargo's default profile. Never with `-p`:
/// features would be unified differently, and everything be built again.
pub fn build(programs: &[String]) -> Built {
    let cargo = env::var_os("CARGO").unwrap_or("cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(workbook())
        .args(["build", "--keep-going"])
        .arg(if colours::wanted() {
            "--message-format=json-diagnostic-rendered-ansi"
        } else {
            "--message-format=json"
        });
    for program in programs {
        command.args(["--bin", program]);
    }
    run(command)
}

/// Runs cargo and reads what it reports about each program.
pub fn run(mut command: Command) -> Built {
    let mut built = Built::default();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut cargo = match command.spawn() {
        Ok(cargo) => cargo,
        Err(error) => {
            built.stderr = format!("cargo could not be started: {error}");
            return built;
        }
    };
    let stderr = cargo.stderr.take();
    let words = thread::spawn(move || {
        let lines = stderr
            .into_iter()
            .flat_map(|stderr| BufReader::new(stderr).lines());
        let lines = lines
            .map_while(Result::ok)
            .inspect(|line| show_progress(line));
        lines.collect::<Vec<String>>().join("\n")
    });
    let stdout = cargo.stdout.take().into_iter();
    let lines = stdout.flat_map(|stdout| BufReader::new(stdout).lines());
    for line in lines.map_while(Result::ok) {
        if let Ok(message) = serde_json::from_str(&line) {
            built.add(&message);
        }
    }
    // Whether it succeeded is told by what it built.
    let _ = cargo.wait();
    built.stderr = words.join().unwrap_or_default();
    built
}

impl Built {
    fn add(&mut self, message: &Value) {
        let Some(name) = message["target"]["name"].as_str() else {
            return;
        };
        if let Some(executable) = message["executable"].as_str() {
            self.executables.insert(name.to_string(), executable.into());
        }
        let kept = match message["message"]["level"].as_str() {
            Some("error") => &mut self.errors,
            Some("warning") => &mut self.warnings,
            _ => return,
        };
        let words = message["message"]["rendered"].as_str().unwrap_or_default();
        let words = words.trim_end().to_string();
        kept.entry(name.to_string()).or_default().push(words);
    }
}

/// Passes on what takes time; the rest is told again where it belongs.
fn show_progress(line: &str) {
    const SLOW: [&str; 4] = ["Compiling", "Downloading", "Downloaded", "Blocking"];
    let words = line.trim_start();
    if SLOW.iter().any(|slow| words.starts_with(slow)) {
        eprintln!("{line}");
    }
}
