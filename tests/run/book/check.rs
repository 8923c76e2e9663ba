//! A check of the book, as a test.

use std::process::Command;

use graders::browser;
use graders::harness::is_ci;
use libtest_mimic::{Completion, Trial};

/// A check of the book. `Err` says, a sentence for each fault, where it is and
/// what to do.
pub struct Check {
    pub name: String,
    needs: Vec<Tool>,
    kind: Kind,
}

enum Kind {
    Held(Box<dyn FnOnce() -> Result<(), String> + Send>),
    /// Why there is nothing to hold yet.
    Ignored(String),
}

/// What must be installed for a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    Browser,
    Curl,
    Git,
    Mdbook,
    Typos,
}

impl Check {
    pub fn new(
        name: impl Into<String>,
        check: impl FnOnce() -> Result<(), String> + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            needs: Vec::new(),
            kind: Kind::Held(Box::new(check)),
        }
    }

    pub fn ignored(name: String, reason: String) -> Self {
        Self {
            name,
            needs: Vec::new(),
            kind: Kind::Ignored(reason),
        }
    }

    pub fn needs(mut self, tool: Tool) -> Self {
        self.needs.push(tool);
        self
    }

    /// The check as a test. Where a tool is missing it is ignored, and fails in CI.
    pub fn trial(self) -> Trial {
        let Self { name, needs, kind } = self;
        Trial::ignorable_test(name, move || {
            let check = match kind {
                Kind::Held(check) => check,
                Kind::Ignored(reason) => return Ok(Completion::ignored_with(reason)),
            };
            match needs.into_iter().find_map(Tool::missing) {
                Some(reason) if is_ci() => return Err(reason.into()),
                Some(reason) => return Ok(Completion::ignored_with(reason)),
                None => check()?,
            }
            Ok(Completion::Completed)
        })
    }
}

impl Tool {
    /// Says how to get it, if it is not there.
    fn missing(self) -> Option<String> {
        match self {
            Tool::Browser => browser::find().err(),
            Tool::Curl => needs("curl", "sudo apt install curl"),
            Tool::Git => needs("git", "sudo apt install git"),
            Tool::Mdbook => needs("mdbook", "cargo install mdbook --locked"),
            Tool::Typos => needs("typos", "cargo install typos-cli --locked"),
        }
    }
}

/// How to get a program, if it does not run.
fn needs(program: &str, install: &str) -> Option<String> {
    let version = Command::new(program).arg("--version").output();
    let runs = version.is_ok_and(|output| output.status.success());
    (!runs).then(|| format!("needs {program}: {install}"))
}

/// All faults that a check has found, or none.
pub fn told(faults: Vec<String>) -> Result<(), String> {
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("\n"))
    }
}
