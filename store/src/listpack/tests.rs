//! Listpacks against a plain `Vec`, and against the bytes that Redis writes.

use super::{BYTES_MAX, EMPTY_BYTES, Listpack, Pack, encoded_bytes};
use crate::raw::entry::Str;
use proptest::prelude::*;

/// Values and the listpack that Redis 7.0.15 made of them, cut from its DUMP payloads of lists and hashes. `a*9` stands
/// for nine times the letter, and `61*9` for nine times the byte.
const RECORDED: &str = include_str!("recorded.txt");

fn recorded() -> impl Iterator<Item = (Vec<Vec<u8>>, Vec<u8>)> {
    RECORDED.lines().map(|line| {
        let (values, bytes) = line.split_once(" = ").expect("a line has two sides");
        let values = values.split(' ').map(|value| match value.split_once('*') {
            Some((letter, times)) => letter.repeat(times.parse().expect("a number of times")).into_bytes(),
            None => value.as_bytes().to_vec(),
        });
        let bytes = bytes.split('_').flat_map(|piece| match piece.split_once('*') {
            Some((byte, times)) => hex(byte).repeat(times.parse().expect("a number of times")),
            None => hex(piece),
        });
        (values.collect(), bytes.collect())
    })
}

fn hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("two hexadecimal digits")).collect()
}

fn values(pack: Pack<'_>) -> Vec<Vec<u8>> {
    pack.iter().map(|value| value.to_vec()).collect()
}

fn of(values: &[&str]) -> Listpack {
    values.iter().map(|value| Str::Bytes(value.as_bytes())).collect()
}

#[test]
fn bytes_are_those_of_redis() {
    let mut lines = 0;
    for (wanted, bytes) in recorded() {
        let appended: Listpack = wanted.iter().map(|value| Str::Bytes(value)).collect();
        assert!(appended.bytes() == bytes, "{:?}", wanted.first());
        let mut prepended = Listpack::new();
        wanted.iter().rev().for_each(|value| prepended.prepend(Str::Bytes(value)));
        assert!(prepended.bytes() == bytes);
        let read = Listpack::from_bytes(&bytes).expect("what a server wrote is valid");
        assert_eq!(values(read.view()), wanted);
        let mut backwards: Vec<_> = read.view().iter().rev().map(|value| value.to_vec()).collect();
        backwards.reverse();
        assert_eq!(backwards, wanted);
        assert_eq!(encoded_bytes(Str::Bytes(&wanted[0])), bytes.len() - EMPTY_BYTES - tail_bytes(&wanted[1..]));
        lines += 1;
    }
    assert_eq!(lines, 23);
}

fn tail_bytes(values: &[Vec<u8>]) -> usize {
    values.iter().map(|value| encoded_bytes(Str::Bytes(value))).sum()
}

#[test]
fn positions_walk_both_ways() {
    let pack = of(&["a", "1", "bb", "-70000", "c"]);
    let view = pack.view();
    let mut position = view.first();
    let mut seen = Vec::new();
    while let Some(at) = position {
        seen.push(at);
        position = view.next(at);
    }
    assert_eq!(seen.len(), 5);
    for (index, &at) in seen.iter().enumerate() {
        assert_eq!(view.seek(index as i64), Some(at));
        assert_eq!(view.seek(index as i64 - 5), Some(at));
        assert_eq!(view.prev(at), index.checked_sub(1).map(|before| seen[before]));
        assert_eq!(values_from(view, at), values(view)[index..]);
        assert_eq!(view.iter_to(at).count(), index + 1);
    }
    assert_eq!((view.seek(5), view.seek(-6), view.seek(i64::MIN), view.seek(i64::MAX)), (None, None, None, None));
    assert_eq!(view.last(), seen.last().copied());
}

fn values_from(pack: Pack<'_>, at: super::Position) -> Vec<Vec<u8>> {
    pack.iter_from(at).map(|value| value.to_vec()).collect()
}

