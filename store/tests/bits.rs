//! Bit operations, with the replies of a real server.

use ochre_store::bits::{self, BitOperation, BitRange, FieldAction, FieldOperation, Overflow, Unit};
use ochre_store::string::{self, SetOptions};
use ochre_store::sync::ShardSet;
use ochre_store::{Clock, Effects, Error, Options, Store, Txn, keyspace};

fn with_store(action: impl FnOnce(&mut Txn<'_>)) {
    let store = Store::new(Options { shards: 8, databases: 1, hash_seed: [4, 3, 2, 1] });
    let member = store.register();
    let mut effects = Effects::default();
    member.run(ShardSet::ALL, Clock { now_ms: 0 }, &mut effects, action);
}

fn set(txn: &mut Txn<'_>, name: &[u8], value: &[u8]) {
    string::set(txn, 0, txn.store().key(name), value, SetOptions::default()).unwrap();
}

fn value(txn: &mut Txn<'_>, name: &[u8]) -> Vec<u8> {
    string::get(txn, 0, txn.store().key(name)).unwrap().map_or(vec![], |value| value.to_vec())
}

#[test]
fn single_bits() {
    with_store(|txn| {
        let key = txn.store().key(b"k");
        assert_eq!(bits::set_bit(txn, 0, key, 7, true), Ok(false));
        assert_eq!(bits::set_bit(txn, 0, key, 7, false), Ok(true));
        assert_eq!(value(txn, b"k"), b"\0");
        assert_eq!(txn.effects().dirty, 2);
        assert_eq!(bits::set_bit(txn, 0, key, 7, false), Ok(false));
        assert_eq!(txn.effects().dirty, 2);
        assert_eq!(bits::set_bit(txn, 0, key, 100, true), Ok(false));
        assert_eq!(string::length(txn, 0, key), Ok(13));
        assert_eq!(bits::get_bit(txn, 0, key, 100), Ok(true));
        assert_eq!(bits::get_bit(txn, 0, key, u64::MAX), Ok(false));
        assert_eq!(bits::set_bit(txn, 0, key, 4 << 30, true), Err(Error::OutOfRange));
        // An integer is bits of its decimal form.
        set(txn, b"k", b"1");
        assert_eq!(bits::set_bit(txn, 0, key, 6, true), Ok(false));
        assert_eq!(value(txn, b"k"), b"3");
    });
}

#[test]
fn counts_and_positions() {
    with_store(|txn| {
        let key = txn.store().key(b"k");
        let range = |start, end, unit| Some(BitRange { start, end, unit });
        set(txn, b"k", b"foobar");
        assert_eq!(bits::count(txn, 0, key, None), Ok(26));
        assert_eq!(bits::count(txn, 0, key, range(1, Some(1), Unit::Byte)), Ok(6));
        assert_eq!(bits::count(txn, 0, key, range(5, Some(30), Unit::Bit)), Ok(17));
        assert_eq!(bits::count(txn, 0, key, range(-2, Some(-7), Unit::Byte)), Ok(0));
        set(txn, b"k", b"\xff\xf0\x00");
        assert_eq!(bits::position(txn, 0, key, false, None), Ok(Some(12)));
        set(txn, b"k", b"\x00\xff\xf0");
        assert_eq!(bits::position(txn, 0, key, true, range(0, None, Unit::Byte)), Ok(Some(8)));
        assert_eq!(bits::position(txn, 0, key, true, range(2, Some(-1), Unit::Byte)), Ok(Some(16)));
        assert_eq!(bits::position(txn, 0, key, true, range(7, Some(15), Unit::Bit)), Ok(Some(8)));
        set(txn, b"k", b"\xff\xff");
        assert_eq!(bits::position(txn, 0, key, false, None), Ok(Some(16)));
        assert_eq!(bits::position(txn, 0, key, false, range(0, Some(-1), Unit::Byte)), Ok(None));
        let missing = txn.store().key(b"missing");
        assert_eq!(bits::position(txn, 0, missing, true, None), Ok(None));
        assert_eq!(bits::position(txn, 0, missing, false, range(5, Some(9), Unit::Byte)), Ok(Some(0)));
    });
}

#[test]
fn operations_between_strings() {
    use BitOperation::{And, AndOr, Diff, Diff1, Not, One, Or, Xor};
    let sources: [&[u8]; 3] = [b"\xf0\x0f\xaa", b"\x3c\x3c", b"\x11\x22\x33\x44"];
    let expected = |operation, index: usize| {
        let [a, b, c] = sources.map(|source| source.get(index).copied().unwrap_or(0));
        match operation {
            And => a & b & c,
            Or => a | b | c,
            Xor => a ^ b ^ c,
            Not => !a,
            Diff => a & !(b | c),
            Diff1 => !a & (b | c),
            AndOr => a & (b | c),
            One => (a & !b & !c) | (b & !a & !c) | (c & !a & !b),
        }
    };
    for operation in [And, Or, Xor, Not, Diff, Diff1, AndOr, One] {
        with_store(|txn| {
            let names: [&[u8]; 3] = [b"a", b"b", b"c"];
            names.iter().zip(sources).for_each(|(name, source)| set(txn, name, source));
            let keys = names.map(|name| txn.store().key(name));
            let used = if operation == Not { &keys[..1] } else { &keys[..] };
            let destination = txn.store().key(b"a");
            let len = bits::operate(txn, 0, operation, destination, used).unwrap();
            assert_eq!(len, if operation == Not { 3 } else { 4 });
            let expected: Vec<u8> = (0..len).map(|index| expected(operation, index)).collect();
            assert_eq!(value(txn, b"a"), expected, "{operation:?}");
        });
    }
}

#[test]
fn an_empty_result_deletes_the_destination() {
    with_store(|txn| {
        set(txn, b"d", b"something");
        let (destination, missing) = (txn.store().key(b"d"), txn.store().key(b"missing"));
        assert_eq!(bits::operate(txn, 0, BitOperation::Or, destination, &[missing]), Ok(0));
        assert_eq!(keyspace::exists(txn, 0, destination), Ok(false));
    });
}

#[test]
fn the_last_field_may_reach_over_the_limit() {
    with_store(|txn| {
        let key = txn.store().key(b"k");
        txn.settings().proto_max_bulk_len.store(16, std::sync::atomic::Ordering::Relaxed);
        let mut set = |offset| {
            let (action, overflow) = (FieldAction::Set(-1), Overflow::Wrap);
            bits::field(txn, 0, key, &[FieldOperation { action, signed: true, width: 64, offset, overflow }])
        };
        assert_eq!((set(128), set(127)), (Err(Error::OutOfRange), Ok(vec![Some(0)])));
        assert_eq!(string::length(txn, 0, key), Ok(24));
    });
}

#[test]
fn fields_overflow_as_told() {
    with_store(|txn| {
        let key = txn.store().key(b"k");
        let mut run = |action, signed, width, offset, overflow| {
            let operation = FieldOperation { action, signed, width, offset, overflow };
            bits::field(txn, 0, key, &[operation]).map(|results| results[0])
        };
        use FieldAction::{Get, IncrBy, Set};
        assert_eq!(run(Set(-100), true, 8, 0, Overflow::Wrap), Ok(Some(0)));
        assert_eq!(run(Set(101), true, 8, 0, Overflow::Wrap), Ok(Some(-100)));
        assert_eq!(run(IncrBy(100), true, 8, 0, Overflow::Fail), Ok(None));
        assert_eq!(run(IncrBy(100), true, 8, 0, Overflow::Saturate), Ok(Some(127)));
        assert_eq!(run(IncrBy(1), true, 8, 0, Overflow::Wrap), Ok(Some(-128)));
        assert_eq!(run(Get, false, 8, 0, Overflow::Wrap), Ok(Some(128)));
        assert_eq!(run(Set(i64::MAX), true, 64, 3, Overflow::Wrap), Ok(Some(0)));
        assert_eq!(run(IncrBy(1), true, 64, 3, Overflow::Wrap), Ok(Some(i64::MIN)));
        assert_eq!(run(IncrBy(-1), false, 63, 100, Overflow::Wrap), Ok(Some(i64::MAX)));
        assert_eq!(run(IncrBy(-1), false, 8, 300, Overflow::Saturate), Ok(Some(0)));
        assert_eq!(run(Set(256), false, 8, 300, Overflow::Saturate), Ok(Some(0)));
        assert_eq!(run(Get, false, 8, 300, Overflow::Saturate), Ok(Some(255)));
        assert_eq!(run(Get, false, 64, 0, Overflow::Wrap), Err(Error::OutOfRange));
        assert_eq!(run(Set(1), true, 8, 4 << 30, Overflow::Wrap), Err(Error::OutOfRange));
    });
}
