//! What one thread with several parties can show of the locks, with a clock it turns itself.

use super::*;
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

thread_local! {
    static ELAPSED_US: Cell<u64> = const { Cell::new(0) };
}

fn now() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now) + Duration::from_micros(ELAPSED_US.get())
}

fn pass_us(us: u64) {
    ELAPSED_US.set(ELAPSED_US.get() + us);
}

fn locks(shards: u32) -> Arc<ShardLocks<u32>> {
    ShardLocks::with_timing((0..shards).collect(), Timing { now, spin: Duration::ZERO, ..Timing::default() })
}

/// Counts its wake-ups.
#[derive(Default)]
struct Bell(AtomicU32);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A task that is polled by hand.
struct Task<'p> {
    lock: Lock<'p, u32>,
    bell: Arc<Bell>,
}

impl<'p> Task<'p> {
    fn new(lock: Lock<'p, u32>) -> Self {
        Task { lock, bell: Arc::default() }
    }

    fn poll(&mut self) -> Option<Guard<'p, u32>> {
        let waker = Waker::from(self.bell.clone());
        match Pin::new(&mut self.lock).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(guard) => Some(guard),
            Poll::Pending => None,
        }
    }

    fn wakes(&self) -> u32 {
        self.bell.0.load(Ordering::Relaxed)
    }
}

fn grab<'p>(party: &'p Party<u32>, set: ShardSet) -> Option<Guard<'p, u32>> {
    party.enter()?.try_lock(set)
}

fn set(shards: &[usize]) -> ShardSet {
    shards.iter().fold(ShardSet::EMPTY, |set, shard| set.union(ShardSet::one(*shard)))
}

#[test]
fn a_guard_reaches_its_set_and_no_more() {
    let locks = locks(4);
    let party = locks.register();
    let mut guard = grab(&party, set(&[1, 3, 60])).unwrap();
    assert_eq!([0, 1, 3, 60].map(|shard| guard.shard(shard).copied()), [None, Some(1), Some(3), None]);
    assert_eq!(guard.pair(3, 1), Some((&mut 3, &mut 1)));
    assert!([(1, 1), (1, 2), (2, 1), (1, 60)].into_iter().all(|(a, b)| guard.pair(a, b).is_none()));
    guard.release(3);
    assert_eq!(guard.shard(3), None);
    assert_eq!(guard.set(), set(&[1, 60]));
    drop(guard);
    let mut guard = party.lock_all_blocking();
    assert_eq!(guard.set(), ShardSet::ALL);
    assert_eq!(guard.pair(0, 3), Some((&mut 0, &mut 3)));
    assert_eq!([2, 4, 64].map(|shard| guard.shard(shard).copied()), [Some(2), None, None]);
}

#[test]
fn one_attempt_locks_all_or_nothing() {
    let locks = locks(4);
    let (a, b) = (locks.register(), locks.register());
    let held = grab(&a, set(&[2])).unwrap();
    assert!(grab(&b, set(&[1, 2, 3])).is_none());
    assert!(grab(&b, set(&[1, 3])).is_some());
    drop(held);
    assert!(grab(&b, set(&[1, 2, 3])).is_some());
    assert!(grab(&b, ShardSet::EMPTY).is_some());
}

#[test]
fn a_single_shard_works_like_many() {
    let locks = locks(1);
    let (a, b) = (locks.register(), locks.register());
    let held = grab(&a, set(&[0])).unwrap();
    let mut waiter = Task::new(b.lock(set(&[0])));
    assert!(waiter.poll().is_none());
    drop(held);
    assert_eq!(waiter.wakes(), 1);
    assert!(waiter.poll().is_some());
    drop(a.lock_all_blocking());
}

