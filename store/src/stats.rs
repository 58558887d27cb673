//! Counters of what happened to keys, kept per shard and summed on demand.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Sums over all shards since the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Reads that found their key.
    pub keyspace_hits: u64,
    /// Reads that did not.
    pub keyspace_misses: u64,
    /// Keys removed because their deadline had passed.
    pub expired_keys: u64,
    /// Fields of hashes removed because their deadline had passed.
    pub expired_fields: u64,
    /// Keys removed because memory was short.
    pub evicted_keys: u64,
    /// Share of expired keys among those looked at by the active cycle lately, in millionths.
    pub expired_stale_millionths: u64,
    /// Active expiry cycles that ran out of time.
    pub expired_time_cap_reached_count: u64,
    /// Keys whose values wait for the freeing thread.
    pub lazyfree_pending_objects: u64,
    /// Keys whose values the freeing thread has freed.
    pub lazyfreed_objects: u64,
}

/// One shard's counters. Written only under the shard's lock.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) expired: AtomicU64,
    pub(crate) expired_fields: AtomicU64,
    pub(crate) evicted: AtomicU64,
}

/// Adds one to a counter that nobody else writes at the time.
pub(crate) fn count(counter: &AtomicU64) {
    count_many(counter, 1);
}

/// Adds to a counter that nobody else writes at the time.
pub(crate) fn count_many(counter: &AtomicU64, number: usize) {
    counter.store(counter.load(Relaxed).wrapping_add(number as u64), Relaxed);
}
