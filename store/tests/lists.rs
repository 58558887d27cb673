//! Operations on lists against plain vectors: results, contents, events, counted changes and touched keys.

use ochre_store::list::{self, End, Inserted, Search, Side};
use ochre_store::{Clock, Effects, Error, EventClass, Key, Options, Store, Txn, keyspace, shards_of, string};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

const KEYS: [&[u8]; 3] = [b"a", b"b", b"c"];

type Model = BTreeMap<usize, Vec<Vec<u8>>>;

#[derive(Clone, Debug)]
enum Step {
    Push { key: usize, end: End, existing: bool, elements: Vec<Vec<u8>> },
    Pop { key: usize, end: End },
    PopMany { key: usize, end: End, count: usize },
    Insert { key: usize, side: Side, pivot: Vec<u8>, element: Vec<u8> },
    Set { key: usize, index: i64, element: Vec<u8> },
    Trim { key: usize, start: i64, stop: i64 },
    Remove { key: usize, element: Vec<u8>, limit: usize, from: End },
    Move { from: usize, from_end: End, to: usize, to_end: End },
    Range { key: usize, start: i64, stop: i64 },
    Get { key: usize, index: i64 },
    Positions { key: usize, element: Vec<u8>, from: End, skip: u64, look_max: u64, found_max: usize },
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0u8..4).prop_map(|number| number.to_string().into_bytes()),
        2 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        2 => (0usize..80).prop_map(|len| vec![b'x'; len]),
        1 => (4000usize..9000).prop_map(|len| vec![b'y'; len]),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Head), Just(End::Tail)]
}

