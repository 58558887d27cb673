//! Large values come back part by part.

mod image;
#[path = "snapshot/keeper.rs"]
mod keeper;

use image::{differences, image_of, store, with_all};
use ochre_store::bits::{FieldAction, FieldOperation, Overflow};
use ochre_store::hash::{GetFieldExpiry, SetFieldsOptions};
use ochre_store::list::{self, End, Side};
use ochre_store::random::Random;
use ochre_store::snapshot::Snapshot;
use ochre_store::sorted_set::{self, AddOptions, By};
use ochre_store::stream::{self, Add, Claim, Claims, Member, NewGroup, NewId, Read, ReadFrom, Scan, StreamId};
use ochre_store::stream::{Counting, References, SetId, Trim, TrimTo};
use ochre_store::string::{self, SetOptions};
use ochre_store::undo::{Keep, Recorder, Undo};
use ochre_store::{Error, Key, Txn, bits, hash, keyspace, set};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

type Done = Result<(), Error>;

/// Entries of the large stream, which have the IDs from 1-0 on.
const ENTRIES: u64 = 3000;
const KINDS: usize = 6;

/// Puts a large value of some type under a key, that changes in its middle leave large.
fn make(txn: &mut Txn<'_>, key: Key<'_>, kind: usize) {
    let names: Vec<String> = (0..1500).map(|number| format!("element {number}")).collect();
    let names = || names.iter().map(String::as_bytes);
    let long = "x".repeat(100);
    match kind {
        0 => {
            let pairs: Vec<_> = names().map(|name| (name, b"v".as_slice())).collect();
            hash::set(txn, 0, key, pairs.into_iter()).unwrap();
            hash::expire_at_ms(txn, 0, key, names().take(40), 5000, Default::default(), &mut |_| ()).unwrap();
        }
        1 => drop(set::add(txn, 0, key, 300, names()).unwrap()),
        2 => {
            let scored: Vec<_> = names().zip(0..).map(|(name, at)| (f64::from(at), name)).collect();
            sorted_set::add(txn, 0, key, AddOptions::default(), scored.into_iter()).unwrap();
        }
        3 => {
            let elements: Vec<_> = names().flat_map(|name| [name, long.as_bytes()]).collect();
            list::push(txn, 0, key, End::Tail, elements.into_iter()).unwrap();
        }
        4 => drop(string::set(txn, 0, key, "large ".repeat(20_000).as_bytes(), SetOptions::default()).unwrap()),
        _ => {
            for ms in 1..=ENTRIES {
                add_entry(txn, key, NewId::Exact(StreamId { ms, seq: 0 }), None).unwrap();
            }
            for group in [b"a", b"b"] {
                let group = NewGroup { name: group, last_id: Some(StreamId::MIN), entries_read: Some(0) };
                stream::create_group(txn, 0, key, &group, false).unwrap();
            }
            read(txn, key, b"a", b"one", ReadFrom::New, 300).unwrap();
            read(txn, key, b"b", b"two", ReadFrom::New, 10).unwrap();
        }
    }
}

fn add_entry(txn: &mut Txn<'_>, key: Key<'_>, id: NewId, trim: Option<Trim>) -> Done {
    let fields = [(b"name".as_slice(), b"value of some length".as_slice())];
    match stream::add(txn, 0, key, &Add { id, create: true, trim }, fields) {
        Ok(_) => Ok(()),
        Err(stream::AddError::Key(error)) => Err(error),
        Err(stream::AddError::Append(_)) => Ok(()),
    }
}

fn read(txn: &mut Txn<'_>, key: Key<'_>, group: &[u8], consumer: &[u8], from: ReadFrom, count: u64) -> Done {
    let member = Member { group, consumer, only_if_served: false };
    let read = Read { count, no_ack: false, now_ms: txn.now_ms(), counting: Counting::default() };
    in_group(stream::read_group(txn, 0, key, &member, from, &read, |_| ()).map(drop))
}

/// There may be no such group.
fn in_group(done: Result<(), stream::GroupError>) -> Done {
    match done {
        Err(stream::GroupError::Key(error)) => Err(error),
        _ => Ok(()),
    }
}

/// Changes a part of a large value of some type.
fn change(txn: &mut Txn<'_>, random: &mut Random, key: Key<'_>, kind: usize) -> Done {
    match kind {
        0 => change_hash(txn, random, key),
        1 => change_set(txn, random, key),
        2 => change_sorted_set(txn, random, key),
        3 => change_list(txn, random, key),
        4 => change_string(txn, random, key),
        _ if random.below(2) == 0 => change_entries(txn, random, key),
        _ => change_groups(txn, random, key),
    }
}

