//! Lesson 1: a guestbook made of whole pages.

use std::{
    env,
    fmt::{self, Display, Formatter},
    process,
    sync::{Arc, Mutex},
};

use askama::Template;
use axum::{
    Form, Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use tokio::net::TcpListener;

/// Requests are answered side by side, so the entries stand behind a lock. Its
/// `unwrap` fails only after a panic of our own while the lock was held.
type Guestbook = Mutex<Vec<Entry>>;

// ANCHOR: entry
/// What somebody wrote. A field that the form does not send is empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    sender: String,
    message: String,
}
// ANCHOR_END: entry

impl Entry {
    fn new(sender: &str, message: &str) -> Entry {
        Entry {
            sender: sender.to_string(),
            message: message.to_string(),
        }
    }

    // ANCHOR: missing
    /// The form's names of the fields that are empty or hold spaces alone.
    fn missing(&self) -> Vec<&'static str> {
        let fields = [("sender", &self.sender), ("message", &self.message)];
        let empty = fields.iter().filter(|(_, text)| text.trim().is_empty());
        empty.map(|(name, _)| *name).collect()
    }
    // ANCHOR_END: missing
}

impl Display for Entry {
    fn fmt(&self, formatter: &mut Formatter) -> fmt::Result {
        write!(formatter, "{} : {}", self.sender, self.message)
    }
}

// ANCHOR: guestbook_page_template
#[derive(Template)]
#[template(path = "page.html")]
struct GuestbookPage {
    entries: Vec<Entry>,
    /// What stands in the two fields of the form.
    form: Entry,
    /// Why an entry was refused, or nothing.
    problem: String,
}
// ANCHOR_END: guestbook_page_template

#[derive(Template)]
#[template(path = "notice.html")]
struct NoticePage {
    heading: String,
}

#[derive(Deserialize)]
struct Visitor {
    name: Option<String>,
}

#[tokio::main]
async fn main() {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .unwrap_or_else(|error| {
            eprintln!(
                "Lesson 1 cannot listen on port {port}: {error}. \
                 Choose another one: PORT=8001 cargo run --bin lesson-1"
            );
            process::exit(1)
        });
    let address = listener
        .local_addr()
        .expect("a bound listener has an address");
    println!("Lesson 1 is at http://{address}");
    axum::serve(listener, app())
        .await
        .expect("axum::serve does not end");
}

// ANCHOR: app
fn app() -> Router {
    let guestbook: Guestbook = Mutex::new(vec![
        Entry::new("Ferris", "Welcome!"),
        Entry::new("Corro", "Sign the book, please."),
    ]);
    Router::new()
        .route("/", get(show).post(sign))
        .route("/hello", get(hello))
        .route("/style.css", get(style))
        .fallback(not_found)
        .with_state(Arc::new(guestbook))
}
// ANCHOR_END: app

async fn hello(Query(visitor): Query<Visitor>) -> Response {
    let heading = greeting(visitor.name);
    page(StatusCode::OK, NoticePage { heading })
}

/// Exercise 1.1: a greeting by name, or one for a stranger.
fn greeting(name: Option<String>) -> String {
    match name {
        Some(name) => format!("Hello, {name}!"),
        None => "Hello, stranger!".to_string(),
    }
}

// ANCHOR: show
async fn show(State(guestbook): State<Arc<Guestbook>>, Query(form): Query<Entry>) -> Response {
    let nothing = String::new();
    page(StatusCode::OK, guestbook_page(&guestbook, form, nothing))
}
// ANCHOR_END: show

// ANCHOR: sign
async fn sign(State(guestbook): State<Arc<Guestbook>>, Form(entry): Form<Entry>) -> Response {
    let missing = entry.missing();
    if missing.is_empty() {
        store(&guestbook, entry)
    } else {
        refuse(&guestbook, entry, missing)
    }
}
// ANCHOR_END: sign

/// Exercise 1.3: the entry goes into the book, the browser back to the page.
fn store(guestbook: &Guestbook, entry: Entry) -> Response {
    use axum::response::Redirect;

    guestbook.lock().unwrap().push(entry);
    Redirect::to("/").into_response()
}

/// Exercise 1.5, first half: the page once more, with what was typed and what is missing.
fn refuse(guestbook: &Guestbook, form: Entry, missing: Vec<&str>) -> Response {
    let problem = format!("Please fill in: {}.", missing.join(", "));
    let again = guestbook_page(guestbook, form, problem);
    page(StatusCode::UNPROCESSABLE_ENTITY, again)
}

/// Exercise 1.5, second half: a page for the paths that nobody else answers.
async fn not_found() -> Response {
    let heading = "Not found".to_string();
    page(StatusCode::NOT_FOUND, NoticePage { heading })
}

fn guestbook_page(guestbook: &Guestbook, form: Entry, problem: String) -> GuestbookPage {
    GuestbookPage {
        entries: guestbook.lock().unwrap().clone(),
        form,
        problem,
    }
}

// ANCHOR: page
fn page(status: StatusCode, template: impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
// ANCHOR_END: page

async fn style() -> Response {
    let css = include_str!("../../lessons/style.css");
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], css).into_response()
}
