//! What came back when a request was typed by hand.

use crate::Drawn;

use super::anchors::Anchors;
use super::hex;
use super::http::{Message, split};
use super::traffic::only;
use crate::recording::Recording;

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
    let connections = Recording::read("refusals")?.connections();
    let mut file = Anchors::default();
    for (name, connection) in ["plain", "post", "version", "no-key"]
        .iter()
        .zip(&connections)
    {
        let split = split(connection).map_err(|reason| format!("refusals: {reason}"))?;
        let exchange = split
            .exchanges
            .first()
            .ok_or(format!("refusals: {name} has no answer"))?;
        file.add(name, row(&exchange.response));
        file.add(
            format_args!("{name}-head"),
            exchange.response.lines().join("\n"),
        );
    }
    Ok(file.file("refusals.txt"))
}

/// Two cells of a table: the status, and what the body says.
fn row(response: &Message) -> String {
    let status = response.lines().into_iter().next().unwrap_or_default();
    let status = status.trim_start_matches("HTTP/1.1 ").to_string();
    let body = String::from_utf8_lossy(&response.content);
    // axum writes the names of headers as Markdown writes code.
    format!("`{status}` | {}", body.trim())
}
