//! Sorted sets against a plain model, with limits so low that their form changes all the time.

use ochre_store::random::Random;
use ochre_store::sorted_set::{
    self, AddOptions, Added, Aggregate, By, Combination, Combine, Compare, Condition, End, Expected, LexBound, Popped,
    Selection, SortedSet,
};
use ochre_store::sync::ShardSet;
use ochre_store::{Clock, Effects, Error, Key, Options, Store, Txn, keyspace, string};
use std::collections::BTreeMap;
use std::ops::Bound;

type Model = BTreeMap<Vec<u8>, f64>;

fn with_store(action: impl FnOnce(&mut Txn<'_>)) {
    let store = Store::new(Options { shards: 8, databases: 1, hash_seed: [4, 3, 2, 1] });
    let member = store.register();
    let mut effects = Effects::default();
    effects.record_events = true;
    member.run(ShardSet::ALL, Clock { now_ms: 0 }, &mut effects, action);
}

fn key<'k>(txn: &Txn<'_>, name: &'k [u8]) -> Key<'k> {
    txn.store().key(name)
}

/// The members with their scores in order.
fn ordered(model: &Model) -> Vec<(Vec<u8>, f64)> {
    let mut all: Vec<_> = model.iter().map(|(member, score)| (member.clone(), *score)).collect();
    all.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then_with(|| a.0.cmp(&b.0)));
    all
}

fn shown(set: Option<&SortedSet>) -> Vec<(Vec<u8>, f64)> {
    let Some(set) = set else { return Vec::new() };
    set.members(0..usize::MAX, false).map(|(member, score)| (member.to_vec(), score)).collect()
}

fn stored(txn: &mut Txn<'_>, name: &[u8]) -> Vec<(Vec<u8>, f64)> {
    let key = key(txn, name);
    shown(sorted_set::get(txn, 0, key).unwrap())
}

fn random_member(random: &mut Random) -> Vec<u8> {
    match random.below(4) {
        0 => random.below(20).to_string().into_bytes(),
        1 => vec![b'a'; random.below(12)],
        _ => vec![b'a' + random.below(20) as u8],
    }
}

fn random_score(random: &mut Random) -> f64 {
    let choice = [0.0, -1.0, 0.1, 1e21, 2.5, f64::INFINITY, f64::NEG_INFINITY, 1e-7, 4611686018427387904.0];
    match random.below(3) {
        0 => choice[random.below(choice.len())],
        _ => random.below(7) as f64 - 3.0,
    }
}

fn random_bound(random: &mut Random) -> Bound<f64> {
    let score = random_score(random);
    [Bound::Included(score), Bound::Excluded(score), Bound::Unbounded][random.below(3)]
}

fn in_bounds(score: f64, min: Bound<f64>, max: Bound<f64>) -> bool {
    std::ops::RangeBounds::contains(&(min, max), &score)
}

fn rules(random: &mut Random) -> (Condition, Compare) {
    let condition = [Condition::Always, Condition::Always, Condition::Nx, Condition::Xx][random.below(4)];
    (condition, [Compare::Any, Compare::Any, Compare::Greater, Compare::Less][random.below(4)])
}

/// The score that a member gets, if the rules allow one.
fn decided(old: Option<f64>, new: f64, condition: Condition, compare: Compare) -> Option<f64> {
    match (old, condition) {
        (None, Condition::Xx) | (Some(_), Condition::Nx) => None,
        (None, _) => Some(new),
        (Some(old), _) => match compare {
            Compare::Greater if new <= old => None,
            Compare::Less if new >= old => None,
            _ => Some(new),
        },
    }
}

