//! Short sorted sets and hashes, whose bytes lie in the entries of their keys or not, against a plain model: they grow and
//! shrink, change their form, get deadlines and other keys, are taken by snapshots and brought back by undoing.

mod image;

use image::{DATABASES, line, with_all};
use ochre_store::keyspace::{self, Record};
use ochre_store::random::Random;
use ochre_store::snapshot::{Capture, Pieces, Snapshot};
use ochre_store::sorted_set::{self, AddOptions, End, Expected};
use ochre_store::undo::{Keep, Recorder, Undo};
use ochre_store::{Encoding, Options, Store, Txn, hash};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const KEYS: usize = 14;
const ENTRIES_MAX: usize = 40;

/// Members with scores or fields with values, and a deadline.
type Value = (BTreeMap<Vec<u8>, Vec<u8>>, Option<i64>);

/// By number of the key.
type Model = BTreeMap<usize, Value>;

/// Keys of all lengths, so that values fit their entries or not; the even ones hold sorted sets, the odd ones hashes.
fn name(number: usize) -> Vec<u8> {
    let lens = [3, 14, 15, 40, 100, 255, 300];
    let mut name = vec![b'a' + number as u8; lens[number / 2 % lens.len()]];
    name[0] = b'0' + (number % 2) as u8;
    name
}

fn is_sorted_set(number: usize) -> bool {
    number.is_multiple_of(2)
}

/// Lines as those of [`image::line`].
fn lines_of(model: &Model) -> BTreeMap<Vec<u8>, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let line = |(number, (elements, deadline_ms)): (&usize, &Value)| {
        let mut parts: Vec<_> = elements.iter().map(|(name, value)| (text(name), text(value))).collect();
        if is_sorted_set(*number) {
            parts.sort_by_key(|(name, score)| (score.parse::<i64>().unwrap(), name.clone()));
        }
        let mut parts: Vec<_> = parts.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !is_sorted_set(*number) {
            parts.sort_unstable();
        }
        (name(*number), format!("{} until {deadline_ms:?}", parts.join(" ")))
    };
    model.iter().map(line).collect()
}

fn lines_in(txn: &mut Txn<'_>) -> BTreeMap<Vec<u8>, String> {
    let mut lines = BTreeMap::new();
    for shard in 0..txn.store().shards() {
        let each = &mut |record: Record<'_>| drop(lines.insert(record.key.to_vec(), line(record)));
        keyspace::records_in_shard(txn, 0, shard, each).unwrap();
    }
    lines
}

/// A number below one of these.
fn one_of(random: &mut Random, bounds: &[usize]) -> usize {
    let bound = bounds[random.below(bounds.len())];
    random.below(bound)
}

fn element(random: &mut Random) -> Vec<u8> {
    let number = random.below(50);
    // One is too long for a listpack.
    let more = if number == 49 { 70 } else { number % 7 * 3 };
    format!("m{number:02}{}", "-".repeat(more)).into_bytes()
}

/// One random change of store and model alike.
fn change(txn: &mut Txn<'_>, model: &mut Model, random: &mut Random) {
    let (number, other) = (random.below(KEYS), random.below(KEYS / 2) * 2);
    let other = other + number % 2;
    let (name, other_name) = (name(number), name(other));
    let (key, other_key) = (txn.store().key(&name), txn.store().key(&other_name));
    match random.below(20) {
        0..8 => {
            let count = 1 + one_of(random, &[2, 6, 25]);
            add(txn, model, random, number, count);
        }
        8..13 => remove(txn, model, random, number),
        13 => {
            let existed = model.remove(&number).is_some();
            assert_eq!(keyspace::delete(txn, 0, key), Ok(existed));
        }
        14 if number != other => {
            let renamed = keyspace::rename(txn, 0, key, other_key, false);
            assert_eq!(renamed.is_ok(), model.contains_key(&number));
            if let Some(value) = model.remove(&number) {
                model.insert(other, value);
            }
        }
        15 | 16 if number != other => {
            keyspace::copy(txn, 0, key, other_key, 0, true).unwrap();
            if let Some(value) = model.get(&number).cloned() {
                model.insert(other, value);
            }
        }
        17 | 18 => {
            // Deadlines that take four bytes, and such that take eight.
            let at_ms = txn.now_ms() + 1_000_000 + one_of(random, &[1 << 20, 1 << 50]) as i64;
            keyspace::expire_at_ms(txn, 0, key, at_ms, Default::default()).unwrap();
            model.entry(number).and_modify(|(_, deadline_ms)| *deadline_ms = Some(at_ms));
        }
        19 => {
            keyspace::persist(txn, 0, key).unwrap();
            model.entry(number).and_modify(|(_, deadline_ms)| *deadline_ms = None);
        }
        _ => {}
    }
    model.retain(|_, (elements, _)| !elements.is_empty());
}

