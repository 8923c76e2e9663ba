//! What goes through the socket: a client's requests, the replies to them, and
//! what the rooms say.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::room_name::RoomName;

// ANCHOR: place
/// The namespaces. There are no others, and no client can make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Namespace {
    /// Everybody speaks, and everybody hears.
    Chat,
    /// Clients only hear.
    News,
}

/// Where something is said. The same name in another namespace is another place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub ns: Namespace,
    pub room: RoomName,
}
// ANCHOR_END: place

// ANCHOR: event
/// What a client may ask for.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    Join,
    Leave,
    Message,
}
// ANCHOR_END: event

/// What is asked, and where.
pub struct Asked {
    pub place: Place,
    pub event: Event,
    pub data: Value,
}

// ANCHOR: request
/// A text of a client. Its `ref` counts even if nothing else can be read.
pub struct Request {
    pub reference: Option<Value>,
    pub asked: Result<Asked, String>,
}

impl Request {
    /// Reads the `ref` first, and then the rest.
    pub fn read(text: &str) -> Self {
        match fields_and_reference(text) {
            Ok((fields, reference)) => Self {
                reference,
                asked: read_fields(fields),
            },
            Err(problem) => Self {
                reference: None,
                asked: Err(problem),
            },
        }
    }
}
// ANCHOR_END: request

// ANCHOR: reply
/// The reply to a request. There is none if all is well and nobody wants one.
pub fn reply(reference: Option<Value>, outcome: Result<(), String>) -> Option<String> {
    if reference.is_none() && outcome.is_ok() {
        return None;
    }
    let mut reply = json!({ "ok": outcome.is_ok() });
    if let Err(problem) = outcome {
        reply["error"] = problem.into();
    }
    // ANCHOR_END: reply
    // Exercise 6.2, first half: the reply names the request that it belongs to.
    if let Some(reference) = reference {
        reply["ref"] = reference;
    }
    Some(reply.to_string())
}

// ANCHOR: fields
/// Any JSON object.
type Fields = Map<String, Value>;

/// The fields of an envelope without its `ref`, and the `ref`.
fn fields_and_reference(text: &str) -> Result<(Fields, Option<Value>), String> {
    let mut fields: Fields = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match fields.remove("ref") {
        Some(other) if !is_reference(&other) => {
            Err("ref is neither a whole number nor a string".to_string())
        }
        reference => Ok((fields, reference)),
    }
}

fn is_reference(value: &Value) -> bool {
    value.is_i64() || value.is_string()
}

fn read_fields(fields: Fields) -> Result<Asked, String> {
    let envelope: Envelope =
        serde_json::from_value(fields.into()).map_err(|error| error.to_string())?;
    let Some(room) = RoomName::parse(&envelope.room) else {
        return Err(format!("no room can be called {:?}", envelope.room));
    };
    Ok(Asked {
        place: Place {
            ns: envelope.ns,
            room,
        },
        event: envelope.event,
        data: envelope.data,
    })
}

/// An envelope, as serde reads it.
#[derive(Deserialize)]
struct Envelope {
    ns: Namespace,
    room: String,
    event: Event,
    /// Only a message needs it.
    #[serde(default)]
    data: Value,
}
// ANCHOR_END: fields

// ANCHOR: push
/// What a room says to all who are in it.
pub fn push(place: &Place, event: &str, data: impl Serialize) -> String {
    let text = json!({ "ns": place.ns, "room": place.room, "event": event, "data": data });
    text.to_string()
}
// ANCHOR_END: push
