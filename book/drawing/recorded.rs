//! What the book shows of the recordings.
//!
//! The files hold numbers and bytes; the words around them stand in the
//! chapters. A chapter includes one part by its name:
//! `{{#include ../drawn/traffic.txt:polling}}`.
//!
//! # `traffic.txt`: what it costs one reader to hear of one message
//!
//! The message is the same everywhere. Counted are all bytes of HTTP and
//! WebSocket on the reader's connections, and none of TCP and IP below them.
//! Loading the page at first, and posting the message, are not in it.
//!
//! Each of these is the cells of a table's row: `requests | bytes from the
//! browser | bytes from the server | bytes in total`. Each cell is there by
//! itself, too: `NAME-requests`, `NAME-browser`, `NAME-server`, `NAME-total`.
//!
//! | name | what it counts |
//! | --- | --- |
//! | `page` | lesson 1: the page is loaded again, with its style sheet, and shows the message |
//! | `page-html` | of `page`, the request for `/` alone |
//! | `polling` | lesson 2: ten polls, one a second; the last one brings the message |
//! | `polling-nothing` | of `polling`, one poll that brings nothing |
//! | `polling-message` | of `polling`, the poll that brings the message |
//! | `long-polling` | one long poll, answered when the message comes |
//! | `events-open` | opening the stream of events, once: the request, and the head of its response |
//! | `events-message` | each message on that stream: a chunk with an event |
//! | `websocket-open` | lesson 3: opening a WebSocket, once: the handshake |
//! | `websocket-message` | each message to the browser: a frame |
//! | `websocket-send` | each message from the browser: a masked frame |
//!
//! | name | what it is |
//! | --- | --- |
//! | `message-2`, `message-2-bytes` | the message as JSON in lesson 2, with its id; its bytes |
//! | `message-3`, `message-3-bytes` | the message as JSON in lesson 3, with no id; its bytes |
//! | `events-chunk` | the event in the stream, as text: two lines |
//!
//! # `handshake.txt`: the request and the response that open the WebSocket
//!
//! | name | what it is |
//! | --- | --- |
//! | `request`, `response` | the head as text, a line for each line |
//! | `request-line`, `response-line` | its first line |
//! | `request-NAME`, `response-NAME` | the line of a header, the name in lower case: `request-sec-websocket-key` |
//! | `request-bytes`, `response-bytes` | how many bytes it has, with the empty line |
//! | `request-line-hex`, `response-line-hex` | the first line with its CR LF, as a dump: eight bytes a line, and their ASCII |
//! | `request-end-hex`, `response-end-hex` | the last 16 bytes as a dump: the end of the last header, CR LF CR LF |
//! | `request-hex`, `response-hex` | the whole head as a dump |
//! | `key` | the value of `Sec-WebSocket-Key` |
//! | `key-bytes` | the 16 random bytes that it is in base64, in hexadecimal |
//! | `guid` | what the server writes behind the key (RFC 6455 1.3) |
//! | `key-guid` | both together |
//! | `sha1` | the SHA-1 of that: 20 bytes in hexadecimal |
//! | `accept` | these bytes in base64. It is checked to be the recorded `Sec-WebSocket-Accept` |
//!
//! # `frame.txt`: the frames, and `frame.svg`: `client` bit by bit
//!
//! There are four frames: `client` (the browser's masked text), `server` (the
//! same text coming back), `close-client` and `close-server`. Of each there is
//!
//! | name | what it is |
//! | --- | --- |
//! | `NAME-hex` | all its bytes in hexadecimal, eight a line |
//! | `NAME-header-hex` | the bytes of its header, in one line |
//! | `NAME-first-byte`, `NAME-first-bits` | its first byte in hexadecimal and in bits |
//! | `NAME-fin`, `NAME-rsv`, `NAME-opcode-bits`, `NAME-opcode` | the first byte's fields: a bit, three bits, four bits, and these as a number |
//! | `NAME-second-byte`, `NAME-second-bits` | its second byte |
//! | `NAME-mask`, `NAME-length-bits`, `NAME-length` | the second byte's fields: a bit, seven bits, and these as a number |
//! | `NAME-header-size`, `NAME-payload-size`, `NAME-frame-size` | bytes |
//! | `NAME-size` | the same as a sum: `6 + 36 = 42` |
//! | `NAME-payload-hex` | the payload without its mask, eight bytes a line |
//! | `NAME-key`, `NAME-masked-hex` | of the browser's frames: the masking key, and the payload as it was sent, eight bytes a line |
//!
//! | name | what it is |
//! | --- | --- |
//! | `client-text`, `server-text` | the payload as text |
//! | `client-xor` | for each byte of the payload a line `masked ^ key = unmasked`, and the character that begins there |
//! | `client-xor-beginning` | the first four of these lines: the masking key once |
//! | `client-xor-character` | the lines of the first character that has more than one byte |
//! | `close-client-code`, `close-server-code` | the close code as a number |
//!
//! # `hand.txt`: a greeting of lesson 1, asked for over a bare TCP connection
//!
//! | name | what it is |
//! | --- | --- |
//! | `request`, `response-head` | the head as text |
//! | `request-hex` | the request as a dump |
//! | `response-body`, `length`, `characters` | the page; its bytes, its characters |
//! | `heading`, `heading-hex` | the line of the page that greets; its bytes |
//!
//! # `refusals.txt`: requests for the socket of lesson 3 that are no handshake
//!
//! `plain`, `post`, `version` and `no-key` are two cells of a table's row: the
//! status, and what the body says. `plain-head` and so on are the whole head.
//!
//! # `redis.txt`: what a process of lesson 8 and Redis say to each other
//!
//! Ann enters the lobby and speaks, Ben answers at another process, and she
//! leaves. All of it is on one connection, that of her process. Each part is a
//! command or what came back, its lines as they ended with CR LF.
//!
//! | name | what it is |
//! | --- | --- |
//! | `hello` | the first command: it asks for RESP3 |
//! | `subscribe`, `subscribed` | the command, and the push that confirms it |
//! | `publish`, `published` | the command, and how many subscribers got the message |
//! | `ours`, `others` | the push of Ann's own message, and that of Ben's |
//! | `ping` | the question whether Redis is there |
//! | `unsubscribe`, `unsubscribed` | the command, and the push that confirms it |

pub(crate) mod anchors;
mod by_hand;
mod frame;
mod frame_picture;
mod frames;
mod handshake;
mod hex;
pub(crate) mod http;
mod redis;
mod traffic;

use crate::Drawn;

/// All files that are taken from recordings.
///
/// # Errors
/// The recording that cannot be read, or is not what it should be, and why.
pub fn all() -> Result<Vec<Drawn>, String> {
    let mut drawn = vec![traffic::traffic()?, handshake::handshake()?];
    drawn.extend(frame::frame()?);
    drawn.extend([by_hand::hand()?, by_hand::refusals()?, redis::redis()?]);
    Ok(drawn)
}
