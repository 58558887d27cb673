//! What other threads want a client to receive.

use crate::pubsub::Message;
use crate::tracking::{Invalidation, append_broken};
use ochre_resp::reply::Protocol;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Something for a client that is no reply to what it has sent.
#[derive(Clone, Debug)]
pub enum Push {
    /// Bytes as they go over the wire.
    Line(Arc<[u8]>),
    /// A message, in the form of the client's protocol when it is sent.
    Message(Arc<Message>),
    /// Keys that have changed, and whether another client has read them.
    Invalidation(Arc<Invalidation>, bool),
    /// Whom it has redirected invalidations to is gone.
    RedirectBroken(u64),
}

impl Push {
    /// Bytes on the wire.
    pub fn len(&self) -> usize {
        match self {
            Push::Line(line) => line.len(),
            Push::Message(message) => message.len(),
            Push::Invalidation(what, _) => what.len(),
            Push::RedirectBroken(_) => 40,
        }
    }
    /// Copies it to the end of `out`, for a client that `listens` to channels or does not.
    pub fn append_to(&self, out: &mut Vec<u8>, protocol: Protocol, listens: bool) {
        match self {
            Push::Line(line) => out.extend_from_slice(line),
            Push::Message(message) => message.append_to(out, protocol),
            Push::Invalidation(what, redirected) => what.append_to(out, protocol, *redirected && listens),
            Push::RedirectBroken(id) => append_broken(out, protocol, *id),
        }
    }
    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Pushes waiting for the connection to send them, in order. Its own replies go first. What several clients are to receive
/// is shared until it is written.
#[derive(Default)]
pub struct Outbox {
    waiting: Mutex<VecDeque<Push>>,
    len: AtomicUsize,
}

/// A reader that does not keep up is woken at every so many bytes, to look at its limits.
const BYTES_A_LOOK: usize = 16 * 1024;
/// Room for so many pushes is kept.
const PUSHES_KEPT: usize = 256;

impl Outbox {
    /// Appends a push; true if its reader must be woken: it is the first one waiting, or much does.
    pub fn push(&self, push: Push) -> bool {
        let mut waiting = self.waiting.lock();
        let before = self.len.load(Relaxed);
        let now = before + push.len();
        let is_first = waiting.is_empty();
        waiting.push_back(push);
        self.len.store(now, Relaxed);
        is_first || before / BYTES_A_LOOK != now / BYTES_A_LOOK
    }
    /// Takes pushes out as long as `take` accepts the next one.
    pub fn take_while(&self, mut take: impl FnMut(&Push) -> bool) {
        let mut waiting = self.waiting.lock();
        let mut len = self.len.load(Relaxed);
        while let Some(push) = waiting.front() {
            if !take(push) {
                break;
            }
            len -= push.len();
            waiting.pop_front();
        }
        self.len.store(len, Relaxed);
        if waiting.is_empty() {
            waiting.shrink_to(PUSHES_KEPT);
        }
    }
    /// Bytes waiting.
    pub fn len(&self) -> usize {
        self.len.load(Relaxed)
    }
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_is_woken_by_the_first_push_and_when_much_waits() {
        let outbox = Outbox::default();
        let line = Push::Line(vec![b'x'; 1000].into());
        assert!(outbox.push(line.clone()) && !outbox.push(line.clone()));
        let woken = (2..34).filter(|_| outbox.push(line.clone())).count();
        assert_eq!((woken, outbox.len()), (2, 34_000));
        let mut room = 30;
        outbox.take_while(|_| {
            room -= 1;
            room >= 0
        });
        assert_eq!(outbox.len(), 4000);
        outbox.take_while(|_| true);
        assert!(outbox.is_empty() && outbox.push(line));
    }
}
