//! axum, but one task owns the messages and everybody who waits for more of them. The handlers
//! send it questions, and each question brings the channel for its answer: no lock is needed.

use std::{collections::HashMap, env, error::Error, time::Duration};

use axum::{
    Form, Router,
    body::Bytes,
    extract::{
        Path, Query, State,
        rejection::{BytesRejection, PathRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{
        Html, IntoResponse, Redirect, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures_util::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time::timeout,
};

const LONGEST_WAIT: u64 = 30;
const BETWEEN_PINGS: Duration = Duration::from_millis(50);

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    sender: String,
    message: String,
}

#[derive(Clone, Debug, Serialize)]
struct Message {
    message: String,
    sender: String,
    id: u64,
}

type Messages = Vec<Message>;

/// What one can ask the owner of the messages.
enum Question {
    Store(Entry, oneshot::Sender<Message>),
    Newest(oneshot::Sender<u64>),
    /// All messages after an id.
    After(u64, oneshot::Sender<Messages>),
    /// The same, once there is one.
    OnceAfter(u64, oneshot::Sender<Messages>),
}

#[derive(Default)]
struct Owner {
    messages: Messages,
    waiting: Vec<(u64, oneshot::Sender<Messages>)>,
}

impl Owner {
    async fn work(mut self, mut questions: mpsc::Receiver<Question>) {
        while let Some(question) = questions.recv().await {
            self.waiting.retain(|(_, reply)| !reply.is_closed());
            self.answer(question);
        }
    }

    /// Whoever has asked may be gone, so no answer's fate matters.
    fn answer(&mut self, question: Question) {
        match question {
            Question::Store(entry, reply) => drop(reply.send(self.store(entry))),
            Question::Newest(reply) => drop(reply.send(self.newest())),
            Question::After(id, reply) => drop(reply.send(self.after(id))),
            Question::OnceAfter(id, reply) if id < self.newest() => {
                drop(reply.send(self.after(id)));
            }
            Question::OnceAfter(id, reply) => self.waiting.push((id, reply)),
        }
    }

    fn store(&mut self, Entry { sender, message }: Entry) -> Message {
        let id = self.newest() + 1;
        let message = Message {
            message,
            sender,
            id,
        };
        self.messages.push(message.clone());
        let (ready, waiting) = self.waiting.drain(..).partition(|(last, _)| *last < id);
        self.waiting = waiting;
        for (last, reply) in ready {
            drop(reply.send(self.after(last)));
        }
        message
    }

    fn newest(&self) -> u64 {
        self.messages.last().map_or(0, |message| message.id)
    }

    fn after(&self, id: u64) -> Messages {
        let messages = self.messages.iter();
        messages
            .filter(|message| message.id > id)
            .cloned()
            .collect()
    }
}

#[derive(Clone)]
struct Guestbook(mpsc::Sender<Question>);

impl Guestbook {
    fn open() -> Self {
        let mut owner = Owner::default();
        for (sender, message) in [("Ferris", "Welcome!"), ("Corro", "Sign the book, please.")] {
            let (sender, message) = (sender.to_string(), message.to_string());
            owner.store(Entry { sender, message });
        }
        let (questions, asked) = mpsc::channel(16);
        tokio::spawn(owner.work(asked));
        Self(questions)
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> T {
        let (reply, answer) = oneshot::channel();
        let asked = self.0.send(question(reply)).await;
        asked.expect("the owner works as long as somebody may ask");
        answer.await.expect("the owner answers every question")
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!(
        "An actor's guestbook is at http://{}",
        listener.local_addr()?
    );

    let api = Router::new()
        .route("/messages", get(list).post(create))
        .route("/messages/{id}", get(read))
        .route("/events", get(events))
        .fallback(async || error(StatusCode::NOT_FOUND, "Nobody lives here."))
        .method_not_allowed_fallback(async || {
            error(StatusCode::METHOD_NOT_ALLOWED, "One cannot do that here.")
        });
    let app = Router::new()
        .route("/", get(show).post(sign))
        .nest("/api", api)
        .fallback(async || (StatusCode::NOT_FOUND, Html("<h1>Not found</h1>")))
        .with_state(Guestbook::open());
    axum::serve(listener, app).await?;
    Ok(())
}

async fn list(
    State(guestbook): State<Guestbook>,
    Query(wanted): Query<HashMap<String, String>>,
) -> Response {
    let number = |name| wanted.get(name).map_or(Ok(None), |text| whole_number(text));
    match (number("since"), number("wait")) {
        (Ok(since), Ok(wait)) => {
            let messages = more(&guestbook, since.unwrap_or(0), wait.unwrap_or(0)).await;
            json_answer(StatusCode::OK, &messages)
        }
        (Err(problem), _) | (_, Err(problem)) => error(StatusCode::BAD_REQUEST, &problem),
    }
}

fn whole_number(text: &str) -> Result<Option<u64>, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{text:?} is no whole number."));
    }
    // What is too large for a number is as good as the largest one.
    Ok(Some(text.parse().unwrap_or(u64::MAX)))
}

async fn more(guestbook: &Guestbook, since: u64, seconds: u64) -> Messages {
    let wait = Duration::from_secs(seconds.min(LONGEST_WAIT));
    let answer = guestbook.ask(|reply| Question::OnceAfter(since, reply));
    match timeout(wait, answer).await {
        Ok(messages) => messages,
        Err(_) => guestbook.ask(|reply| Question::After(since, reply)).await,
    }
}

async fn create(
    State(guestbook): State<Guestbook>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if !is_json(&headers) {
        let problem = "Please send JSON, and say so in Content-Type.";
        return error(StatusCode::UNSUPPORTED_MEDIA_TYPE, problem);
    }
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return error(rejection.status(), "The body could not be read."),
    };
    let body: Value = match serde_json::from_slice(&body) {
        Ok(body) => body,
        Err(problem) => return error(StatusCode::BAD_REQUEST, &format!("No JSON: {problem}.")),
    };
    let entry = ["sender", "message"].map(|name| body[name].as_str().filter(|text| is_said(text)));
    let [Some(sender), Some(message)] = entry else {
        let problem = "A message is made of a sender and a message, both of them texts.";
        return error(StatusCode::UNPROCESSABLE_ENTITY, problem);
    };
    let (sender, message) = (sender.to_string(), message.to_string());
    let entry = Entry { sender, message };
    let message = guestbook.ask(|reply| Question::Store(entry, reply)).await;
    let location = [(header::LOCATION, format!("/api/messages/{}", message.id))];
    (location, json_answer(StatusCode::CREATED, &message)).into_response()
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next());
    media_type.is_some_and(|name| name.trim().eq_ignore_ascii_case("application/json"))
}

