//! Ports for servers that must be told theirs before they start.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

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
    let ports = (0..count).map(|_| begin.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)));
    let mut ports = ports.filter_map(|number| u16::try_from(number % count).ok());
    ports
        .find_map(|number| Some(PORTS.start + number).filter(nobody_listens_on))
        .ok_or(format!(
            "No port of 127.0.0.1 from {} to {} is free: end a server that you no longer need.",
            PORTS.start,
            PORTS.end - 1
        ))
}

/// Asked by a connection. Whoever listened there to find out would be in the way: a
/// program that another thread starts at that moment inherits it, and holds it until
/// it runs.
fn nobody_listens_on(port: &u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
    // Windows tries for two seconds to connect where nobody listens.
    TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn no_two_get_the_same_and_no_connection_could_have_it() {
        let ports: HashSet<u16> = (0..50).map(|_| free().unwrap()).collect();
        assert_eq!(ports.len(), 50);
        assert!(ports.iter().all(|port| PORTS.contains(port)));
    }

    #[test]
    fn one_on_which_somebody_listens_is_not_free() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!nobody_listens_on(&port));
    }
}
