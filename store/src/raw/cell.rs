//! Shards behind one lock word each, and the set of held locks that alone gives access to them.
//!
//! Everything the soundness of the shard locks rests on is in this file: data is reached only through [`KeySet`], and a
//! `KeySet` reaches only cells whose [`LOCKED`] bit its own compare-and-swap set. The gate, the queues and the
//! reservations decide who gets a lock and when; a mistake there can cost time, not memory safety.

use crate::sync::platform::{AtomicU32, Ordering, UnsafeCell};
use crossbeam_utils::CachePadded;

/// Bit of the lock word: somebody holds the shard.
const LOCKED: u32 = 1;
/// Flag of the lock word: tasks stand in the shard's queue, so who unlocks must look at it.
pub(crate) const QUEUED: u32 = 2;
/// Flag of the lock word: a waiter has been woken and has not tried yet.
pub(crate) const CALLED: u32 = 4;
/// Flag of the lock word: only the waiter that reserved the shard may lock it.
pub(crate) const RESERVED: u32 = 8;

const FLAGS: u32 = QUEUED | CALLED | RESERVED;

struct LockCell<T> {
    word: AtomicU32,
    data: UnsafeCell<T>,
}

// SAFETY: `data` is reached only by the holder of the LOCKED bit (see `KeySet::get`), so the cell hands a `T` from
// thread to thread like a mutex does, which `T: Send` permits.
unsafe impl<T: Send> Sync for LockCell<T> {}

/// All shards with their lock words; never more than 64, so that a set of them is one machine word.
pub(crate) struct Cells<T> {
    cells: Box<[CachePadded<LockCell<T>>]>,
}

impl<T> Cells<T> {
    /// Unlocked cells over `shards`.
    ///
    /// # Panics
    /// With no shard or more than 64.
    pub(crate) fn new(shards: Vec<T>) -> Self {
        assert!((1..=64).contains(&shards.len()), "1 to 64 shards, not {}", shards.len());
        let cell = |data| CachePadded::new(LockCell { word: AtomicU32::new(0), data: UnsafeCell::new(data) });
        Cells { cells: shards.into_iter().map(cell).collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The lock word of a shard as it was a moment ago: whether it is held, and its flags.
    pub(crate) fn peek(&self, shard: usize) -> (bool, u32) {
        let word = self.get(shard).map_or(0, |cell| cell.word.load(Ordering::Relaxed));
        (word & LOCKED != 0, word & FLAGS)
    }

    /// Sets the flags of a shard to exactly `flags` and returns whether the shard was held at that instant. Only one
    /// thread at a time may do so for one shard (the queue's mutex sees to that). An unlock after this instant sees them.
    pub(crate) fn set_flags(&self, shard: usize, flags: u32) -> bool {
        let Some(cell) = self.get(shard) else { return false };
        let seen = cell.word.load(Ordering::Relaxed);
        let changed = (seen ^ flags) & FLAGS;
        // Where nothing changes the flags were visible to every unlock since they were set: no ordering is needed.
        let seen = if changed == 0 { seen } else { cell.word.fetch_xor(changed, Ordering::AcqRel) };
        seen & LOCKED != 0
    }

    /// An empty set of held locks.
    #[inline(always)]
    pub(crate) fn keys(&self) -> KeySet<'_, T> {
        KeySet { cells: self, held: 0 }
    }

    #[inline(always)]
    fn get(&self, shard: usize) -> Option<&LockCell<T>> {
        self.cells.get(shard).map(|cell| &**cell)
    }
}

/// The locks somebody holds. Dropping it leaves them locked: call [`KeySet::release_all`].
pub(crate) struct KeySet<'a, T> {
    cells: &'a Cells<T>,
    /// Bit `i` is set exactly while this set owns the LOCKED bit of cell `i`.
    held: u64,
}