fn change(txn: &mut Txn<'_>, name: &[u8], model: &mut Model, random: &mut Random) {
    let (key, member, score) = (key(txn, name), random_member(random), random_score(random));
    let (condition, compare) = rules(random);
    let options = AddOptions { condition, compare, expected: Expected::default() };
    match random.below(10) {
        0..=3 => {
            let old = model.get(&member).copied();
            let new = decided(old, score, condition, compare);
            let expected = Added {
                added: usize::from(old.is_none() && new.is_some()),
                updated: usize::from(old.zip(new).is_some_and(|(old, new)| old != new)),
            };
            let pairs = std::iter::once((score, member.as_slice()));
            assert_eq!(sorted_set::add(txn, 0, key, options, pairs), Ok(expected));
            if let Some(new) = new {
                model.insert(member, new);
            }
        }
        4..=5 => {
            let old = model.get(&member).copied();
            let sum = old.unwrap_or(0.0) + score;
            let result = sorted_set::increment(txn, 0, key, options, score, &member);
            if old.is_some() && condition == Condition::Nx || old.is_none() && condition == Condition::Xx {
                assert_eq!(result, Ok(None));
            } else if sum.is_nan() {
                assert_eq!(result, Err(Error::NotANumber));
            } else {
                let new = decided(old, sum, condition, compare);
                assert_eq!(result, Ok(new));
                if let Some(new) = new {
                    model.insert(member, new);
                }
            }
        }
        6 => {
            let other = random_member(random);
            let expected = usize::from(model.remove(&member).is_some()) + usize::from(model.remove(&other).is_some());
            let members = [member.as_slice(), &other].into_iter();
            assert_eq!(sorted_set::remove(txn, 0, key, members), Ok(expected));
        }
        7 => pop(txn, key, model, random),
        8 => {
            let (min, max) = (random_bound(random), random_bound(random));
            let len = model.len();
            model.retain(|_, score| !in_bounds(*score, min, max));
            let removed = sorted_set::remove_range(txn, 0, key, By::Score(min, max), "zremrangebyscore");
            assert_eq!(removed, Ok(len - model.len()));
        }
        _ => {
            let (first, last) = (random.below(8) as i64 - 4, random.below(8) as i64 - 4);
            let all = ordered(model);
            let absolute = |rank: i64| if rank < 0 { rank + all.len() as i64 } else { rank };
            let gone = (0..all.len() as i64).filter(|rank| (absolute(first)..=absolute(last)).contains(rank));
            let gone: Vec<_> = gone.map(|rank| all[rank as usize].0.clone()).collect();
            let removed = sorted_set::remove_range(txn, 0, key, By::Rank(first, last), "zremrangebyrank");
            assert_eq!(removed, Ok(gone.len()));
            gone.iter().for_each(|member| {
                model.remove(member);
            });
        }
    }
}

fn pop(txn: &mut Txn<'_>, key: Key<'_>, model: &mut Model, random: &mut Random) {
    let (end, count) = ([End::Lowest, End::Highest][random.below(2)], random.below(4));
    let mut all = ordered(model);
    if end == End::Highest {
        all.reverse();
    }
    all.truncate(count);
    let (mut told, mut popped) = (None, Vec::new());
    let existed = sorted_set::pop(txn, 0, key, end, count, &mut |event| match event {
        Popped::Count(count) => told = Some(count),
        Popped::Member(member, score) => popped.push((member.to_vec(), score)),
    });
    assert_eq!(existed, Ok(!model.is_empty()));
    assert_eq!(told, (!model.is_empty()).then_some(all.len()));
    assert_eq!(popped, all);
    popped.iter().for_each(|(member, _)| {
        model.remove(member);
    });
}

fn look(txn: &mut Txn<'_>, name: &[u8], model: &Model, random: &mut Random) {
    let (key, all) = (key(txn, name), ordered(model));
    let set = sorted_set::get(txn, 0, key).unwrap();
    assert_eq!(set.is_some(), !model.is_empty());
    let Some(set) = set else { return };
    assert_eq!((set.len(), set.is_empty()), (all.len(), false));
    assert_eq!(shown(Some(set)), all);
    let member = random_member(random);
    assert_eq!(set.score(&member), model.get(&member).copied());
    let rank = all.iter().position(|(other, _)| *other == member);
    assert_eq!(set.rank(&member), rank.map(|rank| (rank, all[rank].1)));
    let (min, max) = (random_bound(random), random_bound(random));
    let mut wanted: Vec<_> = all.iter().filter(|(_, score)| in_bounds(*score, min, max)).cloned().collect();
    assert_eq!(set.ranks(By::Score(min, max)).len(), wanted.len());
    let descending = random.below(2) == 1;
    if descending {
        wanted.reverse();
    }
    let (offset, limit) = (random.below(5) as i64 - 1, random.below(5) as i64 - 1);
    let kept = if offset < 0 {
        0
    } else if limit < 0 {
        usize::MAX
    } else {
        limit as usize
    };
    let wanted: Vec<_> = wanted.into_iter().skip(offset.max(0) as usize).take(kept).collect();
    let selection = Selection { by: By::Score(min, max), descending, offset, limit };
    let selected: Vec<_> = set.select(&selection).map(|(member, score)| (member.to_vec(), score)).collect();
    assert_eq!(selected, wanted);
    let mut names = set.select(&selection);
    for (member, _) in wanted {
        assert_eq!(names.next_member().map(|member| member.to_vec()), Some(member));
    }
    assert_eq!(names.next_member(), None);
}

