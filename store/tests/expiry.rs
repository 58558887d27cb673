//! Keys that go by themselves because their deadline has passed.

use ochre_store::expire::{CycleKind, ExpireCycle};
use ochre_store::string::{self, Expiry, SetOptions};
use ochre_store::sync::Guard;
use ochre_store::{Access, Clock, Effects, Expired, Options, Reason, Shard, Store, Txn, keyspace, shards_of};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

fn store(shards: usize) -> Arc<Store> {
    Store::new(Options { shards, databases: 2, hash_seed: [4, 3, 2, 1] })
}

fn fill(store: &Arc<Store>, keys: u32, deadline: i64) {
    let member = store.register();
    let mut effects = Effects::default();
    for number in 0..keys {
        let name = format!("{deadline}:{number}").into_bytes();
        let key = store.key(&name);
        member.run(shards_of(&[key]), Clock { now_ms: 0 }, &mut effects, |txn| {
            let options = SetOptions { expiry: Expiry::At(deadline), ..SetOptions::default() };
            string::set(txn, 1, key, b"v", options).unwrap();
        });
    }
}

#[test]
fn the_cycle_removes_expired_keys_and_no_others() {
    let store = store(8);
    fill(&store, 2_000, 1_000);
    fill(&store, 500, 1_000_000);
    let member = store.register();
    let mut effects = Effects::default();
    let mut cycles = [ExpireCycle::new(0, 2), ExpireCycle::new(1, 2)];
    let mut removed = 0;
    for _ in 0..100 {
        for cycle in &mut cycles {
            let mut commit = |guard: &mut Guard<'_, Shard>, effects: &mut Effects| {
                for removal in effects.removals.drain(..) {
                    assert_eq!((removal.db, removal.reason), (1, Reason::Expired));
                    assert!(removal.key.starts_with(b"1000:"));
                    removed += 1;
                }
                assert!(guard.set().len() == 1 && guard.set().iter().all(|shard| shard < 8));
                effects.clear();
            };
            let clock = Clock { now_ms: 2_000 };
            cycle.run(&member, clock, CycleKind::Slow, &mut effects, &mut || 0, &mut commit);
        }
    }
    // What a cycle leaves is what Redis tolerates: a tenth of the keys with a deadline.
    assert!(removed > 1_900, "{removed}");
    assert_eq!(store.stats().expired_keys, removed);
    assert_eq!(store.db_len(1), 2_500 - removed as usize);
    let average = store.db_average_ttl_ms(1);
    assert!((900_000..1_000_000).contains(&average), "{average}");
}

#[test]
fn the_cycle_obeys_its_switch_and_its_time() {
    let store = store(8);
    fill(&store, 2_000, 1_000);
    let member = store.register();
    let mut effects = Effects::default();
    let mut cycle = ExpireCycle::new(0, 1);
    let clock = Clock { now_ms: 2_000 };
    store.settings().active_expire.store(false, Relaxed);
    cycle.run(&member, clock, CycleKind::Slow, &mut effects, &mut || 0, &mut |_, _| ());
    assert_eq!(store.db_len(1), 2_000);
    store.settings().active_expire.store(true, Relaxed);
    // Nothing is known to be stale yet.
    let report = cycle.run(&member, clock, CycleKind::Fast, &mut effects, &mut || 0, &mut |_, _| ());
    assert_eq!(report.sampled, 0);
    let late = ochre_store::expire::time_limit_us(&store, CycleKind::Slow) + 1;
    let report = cycle.run(&member, clock, CycleKind::Slow, &mut effects, &mut || late, &mut |_, _| ());
    assert!(report.timed_out && report.expired > 0 && store.db_len(1) > 0);
    let stats = store.stats();
    assert_eq!(stats.expired_time_cap_reached_count, 1);
    assert_eq!(stats.expired_stale_millionths, 50_000);
    let report = cycle.run(&member, clock, CycleKind::Fast, &mut effects, &mut || 0, &mut |_, _| ());
    assert!(report.sampled > 0);
}

