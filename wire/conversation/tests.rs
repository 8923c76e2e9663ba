use super::*;
use crate::kept::BODY;

/// What is told of a conversation, a line each, in the notation of the
/// transcripts: `>` and `<`, then details, then the problem after `!`.
#[derive(Default)]
struct Told {
    lines: Vec<String>,
}

impl Told {
    fn add(&mut self, events: Vec<Event>) {
        for event in events.iter().filter(|event| event.done) {
            let direction = match event.from {
                Side::Client => '>',
                Side::Server => '<',
            };
            self.lines.push(format!("{direction} {}", event.line));
            let details = event.details.iter();
            self.lines
                .extend(details.map(|detail| format!("    {detail}")));
            let problem = event.problem.iter();
            self.lines
                .extend(problem.map(|problem| format!("    ! {problem}")));
        }
    }
}

use Side::{Client, Server};

/// Tells a conversation whose bytes come in pieces of so many bytes.
fn in_pieces(said: &[(Side, &[u8])], at_once: usize) -> Vec<String> {
    let mut conversation = Conversation::new(1);
    let mut told = Told::default();
    for (from, bytes) in said {
        for piece in bytes.chunks(at_once) {
            told.add(conversation.hear(*from, 0.0, piece));
        }
        if bytes.is_empty() {
            told.add(conversation.end(*from, 0.0));
        }
    }
    told.lines
}

/// The same, which must not depend on how the bytes are cut.
fn told(said: &[(Side, &[u8])]) -> Vec<String> {
    let whole = in_pieces(said, usize::MAX);
    for at_once in [1, 2, 3, 7] {
        assert_eq!(in_pieces(said, at_once), whole, "{at_once} at once");
    }
    whole
}

const END: &[u8] = b"";
const UPGRADE: &[u8] = b"GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const SWITCHING: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

#[test]
fn a_connection_is_used_again_and_requests_are_pipelined() {
    let lines = told(&[
        (
            Client,
            b"POST /a HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
        ),
        (Server, b"HTTP/1.1 201 Created\r\nLocation: /a/1\r\nContent-Length: 0\r\n\r\n"),
        (Client, b"GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n"),
        (
            Server,
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n\
              HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 99\r\n\r\n",
        ),
        (Client, END),
        (Server, END),
    ]);
    assert_eq!(
        lines,
        [
            "> POST /a",
            "    content-type: application/json",
            r#"    body: {"a":1}"#,
            "< 201 Created",
            "    location: /a/1",
            "> GET /1",
            "> HEAD /2",
            "> GET /3",
            "< 200 OK",
            "    body: []",
            "< 200 OK",
            "< 304 Not Modified",
            r#"    etag: "x""#,
            "> the end of the connection",
            "< the end of the connection",
        ]
    );
}

