//! A thread's part in the locks, and the slices it works in.

use super::block::block_on;
use super::guard::Guard;
use super::lock::Lock;
use super::locks::ShardLocks;
use super::set::ShardSet;
use crate::raw::cell::KeySet;
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most commands of a slice.
const COMMANDS_MAX: u32 = 64;
/// Commands between two looks at the clock.
const COMMANDS_PER_LOOK: u32 = 16;
const SLICE_MAX: Duration = Duration::from_micros(50);

/// A thread that takes part in locking. All tasks of the thread share it.
pub struct Party<T> {
    pub(super) locks: Arc<ShardLocks<T>>,
    slot: usize,
    /// Slices and shared guards alive; the party is active while there is one.
    depth: Cell<u32>,
    /// Commands of the current slice.
    commands: Cell<u32>,
    /// When the current slice reached its first look at the clock.
    first_look: Cell<Option<Instant>>,
    /// The shard on which the last attempt spun in vain: who parks right after that need not spin again.
    missed: Cell<Option<usize>>,
    #[cfg(debug_assertions)]
    guards: Cell<u32>,
}

impl<T> Party<T> {
    pub(super) fn new(locks: Arc<ShardLocks<T>>, slot: usize) -> Self {
        Party {
            locks,
            slot,
            depth: Cell::new(0),
            commands: Cell::new(0),
            first_look: Cell::new(None),
            missed: Cell::new(None),
            #[cfg(debug_assertions)]
            guards: Cell::new(0),
        }
    }

    /// The locks this party belongs to.
    #[inline]
    pub fn locks(&self) -> &Arc<ShardLocks<T>> {
        &self.locks
    }

    /// Begins a slice of work; `None` while somebody holds or wants all shards. No `.await` until it is dropped.
    #[inline]
    pub fn enter(&self) -> Option<Slice<'_, T>> {
        if !self.begin() {
            return None;
        }
        self.commands.set(0);
        Some(Slice { party: self })
    }

    /// A guard over no shard, whoever holds what: for what looks at no data.
    pub fn nothing(&self) -> Guard<'_, T> {
        self.depth.set(self.depth.get() + 1);
        Guard::new(self, self.locks.cells.keys(), ShardSet::EMPTY, false)
    }

    /// Takes the locks of `set`, parking the task while they are held or the gate is closed. The guard keeps the slice
    /// open. [`ShardSet::ALL`] is the same as [`lock_all`](Self::lock_all). Must not be polled while a [`Slice`] or
    /// [`Guard`] of this party is alive. Dropping the future at any moment passes on whatever it was granted.
    pub fn lock(&self, set: ShardSet) -> Lock<'_, T> {
        Lock::new(self, set)
    }

    /// Takes all shards for this task alone, parking it until every party has left its slice. Turns are in order of
    /// the first poll. The guard's set is [`ShardSet::ALL`]. Otherwise as [`lock`](Self::lock).
    pub fn lock_all(&self) -> Lock<'_, T> {
        Lock::new(self, ShardSet::ALL)
    }

    /// As [`lock`](Self::lock), blocking the thread: for background threads, tests and embedded use, never for a worker.
    pub fn lock_blocking(&self, set: ShardSet) -> Guard<'_, T> {
        block_on(self.lock(set))
    }

    /// As [`lock_all`](Self::lock_all), blocking the thread.
    pub fn lock_all_blocking(&self) -> Guard<'_, T> {
        block_on(self.lock_all())
    }

    /// Becomes active, or more so; `false` if the gate is closed.
    #[inline]
    pub(super) fn begin(&self) -> bool {
        let depth = self.depth.get();
        if depth == 0 && !self.locks.gate.enter(self.slot, &self.locks.timing) {
            return false;
        }
        self.depth.set(depth + 1);
        true
    }

    /// Undoes one [`begin`](Self::begin).
    #[inline]
    pub(super) fn end(&self) {
        let depth = self.depth.get() - 1;
        self.depth.set(depth);
        if depth == 0 {
            self.locks.gate.leave(self.slot, &self.locks.timing);
        }
    }

    /// Becomes active behind the closed gate, as its holder.
    pub(super) fn begin_as_holder(&self) {
        self.locks.gate.enter_as_holder(self.slot);
        self.depth.set(self.depth.get() + 1);
    }

    /// Whether this party is inside a slice or holds a guard.
    pub(super) fn is_active(&self) -> bool {
        self.depth.get() > 0
    }

    /// Locks the shards of `set` in ascending order, or none of them; the error is the shard that was held.
    /// A reservation at the shard `reserved` is the caller's own. `again` says that this may follow an attempt in vain.
    #[inline(always)]
    pub(super) fn take(&self, set: ShardSet, reserved: Option<usize>, again: bool) -> Result<KeySet<'_, T>, usize> {
        let mut keys = self.locks.cells.keys();
        if keys.try_take_free(set.bits()) { Ok(keys) } else { self.take_held(keys, set, reserved, again) }
    }

    /// Goes on from the first shard that was not simply free; spins on one that is held, unless that has just been done.
    #[cold]
    fn take_held<'a>(
        &self,
        mut keys: KeySet<'a, T>,
        set: ShardSet,
        reserved: Option<usize>,
        again: bool,
    ) -> Result<KeySet<'a, T>, usize> {
        let left = ShardSet::from_bits(set.bits() & !keys.held());
        for shard in left.iter().take_while(|shard| *shard < self.locks.shards()) {
            let owner = reserved == Some(shard);
            if keys.try_take(shard, owner) {
                continue;
            }
            let spun = self.missed.take() == Some(shard) && again;
            if !spun && self.locks.timing.spin_until(|| keys.try_take(shard, owner)) {
                continue;
            }
            self.missed.set((!spun).then_some(shard));
            let queued = keys.release_all();
            if queued != 0 {
                self.locks.call_waiters(queued);
            }
            return Err(shard);
        }
        Ok(keys)
    }

    /// Lock rank: a guard is taken while this party holds none.
    #[inline]
    pub(super) fn guard_taken(&self) {
        #[cfg(debug_assertions)]
        self.guards.set(self.guards.get() + 1);
    }

    #[inline]
    pub(super) fn guard_dropped(&self) {
        #[cfg(debug_assertions)]
        self.guards.set(self.guards.get() - 1);
    }

    #[inline]
    pub(super) fn check_rank(&self) {
        #[cfg(debug_assertions)]
        assert_eq!(self.guards.get(), 0, "lock rank: this party holds a guard already");
    }
}

