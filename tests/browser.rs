//! A real headless browser, driven over its DevTools WebSocket.
//!
//! The protocol is JSON: a command has an `id` and is answered by the message
//! with the same `id`; everything without one is an event.
//! <https://chromedevtools.github.io/devtools-protocol/>

use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::process::Process;
use crate::programs;

/// How long a browser may take to start: the first time it reads much from disk.
const START: Duration = Duration::from_secs(30);

/// How long one command may take.
const COMMAND: Duration = Duration::from_secs(10);

/// More browsers than this side by side only wait for each other.
static PLACES: Semaphore = Semaphore::const_new(2);

/// A running browser with a fresh profile. Dropping it ends it with its
/// children, and removes the profile.
pub struct Browser {
    commands: mpsc::UnboundedSender<Message>,
    replies: Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>,
    next_id: AtomicU64,
    /// Every event so far.
    pub events: watch::Receiver<Vec<Value>>,
    // Dropped in this order: the profile is removed when nobody writes to it any more.
    _process: Process,
    _profile: TempDir,
    _place: SemaphorePermit<'static>,
}

/// Finds the browser: the program that `CHROME` names, else the usual names and places.
///
/// # Errors
/// One sentence that says how to get one.
pub fn find() -> Result<PathBuf, String> {
    if let Some(named) = env::var_os("CHROME") {
        let path = PathBuf::from(named);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(format!(
                "needs a browser: CHROME is set to {}, where there is no program",
                path.display()
            ))
        };
    }
    programs::on_the_path(&NAMES)
        .chain(usual_places().filter(|place| place.is_file()))
        .next()
        .ok_or(format!("needs a browser: {INSTALL}"))
}

const INSTALL: &str = if cfg!(target_os = "macos") {
    "brew install --cask google-chrome (or set CHROME to one that is installed)"
} else if cfg!(windows) {
    "winget install Google.Chrome (or set CHROME to one that is installed)"
} else {
    "sudo apt install chromium (or set CHROME to one that is installed)"
};

/// What a browser is called on the PATH.
const NAMES: [&str; 6] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
];

fn usual_places() -> impl Iterator<Item = PathBuf> {
    const MAC: [&str; 3] = [
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    ];
    const WINDOWS_FOLDERS: [&str; 3] = ["ProgramFiles", "ProgramFiles(x86)", "LocalAppData"];
    const WINDOWS: [&str; 3] = [
        r"Google\Chrome\Application\chrome.exe",
        r"Chromium\Application\chrome.exe",
        r"Microsoft\Edge\Application\msedge.exe",
    ];
    let windows = WINDOWS_FOLDERS
        .into_iter()
        .filter_map(env::var_os)
        .flat_map(|folder| WINDOWS.map(|program| Path::new(&folder).join(program)));
    MAC.into_iter().map(PathBuf::from).chain(windows)
}

