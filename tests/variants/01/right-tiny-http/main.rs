//! tiny_http, synchronous: a few threads share one server and take requests in turn. The message
//! is written in a textarea, the sender stands in bold type, and the form is a table.

use std::{
    env,
    error::Error,
    fmt::Write,
    io::{Cursor, Read},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use tiny_http::{Header, Method, Request, Response, Server};

const THREADS: usize = 4;
const LONGEST_BODY: u64 = 1024 * 1024;

type Page = Response<Cursor<Vec<u8>>>;

#[derive(Default)]
struct Entry {
    sender: String,
    message: String,
}

impl Entry {
    fn new(sender: &str, message: &str) -> Self {
        let (sender, message) = (sender.to_string(), message.to_string());
        Self { sender, message }
    }

    fn from_fields(text: &str) -> Self {
        let mut entry = Self::default();
        for (name, value) in fields(text) {
            match name.as_str() {
                "sender" => entry.sender = value,
                "message" => entry.message = value,
                _ => {}
            }
        }
        entry
    }

    fn problems(&self) -> String {
        let mut problems = String::new();
        for (name, text) in [("sender", &self.sender), ("message", &self.message)] {
            if text.chars().all(char::is_whitespace) {
                problems += &format!("<dt><code>{name}</code></dt><dd>must not be empty</dd>");
            }
        }
        problems
    }
}

struct Guestbook {
    entries: Mutex<Vec<Entry>>,
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let server = Arc::new(Server::http(format!("127.0.0.1:{port}"))?);
    println!("Lesson 1 (tiny_http) at http://{}", server.server_addr());

    let guestbook = Arc::new(Guestbook {
        entries: Mutex::new(vec![
            Entry::new("Ferris", "Welcome!"),
            Entry::new("Corro", "Sign the book, please."),
        ]),
    });
    let workers = [(); THREADS].map(|()| {
        let (server, guestbook) = (server.clone(), guestbook.clone());
        thread::spawn(move || {
            for mut request in server.incoming_requests() {
                let page = guestbook.answer(&mut request);
                // Whoever has gone away needs no answer.
                let _ = request.respond(page);
            }
        })
    });
    for worker in workers {
        worker.join().map_err(|_| "a worker panicked")?;
    }
    Ok(())
}

impl Guestbook {
    fn answer(&self, request: &mut Request) -> Page {
        let url = request.url().to_string();
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        match (path, request.method()) {
            ("/", Method::Get | Method::Head) => self.page(200, &Entry::from_fields(query)),
            ("/", Method::Post) => self.sign(request),
            ("/", _) => wrong_method("GET, POST"),
            ("/hello", Method::Get | Method::Head) => {
                let mut fields = fields(query);
                let name = fields.find_map(|(name, value)| (name == "name").then_some(value));
                let name = name.as_deref().unwrap_or("stranger");
                notice(200, &format!("Hello, {name}!"))
            }
            ("/hello", _) => wrong_method("GET"),
            _ => notice(404, "Not found"),
        }
    }

    fn sign(&self, request: &mut Request) -> Page {
        let mut form = String::new();
        let mut body = request.as_reader().take(LONGEST_BODY);
        if body.read_to_string(&mut form).is_err() {
            return notice(400, "This is no form");
        }
        let entry = Entry::from_fields(&form);
        if !entry.problems().is_empty() {
            return self.page(422, &entry);
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.push(entry);
        html(303, String::new()).with_header(header("location: /"))
    }

    fn page(&self, status: u16, form: &Entry) -> Page {
        let (top, rest) = halves(include_str!("page.html"), "{problem}");
        let (before_sender, rest) = halves(rest, "{sender}");
        let (before_message, rest) = halves(rest, "{message}");
        let (before_entries, bottom) = halves(rest, "{entries}");
        let problems = match status {
            422 => form.problems(),
            _ => String::new(),
        };
        let (sender, message) = (Escaped(&form.sender), Escaped(&form.message));
        let mut page = format!(
            "{top}{problems}{before_sender}{}{before_message}{}{before_entries}",
            sender.text(),
            message.text()
        );
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in entries.iter() {
            let (sender, message) = (Escaped(&entry.sender), Escaped(&entry.message));
            page += "\n<li class=\"entry\">\n  <b>";
            page += &sender.text();
            page += "</b>\n  :\n  <span>";
            page += &message.text();
            page += "</span>\n</li>";
        }
        page += bottom;
        html(status, page)
    }
}

fn halves<'a>(text: &'a str, mark: &str) -> (&'a str, &'a str) {
    text.split_once(mark).expect("page.html has every mark")
}

fn wrong_method(allow: &str) -> Page {
    notice(405, "Not allowed").with_header(header(&format!("Allow: {allow}")))
}

fn notice(status: u16, heading: &str) -> Page {
    let heading = Escaped(heading).text();
    html(
        status,
        format!(
            "<!doctype html>\n<html>\n<head><title>Guestbook</title></head>\n\
             <body>\n<article>\n<h1>\n  {heading}\n</h1>\n</article>\n</body>\n</html>\n"
        ),
    )
}

fn html(status: u16, page: String) -> Page {
    Response::from_data(page)
        .with_status_code(status)
        .with_header(header("CONTENT-TYPE: TEXT/HTML; CHARSET=UTF-8"))
}

fn header(line: &str) -> Header {
    line.parse().expect("only well-formed headers are written")
}

/// Text that stands in a page or in an attribute of it.
struct Escaped<'a>(&'a str);

impl Escaped<'_> {
    fn text(&self) -> String {
        let mut html = String::new();
        for character in self.0.chars() {
            if "<>&\"'`=".contains(character) {
                // Writing to a String does not fail.
                let _ = write!(html, "&#{:05};", u32::from(character));
            } else {
                html.push(character);
            }
        }
        html
    }
}

/// The names and values of a form or a query.
fn fields(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split('&').map(|field| {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        (decode(name), decode(value))
    })
}

fn decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        match (byte, hexadecimal(ahead.next(), ahead.next())) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                bytes = ahead;
            }
            (b'+', _) => decoded.push(b' '),
            _ => decoded.push(byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hexadecimal(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let high = char::from(high?).to_digit(16)?;
    let low = char::from(low?).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}
