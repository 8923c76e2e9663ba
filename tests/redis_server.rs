//! A real redis-server of the conversation's own, which keeps nothing on disk,
//! and somebody who looks at it and speaks to it as one does with redis-cli.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::conversation::{Conversation, PATIENCE, Step, Stop, stop};
use crate::port;
use crate::process::{self, Process};
use crate::programs;
use crate::redis_client::{Reply, ask};
use crate::transcript::{Transcript, readable};

/// What the transcript calls whoever speaks to Redis without a server in between.
pub const REDIS_CLI: &str = "redis-cli";

/// How long it may take until it answers.
const START: Duration = Duration::from_secs(10);

const INSTALL: &str = if cfg!(target_os = "macos") {
    "brew install redis"
} else if cfg!(windows) {
    "it runs in WSL: sudo apt install redis-server"
} else {
    "sudo apt install redis-server"
};

/// Finds the redis-server on the PATH.
///
/// # Errors
/// One sentence that says how to get one.
pub fn find() -> Result<PathBuf, String> {
    programs::on_the_path(&["redis-server"])
        .next()
        .ok_or(format!("needs a Redis server: {INSTALL}"))
}

/// The Redis servers of a conversation that is over. They end after the server
/// that is graded: what it makes of their end, nobody has asked.
pub type LeftRunning = Arc<Mutex<Vec<Process>>>;

/// A Redis server on a port of its own.
pub struct RedisServer {
    port: u16,
    folder: TempDir,
    process: Option<Process>,
    left_running: LeftRunning,
    transcript: Transcript,
}

impl RedisServer {
    /// Starts one on a free port. It runs until the conversation's servers have ended.
    pub async fn start(talk: &Conversation) -> Step<Self> {
        let folder = TempDir::new();
        let folder = folder.map_err(|error| Stop(format!("no folder for Redis: {error}")))?;
        let port = port::free().map_err(Stop)?;
        let mut redis = Self {
            port,
            folder,
            process: None,
            left_running: talk.left_running.clone(),
            transcript: talk.transcript.clone(),
        };
        redis.start_again().await?;
        Ok(redis)
    }

    /// Its host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What a server takes as `REDIS_URL`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// One more process of the program that is graded, at this Redis server.
    pub async fn process(&self, talk: &Conversation) -> Step<Conversation> {
        talk.at_another_server(&[("REDIS_URL", &self.url())]).await
    }

    /// Ends it at once, as `kill -9` does: it says goodbye to nobody.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Lets it hang: its connections stay open, and nothing is answered.
    pub fn suspend(&self) -> Step {
        self.signal("STOP")
    }

