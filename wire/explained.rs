//! An event with its bytes, and what each of them means.

mod frame;
mod message;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Serialize;

use crate::event::{Event, Kind, Told};

/// An event as the page shows it when it is opened.
#[derive(Serialize)]
pub struct Explained<'a> {
    #[serde(flatten)]
    event: Told<'a>,
    parts: Vec<Part>,
}

/// Bytes that stand together, in a table of their own.
#[derive(Debug, Serialize)]
pub struct Part {
    name: &'static str,
    /// How many bytes there are on the wire.
    size: u64,
    /// Those that are kept, in base64.
    bytes: String,
    fields: Vec<Field>,
}

/// What some of the bytes mean.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub struct Field {
    name: String,
    value: String,
    /// A sentence, if there is something to say.
    meaning: Option<String>,
    /// The first byte of the part that belongs to it.
    from: usize,
    /// The first one that does not any more.
    to: usize,
    /// Which bits of its byte, if it is not all: digits where they belong to the
    /// field, points elsewhere.
    bits: Option<String>,
}

impl<'a> From<&'a Event> for Explained<'a> {
    fn from(event: &'a Event) -> Self {
        let bytes = event.bytes.lock().clone();
        let parts = match event.kind {
            Kind::Opened | Kind::Ended | Kind::Reset | Kind::Unreachable => Vec::new(),
            Kind::Frame | Kind::Control | Kind::Close => frame::parts(&bytes),
            Kind::Request | Kind::Response | Kind::Upgrade => {
                message::parts(event.from, &bytes, event.key.as_deref())
            }
            Kind::ServerSent => vec![part("The event as it came", &bytes.kept, bytes.size)],
            Kind::Body => vec![part("The body as it came", &bytes.kept, bytes.size)],
            Kind::Raw => vec![part("The bytes as they came", &bytes.kept, bytes.size)],
        };
        Self {
            event: Told::from(event),
            parts,
        }
    }
}

/// Bytes of which nothing else is said.
fn part(name: &'static str, bytes: &[u8], size: u64) -> Part {
    Part {
        name,
        size,
        bytes: BASE64_STANDARD.encode(bytes),
        fields: Vec::new(),
    }
}

impl Part {
    fn with(self, fields: Vec<Field>) -> Self {
        Self { fields, ..self }
    }
}

/// Bytes in hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    digits.join(" ")
}
