//! A browser tab: opens a page, types, clicks, and reads what is shown.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::browser::Browser;
use crate::conversation::{Conversation, PATIENCE, Step, Stop, stop};
use crate::transcript::{Transcript, readable, short};

/// An open tab.
pub struct Tab<'a> {
    browser: &'a Browser,
    session: String,
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

/// How a script reads what an element shows: white space folded, as a reader sees it.
const READ: &str = "innerText.replace(/\\s+/g, ' ').trim()";

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
        let parameters = json!({ "url": url });
        let loaded = tab.go_to_with(parameters);
        tokio::select! {
            loaded = loaded => loaded?,
            failed = tab.hand_out_pages(conversation) => failed?,
        }
        Ok(tab)
    }

    async fn blank(conversation: &Conversation, browser: &'a Browser, lane: &str) -> Step<Self> {
        let target = json!({ "url": "about:blank" });
        let target = browser.command(None, "Target.createTarget", target).await;
        let target = target.map_err(Stop)?["targetId"].take();
        let attach = json!({ "targetId": target, "flatten": true });
        let attached = browser.command(None, "Target.attachToTarget", attach).await;
        let session = attached.map_err(Stop)?["sessionId"]
            .as_str()
            .unwrap_or_default()
            .to_string();
        let tab = Self {
            browser,
            session,
            transcript: conversation.transcript.clone(),
            lane: lane.to_string(),
            marked: AtomicBool::new(false),
            acted: AtomicUsize::new(0),
            without_timers: false,
        };
        for domain in ["Page.enable", "Runtime.enable", "Network.enable"] {
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
        self.go_to_with(json!({ "url": url })).await
    }

    async fn go_to_with(&self, parameters: Value) -> Step {
        // A load that is over, of the blank page, is not the one to wait for.
        let before = self.browser.events.borrow().len();
        let mut opened = self.command("Page.navigate", parameters.clone()).await?;
        if let Some(error) = opened["errorText"].take().as_str() {
            return stop(format!(
                "the browser could not open {}: {error}",
                parameters["url"]
            ));
        }
        match self.event_after(before, "Page.loadEventFired").await {
            Some(_) => Ok(()),
            None => stop(format!(
                "the page was not loaded within {} s",
                PATIENCE.as_secs()
            )),
        }
    }

    /// Answers what the browser asks of [`SECURE_HOST`] with what the lesson answers; does not end.
    async fn hand_out_pages(&self, conversation: &Conversation) -> Step {
        let mut events = self.browser.events.clone();
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

    /// Writes down the URL of the first WebSocket that the page opens, with the
    /// server's own address left out.
    pub async fn socket_url(&self, conversation: &Conversation) -> Step {
        let created = self.event_after(0, "Network.webSocketCreated").await;
        let Some(created) = created else {
            return self.nothing("a WebSocket").await;
        };
        let url = created["params"]["url"].as_str().unwrap_or_default();
        let port = conversation.server.address.rsplit(':').next();
        let port = format!(":{}", port.unwrap_or_default());
        let url = url.replacen(&port, ":PORT", 1);
        self.transcript
            .received(&self.lane, format!("opens a WebSocket to {url}"));
        Ok(())
    }

    /// Writes down all that `#connection` has read since the page began to load.
    pub async fn connection_has_read(&self) -> Step {
        let read = self.evaluate("window.connectionHasRead").await?;
        self.show("#connection has read", &read);
        Ok(())
    }

    /// Waits until the page's WebSocket has sent so many texts, and writes down what it has sent.
    pub async fn texts_sent(&self, count: usize) -> Step {
        let mut events = self.browser.events.clone();
        let sent = |all: &Vec<Value>| {
            let sent = all
                .iter()
                .filter(|event| self.is(event, "Network.webSocketFrameSent"))
                .map(|event| &event["params"]["response"])
                .filter(|frame| frame["opcode"] == 1);
            sent.filter_map(|frame| frame["payloadData"].as_str().map(readable))
                .collect::<Vec<String>>()
        };
        let all = timeout(PATIENCE, events.wait_for(|all| sent(all).len() >= count)).await;
        drop(all);
        let sent = sent(&self.browser.events.borrow());
        self.transcript.received(&self.lane, "has sent:");
        for text in sent {
            self.transcript.detail(&self.lane, text);
        }
        Ok(())
    }

    /// Writes down what the user does.
    fn act(&self, what: &str) {
        let events = self.browser.events.borrow().len();
        self.acted.store(events, Ordering::Relaxed);
        self.transcript.sent(&self.lane, what);
    }

    /// Types into a field, in place of what stands in it.
    pub async fn type_into(&self, selector: &str, text: &str) -> Step {
        self.act(&format!("types {} into {selector}", short(text)));
        self.command("Page.bringToFront", json!({})).await?;
        self.on_element(selector, "(element.focus(), element.select())")
            .await?;
        self.command("Input.insertText", json!({ "text": text }))
            .await?;
        Ok(())
    }

    /// Presses Enter where the keyboard is.
    pub async fn press_enter(&self) -> Step {
        self.act("presses Enter");
        for kind in ["keyDown", "keyUp"] {
            let key = json!({
                "type": kind, "key": "Enter", "code": "Enter",
                "text": if kind == "keyDown" { "\r" } else { "" },
                "windowsVirtualKeyCode": 13,
            });
            self.command("Input.dispatchKeyEvent", key).await?;
        }
        Ok(())
    }

    /// Clicks in the middle of an element, as a mouse does.
    pub async fn click(&self, selector: &str) -> Step {
        self.act(&format!("clicks {selector}"));
        self.command("Page.bringToFront", json!({})).await?;
        let middle = "(element.scrollIntoView({ block: 'center' }), \
                      (box => [box.x + box.width / 2, box.y + box.height / 2])\
                      (element.getBoundingClientRect()))";
        let middle = self.on_element(selector, middle).await?;
        for kind in ["mousePressed", "mouseReleased"] {
            let click = json!({
                "type": kind, "x": middle[0], "y": middle[1],
                "button": "left", "clickCount": 1,
            });
            self.command("Input.dispatchMouseEvent", click).await?;
        }
        Ok(())
    }

    /// Waits until an element reads as expected, and writes down what it reads then.
    pub async fn text_becomes(&self, selector: &str, expected: &str) -> Step {
        let wanted = json!(expected);
        let script = format!("element.{READ}");
        self.becomes(selector, selector, &script, &wanted).await
    }

    /// Waits until an element's text contains some words, which the transcript calls `what`.
    pub async fn text_contains(&self, selector: &str, words: &str, what: &str) -> Step {
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        let contains = format!("element.{READ}.includes({})", json!(words));
        let deadline = Instant::now() + PATIENCE;
        while self.on_element(selector, &contains).await? != json!(true) {
            if Instant::now() >= deadline {
                return self.text_becomes(selector, &words).await;
            }
            sleep(BETWEEN_LOOKS).await;
        }
        self.transcript
            .received(&self.lane, format!("{selector}: {what}"));
        Ok(())
    }

    /// Waits until an element's lines are as expected, and writes them down. A
    /// line is a child element, or what begins on a new line.
    pub async fn lines_become(&self, selector: &str, expected: &[&str]) -> Step {
        let wanted = json!(expected);
        let script = format!(
            "(({{ children, innerText }}) => {{ \
                const elements = [...children].map(child => child.{READ}); \
                const lines = innerText.split('\\n').map(line => line.trim()).filter(Boolean); \
                const fits = reading => JSON.stringify(reading) === JSON.stringify({wanted}); \
                return fits(lines) ? lines : elements; \
            }})(element)"
        );
        self.becomes(selector, selector, &script, &wanted).await
    }

    /// Waits until the texts of the elements of a list are as expected, and writes them down.
    pub async fn texts_become(&self, list: &str, items: &str, expected: &[&str]) -> Step {
        let wanted = json!(expected);
        let script =
            format!("[...element.querySelectorAll(':scope {items}')].map(item => item.{READ})");
        let what = format!("{list} {items}");
        self.becomes(list, &what, &script, &wanted).await
    }

    /// Waits until a field holds what is expected, and writes down what it holds then.
    pub async fn field_becomes(&self, selector: &str, expected: &str) -> Step {
        let what = format!("{selector} holds");
        self.becomes(selector, &what, "element.value", &json!(expected))
            .await
    }

    /// Writes down that no element matches, or the first one that does.
    pub async fn no_element(&self, selector: &str) -> Step {
        let what = format!("elements {selector}");
        let script = format!(
            "document.querySelector({})?.outerHTML ?? 'none'",
            json!(selector)
        );
        let found = self.evaluate(&script).await?;
        let found = match found.as_str() {
            Some("none") => "none".to_string(),
            _ => shown(&found),
        };
        self.transcript
            .received(&self.lane, format!("{what}: {found}"));
        Ok(())
    }

    async fn becomes(&self, selector: &str, what: &str, script: &str, wanted: &Value) -> Step {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.on_element(selector, script).await?;
            if found == *wanted {
                self.show(what, &found);
                return Ok(());
            }
            if Instant::now() >= deadline {
                self.show(what, &found);
                return stop(format!(
                    "in {}, {what}: {} after {} s, not {}{}",
                    self.lane,
                    shown(&found),
                    PATIENCE.as_secs(),
                    shown(wanted),
                    self.troubles().await
                ));
            }
            sleep(BETWEEN_LOOKS).await;
        }
    }

    fn show(&self, what: &str, found: &Value) {
        match found {
            Value::Array(lines) if lines.is_empty() => {
                self.transcript
                    .received(&self.lane, format!("{what}: nothing"));
            }
            Value::Array(lines) => {
                self.transcript.received(&self.lane, format!("{what}:"));
                for line in lines {
                    self.transcript.detail(&self.lane, shown(line));
                }
            }
            other => self
                .transcript
                .received(&self.lane, format!("{what}: {}", shown(other))),
        }
    }

    /// Leaves a mark in the page that does not outlive a navigation.
    pub async fn mark(&self) -> Step {
        self.evaluate("window.sameDocument = true").await?;
        self.marked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Writes down whether the page is still the one that was marked.
    pub async fn still_the_same_page(&self) -> Step {
        let same = self.evaluate("window.sameDocument === true").await?;
        let what = if same == json!(true) {
            "still the same page"
        } else {
            "another page was loaded"
        };
        self.transcript.received(&self.lane, what);
        Ok(())
    }

    /// Writes down what the page's script threw, if it threw.
    pub fn errors(&self) {
        let thrown = self.thrown();
        let what = match thrown.first() {
            None => "no error in the page's script".to_string(),
            Some(error) => format!("the page's script threw {error}"),
        };
        self.transcript.received(&self.lane, what);
    }

    /// What may be the cause when the page does not show what it should.
    async fn troubles(&self) -> String {
        let mut troubles: Vec<String> = Vec::new();
        if self.without_timers {
            troubles.push("no timer fires in this tab".to_string());
        }
        if let Some(error) = self.thrown().first() {
            troubles.push(format!("the page's script threw {error}"));
        }
        if let Some(refused) = self.refused() {
            troubles.push(refused);
        }
        let other_page = self.evaluate("window.sameDocument !== true").await;
        if self.marked.load(Ordering::Relaxed) && other_page == Ok(json!(true)) {
            troubles.push("another page was loaded meanwhile".to_string());
        }
        troubles
            .into_iter()
            .map(|trouble| format!("; {trouble}"))
            .collect()
    }

    /// The last request of the page that was answered with an error, since the user did something.
    fn refused(&self) -> Option<String> {
        let events = self.browser.events.borrow();
        let mut answers = events[self.acted.load(Ordering::Relaxed)..]
            .iter()
            .rev()
            .filter(|event| self.is(event, "Network.responseReceived"))
            .map(|event| &event["params"]["response"]);
        let refused = answers.find(|answer| answer["status"].as_u64() >= Some(400))?;
        let url = refused["url"].as_str().unwrap_or_default();
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        Some(format!(
            "the page's request to /{path} was answered {}",
            refused["status"]
        ))
    }

    fn thrown(&self) -> Vec<String> {
        let events = self.browser.events.borrow();
        let thrown = events
            .iter()
            .filter(|event| self.is(event, "Runtime.exceptionThrown"));
        thrown
            .map(|event| {
                let details = &event["params"]["exceptionDetails"];
                let words = details["exception"]["description"]
                    .as_str()
                    .or(details["text"].as_str())
                    .unwrap_or("an error");
                let first = words.lines().next().unwrap_or_default();
                let line = details["lineNumber"].as_u64().map_or(0, |line| line + 1);
                format!("{first} (line {line} of the page as it was served)")
            })
            .collect()
    }

    async fn nothing(&self, what: &str) -> Step {
        self.transcript
            .received(&self.lane, format!("no sign of {what}"));
        stop(format!(
            "no sign of {what} in {} within {} s{}",
            self.lane,
            PATIENCE.as_secs(),
            self.troubles().await
        ))
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
        let parameters = json!({
            "expression": script, "returnByValue": true, "awaitPromise": true,
        });
        let mut result = self.command("Runtime.evaluate", parameters).await?;
        Ok(result["result"]["value"].take())
    }

    async fn command(&self, method: &str, parameters: Value) -> Step<Value> {
        let result = self
            .browser
            .command(Some(&self.session), method, parameters);
        result.await.map_err(Stop)
    }

    /// The first event of this tab after so many events of the browser; none when none comes in time.
    async fn event_after(&self, before: usize, method: &str) -> Option<Value> {
        let mut events = self.browser.events.clone();
        let find = |all: &Vec<Value>| {
            let mut later = all.iter().skip(before);
            later.find(|event| self.is(event, method)).cloned()
        };
        let events = events.wait_for(|all| find(all).is_some());
        let events = timeout(PATIENCE, events).await.ok()?.ok()?;
        find(&events)
    }

    fn is(&self, event: &Value, method: &str) -> bool {
        event["method"] == method && event["sessionId"] == self.session.as_str()
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => short(text),
        other => other.to_string(),
    }
}