fn limits(txn: &Txn<'_>, random: &mut Random) {
    txn.settings().zset_listpack.set([0, 3, 8, 128][random.below(4)], [2, 5, 64][random.below(3)]);
}

#[test]
fn a_set_behaves_as_its_model_whatever_its_form() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        with_store(|txn| {
            let mut model = Model::new();
            for step in 0..2000 {
                if step % 50 == 0 {
                    limits(txn, &mut random);
                }
                change(txn, b"k", &mut model, &mut random);
                look(txn, b"k", &model, &mut random);
            }
        });
    }
}

fn combined(models: &[&Model], weights: &[f64], operation: Combine, aggregate: Aggregate) -> Model {
    let number = |score: f64| if score.is_nan() { 0.0 } else { score };
    let mut result = Model::new();
    let mut sources: Vec<_> = models.iter().zip(weights).collect();
    if operation != Combine::Difference {
        sources.sort_by_key(|(model, _)| model.len());
    }
    let mut members: Vec<_> = models.iter().flat_map(|model| model.keys()).cloned().collect();
    members.sort();
    members.dedup();
    for member in members {
        let present: Vec<f64> =
            sources.iter().filter_map(|(model, weight)| Some(model.get(&member)? * *weight)).collect();
        let kept = match operation {
            Combine::Union => true,
            Combine::Intersection => present.len() == models.len(),
            Combine::Difference => present.len() == 1 && models[0].contains_key(&member),
        };
        let score = present.iter().enumerate().map(|(index, score)| {
            // As in the originals, only a union sees to it that every single score is a number.
            if operation == Combine::Union || index == 0 { number(*score) } else { *score }
        });
        let score = score.reduce(|a, b| match aggregate {
            Aggregate::Sum => number(a + b),
            Aggregate::Min => a.min(b),
            Aggregate::Max => a.max(b),
        });
        if let (true, Some(score)) = (kept, score) {
            let score = if operation == Combine::Difference { models[0][&member] } else { score };
            result.insert(member, score);
        }
    }
    result
}

#[test]
fn combinations_are_those_of_the_models() {
    for seed in 0..30 {
        let mut random = Random::new(seed);
        with_store(|txn| {
            let names: [&[u8]; 3] = [b"a", b"b", b"c"];
            let mut models = [Model::new(), Model::new(), Model::new()];
            for _ in 0..100 {
                limits(txn, &mut random);
                for (name, model) in names.iter().zip(&mut models) {
                    for _ in 0..random.below(20) {
                        change(txn, name, model, &mut random);
                    }
                }
                let chosen: Vec<usize> = (0..1 + random.below(3)).map(|_| random.below(3)).collect();
                let keys: Vec<_> = chosen.iter().map(|index| key(txn, names[*index])).collect();
                let sources: Vec<_> = chosen.iter().map(|index| &models[*index]).collect();
                let operation = [Combine::Union, Combine::Intersection, Combine::Difference][random.below(3)];
                let aggregate = [Aggregate::Sum, Aggregate::Min, Aggregate::Max][random.below(3)];
                let weights: Vec<f64> = match operation {
                    Combine::Difference => vec![1.0; keys.len()],
                    _ => keys.iter().map(|_| random_score(&mut random)).collect(),
                };
                let expected = combined(&sources, &weights, operation, aggregate);
                sorted_set::check_sources(txn, 0, &keys).unwrap();
                let combination = Combination { operation, keys: &keys, weights: &weights, aggregate };
                let result = sorted_set::combine(txn, 0, &combination).unwrap();
                let result: Vec<_> = result.into_iter().map(|(member, score)| (member.to_vec(), score)).collect();
                assert_eq!(result, ordered(&expected));
                if operation == Combine::Intersection {
                    assert_eq!(sorted_set::count_common(txn, 0, &keys, usize::MAX), Ok(expected.len()));
                    assert_eq!(sorted_set::count_common(txn, 0, &keys, 2), Ok(expected.len().min(2)));
                }
                let destination = key(txn, b"a");
                assert_eq!(sorted_set::store_combined(txn, 0, destination, &combination), Ok(expected.len()));
                assert_eq!(stored(txn, b"a"), ordered(&expected));
                models[0] = expected;
            }
        });
    }
}

