//! Who holds keys, and waiting until somebody lets go.

use super::sockets::Sockets;
use crate::server::{Attention, Server};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use tokio::sync::Notify;

/// All there is about it in this process.
#[derive(Default)]
pub struct Migrations {
    /// Transfers that hold keys.
    pub holds: Holds,
    /// Connections to other servers that may be used again.
    pub sockets: Sockets,
}

/// How many transfers hold keys.
#[derive(Default)]
pub struct Holds {
    count: Mutex<usize>,
    /// How many have let go of theirs since the start.
    ended: AtomicU64,
    bell: Notify,
}

impl Holds {
    /// A transfer is about to pin its keys, under their locks.
    pub fn begin(&self, attention: &Attention) {
        let mut count = self.count.lock();
        *count += 1;
        attention.set(Attention::MIGRATES, true);
    }
    /// A transfer has let go of its keys, under their locks.
    pub fn end(&self, server: &Server) {
        let mut count = self.count.lock();
        *count = count.saturating_sub(1);
        if *count == 0 {
            server.attention.set(Attention::MIGRATES, false);
        }
        self.ended.fetch_add(1, SeqCst);
        self.bell.notify_waiters();
        server.blocked.look_for_destinations(server);
    }
    /// Where to begin with [`ended_since`](Holds::ended_since); to be asked under the lock of a key that is pinned.
    pub fn seen(&self) -> u64 {
        self.ended.load(SeqCst)
    }
    /// Waits until a transfer has let go that had not when `seen` was asked for.
    pub async fn ended_since(&self, seen: u64) {
        loop {
            let mut rung = std::pin::pin!(self.bell.notified());
            rung.as_mut().enable();
            if self.ended.load(SeqCst) != seen {
                return;
            }
            rung.await;
        }
    }
}
