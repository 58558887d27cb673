//! The locks of all shards, their queues and the gate.

use super::gate::Gate;
use super::party::Party;
use super::platform::{AtomicU64, Mutex, Ordering, lock};
use super::queue::{Line, Turn};
use super::set::ShardSet;
use super::timing::Timing;
use crate::raw::cell::Cells;
use crossbeam_utils::CachePadded;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

/// The locks and what they protect.
pub struct ShardLocks<T> {
    pub(super) cells: Cells<T>,
    pub(super) gate: Gate,
    pub(super) timing: Timing,
    lines: Box<[Mutex<Line>]>,
    epoch: CachePadded<AtomicU64>,
}

impl<T> ShardLocks<T> {
    /// Locks over `shards`.
    ///
    /// # Panics
    /// With no shard or more than [`SHARDS_MAX`](super::SHARDS_MAX).
    pub fn new(shards: Vec<T>) -> Arc<Self> {
        Self::with_timing(shards, Timing::default())
    }

    /// Locks over `shards` with a clock and limits of the caller's.
    ///
    /// # Panics
    /// With no shard or more than [`SHARDS_MAX`](super::SHARDS_MAX).
    pub fn with_timing(shards: Vec<T>, timing: Timing) -> Arc<Self> {
        let lines = shards.iter().map(|_| Mutex::new(Line::default())).collect();
        let epoch = CachePadded::new(AtomicU64::new(0));
        Arc::new(ShardLocks { cells: Cells::new(shards), gate: Gate::new(), timing, lines, epoch })
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.cells.len()
    }

    /// Registers the calling thread. One party a thread; dropping the party gives its place back.
    ///
    /// # Panics
    /// With 64 parties registered already; see [`try_register`](Self::try_register).
    pub fn register(self: &Arc<Self>) -> Party<T> {
        self.try_register().expect("more threads than the shard locks have places for")
    }

    /// Registers the calling thread; `None` if 64 parties are registered already.
    pub fn try_register(self: &Arc<Self>) -> Option<Party<T>> {
        let slot = self.gate.take_slot()?;
        Some(Party::new(self.clone(), slot))
    }

    /// How often [`bump_gate_epoch`](Self::bump_gate_epoch) was called. A command reads it before its checks (pause,
    /// role, slot owner, permissions, configuration) and again once it holds its locks; if it moved, the checks are
    /// made again.
    #[inline]
    pub fn gate_epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Says that something those checks depend on has been published. The caller then takes and drops
    /// [`Party::lock_all`] before it replies, so that no command that saw the old state is still running.
    pub fn bump_gate_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether tasks wait for one of these shards.
    #[inline]
    pub(super) fn is_waited_for(&self, set: u64) -> bool {
        ShardSet::from_bits(set).iter().any(|shard| self.cells.peek(shard).1 != 0)
    }

    /// Parks a task at a shard. If the shard is free by now, the first of its queue is called, maybe this one.
    pub(super) fn park(&self, shard: usize, since: Instant, waker: &Waker) -> u64 {
        self.change(shard, |line| (line.join(since, waker), None)).unwrap_or_default()
    }

    /// Parks a task again at the shard it was called for.
    pub(super) fn park_again(&self, shard: usize, id: u64, waker: &Waker) {
        self.change(shard, |line| ((), line.rejoin(id, waker)));
    }

    /// Takes a task out of the queue of a shard and passes its call on.
    pub(super) fn unpark(&self, shard: usize, id: u64) {
        self.change(shard, |line| ((), line.leave(id)));
    }

    /// Calls the first waiter of each of these shards that is free.
    #[cold]
    pub(super) fn call_waiters(&self, set: u64) {
        ShardSet::from_bits(set).iter().for_each(|shard| _ = self.change(shard, |_| ((), None)));
    }

    /// Whether a parked task is called.
    pub(super) fn look(&self, shard: usize, id: u64, waker: &Waker) -> Turn {
        let Some(line) = self.lines.get(shard) else { return Turn::Waiting };
        let mut line = lock(line);
        let (turn, old) = line.look(id, waker);
        drop(line);
        drop(old);
        turn
    }

    /// Changes the queue of a shard and settles it. Wakers are used and dropped after the mutex: a task's destructor
    /// may come back here.
    fn change<R>(&self, shard: usize, change: impl FnOnce(&mut Line) -> (R, Option<Waker>)) -> Option<R> {
        let mut line = lock(self.lines.get(shard)?);
        let (result, old) = change(&mut line);
        let next = line.settle(&self.cells, shard, &self.timing);
        drop(line);
        drop(old);
        next.into_iter().for_each(Waker::wake);
        Some(result)
    }
}
