//! A snapshot holds what there was at its cut, whatever is done to the store while it is taken.

mod keeper;
mod streams;
mod texts;
mod walk;

use keeper::{DATABASES, Keeper, difference, image_of};
use ochre_store::keyspace::{self, FreeMode};
use ochre_store::list::{self, End, Side};
use ochre_store::random::Random;
use ochre_store::snapshot::Snapshot;
use ochre_store::sorted_set::{self, AddOptions};
use ochre_store::string::{self, SetOptions};
use ochre_store::{Clock, Effects, Error, Key, Options, Store, Txn, hash, set};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use walk::{Pace, take, with_all};

/// One random change, of whatever kind.
fn change(txn: &mut Txn<'_>, random: &mut Random, keys: usize) {
    let store = txn.store();
    let (db, other_db) = (random.below(DATABASES), random.below(DATABASES));
    // Its type lies in its name, so that most changes meet a key of their type.
    let kind = random.below(5);
    let (name, other) =
        (format!("{kind}:{}", random.below(keys)), format!("{}:{}", random.below(5), random.below(keys)));
    let (key, other) = (store.key(name.as_bytes()), store.key(other.as_bytes()));
    let element = format!("element {}", random.below(400));
    let element = element.as_bytes();
    let outcome = match random.below(40) {
        0..10 => match kind {
            0 => {
                let len = if random.below(50) == 0 { 70_000 } else { random.below(400) };
                let value = vec![b'a' + random.below(26) as u8; len];
                string::set(txn, db, key, &value, SetOptions::default()).map(drop)
            }
            1 => list::push(txn, db, key, End::Tail, [element].into_iter()).map(drop),
            2 => set::add(txn, db, key, 1, [element].into_iter()).map(drop),
            3 => {
                let pair = (random.below(100) as f64, element);
                sorted_set::add(txn, db, key, AddOptions::default(), [pair].into_iter()).map(drop)
            }
            _ => hash::set(txn, db, key, [(element, name.as_bytes())].into_iter()).map(drop),
        },
        10..16 if kind == 0 => string::append(txn, db, key, element).map(drop),
        16..20 if kind == 0 => string::incr_by(txn, db, key, 7).map(drop),
        10..13 => list::push(txn, db, key, End::Head, [element, element].into_iter()).map(drop),
        13 => {
            let members: Vec<String> = (0..200).map(|number| format!("{number}")).collect();
            set::add(txn, db, key, 200, members.iter().map(String::as_bytes)).map(drop)
        }
        14..20 => hash::set(txn, db, key, [(element, element)].into_iter()).map(drop),
        20..28 => keyspace::delete(txn, db, key).map(drop),
        28..31 => keyspace::rename(txn, db, key, other, false).map(drop),
        31..33 => keyspace::move_key(txn, db, key, other_db).map(drop),
        33..35 => keyspace::copy(txn, db, key, other, other_db, true).map(drop),
        35..37 => {
            // Deadlines that take four bytes, and such that take eight.
            let after_ms = match random.below(3) {
                0 => random.below(3000) as i64 - 100,
                1 => random.below(1 << 37) as i64,
                _ => random.below(1 << 50) as i64,
            };
            let at_ms = txn.now_ms() + after_ms;
            keyspace::expire_at_ms(txn, db, key, at_ms, Default::default()).map(drop)
        }
        37 => keyspace::persist(txn, db, key).map(drop),
        38 => keyspace::swap_db(txn, db, other_db),
        _ if random.below(20) == 0 => keyspace::flush_db(txn, db, FreeMode::Later).map(drop),
        _ => keyspace::type_of(txn, db, key).map(drop),
    };
    let expected = [
        Error::WrongType,
        Error::NotInteger,
        Error::NoSuchKey,
        Error::SameKey,
        Error::OutOfRange,
        Error::IncrementOverflow,
    ];
    assert!(outcome.is_ok() || outcome.is_err_and(|error| expected.contains(&error)), "{outcome:?}");
}

