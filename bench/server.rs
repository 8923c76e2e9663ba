//! A server in a process of its own.

use std::env;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::bare::Bare;
use crate::steps::Step;

/// Which core the server runs on, and which the crowd, where `taskset` can say so.
pub const SERVER_CORE: &str = "0";
/// See [`SERVER_CORE`].
pub const CROWD_CORE: &str = "1";

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The finished lesson of this number.
    Solution(u32),
    /// The loop that sends each message by itself.
    Plain,
    /// A step of the way from there to lesson 7.
    Step(Step),
    /// The same bytes over bare TCP.
    Bare(Bare),
}

impl Subject {
    /// What the tables call it.
    pub fn name(&self) -> String {
        match self {
            Subject::Solution(number) => format!("solution-{number}"),
            Subject::Plain => "plain".to_string(),
            Subject::Step(step) => step.name().to_string(),
            Subject::Bare(bare) => bare.name().to_string(),
        }
    }

    /// The subject of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "plain" => Some(Subject::Plain),
            _ => {
                if let Some(bare) = Bare::ALL.into_iter().find(|bare| bare.name() == name) {
                    return Some(Subject::Bare(bare));
                }
                if let Some(step) = Step::ALL.into_iter().find(|step| step.name() == name) {
                    return Some(Subject::Step(step));
                }
                let number = name.strip_prefix("solution-")?;
                Some(Subject::Solution(number.parse().ok()?))
            }
        }
    }

    /// Where its socket is.
    pub fn path(&self) -> &'static str {
        match self {
            Subject::Solution(5 | 8) => "/ws/chat/lobby",
            _ => "/chat/public",
        }
    }
}

/// A running server. It is ended when dropped.
pub struct Server {
    child: Child,
    /// Its host and port.
    pub address: String,
}

impl Server {
    /// Starts a server on a core of its own, with one thread for its tasks.
    ///
    /// # Errors
    /// When the program cannot be started, or does not print its URL.
    pub fn start(subject: &Subject, environment: &[(&str, &str)]) -> io::Result<Self> {
        let this = env::current_exe()?;
        let mut words = Vec::new();
        if has_taskset() {
            words.extend(["taskset", "-c", SERVER_CORE].map(String::from));
        }
        match subject {
            Subject::Solution(_) => {
                // Benchmarks are in target/release/deps, programs in target/release.
                let folder = this.ancestors().nth(2).expect("a program has a folder");
                words.push(folder.join(subject.name()).display().to_string());
            }
            Subject::Plain | Subject::Step(_) | Subject::Bare(_) => {
                words.push(this.display().to_string());
                words.extend(["--serve".to_string(), subject.name()]);
            }
        }
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .env("PORT", "0")
            .env("TOKIO_WORKER_THREADS", "1")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            // Lesson 4 says there who was slow, a thousand times.
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        match line.trim_end().rsplit_once("http://") {
            Some((_, address)) => Ok(Self {
                child,
                address: address.to_string(),
            }),
            None => {
                let _ = child.kill();
                Err(io::Error::other(format!(
                    "{} printed no URL",
                    subject.name()
                )))
            }
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds the solutions as people would run them for others: optimised.
///
/// # Errors
/// When one does not compile.
pub fn build(solutions: &[u32]) -> io::Result<()> {
    let mut arguments = vec!["--release".to_string()];
    for number in solutions {
        arguments.extend(["--bin".to_string(), format!("solution-{number}")]);
    }
    cargo_build(&arguments)
}

/// Runs `cargo build` in the workbook.
///
/// # Errors
/// When something does not compile.
pub fn cargo_build(arguments: &[String]) -> io::Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or("cargo".into());
    let status = Command::new(cargo)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .arg("build")
        .args(arguments)
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other("what is to be measured does not compile"))
    }
}

/// Puts this process, which must have one thread yet, on the crowd's core.
/// Says whether server and crowd each have a core of their own.
pub fn keep_apart() -> bool {
    let pid = std::process::id().to_string();
    has_taskset()
        && Command::new("taskset")
            .args(["-c", "-p", CROWD_CORE, &pid])
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
}

fn has_taskset() -> bool {
    let found = Command::new("taskset")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}
