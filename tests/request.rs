//! A request of a conversation, from its first word to its answer.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Url};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::answer::Answer;
use crate::conversation::{Conversation, PATIENCE, Step, Stop, stop};
use crate::events::Events;
use crate::transcript::{readable, short, short_path};

/// A request that waits for its answer.
pub struct Waiting(JoinHandle<Step<Answer>>);

impl Waiting {
    /// Whether the answer has come, or will not.
    pub fn is_over(&self) -> bool {
        self.0.is_finished()
    }

    /// The answer.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub async fn answer(self) -> Step<Answer> {
        let answer = self.0.await;
        answer.unwrap_or_else(|_| stop("the request was given up"))
    }
}

/// A request that is being written.
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    conversation: Conversation,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    details: Vec<String>,
}

impl Request {
    pub(crate) fn new(conversation: Conversation, method: Method, path: &str) -> Self {
        Self {
            conversation,
            method,
            path: path.to_string(),
            headers: Vec::new(),
            body: None,
            details: Vec::new(),
        }
    }

    /// A header, shown in the transcript.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_string(), value.to_string()));
        self.details.push(format!("{name}: {value}"));
        self
    }

    /// The body: fields as a form sends them.
    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        // The base is never used: it only lends its query to encode the fields.
        let mut url = Url::parse("http://localhost/").expect("a URL");
        url.query_pairs_mut().extend_pairs(fields);
        self.body = Some(url.query().unwrap_or_default().as_bytes().to_vec());
        self.headers.push((
            CONTENT_TYPE.to_string(),
            "application/x-www-form-urlencoded".to_string(),
        ));
        for (name, value) in fields {
            self.details.push(format!("{name} = {}", short(value)));
        }
        self
    }

    /// The body: JSON.
    pub fn json(self, data: &Value) -> Self {
        self.text("application/json", &data.to_string())
    }

    /// The body: any text, called what the content type says.
    pub fn text(mut self, content_type: &str, text: &str) -> Self {
        self.details.push(format!("content-type: {content_type}"));
        self.details.push(format!("body: {}", readable(text)));
        self.headers
            .push((CONTENT_TYPE.to_string(), content_type.to_string()));
        self.body = Some(text.as_bytes().to_vec());
        self
    }

    /// Sends the request and waits for the whole answer.
    ///
    /// # Errors
    /// When there is no whole answer in time.
    pub async fn send(self) -> Step<Answer> {
        let what = self.write_down();
        self.answer(&what, PATIENCE).await
    }

    /// Sends the request for its effect: how it is answered is what another
    /// exercise is about, so it is not written down.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub async fn send_for_its_effect(mut self) -> Step {
        let what = self.write_down();
        let conversation = self.conversation.clone();
        self.conversation = conversation.aside();
        match self.answer(&what, PATIENCE).await {
            Ok(_) => Ok(()),
            Err(Stop(reason)) => {
                conversation
                    .transcript
                    .received(&conversation.lane, &reason);
                Err(Stop(reason))
            }
        }
    }

    /// Sends the request, to be answered while the conversation goes on. It may
    /// wait longer than a step, so that a step that fails is told first.
    pub fn begin(self) -> Waiting {
        let what = self.write_down();
        Waiting(tokio::spawn(async move {
            self.answer(&what, 2 * PATIENCE).await
        }))
    }

    /// Sends the request and reads no more than the answer's head: its body is a stream.
    ///
    /// # Errors
    /// When there is no head in time.
    pub async fn open(self) -> Step<Events> {
        let what = self.write_down();
        let (conversation, request) = self.into_parts();
        let sent = conversation.patiently(&what, PATIENCE, request.send());
        let response = sent.await?;
        let answer = Answer::begin(&conversation, &response);
        answer.status();
        Ok(Events::new(answer, response))
    }

    async fn answer(self, what: &str, patience: Duration) -> Step<Answer> {
        let (conversation, request) = self.into_parts();
        let whole = async {
            let response = request.send().await?;
            let answer = Answer::begin(&conversation, &response);
            Ok(answer.with_body(response.bytes().await?.to_vec()))
        };
        let answer = conversation.patiently(what, patience, whole).await?;
        answer.status();
        Ok(answer)
    }

    fn write_down(&self) -> String {
        let what = format!("{} {}", self.method, short_path(&self.path));
        let Conversation {
            transcript, lane, ..
        } = &self.conversation;
        transcript.sent(lane, &what);
        for detail in &self.details {
            transcript.detail(lane, detail);
        }
        what
    }

    fn into_parts(self) -> (Conversation, reqwest::RequestBuilder) {
        let url = self.conversation.url(&self.path);
        let mut request = self.conversation.client.request(self.method, url);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        (self.conversation, request)
    }
}