#[test]
fn find_looks_only_at_fields() {
    let pack = of(&["f", "v", "1", "f", "v", "2"]);
    let view = pack.view();
    let first = view.first().expect("not empty");
    assert_eq!(view.find(first, b"v", 1), view.seek(4));
    assert_eq!(view.find(first, b"v", 0), view.seek(1));
    assert_eq!(view.find(first, b"1", 1), view.seek(2));
    assert_eq!(view.find(first, b"01", 1), None);
    assert_eq!(view.find(first, b"2", 1), None);
    assert!(view.equals(view.seek(2).expect("an index inside"), b"1"));
    assert!(!view.equals(view.seek(2).expect("an index inside"), b"+1"));
}

/// Values of every encoding and next to their limits.
fn assorted() -> Vec<Vec<u8>> {
    let numbers =
        [0, 127, 128, -1, 4095, -4096, 4096, 32767, -32769, 1 << 22, 1 << 23, i64::from(i32::MIN), 1 << 31, i64::MIN];
    let texts = [0, 1, 5, 61, 62, 63, 64, 65, 126, 127, 128, 200, 4095, 4096, 17_000].map(|len| vec![b'x'; len]);
    let others = [b"y".to_vec(), b"01".to_vec(), b"-0".to_vec(), vec![b'y'; 63], vec![0xff; 3]];
    numbers.iter().map(|number: &i64| number.to_string().into_bytes()).chain(texts).chain(others).collect()
}

#[test]
fn find_keeps_step_where_lengths_change() {
    // Runs of one length, ended by others; of those above 63 the first byte does not tell the length.
    let lens =
        [5, 5, 5, 5, 6, 5, 5, 5, 5, 70, 5, 70, 5, 71, 5, 71, 5, 300, 5, 5, 5, 5, 17_000, 5, 17_001, 5, 5, 5, 0, 0, 0];
    let values: Vec<Vec<u8>> =
        lens.iter().enumerate().map(|(index, &len)| format!("{index:>len$}").into_bytes()[..len].to_vec()).collect();
    let numbers = ["1", "2", "300", "301", "302", "70000", "70001", "70002", "1", "5000000000", "5000000001", "12"];
    let values: Vec<&[u8]> =
        values.iter().map(Vec::as_slice).chain(numbers.iter().map(|text| text.as_bytes())).collect();
    let pack: Listpack = values.iter().map(|value| Str::Bytes(value)).chain([Str::Bytes(b"last")]).collect();
    let first = pack.view().first().expect("not empty");
    for sought in values.iter().copied().chain([&b"none"[..]]) {
        for skip in 0..3 {
            let place = values.iter().step_by(skip + 1).position(|value| *value == sought);
            let expected = place.and_then(|index| pack.view().seek((index * (skip + 1)) as i64));
            assert_eq!(pack.view().find(first, sought, skip), expected, "{} {skip}", sought.escape_ascii());
        }
    }
}

#[test]
fn find_finds_values_of_every_encoding() {
    let values = assorted();
    for sought in &values {
        for skip in 0..3 {
            // Once with it, and once without.
            for kept in [true, false] {
                let held: Vec<&[u8]> =
                    values.iter().filter(|value| kept || *value != sought).map(Vec::as_slice).collect();
                let pack: Listpack = held.iter().map(|value| Str::Bytes(value)).collect();
                let view = pack.view();
                let first = view.first().expect("not empty");
                let place = held.iter().step_by(skip + 1).position(|value| value == sought);
                let expected = place.and_then(|index| view.seek((index * (skip + 1)) as i64));
                assert_eq!(view.find(first, sought, skip), expected, "{} {skip}", sought.escape_ascii());
            }
        }
    }
}

#[test]
fn the_count_is_unknown_from_65535_on() {
    let mut pack = Listpack::new();
    (0..65_534).for_each(|_| pack.append(Str::Int(1)));
    assert_eq!((pack.bytes()[4..6].to_vec(), pack.len()), (vec![0xfe, 0xff], 65_534));
    pack.append(Str::Int(2));
    pack.prepend(Str::Int(3));
    assert_eq!((pack.bytes()[4..6].to_vec(), pack.len()), (vec![0xff, 0xff], 65_536));
    let view = pack.view();
    assert_eq!(view.seek(-1).map(|at| view.get(at)), Some(Str::Int(2)));
    assert_eq!(view.seek(-65_536).map(|at| view.get(at)), Some(Str::Int(3)));
    assert_eq!(view.seek(-65_537), None);
    assert!(Listpack::from_bytes(pack.bytes()).is_ok());
    let tail = pack.split_off(10);
    assert_eq!((pack.len(), tail.len()), (10, 65_526));
    pack.merge(tail);
    assert_eq!(pack.len(), 65_536);
}

