//! The tasks that wait for one shard, in order.
//!
//! At most one of them is *called* (woken and expected to try). A call is used up when its task takes the lock, parks
//! again or goes away; every change ends in [`Line::settle`], which calls the next one if the shard is free. So there is
//! no moment at which the shard is free, tasks wait, and nobody has been told.

use super::timing::Timing;
use crate::raw::cell::{CALLED, Cells, QUEUED, RESERVED};
use std::collections::VecDeque;
use std::task::Waker;
use std::time::Instant;

/// A parked task.
struct Ticket {
    id: u64,
    /// When the task first failed to get its locks, here or at another shard.
    since: Instant,
    waker: Waker,
}

struct Called {
    ticket: Ticket,
    at: Instant,
}

/// The queue of one shard; guarded by a mutex. The flags of the shard's lock word mirror it.
#[derive(Default)]
pub(super) struct Line {
    waiting: VecDeque<Ticket>,
    called: Option<Called>,
    /// The waiter for whom newcomers stand back: the called one, or the first of `waiting`.
    reserved: Option<u64>,
    next_id: u64,
}

/// What a waiter finds when it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is its turn; `reserved` if nobody may take the shard before it.
    Called { reserved: bool },
    /// It has to wait on.
    Waiting,
}

impl Line {
    /// Puts a task at the end and returns its ticket number.
    pub(super) fn join(&mut self, since: Instant, waker: &Waker) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.waiting.push_back(Ticket { id, since, waker: waker.clone() });
        id
    }

    /// Whether it is the turn of ticket `id`; if not, `waker` is kept for it. Returns the waker it replaces, to be
    /// dropped outside the mutex.
    pub(super) fn look(&mut self, id: u64, waker: &Waker) -> (Turn, Option<Waker>) {
        if self.called.as_ref().is_some_and(|called| called.ticket.id == id) {
            return (Turn::Called { reserved: self.reserved == Some(id) }, None);
        }
        let ticket = self.waiting.iter_mut().find(|ticket| ticket.id == id);
        let stale = ticket.filter(|ticket| !ticket.waker.will_wake(waker));
        (Turn::Waiting, stale.map(|ticket| std::mem::replace(&mut ticket.waker, waker.clone())))
    }

    /// Puts a called task that failed back to the front. One whose call was given to another meanwhile waits where it is.
    pub(super) fn rejoin(&mut self, id: u64, waker: &Waker) -> Option<Waker> {
        match self.called.take_if(|called| called.ticket.id == id) {
            Some(Called { mut ticket, .. }) => {
                let old = std::mem::replace(&mut ticket.waker, waker.clone());
                self.waiting.push_front(ticket);
                Some(old)
            }
            None => self.look(id, waker).1,
        }
    }

    /// Takes a task out, whatever its state: it has the lock, waits elsewhere or is gone.
    pub(super) fn leave(&mut self, id: u64) -> Option<Waker> {
        if self.reserved == Some(id) {
            self.reserved = None;
        }
        if let Some(called) = self.called.take_if(|called| called.ticket.id == id) {
            return Some(called.ticket.waker);
        }
        let place = self.waiting.iter().position(|ticket| ticket.id == id)?;
        self.waiting.remove(place).map(|ticket| ticket.waker)
    }

    /// Brings the lock word in line with the queue and calls the first waiter if the shard is free. Returns its waker,
    /// to be used outside the mutex.
    pub(super) fn settle<T>(&mut self, cells: &Cells<T>, shard: usize, timing: &Timing) -> Option<Waker> {
        self.give_up_on_stale_call(timing);
        let locked = cells.set_flags(shard, self.flags());
        if locked || self.called.is_some() {
            return None;
        }
        let ticket = self.waiting.pop_front()?;
        let at = (timing.now)();
        if at.saturating_duration_since(ticket.since) >= timing.reservation_after {
            self.reserved = Some(ticket.id);
        }
        let waker = ticket.waker.clone();
        self.called = Some(Called { ticket, at });
        cells.set_flags(shard, self.flags());
        Some(waker)
    }

    /// The thread of a called task may be busy with something long. Others must not wait for that.
    fn give_up_on_stale_call(&mut self, timing: &Timing) {
        if self.waiting.is_empty() {
            return;
        }
        if let Some(Called { ticket, .. }) = self.called.take_if(|called| timing.passed(called.at, timing.call_max)) {
            self.reserved = None;
            self.waiting.push_back(ticket);
        }
    }

    fn flags(&self) -> u32 {
        let queued = if self.waiting.is_empty() { 0 } else { QUEUED };
        let called = if self.called.is_some() { CALLED } else { 0 };
        let reserved = if self.reserved.is_some() { RESERVED } else { 0 };
        queued | called | reserved
    }
}
