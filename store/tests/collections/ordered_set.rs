//! [`OrderedSet`] against a sorted vector.

use super::{name, pause_freeing, store};
use ochre_store::collection::OrderedSet;
use ochre_store::random::Random;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};

type Model = BTreeMap<Vec<u8>, f64>;

#[derive(Clone, Debug)]
enum Step {
    Set { number: u64, score: f64 },
    Fill { start: u64, count: u64, modulus: u64 },
    Increment { number: u64, by: f64 },
    Remove { number: u64 },
    RemoveRange { start: usize, count: usize },
    Pop { highest: bool, count: usize },
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-3i32..8).prop_map(f64::from),
        2 => any::<f64>().prop_filter("a number", |score| !score.is_nan()),
        1 => prop::sample::select(vec![
            0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, -f64::MIN_POSITIVE, 5e-324, -5e-324,
            f64::MAX, f64::MIN,
        ]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u64..300, score()).prop_map(|(number, score)| Step::Set { number, score }),
        2 => (0u64..300, 0u64..400, 1u64..50)
            .prop_map(|(start, count, modulus)| Step::Fill { start, count, modulus }),
        4 => (0u64..300, score()).prop_map(|(number, by)| Step::Increment { number, by }),
        3 => (0u64..300).prop_map(|number| Step::Remove { number }),
        1 => (0usize..300, 0usize..200).prop_map(|(start, count)| Step::RemoveRange { start, count }),
        1 => (any::<bool>(), 0usize..100).prop_map(|(highest, count)| Step::Pop { highest, count }),
    ]
}

/// The members in order, by the rule of the original: by score, then by bytes.
fn sorted(model: &Model) -> Vec<(Vec<u8>, f64)> {
    let mut sorted: Vec<(Vec<u8>, f64)> = model.iter().map(|(member, score)| (member.clone(), *score)).collect();
    // Stable, and the model is in the order of the bytes.
    sorted.sort_by(|left, right| left.1.partial_cmp(&right.1).expect("scores are numbers"));
    sorted
}

/// As bits, to tell the zeros apart.
fn bits(scored: Option<f64>) -> Option<u64> {
    scored.map(f64::to_bits)
}

/// Sets a score by the rule of the original, where an equal score (one zero for the other) changes nothing. Returns the
/// score before.
fn put(model: &mut Model, member: Vec<u8>, score: f64) -> Option<f64> {
    match model.get_mut(&member) {
        Some(old) if *old == score => Some(*old),
        Some(old) => Some(std::mem::replace(old, score)),
        None => model.insert(member, score),
    }
}

fn run(step: Step, set: &mut OrderedSet, model: &mut Model) {
    match step {
        Step::Set { number, score } => {
            assert_eq!(bits(set.set(&name(number), score)), bits(put(model, name(number), score)));
        }
        Step::Fill { start, count, modulus } => {
            for number in start..start + count {
                let score = (number * 7919 % modulus) as f64;
                assert_eq!(bits(set.set(&name(number), score)), bits(put(model, name(number), score)));
            }
        }
        Step::Increment { number, by } => {
            let sum = model.get(&name(number)).copied().unwrap_or(0.0) + by;
            if sum.is_nan() {
                assert_eq!(set.increment(&name(number), by), None);
            } else {
                assert_eq!(bits(set.increment(&name(number), by)), Some(sum.to_bits()));
                put(model, name(number), sum);
            }
        }
        Step::Remove { number } => assert_eq!(bits(set.remove(&name(number))), bits(model.remove(&name(number)))),
        Step::RemoveRange { start, count } => {
            let gone: Vec<_> = sorted(model).into_iter().skip(start).take(count).collect();
            let mut visited = Vec::new();
            let removed = set.remove_range(start..start + count, &mut |member, score| {
                visited.push((member.to_vec(), score));
            });
            assert_eq!((removed, &visited), (gone.len(), &gone));
            gone.iter().for_each(|(member, _)| assert!(model.remove(member).is_some()));
        }
        Step::Pop { highest, count } => {
            for _ in 0..count {
                let order = sorted(model);
                let expected = if highest { order.last() } else { order.first() };
                let popped = if highest { set.pop_max() } else { set.pop_min() };
                let popped = popped.map(|popped| (popped.member().to_vec(), popped.score()));
                assert_eq!(popped.as_ref(), expected);
                let Some((member, _)) = popped else { break };
                model.remove(&member);
            }
        }
    }
}