#[test]
fn waiters_are_called_in_order_and_one_at_a_time() {
    let locks = locks(2);
    let parties = [locks.register(), locks.register(), locks.register()];
    let held = grab(&parties[0], set(&[1])).unwrap();
    assert!(!held.contended());
    let mut first = Task::new(parties[1].lock(set(&[1])));
    let mut second = Task::new(parties[2].lock(set(&[1])));
    assert!(first.poll().is_none() && second.poll().is_none() && held.contended());
    drop(held);
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    let guard = first.poll().unwrap();
    assert!(guard.contended());
    drop(guard);
    assert_eq!(second.wakes(), 1);
    assert!(second.poll().is_some());
}

#[test]
fn who_has_all_shards_sees_who_waits() {
    let locks = locks(2);
    let parties = [locks.register(), locks.register(), locks.register()];
    let all = parties[0].lock_all_blocking();
    assert!(!all.contended());
    let mut other = Task::new(parties[1].lock_all());
    assert!(other.poll().is_none() && all.contended());
    drop(other);
    assert!(!all.contended());
    let mut waiter = Task::new(parties[2].lock(set(&[1])));
    assert!(waiter.poll().is_none() && all.contended());
    drop(all);
    assert!(waiter.poll().is_some());
}

#[test]
fn a_newcomer_may_overtake_until_the_waiter_reserves() {
    let locks = locks(2);
    let (a, b) = (locks.register(), locks.register());
    let held = grab(&a, set(&[0])).unwrap();
    let mut waiter = Task::new(b.lock(set(&[0])));
    assert!(waiter.poll().is_none());
    drop(held);
    let held = grab(&a, set(&[0])).expect("overtaking is allowed at first");
    assert!(waiter.poll().is_none());
    pass_us(1000);
    drop(held);
    assert!(grab(&a, set(&[0])).is_none(), "overtaken after 1 ms");
    assert!(waiter.poll().is_some());
    assert!(grab(&a, set(&[0])).is_some(), "the reservation was left behind");
}

#[test]
fn dropping_a_waiter_that_reserved_frees_the_shard() {
    let locks = locks(2);
    let (a, b) = (locks.register(), locks.register());
    let held = grab(&a, set(&[0])).unwrap();
    let mut waiter = Task::new(b.lock(set(&[0])));
    assert!(waiter.poll().is_none());
    pass_us(1000);
    drop(held);
    assert!(grab(&a, set(&[0])).is_none());
    drop(waiter);
    assert!(grab(&a, set(&[0])).is_some());
}

#[test]
fn a_call_nobody_answers_goes_to_the_next() {
    let locks = locks(2);
    let parties = [locks.register(), locks.register(), locks.register()];
    let held = grab(&parties[0], set(&[0])).unwrap();
    let mut busy = Task::new(parties[1].lock(set(&[0])));
    assert!(busy.poll().is_none());
    pass_us(1000);
    drop(held);
    assert_eq!(busy.wakes(), 1);
    pass_us(1000);
    let mut next = Task::new(parties[2].lock(set(&[0])));
    assert!(next.poll().is_none(), "reserved for the busy one");
    assert_eq!(next.wakes(), 1);
    assert!(busy.poll().is_none(), "its call is gone");
    assert!(next.poll().is_some());
    assert!(busy.poll().is_some());
}

#[test]
fn a_waiter_tossed_between_shards_gets_a_turn_at_the_gate() {
    let locks = locks(2);
    let (low, high, tossed) = (locks.register(), locks.register(), locks.register());
    let mut at_high = grab(&high, set(&[1]));
    let mut at_low = grab(&low, set(&[0]));
    let mut waiter = Task::new(tossed.lock(set(&[0, 1])));
    assert!(waiter.poll().is_none());
    for _ in 0..4 {
        pass_us(1000);
        at_low = None;
        assert!(waiter.poll().is_none(), "now at the high shard");
        at_low = grab(&low, set(&[0])).or(at_low);
        assert!(at_low.is_some());
        at_high = None;
        assert!(waiter.poll().is_none(), "now at the low shard, or at the gate");
        at_high = grab(&high, set(&[1])).or(at_high);
    }
    assert!(at_high.is_none() && low.locks().register().enter().is_none(), "the gate is closed");
    drop(at_low);
    let mut guard = waiter.poll().expect("nobody is left");
    assert_eq!((guard.set(), guard.pair(0, 1)), (set(&[0, 1]), Some((&mut 0, &mut 1))));
    drop(guard);
    assert!(low.enter().is_some());
}

