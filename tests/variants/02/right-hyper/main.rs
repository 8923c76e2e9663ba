//! hyper without a framework, on one thread: the messages stand in a `RefCell`, and one `Notify`
//! wakes all who wait for more. The page gets them as data and builds its list by itself, and
//! events are written with the rarest line ends that their standard allows.

use std::{
    cell::RefCell,
    convert::Infallible,
    env,
    error::Error,
    future,
    rc::Rc,
    time::{Duration, Instant},
};

use futures_util::{
    StreamExt,
    stream::{self, LocalBoxStream},
};
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Bytes, Frame, Incoming},
    header::{self, HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::Notify,
    task::{self, LocalSet},
    time::timeout,
};

type Body = StreamBody<LocalBoxStream<'static, Result<Frame<Bytes>, Infallible>>>;
type Answer = Response<Body>;

const LONGEST_WAIT: u64 = 30;
const LONGEST_BODY: usize = 1024 * 1024;
const BETWEEN_PINGS: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Book {
    messages: RefCell<Vec<Value>>,
    grown: Notify,
}

impl Book {
    fn store(&self, sender: &str, message: &str) -> Value {
        let mut messages = self.messages.borrow_mut();
        let message = json!({ "id": messages.len() + 1, "sender": sender, "message": message });
        messages.push(message.clone());
        self.grown.notify_waiters();
        message
    }

    /// The messages after an id. Ids count from 1, so the id is the number of messages before.
    fn after(&self, id: usize) -> Vec<Value> {
        self.messages.borrow().iter().skip(id).cloned().collect()
    }

