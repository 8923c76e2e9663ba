//! Ports for servers that must be told theirs before they start.

use std::net::TcpListener;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

/// Systems give none of these to a connection, or to somebody who asks for any
/// port, so nobody takes one before its server has begun, or while it is away.
const PORTS: Range<u16> = 20_000..32_000;

/// The next one of them that is free; no two servers of this process share one.
///
/// # Errors
/// When none is free, in one sentence.
pub fn free() -> Result<u16, String> {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    // Graders that run at the same time begin at different places.
    let begin = std::process::id().wrapping_mul(97);
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let ports = (0..count).map(|_| begin.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)));
    let mut ports = ports.filter_map(|number| u16::try_from(number % count).ok());
    ports
        .find_map(|number| Some(PORTS.start + number).filter(free))
        .ok_or(format!(
            "No port of 127.0.0.1 from {} to {} is free: end a server that you no longer need.",
            PORTS.start,
            PORTS.end - 1
        ))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_get_the_same_and_no_connection_could_have_it() {
        let ports: HashSet<u16> = (0..50).map(|_| free().unwrap()).collect();
        assert_eq!(ports.len(), 50);
        assert!(ports.iter().all(|port| PORTS.contains(port)));
    }
}
