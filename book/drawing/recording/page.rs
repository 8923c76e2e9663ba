//! A page in a real browser, in which scripts are run.

use graders::browser::Browser;
use serde_json::{Value, json};
use tokio::time::{Duration, timeout};

/// How long a page may take to load.
const LOAD: Duration = Duration::from_secs(10);

/// An open page.
pub struct Page<'a> {
    browser: &'a Browser,
    session: String,
}

impl<'a> Page<'a> {
    /// Opens a page and waits until it has been loaded, with all that it refers to.
    ///
    /// # Errors
    /// What the browser said.
    pub async fn open(browser: &'a Browser, url: &str) -> Result<Self, String> {
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
        page.load("Page.navigate", json!({ "url": url })).await?;
        Ok(page)
    }

    /// Loads the page again, as the browser's own button does.
    ///
    /// # Errors
    /// What the browser said.
    pub async fn reload(&self) -> Result<(), String> {
        self.load("Page.reload", json!({})).await
    }

    /// Runs a script, and waits for its promise. A command of the browser has
    /// ten seconds.
    ///
    /// # Errors
    /// What the script threw.
    pub async fn run(&self, script: &str) -> Result<Value, String> {
        let parameters = json!({
            "expression": script, "returnByValue": true, "awaitPromise": true,
        });
        let mut result = self.command("Runtime.evaluate", parameters).await?;
        match result.get("exceptionDetails") {
            Some(details) => Err(format!("the script {script:?} threw {details}")),
            None => Ok(result["result"]["value"].take()),
        }
    }

    async fn load(&self, method: &str, parameters: Value) -> Result<(), String> {
        let mut events = self.browser.events.clone();
        // A load that is over is not the one to wait for.
        let before = events.borrow().len();
        let result = self.command(method, parameters).await?;
        if let Some(error) = result["errorText"].as_str() {
            return Err(format!("the browser could not load the page: {error}"));
        }
        let loaded = |event: &Value| {
            event["method"] == "Page.loadEventFired" && event["sessionId"] == self.session.as_str()
        };
        let loaded = events.wait_for(|all| all.iter().skip(before).any(loaded));
        match timeout(LOAD, loaded).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(format!("no page was loaded within {} s", LOAD.as_secs())),
        }
    }

    async fn command(&self, method: &str, parameters: Value) -> Result<Value, String> {
        self.browser
            .command(Some(&self.session), method, parameters)
            .await
    }
}
