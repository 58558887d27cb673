//! Every interleaving of a few threads over the shard locks. Run with `RUSTFLAGS="--cfg loom"` and `--release`.
#![cfg(loom)]

use loom::thread;
use ochre_store::sync::{Guard, Party, ShardLocks, ShardSet, Timing};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

const NEVER: Duration = Duration::from_secs(1);
const AT_ONCE: Duration = Duration::ZERO;

/// A clock that stands still: every limit is either passed at once or never.
fn still() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

const PATIENT: Timing =
    Timing { now: still, spin: AT_ONCE, reservation_after: NEVER, call_max: NEVER, drain_max: NEVER, retreats_max: 0 };

/// Every waiter reserves as soon as it is called.
const RESERVING: Timing = Timing { reservation_after: AT_ONCE, ..PATIENT };
/// Every call is stale as soon as somebody looks.
const HASTY: Timing = Timing { call_max: AT_ONCE, ..RESERVING };
/// Every drain that is not over at the first look retreats once.
const RETREATING: Timing = Timing { drain_max: AT_ONCE, retreats_max: 1, ..PATIENT };

fn model(preemptions: usize, timing: Timing, body: impl Fn(Arc<ShardLocks<u32>>) + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(move || body(ShardLocks::with_timing(vec![0, 0], timing)));
}

fn go(locks: &Arc<ShardLocks<u32>>, body: impl FnOnce(&Party<u32>) + 'static) -> thread::JoinHandle<()> {
    let locks = locks.clone();
    thread::spawn(move || body(&locks.register()))
}

/// Adds one without an atomic: a lost update or loom's own check of the cell shows two at once.
fn bump(mut guard: Guard<'_, u32>, shard: usize) {
    *guard.shard(shard).expect("a shard of the set") += 1;
}

/// The sum of all shards, once everybody has gone: nothing may have stayed locked, reserved or closed.
fn total(locks: &Arc<ShardLocks<u32>>) -> u32 {
    let party = locks.register();
    let left_clean = party.enter().and_then(|slice| slice.try_lock(both())).is_some();
    assert!(left_clean, "a lock, a reservation or the gate was left behind");
    let mut guard = party.lock_all_blocking();
    (0..2).map(|shard| *guard.shard(shard).expect("a shard of the set")).sum()
}

fn both() -> ShardSet {
    ShardSet::one(0).union(ShardSet::one(1))
}

/// A waker that does nothing: its task is dropped before anybody could poll it again.
struct Deaf;

impl Wake for Deaf {
    fn wake(self: Arc<Self>) {}
}

/// Polls a future up to `polls` times, then drops it in whatever state it is.
fn poll_and_drop<'p>(mut future: impl Future<Output = Guard<'p, u32>> + Unpin, polls: usize) {
    let waker = Waker::from(Arc::new(Deaf));
    for _ in 0..polls {
        match Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(guard) => return drop(guard),
            Poll::Pending => thread::yield_now(),
        }
    }
}

#[test]
fn two_threads_exclude_each_other() {
    for timing in [PATIENT, RESERVING, HASTY] {
        model(3, timing, |locks| {
            let other = go(&locks, |party| bump(party.lock_blocking(both()), 0));
            let party = locks.register();
            bump(party.lock_blocking(ShardSet::one(0)), 0);
            bump(party.lock_blocking(ShardSet::one(1)), 1);
            other.join().unwrap();
            assert_eq!(total(&locks), 3);
        });
    }
}

#[test]
fn slices_and_parked_tasks_exclude_each_other() {
    for timing in [PATIENT, RESERVING] {
        model(2, timing, |locks| {
            let others = [0, 1].map(|_| go(&locks, |party| bump(party.lock_blocking(ShardSet::one(0)), 0)));
            let party = locks.register();
            let mut done = 0;
            if let Some(slice) = party.enter()
                && let Some(guard) = slice.try_lock(ShardSet::one(0))
            {
                bump(guard, 0);
                done = 1;
            }
            drop(party);
            others.into_iter().for_each(|other| other.join().unwrap());
            assert_eq!(total(&locks), 2 + done);
        });
    }
}

