//! Threads that prefetch without a lock while others grow, shrink, flush and swap tables. Meant for a sanitizer.

use ochre_store::keyspace::{self, FreeMode};
use ochre_store::string::{self, SetOptions};
use ochre_store::sync::ShardSet;
use ochre_store::{Clock, Effects, Options, Store, shards_of};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

#[test]
fn prefetching_is_safe_while_tables_come_and_go() {
    let store = Store::new(Options { shards: 4, databases: 2, hash_seed: [5, 6, 7, 8] });
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..2u32 {
            let (store, stop) = (&store, &stop);
            scope.spawn(move || {
                let member = store.register();
                let mut number = thread;
                while !stop.load(Relaxed) {
                    let names: Vec<Vec<u8>> =
                        (0..32).map(|i| format!("key:{}", (number + i * 7) % 9000).into_bytes()).collect();
                    let keys: Vec<_> = names.iter().map(|name| store.key(name)).collect();
                    keys.iter().for_each(|key| store.prefetch_bucket(0, key));
                    let prefetch = member.prefetch();
                    keys.iter().for_each(|key| prefetch.entry(0, key));
                    drop(prefetch);
                    let mut effects = Effects::default();
                    member.run(shards_of(&keys), Clock { now_ms: 0 }, &mut effects, |txn| {
                        for key in keys {
                            if let Some(value) = string::get(txn, 0, key).unwrap() {
                                assert_eq!(value.to_vec(), key.bytes());
                            }
                        }
                    });
                    number = number.wrapping_add(1);
                }
            });
        }
        let member = store.register();
        let mut effects = Effects::default();
        for round in 0..12 {
            for number in 0..9000 {
                let name = format!("key:{number}").into_bytes();
                let key = store.key(&name);
                member.run(shards_of(&[key]), Clock { now_ms: 0 }, &mut effects, |txn| {
                    string::set(txn, 0, key, &name, SetOptions::default()).unwrap();
                });
            }
            for number in 0..9000 {
                let name = format!("key:{number}").into_bytes();
                let key = store.key(&name);
                if round % 3 == 0 {
                    member.run(shards_of(&[key]), Clock { now_ms: 0 }, &mut effects, |txn| {
                        keyspace::delete(txn, 0, key).unwrap();
                    });
                }
            }
            member.run(ShardSet::ALL, Clock { now_ms: 0 }, &mut effects, |txn| {
                keyspace::swap_db(txn, 0, 1).unwrap();
                keyspace::flush_db(txn, round % 2, FreeMode::Later).unwrap();
            });
            effects.clear();
        }
        stop.store(true, Relaxed);
    });
}
