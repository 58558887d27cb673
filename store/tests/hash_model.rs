//! Random operations on hashes, with deadlines of fields and of keys, against a plain model. The limits are low, so that
//! hashes change their form.

use ochre_store::expire::{CycleKind, ExpireCycle};
use ochre_store::hash::{
    self, FieldExpiry, FieldOutcome, GetFieldExpiry, KeyCondition, NamesCondition, PersistOutcome, SetFieldsOptions,
};
use ochre_store::keyspace::{self, ExpireCondition, FreeMode};
use ochre_store::random::Random;
use ochre_store::sync::{Guard, ShardSet};
use ochre_store::{Clock, Effects, Error, Key, Options, Shard, Store, Str, Txn};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const DATABASES: usize = 2;
const ENTRIES_MAX: u64 = 5;
const VALUE_MAX: u64 = 12;

#[derive(Clone, Debug)]
enum Operation {
    Set { pairs: Vec<(u8, Vec<u8>)> },
    SetNew { field: u8, value: Vec<u8> },
    Increment { field: u8, delta: i64 },
    Delete { fields: Vec<u8> },
    GetAndDelete { fields: Vec<u8> },
    Expire { fields: Vec<u8>, after_ms: i64, condition: u8 },
    Persist { fields: Vec<u8> },
    GetAndExpire { fields: Vec<u8>, after_ms: Option<i64> },
    SetWithOptions { pairs: Vec<(u8, Vec<u8>)>, options: u8, after_ms: i64 },
    DeleteKey,
    ExpireKey { after_ms: i64 },
    PersistKey,
    Rename { to: u8 },
    Copy { to: u8, to_db: usize },
    Move { to_db: usize },
    SwapDb,
    Flush,
    Advance { ms: i64 },
    Cycle,
}

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

#[derive(Clone, Default)]
struct Value {
    fields: Model,
    deadline_ms: Option<i64>,
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (-20i64..20).prop_map(|number| number.to_string().into_bytes()),
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        (0usize..16).prop_map(|len| vec![b'v'; len]),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let fields = || proptest::collection::vec(0u8..12, 1..5);
    let pairs = || proptest::collection::vec((0u8..12, value()), 1..8);
    prop_oneof![
        5 => pairs().prop_map(|pairs| Operation::Set { pairs }),
        2 => (0u8..12, value()).prop_map(|(field, value)| Operation::SetNew { field, value }),
        3 => (0u8..12, prop_oneof![-5i64..5, any::<i64>()])
            .prop_map(|(field, delta)| Operation::Increment { field, delta }),
        3 => fields().prop_map(|fields| Operation::Delete { fields }),
        2 => fields().prop_map(|fields| Operation::GetAndDelete { fields }),
        6 => (fields(), -10i64..200, 0u8..16)
            .prop_map(|(fields, after_ms, condition)| Operation::Expire { fields, after_ms, condition }),
        2 => fields().prop_map(|fields| Operation::Persist { fields }),
        3 => (fields(), proptest::option::of(-10i64..200))
            .prop_map(|(fields, after_ms)| Operation::GetAndExpire { fields, after_ms }),
        4 => (pairs(), 0u8..27, -10i64..200)
            .prop_map(|(pairs, options, after_ms)| Operation::SetWithOptions { pairs, options, after_ms }),
        1 => Just(Operation::DeleteKey),
        2 => (50i64..2_000).prop_map(|after_ms| Operation::ExpireKey { after_ms }),
        1 => Just(Operation::PersistKey),
        2 => (0u8..4).prop_map(|to| Operation::Rename { to }),
        2 => (0u8..4, 0..DATABASES).prop_map(|(to, to_db)| Operation::Copy { to, to_db }),
        1 => (0..DATABASES).prop_map(|to_db| Operation::Move { to_db }),
        1 => Just(Operation::SwapDb),
        1 => Just(Operation::Flush),
        4 => (0i64..60).prop_map(|ms| Operation::Advance { ms }),
        3 => Just(Operation::Cycle),
    ]
}