#[test]
fn the_gate_waits_for_slices_and_keeps_newcomers_out() {
    let locks = locks(2);
    let (a, b, c) = (locks.register(), locks.register(), locks.register());
    let slice = a.enter().unwrap();
    let mut all = Task::new(b.lock_all());
    assert!(all.poll().is_none());
    assert!(slice.is_over(), "somebody wants all shards");
    assert!(c.enter().is_none());
    let mut newcomer = Task::new(c.lock(set(&[0])));
    assert!(newcomer.poll().is_none());
    let before = all.wakes();
    drop(slice);
    assert!(all.wakes() > before);
    let guard = all.poll().unwrap();
    assert!(newcomer.poll().is_none());
    // The next turn waits until the newcomer, let go by the end of this one, has had its locks.
    let mut next = Task::new(a.lock_all());
    assert!(next.poll().is_none());
    drop(guard);
    assert!(next.poll().is_none());
    assert_eq!(newcomer.wakes(), 1);
    drop(newcomer.poll().unwrap());
    assert!(next.poll().is_some());
}

#[test]
fn a_long_drain_retreats_three_times_and_then_holds() {
    let locks = locks(2);
    let (a, b, c) = (locks.register(), locks.register(), locks.register());
    let slice = a.enter().unwrap();
    let mut all = Task::new(b.lock_all());
    for _ in 0..3 {
        assert!(all.poll().is_none());
        assert!(c.enter().is_none());
        pass_us(1000);
        assert!(all.poll().is_none());
        assert!(c.enter().is_some(), "it retreated");
        let before = all.wakes();
        pass_us(1000);
        assert!(c.enter().is_some());
        assert!(all.wakes() > before, "time to try again, and nobody said so");
    }
    assert!(all.poll().is_none());
    pass_us(10_000);
    assert!(all.poll().is_none());
    assert!(c.enter().is_none(), "it holds");
    drop(slice);
    assert!(all.poll().is_some());
}

#[test]
fn a_slice_ends_after_64_commands_or_50_us() {
    let locks = locks(1);
    let party = locks.register();
    for _ in 0..2 {
        let slice = party.enter().unwrap();
        assert_eq!((0..64).position(|_| slice.is_over()), Some(63));
    }
    let slice = party.enter().unwrap();
    let over = |command| {
        pass_us(if command < 16 { 0 } else { 4 });
        slice.is_over()
    };
    assert_eq!((0..64).position(over), Some(31));
}

#[test]
fn places_are_given_back() {
    let locks = locks(1);
    let mut parties: Vec<_> = (0..64).map(|_| locks.register()).collect();
    assert!(locks.try_register().is_none());
    parties.swap_remove(17);
    parties.push(locks.register());
    let mut all = Task::new(parties[0].lock_all());
    let slice = parties[63].enter();
    assert!(slice.is_some() && all.poll().is_none());
    drop(slice);
    assert!(all.poll().is_some());
}

#[test]
fn the_epoch_counts_changes() {
    let locks = locks(1);
    let before = locks.gate_epoch();
    locks.bump_gate_epoch();
    assert_ne!(locks.gate_epoch(), before);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "lock rank")]
fn a_second_guard_is_refused() {
    let locks = locks(2);
    let party = locks.register();
    let _first = grab(&party, set(&[1])).unwrap();
    drop(grab(&party, set(&[0])));
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "inside a slice")]
fn waiting_inside_a_slice_is_refused() {
    let locks = locks(1);
    let party = locks.register();
    let _slice = party.enter().unwrap();
    party.lock_blocking(set(&[0]));
}