#[test]
fn a_body_may_wait_for_its_go_ahead_and_come_in_chunks() {
    let lines = told(&[
        (
            Client,
            b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        (Server, b"HTTP/1.1 100 Continue\r\n\r\n"),
        (Client, b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        (Server, b"HTTP/1.1 200 OK\r\n\r\nbye"),
        (Server, END),
    ]);
    assert_eq!(
        lines,
        [
            "> PUT /",
            "    expect: 100-continue",
            "    transfer-encoding: chunked",
            "< 100 Continue",
            "> the body",
            r#"    body: "hello""#,
            "< 200 OK",
            r#"    body: "bye""#,
            "< the end of the connection",
        ]
    );
}

#[test]
fn a_stream_of_events_is_told_event_by_event() {
    let mut conversation = Conversation::new(1);
    conversation.hear(Client, 0.0, b"GET /e HTTP/1.1\r\n\r\n");
    let head =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut told = Told::default();
    told.add(conversation.hear(Server, 0.0, head));
    let chunk = b"D\r\nid: 1\ndata:a\n\r\n";
    assert!(
        conversation
            .hear(Server, 0.0, chunk)
            .iter()
            .all(|event| !event.done)
    );
    let events = conversation.hear(Server, 0.0, b"8\r\n\ndata:b\n\r\n1\r\n\n\r\n");
    // What was told as unfinished is told again under its number.
    assert_eq!(events[0].id(), "1.3");
    assert_eq!(
        events[0].bytes.lock().kept,
        [chunk.as_slice(), b"8\r\n\n"].concat()
    );
    told.add(events);
    told.add(conversation.hear(Server, 0.0, b"0\r\n\r\n"));
    assert_eq!(
        told.lines,
        [
            "< 200 OK",
            "    content-type: text/event-stream",
            "    transfer-encoding: chunked",
            r#"< event with id "1": "a""#,
            r#"< event: "b""#,
            "< the end of the stream",
        ]
    );
}

#[test]
fn behind_a_handshake_there_are_frames_even_if_they_are_glued_to_it() {
    let masked_hi = [0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2];
    let request = [UPGRADE, &masked_hi].concat();
    let first = [SWITCHING, &[0x89, 1, b'?']].concat();
    let fragments = [0x01, 1, b'a', 0x8a, 0, 0x80, 1, b'b'];
    let close_of_client = [0x88, 0x82, 0, 0, 0, 0, 3, 0xe8];
    let lines = told(&[
        (Client, &request),
        (Server, &first),
        (Server, &fragments),
        (Client, &close_of_client),
        (Client, END),
        (Server, END),
    ]);
    let rules = "    ! each side of a WebSocket says Close before it ends (RFC 6455 7.1.1)";
    let mut expected = vec![
        "> GET /ws, upgrade to WebSocket",
        "< 101 Switching Protocols",
        r#"> text "hi""#,
        r#"< ping "?""#,
        r#"< text "a", to be continued"#,
        "< pong",
        r#"< continuation "b""#,
        "> close 1000",
        "> the end of the connection",
        "< the end of the connection without a Close",
        rules,
    ];
    assert_eq!(lines, expected);
    // Without the answer, nobody knows what the client's bytes are.
    let lines = in_pieces(&[(Client, &request), (Client, END)], 99);
    expected = vec![
        "> GET /ws, upgrade to WebSocket",
        "> 8 bytes",
        "> the end of the connection",
        "    ! it comes in the middle of an upgrade",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn after_a_refused_upgrade_http_goes_on() {
    let lines = told(&[
        (Client, &[UPGRADE, b"GET / HTTP/1.1\r\n\r\n"].concat()),
        (
            Server,
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        ),
        (Server, b"HTTP/1.1 204 No Content\r\n\r\n"),
    ]);
    assert_eq!(
        lines,
        [
            "> GET /ws, upgrade to WebSocket",
            "< 404 Not Found",
            "> GET /",
            "< 204 No Content",
        ]
    );
}

#[test]
fn another_protocol_is_shown_as_bytes() {
    let upgrade = b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    let switching = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
    let said: &[(Side, &[u8])] = &[(Client, upgrade), (Server, switching), (Client, b"abc")];
    assert_eq!(
        in_pieces(said, 999),
        [
            "> GET /, upgrade to tcp",
            "< 101 Switching Protocols",
            "    ! what follows is not read: it is tcp",
            "> 3 bytes",
        ]
    );
}

#[test]
fn what_cannot_be_read_is_shown_with_the_reason() {
    for (from, bytes, reason) in [
        (Client, b"\x16\x03\x01\x02".as_slice(), "no HTTP/1.1"),
        (
            Server,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "no number",
        ),
        (
            Client,
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "two lengths",
        ),
    ] {
        let lines = in_pieces(&[(from, bytes), (from, b"more")], 999);
        let problem = lines.iter().find(|line| line.contains("    ! "));
        assert!(
            problem.is_some_and(|line| line.contains(reason)),
            "{lines:?}"
        );
        assert!(
            lines.last().is_some_and(|line| line.ends_with(" 4 bytes")),
            "{lines:?}"
        );
    }
    let reserved = in_pieces(
        &[(Client, UPGRADE), (Server, SWITCHING), (Server, &[0x83, 0])],
        999,
    );
    assert!(
        reserved
            .last()
            .is_some_and(|line| line.contains("this is no frame"))
    );
}

#[test]
fn what_ends_too_early_is_said_to() {
    let length = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
    let stream =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (bytes, middle) in [
        (b"HTTP/1.1 20".as_slice(), "a head"),
        (length, "a body, of which 6 bytes are missing"),
        (stream, "a stream"),
        (&[SWITCHING, &[0x81, 5, b'a']].concat(), "a frame"),
        (&[SWITCHING, &[0x81]].concat(), "a frame's header"),
    ] {
        let lines = told(&[(Client, UPGRADE), (Server, bytes), (Server, END)]);
        let last = lines.last().unwrap();
        assert_eq!(*last, format!("    ! it comes in the middle of {middle}"));
    }
}

#[test]
fn what_is_coming_is_told_and_its_bytes_can_be_looked_at() {
    let mut conversation = Conversation::new(7);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc";
    let events = conversation.hear(Server, 1.5, head);
    assert_eq!(events.len(), 1);
    assert!(!events[0].done);
    assert_eq!((events[0].id().as_str(), events[0].at), ("7.1", 1.5));
    assert!(
        conversation
            .hear(Server, 2.0, &vec![b'x'; 500_000])
            .is_empty()
    );
    {
        let bytes = events[0].bytes.lock();
        assert_eq!(bytes.body().len(), BODY);
        assert_eq!(bytes.size, bytes.head as u64 + 500_003);
    }
    let done = conversation.hear(Server, 3.0, &vec![b'x'; 499_997]);
    assert!(done[0].done);
    assert_eq!((done[0].id(), done[0].at), (events[0].id(), 1.5));
    assert_eq!(done[0].details, ["body: of 1000000 bytes"]);
}

#[test]
fn requests_that_nobody_answers_are_not_counted_for_ever() {
    let mut conversation = Conversation::new(1);
    let many = b"GET / HTTP/1.1\r\n\r\n".repeat(2000);
    let events = conversation.hear(Client, 0.0, &many);
    let problem = events.iter().find_map(|event| event.problem.as_ref());
    assert!(problem.is_some_and(|problem| problem.contains("1000 requests wait")));
}
