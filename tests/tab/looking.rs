//! What a user sees in a tab, once it is there or when patience is over.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::{BETWEEN_LOOKS, Tab};
use crate::conversation::{Conversation, PATIENCE, Step, stop};
use crate::transcript::{readable, short};

/// How a script reads what an element shows: white space folded, as a reader sees it.
const READ: &str = "innerText.replace(/\\s+/g, ' ').trim()";

impl Tab<'_> {
    /// Writes down the URL of the first WebSocket that the page opens, with the
    /// server's own address left out.
    pub async fn socket_url(&self, conversation: &Conversation) -> Step {
        let created = self.page.event_after(0, "Network.webSocketCreated").await;
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
        let mut events = self.page.browser.events.clone();
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
        let sent = sent(&self.page.browser.events.borrow());
        self.transcript.received(&self.lane, "has sent:");
        for text in sent {
            self.transcript.detail(&self.lane, text);
        }
        Ok(())
    }

    /// Waits until the tab is at this path, with whatever follows it, and writes down where it is then.
    pub async fn path_becomes(&self, expected: &str) -> Step {
        let path = "location.pathname + location.search + location.hash";
        self.becomes("html", "path", path, &json!(expected)).await
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
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => short(text),
        other => other.to_string(),
    }
}