fn check(set: &OrderedSet, model: &Model) {
    let order = sorted(model);
    assert_eq!((set.len(), set.is_empty()), (order.len(), order.is_empty()));
    let all = || set.range(0..usize::MAX);
    assert_eq!(all().len(), order.len());
    assert!(all().eq(order.iter().map(|(member, score)| (&member[..], *score))));
    assert!(all().rev().eq(order.iter().rev().map(|(member, score)| (&member[..], *score))));
    for (rank, (member, score)) in order.iter().enumerate() {
        assert_eq!(bits(set.score(member)), Some(score.to_bits()));
        assert_eq!(set.rank(member), Some((rank, *score)));
        assert_eq!(set.at(rank), Some((&member[..], *score)));
    }
    assert_eq!((set.rank(b"absent"), set.score(b"absent"), set.at(order.len())), (None, None, None));
    let unordered: Model = set.iter().map(|(member, score)| (member.to_vec(), score)).collect();
    assert_eq!(&unordered, model);
}

fn bound<T: Clone>(value: &T, kind: u8) -> Bound<T> {
    match kind {
        0 => Bound::Included(value.clone()),
        1 => Bound::Excluded(value.clone()),
        _ => Bound::Unbounded,
    }
}

fn admits<T: PartialOrd>(min: &Bound<T>, max: &Bound<T>, value: &T) -> bool {
    let above = match min {
        Bound::Included(min) => value >= min,
        Bound::Excluded(min) => value > min,
        Bound::Unbounded => true,
    };
    above
        && match max {
            Bound::Included(max) => value <= max,
            Bound::Excluded(max) => value < max,
            Bound::Unbounded => true,
        }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn does_what_a_sorted_vector_does(
        steps in prop::collection::vec(step(), 1..60),
        probes in prop::collection::vec((score(), 0u8..3, score(), 0u8..3), 20),
    ) {
        let store = store();
        let (mut set, mut model) = (OrderedSet::new(&store), Model::new());
        for (number, step) in steps.into_iter().enumerate() {
            run(step, &mut set, &mut model);
            if number % 10 == 0 {
                check(&set, &model);
            }
        }
        check(&set, &model);
        let order = sorted(&model);
        for (min, min_kind, max, max_kind) in probes {
            let (min, max) = (bound(&min, min_kind), bound(&max, max_kind));
            let expected = order.iter().filter(|(_, score)| admits(&min, &max, score));
            let range = set.score_range(min, max);
            prop_assert!(range.end <= set.len());
            prop_assert!(set.range(range).eq(expected.map(|(member, score)| (&member[..], *score))));
        }
    }

    #[test]
    fn ranges_of_members_follow_their_bytes(
        numbers in prop::collection::btree_set(0u64..2000, 0..800),
        probes in prop::collection::vec((0u64..2000, 0u8..3, 0u64..2000, 0u8..3), 20),
    ) {
        let store = store();
        let mut set = OrderedSet::new(&store);
        let mut members: Vec<Vec<u8>> = numbers.iter().map(|&number| name(number)).collect();
        members.iter().for_each(|member| assert_eq!(set.set(member, 1.5), None));
        members.sort();
        for (min, min_kind, max, max_kind) in probes {
            let (min, max) = (bound(&name(min), min_kind), bound(&name(max), max_kind));
            let expected: Vec<&Vec<u8>> = members.iter().filter(|member| admits(&min, &max, *member)).collect();
            let range = set.lex_range(min.as_ref().map(|min| &min[..]), max.as_ref().map(|max| &max[..]));
            prop_assert!(range.end <= set.len());
            prop_assert!(set.range(range).map(|(member, _)| member).eq(expected.into_iter().map(|member| &member[..])));
        }
    }
}

