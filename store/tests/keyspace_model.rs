//! Random operations on a store against a plain model of a keyspace with deadlines.

use ochre_store::keyspace::{self, ExpireCondition, ExpireOutcome, FreeMode};
use ochre_store::string::{self, Condition, Expiry, SetOptions};
use ochre_store::sync::ShardSet;
use ochre_store::{Clock, Effects, Encoding, Error, Options, Reason, Store, Str, Txn};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const DATABASES: usize = 2;

#[derive(Clone, Debug)]
enum Operation {
    Set { db: usize, key: u8, value: Vec<u8>, condition: u8, expiry: u8 },
    Append { db: usize, key: u8, value: Vec<u8> },
    SetRange { db: usize, key: u8, offset: usize, value: Vec<u8> },
    Incr { db: usize, key: u8, delta: i64 },
    Get { db: usize, key: u8 },
    Delete { db: usize, key: u8 },
    Expire { db: usize, key: u8, after_ms: i64, condition: u8 },
    Persist { db: usize, key: u8 },
    Rename { db: usize, from: u8, to: u8, nx: bool },
    Copy { db: usize, from: u8, to: u8, to_db: usize, replace: bool },
    Move { db: usize, key: u8, to_db: usize },
    SwapDb,
    Flush { db: usize },
    Advance { ms: i64 },
    Check,
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        (-20i64..20).prop_map(|number| number.to_string().into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..60),
        (0usize..300).prop_map(|len| vec![b'x'; len]),
        Just(vec![b'y'; 70_000]),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let db = 0..DATABASES;
    let key = 0u8..40;
    prop_oneof![
        6 => (db.clone(), key.clone(), value(), 0u8..4, 0u8..6)
            .prop_map(|(db, key, value, condition, expiry)| Operation::Set { db, key, value, condition, expiry }),
        3 => (db.clone(), key.clone(), value()).prop_map(|(db, key, value)| Operation::Append { db, key, value }),
        2 => (db.clone(), key.clone(), 0usize..400, value())
            .prop_map(|(db, key, offset, value)| Operation::SetRange { db, key, offset, value }),
        3 => (db.clone(), key.clone(), prop_oneof![any::<i64>(), -5i64..5])
            .prop_map(|(db, key, delta)| Operation::Incr { db, key, delta }),
        4 => (db.clone(), key.clone()).prop_map(|(db, key)| Operation::Get { db, key }),
        3 => (db.clone(), key.clone()).prop_map(|(db, key)| Operation::Delete { db, key }),
        4 => (db.clone(), key.clone(), -10i64..200, 0u8..16)
            .prop_map(|(db, key, after_ms, condition)| Operation::Expire { db, key, after_ms, condition }),
        2 => (db.clone(), key.clone()).prop_map(|(db, key)| Operation::Persist { db, key }),
        2 => (db.clone(), key.clone(), key.clone(), any::<bool>())
            .prop_map(|(db, from, to, nx)| Operation::Rename { db, from, to, nx }),
        2 => (db.clone(), key.clone(), key.clone(), db.clone(), any::<bool>())
            .prop_map(|(db, from, to, to_db, replace)| Operation::Copy { db, from, to, to_db, replace }),
        2 => (db.clone(), key, db.clone()).prop_map(|(db, key, to_db)| Operation::Move { db, key, to_db }),
        1 => Just(Operation::SwapDb),
        1 => db.prop_map(|db| Operation::Flush { db }),
        3 => (0i64..60).prop_map(|ms| Operation::Advance { ms }),
        2 => Just(Operation::Check),
    ]
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    value: Vec<u8>,
    deadline: Option<i64>,
}

#[derive(Default)]
struct Model {
    databases: [BTreeMap<u8, Cell>; DATABASES],
    now_ms: i64,
}

impl Model {
    fn live(&mut self, db: usize, key: u8) -> Option<&mut Cell> {
        let now_ms = self.now_ms;
        let cells = &mut self.databases[db];
        if cells.get(&key).is_some_and(|cell| cell.deadline.is_some_and(|deadline| now_ms > deadline)) {
            cells.remove(&key);
        }
        cells.get_mut(&key)
    }
}

/// Keys long and short, so that every layout of an entry occurs.
fn name(key: u8) -> Vec<u8> {
    match key % 4 {
        0 => vec![key],
        1 => format!("key:{key:012}").into_bytes(),
        2 => vec![key; 255],
        _ => vec![key; 400],
    }
}

fn integer(text: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == text).then_some(number)
}

