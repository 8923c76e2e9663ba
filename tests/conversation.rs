//! The vocabulary of a conversation: requests, sockets and browser tabs, each
//! of which writes down what was said.

use std::time::Duration;

use reqwest::{Method, StatusCode, redirect};
use tokio::time::timeout;

use crate::answer::Answer;
use crate::browser::Browser;
use crate::redis_server::LeftRunning;
use crate::request::Request;
use crate::server::{Server, Servers};
use crate::socket::{LeftOpen, Socket};
use crate::tab::Tab;
use crate::transcript::Transcript;

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
    pub(crate) client: reqwest::Client,
    pub(crate) lane: String,
    pub(crate) left_open: LeftOpen,
    pub(crate) left_running: LeftRunning,
    /// All servers of the conversation, to be ended and read together.
    pub(crate) servers: Servers,
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
            servers: Servers::new(server.clone()),
            server,
            transcript: Transcript::default(),
            client,
            lane: CLIENT.to_string(),
            left_open: LeftOpen::default(),
            left_running: LeftRunning::default(),
        }
    }

    /// The same conversation, at one more process of the program, which is
    /// started with these environment variables.
    pub async fn at_another_server(&self, environment: &[(&str, &str)]) -> Step<Self> {
        let server = self.server.another(environment).await.map_err(Stop)?;
        self.servers.add(server.clone());
        Ok(Self {
            server,
            ..self.clone()
        })
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
        Request::new(self.clone(), method, path)
    }

    /// Begins a POST.
    pub fn post(&self, path: &str) -> Request {
        self.request(Method::POST, path)
    }

    /// Opens a WebSocket.
    pub async fn socket(&self, lane: &str, path: &str) -> Step<Socket> {
        Socket::open(self, lane, path, None).await
    }

    /// Asks for a WebSocket, which the server may refuse; the status of its refusal.
    pub async fn ask_for_socket(&self, lane: &str, path: &str) -> Step<Result<Socket, StatusCode>> {
        Socket::ask(self, lane, path, None).await
    }

    /// Opens a WebSocket whose client has room for no more than about that many
    /// unread bytes in its kernel.
    pub async fn narrow_socket(&self, lane: &str, path: &str, unread: u32) -> Step<Socket> {
        Socket::open(self, lane, path, Some(unread)).await
    }

    /// Opens a WebSocket, whatever subprotocol the server picks.
    pub async fn lenient_socket(&self, lane: &str, path: &str) -> Step<Socket> {
        Socket::open_leniently(self, lane, path).await
    }

    /// Opens a WebSocket whose client offers these subprotocols, if any.
    pub async fn socket_offering(
        &self,
        lane: &str,
        path: &str,
        offer: Option<&str>,
    ) -> Step<Socket> {
        Socket::open_offering(self, lane, path, offer).await
    }

    /// Opens a page in a browser.
    pub async fn tab<'a>(&self, browser: &'a Browser, lane: &str, path: &str) -> Step<Tab<'a>> {
        Tab::open(self, browser, lane, path).await
    }

    /// The URL of a path on this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address)
    }

    /// Waits for an answer, and writes down when there is none.
    pub(crate) async fn patiently<T>(
        &self,
        what: &str,
        patience: Duration,
        answer: impl Future<Output = reqwest::Result<T>>,
    ) -> Step<T> {
        let (instead, reason) = match timeout(patience, answer).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) if error.is_connect() => (
                "no connection".to_string(),
                format!(
                    "nobody accepted a connection on {} for {what}",
                    self.server.address
                ),
            ),
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

/// What the transcript says when nothing came in time.
pub fn nothing_within() -> String {
    format!("nothing within {} s", PATIENCE.as_secs())
}