#[test]
fn it_holds_what_there_was_at_the_cut() {
    for seed in 1..=6u64 {
        let shards = if seed % 3 == 0 { 1 } else { 4 };
        let store = Store::new(Options { shards, databases: DATABASES, hash_seed: [seed, 2, 3, 4] });
        let (writer, walker) = (store.register(), store.register());
        let mut random = Random::new(seed);
        // From tables of one bucket to such that are rehashed while they are walked over.
        let keys = [5, 60, 900][seed as usize % 3];
        let mut now_ms = 1_000_000;
        for round in 0..6 {
            for _ in 0..keys * 10 {
                with_all(&writer, now_ms, |txn| change(txn, &mut random, keys));
            }
            let keeper = Arc::new(Keeper::default());
            let (mut snapshot, expected) = with_all(&writer, now_ms, |txn| {
                let expected = image_of(txn);
                (Snapshot::begin(txn, &store, keeper.clone()).unwrap(), expected)
            });
            let busy = with_all(&writer, now_ms, |txn| Snapshot::begin(txn, &store, keeper.clone()).err());
            assert_eq!(busy, Some(Error::Busy));
            let cancels = round == 2;
            let per_step = 1 + random.below(keys * 10);
            let mut steps = 0;
            while snapshot.step(&walker, 1 + random.below(30), 1 + random.below(5000)) {
                for _ in 0..random.below(per_step) {
                    now_ms += random.below(3) as i64;
                    with_all(&writer, now_ms, |txn| change(txn, &mut random, keys));
                }
                steps += 1;
                if cancels && steps == 3 {
                    break;
                }
            }
            if cancels {
                drop(snapshot);
                continue;
            }
            let progress = snapshot.progress();
            assert!(!keeper.twice.load(SeqCst), "seed {seed}: a key was taken twice");
            let image = std::mem::take(&mut *keeper.image.lock().unwrap());
            assert!(image == expected, "seed {seed}, round {round}: {}", difference(&image, &expected));
            assert_eq!((progress.keys_total, progress.keys), (expected.len() as u64, expected.len() as u64));
        }
    }
}

/// A change of a large value, under one of a few names.
fn change_large(txn: &mut Txn<'_>, random: &mut Random, elements: usize) {
    let store = txn.store();
    let (kind, db) = (1 + random.below(4), random.below(2));
    let (name, other) = (format!("{kind}:{}", random.below(3)), format!("{kind}:{}", random.below(4)));
    let (key, other) = (store.key(name.as_bytes()), store.key(other.as_bytes()));
    let numbers: Vec<String> =
        (0..1 + random.below(60)).map(|_| format!("element {}", random.below(elements))).collect();
    let all = || numbers.iter().map(String::as_bytes);
    let count = numbers.len();
    let outcome = match (random.below(400), kind) {
        (0..150, 1) => {
            let end = if random.below(2) == 0 { End::Head } else { End::Tail };
            list::push(txn, db, key, end, all()).map(drop)
        }
        (150..380, 1) => change_list(txn, db, key, random, &numbers),
        (0..220, 2) => set::add(txn, db, key, count, all()).map(drop),
        (0..220, 3) => {
            let scored = numbers.iter().map(|member| (random.below(1000) as f64, member.as_bytes()));
            let scored: Vec<_> = scored.collect();
            sorted_set::add(txn, db, key, AddOptions::default(), scored.into_iter()).map(drop)
        }
        (0..220, _) => {
            let value = format!("value {}", random.below(1000));
            hash::set(txn, db, key, numbers.iter().map(|name| (name.as_bytes(), value.as_bytes()))).map(drop)
        }
        (220..380, 2) => set::remove(txn, db, key, all()).map(drop),
        (220..380, 3) => sorted_set::remove(txn, db, key, all()).map(drop),
        (220..380, _) => hash::delete(txn, db, key, all()).map(drop),
        (380..384, _) => keyspace::delete(txn, db, key).map(drop),
        (384..388, _) => keyspace::rename(txn, db, key, other, false).map(drop),
        (388..391, _) => keyspace::move_key(txn, db, key, 1 - db).map(drop),
        (391..394, _) => keyspace::copy(txn, db, key, other, 1 - db, true).map(drop),
        (394..396, _) => {
            let at_ms = txn.now_ms() + 1 + random.below(1000) as i64;
            keyspace::expire_at_ms(txn, db, key, at_ms, Default::default()).map(drop)
        }
        (396, _) => keyspace::swap_db(txn, 0, 1),
        (397, _) => keyspace::flush_db(txn, db, FreeMode::Later).map(drop),
        _ => string::set(txn, db, key, b"text", SetOptions::default()).map(drop),
    };
    let expected = [Error::WrongType, Error::NoSuchKey, Error::SameKey];
    assert!(outcome.is_ok() || outcome.is_err_and(|error| expected.contains(&error)), "{outcome:?}");
}

