//! The server under examination: a fresh process for each exercise.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::lesson::workbook;
use crate::port;
use crate::process::Process;

/// How long a lesson may take to print its URL.
const START: Duration = Duration::from_secs(10);

/// How long the program of `LESSON_COMMAND` may take to accept connections: it
/// may have to be compiled first.
const COMMAND_START: Duration = Duration::from_secs(60);

/// How a server is started.
#[derive(Clone, Debug)]
pub enum Program {
    /// A lesson of the workbook: takes `PORT=0` and prints its URL.
    Built(PathBuf),
    /// Any server, in any language: a command for the shell, takes `PORT`.
    Command(String),
}

/// A running server, ended with the last clone.
#[derive(Clone)]
pub struct Server {
    program: Program,
    process: Arc<Mutex<Process>>,
    /// Its host and port, for instance `127.0.0.1:43121`.
    pub address: String,
    /// Whether it was we who ended it.
    killed: Arc<AtomicBool>,
}

impl Server {
    /// Starts a server on a free port, and waits until it can be talked to.
    ///
    /// # Errors
    /// One sentence on what went wrong, with what the server wrote to stderr.
    pub async fn start(program: &Program) -> Result<Self, String> {
        Self::start_with(program, &[]).await
    }

    /// Starts one more process of the same program, with these environment variables.
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub async fn another(&self, environment: &[(&str, &str)]) -> Result<Self, String> {
        Self::start_with(&self.program, environment).await
    }

    /// The same, with these environment variables.
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub async fn start_with(
        program: &Program,
        environment: &[(&str, &str)],
    ) -> Result<Self, String> {
        let (process, address) = match program {
            Program::Built(path) => start_built(path, environment).await?,
            Program::Command(command) => start_command(command, environment).await?,
        };
        Ok(Self {
            program: program.clone(),
            process: Arc::new(Mutex::new(process)),
            address,
            killed: Arc::default(),
        })
    }

