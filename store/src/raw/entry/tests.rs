//! Every form of an entry.

use super::*;
use crate::hash::Hash;
use crate::listpack::Listpack;
use crate::raw::deadline::EPOCH_MS;
use proptest::prelude::*;
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
    let contents: [fn() -> Contents<'static>; 5] = [
        || Contents::Int(-7),
        || Contents::Bytes(b"short", Encoding::Embstr),
        || Contents::Buffer(vec![b'v'; 300], Encoding::Raw),
        || Contents::Value(Value::Set(crate::set::Set::Ints((0..9).collect()))),
        || Contents::Value(hash_of(40)),
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

/// A hash of one field, whose listpack has `bytes` bytes.
fn hash_of(bytes: usize) -> Value {
    let mut name = vec![b'f'; bytes.saturating_sub(10)];
    loop {
        let pack: Listpack = [Str::Bytes(&name), Str::Int(7)].into_iter().collect();
        if pack.bytes().len() <= bytes {
            assert_eq!(pack.bytes().len(), bytes);
            return Value::Hash(Hash::Pack(pack));
        }
        name.pop();
    }
}

#[test]
fn a_small_value_lies_in_its_entry_where_that_takes_less_memory() {
    let lens = (12..70).chain([100, 220, 480, 486, 487, 700, 850, 880, 1000, 3000]);
    for (bytes, key_len) in lens.flat_map(|bytes| [0, 1, 14, 15, 100, 255, 256, 300].map(|len| (bytes, len))) {
        let entry = Entry::new(&vec![b'k'; key_len], Contents::Value(hash_of(bytes)), None, 0);
        let long = if key_len > 255 { 16 } else { 0 };
        let apart = size_class(HEADER_BYTES + long + key_len + SLOT_BYTES) + size_class(3 + bytes);
        let folded = size_class(HEADER_BYTES + key_len + 4 + bytes);
        let is_folded = folded < apart && folded < 1024 && long == 0;
        assert_eq!((entry.memory(), entry.is_folded()), (if is_folded { folded } else { apart }, is_folded));
        assert!(entry.is_settled::<Hash>());
    }
    for (bytes, folded) in [(7, None), (97, Some(128)), (486, Some(512)), (900, None), (5000, None)] {
        for kind in [Type::Hash, Type::SortedSet] {
            let mut entry = Entry::new(&[b'k'; 14], Contents::Pack(kind, bytes), None, 0);
            assert_eq!((entry.kind(), entry.encoding(), entry.value().len()), (kind, Encoding::Listpack, 0));
            let memory = folded.unwrap_or(32 + size_class(bytes + 3));
            assert_eq!((entry.is_folded(), entry.memory()), (folded.is_some(), memory));
            if let Some(Hash::Pack(pack)) = entry.get_mut() {
                pack.append(Str::Bytes(&vec![b'x'; bytes.saturating_sub(12)]));
                // Nearly all of it is used.
                pack.shrink_to_fit();
            }
            assert_eq!((entry.is_folded(), entry.memory()), (folded.is_some(), memory));
        }
    }
    // Twenty members of ten bytes with their scores, under a key of fourteen bytes.
    let entry = Entry::new(&[b'k'; 14], Contents::Value(hash_of(486)), None, 0);
    assert_eq!((entry.memory(), entry.is_folded()), (512, true));
}

/// The fields of a hash that is a listpack.
fn fields_of(entry: &Entry) -> Vec<Vec<u8>> {
    match entry.get::<Hash>() {
        Some(Hash::Pack(pack)) => pack.view().iter().map(|value| value.to_vec()).collect(),
        _ => panic!("a hash"),
    }
}

proptest! {
    #[test]
    fn a_folded_value_behaves_like_any_other(
        key in proptest::collection::vec(any::<u8>(), 0..280),
        steps in proptest::collection::vec((0usize..16, any::<usize>(), proptest::collection::vec(any::<u8>(), 0..120)), 0..60),
    ) {
        let mut key = key;
        let mut model: Vec<Vec<u8>> = Vec::new();
        let mut deadline = None;
        let mut entry = Entry::new(&key, Contents::Value(Value::Hash(Hash::Pack(Listpack::new()))), deadline, 3);
        for (kind, number, bytes) in steps {
            let at = number % model.len().max(1);
            if let Some(Hash::Pack(pack)) = entry.get_mut::<Hash>() {
                let position = pack.view().seek(at as i64);
                match (kind, position) {
                    (0..3, _) => {
                        pack.append(Str::Bytes(&bytes));
                        model.push(bytes.clone());
                    }
                    (3..5, _) => {
                        pack.prepend(Str::Bytes(&bytes));
                        model.insert(0, bytes.clone());
                    }
                    (5, Some(position)) => {
                        pack.replace(position, Str::Bytes(&bytes));
                        model[at] = bytes.clone();
                    }
                    (6 | 7, Some(position)) => {
                        pack.delete_from(position, 1 + number % 3);
                        model.drain(at..model.len().min(at + 1 + number % 3));
                    }
                    (8, _) => pack.shrink_to_fit(),
                    _ => {}
                }
            }
            match kind {
                9 => {
                    deadline = [None, Some(number as i64), Some(7)][number % 3];
                    entry = entry.with_deadline(deadline);
                }
                10 => {
                    key = bytes;
                    entry = entry.rekeyed(&key);
                }
                11 => entry = entry.copied(&key, 3),
                12 => {
                    let value = entry.take_value().map(Contents::Value).expect("a hash");
                    prop_assert_eq!((entry.is_folded(), entry.string()), (false, Ok(Str::Bytes(b""))));
                    entry = Entry::new(&key, value, deadline, 3);
                }
                13 => is_marked_without_other_change(&mut entry),
                14 => {
                    let value = entry.value().duplicate();
                    *entry.get_mut::<Hash>().expect("a hash") = Hash::Pack(Listpack::new());
                    let Some(Value::Hash(value)) = value else { panic!("a hash") };
                    *entry.get_mut::<Hash>().expect("a hash") = value;
                }
                _ => {}
            }
            if !entry.is_settled::<Hash>() && number % 4 > 0 {
                let before = entry.memory();
                entry = entry.settled();
                prop_assert!(entry.is_settled::<Hash>() && entry.memory() < before);
            }
            prop_assert_eq!(fields_of(&entry), &model[..]);
            prop_assert_eq!((entry.key(), entry.deadline(), entry.access()), (&key[..], deadline, 3));
        }
    }
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
