//! Long strings are taken in pieces, while they are changed in place, grow, move and go.

use crate::keeper::{DATABASES, Keeper};
use crate::walk::{Pace, take, with_all};
use ochre_store::bits::{self, FieldAction, FieldOperation, Overflow};
use ochre_store::keyspace;
use ochre_store::random::Random;
use ochre_store::snapshot::Snapshot;
use ochre_store::string::{self, SetOptions};
use ochre_store::{Error, Options, Store, Txn};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

fn change(txn: &mut Txn<'_>, random: &mut Random) {
    let name = |number: usize| format!("text {number}");
    let (key, other) = (name(random.below(3)), name(random.below(4)));
    let (key, other) = (txn.store().key(key.as_bytes()), txn.store().key(other.as_bytes()));
    let (db, letter) = (random.below(2), b'a' + random.below(26) as u8);
    let offset = random.below(200_000);
    let outcome = match random.below(100) {
        0..30 => string::set_range(txn, db, key, offset, &vec![letter; 1 + random.below(3000)]).map(drop),
        30..50 => string::append(txn, db, key, &vec![letter; 1 + random.below(5000)]).map(drop),
        50..65 => bits::set_bit(txn, db, key, offset as u64 * 8 + 3, random.below(2) == 0).map(drop),
        65..75 => {
            let operation = |offset: usize| FieldOperation {
                signed: false,
                width: 13,
                offset: offset as u64 * 8 + 5,
                action: FieldAction::IncrBy(77),
                overflow: Overflow::Wrap,
            };
            bits::field(txn, db, key, &[operation(offset), operation(random.below(100_000))]).map(drop)
        }
        75..80 => string::set(txn, db, key, &vec![letter; random.below(150_000)], SetOptions::default()).map(drop),
        80..83 => keyspace::delete(txn, db, key).map(drop),
        83..87 => keyspace::rename(txn, db, key, other, false).map(drop),
        87..90 => keyspace::move_key(txn, db, key, 1 - db).map(drop),
        90..93 => keyspace::copy(txn, db, key, other, 1 - db, true).map(drop),
        93..96 => {
            let at_ms = txn.now_ms() + 1 + random.below(1000) as i64;
            keyspace::expire_at_ms(txn, db, key, at_ms, Default::default()).map(drop)
        }
        96..98 => keyspace::persist(txn, db, key).map(drop),
        98 => keyspace::swap_db(txn, 0, 1),
        _ => string::get_and_delete(txn, db, key).map(drop),
    };
    assert!(matches!(outcome, Ok(()) | Err(Error::NoSuchKey | Error::SameKey)), "{outcome:?}");
}

#[test]
fn long_strings_are_as_they_were_at_the_cut() {
    let mut in_pieces = 0;
    for seed in 1..=4u64 {
        let shards = if seed % 2 == 0 { 1 } else { 4 };
        let store = Store::new(Options { shards, databases: DATABASES, hash_seed: [seed, 3, 9, 1] });
        let writer = store.register();
        let mut random = Random::new(seed);
        let mut now_ms = 1_000_000;
        for round in 0..15 {
            for _ in 0..60 {
                with_all(&writer, now_ms, |txn| change(txn, &mut random));
            }
            let cancels_after = (round % 5 == 3).then_some(3);
            let pace = Pace { chains: 4, bytes: 40_000, changes: 30, ms: 3, cancels_after };
            let keeper = take(&store, &mut random, &mut now_ms, &pace, &mut change);
            in_pieces += keeper.map_or(0, |keeper| keeper.begun.load(SeqCst));
        }
    }
    assert!(in_pieces > 100, "only {in_pieces} strings came in pieces");
}

/// Who changes a few bytes of a long string has few bytes copied, and whoever replaces it none.
#[test]
fn changes_copy_little() {
    let store = Store::new(Options { shards: 1, databases: 1, hash_seed: [1, 3, 9, 1] });
    let (writer, walker) = (store.register(), store.register());
    let (changed, replaced) = (store.key(b"changed"), store.key(b"replaced"));
    let long = vec![b'x'; 20 << 20];
    with_all(&writer, 1, |txn| {
        string::set(txn, 0, changed, &long, SetOptions::default()).unwrap();
        string::set(txn, 0, replaced, &long, SetOptions::default()).unwrap();
    });
    let keeper = Arc::new(Keeper::default());
    let mut snapshot = with_all(&writer, 1, |txn| Snapshot::begin(txn, &store, keeper.clone()).unwrap());
    with_all(&writer, 1, |txn| {
        string::set_range(txn, 0, changed, 10 << 20, b"few bytes").unwrap();
        string::append(txn, 0, changed, b"some more").unwrap();
        string::set(txn, 0, replaced, b"short", SetOptions::default()).unwrap();
    });
    let copied = snapshot.progress().bytes_ahead;
    assert!(copied < 100_000, "{copied} bytes were copied");
    while snapshot.step(&walker, 64, 1 << 20) {}
    let image = keeper.image.lock().unwrap();
    assert!(image.values().all(|(text, _)| text.as_bytes() == long), "{:?}", image.keys());
    assert_eq!(keeper.begun.load(SeqCst), 2);
}
