//! The command line: what it prints, what it keeps in files, and what it refuses.

mod running;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use running::{PATIENCE, Wire, address};
use wire::journal::BACKLOG;
use wire::recording::Chunk;
use wire::side::Side;

const REQUEST: &str =
    "POST /api HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
const RESPONSE: &str = "HTTP/1.1 201 Created\r\nLocation: /api/1\r\nContent-Length: 0\r\n\r\n";
const TRANSCRIPT: &str = "\
client-1  > POST /api
              content-type: application/json
              body: {\"a\":1}
client-1  < 201 Created
              location: /api/1
";

/// A server that gives each connection the same answer, and its address.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = vec![0; REQUEST.len()];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(RESPONSE.as_bytes()).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            // Until the client has ended, too.
            let _ = stream.read(&mut [0]);
        }
    });
    address
}

/// Asks at an address. Gives all that is answered, until the connection ends.
fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    read.unwrap_or_else(|error| {
        panic!("no answer with an end came to {request:?} within {PATIENCE:?}: {error}")
    });
    answer
}

/// A line of a recording.
fn said(from: Side, bytes: &[u8]) -> String {
    let chunk = Chunk {
        connection: 1,
        at: 0.0,
        from,
        bytes: bytes.to_vec(),
        reset: false,
    };
    chunk.line()
}

#[test]
fn the_terminal_shows_the_notation_and_a_recording_shows_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.jsonl");
    let file = file.to_str().unwrap();
    let mut wire = Wire::start(&[
        "--server",
        &server(),
        "--listen",
        "0",
        "--text",
        "--save",
        file,
    ]);
    let browse = address(&mut wire.stderr, "where to browse");
    assert_eq!(ask(&browse, REQUEST), RESPONSE);
    let lines = TRANSCRIPT.lines();
    let printed: String = lines.map(|line| wire.stdout.line(line)).collect();
    assert_eq!(printed, TRANSCRIPT);
    drop(wire);
    let (stdout, stderr, code) = Wire::start(&["--open", file, "--text"]).end();
    assert_eq!(
        (stdout.as_str(), stderr.as_str(), code),
        (TRANSCRIPT, "", Some(0))
    );
    // A recording is not written over.
    let (_, stderr, code) = Wire::start(&["--listen", "0", "--page", "0", "--save", file]).end();
    assert!(stderr.contains("Give --save another name"), "{stderr}");
    assert_eq!(code, Some(1));
}

#[test]
fn a_recording_of_the_book_can_be_opened() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../book/recordings/websocket.jsonl"
    );
    let (stdout, stderr, code) = Wire::start(&["--open", file, "--text"]).end();
    assert_eq!((stderr.as_str(), code), ("", Some(0)));
    for line in [
        "client-1  > GET /ws/json, upgrade to WebSocket\n",
        "client-1  < 101 Switching Protocols\n",
        "client-1  > text {\"message\":",
        "client-1  > close 1000\n",
        "client-1  < close 1000\n",
    ] {
        assert!(stdout.contains(line), "{line}{stdout}");
    }
    let mut wire = Wire::start(&["--open", file, "--page", "0"]);
    let address = address(&mut wire.stdout, "where to watch");
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let page = ask(&address, &request);
    assert!(page.starts_with("HTTP/1.1 200 OK"), "{page}");
}

#[test]
fn of_a_recording_all_is_printed_however_much_came_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("many.jsonl");
    let upgrade = b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let many = BACKLOG + 1000;
    let recording = [
        said(Side::Client, upgrade),
        said(Side::Server, b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        said(Side::Server, &b"\x81\x01a".repeat(many)),
    ];
    std::fs::write(&file, recording.concat()).unwrap();
    let file = file.to_str().unwrap();
    let (stdout, stderr, code) = Wire::start(&["--open", file, "--text"]).end();
    assert_eq!((stderr.as_str(), code), ("", Some(0)));
    let frames = stdout.lines().filter(|line| line.ends_with("text \"a\""));
    assert_eq!(frames.count(), many);
}

#[test]
fn what_is_in_the_way_is_said_with_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.jsonl");
    let line = "{\"connection\":1,\"at\":0,\"from\":\"client\",\"bytes\":\"\"}\n";
    std::fs::write(&broken, format!("{line}nonsense\n")).unwrap();
    let broken = broken.to_str().unwrap();
    for (arguments, words) in [
        (
            vec!["--listen", &port],
            "cargo run --bin wire -- --listen 9100",
        ),
        (
            vec!["--listen", "0", "--page", &port],
            "cargo run --bin wire -- --page 9101",
        ),
        (
            vec!["--open", "nowhere.jsonl"],
            "nowhere.jsonl cannot be read",
        ),
        (
            vec!["--open", broken],
            "line 2 is not from a recording of wire",
        ),
    ] {
        let (_, stderr, code) = Wire::start(&arguments).end();
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
        assert_eq!((code, stderr.lines().count()), (Some(1), 1), "{stderr}");
    }
}

#[test]
fn the_help_says_what_to_do() {
    let (help, _, code) = Wire::start(&["--help"]).end();
    assert_eq!(code, Some(0));
    for option in [
        "--server", "--listen", "--page", "--text", "--save", "--open",
    ] {
        assert!(help.contains(option), "{help}");
    }
}