#[test]
fn members_between_others() {
    for entries in [0, 128] {
        with_store(|txn| {
            txn.settings().zset_listpack.set(entries, 64);
            let key = key(txn, b"k");
            let names: [&[u8]; 6] = [b"", b"10", b"9", b"a", b"aa", b"b"];
            let pairs = names.into_iter().map(|name| (0.0, name));
            sorted_set::add(txn, 0, key, AddOptions::default(), pairs).unwrap();
            let set = sorted_set::get(txn, 0, key).unwrap().unwrap();
            use LexBound::{Excluded, Highest, Included, Lowest};
            for (min, max, expected) in [
                (Lowest, Highest, 0..6),
                (Highest, Lowest, 0..0),
                (Highest, Highest, 0..0),
                (Lowest, Lowest, 0..0),
                (Included(b"10".as_slice()), Excluded(b"a".as_slice()), 1..3),
                (Excluded(b""), Included(b"aa"), 1..5),
                (Excluded(b"a"), Excluded(b"aa"), 0..0),
                (Included(b"c"), Highest, 0..0),
            ] {
                let ranks = set.ranks(By::Lex(min, max));
                assert_eq!(ranks.len(), expected.len(), "{min:?} {max:?}");
                assert!(ranks.is_empty() || ranks == expected, "{min:?} {max:?}");
            }
            let by = By::Lex(Included(b"a"), Highest);
            assert_eq!(sorted_set::remove_range(txn, 0, key, by, "zremrangebylex"), Ok(3));
            assert_eq!(stored(txn, b"k").len(), 3);
        });
    }
}

#[test]
fn what_happens_is_recorded() {
    with_store(|txn| {
        let key = key(txn, b"k");
        let events = |txn: &mut Txn<'_>| {
            let effects = txn.effects();
            let names: Vec<_> = effects.events.drain(..).map(|event| event.name).collect();
            (names.join(" "), std::mem::take(&mut effects.dirty))
        };
        let add = |txn: &mut Txn<'_>, pairs: &[(f64, &[u8])]| {
            sorted_set::add(txn, 0, key, AddOptions::default(), pairs.iter().copied()).unwrap()
        };
        add(txn, &[(1.0, b"a"), (2.0, b"b"), (2.0, b"b"), (3.0, b"b")]);
        assert_eq!(events(txn), ("new zadd".to_owned(), 3));
        add(txn, &[(1.0, b"a")]);
        assert_eq!(events(txn), (String::new(), 0));
        sorted_set::increment(txn, 0, key, AddOptions::default(), 1.0, b"a").unwrap();
        assert_eq!(events(txn), ("zincr".to_owned(), 1));
        sorted_set::remove(txn, 0, key, [b"x".as_slice()].into_iter()).unwrap();
        assert_eq!(events(txn), (String::new(), 0));
        sorted_set::remove(txn, 0, key, [b"a".as_slice(), b"b", b"b"].into_iter()).unwrap();
        assert_eq!(events(txn), ("zrem del".to_owned(), 2));
        add(txn, &[(1.0, b"a"), (2.0, b"b"), (3.0, b"c")]);
        events(txn);
        sorted_set::pop(txn, 0, key, End::Highest, 2, &mut |_| ()).unwrap();
        assert_eq!(events(txn), ("zpopmax".to_owned(), 2));
        sorted_set::pop(txn, 0, key, End::Lowest, 2, &mut |_| ()).unwrap();
        assert_eq!(events(txn), ("zpopmin del".to_owned(), 1));
        add(txn, &[(1.0, b"a"), (2.0, b"b"), (3.0, b"c")]);
        events(txn);
        let other = txn.store().key(b"other");
        let selection = Selection::all(By::Rank(0, 1));
        assert_eq!(sorted_set::store_range(txn, 0, other, key, &selection), Ok(2));
        assert_eq!(events(txn), ("new zrangestore".to_owned(), 1));
        assert_eq!(sorted_set::store_range(txn, 0, other, key, &Selection::all(By::Rank(9, 9))), Ok(0));
        assert_eq!(events(txn), ("del".to_owned(), 1));
        assert_eq!(sorted_set::store_range(txn, 0, other, key, &Selection::all(By::Rank(9, 9))), Ok(0));
        assert_eq!(events(txn), (String::new(), 0));
        sorted_set::remove_range(txn, 0, key, By::Rank(0, -1), "zremrangebyrank").unwrap();
        assert_eq!(events(txn), ("zremrangebyrank del".to_owned(), 3));
    });
}

