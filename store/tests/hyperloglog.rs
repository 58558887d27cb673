//! HyperLogLogs, with the figures and bytes of Redis 7.0.15 (Valkey 9.1.2 gives the same ones).

use ochre_store::hyperloglog::{self, Opcode, REGISTERS, Representation};
use ochre_store::string::{self, SetOptions};
use ochre_store::sync::ShardSet;
use ochre_store::{Clock, Effects, Error, Event, EventClass, Key, Options, Store, Txn};
use proptest::prelude::*;
use std::sync::atomic::Ordering::Relaxed;

fn with_store<R>(action: impl FnOnce(&mut Txn<'_>) -> R) -> R {
    let store = Store::new(Options { shards: 8, databases: 1, hash_seed: [4, 3, 2, 1] });
    let member = store.register();
    let mut effects = Effects::default();
    effects.record_events = true;
    effects.record_touched = true;
    member.run(ShardSet::ALL, Clock { now_ms: 0 }, &mut effects, action)
}

fn key<'t>(txn: &Txn<'t>, name: &'t [u8]) -> Key<'t> {
    txn.store().key(name)
}

fn value(txn: &mut Txn<'_>, key: Key<'_>) -> Vec<u8> {
    string::get(txn, 0, key).unwrap().map_or(vec![], |value| value.to_vec())
}

fn set(txn: &mut Txn<'_>, key: Key<'_>, value: &[u8]) {
    string::set(txn, 0, key, value, SetOptions::default()).unwrap();
}

fn add_texts(txn: &mut Txn<'_>, key: Key<'_>, texts: impl Iterator<Item = String>) {
    let texts: Vec<String> = texts.collect();
    hyperloglog::add(txn, 0, key, texts.iter().map(String::as_bytes)).unwrap();
}

/// FNV-1a, 64 bits.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[test]
fn figures_and_bytes_are_those_of_redis() {
    // Number of elements, what PFCOUNT replies, length and digest of the value after that.
    let recorded = [
        (0, 0, 18, 0xfd8f_436a_8f6e_62f9),
        (1, 1, 21, 0xee0d_c2da_ee40_50ac),
        (10, 10, 48, 0x911d_3109_64eb_aba7),
        (100, 99, 285, 0x033e_4e4e_6be9_ec79),
        (500, 502, 1050, 0xc9dc_690d_7dab_3bbd),
        (1000, 997, 1897, 0xb2a2_cc50_8fc5_ee31),
        (1500, 1500, 2722, 0xac1c_3b14_4623_00f7),
        (2000, 2004, 12304, 0x6f04_93b0_7f19_385c),
        (10_000, 10_017, 12304, 0x3feb_9def_f73f_099f),
        (100_000, 100_039, 12304, 0xf9c0_1647_cea5_9fdd),
    ];
    for (elements, cardinality, len, bytes) in recorded {
        with_store(|txn| {
            let key = key(txn, b"k");
            add_texts(txn, key, std::iter::empty());
            for start in (0..elements).step_by(700) {
                add_texts(txn, key, (start..elements.min(start + 700)).map(|number| format!("element:{number}")));
            }
            assert_eq!(hyperloglog::count(txn, 0, key), Ok(cardinality), "{elements}");
            let value = value(txn, key);
            assert_eq!((value.len(), digest(&value)), (len, bytes), "{elements}");
        });
    }
}

#[test]
fn elements_of_every_length_are_hashed_as_redis_does() {
    with_store(|txn| {
        let key = key(txn, b"k");
        let elements: Vec<Vec<u8>> = (0..41).map(|len| (0..len).map(|at| (7 * len + at) as u8).collect()).collect();
        hyperloglog::add(txn, 0, key, elements.iter().map(Vec::as_slice)).unwrap();
        assert_eq!(digest(&value(txn, key)), 0x9823_9694_4f54_5597);
        assert_eq!(hyperloglog::count(txn, 0, key), Ok(41));
    });
}

#[test]
fn unions_and_merges_are_those_of_redis() {
    with_store(|txn| {
        let [a, b, d, e] = [b"a", b"b", b"d", b"e"].map(|name| key(txn, name));
        add_texts(txn, a, (0..300).map(|number| format!("a{number}")));
        add_texts(txn, b, (0..300).map(|number| format!("b{number}")));
        add_texts(txn, d, (0..5000).map(|number| format!("d{number}")));
        let missing = key(txn, b"missing");
        assert_eq!(hyperloglog::count_union(txn, 0, &[a, b]), Ok(603));
        assert_eq!(hyperloglog::count_union(txn, 0, &[a, d, missing]), Ok(5325));
        hyperloglog::merge(txn, 0, e, &[a, b]).unwrap();
        let merged = value(txn, e);
        assert_eq!((merged.len(), digest(&merged)), (1218, 0x4eb3_d941_9ba0_c43f));
        hyperloglog::merge(txn, 0, e, &[d]).unwrap();
        let merged = value(txn, e);
        assert_eq!((merged.len(), digest(&merged)), (12304, 0x3b24_f4d6_1814_0e10));
        assert_eq!(hyperloglog::count(txn, 0, e), Ok(5642));
    });
}

#[test]
fn a_value_can_be_inspected_and_made_dense() {
    with_store(|txn| {
        let key = key(txn, b"k");
        assert_eq!(hyperloglog::representation(txn, 0, key), Ok(None));
        assert_eq!(hyperloglog::to_dense(txn, 0, key), Ok(None));
        assert_eq!(hyperloglog::registers(txn, 0, key), Ok(None));
        hyperloglog::add(txn, 0, key, [b"a".as_slice(), b"b", b"c"]).unwrap();
        let sparse = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x60\xf3\x80\x50\xb1\x84\x4b\xfb\x80\x42\x5a";
        assert_eq!(value(txn, key), sparse);
        let run = |value, len| Opcode::Values { value, len };
        let zeros = Opcode::WideZeros;
        let opcodes = vec![zeros(8436), run(1, 1), zeros(4274), run(2, 1), zeros(3068), run(1, 1), zeros(603)];
        assert_eq!(hyperloglog::opcodes(txn, 0, key), Ok(opcodes));
        assert_eq!(hyperloglog::count(txn, 0, key), Ok(3));
        let registers = hyperloglog::registers(txn, 0, key).unwrap().unwrap();
        assert_eq!(registers.len(), REGISTERS);
        assert_eq!((registers[8436], registers[12711], registers[15780]), (1, 2, 1));
        assert_eq!(registers.iter().map(|number| u32::from(*number)).sum::<u32>(), 4);
        assert_eq!(hyperloglog::to_dense(txn, 0, key), Ok(Some(true)));
        assert_eq!(digest(&value(txn, key)), 0x327c_2ab0_d401_1321);
        assert_eq!(hyperloglog::to_dense(txn, 0, key), Ok(Some(false)));
        assert_eq!(hyperloglog::representation(txn, 0, key), Ok(Some(Representation::Dense)));
        assert_eq!(hyperloglog::opcodes(txn, 0, key), Ok(vec![]));
        assert_eq!(hyperloglog::registers(txn, 0, key), Ok(Some(registers)));
    });
}

#[test]
fn changes_are_counted_and_announced() {
    with_store(|txn| {
        let key = key(txn, b"k");
        let event = |class, name| Event { class, name, db: 0, key: b"k".as_slice().into() };
        // A new key is a change, and so is each register raised.
        assert_eq!(hyperloglog::add(txn, 0, key, [b"a".as_slice(), b"b", b"a"]), Ok(true));
        assert_eq!(txn.effects().dirty, 3);
        let events = [event(EventClass::New, "new"), event(EventClass::String, "pfadd")];
        assert_eq!(txn.effects().events, events);
        assert_eq!(hyperloglog::add(txn, 0, key, [b"a".as_slice()]), Ok(false));
        assert_eq!(txn.effects().dirty, 3);
        // So is filling the cache, silently.
        for _ in 0..2 {
            assert_eq!(hyperloglog::count(txn, 0, key), Ok(2));
        }
        assert_eq!((txn.effects().dirty, txn.effects().events.len()), (4, 2));
        hyperloglog::merge(txn, 0, key, &[]).unwrap();
        assert_eq!((txn.effects().dirty, txn.effects().events.len()), (5, 3));
        assert_eq!(txn.effects().touched.len(), 3);
        hyperloglog::to_dense(txn, 0, key).unwrap();
        assert_eq!(txn.effects().dirty, 6);
    });
}

#[test]
fn the_limit_of_the_sparse_form_is_kept() {
    with_store(|txn| {
        let key = key(txn, b"k");
        txn.settings().hll_sparse_max_bytes.store(21, Relaxed);
        hyperloglog::add(txn, 0, key, [b"a".as_slice()]).unwrap();
        assert_eq!(string::length(txn, 0, key), Ok(21));
        hyperloglog::add(txn, 0, key, [b"b".as_slice()]).unwrap();
        assert_eq!(string::length(txn, 0, key), Ok(12304));
    });
}

#[test]
fn what_is_no_valid_value_is_refused() {
    let header = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80".as_slice();
    let other = Error::NotHyperLogLog;
    let corrupt = Error::CorruptHyperLogLog;
    let cases = [
        (b"12".to_vec(), other),
        (b"foo".to_vec(), other),
        (header[..15].to_vec(), other),
        (b"HYLL\x02\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff".to_vec(), other),
        (b"HYLL\0\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff".to_vec(), other),
        (header.to_vec(), corrupt),
        ([header, b"\x7f"].concat(), corrupt),
        ([header, b"\x7f\xfe"].concat(), corrupt),
    ];
    with_store(|txn| {
        let [k, target] = [b"k".as_slice(), b"target"].map(|name| key(txn, name));
        for (bytes, error) in cases {
            set(txn, k, &bytes);
            assert_eq!(hyperloglog::count(txn, 0, k), Err(error), "{bytes:?}");
            assert_eq!(hyperloglog::count_union(txn, 0, &[target, k]), Err(error), "{bytes:?}");
            assert_eq!(hyperloglog::merge(txn, 0, target, &[k]), Err(error), "{bytes:?}");
            assert_eq!(hyperloglog::merge(txn, 0, k, &[target]), Err(error), "{bytes:?}");
            assert_eq!(hyperloglog::to_dense(txn, 0, k), Err(error), "{bytes:?}");
            if bytes.len() < 18 || error == other {
                assert_eq!(hyperloglog::add(txn, 0, k, [b"x".as_slice()]), Err(error), "{bytes:?}");
            }
            assert_eq!(value(txn, k), bytes);
        }
        assert_eq!(string::get(txn, 0, target), Ok(None));
        // Registers that no element leads to: the estimate is beyond all numbers, and never counts as cached.
        set(txn, k, &[&b"HYLL\0\0\0\0\0\0\0\0\0\0\0\x80"[..], &[0xff; 12288]].concat());
        for _ in 0..2 {
            assert_eq!(hyperloglog::count(txn, 0, k), Ok(1 << 63));
        }
    });
}

#[test]
fn the_self_test_passes() {
    assert_eq!(hyperloglog::self_test(1, 3000), Ok(()));
    assert_eq!(hyperloglog::self_test(2, 0), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Both representations hold the same registers, whatever is added in whatever portions.
    #[test]
    fn sparse_and_dense_agree(portions in prop::collection::vec(prop::collection::vec(0u16..4000, 0..60), 1..40)) {
        with_store(|txn| {
            let [a, b] = [b"a", b"b"].map(|name| key(txn, name));
            add_texts(txn, b, std::iter::empty());
            hyperloglog::to_dense(txn, 0, b).unwrap();
            for portion in &portions {
                for key in [a, b] {
                    add_texts(txn, key, portion.iter().map(u16::to_string));
                }
                assert_eq!(hyperloglog::count(txn, 0, a), hyperloglog::count(txn, 0, b));
            }
            assert_eq!(hyperloglog::registers(txn, 0, a), hyperloglog::registers(txn, 0, b));
            assert_eq!(hyperloglog::representation(txn, 0, b), Ok(Some(Representation::Dense)));
            // Merging raises registers in ascending order, adding in any: the pieces may differ, what they tell must not.
            let merged = key(txn, b"merged");
            hyperloglog::merge(txn, 0, merged, &[a]).unwrap();
            assert_eq!(hyperloglog::registers(txn, 0, merged), hyperloglog::registers(txn, 0, a));
        });
    }

    /// Any bytes behind a header are worked on or refused.
    #[test]
    fn no_value_breaks_an_operation(runs in prop::collection::vec(any::<u8>(), 0..200), elements in 0u16..100) {
        with_store(|txn| {
            let [k, target] = [b"k".as_slice(), b"target"].map(|name| key(txn, name));
            for operation in 0..6 {
                set(txn, k, &[&b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80"[..], &runs].concat());
                let texts: Vec<String> = (0..elements).map(|number| number.to_string()).collect();
                let elements = texts.iter().map(String::as_bytes);
                let _refused = match operation {
                    0 => hyperloglog::add(txn, 0, k, elements).is_err(),
                    1 => hyperloglog::count(txn, 0, k).is_err(),
                    2 => hyperloglog::count_union(txn, 0, &[k, target]).is_err(),
                    3 => hyperloglog::merge(txn, 0, target, &[k]).is_err(),
                    4 => hyperloglog::opcodes(txn, 0, k).is_err(),
                    _ => hyperloglog::to_dense(txn, 0, k).is_err(),
                };
            }
        });
    }
}
