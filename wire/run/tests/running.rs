//! The program itself, started as a learner does.

// Each of the tests that start it looks at another part of it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

/// A running `wire`, ended when it is dropped.
pub struct Wire {
    child: Child,
    pub stdout: BufReader<ChildStdout>,
    pub stderr: BufReader<ChildStderr>,
}

impl Wire {
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wire"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdout: BufReader::new(child.stdout.take().unwrap()),
            stderr: BufReader::new(child.stderr.take().unwrap()),
            child,
        }
    }

    /// All that it says, when it ends by itself, and its exit code.
    pub fn end(mut self) -> (String, String, Option<i32>) {
        let [mut stdout, mut stderr] = [String::new(), String::new()];
        self.stdout.read_to_string(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut stderr).unwrap();
        let code = self.child.wait().unwrap().code();
        (stdout, stderr, code)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last address in the next line of an output, without `http://`.
pub fn address(output: &mut impl BufRead) -> String {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let (_, rest) = line
        .rsplit_once("http://")
        .unwrap_or_else(|| panic!("no address in {line:?}"));
    let end = |character: char| !character.is_ascii_digit() && !matches!(character, '.' | ':');
    rest.split(end).next().unwrap_or_default().to_string()
}