/// A change of a list that takes elements out, or is in the middle.
fn change_list(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    random: &mut Random,
    elements: &[String],
) -> Result<(), Error> {
    let len = list::len(txn, db, key)? as i64;
    let index = random.below(len.max(1) as usize) as i64;
    let element = elements[0].as_bytes();
    match random.below(16) {
        0..9 => {
            let end = if random.below(2) == 0 { End::Head } else { End::Tail };
            list::pop_many(txn, db, key, end, elements.len(), |_| ()).map(drop)
        }
        9 => list::trim(txn, db, key, random.below(60) as i64, -1 - random.below(60) as i64, false),
        10..12 => list::set(txn, db, key, index, element).map(drop),
        12..14 => list::insert(txn, db, key, Side::After, element, elements[elements.len() - 1].as_bytes()).map(drop),
        14 => list::set(txn, db, key, index, &[b'x'; 9000]).map(drop),
        _ => list::remove(txn, db, key, element, 2, End::Tail).map(drop),
    }
}

/// Large hashes, sets and sorted sets are taken in pieces, while they grow, shrink, move and go.
#[test]
fn large_values_are_as_they_were_at_the_cut() {
    let (mut in_pieces, mut lists) = (0, 0);
    for seed in 1..=4u64 {
        let shards = if seed % 2 == 0 { 1 } else { 4 };
        let store = Store::new(Options { shards, databases: DATABASES, hash_seed: [seed, 5, 6, 7] });
        store.settings().list_max_listpack_size.store(5, SeqCst);
        let writer = store.register();
        let mut random = Random::new(seed);
        let mut now_ms = 1_000_000;
        for round in 0..12 {
            // Tables that have grown are small again in the next round, and the other way round.
            let elements = [6000, 400, 2500][(round + seed as usize) % 3];
            for _ in 0..500 {
                with_all(&writer, now_ms, |txn| change_large(txn, &mut random, elements));
            }
            let (elements, cancels_after) = ([6000, 300][round % 2], (round == 5).then_some(3));
            let pace = Pace { chains: 20, bytes: 20_000, changes: 40, ms: 3, cancels_after };
            let mut change = |txn: &mut Txn<'_>, random: &mut Random| change_large(txn, random, elements);
            if let Some(keeper) = take(&store, &mut random, &mut now_ms, &pace, &mut change) {
                in_pieces += keeper.begun.load(SeqCst);
                lists += keeper.lists.load(SeqCst);
            }
        }
    }
    assert!(in_pieces > 100 && lists > 50, "only {in_pieces} values came in pieces, {lists} of them lists");
}