/// The name of a field; some are too long for a listpack, and some are numbers.
fn name(field: u8) -> Vec<u8> {
    match field {
        0 => b"a rather long name".to_vec(),
        1..4 => i64::from(field).to_string().into_bytes(),
        _ => vec![b'f', field],
    }
}

fn names(fields: &[u8]) -> Vec<Vec<u8>> {
    fields.iter().map(|field| name(*field)).collect()
}

fn key_name(key: u8) -> Vec<u8> {
    format!("key{key}").into_bytes()
}

fn is_over(deadline_ms: Option<i64>, now_ms: i64) -> bool {
    deadline_ms.is_some_and(|deadline_ms| now_ms > deadline_ms)
}

struct World {
    store: Arc<Store>,
    model: Vec<BTreeMap<Vec<u8>, Value>>,
    now_ms: i64,
    expired_fields: u64,
}

impl World {
    fn new(shards: usize) -> World {
        let store = Store::new(Options { shards, databases: DATABASES, hash_seed: [7, 7, 7, 7] });
        store.settings().hash_listpack.set(ENTRIES_MAX, VALUE_MAX);
        World { store, model: vec![BTreeMap::new(); DATABASES], now_ms: 1_000, expired_fields: 0 }
    }

    fn txn<R>(&self, action: impl FnOnce(&mut Txn<'_>) -> R) -> R {
        let member = self.store.register();
        let mut effects = Effects::default();
        member.run(ShardSet::ALL, Clock { now_ms: self.now_ms }, &mut effects, action)
    }

    /// Drops keys of the model that are over or have no field.
    fn tidy(&mut self) {
        let now_ms = self.now_ms;
        for keys in &mut self.model {
            keys.retain(|_, value| !is_over(value.deadline_ms, now_ms) && !value.fields.is_empty());
        }
    }

    /// A field that is there.
    fn live(&self, db: usize, key: &[u8], field: &[u8]) -> Option<(Vec<u8>, Option<i64>)> {
        let found = self.model[db].get(key)?.fields.get(field)?;
        (!is_over(found.1, self.now_ms)).then(|| found.clone())
    }

    /// Sets a field of the model. True if it counts as new.
    fn put(&mut self, db: usize, key: &[u8], field: &[u8], value: &[u8], expiry: FieldExpiry) -> bool {
        let live = self.live(db, key, field);
        let deadline_ms = match expiry {
            FieldExpiry::Clear => None,
            FieldExpiry::At(at_ms) => Some(at_ms),
            FieldExpiry::Keep => live.as_ref().and_then(|(_, deadline_ms)| *deadline_ms),
        };
        let fields = &mut self.model[db].entry(key.to_vec()).or_default().fields;
        let old = fields.insert(field.to_vec(), (value.to_vec(), deadline_ms));
        self.expired_fields += u64::from(old.is_some() && live.is_none());
        live.is_none()
    }

    fn remove(&mut self, db: usize, key: &[u8], field: &[u8]) {
        if let Some(value) = self.model[db].get_mut(key) {
            value.fields.remove(field);
        }
    }

    fn step(&mut self, db: usize, key: u8, operation: Operation) {
        self.tidy();
        let bytes = key_name(key);
        let key = self.store.key(&bytes);
        match operation {
            Operation::Set { pairs } => self.set(db, key, &pairs),
            Operation::SetNew { field, value } => {
                let field = name(field);
                let wanted = self.live(db, &bytes, &field).is_none();
                assert_eq!(self.txn(|txn| hash::set_new(txn, db, key, &field, &value)), Ok(wanted));
                if wanted {
                    self.put(db, &bytes, &field, &value, FieldExpiry::Clear);
                }
            }
            Operation::Increment { field, delta } => self.increment(db, key, &name(field), delta),
            Operation::Delete { fields } | Operation::GetAndDelete { fields } => self.delete(db, key, &names(&fields)),
            Operation::Expire { fields, after_ms, condition } => {
                self.expire(db, key, &names(&fields), after_ms, condition);
            }
            Operation::Persist { fields } => self.persist(db, key, &names(&fields)),
            Operation::GetAndExpire { fields, after_ms } => self.get_and_expire(db, key, &names(&fields), after_ms),
            Operation::SetWithOptions { pairs, options, after_ms } => {
                self.set_with_options(db, key, &pairs, options, after_ms);
            }
            Operation::Advance { ms } => self.now_ms += ms,
            Operation::Cycle => self.cycle(),
            other => self.move_keys(db, key, other),
        }
        self.tidy();
    }

    fn set(&mut self, db: usize, key: Key<'_>, pairs: &[(u8, Vec<u8>)]) {
        let pairs: Vec<_> = pairs.iter().map(|(field, value)| (name(*field), value.clone())).collect();
        let borrowed = pairs.iter().map(|(field, value)| (&field[..], &value[..]));
        let created = self.txn(|txn| hash::set(txn, db, key, borrowed));
        let new = pairs.iter().filter(|(field, value)| self.put(db, key.bytes(), field, value, FieldExpiry::Clear));
        assert_eq!(created, Ok(new.count()));
    }

    fn increment(&mut self, db: usize, key: Key<'_>, field: &[u8], delta: i64) {
        let old = self.live(db, key.bytes(), field).map(|(value, _)| value);
        let old = old.map_or(Ok(0), |old| ochre_store::string::parse_int(&old).ok_or(Error::NotInteger));
        let wanted = old.and_then(|old| old.checked_add(delta).ok_or(Error::IncrementOverflow));
        assert_eq!(self.txn(|txn| hash::incr_by(txn, db, key, field, delta)), wanted);
        if let Ok(sum) = wanted {
            self.put(db, key.bytes(), field, sum.to_string().as_bytes(), FieldExpiry::Keep);
        }
    }

    fn delete(&mut self, db: usize, key: Key<'_>, fields: &[Vec<u8>]) {
        let mut seen = Vec::new();
        let mut wanted = Vec::new();
        for field in fields {
            let live = self.live(db, key.bytes(), field).map(|(value, _)| value);
            if live.is_some() {
                self.remove(db, key.bytes(), field);
            }
            wanted.push(live);
        }
        let deleted = wanted.iter().flatten().count();
        // Whether the values are asked for makes no difference but to them.
        if fields.len().is_multiple_of(2) {
            let names = fields.iter().map(|field| &field[..]);
            assert_eq!(self.txn(|txn| hash::delete(txn, db, key, names)), Ok(deleted));
            return;
        }
        let names = fields.iter().map(|field| &field[..]);
        let done = self.txn(|txn| {
            hash::get_and_delete(txn, db, key, names, &mut |value| seen.push(value.map(|value| value.to_vec())))
        });
        assert_eq!((done, seen), (Ok(deleted), wanted));
    }

    fn expire(&mut self, db: usize, key: Key<'_>, fields: &[Vec<u8>], after_ms: i64, condition: u8) {
        let at_ms = self.now_ms + after_ms;
        let has = |bit: u8| condition & bit != 0;
        let condition = ExpireCondition { nx: has(1), xx: has(2), gt: has(4), lt: has(8) };
        let mut seen = Vec::new();
        let names = fields.iter().map(|field| &field[..]);
        let done = self
            .txn(|txn| hash::expire_at_ms(txn, db, key, names, at_ms, condition, &mut |outcome| seen.push(outcome)));
        assert_eq!(done, Ok(()));
        for (field, outcome) in fields.iter().zip(seen) {
            let Some((value, current)) = self.live(db, key.bytes(), field) else {
                assert_eq!(outcome, FieldOutcome::Missing);
                continue;
            };
            let holds = (!condition.nx || current.is_none())
                && (!condition.xx || current.is_some())
                && (!condition.gt || current.is_some_and(|current| at_ms > current))
                && (!condition.lt || current.is_none_or(|current| at_ms < current));
            if !holds {
                assert_eq!(outcome, FieldOutcome::Unchanged);
            } else if at_ms <= self.now_ms {
                assert_eq!(outcome, FieldOutcome::Deleted);
                self.remove(db, key.bytes(), field);
                self.expired_fields += 1;
            } else {
                assert_eq!(outcome, FieldOutcome::Set);
                self.put(db, key.bytes(), field, &value, FieldExpiry::At(at_ms));
            }
        }
    }

    fn persist(&mut self, db: usize, key: Key<'_>, fields: &[Vec<u8>]) {
        let mut seen = Vec::new();
        let names = fields.iter().map(|field| &field[..]);
        let done = self.txn(|txn| hash::persist(txn, db, key, names, &mut |outcome| seen.push(outcome)));
        assert_eq!(done, Ok(()));
        for (field, outcome) in fields.iter().zip(seen) {
            let wanted = match self.live(db, key.bytes(), field) {
                None => PersistOutcome::Missing,
                Some((_, None)) => PersistOutcome::Permanent,
                Some((value, Some(_))) => {
                    self.put(db, key.bytes(), field, &value, FieldExpiry::Clear);
                    PersistOutcome::Persisted
                }
            };
            assert_eq!(outcome, wanted);
        }
    }

    fn get_and_expire(&mut self, db: usize, key: Key<'_>, fields: &[Vec<u8>], after_ms: Option<i64>) {
        let expiry = match after_ms {
            // One in ten looks only.
            Some(after_ms) if after_ms % 10 == 0 => GetFieldExpiry::Keep,
            Some(after_ms) => GetFieldExpiry::At(self.now_ms + after_ms),
            None => GetFieldExpiry::Persist,
        };
        let mut seen = Vec::new();
        let names = fields.iter().map(|field| &field[..]);
        let done = self.txn(|txn| {
            hash::get_and_expire(txn, db, key, names, expiry, &mut |value| seen.push(value.map(|value| value.to_vec())))
        });
        assert_eq!(done, Ok(()));
        for (field, seen) in fields.iter().zip(seen) {
            let live = self.live(db, key.bytes(), field).map(|(value, _)| value);
            assert_eq!(seen, live);
            let Some(value) = live else { continue };
            match expiry {
                GetFieldExpiry::Keep => {}
                GetFieldExpiry::At(at_ms) if at_ms <= self.now_ms => {
                    self.remove(db, key.bytes(), field);
                    self.expired_fields += 1;
                }
                GetFieldExpiry::At(at_ms) => {
                    self.put(db, key.bytes(), field, &value, FieldExpiry::At(at_ms));
                }
                GetFieldExpiry::Persist => {
                    self.put(db, key.bytes(), field, &value, FieldExpiry::Clear);
                }
            }
        }
    }

    fn set_with_options(&mut self, db: usize, key: Key<'_>, pairs: &[(u8, Vec<u8>)], options: u8, after_ms: i64) {
        let pairs: Vec<_> = pairs.iter().map(|(field, value)| (name(*field), value.clone())).collect();
        let at_ms = self.now_ms + after_ms;
        let options = SetFieldsOptions {
            key: [KeyCondition::Always, KeyCondition::Nx, KeyCondition::Xx][usize::from(options % 3)],
            names: [NamesCondition::Always, NamesCondition::AllNew, NamesCondition::AllOld]
                [usize::from(options / 3 % 3)],
            expiry: [FieldExpiry::Clear, FieldExpiry::Keep, FieldExpiry::At(at_ms)][usize::from(options / 9)],
        };
        let exists = self.model[db].contains_key(key.bytes());
        let count = pairs.iter().filter(|(field, _)| self.live(db, key.bytes(), field).is_some()).count();
        let holds = match options.key {
            KeyCondition::Always => true,
            KeyCondition::Nx => !exists,
            KeyCondition::Xx => exists,
        } && match options.names {
            NamesCondition::Always => true,
            NamesCondition::AllNew => count == 0,
            NamesCondition::AllOld => count == pairs.len(),
        };
        let borrowed = pairs.iter().map(|(field, value)| (&field[..], &value[..]));
        assert_eq!(self.txn(|txn| hash::set_with_options(txn, db, key, borrowed, options)), Ok(holds));
        if !holds {
            return;
        }
        if matches!(options.expiry, FieldExpiry::At(at_ms) if at_ms <= self.now_ms) {
            pairs.iter().for_each(|(field, _)| self.remove(db, key.bytes(), field));
            self.expired_fields += pairs.len() as u64;
            return;
        }
        for (field, value) in &pairs {
            self.put(db, key.bytes(), field, value, options.expiry);
        }
    }

    /// What concerns keys and databases as wholes.
    fn move_keys(&mut self, db: usize, key: Key<'_>, operation: Operation) {
        let bytes = key.bytes().to_vec();
        match operation {
            Operation::DeleteKey => {
                let existed = self.model[db].remove(&bytes).is_some();
                assert_eq!(self.txn(|txn| keyspace::delete(txn, db, key)), Ok(existed));
            }
            Operation::ExpireKey { after_ms } => {
                let at_ms = self.now_ms + after_ms;
                let condition = ExpireCondition::default();
                self.txn(|txn| keyspace::expire_at_ms(txn, db, key, at_ms, condition)).expect("it expires");
                if let Some(value) = self.model[db].get_mut(&bytes) {
                    value.deadline_ms = Some(at_ms);
                }
            }
            Operation::PersistKey => {
                let had = self.model[db].get_mut(&bytes).is_some_and(|value| value.deadline_ms.take().is_some());
                assert_eq!(self.txn(|txn| keyspace::persist(txn, db, key)), Ok(had));
            }
            Operation::Rename { to } => {
                let name = key_name(to);
                let done = self.txn(|txn| keyspace::rename(txn, db, key, self.store.key(&name), false));
                match self.model[db].remove(&bytes) {
                    Some(value) => {
                        assert_eq!(done, Ok(true));
                        self.model[db].insert(name, value);
                    }
                    None => assert_eq!(done, Err(Error::NoSuchKey)),
                }
            }
            Operation::Copy { to, to_db } => {
                let name = key_name(to);
                let done = self.txn(|txn| keyspace::copy(txn, db, key, self.store.key(&name), to_db, true));
                match self.model[db].get(&bytes).cloned() {
                    _ if db == to_db && name == bytes => assert_eq!(done, Err(Error::SameKey)),
                    Some(value) => {
                        assert_eq!(done, Ok(true));
                        self.model[to_db].insert(name, value);
                    }
                    None => assert_eq!(done, Ok(false)),
                }
            }
            Operation::Move { to_db } if db != to_db => {
                let moves = self.model[db].contains_key(&bytes) && !self.model[to_db].contains_key(&bytes);
                assert_eq!(self.txn(|txn| keyspace::move_key(txn, db, key, to_db)), Ok(moves));
                if moves && let Some(value) = self.model[db].remove(&bytes) {
                    self.model[to_db].insert(bytes, value);
                }
            }
            Operation::SwapDb => {
                self.txn(|txn| keyspace::swap_db(txn, 0, 1)).expect("it swaps");
                self.model.swap(0, 1);
            }
            Operation::Flush => {
                self.txn(|txn| keyspace::flush_db(txn, db, FreeMode::Later)).expect("it flushes");
                self.model[db].clear();
            }
            _ => {}
        }
    }

    /// Removes every field that is over.
    fn cycle(&mut self) {
        let member = self.store.register();
        let mut effects = Effects::default();
        let mut removed = BTreeSet::new();
        let mut commit = |_: &mut Guard<'_, Shard>, effects: &mut Effects| {
            for expired in effects.expired_fields.drain(..) {
                let fields = expired.fields.into_iter();
                removed.extend(fields.map(|field| (expired.db, expired.key.to_vec(), field.to_vec())));
            }
            effects.clear();
        };
        let clock = Clock { now_ms: self.now_ms };
        // Keys that are over go first, in one cycle in two; they take their fields along.
        for db in 0..DATABASES {
            for key in 0..4 {
                let name = key_name(key);
                self.txn(|txn| keyspace::exists(txn, db, self.store.key(&name))).expect("it is looked at");
            }
        }
        let mut cycle = ExpireCycle::new(0, 1);
        cycle.run(&member, clock, CycleKind::Slow, &mut effects, &mut || 0, &mut commit);
        let now_ms = self.now_ms;
        let mut wanted = BTreeSet::new();
        for (db, keys) in self.model.iter_mut().enumerate() {
            for (key, value) in keys.iter_mut() {
                let over = value.fields.extract_if(.., |_, (_, deadline_ms)| is_over(*deadline_ms, now_ms));
                wanted.extend(over.map(|(field, _)| (db, key.clone(), field)));
            }
        }
        self.expired_fields += wanted.len() as u64;
        assert_eq!(removed, wanted);
    }