impl Browser {
    /// Starts the browser.
    ///
    /// # Errors
    /// One sentence on why there is none.
    pub async fn start() -> Result<Self, String> {
        let program = find()?;
        let place = PLACES.acquire().await.expect("the places stay open");
        let profile = TempDir::with_prefix("lesson-browser-")
            .map_err(|error| format!("there is no room for a browser profile: {error}"))?;
        let mut process = Process::start(command(&program, profile.path()))
            .map_err(|error| format!("{} could not be started: {error}", program.display()))?;
        let url = match timeout(START, devtools_url(profile.path(), &mut process)).await {
            Ok(Some(url)) => url,
            Ok(None) | Err(_) => {
                let stderr = process.end_and_read_stderr();
                let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
                return Err(format!(
                    "{} did not start: {}",
                    program.display(),
                    last.unwrap_or("it said nothing")
                ));
            }
        };
        let (mut socket, _) = connect_async(&url)
            .await
            .map_err(|error| format!("the browser's DevTools do not answer: {error}"))?;

        let (commands, mut to_send) = mpsc::unbounded_channel::<Message>();
        let (add_event, events) = watch::channel(Vec::new());
        let replies: Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>> = Arc::default();
        let waiting = replies.clone();
        // Ends when the browser ends, or when nobody can send a command any more.
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    command = to_send.recv() => match command {
                        Some(command) => if socket.send(command).await.is_err() { return },
                        None => return,
                    },
                    message = socket.next() => match message {
                        Some(Ok(Message::Text(text))) => {
                            let Ok(message) = serde_json::from_str::<Value>(&text) else { continue };
                            deliver(message, &waiting, &add_event);
                        }
                        Some(Ok(_)) => {}
                        Some(Err(_)) | None => return,
                    },
                }
            }
        });
        Ok(Self {
            commands,
            replies,
            next_id: AtomicU64::new(1),
            events,
            _process: process,
            _profile: profile,
            _place: place,
        })
    }

    /// Gives a command, to one tab's session or to the browser, and returns its result.
    ///
    /// # Errors
    /// What the browser said instead of a result.
    pub async fn command(
        &self,
        session: Option<&str>,
        method: &str,
        parameters: Value,
    ) -> Result<Value, String> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut command = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = session {
            command["sessionId"] = json!(session);
        }
        let (sender, reply) = oneshot::channel();
        lock(&self.replies).insert(id, sender);
        let gone = || "the browser has ended".to_string();
        self.commands
            .send(Message::text(command.to_string()))
            .map_err(|_| gone())?;
        let mut reply = timeout(COMMAND, reply)
            .await
            .map_err(|_| format!("the browser did not carry out {method} in time"))?
            .map_err(|_| gone())?;
        match reply.get("error") {
            Some(error) => Err(format!("{method}: {}", error["message"])),
            None => Ok(reply["result"].take()),
        }
    }
}

fn command(program: &Path, profile: &Path) -> Command {
    let mut command = Command::new(program);
    command.args([
        "--headless",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--disable-breakpad",
        "--password-store=basic",
        "--use-mock-keychain",
        // What is typed before the first frame is painted is not thrown away, and a
        // tab behind another one is as quick as that one.
        "--allow-pre-commit-input",
        "--disable-background-timer-throttling",
        "--disable-backgrounding-occluded-windows",
        "--disable-renderer-backgrounding",
        // Nothing but the lesson's server can be reached.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        "--remote-debugging-port=0",
        "about:blank",
    ]);
    command.arg(format!("--user-data-dir={}", profile.display()));
    if cfg!(target_os = "linux") {
        // What it writes besides its profile goes away with the profile.
        for folder in ["HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"] {
            command.env(folder, profile);
        }
    }
    if runs_as_root(profile) {
        // As root, Chromium's sandbox refuses to work at all.
        command.arg("--no-sandbox");
    }
    command
}

/// Whether a file that we made belongs to root.
#[cfg(unix)]
fn runs_as_root(ours: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    ours.metadata().is_ok_and(|file| file.uid() == 0)
}

#[cfg(not(unix))]
fn runs_as_root(_ours: &Path) -> bool {
    false
}

/// Waits for the file in which the browser writes its port and path. None when the browser ends before.
async fn devtools_url(profile: &Path, process: &mut Process) -> Option<String> {
    let file = profile.join("DevToolsActivePort");
    loop {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        if let Some((port, path)) = text.split_once('\n')
            && !path.trim().is_empty()
        {
            return Some(format!("ws://127.0.0.1:{port}{}", path.trim()));
        }
        if process.ended().is_some() {
            return None;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

fn deliver(
    mut message: Value,
    waiting: &Mutex<HashMap<u64, oneshot::Sender<Value>>>,
    add_event: &watch::Sender<Vec<Value>>,
) {
    match message["id"].as_u64() {
        Some(id) => {
            if let Some(sender) = lock(waiting).remove(&id) {
                // Whoever asked may have given up meanwhile.
                let _ = sender.send(message.take());
            }
        }
        None => add_event.send_modify(|events| events.push(message)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