    /// Lets it go on.
    pub fn resume(&self) -> Step {
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> Step {
        let group = self.process.as_ref().map(Process::group);
        let group = group.ok_or(Stop("the redis-server does not run".to_string()))?;
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -s {name} -- -{group}")])
            .status();
        match sent {
            Ok(status) if status.success() => Ok(()),
            _ => stop(format!("the redis-server could not be sent SIG{name}")),
        }
    }

    /// Starts it on the same port, empty.
    pub async fn start_again(&mut self) -> Step {
        let deadline = Instant::now() + START;
        loop {
            let mut process = Process::start(self.command_line()?)
                .map_err(|error| Stop(format!("redis-server could not be started: {error}")))?;
            if self.answers(&mut process, deadline).await {
                self.process = Some(process);
                return Ok(());
            }
            process.end();
            let said = process::text(&process.stdout);
            // We may have listened on its port ourselves. A program that another test
            // starts at that moment inherits that, and holds it until it runs.
            if !said.contains("in use") || Instant::now() >= deadline {
                let port = self.port;
                return stop(format!(
                    "redis-server did not answer on port {port}; it said: {said}"
                ));
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn command_line(&self) -> Step<Command> {
        let mut command = Command::new(find().map_err(Stop)?);
        command
            .args(["--port", &self.port.to_string()])
            .args(["--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(self.folder.path());
        Ok(command)
    }

    /// Waits until it answers; it does not when it has ended.
    async fn answers(&self, process: &mut Process, deadline: Instant) -> bool {
        let pong = Reply::Text("PONG".to_string());
        let answering = async {
            while ask(self.port, &[b"PING"]).await.ok().as_ref() != Some(&pong) {
                if process.ended().is_some() {
                    return false;
                }
                sleep(Duration::from_millis(10)).await;
            }
            true
        };
        timeout_at(deadline, answering).await == Ok(true)
    }

    /// Listens on the port of a Redis server that does not run.
    pub async fn listen_in_its_place(&self) -> Step<TcpListener> {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await;
        listener.map_err(|error| Stop(format!("port {}: {error}", self.port)))
    }

    /// Publishes a text into a channel, without writing it down.
    pub async fn publish_quietly(&self, channel: &str, payload: &[u8]) -> Step {
        let words = [b"PUBLISH", channel.as_bytes(), payload];
        self.command(&words).await.map(|_| ())
    }

    /// Publishes a text into a channel.
    pub async fn publish(&self, channel: &str, payload: &str) -> Step {
        let what = format!("PUBLISH {channel} {}", readable(payload));
        self.transcript.sent(REDIS_CLI, what);
        self.publish_quietly(channel, payload.as_bytes()).await
    }

    /// Publishes bytes that are no text into a channel.
    pub async fn publish_bytes(&self, channel: &str, what: &str, payload: &[u8]) -> Step {
        self.transcript
            .sent(REDIS_CLI, format!("PUBLISH {channel} {what}"));
        self.publish_quietly(channel, payload).await
    }

    /// Waits until these channels have subscribers, and no others.
    pub async fn channels_become(&self, channels: &[&str]) -> Step {
        let mut expected = channels.to_vec();
        expected.sort_unstable();
        self.becomes(&["PUBSUB", "CHANNELS"], &listed(&expected))
            .await
    }

    /// Waits until so many connections have subscribed to a channel.
    pub async fn subscribers_become(&self, channel: &str, count: usize) -> Step {
        let expected = format!("{channel} {count}");
        self.becomes(&["PUBSUB", "NUMSUB", channel], &expected)
            .await
    }

    /// Asks until the answer is this one, and writes that down; or what it is
    /// when patience is over.
    async fn becomes(&self, words: &[&str], expected: &str) -> Step {
        let what = words.join(" ");
        self.transcript.sent(REDIS_CLI, &what);
        let bytes: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = readable_reply(&self.command(&bytes).await?);
            let over = Instant::now() >= deadline;
            if answer == expected || over {
                self.transcript.received(REDIS_CLI, &answer);
            }
            if answer == expected {
                return Ok(());
            }
            if over {
                let seconds = PATIENCE.as_secs();
                return stop(format!(
                    "Redis answers {what} by {answer} after {seconds} s, not by {expected}"
                ));
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn command(&self, words: &[&[u8]]) -> Step<Reply> {
        let reply = timeout(PATIENCE, ask(self.port, words)).await;
        match reply {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => stop(format!("the redis-server does not answer: {error}")),
            Err(_) => stop("the redis-server does not answer"),
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let mut left = self
            .left_running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        left.extend(self.process.take());
    }
}

/// Hangs up on whoever connects: how often that happens.
pub async fn attempts_within(listener: &TcpListener, duration: Duration) -> usize {
    let mut attempts = 0;
    let counting = async {
        loop {
            if listener.accept().await.is_ok() {
                attempts += 1;
            }
        }
    };
    let _: Result<(), _> = timeout(duration, counting).await;
    attempts
}

/// Names in one line.
fn listed(names: &[&str]) -> String {
    if names.is_empty() {
        "nothing".to_string()
    } else {
        names.join(", ")
    }
}

/// A response in one line. Channels are sorted, because Redis names them in any order.
fn readable_reply(reply: &Reply) -> String {
    match reply {
        Reply::Text(text) => text.clone(),
        Reply::Number(number) => number.to_string(),
        Reply::Nothing => listed(&[]),
        // NUMSUB: a channel, and how many have subscribed to it.
        Reply::List(replies) if matches!(replies[..], [_, Reply::Number(_)]) => {
            let words: Vec<String> = replies.iter().map(readable_reply).collect();
            words.join(" ")
        }
        Reply::List(replies) => {
            let mut names: Vec<String> = replies.iter().map(readable_reply).collect();
            names.sort_unstable();
            listed(&names.iter().map(String::as_str).collect::<Vec<_>>())
        }
    }
}
