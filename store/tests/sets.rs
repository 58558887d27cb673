//! Operations on sets against a plain model, with limits so low that sets change their form all the time.

use ochre_store::random::Random;
use ochre_store::set::{self, Set};
use ochre_store::string::parse_int;
use ochre_store::sync::ShardSet;
use ochre_store::{Clock, Effects, Key, Options, Store, Str, Txn, keyspace};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

type Model = BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>;

const KEYS: [&[u8]; 5] = [b"a", b"b", b"c", b"d", b"e"];
const INTS: u64 = 6;
const PACK_ENTRIES: u64 = 10;
const PACK_VALUE: u64 = 8;

fn store(packs: bool) -> Arc<Store> {
    let store = Store::new(Options { shards: 8, databases: 1, hash_seed: [4, 3, 2, 1] });
    store.settings().set_max_intset_entries.store(INTS, Relaxed);
    store.settings().set_listpack.set(PACK_ENTRIES, PACK_VALUE);
    store.settings().set_listpacks.store(packs, Relaxed);
    store
}

fn with_store(packs: bool, action: impl FnOnce(&mut Txn<'_>)) {
    let store = store(packs);
    let mut effects = Effects::default();
    effects.record_events = true;
    store.register().run(ShardSet::ALL, Clock { now_ms: 0 }, &mut effects, action);
}

fn member(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0 => format!("text{}", random.below(20)).into_bytes(),
        1 => format!("longer text {}", random.below(5)).into_bytes(),
        2 => format!("{}", i64::MAX - random.below(3) as i64).into_bytes(),
        3 => b"007".to_vec(),
        _ => random.below(14).to_string().into_bytes(),
    }
}

fn add(txn: &mut Txn<'_>, key: Key<'_>, members: &[Vec<u8>]) -> usize {
    set::add(txn, 0, key, members.len(), members.iter().map(Vec::as_slice)).unwrap()
}

fn held(txn: &mut Txn<'_>, key: Key<'_>) -> Option<BTreeSet<Vec<u8>>> {
    let set = set::get(txn, 0, key).unwrap()?;
    let mut members = BTreeSet::new();
    set.for_each(|member| assert!(members.insert(member.to_vec()), "a member stands twice"));
    assert_eq!(set.len(), members.len());
    assert!(members.iter().all(|member| set.contains(member)));
    check_form(set, &members);
    Some(members)
}

fn check_form(set: &Set, members: &BTreeSet<Vec<u8>>) {
    match set {
        Set::Ints(_) => {
            assert!(members.len() <= INTS as usize);
            assert!(members.iter().all(|member| parse_int(member).is_some()));
        }
        Set::Pack(_) => {
            assert!(members.len() <= PACK_ENTRIES as usize);
            assert!(members.iter().all(|member| member.len() <= PACK_VALUE as usize || parse_int(member).is_some()));
        }
        Set::Table(_) => {}
    }
}

fn combined(sets: &[BTreeSet<Vec<u8>>], how: usize) -> BTreeSet<Vec<u8>> {
    let (first, others) = sets.split_first().unwrap();
    others.iter().fold(first.clone(), |result, other| match how {
        0 => &result & other,
        1 => &result | other,
        _ => &result - other,
    })
}

fn shown(txn: &mut Txn<'_>, keys: &[Key<'_>], how: usize) -> BTreeSet<Vec<u8>> {
    let sources = set::sources(txn, 0, keys).unwrap();
    let mut members = BTreeSet::new();
    let mut note = |member: Str<'_>| assert!(members.insert(member.to_vec()), "a member is shown twice");
    match how {
        0 => sources.intersection(|member| {
            note(member);
            true
        }),
        1 => sources.union(note),
        _ => sources.difference(note),
    }
    members
}

