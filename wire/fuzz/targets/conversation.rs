//! Any bytes, from both sides. Run it with `cargo fuzz run conversation` in `wire/`.

#![no_main]

#[path = "../../tests/happening.rs"]
mod happening;

use happening::{Turn, happen};
use libfuzzer_sys::fuzz_target;
use wire::side::Side;

fuzz_target!(|input: &[u8]| {
    for (said, in_events) in happen(&turns(input)) {
        assert_eq!(said, in_events);
    }
});

/// The input as turns: a byte says whose turn it is and what happens, the next
/// one how many bytes are said.
fn turns(mut input: &[u8]) -> Vec<Turn> {
    let mut turns = Vec::new();
    while let [what, length, rest @ ..] = input {
        let from = if what & 1 == 0 { Side::Client } else { Side::Server };
        let (said, rest) = rest.split_at(rest.len().min((*length).into()));
        turns.push(match what {
            0xfe | 0xff => Turn::Reset(from),
            0xfc | 0xfd => Turn::Ended(from),
            _ => Turn::Said(from, said.to_vec()),
        });
        input = rest;
    }
    turns
}