/// Threads move amounts between accounts of different shards, each move being one unit: the sum never changes.
#[test]
fn it_is_of_one_moment_over_all_shards() {
    const ACCOUNTS: usize = 300;
    let store = Store::new(Options { shards: 16, databases: DATABASES, hash_seed: [5, 6, 7, 8] });
    let name = |number: usize| format!("account {number}");
    let writer = store.register();
    let zero = |txn: &mut Txn<'_>, number: usize| {
        string::set(txn, 0, store.key(name(number).as_bytes()), b"1000", SetOptions::default())
    };
    with_all(&writer, 1, |txn| (0..ACCOUNTS).for_each(|number| drop(zero(txn, number).unwrap())));
    let (stop, moves) = (AtomicBool::new(false), AtomicI64::new(0));
    std::thread::scope(|scope| {
        for seed in 1..=3 {
            let (store, stop, moves, name) = (&store, &stop, &moves, &name);
            scope.spawn(move || {
                let (member, mut random) = (store.register(), Random::new(seed));
                while !stop.load(SeqCst) {
                    let (from, to) = (name(random.below(ACCOUNTS)), name(random.below(ACCOUNTS)));
                    let (from, to) = (store.key(from.as_bytes()), store.key(to.as_bytes()));
                    let amount = random.below(50) as i64;
                    let shards = ochre_store::shards_of(&[from, to]);
                    member.run(shards, Clock { now_ms: 1 }, &mut Effects::default(), |txn| {
                        string::incr_by(txn, 0, from, -amount).unwrap();
                        string::incr_by(txn, 0, to, amount).unwrap();
                    });
                    moves.fetch_add(1, SeqCst);
                }
            });
        }
        let walker = store.register();
        for _ in 0..20 {
            let before = moves.load(SeqCst);
            while moves.load(SeqCst) < before + 100 {
                std::thread::yield_now();
            }
            let keeper = Arc::new(Keeper::default());
            let mut snapshot = with_all(&walker, 1, |txn| Snapshot::begin(txn, &store, keeper.clone()).unwrap());
            let begun = moves.load(SeqCst);
            while snapshot.step(&walker, 5, usize::MAX) {
                while moves.load(SeqCst) < begun + 100 {
                    std::thread::yield_now();
                }
            }
            let image = keeper.image.lock().unwrap();
            let sum: i64 = image.values().map(|(value, _)| value.parse::<i64>().unwrap()).sum();
            assert_eq!((image.len(), sum), (ACCOUNTS, 1000 * ACCOUNTS as i64));
        }
        stop.store(true, SeqCst);
    });
}

/// A table of elements that grows or shrinks many times over while the walk is in it.
#[test]
fn elements_come_once_while_their_table_is_resized() {
    for seed in 1..=20u64 {
        let store = Store::new(Options { shards: 1, databases: 1, hash_seed: [seed, 1, 2, 3] });
        let (writer, walker) = (store.register(), store.register());
        let mut random = Random::new(seed);
        let key = store.key(b"set");
        let members =
            |numbers: std::ops::Range<usize>| numbers.map(|number| format!("member {number}")).collect::<Vec<_>>();
        let add = |from: usize, to: usize| {
            let members = members(from..to);
            with_all(&writer, 1, |txn| {
                set::add(txn, 0, key, members.len(), members.iter().map(String::as_bytes)).unwrap();
            });
        };
        let remove = |from: usize, to: usize| {
            let members = members(from..to);
            let removed = |txn: &mut Txn<'_>| set::remove(txn, 0, key, members.iter().map(String::as_bytes));
            assert_eq!(with_all(&writer, 1, removed), Ok(to - from));
        };
        add(0, 3000);
        let keeper = Arc::new(Keeper::default());
        let mut snapshot = with_all(&writer, 1, |txn| Snapshot::begin(txn, &store, keeper.clone()).unwrap());
        let mut step = || snapshot.step(&walker, 1, usize::MAX);
        (0..1 + random.below(200)).for_each(|_| assert!(step()));
        // Some stay, so that the table is never given up.
        remove(50, 3000);
        let few = random.below(20);
        let _ = (0..few).all(|_| step());
        add(3000, 3000 + random.below(20_000));
        while step() {}
        let mut expected = members(0..3000);
        expected.sort_unstable();
        let image = keeper.image.lock().unwrap();
        assert_eq!(image[&(0, b"set".to_vec())].0, format!("3000: {}", expected.join(" ")), "seed {seed}");
    }
}