fn run(packs: bool, seed: u64) {
    with_store(packs, |txn| {
        let (mut random, mut model) = (Random::new(seed), Model::new());
        let mut forms = [0; 3];
        for step in 0..6000 {
            let (name, other) = (KEYS[random.below(5)], KEYS[random.below(5)]);
            let (key, other_key) = (txn.store().key(name), txn.store().key(other));
            let dirty = txn.effects().dirty;
            let changes;
            match random.below(8) {
                0..=2 => {
                    let members: Vec<_> =
                        (0..=random.below(4) * random.below(5)).map(|_| member(&mut random)).collect();
                    let set = model.entry(name.to_vec()).or_default();
                    let before = set.len();
                    set.extend(members.iter().cloned());
                    changes = set.len() - before;
                    assert_eq!(add(txn, key, &members), changes);
                }
                3 => {
                    let members: Vec<_> = (0..=random.below(12)).map(|_| member(&mut random)).collect();
                    let removed = set::remove(txn, 0, key, members.iter().map(Vec::as_slice)).unwrap();
                    let set = model.entry(name.to_vec()).or_default();
                    changes = members.iter().filter(|member| set.remove(*member)).count();
                    assert_eq!(removed, changes);
                }
                4 => {
                    let member = member(&mut random);
                    let moved = set::move_member(txn, 0, key, other_key, &member).unwrap();
                    let there = model.get(name).is_some_and(|set| set.contains(&member));
                    assert_eq!(moved, there);
                    if there && name != other {
                        model.get_mut(name).unwrap().remove(&member);
                        changes = 1 + usize::from(model.entry(other.to_vec()).or_default().insert(member));
                    } else {
                        changes = 0;
                    }
                }
                5 => {
                    let count = random.below(15);
                    let set = model.entry(name.to_vec()).or_default();
                    changes = count.min(set.len());
                    let popped = set::pop_many(txn, 0, key, count, |member| {
                        assert!(set.remove(&member.to_vec()), "what is popped was a member");
                    });
                    assert_eq!(popped, Ok(changes));
                }
                6 => {
                    let popped = set::pop(txn, 0, key, |member| member.to_vec()).unwrap();
                    changes = usize::from(popped.is_some());
                    let set = model.entry(name.to_vec()).or_default();
                    assert_eq!(popped.is_none(), set.is_empty());
                    assert!(popped.is_none_or(|member| set.remove(&member)));
                }
                _ => {
                    let names: Vec<_> = (0..=random.below(4)).map(|_| KEYS[random.below(5)]).collect();
                    let keys: Vec<_> = names.iter().map(|name| txn.store().key(name)).collect();
                    let sets: Vec<_> = names.iter().map(|name| model.get(*name).cloned().unwrap_or_default()).collect();
                    let how = random.below(3);
                    let expected = combined(&sets, how);
                    assert_eq!(shown(txn, &keys, how), expected);
                    let store = [set::store_intersection, set::store_union, set::store_difference][how];
                    assert_eq!(store(txn, 0, key, &keys), Ok(expected.len()));
                    let existed = model.insert(name.to_vec(), expected).is_some_and(|set| !set.is_empty());
                    changes = usize::from(existed || !model[name].is_empty());
                }
            }
            assert_eq!(txn.effects().dirty - dirty, changes as u64, "step {step}");
            model.retain(|_, set| !set.is_empty());
            for name in [name, other] {
                let key = txn.store().key(name);
                assert_eq!(held(txn, key), model.get(name).cloned(), "step {step}");
                if let Some(set) = set::get(txn, 0, key).unwrap() {
                    forms[match set {
                        Set::Ints(_) => 0,
                        Set::Pack(_) => 1,
                        Set::Table(_) => 2,
                    }] += 1;
                }
            }
        }
        assert_eq!(forms.map(|times| times > 100), [true, packs, true], "{forms:?}");
    });
}

#[test]
fn sets_are_what_the_model_says() {
    run(true, 1);
}

#[test]
fn sets_without_listpacks_are_what_the_model_says() {
    run(false, 2);
}

// OBJECT ENCODING of Valkey 9.1.2 and Redis 7.0.15 with these limits.
#[test]
fn the_form_follows_what_a_command_brings() {
    let form = |packs: bool, commands: &[&str]| {
        let mut form = "";
        with_store(packs, |txn| {
            let key = txn.store().key(b"k");
            for command in commands {
                add(txn, key, &command.split(' ').map(|member| member.as_bytes().to_vec()).collect::<Vec<_>>());
            }
            form = match set::get(txn, 0, key).unwrap().unwrap() {
                Set::Ints(_) => "intset",
                Set::Pack(_) => "listpack",
                Set::Table(_) => "hashtable",
            };
        });
        form
    };
    let ten_times_a = "a a a a a a a a a a";
    for (commands, later, oldest) in [
        (&["1 2 3 4 5 6"][..], "intset", "intset"),
        (&["1 2 3 4 5 6", "7"], "hashtable", "hashtable"),
        (&["1 1 1 1 1 1 1"], "listpack", "intset"),
        (&["1", "1 1 1 1 1 1 1"], "hashtable", "intset"),
        (&["1 2", "a"], "listpack", "hashtable"),
        (&["a", "1 2 3 4 5 6 7 8 9"], "listpack", "hashtable"),
        (&["a", "1 2 3 4 5 6 7 8 9", "b"], "hashtable", "hashtable"),
        (&[ten_times_a], "listpack", "hashtable"),
        (&[ten_times_a, "a a a a a a a a a a a"], "hashtable", "hashtable"),
        (&["a a a a a a a a a a a"], "hashtable", "hashtable"),
        (&["12345678"], "intset", "intset"),
        (&["eightchr"], "listpack", "hashtable"),
        (&["ninechars"], "hashtable", "hashtable"),
        (&["123456789", "a"], "hashtable", "hashtable"),
    ] {
        assert_eq!((form(true, commands), form(false, commands)), (later, oldest), "{commands:?}");
    }
}

