//! What may be the cause when a tab does not show what it should.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::Tab;
use crate::conversation::{PATIENCE, Step, stop};

impl Tab<'_> {
    /// What may be the cause when the page does not show what it should.
    pub(super) async fn troubles(&self) -> String {
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
        let events = self.page.browser.events.borrow();
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

    pub(super) fn thrown(&self) -> Vec<String> {
        let events = self.page.browser.events.borrow();
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

    pub(super) async fn nothing(&self, what: &str) -> Step {
        self.transcript
            .received(&self.lane, format!("no sign of {what}"));
        stop(format!(
            "no sign of {what} in {} within {} s{}",
            self.lane,
            PATIENCE.as_secs(),
            self.troubles().await
        ))
    }
}