fn some_names(random: &mut Random) -> Vec<String> {
    (0..1 + random.below(3)).map(|_| format!("element {}", random.below(2000))).collect()
}

fn change_hash(txn: &mut Txn<'_>, random: &mut Random, key: Key<'_>) -> Done {
    let names = some_names(random);
    let names = || names.iter().map(String::as_bytes);
    let pairs: Vec<_> = names().map(|name| (name, b"other".as_slice())).collect();
    let at_ms = txn.now_ms() - 10 + random.below(100) as i64;
    match random.below(9) {
        0 => hash::set(txn, 0, key, pairs.into_iter()).map(drop),
        1 => hash::set_new(txn, 0, key, b"element 9999", b"v").map(drop),
        2 => hash::incr_by(txn, 0, key, b"number", 7).map(drop),
        3 => hash::delete(txn, 0, key, names()).map(drop),
        4 => hash::expire_at_ms(txn, 0, key, names(), at_ms, Default::default(), &mut |_| ()),
        5 => hash::persist(txn, 0, key, names(), &mut |_| ()),
        6 => hash::get_and_expire(txn, 0, key, names(), GetFieldExpiry::At(at_ms), &mut |_| ()),
        7 => hash::get_and_delete(txn, 0, key, names(), &mut |_| ()).map(drop),
        _ => {
            let expiry = hash::FieldExpiry::At(at_ms);
            let options = SetFieldsOptions { expiry, ..SetFieldsOptions::default() };
            hash::set_with_options(txn, 0, key, pairs.into_iter(), options).map(drop)
        }
    }
}

fn change_set(txn: &mut Txn<'_>, random: &mut Random, key: Key<'_>) -> Done {
    let names = some_names(random);
    let names = || names.iter().map(String::as_bytes);
    let other = txn.store().key(b"other");
    match random.below(7) {
        0 | 1 => set::add(txn, 0, key, 3, names()).map(drop),
        2 => set::remove(txn, 0, key, names()).map(drop),
        3 => set::move_member(txn, 0, key, other, names().next().unwrap()).map(drop),
        4 => set::pop(txn, 0, key, |_| ()).map(drop),
        5 => set::pop_many(txn, 0, key, random.below(500), |_| ()).map(drop),
        // Few stay, of which the set is made anew.
        _ => set::pop_many(txn, 0, key, 900 + random.below(700), |_| ()).map(drop),
    }
}

fn change_sorted_set(txn: &mut Txn<'_>, random: &mut Random, key: Key<'_>) -> Done {
    let names = some_names(random);
    let names = || names.iter().map(String::as_bytes);
    let (number, few) = (random.below(1000) as f64, random.below(900));
    let end = if random.below(2) == 0 { sorted_set::End::Lowest } else { sorted_set::End::Highest };
    match random.below(7) {
        0 | 1 => sorted_set::add(txn, 0, key, AddOptions::default(), names().map(|name| (number, name))).map(drop),
        2 => sorted_set::increment(txn, 0, key, AddOptions::default(), 3.0, names().next().unwrap()).map(drop),
        3 => {
            let by = By::Rank(random.below(30) as i64, few as i64);
            sorted_set::remove_range(txn, 0, key, by, "zremrangebyrank").map(drop)
        }
        4 => sorted_set::remove(txn, 0, key, names()).map(drop),
        5 => sorted_set::pop(txn, 0, key, end, 1, &mut |_| ()).map(drop),
        _ => sorted_set::pop(txn, 0, key, end, few, &mut |_| ()).map(drop),
    }
}

fn change_list(txn: &mut Txn<'_>, random: &mut Random, key: Key<'_>) -> Done {
    let names = some_names(random);
    let names = || names.iter().map(String::as_bytes);
    let (name, other) = (names().next().unwrap(), txn.store().key(b"other"));
    let end = if random.below(2) == 0 { End::Head } else { End::Tail };
    let side = if random.below(2) == 0 { Side::Before } else { Side::After };
    let (few, index) = (random.below(30), random.below(4000) as i64 - 2000);
    let long = "y".repeat(if random.below(5) == 0 { 9000 } else { 5 });
    match random.below(12) {
        0 | 1 => list::push(txn, 0, key, end, names().collect::<Vec<_>>().into_iter()).map(drop),
        2 => list::pop(txn, 0, key, end, |_| ()).map(drop),
        3 => list::pop_many(txn, 0, key, end, random.below(700), |_| ()).map(drop),
        4 => list::trim(txn, 0, key, few as i64, -2 - random.below(800) as i64, true),
        5 => list::trim(txn, 0, key, random.below(800) as i64, -2, true),
        6 => {
            let to = if few > 15 { key } else { other };
            list::move_element(txn, 0, (key, end), (to, End::Head), |_| ()).map(drop)
        }
        7 => list::insert(txn, 0, key, side, name, long.as_bytes()).map(drop),
        8 => match list::set(txn, 0, key, index, long.as_bytes()) {
            Err(Error::NoSuchKey | Error::OutOfRange) => Ok(()),
            other => other,
        },
        9 => list::remove(txn, 0, key, "x".repeat(100).as_bytes(), random.below(900), end).map(drop),
        10 => list::remove(txn, 0, key, name, 0usize.wrapping_sub(1), end).map(drop),
        _ => list::is_list(txn, 0, key).map(drop),
    }
}

