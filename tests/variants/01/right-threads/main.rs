//! The standard library alone: a thread for each connection, HTTP read and written by hand.
//! It thinks for a while before each answer, spells its headers oddly, and cuts its pages into
//! chunks without regard for characters.

use std::{
    collections::HashMap,
    env,
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Mutex,
    thread,
    time::Duration,
};

const THINKING: Duration = Duration::from_millis(100);
const LONGEST_LINE: u64 = 64 * 1024;
const MOST_HEADERS: usize = 200;
const LONGEST_BODY: usize = 1024 * 1024;

/// The senders and messages, oldest first.
type Book = Mutex<Vec<(String, String)>>;
type Fields = HashMap<String, String>;

static BOOK: Book = Mutex::new(Vec::new());

struct Request {
    method: String,
    path: String,
    query: Fields,
    form: Fields,
    is_last: bool,
}

struct Answer {
    status: &'static str,
    header: Option<(&'static str, &'static str)>,
    html: String,
}

fn main() -> io::Result<()> {
    let port = env::var("PORT").unwrap_or("8000".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))?;
    println!("Lesson 1, in threads: http://{}", listener.local_addr()?);

    sign("Ferris", "Welcome!");
    sign("Corro", "Sign the book, please.");
    for connection in listener.incoming() {
        let connection = connection?;
        thread::spawn(move || converse(&connection));
    }
    Ok(())
}

/// Answers one request after the other, until the client has no more or sends nonsense.
fn converse(connection: &TcpStream) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection);
    loop {
        let request = match read_request(&mut reader, connection) {
            Ok(request) => request,
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return write_answer(connection, &notice("400 Say Again", "Say again"), false);
            }
            Err(error) => return Err(error),
        };
        thread::sleep(THINKING);
        write_answer(connection, &answer(&request), request.method == "HEAD")?;
        if request.is_last {
            return Ok(());
        }
    }
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
    let length = headers.get("content-length").map(|length| length.parse());
    let mut body = String::new();
    match length {
        None => {}
        Some(Ok(length)) if length <= LONGEST_BODY => {
            let mut bytes = vec![0; length];
            reader.read_exact(&mut bytes)?;
            body = String::from_utf8_lossy(&bytes).into_owned();
        }
        Some(_) => return nonsense(),
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok(Request {
        method: method.to_string(),
        path: path.to_string(),
        query: read_fields(query),
        form: read_fields(&body),
        is_last: headers
            .get("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close")),
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

/// The fields of a form or of a query: `sender=Ann&message=Hi+there%21`.
fn read_fields(text: &str) -> Fields {
    text.split('&')
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
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

fn answer(request: &Request) -> Answer {
    match (request.path.as_str(), request.method.as_str()) {
        ("/", "GET" | "HEAD") => page("200 Here It Is", &request.query, ""),
        ("/", "POST") => receive(&request.form),
        ("/", _) => wrong_method("POST, OPTIONS, HEAD, GET"),
        ("/hello", "GET" | "HEAD") => {
            let name = request.query.get("name").map_or("stranger", |name| name);
            notice("200 Hello", &format!("Hello, {name}!"))
        }
        ("/hello", _) => wrong_method("HEAD,GET"),
        _ => notice("404 No", "Not found"),
    }
}

fn receive(form: &Fields) -> Answer {
    let missing: Vec<&str> = ["sender", "message"]
        .into_iter()
        .filter(|name| field(form, name).trim().is_empty())
        .collect();
    if missing.is_empty() {
        sign(field(form, "sender"), field(form, "message"));
        return Answer {
            status: "303 Thanks",
            header: Some(("lOCATION", "/")),
            html: String::new(),
        };
    }
    let missing = missing.join("</em> and <em>");
    let problem = format!("Nothing stands in <em>{missing}</em>.");
    page("422 Almost", form, &problem)
}

fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map_or("", |value| value)
}

fn sign(sender: &str, message: &str) {
    let mut book = BOOK.lock().expect("nobody panics with the book in hand");
    book.push((sender.to_string(), message.to_string()));
}

fn wrong_method(allow: &'static str) -> Answer {
    Answer {
        header: Some(("aLLOW", allow)),
        ..notice("405 Not Like That", "Not like that")
    }
}

fn notice(status: &'static str, heading: &str) -> Answer {
    let heading = escape(heading);
    Answer {
        status,
        header: None,
        html: format!("<!DOCTYPE html><TITLE>{heading}</TITLE><BODY><H1>\n{heading}\n</H1>"),
    }
}

fn page(status: &'static str, form: &Fields, problem: &str) -> Answer {
    let book = BOOK.lock().expect("nobody panics with the book in hand");
    let entries: String = book
        .iter()
        .map(|(sender, message)| format!("<LI>{}\n: {}\n", escape(sender), escape(message)))
        .collect();
    // What people typed has no `<` left, so it holds none of these marks.
    let html = include_str!("page.html")
        .replace("<!--problem-->", problem)
        .replace("<!--sender-->", &escape(field(form, "sender")))
        .replace("<!--message-->", &escape(field(form, "message")))
        .replace("<!--entries-->", &entries);
    Answer {
        status,
        header: None,
        html,
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&apos;")
        .replace('"', "&quot;")
}

/// How many bytes of a page go into one chunk.
const CHUNK: usize = 101;

fn write_answer(mut connection: &TcpStream, answer: &Answer, without_body: bool) -> io::Result<()> {
    let mut bytes = format!("HTTP/1.1 {}\r\n", answer.status).into_bytes();
    if let Some((name, value)) = answer.header {
        bytes.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
    }
    let rest = "tRANSFER-eNCODING: chunked\r\ncontent-TYPE:   Text/HTML;charset=UTF-8\r\n\r\n";
    bytes.extend_from_slice(rest.as_bytes());
    if !without_body {
        for chunk in answer.html.as_bytes().chunks(CHUNK) {
            bytes.extend_from_slice(format!("{:04X}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
    }
    connection.write_all(&bytes)
}
