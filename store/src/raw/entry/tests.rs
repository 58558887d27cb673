//! Every form of an entry.

use super::*;
use crate::raw::deadline::EPOCH_MS;
use std::sync::atomic::Ordering::Relaxed;

#[test]
fn a_mark_changes_nothing_else() {
    let deadlines = (0..60).map(|bits| Some(1i64 << bits)).chain([None, Some(-5)]);
    for (deadline, key_len) in deadlines.flat_map(|deadline| [1, 17, 255, 256, 700].map(|len| (deadline, len))) {
        for value_len in [0, 5, 191, 192, 193, 5000] {
            let (key, value) = (vec![b'k'; key_len], vec![b'v'; value_len]);
            let mut entry = Entry::new(&key, Contents::Bytes(&value, Encoding::Raw), deadline, 7);
            let before = (entry.memory(), entry.access());
            for mark in [true, false, true, true] {
                entry.set_mark(mark);
                assert_eq!((entry.mark(), entry.deadline(), entry.key()), (mark, deadline, &key[..]));
                assert_eq!(entry.string(), Ok(Str::Bytes(&value)));
                assert_eq!((entry.memory(), entry.access()), before);
            }
            entry.try_set_deadline(None);
            entry.try_set_int(1);
            assert!(entry.mark());
        }
    }
}

#[test]
fn size_classes_are_those_of_jemalloc() {
    let classes: Vec<usize> = [1, 16, 17, 48, 49, 128, 129, 160, 161, 257, 320, 321, 513, 1025].map(size_class).into();
    assert_eq!(classes, [16, 16, 32, 48, 64, 128, 160, 160, 192, 320, 320, 384, 640, 1280]);
}

#[test]
fn every_combination_of_parts_reads_back() {
    for key_len in [0usize, 1, 16, 255, 256, 5000] {
        let key = vec![b'k'; key_len];
        for deadline in [None, Some(0), Some(1_700_000_000_000)] {
            for value_len in [0usize, 1, 44, 192, 193, 100_000] {
                let value = vec![b'v'; value_len];
                let entry = Entry::new(&key, Contents::Bytes(&value, Encoding::Raw), deadline, 0xabcdef);
                assert_eq!(entry.key(), key);
                assert_eq!(entry.deadline(), deadline);
                assert_eq!(entry.access(), 0xabcdef);
                assert_eq!(entry.string().expect("a string"), Str::Bytes(&value));
            }
            let entry = Entry::new(&key, Contents::Int(-7), deadline, 1);
            assert_eq!(
                (entry.key(), entry.string().expect("a string"), entry.deadline()),
                (&key[..], Str::Int(-7), deadline)
            );
        }
    }
}

/// Deadlines at the limits of the short form and far from it. The epoch depends on which test came first.
fn deadlines() -> (i64, Vec<i64>) {
    Deadline::of(1_700_000_000_000);
    let epoch_ms = EPOCH_MS.load(Relaxed);
    let at = |era: i64, ms: i64| epoch_ms.saturating_add((era << 32) + ms);
    let near = [at(0, 0), at(0, 1), at(1, -1), at(1, 0), at(7, 5), at(14, -1)];
    (epoch_ms, near.into_iter().chain([at(0, -1), at(14, 0), i64::MIN + 1, -1, 0, i64::MAX]).collect())
}

#[test]
fn a_deadline_takes_four_bytes_if_it_is_near_and_eight_if_not() {
    let (epoch_ms, deadlines) = deadlines();
    for deadline in deadlines {
        let entry = Entry::new(&[b'k'; 16], Contents::Bytes(&[b'v'; 100], Encoding::Raw), Some(deadline), 0);
        let near = (0..14 << 32).contains(&(i128::from(deadline) - i128::from(epoch_ms)));
        assert_eq!((entry.deadline(), entry.memory()), (Some(deadline), if near { 128 } else { 160 }));
    }
}

#[test]
fn deadlines_change_in_place_while_they_fit_and_elsewhere_if_not() {
    let (_, deadlines) = deadlines();
    let all: Vec<Option<i64>> = deadlines.into_iter().map(Some).chain([None]).collect();
    let contents: [fn() -> Contents<'static>; 4] = [
        || Contents::Int(-7),
        || Contents::Bytes(b"short", Encoding::Embstr),
        || Contents::Buffer(vec![b'v'; 300], Encoding::Raw),
        || Contents::Value(Value::Set(crate::set::Set::Ints((0..9).collect()))),
    ];
    for (key, make) in [&b"key"[..], &[b'k'; 300]].iter().flat_map(|key| contents.iter().map(move |make| (*key, make)))
    {
        for &from in &all {
            all.iter().for_each(|&to| changes_deadline(Entry::new(key, make(), from, 5), to));
        }
    }
}

fn changes_deadline(mut entry: Entry, to: Option<i64>) {
    let shown = |entry: &Entry| format!("{:?} {:?}", entry.key(), entry.value());
    let (from, before, has_room) = (entry.deadline(), shown(&entry), entry.has_room_for(to));
    is_marked_without_other_change(&mut entry);
    assert_eq!(entry.try_set_deadline(to), has_room);
    if !has_room {
        assert_eq!(entry.deadline(), from);
        entry = entry.with_deadline(to);
    }
    assert_eq!((entry.deadline(), shown(&entry)), (to, before));
    // Where a deadline was taken away, there is room for the same one again.
    if to.is_none() {
        assert_eq!((entry.try_set_deadline(from), entry.deadline()), (true, from));
    }
}

