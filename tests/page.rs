//! A page in the browser: a session of its own, in which commands are carried
//! out, pages are loaded and scripts are run.

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::browser::Browser;
use crate::conversation::PATIENCE;

/// An open page.
pub struct Page<'a> {
    pub(crate) browser: &'a Browser,
    session: String,
}

impl<'a> Page<'a> {
    /// Opens a blank page.
    ///
    /// # Errors
    /// What the browser said.
    pub async fn blank(browser: &'a Browser) -> Result<Self, String> {
        let blank = json!({ "url": "about:blank" });
        let target = browser.command(None, "Target.createTarget", blank).await?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.command(None, "Target.attachToTarget", attach);
        let session = attached.await?["sessionId"]
            .as_str()
            .ok_or("the browser gave the page no session")?
            .to_string();
        let page = Self { browser, session };
        page.command("Page.enable", json!({})).await?;
        Ok(page)
    }

    /// Goes to a URL, and waits until it has been loaded with all that it refers to.
    ///
    /// # Errors
    /// What the browser said.
    pub async fn go_to(&self, url: &str) -> Result<(), String> {
        self.load("Page.navigate", json!({ "url": url })).await
    }

    /// Loads the page again, as the browser's own button does.
    ///
    /// # Errors
    /// What the browser said.
    pub async fn reload(&self) -> Result<(), String> {
        self.load("Page.reload", json!({})).await
    }

    async fn load(&self, method: &str, parameters: Value) -> Result<(), String> {
        // A load that is over is not the one to wait for.
        let before = self.browser.events.borrow().len();
        let result = self.command(method, parameters.clone()).await?;
        if let Some(error) = result["errorText"].as_str() {
            let url = &parameters["url"];
            return Err(format!("the browser could not open {url}: {error}"));
        }
        match self.event_after(before, "Page.loadEventFired").await {
            Some(_) => Ok(()),
            None => Err(format!(
                "the page was not loaded within {} s",
                PATIENCE.as_secs()
            )),
        }
    }

    /// Runs a script and waits for its promise. The result has a `result`, and
    /// `exceptionDetails` if the script threw.
    ///
    /// # Errors
    /// When the page does not answer.
    pub async fn run(&self, script: &str) -> Result<Value, String> {
        let parameters = json!({
            "expression": script, "returnByValue": true, "awaitPromise": true,
        });
        let mut result = self.command("Runtime.evaluate", parameters.clone()).await;
        // Another page came while this one was asked, and it is the one to ask.
        if matches!(&result, Err(reason) if reason.contains("navigated or closed")) {
            result = self.command("Runtime.evaluate", parameters).await;
        }
        result.map_err(|reason| {
            format!(
                "the page does not answer: it shows a dialog, or its script does not end ({reason})"
            )
        })
    }

    /// Gives the browser a command for this page.
    ///
    /// # Errors
    /// What the browser said instead of a result.
    pub async fn command(&self, method: &str, parameters: Value) -> Result<Value, String> {
        let session = Some(self.session.as_str());
        self.browser.command(session, method, parameters).await
    }

    /// The first event of this page after so many events of the browser; none when none comes in time.
    pub(crate) async fn event_after(&self, before: usize, method: &str) -> Option<Value> {
        let mut events = self.browser.events.clone();
        let find = |all: &Vec<Value>| {
            let mut later = all.iter().skip(before);
            later.find(|event| self.is(event, method)).cloned()
        };
        let events = events.wait_for(|all| find(all).is_some());
        let events = timeout(PATIENCE, events).await.ok()?.ok()?;
        find(&events)
    }

    /// Whether this is an event of this page, of this kind.
    pub(crate) fn is(&self, event: &Value, method: &str) -> bool {
        event["method"] == method && event["sessionId"] == self.session.as_str()
    }
}
