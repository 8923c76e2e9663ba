//! The conversations that are recorded. In most of them a page in a real
//! browser hears of the same message; its loading is not in the recording.

use std::time::Duration;

use graders::browser::Browser;
use graders::building::build;
use graders::conversation::{Conversation, Stop};
use graders::page::Page;
use graders::server::{Program, Server};
use serde_json::{Value, json};
use tokio::time::timeout;
use wire::recording::Recording;

use super::forwarder::Forwarder;
use super::{by_hand, redis};

/// Who sends the message.
pub const SENDER: &str = "Ann";

/// The message: three characters, seven bytes.
pub const MESSAGE: &str = "안녕!";

/// How often the page asks when it polls, once a second. Only the last answer
/// has the message.
pub const POLLS: usize = 10;

/// How long a request may take to reach the server.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Records all conversations; each with its name in the folder of recordings.
///
/// # Errors
/// What did not go as it should.
pub async fn record() -> Result<Vec<(&'static str, Recording)>, String> {
    let programs = ["solution-1", "solution-2", "solution-3", "solution-8"].map(str::to_string);
    let built = build(&programs);
    let [pages, fetch, echo, processes] = &programs;
    let [pages, fetch, echo, processes] = [
        built.program(pages)?,
        built.program(fetch)?,
        built.program(echo)?,
        built.program(processes)?,
    ]
    .map(Program::Built);
    let browser = Browser::start().await?;
    Ok(vec![
        ("page", page(&browser, &pages).await?),
        ("polling", polling(&browser, &fetch).await?),
        ("long-polling", long_polling(&browser, &fetch).await?),
        ("events", events(&browser, &fetch).await?),
        ("websocket", websocket(&browser, &echo).await?),
        ("hand", by_hand::greeting(&pages).await?),
        ("refusals", by_hand::refusals(&echo).await?),
        ("redis", redis::one_chat(&processes).await?),
    ])
}

/// A fresh server, a page of it that was loaded through a forwarder, and
/// somebody else who talks to the server directly.
struct Scene<'a> {
    forwarder: Forwarder,
    page: Page<'a>,
    writer: Conversation,
}

impl<'a> Scene<'a> {
    async fn open(browser: &'a Browser, program: &Program) -> Result<Self, String> {
        let server = Server::start(program).await?;
        let forwarder = Forwarder::start(&server.address)
            .await
            .map_err(|error| format!("nothing can be forwarded: {error}"))?;
        let page = Page::blank(browser).await?;
        page.go_to(&format!("http://{}/", forwarder.address))
            .await?;
        Ok(Self {
            forwarder,
            page,
            writer: Conversation::new(server),
        })
    }

    /// Runs a script in the page, and waits for its promise.
    async fn run(&self, script: &str) -> Result<Value, String> {
        let mut result = self.page.run(script).await?;
        match result.get("exceptionDetails") {
            Some(details) => Err(format!("the script {script:?} threw {details}")),
            None => Ok(result["result"]["value"].take()),
        }
    }