impl<T> KeySet<'_, T> {
    /// One bit for each held shard.
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    /// Locks the shards of `set` in ascending order as long as they are free and nobody waits for them. Returns whether
    /// that was all of them; shards that do not exist count as locked.
    #[inline(always)]
    pub(crate) fn try_take_free(&mut self, set: u64) -> bool {
        let mut left = set;
        while left != 0 {
            let shard = left.trailing_zeros() as usize;
            left &= left - 1;
            let Some(cell) = self.cells.get(shard) else { return true };
            if cell.word.compare_exchange(0, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_err() {
                return false;
            }
            self.held |= 1 << shard;
        }
        true
    }

    /// Locks a shard if it is free and not reserved; `owner` ignores a reservation because it is the caller's own.
    pub(crate) fn try_take(&mut self, shard: usize, owner: bool) -> bool {
        let barred = if owner { LOCKED } else { LOCKED | RESERVED };
        let Some(cell) = self.cells.get(shard) else { return false };
        let mut seen = cell.word.load(Ordering::Relaxed);
        while seen & barred == 0 {
            match cell.word.compare_exchange_weak(seen, seen | LOCKED, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => {
                    self.held |= 1 << shard;
                    return true;
                }
                Err(now) => seen = now,
            }
        }
        false
    }

    /// The data of a held shard.
    #[inline]
    pub(crate) fn get(&mut self, shard: usize) -> Option<&mut T> {
        let cell = self.cells.get(shard)?;
        if self.held >> shard & 1 == 0 {
            return None;
        }
        // SAFETY: the bit in `held` says that this set owns the LOCKED bit of the cell, which no other set can own at
        // the same time, and `&mut self` makes this the only reference given out through this set. Nobody unlocks
        // while the reference lives, since that takes `&mut self` too.
        Some(unsafe { &mut *cell.pointer() })
    }

    /// The data of a held shard, for reading.
    pub(crate) fn look(&self, shard: usize) -> Option<&T>
    where
        T: Sync,
    {
        let cell = self.cells.get(shard)?;
        if self.held >> shard & 1 == 0 {
            return None;
        }
        // SAFETY: as in `get`: this set owns the LOCKED bit. References that can change the data need `&mut self`, so all
        // that live beside this one are shared too, on whatever thread, which `T: Sync` permits.
        Some(unsafe { &*cell.pointer() })
    }

    /// The data of two different held shards.
    pub(crate) fn get_pair(&mut self, a: usize, b: usize) -> Option<(&mut T, &mut T)> {
        let (first, second) = (self.cells.get(a)?, self.cells.get(b)?);
        if a == b || self.held >> a & self.held >> b & 1 == 0 {
            return None;
        }
        // SAFETY: as in `get`, for each of the two; they are different cells, so the references do not alias.
        Some(unsafe { (&mut *first.pointer(), &mut *second.pointer()) })
    }

    /// Unlocks one shard, if it is held; returns whether its queue wants a look.
    #[inline(always)]
    pub(crate) fn release(&mut self, shard: usize) -> bool {
        let Some(cell) = self.cells.get(shard) else { return false };
        if self.held >> shard & 1 == 0 {
            return false;
        }
        self.held &= !(1 << shard);
        cell.word.fetch_sub(LOCKED, Ordering::Release) & QUEUED != 0
    }

    /// Unlocks everything; returns one bit for each shard whose queue wants a look.
    #[inline(always)]
    pub(crate) fn release_all(&mut self) -> u64 {
        let mut queued = 0;
        while self.held != 0 {
            let shard = self.held.trailing_zeros() as usize;
            queued |= u64::from(self.release(shard)) << shard;
        }
        queued
    }
}

impl<T> LockCell<T> {
    #[cfg(not(loom))]
    fn pointer(&self) -> *mut T {
        self.data.get()
    }

    /// Lets loom check that this access is ordered after every earlier one.
    #[cfg(loom)]
    fn pointer(&self) -> *mut T {
        self.data.with_mut(|pointer| pointer)
    }
}
