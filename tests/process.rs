//! A program with everything it starts: its output is read all the while, and
//! it is ended together with its children whatever happens.

use std::io::{self, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

#[cfg(windows)]
use process_wrap::std::JobObject;
#[cfg(unix)]
use process_wrap::std::ProcessGroup;
use process_wrap::std::{ChildWrapper, CommandWrap};
use tokio::sync::watch;

/// What is kept of each output, in bytes: the newest part.
const KEPT: usize = 512 * 1024;

/// A running program. Dropping it ends it and its children.
pub struct Process {
    child: Box<dyn ChildWrapper>,
    /// What it has written to stdout so far; closed when it can write no more.
    pub stdout: watch::Receiver<Vec<u8>>,
    /// What it has written to stderr so far; closed when it can write no more.
    pub stderr: watch::Receiver<Vec<u8>>,
    readers: Vec<JoinHandle<()>>,
    /// Whether we have ended it: its number may be another program's by now.
    over: bool,
}

impl Process {
    /// Starts a program in a group of its own, with nothing on its stdin.
    ///
    /// # Errors
    /// When the system cannot start it.
    pub fn start(mut command: Command) -> io::Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut group = CommandWrap::from(command);
        #[cfg(unix)]
        group.wrap(ProcessGroup::leader());
        #[cfg(windows)]
        group.wrap(JobObject);
        let mut child = group.spawn()?;
        let (stdout, stdout_reader) = read_all_the_while(child.stdout().take());
        let (stderr, stderr_reader) = read_all_the_while(child.stderr().take());
        Ok(Self {
            child,
            stdout,
            stderr,
            readers: vec![stdout_reader, stderr_reader],
            over: false,
        })
    }

    /// The number of its group, which its children are in as well.
    pub fn group(&self) -> u32 {
        // It leads its group, and so both have the same number.
        self.child.id()
    }

    /// How it ended by itself, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Ends it and its children, at once.
    pub fn end(&mut self) {
        if self.over {
            return;
        }
        self.over = true;
        // An error means that nobody of the group is left to be ended.
        let _ = self.child.start_kill();
        let _ = self.child.wait();
    }

    /// Ends it, and returns all that it wrote to stderr.
    pub fn end_and_read_stderr(&mut self) -> String {
        self.end();
        self.wait_for_readers();
        text(&self.stderr)
    }

    /// Waits until both outputs have been read to their end. A grandchild that
    /// left the group may hold them open, so the wait is bounded.
    fn wait_for_readers(&mut self) {
        for _ in 0..100 {
            if self.readers.iter().all(JoinHandle::is_finished) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// An output so far, as text.
pub fn text(output: &watch::Receiver<Vec<u8>>) -> String {
    String::from_utf8_lossy(&output.borrow()).into_owned()
}

fn read_all_the_while(
    output: Option<impl Read + Send + 'static>,
) -> (watch::Receiver<Vec<u8>>, JoinHandle<()>) {
    let (sender, receiver) = watch::channel(Vec::new());
    let reader = thread::spawn(move || {
        let Some(mut output) = output else { return };
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = output.read(&mut buffer) {
            sender.send_modify(|kept| {
                kept.extend_from_slice(&buffer[..length]);
                if kept.len() > KEPT {
                    kept.drain(..kept.len() - KEPT / 2);
                }
            });
        }
    });
    (receiver, reader)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start(command).expect("there is a shell")
    }

    #[test]
    fn what_it_wrote_before_it_was_ended_is_kept() {
        let mut process = shell("echo sorry >&2; exec sleep 60");
        while process.stderr.borrow().is_empty() {
            thread::yield_now();
        }
        assert_eq!(process.end_and_read_stderr(), "sorry\n");
    }

    #[tokio::test]
    async fn its_children_end_with_it() {
        let mut process = shell("sleep 60 & echo started; wait");
        let mut stdout = process.stdout.clone();
        stdout.wait_for(|text| !text.is_empty()).await.unwrap();
        process.end();
        // The child held stdout open as well: it closes only when both are gone.
        while stdout.changed().await.is_ok() {}
    }
}
