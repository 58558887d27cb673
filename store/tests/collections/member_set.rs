//! [`MemberSet`] against a `HashSet`.

use super::{name, store};
use ochre_store::collection::MemberSet;
use ochre_store::random::Random;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

fn check(set: &MemberSet, model: &HashSet<Vec<u8>>) {
    assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
    let members: HashSet<Vec<u8>> = set.iter().map(<[u8]>::to_vec).collect();
    assert_eq!(&members, model);
    assert_eq!(set.iter().count(), model.len());
}

fn check_random(set: &MemberSet, model: &HashSet<Vec<u8>>, count: usize, random: &mut Random) {
    assert_eq!(set.random(random).is_some(), !model.is_empty());
    assert!(set.random(random).is_none_or(|member| model.contains(member)));
    let chosen = set.random_distinct(count, random);
    let distinct: HashSet<&[u8]> = chosen.iter().copied().collect();
    assert_eq!((chosen.len(), distinct.len()), (count.min(model.len()), count.min(model.len())));
    assert!(chosen.iter().all(|&member| model.contains(member)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each change inserts (positive) or removes (negative) that many random members of a few thousand.
    #[test]
    fn does_what_a_set_does(
        changes in prop::collection::vec((-2000i64..2000, any::<u64>()), 1..10),
        range in prop_oneof![Just(20u64), Just(500), Just(5000)],
    ) {
        let store = store();
        let (mut set, mut model) = (MemberSet::new(&store), HashSet::new());
        for (change, seed) in changes {
            let mut random = Random::new(seed);
            for _ in 0..change.unsigned_abs() {
                let member = name(random.next_u64() % range);
                prop_assert_eq!(set.contains(&member), model.contains(&member));
                if change > 0 {
                    prop_assert_eq!(set.insert(&member), model.insert(member));
                } else {
                    prop_assert_eq!(set.remove(&member), model.remove(&member));
                }
            }
            check(&set, &model);
            check_random(&set, &model, seed as usize % 50, &mut random);
            check_random(&set, &model, model.len() / 2, &mut random);
            check_random(&set, &model, model.len() + 1, &mut random);
            for _ in 0..seed % 30 {
                let taken = set.take_random(&mut random);
                prop_assert_eq!(taken.is_some(), !model.is_empty());
                prop_assert!(taken.is_none_or(|taken| model.remove(&*taken)));
            }
            check(&set, &model);
        }
    }

    /// What stays is visited, however the set grows and shrinks between the calls.
    #[test]
    fn a_scan_visits_what_stays(
        staying in 1u64..600,
        others in 0u64..3000,
        changes in prop::collection::vec(-500i64..500, 1..40),
    ) {
        let store = store();
        let mut set = MemberSet::new(&store);
        let mut others = staying..staying + others;
        (0..others.end).for_each(|number| assert!(set.insert(&name(number))));
        let (mut seen, mut cursor) = (HashSet::new(), 0);
        // Ends the changes some time: a set that always grows need not come to an end.
        let mut changes = changes.iter().cycle().take(200);
        loop {
            cursor = set.scan(cursor, &mut |member| { seen.insert(member.to_vec()); });
            if cursor == 0 {
                break;
            }
            let change = changes.next().copied().unwrap_or(0);
            for _ in 0..change {
                set.insert(&name(others.end));
                others.end += 1;
            }
            for number in others.by_ref().take(change.min(0).unsigned_abs() as usize) {
                set.remove(&name(number));
            }
        }
        for number in 0..staying {
            prop_assert!(seen.contains(&name(number)), "{number} was missed");
        }
    }
}

#[test]
fn members_are_drawn_about_equally_often() {
    let store = store();
    for members in [3u64, 100, 1000] {
        let mut set = MemberSet::new(&store);
        (0..members).for_each(|number| assert!(set.insert(&name(number))));
        let mut random = Random::new(17);
        for distinct in [false, true] {
            let mut drawn: HashMap<Vec<u8>, u64> = HashMap::new();
            for _ in 0..members * 200 {
                if distinct {
                    for member in set.random_distinct(2, &mut random) {
                        *drawn.entry(member.to_vec()).or_default() += 1;
                    }
                } else {
                    *drawn.entry(set.random(&mut random).unwrap().to_vec()).or_default() += 1;
                }
            }
            let expected = if distinct { 400 } else { 200 };
            assert_eq!(drawn.len(), members as usize);
            let far = drawn.values().filter(|&&count| count < expected * 6 / 10 || count > expected * 14 / 10).count();
            assert!(far * 100 <= drawn.len(), "{far} of {members} far from {expected}");
        }
    }
}

#[test]
fn a_rehash_may_be_asked_to_go_on_to_its_end() {
    let store = store();
    let mut set = MemberSet::new(&store);
    assert!(!set.rehash(usize::MAX));
    while set.buckets().1 == 0 {
        let len = set.len() + 100;
        fill(&mut set, len);
    }
    assert!(!set.rehash(usize::MAX));
    assert_eq!(set.buckets().1, 0);
    assert!((0..set.len()).all(|number| set.contains(&number.to_le_bytes())));
}

#[test]
fn held_tables_stay_as_large_as_they_are_unless_that_is_far_off() {
    let store = store();
    let mut set = MemberSet::new(&store);
    fill(&mut set, 600);
    while set.rehash(100) {}
    let usual = set.buckets();
    let held = store.hold_tables();
    fill(&mut set, 2000);
    assert_eq!(set.buckets(), usual);
    // More than five times what it is meant for.
    fill(&mut set, 6000);
    assert!(set.buckets().0 > usual.0 || set.buckets().1 > 0, "{:?}", set.buckets());
    while set.rehash(100) {}
    let grown = set.buckets();
    (10..6000u64).for_each(|number| assert!(set.remove(&number.to_le_bytes())));
    assert_eq!(set.buckets(), grown);
    drop(held);
    assert!(set.remove(&9u64.to_le_bytes()));
    while set.rehash(100) {}
    assert!(set.buckets().0 < 8, "{:?}", set.buckets());
    assert!((0..9u64).all(|number| set.contains(&number.to_le_bytes())));
}

/// Removes members in the order of a scan until `len` are left: those that have the low bits of their hashes in common.
fn remove_scanned(set: &mut MemberSet, len: usize) {
    let (mut cursor, mut seen) = (0, Vec::new());
    loop {
        cursor = set.scan(cursor, &mut |member| seen.push(member.to_vec()));
        if cursor == 0 {
            break;
        }
    }
    let gone = seen.len() - len;
    seen.iter().take(gone).for_each(|member| assert!(set.remove(member)));
}

#[test]
fn members_of_long_chains_are_drawn_as_often_as_others() {
    let store = store();
    let mut set = MemberSet::new(&store);
    let held = store.hold_tables();
    set.reserve(20_000);
    (0..20_000).for_each(|number| assert!(set.insert(&name(number))));
    remove_scanned(&mut set, 200);
    drop(held);
    assert!(set.take_random(&mut Random::new(1)).is_some());
    // It shrinks while it is drawn from, and all are in few of the new chains.
    let mut random = Random::new(5);
    for is_whole in [false, true] {
        let mut drawn: HashMap<Vec<u8>, u64> = HashMap::new();
        for _ in 0..199 * 60 {
            *drawn.entry(set.random(&mut random).unwrap().to_vec()).or_default() += 1;
        }
        assert_eq!(drawn.len(), 199);
        let far = drawn.values().filter(|count| !(30..100).contains(*count)).count();
        assert!(far <= 2, "{far} far off, {is_whole}");
        while set.rehash(100) {}
        assert!(set.shapes()[0].longest > 50, "{:?}", set.shapes());
    }
}

#[test]
fn memory_is_counted_and_comes_back() {
    let store = store();
    let mut set = MemberSet::new(&store);
    let empty = set.memory();
    (0..10_000u64).for_each(|number| assert!(set.insert(format!("{number:010}").as_bytes())));
    while set.rehash(100) {}
    // 16 bytes an element, and buckets of 64 bytes for 3.15 to 6.3 of them.
    let each = (set.memory() - empty) as f64 / 10_000.0;
    assert!((26.0..36.5).contains(&each), "{each}");
    let full = set.buckets().0;
    (0..10_000u64).for_each(|number| assert!(set.remove(format!("{number:010}").as_bytes())));
    while set.rehash(100) {}
    assert!(set.buckets().0 < full / 1000, "{:?}", set.buckets());
    assert!(set.memory() <= empty + 128, "{}", set.memory());
}

#[test]
fn a_reserved_table_neither_grows_on_the_way_nor_differs_from_one_that_grew() {
    let store = store();
    for members in [1usize, 6, 7, 100, 1000, 5000, 40_000] {
        let (mut reserved, mut grown) = (MemberSet::new(&store), MemberSet::new(&store));
        reserved.reserve(members);
        let buckets = reserved.buckets();
        fill(&mut reserved, members);
        fill(&mut grown, members);
        while grown.rehash(100) {}
        assert_eq!((reserved.buckets(), grown.buckets()), (buckets, buckets), "{members}");
    }
    let mut set = MemberSet::new(&store);
    set.reserve(usize::MAX);
    assert!(set.buckets().0 <= 1 << 18);
    fill(&mut set, 100);
    assert_eq!(set.len(), 100);
}

#[test]
fn a_set_is_freed_by_the_thread_and_counts_while_it_waits() {
    let store = store();
    let mut set = MemberSet::new(&store);
    (0..50_000).for_each(|number| assert!(set.insert(&name(number))));
    let before = store.stats().lazyfreed_objects;
    store.free_later(set.into_garbage());
    while store.stats().lazyfreed_objects != before + 1 {
        std::thread::yield_now();
    }
    assert_eq!(store.stats().lazyfree_pending_objects, 0);
}

/// Inserts numbers as members until there are `len`.
fn fill(set: &mut MemberSet, len: usize) {
    (set.len()..len).for_each(|number| assert!(set.insert(&number.to_le_bytes())));
}

#[test]
fn a_large_table_comes_and_goes_with_its_set() {
    let store = store();
    let mut set = MemberSet::new(&store);
    // Grows from 2^14 to 2^15 buckets on the way. The memory in use counts bucket arrays alone here, since the allocator
    // of this test is not the one that counts.
    fill(&mut set, 110_000);
    while set.rehash(100) {}
    assert_eq!(set.buckets(), (1 << 15, 0));
    (0..set.len()).for_each(|number| assert!(set.contains(&number.to_le_bytes())));
    while store.used_memory() != 64 << 15 {
        std::thread::yield_now();
    }
    store.free_later(set.into_garbage());
    while store.used_memory() != 0 {
        std::thread::yield_now();
    }
}
