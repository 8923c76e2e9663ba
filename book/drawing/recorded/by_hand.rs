//! What came back when a request was typed by hand.

use super::anchors::Anchors;
use super::hex;
use super::http::{Message, connections, only};
use crate::Drawn;

/// `hand.txt`: the greeting of lesson 1.
pub fn hand() -> Result<Drawn, String> {
    let split = only("hand")?;
    let exchange = split.exchanges.first().ok_or("hand: nobody asked")?;
    let response = &exchange.response;
    let page = String::from_utf8(response.content.clone())
        .map_err(|error| format!("hand: the page is no UTF-8: {error}"))?;
    let heading = page
        .lines()
        .find(|line| line.contains("<h1>"))
        .ok_or("hand: the page has no heading")?;
    let mut file = Anchors::default();
    file.add("request", exchange.request.lines().join("\n"));
    file.add("request-hex", hex::dump(&exchange.request.head));
    file.add("response-head", response.lines().join("\n"));
    file.add("response-body", page.trim_end());
    file.add("length", response.content.len());
    file.add("characters", page.chars().count());
    file.add("heading", heading.trim());
    file.add("heading-hex", hex::bytes(heading.trim().as_bytes()));
    Ok(file.file("hand.txt"))
}

/// `refusals.txt`: requests for a socket that are no handshake.
pub fn refusals() -> Result<Drawn, String> {
    let splits = connections("refusals")?;
    let [plain, post, version, no_key] = splits.as_slice() else {
        return Err("refusals: there must be four connections".to_string());
    };
    let mut file = Anchors::default();
    for (name, split) in [
        ("plain", plain),
        ("post", post),
        ("version", version),
        ("no-key", no_key),
    ] {
        let lacks = format!("refusals: {name} has no answer");
        let response = &split.exchanges.first().ok_or(lacks)?.response;
        file.add(name, row(response));
        file.add(format_args!("{name}-head"), response.lines().join("\n"));
    }
    Ok(file.file("refusals.txt"))
}

/// Two cells of a table: the status, and what the body says.
fn row(response: &Message) -> String {
    let first_line = response.lines().into_iter().next().unwrap_or_default();
    let status = first_line.trim_start_matches("HTTP/1.1 ");
    let body = String::from_utf8_lossy(&response.content);
    // axum writes the names of headers as Markdown writes code.
    format!("`{status}` | {}", body.trim())
}