#[test]
fn a_set_with_different_scores_answers_lex_ranges_without_harm() {
    let store = store();
    let mut set = OrderedSet::new(&store);
    let mut random = Random::new(8);
    for number in 0..3000 {
        set.set(&name(number), random.below(100) as f64);
    }
    for _ in 0..300 {
        let (min, max) = (name(random.next_u64() % 4000), name(random.next_u64() % 4000));
        let range = set.lex_range(Bound::Included(&min), Bound::Excluded(&max));
        assert!(range.start <= range.end && range.end <= set.len());
    }
}

#[test]
fn a_new_score_at_the_same_place_and_far_away() {
    let store = store();
    let mut set = OrderedSet::new(&store);
    let mut model = Model::new();
    let mut random = Random::new(4);
    for number in 0..5000u64 {
        set.set(&name(number), number as f64 * 10.0);
        model.insert(name(number), number as f64 * 10.0);
    }
    for round in 0..20_000 {
        let number = random.next_u64() % 5000;
        let by = if round % 2 == 0 { random.below(12) as f64 } else { random.below(50_000) as f64 - 25_000.0 };
        let score = model.get_mut(&name(number)).unwrap();
        *score += by;
        assert_eq!(set.increment(&name(number), by), Some(*score));
    }
    check(&set, &model);
}

#[test]
fn a_score_that_is_no_number_changes_nothing() {
    let store = store();
    let mut set = OrderedSet::new(&store);
    assert_eq!(set.set(b"new", f64::NAN), None);
    assert!(set.is_empty());
    set.set(b"old", f64::INFINITY);
    assert_eq!(set.set(b"old", f64::NAN), Some(f64::INFINITY));
    assert_eq!(set.increment(b"old", f64::NEG_INFINITY), None);
    assert_eq!(set.update(b"old", |_| None), Some(f64::INFINITY));
    assert_eq!(set.rank(b"old"), Some((0, f64::INFINITY)));
}

/// As Redis 7.0, 8.2 and Valkey 9.1 do with `zset-max-listpack-entries 0`.
#[test]
fn the_two_zeros_are_one_score_and_the_first_one_stays() {
    let store = store();
    let mut set = OrderedSet::new(&store);
    set.set(b"b", -0.0);
    set.set(b"a", 0.0);
    assert_eq!(set.range(0..2).map(|(member, _)| member).collect::<Vec<_>>(), [b"a", b"b"]);
    assert_eq!(set.score_range(Bound::Included(0.0), Bound::Included(-0.0)), 0..2);
    let scores = |set: &OrderedSet| (bits(set.score(b"a")), bits(set.score(b"b")));
    let before = (bits(Some(0.0)), bits(Some(-0.0)));
    assert_eq!(scores(&set), before);
    assert_eq!((bits(set.set(b"a", -0.0)), bits(set.set(b"b", 0.0))), before);
    assert_eq!(scores(&set), before);
    // The sum is told, but not kept.
    assert_eq!(bits(set.increment(b"b", 0.0)), bits(Some(0.0)));
    assert_eq!(scores(&set), before);
}

#[test]
fn a_visitor_that_panics_leaves_a_whole_set() {
    let store = store();
    let mut set = OrderedSet::new(&store);
    (0..500).for_each(|number| assert_eq!(set.set(&name(number), number as f64), None));
    let removal = AssertUnwindSafe(|| {
        set.remove_range(100..300, &mut |_, score| assert!(score < 150.0, "as this test wants it"));
    });
    assert!(catch_unwind(removal).is_err());
    assert_eq!((set.len(), set.range(0..usize::MAX).len()), (300, 300));
    for number in (0..100).chain(300..500) {
        assert_eq!(set.remove(&name(number)), Some(number as f64));
    }
    assert!(set.is_empty());
}

#[test]
fn large_members_of_a_removed_range_are_freed_by_the_thread() {
    let store = store();
    let mut set = OrderedSet::new(&store);
    set.set(&vec![b'm'; 100_000], 1.0);
    let resume = pause_freeing(&store);
    set.remove_range(0..1, &mut |_, _| ());
    assert!(store.pending_free_bytes() >= 100_000, "{}", store.pending_free_bytes());
    drop(resume);
}