fn apply(txn: &mut Txn<'_>, model: &mut Model, operation: &Operation) {
    let store = txn.store();
    match operation {
        Operation::Set { db, key, value, condition, expiry } => {
            let now_ms = model.now_ms;
            let old = model.live(*db, *key).cloned();
            let deadline = now_ms + i64::from(*expiry) * 20;
            let options = SetOptions {
                condition: match condition {
                    0 => Condition::Nx,
                    1 => Condition::Xx,
                    2 => Condition::IfEq(b"7"),
                    _ => Condition::Always,
                },
                expiry: match expiry {
                    0 | 1 => Expiry::Clear,
                    2 => Expiry::Keep,
                    _ => Expiry::At(deadline),
                },
                get: true,
            };
            let outcome = string::set(txn, *db, store.key(&name(*key)), value, options).unwrap();
            let done = match condition {
                0 => old.is_none(),
                1 => old.is_some(),
                2 => old.as_ref().is_some_and(|cell| cell.value == b"7"),
                _ => true,
            };
            assert_eq!((outcome.done, outcome.old), (done, old.as_ref().map(|cell| cell.value.clone())));
            if done {
                let deadline = match options.expiry {
                    Expiry::Clear => None,
                    Expiry::Keep => old.and_then(|cell| cell.deadline),
                    Expiry::At(at) => Some(at),
                };
                model.databases[*db].insert(*key, Cell { value: value.clone(), deadline });
            }
        }
        Operation::Append { db, key, value } => {
            let len = string::append(txn, *db, store.key(&name(*key)), value).unwrap();
            model.live(*db, *key);
            let cell = model.databases[*db].entry(*key).or_insert(Cell { value: vec![], deadline: None });
            cell.value.extend_from_slice(value);
            assert_eq!(len, cell.value.len());
        }
        Operation::SetRange { db, key, offset, value } => {
            let len = string::set_range(txn, *db, store.key(&name(*key)), *offset, value).unwrap();
            let old = model.live(*db, *key).map_or(0, |cell| cell.value.len());
            if value.is_empty() {
                assert_eq!(len, old);
                return;
            }
            let cell = model.databases[*db].entry(*key).or_insert(Cell { value: vec![], deadline: None });
            cell.value.resize(old.max(offset + value.len()), 0);
            cell.value[*offset..offset + value.len()].copy_from_slice(value);
            assert_eq!(len, cell.value.len());
        }
        Operation::Incr { db, key, delta } => {
            let result = string::incr_by(txn, *db, store.key(&name(*key)), *delta);
            let expected = match model.live(*db, *key) {
                None => Ok(*delta),
                Some(cell) => integer(&cell.value)
                    .ok_or(Error::NotInteger)
                    .and_then(|number| number.checked_add(*delta).ok_or(Error::IncrementOverflow)),
            };
            assert_eq!(result, expected);
            if let Ok(sum) = expected {
                let cell = model.databases[*db].entry(*key).or_insert(Cell { value: vec![], deadline: None });
                cell.value = sum.to_string().into_bytes();
            }
        }
        Operation::Get { db, key } => {
            let found = string::get(txn, *db, store.key(&name(*key))).unwrap().map(|value| value.to_vec());
            assert_eq!(found, model.live(*db, *key).map(|cell| cell.value.clone()));
        }
        Operation::Delete { db, key } => {
            let deleted = keyspace::delete(txn, *db, store.key(&name(*key))).unwrap();
            assert_eq!(deleted, model.live(*db, *key).is_some());
            model.databases[*db].remove(key);
        }
        Operation::Expire { db, key, after_ms, condition } => {
            let at = model.now_ms + after_ms;
            let flags = |bit: u8| condition & bit != 0;
            let condition = ExpireCondition { nx: flags(1), xx: flags(2), gt: flags(4), lt: flags(8) };
            let outcome = keyspace::expire_at_ms(txn, *db, store.key(&name(*key)), at, condition).unwrap();
            let now_ms = model.now_ms;
            let Some(cell) = model.live(*db, *key) else {
                assert_eq!(outcome, ExpireOutcome::Missing);
                return;
            };
            let old = cell.deadline.unwrap_or(i64::MAX);
            let holds = !(condition.nx && cell.deadline.is_some()
                || condition.xx && cell.deadline.is_none()
                || condition.gt && at <= old
                || condition.lt && at >= old);
            if !holds {
                assert_eq!(outcome, ExpireOutcome::Unchanged);
            } else if at <= now_ms {
                assert_eq!(outcome, ExpireOutcome::Deleted);
                model.databases[*db].remove(key);
            } else {
                assert_eq!(outcome, ExpireOutcome::Set);
                cell.deadline = Some(at);
            }
        }
        Operation::Persist { db, key } => {
            let persisted = keyspace::persist(txn, *db, store.key(&name(*key))).unwrap();
            let had = model.live(*db, *key).and_then(|cell| cell.deadline.take()).is_some();
            assert_eq!(persisted, had);
        }
        Operation::Rename { db, from, to, nx } => {
            let (from_name, to_name) = (name(*from), name(*to));
            let result = keyspace::rename(txn, *db, store.key(&from_name), store.key(&to_name), *nx);
            if model.live(*db, *from).is_none() {
                assert_eq!(result, Err(Error::NoSuchKey));
            } else if from == to {
                assert_eq!(result, Ok(!nx));
            } else if *nx && model.live(*db, *to).is_some() {
                assert_eq!(result, Ok(false));
            } else {
                assert_eq!(result, Ok(true));
                let cell = model.databases[*db].remove(from).unwrap();
                model.databases[*db].insert(*to, cell);
            }
        }
        Operation::Copy { db, from, to, to_db, replace } => {
            let (from_name, to_name) = (name(*from), name(*to));
            let result = keyspace::copy(txn, *db, store.key(&from_name), store.key(&to_name), *to_db, *replace);
            if db == to_db && from == to {
                assert_eq!(result, Err(Error::SameKey));
                return;
            }
            let source = model.live(*db, *from).cloned();
            let taken = model.live(*to_db, *to).is_some();
            assert_eq!(result, Ok(source.is_some() && (*replace || !taken)));
            if let (Some(cell), Ok(true)) = (source, result) {
                model.databases[*to_db].insert(*to, cell);
            }
        }
        Operation::Move { db, key, to_db } => {
            let result = keyspace::move_key(txn, *db, store.key(&name(*key)), *to_db);
            if db == to_db {
                assert_eq!(result, Err(Error::SameKey));
                return;
            }
            let possible = model.live(*db, *key).is_some() && model.live(*to_db, *key).is_none();
            assert_eq!(result, Ok(possible));
            if possible {
                let cell = model.databases[*db].remove(key).unwrap();
                model.databases[*to_db].insert(*key, cell);
            }
        }
        Operation::SwapDb => {
            keyspace::swap_db(txn, 0, 1).unwrap();
            model.databases.swap(0, 1);
        }
        Operation::Flush { db } => {
            keyspace::flush_db(txn, *db, if *db == 0 { FreeMode::Caller } else { FreeMode::Later }).unwrap();
            model.databases[*db].clear();
        }
        Operation::Advance { ms } => model.now_ms += ms,
        Operation::Check => check(txn, model),
    }
}

