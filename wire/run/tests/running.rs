//! The program itself, started as a learner does.

// Each of the tests that start it looks at another part of it.
#![allow(dead_code)]

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use graders::process::{Process, text};
use tokio::sync::watch::Receiver;

/// Nothing here takes so long unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running `wire`, ended when it is dropped.
pub struct Wire {
    process: Process,
    pub stdout: Output,
    pub stderr: Output,
}

/// What it prints, to be read line by line.
pub struct Output {
    printed: Receiver<Vec<u8>>,
    /// How many bytes have been read.
    read: usize,
}

impl Wire {
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wire"));
        command.args(arguments);
        let process = Process::start(command).unwrap();
        Self {
            stdout: Output::new(&process.stdout),
            stderr: Output::new(&process.stderr),
            process,
        }
    }

    /// All that it says, when it ends by itself, and its exit code.
    pub fn end(mut self) -> (String, String, Option<i32>) {
        let status = soon(|| self.process.ended());
        let status = status.unwrap_or_else(|| {
            let printed = text(&self.process.stdout);
            panic!("wire did not end by itself within {PATIENCE:?}, but printed {printed:?}")
        });
        (self.stdout.all(), self.stderr.all(), status.code())
    }
}

impl Output {
    fn new(printed: &Receiver<Vec<u8>>) -> Self {
        Self {
            printed: printed.clone(),
            read: 0,
        }
    }

    /// The next line, which should be what is named here.
    pub fn line(&mut self, what: &str) -> String {
        let line = soon(|| self.next_line());
        line.unwrap_or_else(|| {
            let printed = text(&self.printed);
            panic!("wire did not print {what} within {PATIENCE:?}, but {printed:?}")
        })
    }

    fn next_line(&mut self) -> Option<String> {
        let printed = self.printed.borrow();
        let unread = &printed[self.read..];
        let length = 1 + unread.iter().position(|byte| *byte == b'\n')?;
        self.read += length;
        Some(String::from_utf8_lossy(&unread[..length]).into_owned())
    }

    /// All that was printed, when nothing more can come.
    fn all(&self) -> String {
        // The sender is gone when there is nothing more to read.
        let is_over = || self.printed.has_changed().is_err().then_some(());
        soon(is_over).expect("what wire prints ends when wire does");
        text(&self.printed)
    }
}

/// What there is after a while; none if it takes too long.
fn soon<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        let found = look();
        if found.is_some() || Instant::now() > end {
            return found;
        }
        sleep(Duration::from_millis(5));
    }
}

/// The last address in the next line of an output, without `http://`. The line
/// should be what is named here.
pub fn address(output: &mut Output, what: &str) -> String {
    let line = output.line(what);
    let (_, rest) = line
        .rsplit_once("http://")
        .unwrap_or_else(|| panic!("no address in {line:?}"));
    let end = |character: char| !character.is_ascii_digit() && !matches!(character, '.' | ':');
    rest.split(end).next().unwrap_or_default().to_string()
}
