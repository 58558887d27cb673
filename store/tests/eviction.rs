//! Eviction under every policy. jemalloc is the allocator, so that memory is counted.

use ochre_store::evict::{Eviction, Evictor, excess_bytes};
use ochre_store::string::{self, Expiry, SetOptions};
use ochre_store::{Clock, Effects, Member, Options, Policy, Reason, Store, keyspace, shards_of};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const KEYS: u32 = 20_000;

/// Keys of which every second has a deadline; the earlier ones were used longer ago.
fn filled() -> (Arc<Store>, Member) {
    let store = Store::new(Options { shards: 64, databases: 2, hash_seed: [4, 3, 2, 1] });
    let member = store.register();
    let mut effects = Effects::default();
    for number in 0..KEYS {
        let name = number.to_string().into_bytes();
        let key = store.key(&name);
        let at = 10_000_000_000 + i64::from(number) * 1000;
        let expiry = if number % 2 == 0 { Expiry::At(at) } else { Expiry::Clear };
        let clock = Clock { now_ms: 1_000_000 + i64::from(number) * 1000 };
        member.run(shards_of(&[key]), clock, &mut effects, |txn| {
            string::set(txn, 0, key, &[b'x'; 200], SetOptions { expiry, ..SetOptions::default() }).unwrap();
        });
    }
    (store, member)
}

/// Evicts about a tenth of the memory and returns the numbers of the evicted keys.
fn evict(store: &Store, member: &Member, policy: Policy) -> (Eviction, Vec<u32>) {
    member.publish_memory();
    while store.pending_free_bytes() > 0 {
        std::thread::yield_now();
    }
    let limit = store.used_memory() as u64 - u64::from(KEYS) * 30;
    store.settings().maxmemory.store(limit, Relaxed);
    store.settings().set_policy(policy);
    let mut effects = Effects::default();
    let mut evicted = Vec::new();
    let clock = Clock { now_ms: 100_000_000 };
    let outcome = Evictor::new(1).run(member, clock, &|| 0, &mut effects, &mut || false, &mut |_, effects| {
        for removal in effects.removals.drain(..) {
            assert_eq!((removal.db, removal.reason), (0, Reason::Evicted));
            evicted.push(std::str::from_utf8(&removal.key).unwrap().parse().unwrap());
        }
    });
    if outcome == Eviction::Enough {
        assert_eq!(excess_bytes(store, &|| 0), None);
    }
    assert_eq!(store.stats().evicted_keys, evicted.len() as u64);
    assert_eq!(store.db_len(0), KEYS as usize - evicted.len());
    (outcome, evicted)
}

fn mean(numbers: &[u32]) -> f64 {
    numbers.iter().map(|&number| f64::from(number)).sum::<f64>() / numbers.len() as f64
}

#[test]
fn each_policy_evicts_what_it_says() {
    for policy in [
        Policy::AllKeysLru,
        Policy::VolatileLru,
        Policy::AllKeysLfu,
        Policy::VolatileLfu,
        Policy::AllKeysRandom,
        Policy::VolatileRandom,
        Policy::VolatileTtl,
    ] {
        let (store, member) = filled();
        let (outcome, evicted) = evict(&store, &member, policy);
        assert_eq!(outcome, Eviction::Enough, "{policy:?}");
        assert!((1_000..6_000).contains(&evicted.len()), "{policy:?} {}", evicted.len());
        let persistent = evicted.iter().filter(|&number| number % 2 == 1).count();
        if policy.is_volatile() {
            assert_eq!(persistent, 0, "{policy:?}");
        } else {
            assert!(persistent > evicted.len() / 3, "{policy:?}");
        }
        // A tenth of the keys goes: with exact choice the mean would be 1,000; by chance, 10,000.
        if policy.is_lru() || policy == Policy::VolatileTtl {
            assert!(mean(&evicted) < 4_000.0, "{policy:?} {}", mean(&evicted));
        } else if policy == Policy::AllKeysRandom {
            assert!((8_000.0..12_000.0).contains(&mean(&evicted)), "{}", mean(&evicted));
        }
    }
}