    async fn after_or_wait(&self, id: usize, wait: Duration) -> Vec<Value> {
        let end = Instant::now() + wait;
        loop {
            // Nobody else runs between these two lines.
            let grown = self.grown.notified();
            let messages = self.after(id);
            let left = end.saturating_duration_since(Instant::now());
            if !messages.is_empty() || timeout(left, grown).await.is_err() {
                return messages;
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("Fetch on hyper: http://{}/", listener.local_addr()?);

    let book = Rc::new(Book::default());
    book.store("Ferris", "Welcome!");
    book.store("Corro", "Sign the book, please.");
    LocalSet::new().run_until(serve(listener, book)).await
}

async fn serve(listener: TcpListener, book: Rc<Book>) -> Result<(), Box<dyn Error>> {
    loop {
        let (connection, _) = listener.accept().await?;
        let book = book.clone();
        let service = service_fn(move |request| {
            let book = book.clone();
            async { Ok::<_, Infallible>(answer(book, request).await) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(connection), service);
        // A client that goes away harms nobody else.
        task::spawn_local(async { connection.await.ok() });
    }
}

async fn answer(book: Rc<Book>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LONGEST_BODY).collect().await else {
        return error(StatusCode::PAYLOAD_TOO_LARGE, "That is too much.");
    };
    let (body, query) = (body.to_bytes(), head.uri.query().unwrap_or_default());
    let segments: Vec<&str> = head.uri.path().split('/').skip(1).collect();
    let method = match head.method {
        Method::HEAD => Method::GET,
        method => method,
    };
    match (&segments[..], &method) {
        ([""], &Method::GET) => page(&book, StatusCode::OK, query.as_bytes(), ""),
        ([""], &Method::POST) => sign(&book, &head.headers, &body),
        (["api", "messages"], &Method::GET) => list(&book, query.as_bytes()).await,
        (["api", "messages"], &Method::POST) => create(&book, &head.headers, &body),
        ([""] | ["api", "messages"], _) => wrong_method("POST,GET,HEAD"),
        (["api", "messages", id], &Method::GET) => read(&book, id),
        (["api", "events"], &Method::GET) => events(book, &head.headers),
        (["api", "messages", _] | ["api", "events"], _) => wrong_method("GET,HEAD"),
        (["api", ..], _) => error(StatusCode::NOT_FOUND, "There is no such thing."),
        _ => html(StatusCode::NOT_FOUND, "<h1>Not found</h1>".to_string()),
    }
}

async fn list(book: &Book, query: &[u8]) -> Answer {
    let number = |name| match field(query, name) {
        None => Some(0),
        Some(text) => whole_number(&text),
    };
    let (Some(since), Some(seconds)) = (number("since"), number("wait")) else {
        return error(StatusCode::BAD_REQUEST, "This is no number.");
    };
    let wait = Duration::from_secs(LONGEST_WAIT.min(seconds as u64));
    let messages = book.after_or_wait(since, wait).await;
    json_answer(StatusCode::OK, &json!(messages))
}

/// A number of any length; what is too large counts as the largest.
fn whole_number(text: &str) -> Option<usize> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(usize::MAX))
}

fn create(book: &Book, headers: &HeaderMap, body: &[u8]) -> Answer {
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let media_type = content_type.and_then(|value| value.split(|byte| *byte == b';').next());
    let is_json = |name: &[u8]| name.trim_ascii().eq_ignore_ascii_case(b"application/json");
    if !media_type.is_some_and(is_json) {
        return error(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "I understand nothing but JSON.",
        );
    }
    let body: Value = match serde_json::from_slice(body) {
        Ok(body) => body,
        Err(_) => return error(StatusCode::BAD_REQUEST, "I cannot read this."),
    };
    let text = |name: &str| body[name].as_str().filter(|text| !text.trim().is_empty());
    let (Some(sender), Some(message)) = (text("sender"), text("message")) else {
        return error(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Say who you are & what you <want>.",
        );
    };
    let message = book.store(sender, message);
    let location = url(headers, &format!("/api/messages/{}", message["id"]));
    let mut answer = json_answer(StatusCode::CREATED, &message);
    answer.headers_mut().insert(header::LOCATION, location);
    answer
}

fn read(book: &Book, id: &str) -> Answer {
    let place = whole_number(id).and_then(|id| id.checked_sub(1));
    match place.and_then(|place| book.messages.borrow().get(place).cloned()) {
        Some(message) => json_answer(StatusCode::OK, &message),
        None => error(StatusCode::NOT_FOUND, "This one is not there."),
    }
}

fn events(book: Rc<Book>, headers: &HeaderMap) -> Answer {
    let newest = book.messages.borrow().len();
    let last = headers.get("Last-Event-ID");
    let last = last.and_then(|id| whole_number(id.to_str().ok()?));
    // An id that is not there yet is from an earlier run of the server.
    let last = last.unwrap_or(newest).min(newest);
    let texts = stream::unfold((book, last), async |(book, last)| {
        let messages = book.after_or_wait(last, BETWEEN_PINGS).await;
        let last = last + messages.len();
        let events = messages
            .iter()
            .map(|message| format!("data:{message}\rid:{}\r\r", message["id"]));
        let text: String = events.chain([":\r".to_string()]).collect();
        Some((text, (book, last)))
    });
    // A few bytes at a time, without regard for characters.
    let frames = texts.flat_map(|text| {
        let pieces: Vec<Bytes> = text
            .as_bytes()
            .chunks(5)
            .map(Bytes::copy_from_slice)
            .collect();
        stream::iter(pieces).map(|piece| Ok(Frame::data(piece)))
    });
    with_type("text/event-stream", StreamBody::new(frames.boxed_local()))
}

fn sign(book: &Book, headers: &HeaderMap, form: &[u8]) -> Answer {
    let text = |name| field(form, name).filter(|text| !text.trim().is_empty());
    let problem = match (text("sender"), text("message")) {
        (None, None) => "I need a sender and a message.",
        (None, Some(_)) => "I need a sender.",
        (Some(_), None) => "I need a message.",
        (Some(sender), Some(message)) => {
            book.store(&sender, &message);
            let mut answer = html(StatusCode::SEE_OTHER, String::new());
            let location = url(headers, "/");
            answer.headers_mut().insert(header::LOCATION, location);
            return answer;
        }
    };
    page(book, StatusCode::UNPROCESSABLE_ENTITY, form, problem)
}

/// A whole URL, if the request says under which name.
fn url(headers: &HeaderMap, path: &str) -> HeaderValue {
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let url = host.map_or(path.to_string(), |host| format!("http://{host}{path}"));
    HeaderValue::from_str(&url).expect("a host that was a header and a path of ours")
}

fn page(book: &Book, status: StatusCode, fields: &[u8], problem: &str) -> Answer {
    let value = |name| field(fields, name).unwrap_or_default();
    let data = json!({
        "messages": book.after(0),
        "sender": value("sender"),
        "message": value("message"),
        "problem": problem,
    });
    // No `<` can end the script that holds the data, and JSON reads the same without one.
    let data = data.to_string().replace('<', "\\u003c");
    html(status, include_str!("page.html").replacen("null", &data, 1))
}

fn wrong_method(allow: &'static str) -> Answer {
    let mut answer = error(StatusCode::METHOD_NOT_ALLOWED, "One does not do that.");
    let allow = HeaderValue::from_static(allow);
    answer.headers_mut().insert(header::ALLOW, allow);
    answer
}

fn error(status: StatusCode, sentence: &str) -> Answer {
    json_answer(status, &json!({ "error": sentence }))
}

fn json_answer(status: StatusCode, data: &Value) -> Answer {
    let text = format!("\n{data:#}\n");
    with_status(
        status,
        with_type("application/json;charset=utf-8", whole(text)),
    )
}

fn html(status: StatusCode, page: String) -> Answer {
    with_status(status, with_type("text/html; Charset=UTF-8", whole(page)))
}

fn whole(text: String) -> Body {
    let frame = Ok(Frame::data(Bytes::from(text)));
    StreamBody::new(stream::once(future::ready(frame)).boxed_local())
}

fn with_type(content_type: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    headers.insert(
        HeaderName::from_static("x-lesson"),
        HeaderValue::from_static("2"),
    );
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

fn with_status(status: StatusCode, mut answer: Answer) -> Answer {
    *answer.status_mut() = status;
    answer
}

/// The value of a field in a form or a query.
fn field(fields: &[u8], name: &str) -> Option<String> {
    fields.split(|byte| *byte == b'&').find_map(|field| {
        let mut halves = field.splitn(2, |byte| *byte == b'=');
        let is_wanted = decode(halves.next()?) == name;
        is_wanted.then(|| decode(halves.next().unwrap_or_default()))
    })
}

fn decode(mut text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    while let [first, rest @ ..] = text {
        text = rest;
        bytes.push(match (first, rest) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    text = after;
                    high * 16 + low
                }
                _ => b'%',
            },
            _ => *first,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}