#[test]
fn a_cycle_in_slices_leaves_off_after_few_keys_and_goes_on_there() {
    let store = store(8);
    fill(&store, 2_000, 1_000);
    fill(&store, 500, 1_000_000);
    let member = store.register();
    let mut effects = Effects::default();
    let mut cycle = ExpireCycle::new(0, 1);
    let clock = Clock { now_ms: 2_000 };
    let mut slice = |cycle: &mut ExpireCycle| {
        cycle.slice(&member, clock, &mut effects, &mut || true, &mut |guard, effects| {
            assert_eq!(guard.set().len(), 1);
            effects.clear();
        })
    };
    // Nothing has begun.
    assert_eq!(slice(&mut cycle).sampled, 0);
    cycle.begin(&store, CycleKind::Slow);
    let (mut expired, mut slices) = (0, 0);
    loop {
        let report = slice(&mut cycle);
        // A sample is 20 keys and what stands in the bucket of the last.
        assert!(report.expired <= report.sampled && report.sampled < 60, "{report:?}");
        expired += report.expired;
        slices += 1;
        if !report.timed_out {
            break;
        }
    }
    assert!(expired > 1_900 && slices > 50, "{expired} in {slices}");
    assert_eq!(slice(&mut cycle).sampled, 0);
    cycle.end(&store);
    // It was not the time that ended it.
    assert_eq!(store.stats().expired_time_cap_reached_count, 0);
    cycle.begin(&store, CycleKind::Slow);
    assert!(slice(&mut cycle).timed_out);
    cycle.begin(&store, CycleKind::Slow);
    assert_eq!(store.stats().expired_time_cap_reached_count, 1);
}

#[test]
fn a_replica_hides_expired_keys_and_shows_them_to_its_primary() {
    let store = store(1);
    fill(&store, 1, 1_000);
    let member = store.register();
    let mut effects = Effects::default();
    let key = store.key(b"1000:0");
    let mut guard = member.party().lock_blocking(shards_of(&[key]));
    let mut look = |expired| {
        let access = Access { expired, ..Access::default() };
        let mut txn = Txn::new(&store, &mut guard, Clock { now_ms: 5_000 }, &mut effects, access);
        keyspace::exists(&mut txn, 1, key).unwrap()
    };
    assert!(!look(Expired::Hide));
    assert!(look(Expired::Show));
    assert_eq!(store.db_len(1), 1);
    assert!(!look(Expired::Remove));
    assert!(!look(Expired::Show));
    assert_eq!(effects.removals.len(), 1);
}

#[test]
fn time_never_runs_back() {
    let store = store(1);
    let member = store.register();
    let mut effects = Effects::default();
    let set = shards_of(&[store.key(b"k")]);
    member.run(set, Clock { now_ms: 50 }, &mut effects, |txn| assert_eq!(txn.now_ms(), 50));
    member.run(set, Clock { now_ms: 40 }, &mut effects, |txn| assert_eq!(txn.now_ms(), 50));
    member.run(set, Clock { now_ms: 60 }, &mut effects, |txn| assert_eq!(txn.now_ms(), 60));
}

#[test]
fn the_cycle_leaves_pinned_keys_alone() {
    let store = store(2);
    fill(&store, 2, 1_000);
    let member = store.register();
    let mut effects = Effects::default();
    let clock = Clock { now_ms: 2_000 };
    let pinned = store.key(b"1000:0");
    let set_pin = |pins: bool| {
        member.run(shards_of(&[pinned]), clock, &mut Effects::default(), |txn| {
            if pins { keyspace::pin(txn, 1, pinned) } else { keyspace::unpin(txn, 1, pinned) }.unwrap();
        });
    };
    let mut cycle = ExpireCycle::new(0, 1);
    let mut run = || {
        for _ in 0..20 {
            cycle.run(&member, clock, CycleKind::Slow, &mut effects, &mut || 0, &mut |_, effects| effects.clear());
        }
        store.db_len(1)
    };
    set_pin(true);
    assert_eq!(run(), 1);
    set_pin(false);
    assert_eq!(run(), 0);
}