#[test]
fn memory_follows_the_size_class() {
    let mut pack = Listpack::new();
    assert_eq!(pack.memory(), 16);
    (0..100).for_each(|_| pack.append(Str::Bytes(b"0123456789abcdef")));
    assert_eq!((pack.bytes().len(), pack.memory()), (1807, 2048));
    let head = pack.view().first().expect("not empty");
    pack.delete_from(head, 90);
    assert_eq!((pack.bytes().len(), pack.memory()), (187, 192));
    assert_eq!(pack.clone().memory(), 192);
}

#[test]
fn limits_are_known() {
    let pack = Listpack::new();
    assert!(pack.fits(1000));
    assert!(!pack.fits(BYTES_MAX));
    assert!(!pack.fits(usize::MAX));
}

#[test]
fn damage_is_named_with_its_offset() {
    let good = of(&["abc", "70000"]);
    let broken = |at: usize, byte: u8| {
        let mut bytes = good.bytes().to_vec();
        bytes[at] = byte;
        Listpack::from_bytes(&bytes).expect_err("broken bytes").offset
    };
    assert_eq!(good.bytes().len(), 17);
    assert_eq!(broken(0, 16), 0);
    assert_eq!(broken(4, 3), 4);
    assert_eq!(broken(6, 0xbf), 6);
    assert_eq!(broken(6, 0xf5), 6);
    assert_eq!(broken(10, 5), 6);
    assert_eq!(broken(11, 0xf4), 11);
    assert_eq!(broken(15, 0x81), 11);
    assert_eq!(broken(16, 0), 16);
    for len in 0..good.bytes().len() {
        assert!(Listpack::from_bytes(&good.bytes()[..len]).is_err());
    }
    let error = Listpack::from_bytes(&[]).expect_err("nothing");
    assert_eq!(error.to_string(), "corrupt listpack at byte 0: shorter than a header");
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<u8>),
    Prepend(Vec<u8>),
    Insert(usize, bool, Vec<u8>),
    Pair(usize, Vec<u8>, Vec<u8>),
    TakePair(usize),
    Replace(usize, Vec<u8>),
    Delete(usize),
    DeleteRange(i64, usize),
    SplitMerge(usize),
    SplitSwap(usize),
    Find(Vec<u8>, usize),
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        4 => (-5000i64..5000).prop_map(|number| number.to_string().into_bytes()),
        4 => proptest::collection::vec(any::<u8>(), 0..8),
        2 => proptest::collection::vec(any::<u8>(), 60..140),
        1 => (4000usize..4200).prop_map(|len| vec![b'x'; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => value().prop_map(Step::Append),
        4 => value().prop_map(Step::Prepend),
        2 => (any::<usize>(), any::<bool>(), value()).prop_map(|(at, after, value)| Step::Insert(at, after, value)),
        2 => (any::<usize>(), value(), value()).prop_map(|(at, first, second)| Step::Pair(at, first, second)),
        1 => any::<usize>().prop_map(Step::TakePair),
        2 => (any::<usize>(), value()).prop_map(|(at, value)| Step::Replace(at, value)),
        2 => any::<usize>().prop_map(Step::Delete),
        1 => (-20i64..20, 0usize..6).prop_map(|(start, count)| Step::DeleteRange(start, count)),
        1 => any::<usize>().prop_map(Step::SplitMerge),
        1 => any::<usize>().prop_map(Step::SplitSwap),
        1 => ((-3i64..3).prop_map(|number| number.to_string().into_bytes()), 0usize..2)
            .prop_map(|(value, skip)| Step::Find(value, skip)),
    ]
}