fn is_said(text: &str) -> bool {
    !text.trim().is_empty()
}

async fn read(
    State(guestbook): State<Guestbook>,
    id: Result<Path<u64>, PathRejection>,
) -> Response {
    let messages = guestbook.ask(|reply| Question::After(0, reply)).await;
    let message = id.ok().and_then(|Path(id)| {
        let mut messages = messages.into_iter();
        messages.find(|message| message.id == id)
    });
    match message {
        Some(message) => json_answer(StatusCode::OK, &message),
        None => error(StatusCode::NOT_FOUND, "No message has this id."),
    }
}

async fn events(State(guestbook): State<Guestbook>, headers: HeaderMap) -> Response {
    let newest = guestbook.ask(Question::Newest).await;
    let last = headers.get("Last-Event-ID");
    let last = last.and_then(|id| id.to_str().ok()?.parse().ok());
    // An id that is not there yet is from an earlier run of the server.
    let last = last.map_or(newest, |last: u64| last.min(newest));
    let batches = stream::unfold((guestbook, last), async |(guestbook, last)| {
        let messages = guestbook
            .ask(|reply| Question::OnceAfter(last, reply))
            .await;
        let last = messages.last()?.id;
        Some((stream::iter(messages), (guestbook, last)))
    });
    let events = batches.flatten().map(|message| {
        Event::default()
            .json_data(&message)
            .map(|event| event.id(message.id.to_string()))
    });
    let pings = KeepAlive::new().interval(BETWEEN_PINGS).text("still here");
    Sse::new(events).keep_alive(pings).into_response()
}

fn error(status: StatusCode, sentence: &str) -> Response {
    json_answer(status, &json!({ "error": sentence }))
}

fn json_answer(status: StatusCode, data: &impl Serialize) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/json; charset=UTF-8")];
    match serde_json::to_string_pretty(data) {
        Ok(json) => (status, content_type, json).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn show(State(guestbook): State<Guestbook>, Query(form): Query<Entry>) -> Response {
    page(&guestbook, StatusCode::OK, &form, "").await
}

async fn sign(State(guestbook): State<Guestbook>, Form(entry): Form<Entry>) -> Response {
    let problem = match (is_said(&entry.sender), is_said(&entry.message)) {
        (true, true) => {
            guestbook.ask(|reply| Question::Store(entry, reply)).await;
            return Redirect::to("/").into_response();
        }
        (true, false) => "Please write a message.",
        (false, true) => "Please name a sender.",
        (false, false) => "Please name a sender and write a message.",
    };
    page(
        &guestbook,
        StatusCode::UNPROCESSABLE_ENTITY,
        &entry,
        problem,
    )
    .await
}

async fn page(guestbook: &Guestbook, status: StatusCode, form: &Entry, problem: &str) -> Response {
    let messages = guestbook.ask(|reply| Question::After(0, reply)).await;
    let items: String = messages.iter().map(list_item).collect();
    // What people typed has no `<` left, so it holds none of these marks.
    let html = include_str!("page.html")
        .replace("<!-- problem -->", problem)
        .replace("<!-- sender -->", &escape(&form.sender))
        .replace("<!-- message -->", &escape(&form.message))
        .replace("<!-- messages -->", &items);
    (status, Html(html)).into_response()
}

fn list_item(message: &Message) -> String {
    let (sender, text) = (escape(&message.sender), escape(&message.message));
    let id = message.id;
    format!("<li value={id}><span>{sender}</span> : <span>{text}</span></li>")
}

fn escape(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '&' => "&amp;".to_string(),
            '<' => "&lt;".to_string(),
            '>' => "&gt;".to_string(),
            '"' => "&quot;".to_string(),
            '\'' => "&#39;".to_string(),
            _ => character.to_string(),
        })
        .collect()
}
