//! A command of the book, as it runs in a copy of the workbook.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use graders::process::{Process, text};

use crate::copied::said;

/// How long a command may take: it may have to build everything first.
const PATIENCE: Duration = Duration::from_secs(1200);

/// How long a server may take to answer.
const ANSWER: Duration = Duration::from_secs(30);

/// How long to wait before one looks again.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// A running command; dropping it ends it and its children.
pub struct Running {
    process: Process,
    deadline: Instant,
}

/// A command that has come to its end.
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Running {
    /// Starts a command in the shell, as somebody does who has just cloned the workbook.
    pub fn start(words: &str, folder: &Path, variables: &[(&str, &Path)]) -> Result<Self, String> {
        let mut command = Command::new("sh");
        command
            .args(["-c", words])
            .current_dir(folder)
            .env("NO_COLOR", "1")
            .env("PORT", "0")
            // Git must not take a workbook around the copy for the copy's.
            .env("GIT_CEILING_DIRECTORIES", folder.parent().unwrap_or(folder))
            .envs(variables.iter().copied());
        for variable in [
            "CI",
            "LESSON_COMMAND",
            "GIT_DIR",
            "GIT_WORK_TREE",
            "GIT_INDEX_FILE",
        ] {
            command.env_remove(variable);
        }
        Ok(Self {
            process: Process::start(command).map_err(said)?,
            deadline: Instant::now() + PATIENCE,
        })
    }

    /// Waits until it ends by itself.
    pub fn end(mut self) -> Result<Ended, String> {
        loop {
            if let Some(status) = self.process.ended() {
                let stderr = self.process.end_and_read_stderr();
                return Ok(Ended {
                    status,
                    stdout: text(&self.process.stdout),
                    stderr,
                });
            }
            self.wait()?;
        }
    }

    /// Waits until it prints a line that ends with its URL, and returns the host and port.
    pub fn address(&mut self) -> Result<String, String> {
        loop {
            let ended = self.process.ended();
            let outputs = [&self.process.stdout, &self.process.stderr].map(text);
            if let Some(address) = outputs.iter().find_map(|output| address(output)) {
                return Ok(address.to_string());
            }
            if let Some(status) = ended {
                let stderr = self.process.end_and_read_stderr();
                return Err(format!(
                    "it printed no line that ends with a URL, and ended with {status}:\n{stderr}"
                ));
            }
            self.wait()?;
        }
    }

    fn wait(&self) -> Result<(), String> {
        if Instant::now() > self.deadline {
            return Err(format!(
                "it went on for {} s:\n{}\n{}",
                PATIENCE.as_secs(),
                text(&self.process.stdout),
                text(&self.process.stderr)
            ));
        }
        sleep(BETWEEN_LOOKS);
        Ok(())
    }
}

/// The host and port of the first whole line that ends with a URL.
fn address(output: &str) -> Option<&str> {
    let lines = output.split_inclusive('\n');
    let mut whole = lines.filter_map(|line| line.strip_suffix('\n'));
    whole.find_map(|line| {
        let word = line.split_whitespace().last()?;
        Some(word.strip_prefix("http://")?.trim_end_matches('/'))
    })
}

/// Connects to a server, which may have said its address before it listens there.
fn connect(address: &str) -> Result<TcpStream, String> {
    let deadline = Instant::now() + ANSWER;
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > deadline => {
                return Err(format!("it does not listen at {address}: {error}"));
            }
            Err(_) => sleep(BETWEEN_LOOKS),
        }
    }
}

/// Asks a server for its first page.
pub fn answers(address: &str) -> Result<(), String> {
    let mut stream = connect(address)?;
    stream.set_read_timeout(Some(ANSWER)).map_err(said)?;
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(said)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(said)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.lines().next().unwrap_or_default();
    if status.starts_with("HTTP/1.1 200") {
        Ok(())
    } else {
        Err(format!("it answered GET / with {status:?}, not with 200"))
    }
}