#[test]
fn combinations_of_large_sets_are_right() {
    with_store(true, |txn| {
        let mut random = Random::new(3);
        for round in 0..40 {
            let mut sets = Vec::new();
            let names: Vec<Vec<u8>> = (0..2 + random.below(12)).map(|number| vec![number as u8]).collect();
            let keys: Vec<_> = names.iter().map(|name| txn.store().key(name)).collect();
            for key in &keys {
                keyspace::delete(txn, 0, *key).unwrap();
                let most = if round % 2 == 0 { random.below(4) } else { 3 };
                let (len, range) = (1 + most * (100 + random.below(200)), 2 + random.below(1000));
                let members: Vec<_> = (0..len).map(|_| random.below(range).to_string().into_bytes()).collect();
                add(txn, *key, &members);
                sets.push(members.into_iter().collect::<BTreeSet<_>>());
            }
            for how in 0..3 {
                assert_eq!(shown(txn, &keys, how), combined(&sets, how));
            }
        }
    });
}

#[test]
fn an_intersection_ends_when_it_is_told() {
    with_store(true, |txn| {
        let key = txn.store().key(b"k");
        add(txn, key, &(0..100).map(|number: i32| number.to_string().into_bytes()).collect::<Vec<_>>());
        let mut seen = 0;
        set::sources(txn, 0, &[key, key]).unwrap().intersection(|_| {
            seen += 1;
            seen < 7
        });
        assert_eq!(seen, 7);
    });
}

#[test]
fn samples_are_fair_and_of_the_size_that_was_asked_for() {
    for text in [false, true] {
        for len in [5usize, 9, 40] {
            with_store(true, |txn| {
                let key = txn.store().key(b"k");
                let name = |number: usize| if text { format!("m{number}") } else { number.to_string() };
                add(txn, key, &(0..len).map(|number| name(number).into_bytes()).collect::<Vec<_>>());
                let (set, random) = set::get_to_sample(txn, 0, key).unwrap().unwrap();
                let mut times = BTreeMap::<Vec<u8>, usize>::new();
                for _ in 0..2000 {
                    let mut distinct = BTreeSet::new();
                    set.random_distinct(3, random, |member| assert!(distinct.insert(member.to_vec())));
                    assert_eq!(distinct.len(), 3);
                    let mut repeated = Vec::new();
                    set.random_repeated(3, random, |member| {
                        repeated.push(member.to_vec());
                        true
                    });
                    assert_eq!(repeated.len(), 3);
                    distinct.into_iter().chain(repeated).for_each(|member| *times.entry(member).or_default() += 1);
                }
                let expected = 12_000 / len;
                assert_eq!(times.len(), len);
                for (member, times) in times {
                    assert!(times.abs_diff(expected) < expected / 3, "{} {times}", member.escape_ascii());
                }
                let mut all = 0;
                set.random_distinct(len + 1, random, |_| all += 1);
                assert_eq!(all, len);
            });
        }
    }
}

#[test]
fn events_come_in_order() {
    with_store(true, |txn| {
        let (from, to) = (txn.store().key(b"from"), txn.store().key(b"to"));
        add(txn, from, &[b"1".to_vec()]);
        set::move_member(txn, 0, from, to, b"1").unwrap();
        set::pop_many(txn, 0, to, 9, |_| {}).unwrap();
        let events: Vec<_> = txn.effects().events.iter().map(|event| (event.name, &*event.key)).collect();
        let (from, to) = (&b"from"[..], &b"to"[..]);
        let expected = [
            ("new", from),
            ("sadd", from),
            ("srem", from),
            ("del", from),
            ("new", to),
            ("sadd", to),
            ("spop", to),
            ("del", to),
        ];
        assert_eq!(events, expected);
    });
}

#[test]
fn a_scan_shows_every_member() {
    with_store(true, |txn| {
        let key = txn.store().key(b"k");
        assert_eq!(set::scan(txn, 0, key, 0, 10, &mut |_| {}), Ok(None));
        for len in [3, 9, 1000] {
            add(txn, key, &(0..len).map(|number: i32| format!("m{number}").into_bytes()).collect::<Vec<_>>());
            let (mut cursor, mut seen, mut parts) = (0, BTreeSet::new(), 0);
            loop {
                cursor = set::scan(txn, 0, key, cursor, 10, &mut |member| {
                    seen.insert(member.to_vec());
                })
                .unwrap()
                .unwrap();
                parts += 1;
                if cursor == 0 {
                    break;
                }
            }
            assert_eq!(seen.len(), len as usize);
            assert_eq!(parts > 1, len > 9);
        }
    });
}
