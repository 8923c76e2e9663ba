//! Whatever bytes come from whichever side: nothing panics, nothing is lost on
//! the way, and no more is kept than was promised.

mod happening;

use happening::{Turn, happen};
use proptest::collection::vec;
use proptest::prelude::*;
use wire::side::Side;

/// Pieces of conversations, whole and broken, so that random bytes get deep into
/// every state.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        b"GET / HTTP/1.1\r\n".as_slice(),
        b"HEAD /a?b=c HTTP/1.1\r\n",
        b"CONNECT here:1 HTTP/1.1\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\n",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 18446744073709551615\r\n",
        b"Content-Type: text/event-stream\r\n",
        b"Content-Type: application/json\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: 100-continue\r\n",
        b"\r\n",
        b"\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"ffffffffffffffff\r\n",
        b"id: 1\ndata: {}\n\n",
        b"{\"a\":[1,2",
        b"\x81\x05hello",
        b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        b"\x01\x01\xec",
        b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x88\x01\x03",
        b"\x89\xfe\x00\x80",
    ]);
    prop_oneof![
        6 => known.prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..40),
        1 => (any::<u8>(), 0..200_000_usize).prop_map(|(byte, length)| vec![byte; length]),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    let side = prop::sample::select(vec![Side::Client, Side::Server]);
    let said = (side.clone(), vec(piece(), 1..8))
        .prop_map(|(side, pieces)| Turn::Said(side, pieces.concat()));
    prop_oneof![
        20 => said,
        1 => side.clone().prop_map(Turn::Ended),
        1 => side.prop_map(Turn::Reset),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_byte_that_is_heard_is_in_an_event(turns in vec(turn(), 0..12)) {
        for (said, in_events) in happen(&turns) {
            prop_assert_eq!(said, in_events);
        }
    }
}

#[test]
fn floods_are_not_kept() {
    let head = b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_vec();
    let switching = b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec();
    let stream = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".to_vec();
    let client = |bytes: &[u8]| Turn::Said(Side::Client, bytes.to_vec());
    let server = |bytes: &[u8]| Turn::Said(Side::Server, bytes.to_vec());
    let flood = vec![b'x'; 10_000_000];
    for turns in [
        vec![client(&flood), server(&flood)],
        // Nobody answers the upgrade.
        vec![client(&head), client(&flood)],
        vec![client(&b"GET / HTTP/1.1\r\n\r\n".repeat(100_000))],
        vec![
            client(&head),
            server(&switching),
            server(&b"\x8a\x00".repeat(100_000)),
        ],
        vec![
            client(&head),
            server(&switching),
            server(b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"),
            server(&flood),
        ],
        vec![
            server(&stream),
            server(&flood),
            server(&b"\n".repeat(1_000_000)),
        ],
        vec![
            client(b"GET / HTTP/1.1\r\n"),
            client(&b"X: y\r\n".repeat(1_000_000)),
        ],
    ] {
        for (said, in_events) in happen(&turns) {
            assert_eq!(said, in_events);
        }
    }
}