/// Compares everything.
fn check(txn: &mut Txn<'_>, model: &mut Model) {
    for db in 0..DATABASES {
        for key in 0..40 {
            let (name, expected) = (name(key), model.live(db, key).cloned());
            let address = txn.store().key(&name);
            let found = string::get(txn, db, address).unwrap().map(|value| match value {
                Str::Int(number) => (number.to_string().into_bytes(), true),
                Str::Bytes(bytes) => (bytes.to_vec(), false),
            });
            assert_eq!(found.as_ref().map(|(value, _)| value), expected.as_ref().map(|cell| &cell.value));
            let deadline = keyspace::deadline(txn, db, address).unwrap();
            assert_eq!(deadline, expected.as_ref().map(|cell| cell.deadline));
            if let (Some((value, is_int)), Some(info)) = (found, keyspace::object(txn, db, address).unwrap()) {
                assert_eq!(is_int, info.encoding == Encoding::Int);
                assert!(info.encoding != Encoding::Embstr || value.len() <= ochre_store::EMBSTR_MAX);
            }
        }
        let mut seen = BTreeSet::new();
        keyspace::keys(txn, db, &mut |key, _| assert!(seen.insert(key.to_vec()))).unwrap();
        let expected: BTreeSet<Vec<u8>> = model.databases[db].keys().map(|key| name(*key)).collect();
        assert_eq!(seen, expected);
        assert_eq!(txn.store().db_len(db), expected.len());
        let volatile = model.databases[db].values().filter(|cell| cell.deadline.is_some()).count();
        assert_eq!(txn.store().db_volatile_len(db), volatile);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_store_behaves_as_the_model(
        operations in proptest::collection::vec(operation(), 1..120),
        shards in prop_oneof![Just(1usize), Just(8)],
    ) {
        let store = Store::new(Options { shards, databases: DATABASES, hash_seed: [1, 2, 3, 4] });
        let member = store.register();
        let mut model = Model { now_ms: 1_000, ..Model::default() };
        let mut effects = Effects::default();
        for operation in operations.iter().chain([&Operation::Check]) {
            let clock = Clock { now_ms: model.now_ms };
            member.run(ShardSet::ALL, clock, &mut effects, |txn| apply(txn, &mut model, operation));
            prop_assert!(effects.removals.iter().all(|removal| removal.reason == Reason::Expired));
            effects.clear();
        }
    }
}