fn add(txn: &mut Txn<'_>, model: &mut Model, random: &mut Random, number: usize, count: usize) {
    let name = name(number);
    let key = txn.store().key(&name);
    let (elements, _) = model.entry(number).or_default();
    if is_sorted_set(number) {
        let score = |random: &mut Random| one_of(random, &[9, 1 << 40]) as i64;
        let pairs: Vec<_> = (0..count).map(|_| (score(random), element(random))).collect();
        let bytes: usize = pairs.iter().map(|(score, member)| score.to_string().len() + member.len()).sum();
        let longest = pairs.iter().map(|(_, member)| member.len()).max().unwrap_or(0);
        let expected = Expected { members: count, longest, bytes: bytes * random.below(2), only_new: true };
        let options = AddOptions { expected, ..AddOptions::default() };
        let scored = pairs.iter().map(|(score, member)| (*score as f64, member.as_slice()));
        sorted_set::add(txn, 0, key, options, scored).unwrap();
        elements.extend(pairs.into_iter().map(|(score, member)| (member, score.to_string().into_bytes())));
    } else {
        let value = |random: &mut Random| [b"v".as_slice(), &vec![b'w'; random.below(40)]].concat();
        let pairs: Vec<_> = (0..count).map(|_| (element(random), value(random))).collect();
        hash::set(txn, 0, key, pairs.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))).unwrap();
        elements.extend(pairs);
    }
}

fn remove(txn: &mut Txn<'_>, model: &mut Model, random: &mut Random, number: usize) {
    let name = name(number);
    let key = txn.store().key(&name);
    let Some((elements, _)) = model.get_mut(&number) else { return };
    if is_sorted_set(number) && random.below(4) == 0 {
        let count = 1 + random.below(4);
        let mut popped = Vec::new();
        sorted_set::pop(txn, 0, key, End::Lowest, count, &mut |part| {
            if let sorted_set::Popped::Member(member, _) = part {
                popped.push(member.to_vec());
            }
        })
        .unwrap();
        assert_eq!(popped.len(), count.min(elements.len()));
        popped.iter().for_each(|member| drop(elements.remove(member)));
        return;
    }
    let gone: Vec<_> = (0..random.below(12)).map(|_| element(random)).collect();
    let names = gone.iter().map(Vec::as_slice);
    let removed = if is_sorted_set(number) {
        sorted_set::remove(txn, 0, key, names).unwrap()
    } else {
        hash::delete(txn, 0, key, names).unwrap()
    };
    assert_eq!(removed, gone.iter().filter(|member| elements.remove(*member).is_some()).count());
}

/// No key takes much more memory than it would as a new one.
fn is_compact(txn: &mut Txn<'_>, model: &Model) {
    for number in model.keys() {
        let name = name(*number);
        let (key, copy) = (txn.store().key(&name), txn.store().key(b"copy"));
        let encoding = keyspace::object(txn, 0, key).unwrap().map(|object| object.encoding);
        keyspace::copy(txn, 0, key, copy, 0, true).unwrap();
        // The copy has a shorter key.
        let least = keyspace::memory_usage(txn, 0, copy).unwrap().unwrap() + name.len() * 5 / 4 + 48;
        let found = keyspace::memory_usage(txn, 0, key).unwrap().unwrap();
        assert!(encoding != Some(Encoding::Listpack) || found * 3 <= least * 4, "{found} bytes, {least} for a copy");
        keyspace::delete(txn, 0, copy).unwrap();
    }
}

#[derive(Default)]
struct Keeper(Mutex<BTreeMap<Vec<u8>, String>>);

impl Capture for Keeper {
    fn record(&self, _: usize, record: Record<'_>) {
        let twice = self.0.lock().unwrap().insert(record.key.to_vec(), line(record));
        assert!(twice.is_none(), "taken twice");
    }

    fn begin(&self, _: usize, _: Record<'_>) -> Box<dyn Pieces> {
        unreachable!("none is so large here")
    }
}

#[test]
fn short_values_are_what_they_should_be_wherever_they_lie() {
    for seed in 1..=8u64 {
        let store = Store::new(Options { shards: 2, databases: DATABASES, hash_seed: [seed, 2, 3, 4] });
        store.settings().hash_listpack.set(ENTRIES_MAX as u64, 64);
        store.settings().zset_listpack.set(ENTRIES_MAX as u64, 64);
        let (writer, walker) = (store.register(), store.register());
        let (mut random, mut model, mut undo) = (Random::new(seed), Model::new(), Undo::default());
        for _ in 0..60 {
            for _ in 0..30 {
                with_all(&writer, 1, |txn| change(txn, &mut model, &mut random));
            }
            with_all(&writer, 1, |txn| {
                is_compact(txn, &model);
                assert_eq!(lines_in(txn), lines_of(&model), "seed {seed}");
                undo.begin(txn, Keep::Always);
                let mut changed = model.clone();
                {
                    let mut recorder = Recorder::new(txn.part(), &mut undo);
                    (0..random.below(20)).for_each(|_| change(&mut recorder.txn(), &mut changed, &mut random));
                }
                assert_eq!(lines_in(txn), lines_of(&changed), "seed {seed}");
                assert!(undo.roll_back(txn));
                assert_eq!(lines_in(txn), lines_of(&model), "seed {seed}, undone");
            });
            let (keeper, expected) = (Arc::new(Keeper::default()), lines_of(&model));
            let mut snapshot = with_all(&writer, 1, |txn| Snapshot::begin(txn, &store, keeper.clone()).unwrap());
            while snapshot.step(&walker, 1, 1 + random.below(300)) {
                for _ in 0..random.below(4) {
                    with_all(&writer, 1, |txn| change(txn, &mut model, &mut random));
                }
            }
            assert_eq!(*keeper.0.lock().unwrap(), expected, "seed {seed}, snapshot");
        }
    }
}
