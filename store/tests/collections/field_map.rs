//! [`FieldMap`] against a `BTreeMap`.

use super::{name, pause_freeing, store};
use ochre_store::collection::{Field, FieldMap};
use ochre_store::random::Random;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

#[derive(Clone, Debug)]
enum Step {
    Set { number: u64, value: Vec<u8>, deadline_ms: Option<i64> },
    Deadline { number: u64, deadline_ms: Option<i64> },
    Remove { number: u64 },
    Expire { now_ms: i64, count: usize },
    Fill { start: u64, count: u64, volatile: bool },
}

fn deadline() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![Just(None), (-5i64..60).prop_map(Some), Just(Some(i64::MIN)), Just(Some(i64::MAX))]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => prop::collection::vec(any::<u8>(), 0..40),
        2 => (100usize..400).prop_map(|len| vec![b'x'; len]),
        1 => Just(vec![b'y'; 70_000]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u64..80, value(), deadline())
            .prop_map(|(number, value, deadline_ms)| Step::Set { number, value, deadline_ms }),
        4 => (0u64..80, deadline()).prop_map(|(number, deadline_ms)| Step::Deadline { number, deadline_ms }),
        3 => (0u64..80).prop_map(|number| Step::Remove { number }),
        1 => (-5i64..60, 0usize..10).prop_map(|(now_ms, count)| Step::Expire { now_ms, count }),
        1 => (0u64..500, 0u64..300, any::<bool>())
            .prop_map(|(start, count, volatile)| Step::Fill { start, count, volatile }),
    ]
}

fn expire(map: &mut FieldMap, model: &mut Model, now_ms: i64, count: usize) {
    let mut due: Vec<i64> = model.values().filter_map(|(_, deadline)| *deadline).filter(|&at| at <= now_ms).collect();
    due.sort_unstable();
    due.truncate(count);
    let mut gone = Vec::new();
    let removed = map.remove_expired(now_ms, count, &mut |field| {
        let at = field.deadline_ms.expect("only fields with a deadline expire");
        assert_eq!(model.remove(field.name), Some((field.value.to_vec(), Some(at))));
        gone.push(at);
    });
    assert_eq!((removed, gone), (due.len(), due));
}

fn run(step: Step, map: &mut FieldMap, model: &mut Model) {
    match step {
        Step::Set { number, value, deadline_ms } => {
            let new = map.set(&name(number), &value, deadline_ms);
            assert_eq!(new, model.insert(name(number), (value, deadline_ms)).is_none());
        }
        Step::Deadline { number, deadline_ms } => {
            let found = map.set_deadline(&name(number), deadline_ms);
            assert_eq!(found, model.get_mut(&name(number)).map(|entry| entry.1 = deadline_ms).is_some());
        }
        Step::Remove { number } => {
            assert_eq!(map.remove(&name(number)), model.remove(&name(number)).is_some());
        }
        Step::Expire { now_ms, count } => expire(map, model, now_ms, count),
        Step::Fill { start, count, volatile } => {
            for number in start..start + count {
                let deadline_ms = volatile.then_some((number * 7919 % 100) as i64);
                map.set(&name(number), b"fill", deadline_ms);
                model.insert(name(number), (b"fill".to_vec(), deadline_ms));
            }
        }
    }
}

fn check(map: &FieldMap, model: &Model) {
    assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
    assert_eq!(map.volatile_len(), model.values().filter(|entry| entry.1.is_some()).count());
    assert_eq!(map.next_deadline_ms(), model.values().filter_map(|entry| entry.1).min());
    let fields = map.iter().map(|field| (field.name.to_vec(), (field.value.to_vec(), field.deadline_ms)));
    assert_eq!(&fields.collect::<Model>(), model);
    assert_eq!(map.iter().count(), model.len());
    for (name, (value, deadline_ms)) in model {
        assert_eq!(map.get(name), Some(Field { name, value, deadline_ms: *deadline_ms }));
    }
    assert_eq!(map.get(b"absent"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn does_what_a_map_does(steps in prop::collection::vec(step(), 1..120), seed in any::<u64>()) {
        let store = store();
        let (mut map, mut model) = (FieldMap::new(&store), Model::new());
        for (number, step) in steps.into_iter().enumerate() {
            run(step, &mut map, &mut model);
            if number % 8 == 0 {
                check(&map, &model);
            }
        }
        check(&map, &model);
        let mut random = Random::new(seed);
        prop_assert_eq!(map.random(&mut random).is_some(), !model.is_empty());
        let mut chosen: Vec<&[u8]> = map.random_distinct(10, &mut random).iter().map(|field| field.name).collect();
        prop_assert!(chosen.iter().all(|&name| model.contains_key(name)));
        chosen.sort_unstable();
        chosen.dedup();
        prop_assert_eq!(chosen.len(), model.len().min(10));
        let mut visited = Model::new();
        let mut cursor = 0;
        loop {
            cursor = map.scan(cursor, &mut |field| {
                visited.insert(field.name.to_vec(), (field.value.to_vec(), field.deadline_ms));
            });
            if cursor == 0 {
                break;
            }
        }
        prop_assert_eq!(&visited, &model);
        expire(&mut map, &mut model, i64::MAX, usize::MAX);
        check(&map, &model);
    }
}

#[test]
fn a_field_without_deadline_pays_nothing_for_those_that_had_one() {
    let store = store();
    let mut map = FieldMap::new(&store);
    map.set(b"field", b"value", None);
    let before = map.memory();
    for round in 0..3 {
        map.set_deadline(b"field", Some(round));
        assert!(map.memory() > before);
        if round == 1 {
            map.set(b"field", b"value", None)
        } else {
            map.set_deadline(b"field", None)
        };
        assert_eq!((map.memory(), map.next_deadline_ms()), (before, None));
    }
}

#[test]
fn large_fields_that_expired_are_freed_by_the_thread() {
    let store = store();
    let mut map = FieldMap::new(&store);
    map.set(b"field", &vec![b'v'; 100_000], Some(1));
    let resume = pause_freeing(&store);
    assert_eq!(map.remove_expired(1, 1, &mut |_| ()), 1);
    assert!(store.pending_free_bytes() >= 100_000, "{}", store.pending_free_bytes());
    drop(resume);
}

#[test]
fn a_visitor_that_panics_leaves_a_whole_map() {
    let store = store();
    let mut map = FieldMap::new(&store);
    (0..100).for_each(|number| assert!(map.set(&name(number), b"value", Some(number as i64))));
    let removal = AssertUnwindSafe(|| map.remove_expired(49, 100, &mut |field| assert!(field.deadline_ms < Some(20))));
    assert!(catch_unwind(removal).is_err());
    assert_eq!((map.len(), map.volatile_len(), map.next_deadline_ms()), (79, 79, Some(21)));
    assert_eq!(map.remove_expired(i64::MAX, usize::MAX, &mut |_| ()), 79);
    assert_eq!((map.len(), map.next_deadline_ms()), (0, None));
}
