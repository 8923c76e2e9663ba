//! An HTTP answer, of which only what an exercise is about is written down.

use std::collections::BTreeSet;

use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use scraper::{ElementRef, Html, Selector};
use serde_json::Value;

use crate::conversation::Conversation;
use crate::transcript::{Transcript, readable_data, short};

/// A whole answer. Its methods write a part of it into the transcript.
pub struct Answer {
    pub(crate) transcript: Transcript,
    pub(crate) lane: String,
    /// The status, for conversations that go on differently after a failure.
    pub status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    /// The URL of the server, without a path.
    server: String,
}

/// A status with the words that RFC 9110 gives it: `303 See Other`.
pub fn status_line(status: StatusCode) -> String {
    format!(
        "{} {}",
        status.as_u16(),
        status.canonical_reason().unwrap_or("")
    )
    .trim_end()
    .to_string()
}

impl Answer {
    /// The head of an answer whose body is still to come.
    pub(crate) fn begin(conversation: &Conversation, response: &Response) -> Self {
        Self {
            transcript: conversation.transcript.clone(),
            lane: conversation.lane.clone(),
            status: response.status(),
            headers: response.headers().clone(),
            body: Vec::new(),
            server: conversation.url(""),
        }
    }

    pub(crate) fn with_body(self, body: Vec<u8>) -> Self {
        Self { body, ..self }
    }

    pub(crate) fn status(&self) {
        self.transcript
            .received(&self.lane, status_line(self.status));
    }

    /// Writes down the media type and its charset, in the one spelling that RFC 9110 8.3 calls best.
    pub fn content_type(&self) {
        let value = self.content_type_value().replace('"', "");
        let mut parts = value.split(';').map(|part| part.trim().to_lowercase());
        let media_type = parts.next().unwrap_or_default();
        // JSON is UTF-8 by definition, so saying so changes nothing (RFC 8259 8.1).
        let charset = parts
            .find(|part| part.starts_with("charset="))
            .filter(|_| media_type != "application/json")
            .map(|charset| format!("; {charset}"));
        self.detail(format!(
            "content-type: {media_type}{}",
            charset.unwrap_or_default()
        ));
    }

    /// Writes down the media type alone, where the charset is free.
    pub fn media_type(&self) {
        let value = self.content_type_value().to_lowercase();
        let media_type = value.split(';').next().unwrap_or_default().trim();
        self.detail(format!("content-type: {media_type}"));
    }

    /// Writes down where the answer sends its reader. Whether it names its own
    /// server again is free.
    pub fn location(&self) {
        let value = self.header_value("location");
        let path = match value.strip_prefix(&self.server) {
            Some("") => "/",
            Some(path) if path.starts_with('/') => path,
            _ => &value,
        };
        self.detail(format!("location: {path}"));
    }

    /// Writes down the methods that are allowed. HEAD and OPTIONS may come with GET.
    pub fn allow(&self) {
        // A list may stand in several lines of the same name (RFC 9110 5.3).
        let lines = self.headers.get_all("allow").iter();
        let lines: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
        let value = lines.join(",").to_uppercase();
        let methods: BTreeSet<&str> = value
            .split(',')
            .map(str::trim)
            .filter(|method| !matches!(*method, "HEAD" | "OPTIONS" | ""))
            .collect();
        let methods: Vec<&str> = methods.into_iter().collect();
        self.detail(format!("allow: {}", methods.join(", ")));
    }

    /// Writes down the text of each element that matches, or that there is none.
    pub fn texts(&self, selector: &str) {
        let page = self.page();
        let wanted = parse(selector);
        let mut elements = page.select(&wanted).peekable();
        if elements.peek().is_none() {
            self.detail(format!("{selector}: none"));
        }
        for element in elements {
            self.detail(format!("{selector}: {}", short(&text_of(element))));
        }
    }

    /// Writes down what a form field holds.
    pub fn field(&self, name: &str) {
        let page = self.page();
        let wanted = parse(&format!("[name={name}]"));
        let value = page.select(&wanted).next().map(|field| {
            let value = field.value().attr("value").map(str::to_string);
            // A textarea holds its value as its text.
            value.unwrap_or_else(|| field.text().collect())
        });
        match value {
            Some(value) => self.detail(format!("field {name}: {}", short(&value))),
            None => self.detail(format!("field {name}: none")),
        }
    }

    /// Writes down that no element matches, or the first one that does.
    pub fn no_element(&self, selector: &str) {
        let page = self.page();
        let found = page.select(&parse(selector)).next();
        let found = found.map_or("none".to_string(), |element| short(&element.html()));
        self.detail(format!("elements {selector}: {found}"));
    }

    /// Writes down which of these words an element contains.
    pub fn names(&self, selector: &str, words: &[&str]) {
        let page = self.page();
        let text: String = page.select(&parse(selector)).map(text_of).collect();
        let named: Vec<&str> = words
            .iter()
            .copied()
            .filter(|word| text.to_lowercase().contains(word))
            .collect();
        let named = if named.is_empty() {
            "none".to_string()
        } else {
            named.join(", ")
        };
        self.detail(format!("{selector} names: {named}"));
    }

    /// Writes down the body as JSON; an array an element a line.
    pub fn json(&self) {
        match self.json_value() {
            Some(Value::Array(elements)) if elements.is_empty() => self.detail("body: []"),
            Some(Value::Array(elements)) => {
                self.detail("body: [");
                for element in &elements {
                    self.detail(format!("  {}", readable_data(element)));
                }
                self.detail("]");
            }
            Some(data) => self.detail(format!("body: {}", readable_data(&data))),
            None => self.detail(format!(
                "body, which is not JSON: {}",
                short(self.text().trim())
            )),
        }
    }

    /// Writes down the body as text, without the white space around it.
    pub fn body(&self) {
        self.detail(format!("body: {}", short(self.text().trim())));
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, if it is.
    pub fn json_value(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The media type as the server wrote it.
    pub fn content_type_value(&self) -> String {
        self.header_value("content-type")
    }

    /// A header's value, or `none`.
    fn header_value(&self, name: &str) -> String {
        match self.headers.get(name) {
            Some(value) => String::from_utf8_lossy(value.as_bytes()).into_owned(),
            None => "none".to_string(),
        }
    }

    fn page(&self) -> Html {
        Html::parse_document(&self.text())
    }

    fn detail(&self, detail: impl Into<String>) {
        self.transcript.detail(&self.lane, detail);
    }
}

/// An element's text as a reader sees it: white space folded, none at the ends.
fn text_of(element: ElementRef) -> String {
    let text: String = element.text().collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn parse(selector: &str) -> Selector {
    Selector::parse(selector).expect("the selectors of the graders are well formed")
}