#[test]
fn other_types_are_refused() {
    with_store(|txn| {
        let key = key(txn, b"k");
        string::set(txn, 0, key, b"v", string::SetOptions::default()).unwrap();
        assert_eq!(sorted_set::get(txn, 0, key).err(), Some(Error::WrongType));
        assert_eq!(sorted_set::pop(txn, 0, key, End::Lowest, 1, &mut |_| ()), Err(Error::WrongType));
        assert_eq!(sorted_set::check_sources(txn, 0, &[key]), Err(Error::WrongType));
        let options = AddOptions { condition: Condition::Xx, ..AddOptions::default() };
        assert_eq!(sorted_set::increment(txn, 0, key, options, 1.0, b"a"), Err(Error::WrongType));
        keyspace::delete(txn, 0, key).unwrap();
        assert_eq!(sorted_set::increment(txn, 0, key, options, 1.0, b"a"), Ok(None));
        assert_eq!(keyspace::exists(txn, 0, key), Ok(false));
    });
}

#[test]
fn random_members() {
    for entries in [0, 128] {
        with_store(|txn| {
            txn.settings().zset_listpack.set(entries, 64);
            let key = key(txn, b"k");
            assert_eq!(sorted_set::random(txn, 0, key), Ok(None));
            let names: Vec<String> = (0..20).map(|number| number.to_string()).collect();
            let pairs = names.iter().map(|name| (1.5, name.as_bytes()));
            sorted_set::add(txn, 0, key, AddOptions::default(), pairs).unwrap();
            for count in [0, 1, 5, 12, 19, 20, 100] {
                let mut seen = BTreeMap::new();
                sorted_set::random_distinct(txn, 0, key, count, &mut |member, score| {
                    assert_eq!(score, 1.5);
                    assert!(seen.insert(member.to_vec(), ()).is_none());
                })
                .unwrap();
                assert_eq!(seen.len(), count.min(20));
            }
            let mut seen = BTreeMap::<Vec<u8>, usize>::new();
            sorted_set::random_repeated(txn, 0, key, 4000, &mut |member, _| {
                *seen.entry(member.to_vec()).or_default() += 1;
                true
            })
            .unwrap();
            assert_eq!((seen.len(), seen.values().sum::<usize>()), (20, 4000));
            assert!(seen.values().all(|count| (100..300).contains(count)), "{seen:?}");
        });
    }
}

#[test]
fn a_scan_meets_all_members() {
    for entries in [0, 128] {
        with_store(|txn| {
            txn.settings().zset_listpack.set(entries, 64);
            let key = key(txn, b"k");
            let names: Vec<String> = (0..100).map(|number| number.to_string()).collect();
            let pairs = names.iter().map(|name| (0.5, name.as_bytes()));
            sorted_set::add(txn, 0, key, AddOptions::default(), pairs).unwrap();
            let set = sorted_set::get(txn, 0, key).unwrap().unwrap();
            let (mut cursor, mut seen, mut calls) = (0, BTreeMap::new(), 0);
            loop {
                calls += 1;
                cursor = set.scan(cursor, 10, &mut |member, score| {
                    seen.insert(member.to_vec(), score);
                });
                if cursor == 0 {
                    break;
                }
            }
            assert_eq!(seen.len(), 100);
            assert_eq!(calls > 1, entries == 0);
        });
    }
}
