//! The vocabulary of a conversation: requests, sockets and browser tabs, each
//! of which writes down what was said.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Url, redirect};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::answer::Answer;
use crate::browser::Browser;
use crate::events::Events;
use crate::server::Server;
use crate::socket::Socket;
use crate::tab::Tab;
use crate::transcript::{Transcript, readable, short};

/// How long one step may take.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The client of a conversation that has only one.
pub const CLIENT: &str = "client";

/// Why a conversation could not go on, in one sentence for the learner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop(pub String);

/// What a step of a conversation gives.
pub type Step<T = ()> = Result<T, Stop>;

/// Ends a conversation with its reason.
pub fn stop<T>(reason: impl Into<String>) -> Step<T> {
    Err(Stop(reason.into()))
}

/// A conversation with a running server. Clones go on with the same one.
#[derive(Clone)]
pub struct Conversation {
    /// The server on the other side.
    pub server: Server,
    /// What has been said so far.
    pub transcript: Transcript,
    client: reqwest::Client,
    lane: String,
}

impl Conversation {
    /// A conversation that begins now.
    pub fn new(server: Server) -> Self {
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("a client without TLS can always be built");
        Self {
            server,
            transcript: Transcript::default(),
            client,
            lane: CLIENT.to_string(),
        }
    }

    /// The same conversation, spoken by a client of another name.
    pub fn by(&self, lane: &str) -> Self {
        Self {
            lane: lane.to_string(),
            ..self.clone()
        }
    }

    /// The same server, without writing anything down.
    pub fn aside(&self) -> Self {
        Self {
            transcript: Transcript::default(),
            ..self.clone()
        }
    }

    /// Opens a step of the transcript.
    pub fn step(&self, title: &str) {
        self.transcript.step(title);
    }

    /// Asks for a page or a resource.
    pub async fn get(&self, path: &str) -> Step<Answer> {
        self.request(Method::GET, path).send().await
    }

    /// Begins a request, to be completed with a body and sent.
    pub fn request(&self, method: Method, path: &str) -> Request {
        Request {
            conversation: self.clone(),
            method,
            path: path.to_string(),
            headers: Vec::new(),
            body: None,
            details: Vec::new(),
        }
    }

    /// Begins a POST.
    pub fn post(&self, path: &str) -> Request {
        self.request(Method::POST, path)
    }

    /// Opens a WebSocket.
    pub async fn socket(&self, lane: &str, path: &str) -> Step<Socket> {
        Socket::open(self, lane, path, None).await
    }

    /// Opens a WebSocket whose client has room for no more than about that many
    /// unread bytes in its kernel.
    pub async fn narrow_socket(&self, lane: &str, path: &str, unread: u32) -> Step<Socket> {
        Socket::open(self, lane, path, Some(unread)).await
    }

    /// Opens a page in a browser.
    pub async fn tab<'a>(&self, browser: &'a Browser, lane: &str, path: &str) -> Step<Tab<'a>> {
        Tab::open(self, browser, lane, path).await
    }

    /// The URL of a path on this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address)
    }
}

impl Conversation {
    /// Waits for an answer, and writes down when there is none.
    async fn patiently<T>(
        &self,
        what: &str,
        patience: Duration,
        answer: impl Future<Output = reqwest::Result<T>>,
    ) -> Step<T> {
        let (instead, reason) = match timeout(patience, answer).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(_)) => (
                "the end of the connection without an answer".to_string(),
                format!("the connection ended without an answer to {what}"),
            ),
            Err(_) => (
                format!("nothing within {} s", patience.as_secs()),
                format!("no answer to {what} within {} s", patience.as_secs()),
            ),
        };
        self.transcript.received(&self.lane, instead);
        stop(reason)
    }
}

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
        let transcript = self.conversation.transcript.clone();
        self.conversation = self.conversation.aside();
        let answer = self.answer(&what, PATIENCE).await;
        answer.map(|_| ()).inspect_err(|Stop(reason)| {
            transcript.received(CLIENT, reason);
        })
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
        let response = conversation
            .patiently(&what, PATIENCE, request.send())
            .await?;
        let answer = Answer {
            transcript: conversation.transcript,
            lane: conversation.lane,
            status: response.status(),
            headers: response.headers().clone(),
            body: Vec::new(),
        };
        answer.status();
        Ok(Events::new(answer, response))
    }

    async fn answer(self, what: &str, patience: Duration) -> Step<Answer> {
        let (conversation, request) = self.into_parts();
        let whole = async {
            let response = request.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok((status, headers, response.bytes().await?))
        };
        let (status, headers, body) = conversation.patiently(what, patience, whole).await?;
        let answer = Answer {
            transcript: conversation.transcript,
            lane: conversation.lane,
            status,
            headers,
            body: body.to_vec(),
        };
        answer.status();
        Ok(answer)
    }

    fn write_down(&self) -> String {
        let what = format!("{} {}", self.method, self.path);
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

/// What the transcript says when nothing came in time.
pub fn nothing_within() -> String {
    format!("nothing within {} s", PATIENCE.as_secs())
}
