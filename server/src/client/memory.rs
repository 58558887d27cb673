//! The memory of all clients together, and closing the largest clients when it is too much.

use super::{ClientHandle, ClientKind, Registry};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed, Ordering::SeqCst};

/// The sum of what the clients take, kept while `maxmemory-clients` sets a limit.
#[derive(Default)]
pub struct ClientMemory {
    total: AtomicI64,
    /// What clients that were closed have not given back yet.
    leaving: AtomicI64,
    evicting: Mutex<()>,
}

impl ClientMemory {
    /// Brings the sum up to date with what the client takes and claims now.
    pub fn count(&self, client: &ClientHandle) {
        if matches!(client.kind(), ClientKind::Replica | ClientKind::Primary) || client.is_killed() {
            return;
        }
        let bytes = client.claimed_bytes();
        let before = client.counted_bytes.swap(bytes, Relaxed);
        self.total.fetch_add((bytes as i64).wrapping_sub(before as i64), Relaxed);
    }
    /// Brings the sum up to date with what all clients take: there was no limit before, so they were not counted.
    pub fn count_all(&self, clients: &Registry) {
        for client in clients.all() {
            self.count(&client);
            // Who went meanwhile may have been counted after it was forgotten.
            if client.closed.load(SeqCst) {
                self.forget(&client);
            }
        }
    }
    /// The client is gone and has given its memory back.
    pub fn forget(&self, client: &ClientHandle) {
        let counted = client.counted_bytes.swap(0, Relaxed);
        self.total.fetch_sub(counted as i64, Relaxed);
        let leaving = client.leaving_bytes.swap(0, Relaxed);
        self.leaving.fetch_sub(leaving as i64, Relaxed);
    }
    /// Bytes that closed clients are about to give back: no reason to evict keys.
    pub fn leaving(&self) -> usize {
        self.leaving.load(Relaxed).max(0).unsigned_abs() as usize
    }
    /// Bytes of all clients that were counted.
    pub fn total(&self) -> u64 {
        self.total.load(Relaxed).max(0).unsigned_abs()
    }
    /// Closes clients, the largest first, until all together are below `limit`; how many were closed. `describe` is
    /// called for each.
    pub fn evict(&self, clients: &Registry, limit: u64, describe: impl Fn(&ClientHandle)) -> u64 {
        if self.total() < limit {
            return 0;
        }
        // Another worker that is at it does the same.
        let Some(_turn) = self.evicting.try_lock() else { return 0 };
        let mut candidates = clients.all();
        candidates.retain(|client| {
            let exempt =
                client.no_evict.load(Relaxed) || matches!(client.kind(), ClientKind::Replica | ClientKind::Primary);
            !exempt && !client.is_killed()
        });
        candidates.sort_by_key(|client| std::cmp::Reverse(client.counted_bytes.load(Relaxed)));
        let mut evicted = 0;
        for client in candidates {
            if self.total() < limit {
                break;
            }
            describe(&client);
            client.kill();
            let counted = client.counted_bytes.swap(0, Relaxed);
            self.total.fetch_sub(counted as i64, Relaxed);
            client.leaving_bytes.fetch_add(counted, Relaxed);
            self.leaving.fetch_add(counted as i64, Relaxed);
            evicted += 1;
        }
        evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Origin;
    use std::sync::Arc;

    #[test]
    fn the_largest_go_first_and_only_as_many_as_needed() {
        let (registry, memory) = (Arc::<Registry>::default(), ClientMemory::default());
        let client = |id, bytes: u64| {
            let handle = Arc::new(ClientHandle::new(Origin { id, ..Origin::default() }));
            handle.published.query_len.store(bytes, Relaxed);
            memory.count(&handle);
            handle
        };
        let [small, large, exempt, largest] =
            [client(1, 1000), client(2, 50_000), client(3, 90_000), client(4, 70_000)];
        exempt.no_evict.store(true, Relaxed);
        let _registrations = [&small, &large, &exempt, &largest].map(|handle| registry.add(handle.clone(), usize::MAX));
        assert_eq!(memory.evict(&registry, 300_000, |_| unreachable!()), 0);
        assert_eq!(memory.evict(&registry, 200_000, |_| {}), 1);
        assert!(largest.is_killed() && !large.is_killed() && memory.total() < 200_000);
        assert!((70_000..80_000).contains(&memory.leaving()));
        memory.forget(&largest);
        assert_eq!(memory.leaving(), 0);
        // What is killed is not counted again.
        memory.count(&largest);
        assert_eq!(memory.evict(&registry, 1000, |_| {}), 2);
        assert!(small.is_killed() && large.is_killed() && !exempt.is_killed());
        [&exempt, &small, &large].into_iter().for_each(|handle| memory.forget(handle));
        assert_eq!((memory.total(), memory.leaving()), (0, 0));
    }
}
