//! What `wire --open book/recordings/websocket.jsonl --text` prints, for the page about `wire`.

use wire::printing::Replay;
use wire::recording::Recording;

use crate::{Drawn, recording};

/// A page of lesson 3 opens a WebSocket, says something, hears it, and closes.
const RECORDING: &str = "websocket";

/// The recorded WebSocket as a transcript.
///
/// # Errors
/// The recording cannot be read, and why.
pub fn all() -> Result<Vec<Drawn>, String> {
    Ok(vec![Drawn {
        name: "wire.txt".to_string(),
        text: printed(&recording::read(RECORDING)?),
    }])
}

/// What `wire` prints of a recording.
fn printed(recording: &Recording) -> String {
    let mut replay = Replay::default();
    let chunks = recording.chunks.iter();
    chunks.map(|chunk| replay.lines(chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Direction, read};

    #[test]
    fn what_wire_prints_is_a_transcript() {
        let [drawn] = all().unwrap().try_into().unwrap();
        let [step] = read(&drawn.text).unwrap().try_into().unwrap();
        assert_eq!(step.title, None);
        assert!(step.lines.iter().all(|line| line.lane == "client-1"));
        assert!(step.lines.iter().all(|line| line.details.is_empty()));
        let said = step.lines.iter();
        let said: Vec<_> = said
            .map(|line| (line.direction, line.text.as_str()))
            .collect();
        let text = "text {\"message\":\"안녕!\",\"sender\":\"Ann\"}";
        assert_eq!(
            said,
            [
                (Direction::ToServer, "GET /ws/json, upgrade to WebSocket"),
                (Direction::FromServer, "101 Switching Protocols"),
                (Direction::ToServer, text),
                (Direction::FromServer, text),
                (Direction::ToServer, "close 1000"),
                (Direction::FromServer, "close 1000"),
            ]
        );
    }
}
