//! Lesson 2: the guestbook answers in JSON too, so that its page need not be loaded again.

mod guestbook;

use std::{env, process, sync::Arc};

use askama::Template;
use axum::{
    Form, Json, Router,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use guestbook::{Entry, Guestbook, Message};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[derive(Template)]
#[template(path = "page.html")]
struct GuestbookPage {
    messages: Vec<Message>,
    /// What stands in the two fields of the form.
    form: Entry,
    /// Why an entry was refused, or nothing.
    problem: String,
}

// ANCHOR: wanted
/// Which messages somebody asks for, and how many seconds they would wait for one.
#[derive(Deserialize)]
struct Wanted {
    since: Option<u64>,
    wait: Option<u64>,
}
// ANCHOR_END: wanted

#[tokio::main]
async fn main() {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .unwrap_or_else(|error| {
            eprintln!(
                "Lesson 2 cannot listen on port {port}: {error}. \
                 Choose another one: PORT=8001 cargo run --bin lesson-2"
            );
            process::exit(1)
        });
    let address = listener
        .local_addr()
        .expect("a bound listener has an address");
    println!("Lesson 2 is at http://{address}");
    axum::serve(listener, app())
        .await
        .expect("axum::serve does not end");
}

// ANCHOR: app
fn app() -> Router {
    let guestbook = Guestbook::default();
    guestbook.store(Entry::new("Ferris", "Welcome!"));
    guestbook.store(Entry::new("Corro", "Sign the book, please."));

    Router::new()
        .route("/", get(show).post(sign))
        .route("/style.css", get(style))
        .route("/api/messages", get(list).post(create))
        .route("/api/messages/{id}", get(read))
        .route("/api/events", get(events))
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Arc::new(guestbook))
}
// ANCHOR_END: app

// ANCHOR: list
async fn list(
    State(guestbook): State<Arc<Guestbook>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let Ok(Query(wanted)) = wanted else {
        return error(StatusCode::BAD_REQUEST, "since and wait are whole numbers.");
    };
    match (wanted.since, wanted.wait) {
        (None, _) => everything(&guestbook),
        (Some(since), None) => Json(after(&guestbook, since)).into_response(),
        (Some(since), Some(seconds)) => wait_for_more(&guestbook, since, seconds).await,
    }
}
// ANCHOR_END: list

/// Exercise 2.1: all messages as JSON.
fn everything(guestbook: &Guestbook) -> Response {
    Json(guestbook.all()).into_response()
}

/// Exercise 2.2, first half: stores what is sent as JSON. The body is any JSON
/// at first, because broken JSON has another answer than JSON with no sender.
async fn create(
    State(guestbook): State<Arc<Guestbook>>,
    body: Result<Json<Value>, JsonRejection>,
) -> Response {
    let body = match body {
        Ok(Json(body)) => body,
        Err(rejection) => return error(rejection.status(), &rejection.body_text()),
    };
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let entry = Entry::new(text("sender"), text("message"));
    let missing = entry.missing();
    if !missing.is_empty() {
        return error(StatusCode::UNPROCESSABLE_ENTITY, &please_fill_in(missing));
    }
    let message = guestbook.store(entry);
    let location = format!("/api/messages/{}", message.id);
    let headers = [(header::LOCATION, location)];
    (StatusCode::CREATED, headers, Json(message)).into_response()
}

/// Exercise 2.2, second half: one message.
async fn read(
    State(guestbook): State<Arc<Guestbook>>,
    id: Result<Path<u64>, PathRejection>,
) -> Response {
    let mut messages = guestbook.all().into_iter();
    let message = match id {
        Ok(Path(id)) => messages.find(|message| message.id == id),
        Err(_) => None,
    };
    match message {
        Some(message) => Json(message).into_response(),
        None => error(StatusCode::NOT_FOUND, "There is no such message."),
    }
}

/// Exercise 2.3: the messages whose id is greater than `since`.
fn after(guestbook: &Guestbook, since: u64) -> Vec<Message> {
    let messages = guestbook.all().into_iter();
    messages.filter(|message| message.id > since).collect()
}

/// Exercise 2.5: the messages after `since`, as soon as there is one, or none after `seconds`.
async fn wait_for_more(guestbook: &Guestbook, since: u64, seconds: u64) -> Response {
    use std::time::Duration;
    use tokio::time::timeout;

    let mut newest = guestbook.newest.subscribe();
    let longest = Duration::from_secs(seconds.min(30));
    // Subscribed first, read afterwards: nothing that is stored meanwhile is missed.
    let _ = timeout(longest, newest.wait_for(|newest| *newest > since)).await;
    Json(after(guestbook, since)).into_response()
}

/// Exercise 2.6: every message from now on, or from the browser's last one on, as an event.
async fn events(State(guestbook): State<Arc<Guestbook>>, headers: HeaderMap) -> Response {
    use axum::response::sse::{Event, KeepAlive, Sse};
    use futures_util::stream::{self, StreamExt};

    let newest = *guestbook.newest.borrow();
    let last_seen = headers
        .get("Last-Event-ID")
        .and_then(|id| id.to_str().ok()?.parse().ok())
        .unwrap_or(newest)
        // After a restart the ids begin again, and the browser still has an old one.
        .min(newest);
    // Each turn waits until there is something newer, and takes all of it.
    let batches = stream::unfold((guestbook, last_seen), |(guestbook, seen)| async move {
        let mut newest = guestbook.newest.subscribe();
        newest.wait_for(|newest| *newest > seen).await.ok()?;
        let messages = after(&guestbook, seen);
        let seen = messages.last()?.id;
        Some((stream::iter(messages), (guestbook, seen)))
    });
    let events = batches.flatten().map(|message| {
        let event = Event::default().id(message.id.to_string());
        event.json_data(message)
    });
    let stream = Sse::new(events).keep_alive(KeepAlive::default());
    stream.into_response()
}

async fn no_such_path() -> Response {
    error(StatusCode::NOT_FOUND, "There is nothing at this path.")
}

async fn wrong_method() -> Response {
    error(StatusCode::METHOD_NOT_ALLOWED, "Not with this method.")
}

// ANCHOR: error
fn error(status: StatusCode, sentence: &str) -> Response {
    (status, Json(json!({ "error": sentence }))).into_response()
}
// ANCHOR_END: error

async fn show(State(guestbook): State<Arc<Guestbook>>, Query(form): Query<Entry>) -> Response {
    let nothing = String::new();
    page(StatusCode::OK, guestbook_page(&guestbook, form, nothing))
}

async fn sign(State(guestbook): State<Arc<Guestbook>>, Form(entry): Form<Entry>) -> Response {
    let missing = entry.missing();
    if missing.is_empty() {
        guestbook.store(entry);
        Redirect::to("/").into_response()
    } else {
        let problem = please_fill_in(missing);
        let again = guestbook_page(&guestbook, entry, problem);
        page(StatusCode::UNPROCESSABLE_ENTITY, again)
    }
}

fn please_fill_in(missing: Vec<&str>) -> String {
    format!("Please fill in: {}.", missing.join(", "))
}

fn guestbook_page(guestbook: &Guestbook, form: Entry, problem: String) -> GuestbookPage {
    GuestbookPage {
        messages: guestbook.all(),
        form,
        problem,
    }
}

fn page(status: StatusCode, template: impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn style() -> Response {
    let css = include_str!("../../lessons/style.css");
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], css).into_response()
}
