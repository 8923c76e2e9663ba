//! A browser tab: opens a page, types, clicks, and reads what is shown.

mod acting;
mod looking;
mod troubles;

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::browser::Browser;
use crate::conversation::{Conversation, PATIENCE, Step, Stop, stop};
use crate::page::Page;
use crate::transcript::Transcript;

/// An open tab.
pub struct Tab<'a> {
    page: Page<'a>,
    transcript: Transcript,
    /// What the transcript calls this tab.
    pub lane: String,
    /// Whether the page bears a mark that does not outlive a navigation.
    marked: AtomicBool,
    /// How many events there were when the user last did something.
    acted: AtomicUsize,
    /// Whether timers never fire here.
    without_timers: bool,
}

/// A host that does not exist: its pages are the lesson's, handed out by the
/// browser itself as if they had come over https.
const SECURE_HOST: &str = "https://lesson.example";

/// Remembers each text that `#connection` has shown.
const REMEMBER: &str = "
    window.connectionHasRead = [];
    new MutationObserver(() => {
        const text = document.querySelector('#connection')?.textContent.trim();
        if (text && text !== connectionHasRead.at(-1)) connectionHasRead.push(text);
    }).observe(document, { subtree: true, childList: true, characterData: true });
";

/// How often a page is looked at while something is awaited.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

impl<'a> Tab<'a> {
    pub(crate) async fn open(
        conversation: &Conversation,
        browser: &'a Browser,
        lane: &str,
        path: &str,
    ) -> Step<Self> {
        let tab = Self::blank(conversation, browser, lane).await?;
        tab.transcript.sent(lane, format!("opens {path}"));
        tab.go_to(&conversation.url(path)).await?;
        Ok(tab)
    }

    /// Opens a page in which no timer ever fires, so that what it shows comes from events.
    pub async fn open_without_timers(
        conversation: &Conversation,
        browser: &'a Browser,
        lane: &str,
        path: &str,
    ) -> Step<Self> {
        let mut tab = Self::blank(conversation, browser, lane).await?;
        tab.without_timers = true;
        tab.transcript
            .sent(lane, format!("opens {path}, where no timer fires"));
        let no_timers = "window.setTimeout = window.setInterval = () => 0;";
        tab.before_each_page(no_timers).await?;
        tab.go_to(&conversation.url(path)).await?;
        Ok(tab)
    }

    /// Opens a page under another name of the server's host.
    pub async fn open_at(
        conversation: &Conversation,
        browser: &'a Browser,
        lane: &str,
        host: &str,
        path: &str,
    ) -> Step<Self> {
        let tab = Self::blank(conversation, browser, lane).await?;
        tab.transcript.sent(lane, format!("opens {path} at {host}"));
        let port = conversation.server.address.rsplit(':').next();
        let port = port.unwrap_or_default();
        tab.go_to(&format!("http://{host}:{port}{path}")).await?;
        Ok(tab)
    }

    /// Opens the lesson's page as if it had come over https.
    pub async fn open_behind_https(
        conversation: &Conversation,
        browser: &'a Browser,
        lane: &str,
        path: &str,
    ) -> Step<Self> {
        let tab = Self::blank(conversation, browser, lane).await?;
        tab.transcript
            .sent(lane, format!("opens {path} behind https"));
        let patterns = json!({ "patterns": [{ "urlPattern": format!("{SECURE_HOST}/*") }] });
        tab.command("Fetch.enable", patterns).await?;
        tab.before_each_page(REMEMBER).await?;
        let url = format!("{SECURE_HOST}{path}");
        let loaded = tab.go_to(&url);
        tokio::select! {
            loaded = loaded => loaded?,
            failed = tab.hand_out_pages(conversation) => failed?,
        }
        Ok(tab)
    }

    async fn blank(conversation: &Conversation, browser: &'a Browser, lane: &str) -> Step<Self> {
        let tab = Self {
            page: Page::blank(browser).await.map_err(Stop)?,
            transcript: conversation.transcript.clone(),
            lane: lane.to_string(),
            marked: AtomicBool::new(false),
            acted: AtomicUsize::new(0),
            without_timers: false,
        };
        for domain in ["Runtime.enable", "Network.enable"] {
            tab.command(domain, json!({})).await?;
        }
        let focus = json!({ "enabled": true });
        tab.command("Emulation.setFocusEmulationEnabled", focus)
            .await?;
        Ok(tab)
    }

    /// Has a script run in each page before its own.
    async fn before_each_page(&self, script: &str) -> Step {
        let script = json!({ "source": script });
        let added = self.command("Page.addScriptToEvaluateOnNewDocument", script);
        added.await.map(|_| ())
    }

    async fn go_to(&self, url: &str) -> Step {
        self.page.go_to(url).await.map_err(Stop)
    }

    /// Answers what the browser asks of [`SECURE_HOST`] with what the lesson answers; does not end.
    async fn hand_out_pages(&self, conversation: &Conversation) -> Step {
        let mut events = self.page.browser.events.clone();
        let mut seen = 0;
        loop {
            let asked: Vec<Value> = {
                let all = events.borrow_and_update();
                let new = all[seen..].iter();
                let asked = new.filter(|event| self.is(event, "Fetch.requestPaused"));
                let asked = asked.cloned().collect();
                seen = all.len();
                asked
            };
            for event in asked {
                let url = event["params"]["request"]["url"].as_str();
                let path = url.and_then(|url| url.strip_prefix(SECURE_HOST));
                let path = path.unwrap_or("/");
                let request = conversation.aside().request(Method::GET, path);
                let answer = request.send().await?;
                let content_type = answer.content_type_value();
                let page = json!({
                    "requestId": event["params"]["requestId"],
                    "responseCode": answer.status.as_u16(),
                    "responseHeaders": [{ "name": "content-type", "value": content_type }],
                    "body": BASE64_STANDARD.encode(answer.text()),
                });
                self.command("Fetch.fulfillRequest", page).await?;
            }
            if events.changed().await.is_err() {
                return stop("the browser has ended");
            }
        }
    }

    /// Evaluates a script about an element, once it is in the page.
    async fn on_element(&self, selector: &str, script: &str) -> Step<Value> {
        let script = format!(
            "(element => element && {{ found: {script} }})(document.querySelector({}))",
            json!(selector)
        );
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut found = self.evaluate(&script).await?;
            if !found.is_null() {
                return Ok(found["found"].take());
            }
            if Instant::now() >= deadline {
                self.transcript
                    .received(&self.lane, format!("no {selector} in the page"));
                return stop(format!("the page has no element {selector}"));
            }
            sleep(BETWEEN_LOOKS).await;
        }
    }

    async fn evaluate(&self, script: &str) -> Step<Value> {
        let mut result = self.page.run(script).await.map_err(Stop)?;
        Ok(result["result"]["value"].take())
    }

    async fn command(&self, method: &str, parameters: Value) -> Step<Value> {
        let result = self.page.command(method, parameters);
        result.await.map_err(Stop)
    }

    fn is(&self, event: &Value, method: &str) -> bool {
        self.page.is(event, method)
    }
}
