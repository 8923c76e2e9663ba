//! What a room may be called. Page and socket both ask here, and nowhere else.

use axum::{
    extract::{FromRequestParts, Path},
    http::{StatusCode, request::Parts},
    response::{Html, IntoResponse, Response},
};
use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

// ANCHOR: whole_parse
// ANCHOR: parse
/// The name of a room: 1 to 64 letters (with their marks), digits, `-` and `_`, of any script.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct RoomName(String);

impl RoomName {
    /// The name that a text is, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        // 로 may come as one character or as ㄹ and ㅗ: readers see no difference.
        let name: String = text.nfc().collect();
        // ANCHOR_END: parse
        // Exercise 5.3: what the page refuses, the socket refuses as well.
        let belongs = |character: char| {
            // Many scripts write marks on their letters, as in हिन्दी.
            let mark = unicode_normalization::char::is_combining_mark(character);
            character.is_alphanumeric() || mark || character == '-' || character == '_'
        };
        if !(1..=64).contains(&name.chars().count()) || !name.chars().all(belongs) {
            return None;
        }
        Some(Self(name))
    }
}
// ANCHOR_END: whole_parse

// ANCHOR: extractor
/// A handler that asks for a `RoomName` gets the one in its path. Where there
/// is none, the answer is 404 and the handler is not called.
impl<S: Send + Sync> FromRequestParts<S> for RoomName {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => RoomName::parse(&text).ok_or_else(no_such_room),
            Err(_) => Err(no_such_room()),
        }
    }
}

fn no_such_room() -> Response {
    let page = Html(include_str!("no_such_room.html"));
    (StatusCode::NOT_FOUND, page).into_response()
}
// ANCHOR_END: extractor