impl<T> Drop for Party<T> {
    fn drop(&mut self) {
        // A party that is active still has leaked a guard: its shards stay locked, so its place must stay taken.
        if self.depth.get() == 0 {
            self.locks.gate.give_slot(self.slot);
        }
    }
}

/// A span of at most 64 commands or 50 µs in which a thread may take shard locks.
pub struct Slice<'p, T> {
    party: &'p Party<T>,
}

impl<'p, T> Slice<'p, T> {
    /// Takes the locks of `set` if they are free or become free within a few µs; else holds none of them. `None` calls
    /// for dropping the slice and awaiting [`Party::lock`]. The slice lasts at least as long as the guard.
    ///
    /// # Panics
    /// In debug builds if this party holds a guard over some shard already.
    #[inline]
    pub fn try_lock(&self, set: ShardSet) -> Option<Guard<'p, T>> {
        self.party.check_rank();
        let keys = self.party.take(set, None, false).ok()?;
        // The slice is open, so this cannot fail.
        self.party.begin().then(|| Guard::new(self.party, keys, set, false))
    }

    /// To be asked after each command: whether it is time to drop the slice, because somebody wants all shards or
    /// because it has had its 64 commands or 50 µs.
    #[inline]
    pub fn is_over(&self) -> bool {
        let party = self.party;
        let commands = party.commands.get() + 1;
        party.commands.set(commands);
        party.locks.gate.is_closed()
            || commands >= COMMANDS_MAX
            || (commands.is_multiple_of(COMMANDS_PER_LOOK) && party.slice_took_long(commands))
    }
}

impl<T> Party<T> {
    /// The clock is read from the 16th command on, so that short slices never pay for it. A longer slice is not unfair
    /// to anybody: who wants all shards ends it at once.
    #[cold]
    fn slice_took_long(&self, commands: u32) -> bool {
        let now = (self.locks.timing.now)();
        if commands == COMMANDS_PER_LOOK {
            self.first_look.set(Some(now));
        }
        self.first_look.get().is_some_and(|first| now.saturating_duration_since(first) >= SLICE_MAX)
    }
}

impl<T> Drop for Slice<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.party.end();
    }
}