fn change_string(txn: &mut Txn<'_>, random: &mut Random, key: Key<'_>) -> Done {
    let offset = random.below(150_000);
    match random.below(5) {
        0 => string::append(txn, 0, key, "more".repeat(1 + random.below(2000)).as_bytes()).map(drop),
        1 => string::set_range(txn, 0, key, offset, "other".repeat(random.below(100)).as_bytes()).map(drop),
        2 => bits::set_bit(txn, 0, key, 8 * offset as u64 + 3, random.below(2) == 0).map(drop),
        3 => string::set_range(txn, 0, key, 0, &[b'n'; 7]).map(drop),
        _ => {
            let write = |offset| FieldOperation {
                action: FieldAction::IncrBy(12345),
                signed: false,
                width: 19,
                offset,
                overflow: Overflow::Wrap,
            };
            bits::field(txn, 0, key, &[write(5), write(8 * offset as u64 + 1)]).map(drop)
        }
    }
}

fn change_entries(txn: &mut Txn<'_>, random: &mut Random, key: Key<'_>) -> Done {
    let id = |random: &mut Random| StreamId { ms: 1 + random.below(ENTRIES as usize) as u64, seq: 0 };
    let ids: Vec<StreamId> = (0..1 + random.below(5)).map(|_| id(random)).collect();
    let trim = |random: &mut Random| Trim {
        to: match random.below(2) {
            0 => TrimTo::MaxLen(ENTRIES - random.below(900) as u64),
            _ => TrimTo::MinId(StreamId { ms: random.below(900) as u64, seq: 0 }),
        },
        approximate: random.below(2) == 0,
        limit: 0,
        references: References::Keep,
    };
    match random.below(8) {
        0..3 => add_entry(txn, key, NewId::AutoSeq(ENTRIES), None),
        3 => {
            let trim = trim(random);
            add_entry(txn, key, NewId::AutoSeq(ENTRIES), Some(trim))
        }
        4 => stream::trim(txn, 0, key, &trim(random)).map(drop),
        5 => {
            let last_id = StreamId { ms: ENTRIES, seq: 100 + random.below(1000) as u64 };
            let set = SetId { last_id, entries_added: Some(9999), ..SetId::default() };
            match stream::set_id(txn, 0, key, &set) {
                Err(stream::ChangeIdError::Key(Error::NoSuchKey)) | Err(stream::ChangeIdError::Refused(_)) | Ok(()) => {
                    Ok(())
                }
                Err(stream::ChangeIdError::Key(error)) => Err(error),
            }
        }
        6 => stream::delete_with(txn, 0, key, &ids, References::Keep, |_| ()),
        // A whole node goes.
        7 if random.below(2) == 0 => {
            let start = id(random).ms;
            stream::delete(txn, 0, key, (start..start + 250).map(|ms| StreamId { ms, seq: 0 })).map(drop)
        }
        _ => stream::delete(txn, 0, key, ids).map(drop),
    }
}