    fn check(&self) {
        for (db, keys) in self.model.iter().enumerate() {
            for key in 0..4 {
                let bytes = key_name(key);
                self.check_hash(db, self.store.key(&bytes), keys.get(&bytes));
            }
            // The looks above have removed the keys that are over.
            let listed = keys.values().filter(|value| value.fields.values().any(|(_, deadline)| deadline.is_some()));
            assert_eq!(self.store.db_field_keys(db), listed.count());
        }
        assert_eq!(self.store.stats().expired_fields, self.expired_fields);
    }

    fn check_hash(&self, db: usize, key: Key<'_>, model: Option<&Value>) {
        self.txn(|txn| {
            let Some(model) = model else {
                assert!(hash::read(txn, db, key).expect("a hash").is_none());
                return;
            };
            let live: BTreeMap<_, _> =
                model.fields.iter().filter(|(_, (_, deadline_ms))| !is_over(*deadline_ms, self.now_ms)).collect();
            let wanted: BTreeMap<Vec<u8>, Vec<u8>> =
                live.iter().map(|(field, (value, _))| ((*field).clone(), value.clone())).collect();
            let mut scanned = BTreeMap::new();
            let mut cursor = 0;
            loop {
                let mut keep = |name: Str<'_>, value: Str<'_>| {
                    scanned.insert(name.to_vec(), value.to_vec());
                };
                cursor = hash::scan(txn, db, key, cursor, 3, &mut keep).expect("a hash").expect("a key");
                if cursor == 0 {
                    break;
                }
            }
            assert_eq!(scanned, wanted);
            let fields = hash::read(txn, db, key).expect("a hash").expect("a key");
            assert_eq!(fields.len(), model.fields.len());
            let mut all = BTreeMap::new();
            fields.for_each(|name, value| assert!(all.insert(name.to_vec(), value.to_vec()).is_none()));
            assert_eq!(all, wanted);
            let mut seeker = fields.seeker();
            for field in 0..12 {
                let field = name(field);
                let found = live.get(&field);
                assert_eq!(fields.deadline_ms(&field), found.map(|(_, deadline_ms)| *deadline_ms));
                assert_eq!(seeker.get(&field).map(|value| value.to_vec()), wanted.get(&field).cloned());
            }
            let mut random = Random::new(self.now_ms as u64);
            for count in [1, 2, 5, 100] {
                let mut drawn = BTreeSet::new();
                fields.random_distinct(count, &mut random, &mut |name, value| {
                    assert_eq!(wanted.get(&name.to_vec()), Some(&value.to_vec()));
                    assert!(drawn.insert(name.to_vec()));
                });
                assert!(drawn.len() <= count.min(wanted.len()));
                assert!(fields.may_hide() || drawn.len() == count.min(wanted.len()));
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hashes_do_as_the_model_does(
        shards in prop_oneof![Just(1usize), Just(4)],
        steps in proptest::collection::vec((0..DATABASES, 0u8..4, operation()), 1..120),
    ) {
        let mut world = World::new(shards);
        for (db, key, operation) in steps {
            world.step(db, key, operation);
            world.check();
        }
    }
}
