//! hyper without a framework. Entries are kept as the HTML that they will be shown as, every
//! character that is no ASCII letter or digit as a number; each connection serves one request.

use std::{
    convert::Infallible,
    env,
    error::Error,
    sync::{PoisonError, RwLock},
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderMap, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

type Answer = Response<Full<Bytes>>;

const LONGEST_BODY: usize = 1024 * 1024;

/// The list items of all entries, oldest first.
static ENTRIES: RwLock<String> = RwLock::new(String::new());

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("Guestbook on hyper: http://{}/", listener.local_addr()?);

    store("Ferris", "Welcome!");
    store("Corro", "Sign the book, please.");
    loop {
        let (connection, _) = listener.accept().await?;
        let connection = http1::Builder::new()
            .keep_alive(false)
            .title_case_headers(true)
            .serve_connection(TokioIo::new(connection), service_fn(serve));
        // A client that goes away harms nobody else.
        tokio::spawn(async { connection.await.ok() });
    }
}

async fn serve(request: Request<Incoming>) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let query = head.uri.query().unwrap_or_default();
    Ok(match (head.uri.path(), &head.method) {
        ("/", &Method::GET | &Method::HEAD) => page(StatusCode::OK, query.as_bytes(), ""),
        ("/", &Method::POST) => match Limited::new(body, LONGEST_BODY).collect().await {
            Ok(body) => sign(&head.headers, &body.to_bytes()),
            Err(_) => notice(StatusCode::PAYLOAD_TOO_LARGE, "Too long"),
        },
        ("/", _) => wrong_method(&["GET", "POST", "HEAD"]),
        ("/hello", &Method::GET | &Method::HEAD) => {
            let name = field(query.as_bytes(), "name").unwrap_or("stranger".to_string());
            notice(StatusCode::OK, &format!("Hello, {name}!"))
        }
        ("/hello", _) => wrong_method(&["GET", "HEAD"]),
        _ => notice(StatusCode::NOT_FOUND, "Not found"),
    })
}

fn sign(headers: &HeaderMap, form: &[u8]) -> Answer {
    let [sender, message] = ["sender", "message"].map(|name| field(form, name).unwrap_or_default());
    let problem = match (sender.trim(), message.trim()) {
        ("", "") => "Who are you (sender), and what do you say (message)?",
        ("", _) => "A sender is wanted.",
        (_, "") => "A message is wanted.",
        _ => {
            store(&sender, &message);
            return see_other(headers);
        }
    };
    page(StatusCode::UNPROCESSABLE_ENTITY, form, problem)
}

/// Sends the browser to the page, with its whole URL if the request says under which name.
fn see_other(headers: &HeaderMap) -> Answer {
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let url = host.map(|host| [b"http://", host, b"/"].concat());
    let url = url.and_then(|url| HeaderValue::from_bytes(&url).ok());
    let location = url.unwrap_or(HeaderValue::from_static("/"));
    let mut answer = html(StatusCode::SEE_OTHER, String::new());
    answer.headers_mut().insert(header::LOCATION, location);
    answer
}

fn store(sender: &str, message: &str) {
    let entry = format!("<li>{} : {}</li>", escape(sender), escape(message));
    let mut entries = ENTRIES.write().unwrap_or_else(PoisonError::into_inner);
    entries.push_str(&entry);
}

/// Says which methods there are, one header line for each.
fn wrong_method(methods: &[&'static str]) -> Answer {
    let mut answer = notice(StatusCode::METHOD_NOT_ALLOWED, "Wrong method");
    for method in methods {
        let method = HeaderValue::from_static(method);
        answer.headers_mut().append(header::ALLOW, method);
    }
    answer
}

fn notice(status: StatusCode, heading: &str) -> Answer {
    let heading = escape(heading);
    html(
        status,
        format!(
            "<!doctype html><html lang=en><title>{heading}</title>\
             <header><h1><span>{heading}</span></h1></header>"
        ),
    )
}

fn page(status: StatusCode, fields: &[u8], problem: &str) -> Answer {
    let value = |name| escape(&field(fields, name).unwrap_or_default());
    let entries = ENTRIES.read().unwrap_or_else(PoisonError::into_inner);
    // No value holds a bracket, so none of these marks can come out of one.
    let page = include_str!("page.html")
        .replace("[sender]", &value("sender"))
        .replace("[message]", &value("message"))
        .replace("[problem]", problem)
        .replace("[entries]", &entries);
    html(status, page)
}

fn html(status: StatusCode, page: String) -> Answer {
    let mut answer = Response::new(Full::from(page));
    *answer.status_mut() = status;
    let content_type = HeaderValue::from_static("text/html; charset=\"utf-8\"");
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    answer
}

fn escape(text: &str) -> String {
    let escaped = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' => character.to_string(),
        // The numbers of these mean other characters in HTML.
        _ if character.is_control() => character.to_string(),
        _ => format!("&#x{:x};", u32::from(character)),
    };
    text.chars().map(escaped).collect()
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
