//! The standard library and a JSON parser: a thread for each connection, which serves one request
//! and closes; whoever waits for a message sleeps on a condition variable. It thinks for a while
//! before each answer, and writes HTTP and JSON by hand, the JSON in ASCII alone.

use std::{
    collections::HashMap,
    env,
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use serde_json::Value;

const THINKING: Duration = Duration::from_millis(100);
const LONGEST_WAIT: u64 = 30;
const BETWEEN_PINGS: Duration = Duration::from_millis(250);
const LONGEST_LINE: u64 = 64 * 1024;
const MOST_HEADERS: usize = 200;
const LONGEST_BODY: usize = 1024 * 1024;

type Fields = HashMap<String, String>;

/// A sender and a message. Its id is its place in the book, counted from 1.
#[derive(Clone)]
struct Entry(String, String);

#[derive(Default)]
struct Book {
    entries: Mutex<Vec<Entry>>,
    has_grown: Condvar,
}

impl Book {
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        let entries = self.entries.lock();
        entries.expect("nobody panics with the book in hand")
    }

    fn store(&self, sender: &str, message: &str) -> usize {
        let mut entries = self.entries();
        entries.push(Entry(sender.to_string(), message.to_string()));
        self.has_grown.notify_all();
        entries.len()
    }

    /// What stands in the book after its first entries, as soon as there is something.
    fn after(&self, since: usize, wait: Duration) -> Vec<(usize, Entry)> {
        let nothing_new = |entries: &mut Vec<Entry>| entries.len() <= since;
        let (entries, _) = self
            .has_grown
            .wait_timeout_while(self.entries(), wait, nothing_new)
            .expect("nobody panics with the book in hand");
        let entries = entries.iter().cloned();
        (1..).zip(entries).skip(since).collect()
    }
}

struct Request {
    method: String,
    path: String,
    query: Fields,
    headers: Fields,
    body: Vec<u8>,
}

struct Answer {
    status: &'static str,
    content_type: &'static str,
    header: String,
    body: String,
}

fn main() -> io::Result<()> {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))?;
    println!("Lesson 2, in threads: http://{}", listener.local_addr()?);

    let book = Arc::new(Book::default());
    book.store("Ferris", "Welcome!");
    book.store("Corro", "Sign the book, please.");
    for connection in listener.incoming() {
        let (connection, book) = (connection?, book.clone());
        thread::spawn(move || converse(&book, &connection));
    }
    Ok(())
}

fn converse(book: &Book, connection: &TcpStream) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection);
    let (answer, without_body) = match read_request(&mut reader, connection) {
        Ok(request) if request.path == "/api/events" && request.method == "GET" => {
            return send_events(book, connection, &request);
        }
        Ok(request) => (answer(book, &request), request.method == "HEAD"),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            (problem("400 Say Again", "This is no request."), false)
        }
        Err(error) => return Err(error),
    };
    thread::sleep(THINKING);
    write_answer(connection, &answer, without_body)?;
    // What the client may still be sending is read, or the system would take the answer back.
    connection.shutdown(Shutdown::Write)?;
    connection.set_read_timeout(Some(Duration::from_secs(1)))?;
    io::copy(&mut reader, &mut io::sink())?;
    Ok(())
}

fn read_request(reader: &mut impl BufRead, mut connection: &TcpStream) -> io::Result<Request> {
    let first = read_line(reader)?;
    let mut words = first.split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1")) = (words.next(), words.next(), words.next())
    else {
        return nonsense();
    };
    let headers = read_headers(reader)?;
    if headers.contains_key("transfer-encoding") {
        return nonsense();
    }
    if headers.contains_key("expect") {
        connection.write_all(b"HTTP/1.1 100 Go On\r\n\r\n")?;
    }
    let mut body = Vec::new();
    match headers.get("content-length").map(|length| length.parse()) {
        None => {}
        Some(Ok(length)) if length <= LONGEST_BODY => {
            body.resize(length, 0);
            reader.read_exact(&mut body)?;
        }
        Some(_) => return nonsense(),
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok(Request {
        method: method.to_string(),
        path: path.to_string(),
        query: read_fields(query),
        headers,
        body,
    })
}

fn read_headers(reader: &mut impl BufRead) -> io::Result<Fields> {
    let mut headers = Fields::new();
    for _ in 0..MOST_HEADERS {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Ok(headers);
        }
        let Some((name, value)) = line.split_once(':') else {
            return nonsense();
        };
        headers.insert(name.to_lowercase(), value.trim().to_string());
    }
    nonsense()
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.by_ref().take(LONGEST_LINE).read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_string()),
        None if line.is_empty() => Err(ErrorKind::UnexpectedEof.into()),
        None => nonsense(),
    }
}

