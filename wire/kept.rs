//! The bytes of an event, of which only so many are kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many bytes of each body and of each frame's payload are kept.
pub const BODY: usize = 64 * 1024;

/// The bytes of an event, while they come and after. Clones are the same bytes.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<Bytes>>);

/// What is kept of an event's bytes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Bytes {
    /// How many of the first bytes are a head, or a frame's header. They are
    /// always kept.
    pub head: usize,
    /// The head, and the first [`BODY`] bytes behind it.
    pub kept: Vec<u8>,
    /// How many bytes there were on the wire.
    pub size: u64,
}

impl Bytes {
    /// The head.
    pub fn head(&self) -> &[u8] {
        &self.kept[..self.head]
    }

    /// What is kept of what follows the head.
    pub fn body(&self) -> &[u8] {
        &self.kept[self.head..]
    }

    /// Whether there were more bytes than are kept.
    pub fn is_cut(&self) -> bool {
        self.size > self.kept.len() as u64
    }
}

impl Kept {
    /// A head, behind which more may come.
    pub fn new(head: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(Bytes {
            head: head.len(),
            kept: head.to_vec(),
            size: head.len() as u64,
        })))
    }

    /// More bytes have come.
    pub fn add(&self, bytes: &[u8]) {
        let mut all = self.lock();
        let room = all.head + BODY - all.kept.len();
        let kept = &bytes[..bytes.len().min(room)];
        all.kept.extend_from_slice(kept);
        all.size = all.size.saturating_add(bytes.len() as u64);
    }

    /// A look at the bytes. Nobody may hold it for long: those who add wait.
    pub fn lock(&self) -> MutexGuard<'_, Bytes> {
        // Each change leaves the bytes whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_and_the_beginning_of_a_body_are_kept() {
        let kept = Kept::new(b"head");
        kept.add(&[1; BODY - 1]);
        assert!(!kept.lock().is_cut());
        kept.add(&[2; 10]);
        let bytes = kept.lock();
        assert_eq!(bytes.head(), b"head");
        assert_eq!(bytes.body().len(), BODY);
        assert_eq!(bytes.body().last(), Some(&2));
        assert_eq!(bytes.size, 4 + BODY as u64 + 9);
        assert!(bytes.is_cut());
    }
}