    /// Ends the server at once, as `kill -9` does.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
        self.process().end();
    }

    /// How the server ended by itself, if it has or does so at once.
    pub async fn ends_soon(&self) -> Option<String> {
        if self.killed.load(Ordering::Relaxed) {
            return None;
        }
        for _ in 0..20 {
            if let Some(status) = self.process().ended() {
                return Some(status.to_string());
            }
            sleep(Duration::from_millis(10)).await;
        }
        None
    }

    /// Ends the server, and returns all that it wrote to stderr.
    pub fn end_and_read_stderr(&self) -> String {
        self.process().end_and_read_stderr()
    }

    /// The number of its process group.
    pub(crate) fn process_group(&self) -> u32 {
        self.process().group()
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All servers of one conversation. Clones are the same ones.
#[derive(Clone)]
pub struct Servers(Arc<Mutex<Vec<Server>>>);

impl Servers {
    /// The first one.
    pub fn new(server: Server) -> Self {
        Self(Arc::new(Mutex::new(vec![server])))
    }

    /// One more.
    pub fn add(&self, server: Server) {
        self.lock().push(server);
    }

    /// How the first ended that has ended by itself, or does so at once.
    pub async fn one_ends_soon(&self) -> Option<String> {
        let servers = self.lock().clone();
        let endings = join_all(servers.iter().map(Server::ends_soon)).await;
        endings.into_iter().flatten().next()
    }

    /// Ends them all, and returns all that they wrote to stderr, one after the other.
    pub fn end_and_read_stderr(&self) -> String {
        self.lock()
            .iter()
            .map(Server::end_and_read_stderr)
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Server>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The process of a built lesson, and its address.
async fn start_built(
    path: &Path,
    environment: &[(&str, &str)],
) -> Result<(Process, String), String> {
    let mut command = Command::new(path);
    set_environment(&mut command, "0", environment);
    let mut process = start(command)?;
    let line = match timeout(START, first_line(process.stdout.clone())).await {
        Ok(Some(line)) => line,
        Ok(None) => return Err(ended_early(&mut process).await),
        Err(_) => return Err(printed_nothing(&mut process)),
    };
    let address = line
        .split_whitespace()
        .last()
        .and_then(|word| word.strip_prefix("http://"))
        .map(|address| address.trim_end_matches('/').to_string())
        .ok_or(format!(
            "The server's first line on stdout must end with its URL, but it was: {line:?}."
        ))?;
    Ok((process, address))
}

/// The first line of an output; none when the output ends before.
async fn first_line(mut output: watch::Receiver<Vec<u8>>) -> Option<String> {
    let text = output.wait_for(|text| text.contains(&b'\n')).await.ok()?;
    let text = String::from_utf8_lossy(&text);
    text.lines().next().map(str::to_string)
}

/// The process of the learner's own command, and its address.
async fn start_command(
    text: &str,
    environment: &[(&str, &str)],
) -> Result<(Process, String), String> {
    let port = port::free()?;
    let mut command = shell(text);
    set_environment(&mut command, &port.to_string(), environment);
    let mut process = start(command)?;
    let address = format!("127.0.0.1:{port}");
    let accepting = async {
        while TcpStream::connect(&address).await.is_err() {
            if process.ended().is_some() {
                return Err(ended_early(&mut process).await);
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    match timeout(COMMAND_START, accepting).await {
        Ok(Ok(())) => Ok((process, address)),
        Ok(Err(reason)) => Err(reason),
        Err(_) => Err(format!(
            "`{text}` accepted no connection on 127.0.0.1:{port} within {} s: it must listen on the port in PORT.{}",
            COMMAND_START.as_secs(),
            stderr_of(&mut process)
        )),
    }
}

/// What a lesson reads from its environment: only what an exercise has set. What
/// the shell has set, such as a Redis server of somebody's own, is not for a grader.
fn set_environment(command: &mut Command, port: &str, environment: &[(&str, &str)]) {
    for variable in ["REDIS_URL", "STALL_MS", "TOKIO_WORKER_THREADS"] {
        command.env_remove(variable);
    }
    command.env("PORT", port).envs(environment.iter().copied());
}

fn start(mut command: Command) -> Result<Process, String> {
    command
        .current_dir(workbook())
        // A panic's place is what counts; a backtrace would bury it.
        .env("RUST_BACKTRACE", "0");
    Process::start(command).map_err(|error| format!("The server could not be started: {error}."))
}

fn shell(text: &str) -> Command {
    let (shell, flag) = if cfg!(windows) {
        ("cmd", "/C")
    } else {
        ("sh", "-c")
    };
    let mut command = Command::new(shell);
    command.args([flag, text]);
    command
}

async fn ended_early(process: &mut Process) -> String {
    // Its stdout closes a moment before the system knows how it ended.
    let status = timeout(Duration::from_secs(1), async {
        loop {
            if let Some(status) = process.ended() {
                return status.to_string();
            }
            sleep(Duration::from_millis(5)).await;
        }
    });
    let status = status.await.unwrap_or("its stdout is closed".to_string());
    format!(
        "The server ended before it could be talked to ({status}).{}",
        stderr_of(process)
    )
}

fn printed_nothing(process: &mut Process) -> String {
    format!(
        "The server did not print a line with its URL within {} s.{}",
        START.as_secs(),
        stderr_of(process)
    )
}

fn stderr_of(process: &mut Process) -> String {
    let stderr = process.end_and_read_stderr();
    if stderr.trim().is_empty() {
        " It wrote nothing to stderr.".to_string()
    } else {
        let hint = if stderr.contains("in use") {
            "\nGraders set PORT, so that every server has a port of its own: does yours use it?"
        } else {
            ""
        };
        format!(" It wrote to stderr:\n{}{hint}", stderr.trim_end())
    }
}
