//! The future that waits for locks.

use super::gate::Place;
use super::guard::Guard;
use super::party::Party;
use super::queue::Turn;
use super::set::ShardSet;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// A task that had to queue at one shard after another this often, and long, takes a turn at the gate instead: the only
/// queue in which nobody can overtake it.
const MOVES_MAX: u32 = 8;

/// Waits for locks; made by [`Party::lock`] and [`Party::lock_all`].
#[must_use = "futures do nothing unless polled"]
pub struct Lock<'p, T> {
    party: &'p Party<T>,
    set: ShardSet,
    stage: Stage,
    /// Holds a pass of the gate, to be used up when it has its locks or goes away.
    pass: bool,
    /// When it first failed.
    since: Option<Instant>,
    moves: u32,
}

/// Where the task stands. Whatever that entitles it to is passed on when it moves or is dropped.
#[derive(Clone, Copy)]
enum Stage {
    Trying,
    /// In the queue of a shard.
    Parked {
        shard: usize,
        id: u64,
    },
    /// Wants to enter the gate.
    Blocked(Place),
    /// Wants, or has, a turn at the gate.
    Exclusive(u64),
    Done,
}

enum Step<G> {
    Got(G),
    Wait,
    Again,
}

impl<'p, T> Lock<'p, T> {
    pub(super) fn new(party: &'p Party<T>, set: ShardSet) -> Self {
        Lock { party, set, stage: Stage::Trying, pass: false, since: None, moves: 0 }
    }

    fn step(&mut self, waker: &Waker) -> Step<Guard<'p, T>> {
        let locks = &self.party.locks;
        match self.stage {
            Stage::Trying if self.set == ShardSet::ALL => self.queue_for_turn(waker),
            Stage::Trying => self.attempt(None, waker),
            Stage::Parked { shard, id } => match locks.look(shard, id, waker) {
                Turn::Called { reserved } => self.attempt(Some((shard, id, reserved)), waker),
                Turn::Waiting => Step::Wait,
            },
            Stage::Blocked(place) if locks.gate.is_let_go(place, waker) => {
                self.pass = true;
                self.stage = Stage::Trying;
                Step::Again
            }
            Stage::Blocked(_) => Step::Wait,
            Stage::Exclusive(id) => match locks.gate.poll_turn(id, waker, &locks.timing) {
                Poll::Ready(()) => {
                    self.stage = Stage::Done;
                    Step::Got(Guard::new(self.party, locks.cells.keys(), self.set, true))
                }
                Poll::Pending => Step::Wait,
            },
            Stage::Done => Step::Wait,
        }
    }

    /// Tries to lock; `call` is the shard the task was called for, its ticket there, and whether it reserved the shard.
    fn attempt(&mut self, call: Option<(usize, u64, bool)>, waker: &Waker) -> Step<Guard<'p, T>> {
        let party = self.party;
        if !party.begin() {
            self.give_up_place();
            self.stage = match party.locks.gate.block(waker) {
                Some(place) => Stage::Blocked(place),
                None => return Step::Again,
            };
            return Step::Wait;
        }
        let reserved = call.and_then(|(shard, _, reserved)| reserved.then_some(shard));
        match party.take(self.set, reserved, self.since.is_none() && !self.pass) {
            Ok(keys) => {
                self.give_up_place();
                self.stage = Stage::Done;
                Step::Got(Guard::new(party, keys, self.set, false))
            }
            Err(shard) => {
                // Leave first: nobody waits inside a slice.
                party.end();
                self.park(shard, call, waker)
            }
        }
    }

    fn park(&mut self, shard: usize, call: Option<(usize, u64, bool)>, waker: &Waker) -> Step<Guard<'p, T>> {
        let locks = &self.party.locks;
        let timing = &locks.timing;
        let since = *self.since.get_or_insert_with(timing.now);
        if let Some((called_at, id, _)) = call {
            if called_at == shard {
                locks.park_again(shard, id, waker);
                return Step::Wait;
            }
            self.moves += 1;
            if self.moves >= MOVES_MAX && timing.passed(since, 4 * timing.reservation_after) {
                return self.queue_for_turn(waker);
            }
            locks.unpark(called_at, id);
        }
        self.stage = Stage::Parked { shard, id: locks.park(shard, since, waker) };
        Step::Wait
    }

    fn queue_for_turn(&mut self, waker: &Waker) -> Step<Guard<'p, T>> {
        // With a pass in its hand the turn would wait for itself.
        self.give_up_place();
        self.stage = Stage::Exclusive(self.party.locks.gate.queue(waker));
        Step::Again
    }

    /// Passes on whatever the task stands in line for or has been granted.
    fn give_up_place(&mut self) {
        let locks = &self.party.locks;
        match std::mem::replace(&mut self.stage, Stage::Trying) {
            Stage::Parked { shard, id } => locks.unpark(shard, id),
            Stage::Blocked(place) => locks.gate.unblock(place),
            Stage::Exclusive(id) => locks.gate.abandon(id),
            Stage::Trying | Stage::Done => {}
        }
        if std::mem::take(&mut self.pass) {
            locks.gate.use_up_pass();
        }
    }
}

impl<'p, T> Future for Lock<'p, T> {
    type Output = Guard<'p, T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Guard<'p, T>> {
        let lock = self.get_mut();
        debug_assert!(!lock.party.is_active(), "awaiting locks inside a slice");
        lock.party.check_rank();
        loop {
            match lock.step(context.waker()) {
                Step::Got(guard) => return Poll::Ready(guard),
                Step::Wait => return Poll::Pending,
                Step::Again => {}
            }
        }
    }
}

impl<T> Drop for Lock<'_, T> {
    fn drop(&mut self) {
        self.give_up_place();
    }
}
