//! A conversation that happens, and what must hold while it does.

use std::collections::BTreeMap;

use wire::conversation::Conversation;
use wire::event::{Event, Told};
use wire::explained::Explained;
use wire::kept::BODY;
use wire::side::Side;

/// What a connection may hold besides the events that it has told: for each
/// side a head, or what waits for the answer to an upgrade.
const MOST_HELD: usize = 2 * 64 * 1024;

/// What a head, or the header of a frame, may have.
const LONGEST_HEAD: usize = 64 * 1024;

/// What happens on a connection.
#[derive(Clone, Debug)]
pub enum Turn {
    Said(Side, Vec<u8>),
    Ended(Side),
    Reset(Side),
}

fn check(event: &Event) {
    let bytes = event.bytes.lock().clone();
    assert!(bytes.head <= LONGEST_HEAD, "{} bytes of head", bytes.head);
    assert!(
        bytes.body().len() <= BODY,
        "{} bytes of body",
        bytes.body().len()
    );
    let told = event.line.len() + event.details.iter().map(String::len).sum::<usize>();
    assert!(told < 64 * 1024, "{told} bytes of text");
    assert!(!event.line.contains('\n'), "{:?}", event.line);
    serde_json::to_string(&Told::from(event)).unwrap();
    serde_json::to_string(&Explained::from(event)).unwrap();
}

/// Lets a conversation happen. Gives how many bytes each side has said, and how
/// many are in its events.
pub fn happen(turns: &[Turn]) -> [(u64, u64); 2] {
    let mut conversation = Conversation::new(1);
    let mut newest: BTreeMap<u64, Event> = BTreeMap::new();
    let mut said = [0_u64; 2];
    let mut ended = [false; 2];
    for turn in turns {
        let told = match turn {
            Turn::Said(from, bytes) if !ended[*from as usize] => {
                said[*from as usize] += bytes.len() as u64;
                conversation.hear(*from, 0.0, bytes)
            }
            Turn::Ended(from) => {
                ended[*from as usize] = true;
                conversation.end(*from, 0.0)
            }
            Turn::Reset(from) => {
                ended = [true; 2];
                conversation.reset(*from, 0.0)
            }
            Turn::Said(..) => Vec::new(),
        };
        for event in told {
            check(&event);
            newest.insert(event.number, event);
        }
        assert!(
            conversation.held() <= MOST_HELD,
            "{} bytes held",
            conversation.held()
        );
    }
    for event in conversation.close(0.0) {
        check(&event);
        newest.insert(event.number, event);
    }
    assert!(newest.values().all(|event| event.done));
    [Side::Client, Side::Server].map(|side| {
        let events = newest.values().filter(|event| event.from == side);
        let in_events = events.map(|event| event.bytes.lock().size).sum();
        (said[side as usize], in_events)
    })
}