fn nonsense<T>() -> io::Result<T> {
    Err(ErrorKind::InvalidData.into())
}

fn answer(book: &Book, request: &Request) -> Answer {
    let method = match request.method.as_str() {
        "HEAD" => "GET",
        method => method,
    };
    match (method, request.path.as_str()) {
        ("GET", "/") => page(book, "200 Here It Is", &request.query, ""),
        ("POST", "/") => sign(book, &request.body),
        ("GET", "/api/messages") => list(book, &request.query),
        ("POST", "/api/messages") => create(book, request),
        (_, "/" | "/api/messages") => wrong_method("GET, HEAD, POST"),
        ("GET", "/api/events") => event_stream(),
        (_, "/api/events") => wrong_method("GET, HEAD"),
        (_, path) => match (path.strip_prefix("/api/messages/"), method) {
            (Some(id), "GET") => read(book, id),
            (Some(_), _) => wrong_method("GET, HEAD"),
            _ if path.starts_with("/api/") => problem("404 No", "There is nothing to be had here."),
            _ => html("404 No", "<!doctype html><h1>Not found</h1>".to_string()),
        },
    }
}

fn list(book: &Book, query: &Fields) -> Answer {
    let number = |name| query.get(name).map(|text| whole_number(text));
    let since = match number("since") {
        None => 0,
        Some(Some(since)) => since,
        Some(None) => return problem("400 What", "After which id, please?"),
    };
    let wait = match number("wait") {
        None => 0,
        Some(Some(seconds)) => LONGEST_WAIT.min(seconds as u64),
        Some(None) => return problem("400 What", "How many seconds, please?"),
    };
    let messages = book.after(since, Duration::from_secs(wait));
    let messages: Vec<String> = messages.iter().map(json_message).collect();
    json(
        "200 Here You Are",
        format!("[ {} ]\n", messages.join(" ,\n  ")),
    )
}

/// A number of any length; what is too large counts as the largest.
fn whole_number(text: &str) -> Option<usize> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(usize::MAX))
}

fn create(book: &Book, request: &Request) -> Answer {
    let content_type = request.headers.get("content-type");
    let media_type = content_type.and_then(|value| value.split(';').next());
    if media_type.map(|name| name.trim().to_lowercase()) != Some("application/json".to_string()) {
        return problem("415 Not JSON", "Only application/json is read here.");
    }
    let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
        return problem("400 Broken", "This JSON is \"broken\", or none at all.");
    };
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let (sender, message) = (text("sender"), text("message"));
    if sender.trim().is_empty() {
        return problem("422 Who", "Who is it that says this? \u{1f914}");
    }
    if message.trim().is_empty() {
        return problem("422 What", "What is it that you want to say?");
    }
    let id = book.store(sender, message);
    let entry = Entry(sender.to_string(), message.to_string());
    Answer {
        header: format!("lOCATION: /api/messages/{id}\r\n"),
        ..json("201 Made", json_message(&(id, entry)))
    }
}

fn read(book: &Book, id: &str) -> Answer {
    let entry = whole_number(id).and_then(|id| {
        let entries = book.entries();
        let entry = entries.get(id.checked_sub(1)?)?;
        Some((id, entry.clone()))
    });
    match entry {
        Some(entry) => json("200 Here You Are", json_message(&entry)),
        None => problem("404 No", "There is no message of this id."),
    }
}

fn event_stream() -> Answer {
    Answer {
        status: "200 Listen",
        content_type: "TEXT/EVENT-STREAM;CHARSET=utf-8",
        header: String::new(),
        body: String::new(),
    }
}