fn index() -> impl Strategy<Value = i64> {
    prop_oneof![8 => -12i64..12, 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..KEYS.len();
    let side = prop_oneof![Just(Side::Before), Just(Side::After)];
    let elements = proptest::collection::vec(element(), 1..5);
    prop_oneof![
        6 => (key(), end(), any::<bool>(), elements)
            .prop_map(|(key, end, existing, elements)| Step::Push { key, end, existing, elements }),
        2 => (key(), end()).prop_map(|(key, end)| Step::Pop { key, end }),
        2 => (key(), end(), 0usize..9).prop_map(|(key, end, count)| Step::PopMany { key, end, count }),
        2 => (key(), side, element(), element())
            .prop_map(|(key, side, pivot, element)| Step::Insert { key, side, pivot, element }),
        2 => (key(), index(), element()).prop_map(|(key, index, element)| Step::Set { key, index, element }),
        1 => (key(), index(), index()).prop_map(|(key, start, stop)| Step::Trim { key, start, stop }),
        2 => (key(), element(), 1usize..4, end())
            .prop_map(|(key, element, limit, from)| Step::Remove { key, element, limit, from }),
        2 => (key(), end(), key(), end())
            .prop_map(|(from, from_end, to, to_end)| Step::Move { from, from_end, to, to_end }),
        1 => (key(), index(), index()).prop_map(|(key, start, stop)| Step::Range { key, start, stop }),
        1 => (key(), index()).prop_map(|(key, index)| Step::Get { key, index }),
        1 => (key(), element(), end(), 0u64..3, 1u64..20, 1usize..4).prop_map(
            |(key, element, from, skip, look_max, found_max)| Step::Positions {
                key, element, from, skip, look_max, found_max,
            }
        ),
    ]
}

fn owned(value: ochre_store::Str<'_>) -> Vec<u8> {
    value.as_bytes(&mut Default::default()).to_vec()
}

/// A place for an index that may count from the end.
fn place(len: usize, index: i64) -> Option<usize> {
    let place = if index < 0 { i128::from(index) + len as i128 } else { i128::from(index) };
    usize::try_from(place).ok().filter(|place| *place < len)
}

/// The elements from `start` to `stop`, as LRANGE is documented.
fn slice(elements: &[Vec<u8>], start: i64, stop: i64) -> Vec<Vec<u8>> {
    let at = |index: i64| i128::from(index) + if index < 0 { elements.len() as i128 } else { 0 };
    let (start, stop) = (at(start), at(stop));
    let inside = |(place, _): &(usize, &Vec<u8>)| (start..=stop).contains(&(*place as i128));
    elements.iter().enumerate().filter(inside).map(|(_, element)| element.clone()).collect()
}

fn take(list: &mut Vec<Vec<u8>>, end: End) -> Option<Vec<u8>> {
    match end {
        End::Head => (!list.is_empty()).then(|| list.remove(0)),
        End::Tail => list.pop(),
    }
}

fn add(list: &mut Vec<Vec<u8>>, end: End, element: Vec<u8>) {
    list.insert(if end == End::Head { 0 } else { list.len() }, element);
}

/// What an operation should have recorded: events with their keys, and how many changes.
#[derive(Debug, Default, PartialEq)]
struct Recorded {
    events: Vec<(&'static str, usize)>,
    dirty: u64,
}

impl Recorded {
    fn note(&mut self, event: &'static str, key: usize, dirty: usize) {
        self.events.push((event, key));
        self.dirty += dirty as u64;
    }
}

/// Applies a step to the model, where no key may hold an empty list.
fn apply_to_model(model: &mut Model, step: &Step, recorded: &mut Recorded) {
    let push_event = |end: End| if end == End::Head { "lpush" } else { "rpush" };
    let pop_event = |end: End| if end == End::Head { "lpop" } else { "rpop" };
    match step {
        Step::Push { key, end, existing, elements } => {
            if *existing && !model.contains_key(key) {
                return;
            }
            if !model.contains_key(key) {
                recorded.note("new", *key, 0);
            }
            elements.iter().for_each(|element| add(model.entry(*key).or_default(), *end, element.clone()));
            recorded.note(push_event(*end), *key, elements.len());
        }
        Step::Pop { key, end } => {
            if model.get_mut(key).and_then(|list| take(list, *end)).is_some() {
                recorded.note(pop_event(*end), *key, 1);
            }
        }
        Step::PopMany { key, end, count } => {
            let Some(list) = model.get_mut(key) else { return };
            let taken = (0..*count).map_while(|_| take(list, *end)).count();
            if taken > 0 {
                recorded.note(pop_event(*end), *key, taken);
            }
        }
        Step::Insert { key, side, pivot, element } => {
            let Some(list) = model.get_mut(key) else { return };
            let Some(at) = list.iter().position(|element| element == pivot) else { return };
            list.insert(at + usize::from(*side == Side::After), element.clone());
            recorded.note("linsert", *key, 1);
        }
        Step::Set { key, index, element } => {
            let Some(list) = model.get_mut(key) else { return };
            let Some(at) = place(list.len(), *index) else { return };
            list[at] = element.clone();
            recorded.note("lset", *key, 1);
        }
        Step::Trim { key, start, stop } => {
            let Some(list) = model.get_mut(key) else { return };
            let kept = slice(list, *start, *stop);
            recorded.note("ltrim", *key, list.len() - kept.len());
            *list = kept;
        }
        Step::Remove { key, element, limit, from } => {
            let Some(list) = model.get_mut(key) else { return };
            let mut places: Vec<usize> = (0..list.len()).filter(|at| list[*at] == *element).collect();
            if *from == End::Tail {
                places.reverse();
            }
            places.truncate(*limit);
            places.sort_unstable();
            places.iter().rev().for_each(|at| drop(list.remove(*at)));
            if !places.is_empty() {
                recorded.note("lrem", *key, places.len());
            }
        }
        Step::Move { from, from_end, to, to_end } => {
            let Some(element) = model.get_mut(from).and_then(|list| take(list, *from_end)) else { return };
            if from != to && !model.contains_key(to) {
                recorded.note("new", *to, 0);
            }
            add(model.entry(*to).or_default(), *to_end, element);
            recorded.note(push_event(*to_end), *to, 1);
            recorded.note(pop_event(*from_end), *from, 0);
        }
        Step::Range { .. } | Step::Get { .. } | Step::Positions { .. } => {}
    }
    let empty = model.iter().find(|(_, list)| list.is_empty()).map(|(key, _)| *key);
    if let Some(key) = empty {
        model.remove(&key);
        recorded.note("del", key, 0);
    }
}

/// Applies a step to the store and compares what it returns with what the model says before the step.
fn apply_to_store(txn: &mut Txn<'_>, keys: &[Key<'_>], model: &Model, step: &Step) {
    let none = Vec::new();
    let before = |key: &usize| model.get(key).unwrap_or(&none);
    match step {
        Step::Push { key, end, existing, elements } => {
            let elements = elements.iter().map(Vec::as_slice);
            let wanted = if *existing && before(key).is_empty() { 0 } else { before(key).len() + elements.len() };
            let len = if *existing {
                list::push_existing(txn, 0, keys[*key], *end, elements)
            } else {
                list::push(txn, 0, keys[*key], *end, elements)
            };
            assert_eq!(len, Ok(wanted));
        }
        Step::Pop { key, end } => {
            assert_eq!(list::pop(txn, 0, keys[*key], *end, owned), Ok(take(&mut before(key).clone(), *end)));
        }
        Step::PopMany { key, end, count } => {
            let mut left = before(key).clone();
            let wanted: Vec<_> = (0..*count).map_while(|_| take(&mut left, *end)).collect();
            let popped = list::pop_many(txn, 0, keys[*key], *end, *count, collect);
            assert_eq!(popped, Ok(model.contains_key(key).then_some(wanted)));
        }
        Step::Insert { key, side, pivot, element } => {
            let wanted = match (model.get(key), before(key).contains(pivot)) {
                (None, _) => Inserted::NoKey,
                (Some(_), false) => Inserted::NoPivot,
                (Some(list), true) => Inserted::Done(list.len() + 1),
            };
            assert_eq!(list::insert(txn, 0, keys[*key], *side, pivot, element), Ok(wanted));
        }
        Step::Set { key, index, element } => {
            let wanted = match model.get(key) {
                None => Err(Error::NoSuchKey),
                Some(list) => place(list.len(), *index).map(|_| ()).ok_or(Error::OutOfRange),
            };
            assert_eq!(list::set(txn, 0, keys[*key], *index, element), wanted);
        }
        Step::Trim { key, start, stop } => assert_eq!(list::trim(txn, 0, keys[*key], *start, *stop, false), Ok(())),
        Step::Remove { key, element, limit, from } => {
            let wanted = before(key).iter().filter(|value| *value == element).count().min(*limit);
            assert_eq!(list::remove(txn, 0, keys[*key], element, *limit, *from), Ok(wanted));
        }
        Step::Move { from, from_end, to, to_end } => {
            let moved = list::move_element(txn, 0, (keys[*from], *from_end), (keys[*to], *to_end), owned);
            assert_eq!(moved, Ok(take(&mut before(from).clone(), *from_end)));
        }
        Step::Range { key, start, stop } => {
            let elements = list::range(txn, 0, keys[*key], *start, *stop).map(collect);
            assert_eq!(elements, Ok(slice(before(key), *start, *stop)));
        }
        Step::Get { key, index } => {
            let wanted = place(before(key).len(), *index).map(|at| before(key)[at].clone());
            assert_eq!(list::get(txn, 0, keys[*key], *index, owned), Ok(wanted));
        }
        Step::Positions { key, element, from, skip, look_max, found_max } => {
            let mut places: Vec<usize> = (0..before(key).len()).collect();
            if *from == End::Tail {
                places.reverse();
            }
            places.truncate(*look_max as usize);
            places.retain(|at| before(key)[*at] == *element);
            let wanted: Vec<usize> = places.into_iter().skip(*skip as usize).take(*found_max).collect();
            let mut found = Vec::new();
            let search = Search { from: *from, skip: *skip, look_max: *look_max };
            list::positions(txn, 0, keys[*key], element, search, |at| {
                found.push(at);
                found.len() < *found_max
            })
            .expect("a list or nothing");
            assert_eq!(found, wanted);
        }
    }
}

fn collect(elements: list::Elements<'_>) -> Vec<Vec<u8>> {
    let len = elements.len();
    let mut all = Vec::new();
    elements.for_each(|element| all.push(owned(element)));
    assert_eq!(all.len(), len);
    all
}

fn store(fill: i32, compress_depth: u32, short_as_listpack: bool) -> Arc<Store> {
    let store = Store::new(Options { shards: 4, databases: 1, hash_seed: [4, 3, 2, 1] });
    store.settings().list_max_listpack_size.store(fill, Relaxed);
    store.settings().list_compress_depth.store(compress_depth, Relaxed);
    store.settings().list_short_as_listpack.store(short_as_listpack, Relaxed);
    store
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn lists_behave_like_vectors(
        fill in prop_oneof![Just(-1), Just(-2), 1i32..6],
        compress_depth in 0u32..3,
        short_as_listpack: bool,
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let store = store(fill, compress_depth, short_as_listpack);
        let member = store.register();
        let keys = KEYS.map(|key| store.key(key));
        let mut effects = Effects::default();
        effects.record_events = true;
        effects.record_touched = true;
        let mut model = Model::new();
        for step in steps {
            member.run(shards_of(&keys), Clock { now_ms: 1 }, &mut effects, |txn| {
                apply_to_store(txn, &keys, &model, &step);
            });
            let mut wanted = Recorded::default();
            let old = model.clone();
            apply_to_model(&mut model, &step, &mut wanted);
            let number = |key: &[u8]| KEYS.iter().position(|known| *known == key).expect("one of the keys");
            let events = effects.events.iter().filter(|event| event.class != EventClass::KeyMiss);
            let events = events.map(|event| (event.name, number(&event.key))).collect();
            prop_assert_eq!(&Recorded { events, dirty: effects.dirty }, &wanted, "{:?}", step);
            for key in 0..KEYS.len() {
                if old.get(&key) != model.get(&key) {
                    let touched = effects.touched.iter().any(|(_, name)| number(name) == key);
                    prop_assert!(touched, "{step:?} touches {key}");
                }
            }
            effects.clear();
            member.run(shards_of(&keys), Clock { now_ms: 1 }, &mut effects, |txn| {
                for (at, key) in keys.iter().enumerate() {
                    let elements = list::range(txn, 0, *key, 0, -1).map(collect);
                    assert_eq!(elements.as_ref(), Ok(model.get(&at).unwrap_or(&Vec::new())));
                    assert_eq!(list::len(txn, 0, *key), Ok(elements.map_or(0, |elements| elements.len())));
                    assert_eq!(keyspace::exists(txn, 0, *key), Ok(model.contains_key(&at)));
                }
            });
            effects.clear();
        }
    }
}

#[test]
fn nothing_is_done_to_values_of_other_types() {
    let store = store(-2, 0, true);
    let member = store.register();
    let (text, list) = (store.key(b"text"), store.key(b"list"));
    let mut effects = Effects::default();
    member.run(shards_of(&[text, list]), Clock { now_ms: 1 }, &mut effects, |txn| {
        string::set(txn, 0, text, b"1", string::SetOptions::default()).expect("room");
        list::push(txn, 0, list, End::Tail, [&b"a"[..], b"b"].into_iter()).expect("no key");
        let dirty = txn.effects().dirty;
        let wrong = Some(Error::WrongType);
        let one = || [&b"x"[..]].into_iter();
        let search = Search { from: End::Head, skip: 0, look_max: 9 };
        assert_eq!(list::push(txn, 0, text, End::Head, one()).err(), wrong);
        assert_eq!(list::push_existing(txn, 0, text, End::Head, one()).err(), wrong);
        assert_eq!(list::pop(txn, 0, text, End::Head, |_| ()).err(), wrong);
        assert_eq!(list::pop_many(txn, 0, text, End::Head, 0, |_| ()).err(), wrong);
        assert_eq!(list::insert(txn, 0, text, Side::After, b"1", b"2").err(), wrong);
        assert_eq!(list::set(txn, 0, text, 0, b"2").err(), wrong);
        assert_eq!(list::trim(txn, 0, text, 0, 0, false).err(), wrong);
        assert_eq!(list::remove(txn, 0, text, b"1", 1, End::Head).err(), wrong);
        assert_eq!(list::range(txn, 0, text, 0, -1).err(), wrong);
        assert_eq!(list::len(txn, 0, text).err(), wrong);
        assert_eq!(list::is_list(txn, 0, text).err(), wrong);
        assert_eq!(list::get(txn, 0, text, 0, |_| ()).err(), wrong);
        assert_eq!(list::positions(txn, 0, text, b"1", search, |_| true).err(), wrong);
        // A wrong destination leaves the source alone.
        assert_eq!(list::move_element(txn, 0, (text, End::Head), (list, End::Head), |_| ()).err(), wrong);
        assert_eq!(list::move_element(txn, 0, (list, End::Head), (text, End::Head), |_| ()).err(), wrong);
        assert_eq!(txn.effects().dirty, dirty);
        assert_eq!(list::range(txn, 0, list, 0, -1).map(collect), Ok(vec![b"a".to_vec(), b"b".to_vec()]));
    });
}