#[test]
fn a_waiter_dropped_in_the_queue_passes_its_call_on() {
    for (timing, polls) in [(PATIENT, 1), (RESERVING, 1), (RESERVING, 2), (HASTY, 2)] {
        model(2, timing, move |locks| {
            let party = locks.register();
            let guard = party.lock_blocking(ShardSet::one(0));
            let quitter = go(&locks, move |party| poll_and_drop(party.lock(ShardSet::one(0)), polls));
            let waiter = go(&locks, |party| bump(party.lock_blocking(ShardSet::one(0)), 0));
            bump(guard, 0);
            quitter.join().unwrap();
            waiter.join().unwrap();
            drop(party);
            assert_eq!(total(&locks), 2);
        });
    }
}

#[test]
fn a_waiter_that_moves_to_another_shard_passes_its_call_on() {
    for timing in [PATIENT, RESERVING] {
        model(2, timing, |locks| {
            let party = locks.register();
            let guard = party.lock_blocking(ShardSet::one(0));
            let mover = go(&locks, |party| bump(party.lock_blocking(both()), 0));
            let other = go(&locks, |party| {
                bump(party.lock_blocking(ShardSet::one(1)), 1);
                bump(party.lock_blocking(ShardSet::one(0)), 0);
            });
            bump(guard, 0);
            mover.join().unwrap();
            other.join().unwrap();
            drop(party);
            assert_eq!(total(&locks), 4);
        });
    }
}

#[test]
fn the_gate_keeps_slices_out() {
    for timing in [PATIENT, RETREATING] {
        model(3, timing, |locks| {
            let other = go(&locks, |party| bump(party.lock_all_blocking(), 0));
            let party = locks.register();
            let mut done = 0;
            for _ in 0..2 {
                if let Some(slice) = party.enter() {
                    // Nobody else takes single locks: behind an open gate this one is free.
                    bump(slice.try_lock(ShardSet::one(0)).expect("a free lock"), 0);
                    done += 1;
                }
            }
            drop(party);
            other.join().unwrap();
            assert_eq!(total(&locks), 1 + done);
        });
    }
}

#[test]
fn the_gate_lets_everybody_through_in_the_end() {
    for timing in [PATIENT, RESERVING, RETREATING] {
        model(2, timing, |locks| {
            let single = go(&locks, |party| bump(party.lock_blocking(ShardSet::one(0)), 0));
            let all = go(&locks, |party| bump(party.lock_all_blocking(), 1));
            let party = locks.register();
            bump(party.lock_all_blocking(), 0);
            drop(party);
            single.join().unwrap();
            all.join().unwrap();
            assert_eq!(total(&locks), 3);
        });
    }
}

#[test]
fn a_task_dropped_at_the_gate_gives_its_pass_back() {
    for (timing, polls) in [(PATIENT, 1), (PATIENT, 2), (RETREATING, 2)] {
        model(3, timing, move |locks| {
            let quitter = go(&locks, move |party| poll_and_drop(party.lock(ShardSet::one(0)), polls));
            let party = locks.register();
            bump(party.lock_all_blocking(), 0);
            bump(party.lock_all_blocking(), 1);
            drop(party);
            quitter.join().unwrap();
            assert_eq!(total(&locks), 2);
        });
    }
}

#[test]
fn a_turn_dropped_at_the_gate_is_passed_on() {
    for (timing, polls) in [(PATIENT, 1), (RETREATING, 2)] {
        model(2, timing, move |locks| {
            let quitter = go(&locks, move |party| poll_and_drop(party.lock_all(), polls));
            let single = go(&locks, |party| bump(party.lock_blocking(ShardSet::one(0)), 0));
            let party = locks.register();
            bump(party.lock_all_blocking(), 1);
            drop(party);
            quitter.join().unwrap();
            single.join().unwrap();
            assert_eq!(total(&locks), 2);
        });
    }
}

#[test]
fn a_shared_turn_holds_each_shard() {
    model(2, PATIENT, |locks| {
        let single = go(&locks, |party| bump(party.lock_blocking(ShardSet::one(1)), 1));
        let all = go(&locks, |party| bump(party.lock_all_blocking(), 1));
        let party = locks.register();
        let mut guard = party.lock_all_blocking();
        guard.share();
        *guard.shard(0).expect("a shard of the set") += 1;
        guard.release(0);
        bump(guard, 1);
        drop(party);
        single.join().unwrap();
        all.join().unwrap();
        assert_eq!(total(&locks), 4);
    });
}