fn apply(pack: &mut Listpack, model: &mut Vec<Vec<u8>>, step: Step) {
    let at = |index: usize, model: &Vec<Vec<u8>>| (!model.is_empty()).then(|| index % model.len());
    let seek = |pack: &Listpack, index: usize| pack.view().seek(index as i64).expect("an index inside");
    match step {
        Step::Append(value) => {
            pack.append(Str::Bytes(&value));
            model.push(value);
        }
        Step::Prepend(value) => {
            pack.prepend(Str::Bytes(&value));
            model.insert(0, value);
        }
        Step::Insert(index, after, value) => {
            let Some(index) = at(index, model) else { return };
            let position = seek(pack, index);
            let new = if after {
                pack.insert_after(position, Str::Bytes(&value))
            } else {
                pack.insert_before(position, Str::Bytes(&value))
            };
            assert!(pack.view().equals(new, &value));
            model.insert(index + usize::from(after), value);
        }
        Step::Pair(index, first, second) => {
            // The entry behind the last one is none.
            let index = index % (model.len() + 1);
            let (a, b) = (Str::Bytes(&first), Str::Bytes(&second));
            match pack.view().seek(index as i64) {
                Some(position) => pack.insert_pair_before(position, a, b),
                None => pack.append_pair(a, b),
            }
            model.splice(index..index, [first, second]);
        }
        Step::TakePair(index) => {
            let index = index % (model.len() + 1);
            if index + 1 < model.len() {
                pack.take_pair(seek(pack, index));
                // It may keep its room until the next change.
                pack.shrink_to_fit();
                model.drain(index..index + 2);
            }
        }
        Step::Replace(index, value) => {
            let Some(index) = at(index, model) else { return };
            pack.replace(seek(pack, index), Str::Bytes(&value));
            model[index] = value;
        }
        Step::Delete(index) => {
            let Some(index) = at(index, model) else { return };
            let next = pack.delete(seek(pack, index));
            model.remove(index);
            assert_eq!(next.map(|at| pack.view().get(at).to_vec()), model.get(index).cloned());
        }
        Step::DeleteRange(start, count) => {
            pack.delete_range(start, count);
            let len = model.len() as i64;
            let first = if start < 0 { start + len } else { start };
            if (0..len).contains(&first) {
                let first = first as usize;
                model.drain(first..(first + count).min(len as usize));
            }
        }
        Step::SplitMerge(index) => {
            let tail = pack.split_off(index % (model.len() + 1));
            pack.merge(tail);
        }
        Step::SplitSwap(index) => {
            let index = index % (model.len() + 1);
            let mut tail = pack.split_off(index);
            let head = std::mem::take(pack);
            tail.merge(head);
            *pack = tail;
            model.rotate_left(index);
        }
        Step::Find(value, skip) => {
            let Some(first) = pack.view().first() else { return };
            let found = pack.view().find(first, &value, skip);
            let expected = model.iter().step_by(skip + 1).position(|other| *other == value);
            assert_eq!(found, expected.map(|index| seek(pack, index * (skip + 1))));
        }
    }
}

proptest! {
    #[test]
    fn behaves_like_a_vec(steps in proptest::collection::vec(step(), 1..60)) {
        let (mut pack, mut model) = (Listpack::new(), Vec::new());
        for step in steps {
            apply(&mut pack, &mut model, step);
            prop_assert_eq!(&values(pack.view()), &model);
            prop_assert_eq!(pack.len(), model.len());
            prop_assert!(Pack::from_bytes(pack.bytes()).is_ok());
            prop_assert!(pack.memory() <= 32 || pack.bytes().len() * 2 > pack.memory());
        }
    }

    #[test]
    fn any_bytes_are_read_or_rejected(
        base in proptest::collection::vec(value(), 0..6),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let pack: Listpack = base.iter().map(|value| Str::Bytes(value)).collect();
        let mut bytes = pack.bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(pack) = Pack::from_bytes(&bytes) {
            prop_assert_eq!(pack.iter().count(), pack.iter().rev().count());
            prop_assert_eq!(pack.len(), pack.iter().count());
        }
    }
}