#[test]
fn frequently_used_keys_stay_under_lfu() {
    let store = Store::new(Options { shards: 64, databases: 1, hash_seed: [4, 3, 2, 1] });
    store.settings().set_policy(Policy::AllKeysLfu);
    let member = store.register();
    let mut effects = Effects::default();
    for number in 0..KEYS {
        let name = number.to_string().into_bytes();
        let key = store.key(&name);
        member.run(shards_of(&[key]), Clock { now_ms: 99_999_000 }, &mut effects, |txn| {
            string::set(txn, 0, key, &[b'x'; 200], SetOptions::default()).unwrap();
            if number < KEYS / 2 {
                (0..50).for_each(|_| _ = string::get(txn, 0, key).unwrap());
            }
        });
    }
    let (outcome, evicted) = evict(&store, &member, Policy::AllKeysLfu);
    assert_eq!(outcome, Eviction::Enough);
    let frequent = evicted.iter().filter(|&&number| number < KEYS / 2).count();
    assert!(frequent * 50 < evicted.len(), "{frequent} of {}", evicted.len());
}

#[test]
fn nothing_is_evicted_without_policy_or_candidates() {
    let (store, member) = filled();
    assert_eq!(evict(&store, &member, Policy::NoEviction), (Eviction::Nothing, vec![]));
    let mut effects = Effects::default();
    for number in 0..KEYS {
        let name = number.to_string().into_bytes();
        let key = store.key(&name);
        member.run(shards_of(&[key]), Clock { now_ms: 0 }, &mut effects, |txn| {
            keyspace::persist(txn, 0, key).unwrap();
        });
    }
    for policy in [Policy::VolatileLru, Policy::VolatileRandom, Policy::VolatileTtl, Policy::VolatileLfu] {
        assert_eq!(evict(&store, &member, policy), (Eviction::Nothing, vec![]));
    }
}

#[test]
fn memory_comes_back_when_everything_is_deleted() {
    let store = Store::new(Options { shards: 4, databases: 1, hash_seed: [1, 2, 3, 4] });
    let member = store.register();
    member.publish_memory();
    let before = store.used_memory();
    let mut effects = Effects::default();
    let names: Vec<Vec<u8>> = (0..50_000).map(|number: u32| number.to_string().into_bytes()).collect();
    member.publish_memory();
    let names_bytes = store.used_memory() - before;
    for name in &names {
        let key = store.key(name);
        member.run(shards_of(&[key]), Clock { now_ms: 0 }, &mut effects, |txn| {
            string::set(
                txn,
                0,
                key,
                &[b'x'; 100_000][..if name.len() < 3 { 100_000 } else { 10 }],
                SetOptions::default(),
            )
            .unwrap();
        });
    }
    member.publish_memory();
    let full = store.used_memory() - before - names_bytes;
    assert!(full > 50_000 * 32 + 100 * 100_000, "{full}");
    for name in &names {
        let key = store.key(name);
        member.run(shards_of(&[key]), Clock { now_ms: 0 }, &mut effects, |txn| {
            keyspace::delete(txn, 0, key).unwrap();
        });
    }
    member.publish_memory();
    // The freeing thread publishes after each piece of garbage.
    let mut waited = 0;
    while store.used_memory() > before + names_bytes + 100_000 {
        assert!(waited < 10_000, "{} of {full} left", store.used_memory() - before - names_bytes);
        waited += 1;
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn pinned_keys_are_not_evicted() {
    let store = Store::new(Options { shards: 2, databases: 1, hash_seed: [4, 3, 2, 1] });
    let member = store.register();
    let mut effects = Effects::default();
    let clock = Clock { now_ms: 1_000 };
    for name in [b"kept", b"gone"] {
        let key = store.key(name);
        member.run(shards_of(&[key]), clock, &mut effects, |txn| {
            string::set(txn, 0, key, &[b'x'; 200], SetOptions::default()).unwrap();
            if name == b"kept" {
                keyspace::pin(txn, 0, key).unwrap();
            }
        });
    }
    store.settings().maxmemory.store(1, Relaxed);
    for policy in [Policy::AllKeysRandom, Policy::AllKeysLru] {
        store.settings().set_policy(policy);
        let outcome = Evictor::new(1).run(&member, clock, &|| 0, &mut effects, &mut || false, &mut |_, effects| {
            for removal in effects.removals.drain(..) {
                assert_eq!(&*removal.key, b"gone");
            }
        });
        assert_eq!((outcome, store.db_len(0)), (Eviction::Nothing, 1), "{policy:?}");
    }
}
