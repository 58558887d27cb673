//! The gate: one party at a time may have all shards to itself, without touching their locks.
//!
//! Each party has a word that says whether it is inside a slice. An exclusive turn closes the door and waits until all
//! words are zero. Who enters sets its word, then looks at the door; who closes the door then looks at the words. With
//! both sides sequentially consistent, at least one of them sees the other.
//!
//! Tasks that found the door closed are let go with a *pass* each, and the next turn waits until every pass has been
//! used up. A closed loop of exclusive turns therefore starves nobody.

use super::platform::{AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering, PARTIES_MAX, announce, lock};
use super::timing::Timing;
use crossbeam_utils::CachePadded;
use std::collections::VecDeque;
use std::task::{Poll, Waker};
use std::time::Instant;

/// Everybody may enter.
const OPEN: u32 = 0;
/// A turn waits for parties to leave, or has all shards.
const CLOSED: u32 = 1;
/// A turn has given up waiting for now; who enters or leaves gives it a hint when to try again.
const RETREATED: u32 = 2;

pub(super) struct Gate {
    /// Changed only under `hall`.
    door: CachePadded<AtomicU32>,
    /// 1 while the party of this slot is inside a slice.
    active: Box<[CachePadded<AtomicU32>]>,
    /// One bit for each slot that is taken.
    slots: AtomicU64,
    hall: Mutex<Hall>,
}

/// Everybody who waits at the gate.
#[derive(Default)]
struct Hall {
    turn: Option<Turn>,
    /// Those who want a turn, in order.
    queue: VecDeque<Ticket>,
    /// Those who want to enter.
    blocked: Vec<Ticket>,
    /// How often the blocked have been let go. A task that was blocked in an earlier round holds a pass.
    round: u64,
    passes: usize,
    next_id: u64,
}

struct Ticket {
    id: u64,
    waker: Waker,
}

/// The exclusive turn in progress.
struct Turn {
    id: u64,
    phase: Phase,
    retreats: u32,
    waker: Option<Waker>,
}

#[derive(Clone, Copy)]
enum Phase {
    /// Passes of the last round are still out.
    Waiting,
    Draining(Instant),
    Retreated(Instant),
    Holding,
}

/// The place of a task that waits to enter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    round: u64,
    id: u64,
}

/// Wakers to be used after the mutex is let go.
type Wakers = Vec<Waker>;

impl Gate {
    pub(super) fn new() -> Self {
        Gate {
            door: CachePadded::new(AtomicU32::new(OPEN)),
            active: (0..PARTIES_MAX).map(|_| CachePadded::new(AtomicU32::new(0))).collect(),
            slots: AtomicU64::new(0),
            hall: Mutex::new(Hall::default()),
        }
    }

    /// A free slot, now taken.
    pub(super) fn take_slot(&self) -> Option<usize> {
        let _hall = lock(&self.hall);
        let taken = self.slots.load(Ordering::SeqCst);
        let slot = (!taken).trailing_zeros() as usize;
        if slot >= PARTIES_MAX {
            return None;
        }
        // Under the mutex, and every turn takes it again after closing the door: a turn either sees the slot or its
        // party sees the door.
        self.slots.store(taken | 1 << slot, Ordering::SeqCst);
        Some(slot)
    }

    pub(super) fn give_slot(&self, slot: usize) {
        let _hall = lock(&self.hall);
        let taken = self.slots.load(Ordering::SeqCst);
        self.slots.store(taken & !(1 << slot), Ordering::SeqCst);
    }