fn change_groups(txn: &mut Txn<'_>, random: &mut Random, key: Key<'_>) -> Done {
    let group = [b"a".as_slice(), b"b", b"c"][random.below(3)];
    let consumer = [b"one".as_slice(), b"two", b"three"][random.below(3)];
    let id = |random: &mut Random| StreamId { ms: 1 + random.below(400) as u64, seq: 0 };
    let ids: Vec<StreamId> = (0..1 + random.below(5)).map(|_| id(random)).collect();
    let new = NewGroup { name: group, last_id: Some(id(random)), entries_read: Some(7) };
    let member = Member { group, consumer, only_if_served: random.below(2) == 0 };
    let now_ms = txn.now_ms() + random.below(50) as i64;
    match random.below(11) {
        0 => in_group(stream::create_group(txn, 0, key, &new, false)),
        1 => in_group(stream::set_group_id(txn, 0, key, &new)),
        2 => in_group(stream::destroy_group(txn, 0, key, group).map(drop)),
        3 => in_group(stream::create_consumer(txn, 0, key, group, consumer).map(drop)),
        4 => in_group(stream::delete_consumer(txn, 0, key, group, consumer).map(drop)),
        5 | 6 => stream::ack(txn, 0, key, group, &ids).map(drop),
        7 => read(txn, key, group, consumer, ReadFrom::New, random.below(40) as u64 + 1),
        8 => read(txn, key, group, consumer, ReadFrom::After(id(random)), random.below(40) as u64),
        9 => {
            let claim = Claim {
                now_ms,
                min_idle_ms: random.below(20) as i64,
                delivery_ms: None,
                deliveries: None,
                force: random.below(2) == 0,
                just_id: random.below(2) == 0,
            };
            let claims = Claims { ids: &ids, claim, last_id: id(random) };
            in_group(stream::claim(txn, 0, key, &member, &claims, |_, _| ()))
        }
        _ => {
            let scan = Scan { start: id(random), count: 20, now_ms, min_idle_ms: 0, just_id: false };
            in_group(stream::autoclaim(txn, 0, key, &member, &scan, |_, _| ()).map(drop))
        }
    }
}

#[test]
fn large_values_come_back_part_by_part() {
    for seed in 1..=60u64 {
        let kind = seed as usize % KINDS;
        let store = store(seed);
        let (member, mut random, mut undo) = (store.register(), Random::new(seed), Undo::default());
        let key = store.key(b"large");
        with_all(&member, 1000, |txn| {
            make(txn, key, kind);
            let before = image_of(txn);
            for round in 0..10 {
                undo.begin(txn, Keep::Always);
                let mut recorder = Recorder::new(txn.part(), &mut undo);
                for _ in 0..random.below(30) {
                    let done = change(&mut recorder.txn(), &mut random, key, kind);
                    assert!(done.is_ok() || done == Err(Error::NotInteger), "seed {seed}: {done:?}");
                }
                if round % 3 == 0 {
                    keyspace::delete(&mut recorder.txn(), 0, key).unwrap();
                    let _ = change(&mut recorder.txn(), &mut random, key, kind);
                }
                assert!(undo.roll_back(txn));
                let found = image_of(txn);
                assert!(found == before, "seed {seed}, round {round}: {}", differences(&found, &before));
            }
            // What stays lets the next unit begin from there.
            for _ in 0..3 {
                undo.begin(txn, Keep::Always);
                let mut recorder = Recorder::new(txn.part(), &mut undo);
                for _ in 0..random.below(10) {
                    let _ = change(&mut recorder.txn(), &mut random, key, kind);
                }
                let changed = image_of(txn);
                undo.commit(txn);
                assert_eq!(image_of(txn), changed);
            }
        });
    }
}

#[test]
fn snapshots_see_nothing_of_large_values_that_come_back() {
    let mut in_pieces = 0;
    for seed in 1..=48u64 {
        let kind = seed as usize % KINDS;
        let store = store(seed);
        let (writer, walker) = (store.register(), store.register());
        let (mut random, mut undo) = (Random::new(seed), Undo::default());
        let key = store.key(b"large");
        let keeper = Arc::new(keeper::Keeper::default());
        let (mut snapshot, expected) = with_all(&writer, 1000, |txn| {
            make(txn, key, kind);
            for _ in 0..10 {
                let _ = change(txn, &mut random, key, kind);
            }
            (Snapshot::begin(txn, &store, keeper.clone()).unwrap(), keeper::image_of(txn))
        });
        loop {
            with_all(&writer, 1000, |txn| {
                let before = keeper::image_of(txn);
                undo.begin(txn, Keep::Always);
                let mut recorder = Recorder::new(txn.part(), &mut undo);
                let is_refused = (0..random.below(30))
                    .any(|_| change(&mut recorder.txn(), &mut random, key, kind) == Err(Error::NotKept));
                if is_refused || random.below(4) > 0 {
                    assert!(undo.roll_back(txn));
                    let found = keeper::image_of(txn);
                    assert!(found == before, "seed {seed}: {}", keeper::difference(&found, &before));
                } else {
                    undo.commit(txn);
                }
            });
            if !snapshot.step(&walker, 1 + random.below(20), 1 + random.below(2000)) {
                break;
            }
        }
        assert!(!keeper.twice.load(SeqCst), "seed {seed}: a key was taken twice");
        let image = std::mem::take(&mut *keeper.image.lock().unwrap());
        assert!(image == expected, "seed {seed}: {}", keeper::difference(&image, &expected));
        in_pieces += keeper.begun.load(SeqCst);
    }
    assert!(in_pieces > 30, "only {in_pieces} values came in pieces");
}