fn is_marked_without_other_change(entry: &mut Entry) {
    let shown = |entry: &Entry| format!("{:?} {:?} {}", entry.key(), entry.value(), entry.memory());
    let (deadline, before) = (entry.deadline(), shown(entry));
    for mark in [false, true, false, true] {
        assert_eq!((entry.deadline(), shown(entry)), (deadline, before.clone()));
        entry.set_mark(mark);
        assert_eq!(entry.mark(), mark);
    }
    assert_eq!((entry.deadline(), shown(entry)), (deadline, before));
}

#[test]
fn a_small_value_needs_nine_bytes_beside_its_own() {
    let pack: crate::listpack::Listpack = [Str::Bytes(b"field"), Str::Int(7)].into_iter().collect();
    let contents = Contents::Value(Value::Hash(crate::hash::Hash::Pack(pack)));
    let entry = Entry::new(&[b'k'; 15], contents, None, 0);
    assert_eq!(entry.memory(), 32 + 32);
}

#[test]
fn a_small_pair_takes_the_48_byte_class() {
    let entry = Entry::new(&[b'k'; 16], Contents::Bytes(&[b'v'; 16], Encoding::Embstr), None, 0);
    assert_eq!(entry.memory(), 48);
}

#[test]
fn values_are_replaced_in_place_while_they_fit() {
    let mut entry = Entry::new(b"key", Contents::Bytes(b"0123456789", Encoding::Embstr), Some(5), 0);
    assert!(entry.try_set_int(i64::MIN));
    assert_eq!(entry.string().expect("a string"), Str::Int(i64::MIN));
    assert!(entry.try_set_bytes(b"abc", Encoding::Embstr));
    assert_eq!(entry.string().expect("a string"), Str::Bytes(b"abc"));
    assert!(entry.try_edit_embedded(5, &mut |bytes| bytes[4] = b'!'));
    assert_eq!(entry.string().expect("a string"), Str::Bytes(b"abc\0!"));
    assert_eq!(entry.encoding(), Encoding::Raw);
    assert!(!entry.try_set_bytes(&[0; 100], Encoding::Raw));
    assert!(entry.try_set_deadline(None));
    assert_eq!((entry.deadline(), entry.key()), (None, &b"key"[..]));
}

#[test]
fn a_buffer_can_be_edited_and_taken() {
    let mut entry = Entry::new(b"key", Contents::Buffer(b"long".to_vec(), Encoding::Raw), None, 0);
    assert!(entry.try_edit_buffer(Encoding::Raw, &mut |buffer| buffer.extend_from_slice(b"er")));
    assert_eq!(entry.string().expect("a string"), Str::Bytes(b"longer"));
    assert_eq!(entry.take_buffer(), b"longer");
    assert_eq!(entry.string().expect("a string"), Str::Bytes(b""));
}

#[test]
fn values_of_every_type_stand_in_entries() {
    use crate::hash::Hash;
    use crate::listpack::Listpack;
    use crate::set::Set;
    let pack: Listpack = [Str::Bytes(b"field"), Str::Int(7)].into_iter().collect();
    for key_len in [3, 300] {
        let key = vec![b'k'; key_len];
        for deadline in [None, Some(99)] {
            let contents = Contents::Value(Value::Hash(Hash::Pack(pack.clone())));
            let mut entry = Entry::new(&key, contents, deadline, 5);
            assert_eq!((entry.kind(), entry.encoding()), (Type::Hash, Encoding::Listpack));
            assert_eq!((entry.key(), entry.deadline(), entry.access()), (&key[..], deadline, 5));
            assert_eq!(entry.string(), Err(Error::WrongType));
            assert!(entry.get::<Set>().is_none());
            assert!(matches!(entry.get::<Hash>(), Some(Hash::Pack(held)) if *held == pack));
            assert!(!entry.try_set_int(1) && !entry.try_set_bytes(b"x", Encoding::Embstr));
            let copy = entry.copied(b"copy", 6);
            let moved = entry.with_deadline(Some(100));
            drop(entry);
            for (other, name) in [(copy, &b"copy"[..]), (moved.rekeyed(b"new"), b"new")] {
                assert_eq!(other.key(), name);
                assert!(matches!(other.get::<Hash>(), Some(Hash::Pack(held)) if *held == pack));
            }
        }
    }
    let mut entry = Entry::new(b"key", Contents::Value(Value::Set(Set::Ints((0..9).collect()))), None, 0);
    if let Some(Set::Ints(ints)) = entry.get_mut::<Set>() {
        ints.insert(1 << 40);
    }
    assert!(matches!(entry.take_value(), Some(Value::Set(Set::Ints(ints))) if ints.len() == 10));
    assert_eq!((entry.kind(), entry.string()), (Type::String, Ok(Str::Bytes(b""))));
    assert!(entry.take_value().is_none());
}