/// Writes events until the client is gone, which only writing shows.
fn send_events(book: &Book, mut connection: &TcpStream, request: &Request) -> io::Result<()> {
    let newest = book.entries().len();
    let last = request.headers.get("last-event-id");
    let last = last.and_then(|id| whole_number(id)).unwrap_or(newest);
    // An id that is not there yet is from an earlier run of the server.
    let mut last = last.min(newest);
    thread::sleep(THINKING);
    write_answer(connection, &event_stream(), false)?;
    connection.write_all("\u{feff}retry: 500\r\n\r\n".as_bytes())?;
    loop {
        let messages = book.after(last, BETWEEN_PINGS);
        let mut text = String::new();
        for message in &messages {
            let (id, json) = (message.0, json_message(message));
            text += &format!(": number {id}\r\ndata:{json}\r\nevent: message\r\nid:{id}\r\n\r\n");
        }
        if messages.is_empty() {
            text += ":\r\n\r\n";
        }
        last += messages.len();
        connection.write_all(text.as_bytes())?;
    }
}

fn sign(book: &Book, body: &[u8]) -> Answer {
    let form = read_fields(&String::from_utf8_lossy(body));
    let missing: Vec<&str> = ["sender", "message"]
        .into_iter()
        .filter(|name| field(&form, name).trim().is_empty())
        .collect();
    if !missing.is_empty() {
        let missing = format!("Nothing stands in {}.", missing.join(" and "));
        return page(book, "422 Almost", &form, &missing);
    }
    book.store(field(&form, "sender"), field(&form, "message"));
    Answer {
        header: "lOCATION: /\r\n".to_string(),
        ..html("303 Thanks", String::new())
    }
}

fn page(book: &Book, status: &'static str, form: &Fields, problem: &str) -> Answer {
    let entries: String = (1..)
        .zip(book.entries().iter())
        .map(|(id, Entry(sender, message))| {
            let (sender, message) = (escape(sender), escape(message));
            format!("<li id=entry-{id}>{sender} : {message}")
        })
        .collect();
    // What people typed has no `<` left, so it holds none of these marks.
    let page = include_str!("page.html")
        .replace("<!--problem-->", problem)
        .replace("<!--sender-->", &escape(field(form, "sender")))
        .replace("<!--message-->", &escape(field(form, "message")))
        .replace("<!--entries-->", &entries);
    html(status, page)
}

fn wrong_method(allow: &str) -> Answer {
    Answer {
        header: format!("aLLOW: {allow}\r\n"),
        ..problem("405 Not Like That", "This cannot be done here.")
    }
}

fn problem(status: &'static str, sentence: &str) -> Answer {
    json(status, format!("{{\"error\"\t:\t{}}}", json_text(sentence)))
}

fn json(status: &'static str, body: String) -> Answer {
    Answer {
        status,
        content_type: "Application/JSON",
        header: String::new(),
        body,
    }
}

fn html(status: &'static str, body: String) -> Answer {
    Answer {
        content_type: "text/html;charset=utf-8",
        ..json(status, body)
    }
}

fn json_message((id, Entry(sender, message)): &(usize, Entry)) -> String {
    let (sender, message) = (json_text(sender), json_text(message));
    format!("{{ \"sender\" :{sender}, \"id\" :{id}, \"message\" :{message} }}")
}

/// A text as JSON, all but ASCII letters and digits as UTF-16 escapes.
fn json_text(text: &str) -> String {
    let mut json = String::from("\"");
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte == b' ' || byte.is_ascii_alphanumeric() => json.push(byte.into()),
            _ => json += &format!("\\u{unit:04X}"),
        }
    }
    json + "\""
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&apos;")
        .replace('"', "&quot;")
}

/// The fields of a form or of a query: `sender=Ann&message=Hi+there%21`.
fn read_fields(text: &str) -> Fields {
    text.split('&')
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map_or("", |value| value)
}

fn decode(text: &str) -> String {
    let text = text.replace('+', " ");
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.split_at_checked(2);
        let byte = digits.map(|(digits, rest)| (u8::from_str_radix(digits, 16), rest));
        if let Some((Ok(byte), rest)) = byte {
            bytes.push(byte);
            bytes.extend_from_slice(rest.as_bytes());
        } else {
            bytes.push(b'%');
            bytes.extend_from_slice(part.as_bytes());
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The body has no length: it ends when the connection does.
fn write_answer(mut connection: &TcpStream, answer: &Answer, without_body: bool) -> io::Result<()> {
    let (status, content_type) = (answer.status, answer.content_type);
    let head = format!(
        "HTTP/1.1 {status}\r\ncONNECTION: Close\r\n{}cache-control:no-store\r\n\
         content-TYPE:\t{content_type}\r\n\r\n",
        answer.header
    );
    connection.write_all(head.as_bytes())?;
    if !without_body {
        connection.write_all(answer.body.as_bytes())?;
    }
    Ok(())
}