    /// Whether a turn waits or runs. May be out of date by a moment.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.door.load(Ordering::Relaxed) == CLOSED
    }

    /// Whether somebody waits for the turn in progress to end.
    pub(super) fn is_waited_for(&self) -> bool {
        let hall = lock(&self.hall);
        !hall.queue.is_empty() || !hall.blocked.is_empty()
    }

    /// Marks the party as active, unless the door is closed.
    #[inline]
    pub(super) fn enter(&self, slot: usize, timing: &Timing) -> bool {
        if self.is_closed() {
            return false;
        }
        let Some(word) = self.active.get(slot) else { return false };
        announce(word, 1);
        match self.door.load(Ordering::SeqCst) {
            OPEN => true,
            RETREATED => {
                self.nudge(timing);
                true
            }
            _ => {
                self.leave(slot, timing);
                false
            }
        }
    }

    /// Marks the party as active although the door is closed: for the holder of the turn, who is about to open it.
    pub(super) fn enter_as_holder(&self, slot: usize) {
        if let Some(word) = self.active.get(slot) {
            announce(word, 1);
        }
    }

    /// Marks the party as inactive and, if a turn waits for that, wakes it.
    #[inline]
    pub(super) fn leave(&self, slot: usize, timing: &Timing) {
        let Some(word) = self.active.get(slot) else { return };
        announce(word, 0);
        if self.door.load(Ordering::SeqCst) != OPEN {
            self.nudge(timing);
        }
    }

    /// Wakes the turn in progress if it could go on now.
    #[cold]
    fn nudge(&self, timing: &Timing) {
        let mut hall = lock(&self.hall);
        let waker = match &mut hall.turn {
            Some(turn) if self.may_go_on(turn.phase, timing) => turn.waker.take(),
            _ => None,
        };
        drop(hall);
        wake(waker);
    }

    fn may_go_on(&self, phase: Phase, timing: &Timing) -> bool {
        match phase {
            Phase::Waiting | Phase::Holding => false,
            Phase::Draining(_) => self.is_quiet(),
            Phase::Retreated(since) => self.is_quiet() || timing.passed(since, timing.drain_max),
        }
    }

    /// Whether no party is inside a slice.
    fn is_quiet(&self) -> bool {
        let mut taken = self.slots.load(Ordering::SeqCst);
        while taken != 0 {
            let slot = taken.trailing_zeros() as usize;
            taken &= taken - 1;
            if self.active.get(slot).is_some_and(|word| word.load(Ordering::SeqCst) != 0) {
                return false;
            }
        }
        true
    }

    /// Parks a task that wants to enter; `None` if the door is not closed any more.
    pub(super) fn block(&self, waker: &Waker) -> Option<Place> {
        let mut hall = lock(&self.hall);
        if self.door.load(Ordering::SeqCst) != CLOSED {
            return None;
        }
        let id = hall.new_id();
        hall.blocked.push(Ticket { id, waker: waker.clone() });
        Some(Place { round: hall.round, id })
    }

    /// Whether the task has been let go; from then on it holds a pass.
    pub(super) fn is_let_go(&self, place: Place, waker: &Waker) -> bool {
        let mut hall = lock(&self.hall);
        if hall.round != place.round {
            return true;
        }
        let ticket = hall.blocked.iter_mut().find(|ticket| ticket.id == place.id);
        let stale = ticket.filter(|ticket| !ticket.waker.will_wake(waker));
        let old = stale.map(|ticket| std::mem::replace(&mut ticket.waker, waker.clone()));
        drop(hall);
        drop(old);
        false
    }

    /// A blocked task goes away, before or after it was let go.
    pub(super) fn unblock(&self, place: Place) {
        let mut hall = lock(&self.hall);
        if hall.round != place.round {
            drop(hall);
            return self.use_up_pass();
        }
        let found = hall.blocked.iter().position(|ticket| ticket.id == place.id);
        let gone = found.map(|index| hall.blocked.swap_remove(index));
        drop(hall);
        drop(gone);
    }

    /// A task that was let go has its locks or is gone.
    pub(super) fn use_up_pass(&self) {
        let mut hall = lock(&self.hall);
        hall.passes = hall.passes.saturating_sub(1);
        let next = if hall.passes == 0 { hall.turn.as_mut() } else { None };
        let waker = next.and_then(|turn| turn.waker.take());
        drop(hall);
        wake(waker);
    }

    /// Stands in line for a turn.
    pub(super) fn queue(&self, waker: &Waker) -> u64 {
        let mut hall = lock(&self.hall);
        let id = hall.new_id();
        hall.queue.push_back(Ticket { id, waker: waker.clone() });
        if hall.turn.is_none() {
            hall.begin_next_turn();
        }
        id
    }

    /// Drives the turn `id`; ready once all shards are this task's alone.
    pub(super) fn poll_turn(&self, id: u64, waker: &Waker, timing: &Timing) -> Poll<()> {
        let mut spun = false;
        loop {
            let mut hall = lock(&self.hall);
            let passes = hall.passes;
            let Some(turn) = hall.turn.as_mut().filter(|turn| turn.id == id) else {
                return Self::wait_in_queue(hall, id, waker);
            };
            let ready = match turn.phase {
                Phase::Waiting => passes == 0,
                Phase::Retreated(_) => passes == 0 && self.may_go_on(turn.phase, timing),
                Phase::Draining(_) | Phase::Holding => false,
            };
            if ready {
                turn.phase = Phase::Draining((timing.now)());
                announce(&self.door, CLOSED);
            }
            let Phase::Draining(since) = turn.phase else {
                return Self::keep_waker(hall, waker);
            };
            if self.is_quiet() {
                turn.phase = Phase::Holding;
                let old = turn.waker.take();
                drop(hall);
                drop(old);
                return Poll::Ready(());
            }
            if !spun {
                spun = true;
                drop(hall);
                timing.spin_until(|| self.is_quiet());
                continue;
            }
            return self.wait_for_others(hall, since, waker, timing);
        }
    }

    /// The drain takes longer than a spin: sleep, yield or retreat.
    fn wait_for_others(&self, mut hall: MutexGuard<'_, Hall>, since: Instant, waker: &Waker, t: &Timing) -> Poll<()> {
        let Some(turn) = hall.turn.as_mut() else { return Poll::Pending };
        if turn.retreats >= t.retreats_max {
            // The last one to leave wakes us: it needs the mutex for that, which we hold.
            return Self::keep_waker(hall, waker);
        }
        if !t.passed(since, t.drain_max) {
            // Somebody has to notice when the time is over, and there is no timer here: look again after the other
            // tasks of this thread. This lasts for at most `drain_max`.
            let pending = Self::keep_waker(hall, waker);
            waker.wake_by_ref();
            return pending;
        }
        turn.retreats += 1;
        turn.phase = Phase::Retreated((t.now)());
        let wakers = self.open(&mut hall, RETREATED);
        let pending = Self::keep_waker(hall, waker);
        wake(wakers);
        pending
    }

    /// Keeps the waker of the turn in progress.
    fn keep_waker(mut hall: MutexGuard<'_, Hall>, waker: &Waker) -> Poll<()> {
        let old = hall.turn.as_mut().and_then(|turn| turn.waker.replace(waker.clone()));
        drop(hall);
        drop(old);
        Poll::Pending
    }

    fn wait_in_queue(mut hall: MutexGuard<'_, Hall>, id: u64, waker: &Waker) -> Poll<()> {
        let ticket = hall.queue.iter_mut().find(|ticket| ticket.id == id);
        let old = ticket.map(|ticket| std::mem::replace(&mut ticket.waker, waker.clone()));
        drop(hall);
        drop(old);
        Poll::Pending
    }

    /// A task that stands in line or drives a turn goes away.
    pub(super) fn abandon(&self, id: u64) {
        let mut hall = lock(&self.hall);
        if hall.turn.as_ref().is_some_and(|turn| turn.id == id) {
            drop(hall);
            return self.end_turn();
        }
        let found = hall.queue.iter().position(|ticket| ticket.id == id);
        let gone = found.and_then(|index| hall.queue.remove(index));
        drop(hall);
        drop(gone);
    }

    /// The turn in progress is over: opens the door, lets the blocked go and begins the next turn.
    pub(super) fn end_turn(&self) {
        let mut hall = lock(&self.hall);
        let old = hall.turn.take();
        let mut wakers = self.open(&mut hall, OPEN);
        hall.begin_next_turn();
        if hall.passes == 0 {
            wakers.extend(hall.turn.as_mut().and_then(|turn| turn.waker.take()));
        }
        drop(hall);
        drop(old);
        wake(wakers);
    }

    fn open(&self, hall: &mut Hall, door: u32) -> Wakers {
        announce(&self.door, door);
        if hall.blocked.is_empty() {
            return Wakers::new();
        }
        hall.round += 1;
        hall.passes += hall.blocked.len();
        hall.blocked.drain(..).map(|ticket| ticket.waker).collect()
    }
}

impl Hall {
    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn begin_next_turn(&mut self) {
        self.turn = self.queue.pop_front().map(|ticket| Turn {
            id: ticket.id,
            phase: Phase::Waiting,
            retreats: 0,
            waker: Some(ticket.waker),
        });
    }
}

fn wake(wakers: impl IntoIterator<Item = Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}
