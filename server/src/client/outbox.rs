//! Bytes that other threads want a client to receive.

use parking_lot::Mutex;

/// Pushes waiting for the connection to send them, in order. Its own replies go first.
#[derive(Default)]
pub struct Outbox {
    waiting: Mutex<Vec<u8>>,
}

impl Outbox {
    /// Appends a message; true if it is the first one waiting, so that its reader must be woken.
    pub fn push(&self, message: &[u8]) -> bool {
        let mut waiting = self.waiting.lock();
        let first = waiting.is_empty();
        waiting.extend_from_slice(message);
        first
    }
    /// Moves everything that waits to the end of `output`.
    pub fn drain_into(&self, output: &mut Vec<u8>) {
        let mut waiting = self.waiting.lock();
        output.extend_from_slice(&waiting);
        waiting.clear();
        waiting.shrink_to(16 * 1024);
    }
    /// Bytes waiting.
    pub fn len(&self) -> usize {
        self.waiting.lock().len()
    }
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
