//! The guarantee of SCAN: what is there all the time is returned, whatever else comes and goes between the calls.

use ochre_store::keyspace;
use ochre_store::string::{self, SetOptions};
use ochre_store::sync::ShardSet;
use ochre_store::{Clock, Effects, Options, Store, Txn};
use proptest::prelude::*;
use std::collections::HashSet;

fn name(number: u32) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

fn set(txn: &mut Txn<'_>, number: u32) {
    let name = name(number);
    string::set(txn, 0, txn.store().key(&name), b"v", SetOptions::default()).unwrap();
}

fn delete(txn: &mut Txn<'_>, number: u32) {
    let name = name(number);
    keyspace::delete(txn, 0, txn.store().key(&name)).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Between two calls the table grows or shrinks by the given numbers of other keys, often to a multiple.
    #[test]
    fn a_key_that_stays_is_returned(
        staying in 1u32..600,
        before in 0u32..2000,
        changes in proptest::collection::vec(-600i32..600, 1..40),
        count in 1usize..20,
        shards in prop_oneof![Just(1usize), Just(4)],
    ) {
        let store = Store::new(Options { shards, databases: 1, hash_seed: [9, 8, 7, 6] });
        let member = store.register();
        let clock = Clock { now_ms: 0 };
        let mut effects = Effects::default();
        member.run(ShardSet::ALL, clock, &mut effects, |txn| {
            (0..staying).for_each(|number| set(txn, number));
            let mut others = staying..staying;
            for _ in 0..before {
                set(txn, others.end);
                others.end += 1;
            }
            let mut seen = HashSet::new();
            let mut changes = changes.iter().cycle();
            let mut cursor = 0;
            let mut calls = 0;
            loop {
                cursor = keyspace::scan(txn, 0, cursor, count, &mut |key, _| { seen.insert(key.to_vec()); }).unwrap();
                if cursor == 0 {
                    break;
                }
                calls += 1;
                // Ends the changes some time: a table that always grows need not come to an end.
                let change = if calls > 120 { 0 } else { *changes.next().unwrap() };
                for _ in 0..change {
                    set(txn, others.end);
                    others.end += 1;
                }
                for _ in change..0 {
                    if others.start < others.end {
                        delete(txn, others.start);
                        others.start += 1;
                    }
                }
            }
            for number in 0..staying {
                assert!(seen.contains(&name(number)), "key {number} of {staying} was not returned");
            }
        });
    }
}

#[test]
fn a_quiet_scan_returns_each_key_once_and_ends() {
    let store = Store::new(Options { shards: 64, databases: 1, hash_seed: [1, 1, 1, 1] });
    let member = store.register();
    let mut effects = Effects::default();
    member.run(ShardSet::ALL, Clock { now_ms: 0 }, &mut effects, |txn| {
        (0..10_000).for_each(|number| set(txn, number));
        for shard in 0..64 {
            while keyspace::rehash(txn, shard, 100).unwrap() {}
        }
        let mut seen = HashSet::new();
        let mut cursor = 0;
        loop {
            cursor = keyspace::scan(txn, 0, cursor, 10, &mut |key, _| assert!(seen.insert(key.to_vec()))).unwrap();
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(seen.len(), 10_000);
        // Any number a client sends is a cursor.
        for cursor in [1, 63, 64, u64::MAX, u64::MAX - 1, 1 << 63] {
            keyspace::scan(txn, 0, cursor, 10, &mut |_, _| ()).unwrap();
        }
    });
}

#[test]
fn random_keys_are_fairly_spread() {
    let store = Store::new(Options { shards: 1, databases: 1, hash_seed: [1, 2, 1, 2] });
    let member = store.register();
    let mut effects = Effects::default();
    member.run(ShardSet::ALL, Clock { now_ms: 0 }, &mut effects, |txn| {
        (0..100).for_each(|number| set(txn, number));
        let mut drawn = std::collections::HashMap::<Vec<u8>, u32>::new();
        for _ in 0..20_000 {
            *drawn.entry(keyspace::random_key(txn, 0, 0).unwrap().unwrap()).or_default() += 1;
        }
        assert_eq!(drawn.len(), 100);
        // 200 expected; the standard deviation is 14.
        assert!(drawn.values().all(|&times| (100..320).contains(&times)), "{drawn:?}");
    });
}