    /// Somebody else posts the message to the API of lesson 2.
    async fn post(&self) -> Result<(), String> {
        let message = json!({ "sender": SENDER, "message": MESSAGE });
        let request = self.writer.post("/api/messages").json(&message);
        let answer = request.send().await.map_err(|Stop(reason)| reason)?;
        expect("the status of the POST", answer.status.as_u16(), 201)
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Result<(), String> {
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{what} is {found:?}, not {wanted:?}"))
    }
}

/// The page of lesson 1 is loaded again, and shows the message.
async fn page(browser: &Browser, program: &Program) -> Result<Recording, String> {
    let scene = Scene::open(browser, program).await?;
    let fields = [("sender", SENDER), ("message", MESSAGE)];
    let request = scene.writer.post("/").form(&fields);
    let answer = request.send().await.map_err(|Stop(reason)| reason)?;
    expect("the status of the POST", answer.status.as_u16(), 303)?;
    scene.forwarder.begin();
    scene.page.reload().await?;
    let last = "document.querySelector('#entries').lastElementChild.textContent";
    let shown = scene.run(last).await?;
    expect(
        "the last entry",
        shown,
        json!(format!("{SENDER} : {MESSAGE}")),
    )?;
    Ok(scene.forwarder.recording())
}

/// The page of lesson 2 asks once a second, and hears of the message the last time.
async fn polling(browser: &Browser, program: &Program) -> Result<Recording, String> {
    let scene = Scene::open(browser, program).await?;
    scene.forwarder.begin();
    for poll in 1..=POLLS {
        let news = if poll < POLLS {
            json!([])
        } else {
            scene.post().await?;
            json!([message()])
        };
        // The interval is the page's own; how long it is proves nothing.
        let ask = "new Promise((done) => setTimeout(done, 1000))
            .then(() => fetch('/api/messages?since=2'))
            .then((answer) => answer.json())";
        let answer = scene.run(ask).await?;
        expect("the answer to a poll", answer, news)?;
    }
    Ok(scene.forwarder.recording())
}

/// The page of lesson 2 asks once, and is answered when there is something new.
async fn long_polling(browser: &Browser, program: &Program) -> Result<Recording, String> {
    let scene = Scene::open(browser, program).await?;
    scene.forwarder.begin();
    let ask = "fetch('/api/messages?since=2&wait=30').then((answer) => answer.json())";
    let answer = scene.run(ask);
    let post = async {
        let sent = scene.forwarder.client_has_sent(b"since=2&wait=30");
        timeout(PATIENCE, sent)
            .await
            .map_err(|_| "the page did not ask")?;
        scene.post().await
    };
    let (answer, ()) = tokio::try_join!(answer, post)?;
    expect("the answer to the long poll", answer, json!([message()]))?;
    Ok(scene.forwarder.recording())
}

/// The page of lesson 2 opens the stream of events, and then there is one.
async fn events(browser: &Browser, program: &Program) -> Result<Recording, String> {
    let scene = Scene::open(browser, program).await?;
    scene.forwarder.begin();
    let open = "const events = new EventSource('/api/events');
        const heard = new Promise((done) => { events.onmessage = done; });
        new Promise((done) => { events.onopen = done; }).then(() => 'open')";
    expect("the stream", scene.run(open).await?, json!("open"))?;
    scene.post().await?;
    let event = scene.run("heard.then((event) => JSON.parse(event.data))");
    expect("the event", event.await?, message())?;
    Ok(scene.forwarder.recording())
}

/// A page of lesson 3 opens a socket of its own, sends the message, gets it
/// back and closes.
async fn websocket(browser: &Browser, program: &Program) -> Result<Recording, String> {
    let scene = Scene::open(browser, program).await?;
    // The page has a socket, too. The welcome is the last that it says by itself.
    let welcome = "new Promise((done) => {
            new MutationObserver(done).observe(log, { childList: true });
            if (log.children.length) done();
        }).then(() => log.textContent)";
    let welcome = scene.run(welcome).await?;
    let words = r#"{"sender":"server","message":"welcome"}"#;
    expect("the welcome", welcome, json!(words))?;
    scene.forwarder.begin();
    let script = format!(
        "new Promise((done) => {{
            const echo = new WebSocket('/ws/json');
            const message = {{ sender: '{SENDER}', message: '{MESSAGE}' }};
            let heard;
            echo.onopen = () => echo.send(JSON.stringify(message));
            echo.onmessage = (event) => {{ heard = event.data; echo.close(1000); }};
            echo.onclose = (event) => done([heard, event.code, event.wasClean]);
        }})"
    );
    let said = format!(r#"{{"sender":"{SENDER}","message":"{MESSAGE}"}}"#);
    let closed = scene.run(&script).await?;
    expect("the echo and its end", closed, json!([said, 1000, true]))?;
    Ok(scene.forwarder.recording())
}

/// The message as lesson 2 stores it, after the two that a fresh server has.
fn message() -> Value {
    json!({ "id": 3, "sender": SENDER, "message": MESSAGE })
}
