//! Locked shards.

use super::party::Party;
use super::set::ShardSet;
use crate::raw::cell::KeySet;

/// Locked shards; unlocks when dropped. Not to be kept over an `.await`.
pub struct Guard<'p, T> {
    party: &'p Party<T>,
    keys: KeySet<'p, T>,
    set: ShardSet,
    /// The gate is closed for everybody else. Locks are then taken shard by shard as the data is reached for, which
    /// cannot fail: so that only one thing, the lock word, ever gives access to data.
    exclusive: bool,
    /// It was taken over some shard. A guard over none lets its party lock one shard after the other beside it.
    ranked: bool,
}

impl<'p, T> Guard<'p, T> {
    #[inline]
    pub(super) fn new(party: &'p Party<T>, keys: KeySet<'p, T>, set: ShardSet, exclusive: bool) -> Self {
        let ranked = !set.is_empty();
        if ranked {
            party.guard_taken();
        }
        Guard { party, keys, set, exclusive, ranked }
    }

    /// The shards this guard holds, as they were asked for: numbers no shard has do no harm.
    #[inline]
    pub fn set(&self) -> ShardSet {
        self.set
    }

    /// The data of a held shard; `None` outside the set.
    #[inline]
    pub fn shard(&mut self, shard: usize) -> Option<&mut T> {
        self.reach(shard);
        self.keys.get(shard)
    }

    /// The data of a shard that [`shard`](Self::shard) has given before; `None` if it has not.
    pub fn held(&self, shard: usize) -> Option<&T>
    where
        T: Sync,
    {
        self.keys.look(shard)
    }

    /// The data of two different held shards; `None` if one is outside the set or they are the same.
    pub fn pair(&mut self, a: usize, b: usize) -> Option<(&mut T, &mut T)> {
        self.reach(a);
        self.reach(b);
        self.keys.get_pair(a, b)
    }

    /// Whether somebody waits for one of these shards, or for all: time to let go of a lock shared by several commands.
    #[inline]
    pub fn contended(&self) -> bool {
        if self.exclusive {
            return self.party.locks.gate.is_waited_for() || self.party.locks.is_waited_for(self.keys.held());
        }
        self.party.locks.gate.is_closed() || self.party.locks.is_waited_for(self.keys.held())
    }

    /// Whether somebody waits for one of these shards; asked beside [`Slice::is_over`](super::Slice::is_over), which knows of
    /// those who wait for all.
    #[inline]
    pub fn is_waited_for(&self) -> bool {
        self.party.locks.is_waited_for(self.keys.held())
    }

    /// Lets go of one shard early. It leaves the set.
    pub fn release(&mut self, shard: usize) {
        self.set.remove(shard);
        if self.keys.release(shard) {
            self.party.locks.call_waiters(ShardSet::one(shard).bits());
        }
    }

    /// Turns the exclusive hold of all shards into the locks of each, and lets others in at the gate: for commands that
    /// read all shards and [`release`](Self::release) each after its last read.
    pub fn share(&mut self) {
        if !self.exclusive {
            return;
        }
        for shard in self.set.iter().take_while(|shard| *shard < self.party.locks.shards()) {
            self.reach(shard);
        }
        self.party.begin_as_holder();
        self.exclusive = false;
        self.party.locks.gate.end_turn();
    }

    #[inline]
    fn reach(&mut self, shard: usize) {
        if self.exclusive && self.set.contains(shard) && self.keys.held() >> shard & 1 == 0 {
            let taken = self.keys.try_take(shard, true) || shard >= self.party.locks.shards();
            debug_assert!(taken, "shard {shard} is held behind a closed gate");
        }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Unlock, then leave, then wake: the next exclusive turn finds no lock taken once all have left.
        let queued = self.keys.release_all();
        if self.ranked {
            self.party.guard_dropped();
        }
        if self.exclusive {
            self.party.locks.gate.end_turn();
        } else {
            self.party.end();
        }
        if queued != 0 {
            self.party.locks.call_waiters(queued);
        }
    }
}
