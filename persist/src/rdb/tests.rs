//! Payloads of real servers, and damage.

use super::*;
use crate::dump::{self, Settings, Verify};
use ochre_store::keyspace::{self, NewValue, RestoreOptions};
use ochre_store::sync::ShardSet;
use ochre_store::{Clock, Effects, Options, Store, Str, Txn, ValueRef};
use proptest::prelude::*;
use std::sync::Arc;

fn store() -> Arc<Store> {
    Store::new(Options { shards: 1, databases: 1, hash_seed: [1, 2, 3, 4] })
}

fn read(payload: &[u8]) -> Result<NewValue, String> {
    dump::read(payload, &store(), Verify::Version).map_err(|error| error.to_string())
}

/// A payload of a value's type and bytes.
fn payload(code: u8, value: &[u8]) -> Vec<u8> {
    [&[code], value, &[10, 0], &[0; 8]].concat()
}

fn text(value: Str<'_>) -> String {
    String::from_utf8_lossy(&value.to_vec()).into_owned()
}

/// Everything in a value, in the order in which it shows.
fn shown(value: &NewValue) -> Vec<String> {
    let mut all = Vec::new();
    match value.view() {
        ValueRef::String(string) => all.push(text(string)),
        ValueRef::List(list) => {
            list.cursor(0, ochre_store::list::End::Tail).visit(list.len(), |element| all.push(text(element)));
        }
        ValueRef::Set(set) => set.for_each(|member| all.push(text(member))),
        ValueRef::SortedSet(set) => set.for_each(&mut |member, score| all.push(format!("{}={score}", text(member)))),
        ValueRef::Hash(hash) => hash.for_each(|name, value| all.push(format!("{}={}", text(name), text(value)))),
        ValueRef::Stream(stream) => all.push(format!("{} entries", stream.len())),
    }
    all
}

// Recorded from DUMP of Redis 7.0.15.
#[test]
fn a_footer_of_redis_is_right() {
    let payload = b"\x00\x05hello\x0a\x00";
    let checksum = crate::crc64::update(0, payload);
    let whole = [&payload[..], &checksum.to_le_bytes()].concat();
    assert_eq!(dump::write(ValueRef::String(Str::Bytes(b"hello")), Settings { version: 10, compress: true }), whole);
    assert!(dump::read(&whole, &store(), Verify::Checksum).is_ok());
    let mut damaged = whole;
    damaged[3] ^= 1;
    assert!(dump::read(&damaged, &store(), Verify::Checksum).is_err());
    assert!(dump::read(&damaged, &store(), Verify::Version).is_ok());
}

#[test]
fn versions_of_nobody_are_refused() {
    for (version, known) in
        [(1u16, true), (12, true), (13, false), (79, false), (80, true), (81, false), (0xffff, false)]
    {
        let payload = [&b"\x00\x01x"[..], &version.to_le_bytes(), &[0; 8]].concat();
        assert_eq!(dump::verify(&payload, Verify::Version).is_ok(), known, "{version}");
    }
}

// The ziplist is that of the description in Redis's ziplist.c: 2 and 5.
#[test]
fn encodings_of_old_servers() {
    let ziplist = b"\x0f\x0f\0\0\0\x0c\0\0\0\x02\0\0\xf3\x02\xf6\xff";
    for (code, expected) in [(10u8, vec!["2", "5"]), (13, vec!["2=5"]), (12, vec!["2=5"])] {
        assert_eq!(shown(&read(&payload(code, ziplist)).unwrap()), expected, "{code}");
    }
    assert_eq!(shown(&read(&payload(14, &[&b"\x01"[..], ziplist].concat())).unwrap()), ["2", "5"]);
    // That of the description in zipmap.c.
    let zipmap = b"\x18\x02\x03foo\x03\x00bar\x05hello\x05\x00world\xff";
    assert_eq!(shown(&read(&payload(9, zipmap)).unwrap()), ["foo=bar", "hello=world"]);
    assert_eq!(shown(&read(&payload(3, b"\x02\x01b\x032.5\x01a\xfe")).unwrap()), ["b=2.5", "a=inf"]);
    assert_eq!(shown(&read(&payload(1, b"\x02\x01b\xc0\x05")).unwrap()), ["b", "5"]);
}

#[test]
fn a_sorted_set_out_of_order_is_put_in_order() {
    let pack = b"\x11\x11\0\0\0\x04\0\x81b\x02\x02\x01\x81a\x02\x01\x01\xff";
    assert_eq!(shown(&read(&payload(17, pack)).unwrap()), ["a=1", "b=2"]);
}

// As recorded in Redis's own suite (corrupt-dump.tcl): what it refuses.
#[test]
fn damage_is_refused() {
    let refused: &[(u8, &[u8])] = &[
        // A ziplist whose second entry says that the first has another length.
        (14, b"\x01\x13\x13\0\0\0\x0e\0\0\0\x02\0\0\x02\x61\0\x02\x02\x62\0\xff"),
        // A ziplist with a wrong count.
        (14, b"\x01\x13\x13\0\0\0\x0e\0\0\0\x03\0\0\x02\x61\0\x04\x02\x62\0\xff"),
        // An empty one.
        (14, b"\x01\x0b\x0b\0\0\0\x0a\0\0\0\0\0\xff"),
        // An empty listpack's place.
        (18, b"\x01\x01\0"),
        // A declared length that is not there.
        (0, b"\x81\xff\xff\xff\xff\xff\xff\xff\xff"),
        (2, b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x01a"),
        (0, b"\xc3\x05\x81\x7f\xff\xff\xff\xff\xff\xff\xffabcde"),
        // Twice the same member, field, and a score that is no number.
        (2, b"\x02\x01a\x01a"),
        (4, b"\x02\x01a\x01x\x01a\x01y"),
        (3, b"\x01\x01a\xfd"),
        (5, b"\x01\x01a\0\0\0\0\0\0\xf8\x7f"),
        (16, b"\x11\x11\0\0\0\x04\0\x81a\x02\x02\x01\x81a\x02\x01\x01\xff"),
        (17, b"\x11\x11\0\0\0\x04\0\x81a\x02\x02\x01\x81a\x02\x01\x01\xff"),
        // A score that is text.
        (17, b"\x0d\x0d\0\0\0\x02\0\x81a\x02\x81b\x02\xff"),
        // Nothing in it.
        (1, b"\0"),
        (2, b"\0"),
        (11, b"\x08\x02\0\0\0\0\0\0\0"),
        // Modules, and nothing known.
        (7, b"\0"),
        (8, b"\0"),
        (255, b""),
    ];
    for (code, value) in refused {
        let result = read(&payload(*code, value));
        assert!(result.is_err(), "{code} {}", value.escape_ascii());
    }
    assert_eq!(read(&payload(0, b"\x05hell")).unwrap_err(), "byte 6: the data end too early");
}

fn samples() -> Vec<Vec<u8>> {
    let ziplist = b"\x0f\x0f\0\0\0\x0c\0\0\0\x02\0\0\xf3\x02\xf6\xff";
    let listpack = b"\x0c\x0c\0\0\0\x02\0\x81a\x02\x05\x01\xff";
    let mut all = vec![
        payload(0, b"\xc3\x09\x14\x01aa\xe0\x07\0\x01aa"),
        payload(1, b"\x02\x01b\xc0\x05"),
        payload(2, b"\x02\x01b\xc0\x05"),
        payload(3, b"\x02\x01b\x032.5\x01a\xfe"),
        payload(4, b"\x01\x01b\xc0\x05"),
        payload(5, b"\x01\x01a\0\0\0\0\0\0\xf0\x3f"),
        payload(9, b"\x18\x02\x03foo\x03\x00bar\x05hello\x05\x00world\xff"),
        payload(11, b"\x0c\x02\0\0\0\x02\0\0\0\x01\0\x02\0"),
        payload(18, &[&b"\x02\x02"[..], listpack, b"\x01\x03xyz"].concat()),
        payload(14, &[&b"\x01"[..], ziplist].concat()),
        payload(22, b"\x01\x01a\x01b\x01\x02\x03\x04\x05\x06\0\0"),
        payload(24, b"\x01\x02\x03\x04\x05\x06\0\0\x01\x01\x01a\x01b"),
    ];
    for code in [10, 12, 13] {
        all.push(payload(code, ziplist));
    }
    for code in [16, 17, 20] {
        all.push(payload(code, listpack));
    }
    all.push(dump::write(NewValue::Stream(Box::new(stream())).view(), Settings { version: 11, compress: false }));
    all.push(dump::write(NewValue::Stream(Box::new(stream())).view(), Settings { version: 10, compress: true }));
    all
}

fn stream() -> ochre_store::stream::Stream {
    use ochre_store::stream::{Counting, NodeLimits, Read, Stream, StreamId};
    let mut stream = Stream::new();
    for number in 1..20u64 {
        let fields = [(&b"field"[..], &b"value"[..])];
        stream
            .append(StreamId::new(number, 1), fields.iter().copied(), &NodeLimits { bytes_max: 64, entries_max: 5 })
            .unwrap();
    }
    stream.create_group(b"group", StreamId::MIN, Some(0));
    let mut delivery = stream.delivery(b"group").unwrap();
    let consumer = delivery.group_mut().create_consumer(b"alice", 5).unwrap();
    let read = Read { now_ms: 7, count: 3, no_ack: false, counting: Counting::V7_2 };
    delivery.read_new(consumer, &read, |_| {});
    stream
}

#[test]
fn samples_are_whole() {
    for sample in samples() {
        let value = read(&sample).unwrap_or_else(|error| panic!("{}: {error}", sample.escape_ascii()));
        // What is written of it reads as the same.
        let again = read(&dump::write(value.view(), Settings::default())).unwrap();
        assert_eq!(shown(&again), shown(&value));
    }
}

fn file(settings: FileSettings) -> Vec<u8> {
    let mut writer = FileWriter::new(Vec::new(), settings).unwrap();
    writer.aux(b"redis-ver", b"7.2.4").unwrap();
    writer.function(b"#!lua name=x").unwrap();
    writer.database(3, 2, 1).unwrap();
    let usage = Usage::IdleSeconds(70);
    writer.key(b"a", ValueRef::String(Str::Int(5)), Some(1 << 40), Some(usage)).unwrap();
    writer.key(b"s", ValueRef::Stream(&stream()), None, None).unwrap();
    writer.finish().unwrap()
}

fn items(bytes: &[u8]) -> Result<Vec<String>, String> {
    let error = |error: RdbError| error.to_string();
    let mut reader = FileReader::new(bytes, bytes.len() as u64, true, false).map_err(error)?;
    let store = store();
    let mut items = Vec::new();
    while let Some(item) = reader.next(&store).map_err(error)? {
        items.push(match item {
            Item::Key(record) => {
                format!("{} {:?} {:?}", record.key.escape_ascii(), record.deadline_ms, record.usage)
            }
            other => format!("{other:?}"),
        });
    }
    Ok(items)
}

#[test]
fn a_file_comes_back() {
    for (version, header) in [(10, "REDIS0010"), (11, "REDIS0011"), (80, "VALKEY080")] {
        let bytes = file(FileSettings { version, ..Default::default() });
        assert!(bytes.starts_with(header.as_bytes()));
        let items = items(&bytes).unwrap();
        assert_eq!(items.len(), 6, "{items:?}");
        assert_eq!(items[2..5], ["Database(3)", "Sizes(2, 1)", "a Some(1099511627776) Some(IdleSeconds(70))"]);
    }
}

#[test]
fn every_damaged_bit_of_a_file_is_noticed() {
    let bytes = file(FileSettings::default());
    for at in 0..bytes.len() {
        assert!(items(&bytes[..at]).is_err(), "cut at {at}");
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        // This digit makes a file of version 1 of it, which had no checksum.
        assert!(items(&damaged).is_err() || at == 7, "{at}");
    }
}

proptest! {
    /// Whatever happens to a payload, reading it ends, and what it gives can be written and read again.
    #[test]
    fn damaged_payloads(
        which in 0..samples().len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 0..6),
    ) {
        let mut bytes = samples().swap_remove(which);
        for (place, byte, kind) in changes {
            let at = place.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ if bytes.len() > 1 => { bytes.remove(at); }
                _ => {}
            }
        }
        if let Ok(value) = read(&bytes) {
            let again = read(&dump::write(value.view(), Settings::default())).unwrap();
            prop_assert_eq!(again.view().len(), value.view().len());
        }
    }

    #[test]
    fn any_bytes(code in 0..30u8, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&payload(code, &bytes));
    }

    #[test]
    fn strings_come_back(bytes in prop::collection::vec(0..4u8, 0..300)) {
        for compress in [false, true] {
            let written = dump::write(ValueRef::String(Str::Bytes(&bytes)), Settings { version: 11, compress });
            match dump::read(&written, &store(), Verify::Checksum) {
                Ok(NewValue::String(text)) => prop_assert_eq!(&text, &bytes),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Takes no functions.
struct NoFunctions;

impl Watch for NoFunctions {
    fn function(&mut self, _: Vec<u8>) -> Result<(), String> {
        Err("none are expected".to_owned())
    }
}

#[test]
fn a_whole_store_goes_through_a_file() {
    let options = || Options { shards: 4, databases: 3, hash_seed: [1, 2, 3, 4] };
    let (from, to) = (Store::new(options()), Store::new(options()));
    let (writer, reader) = (from.register(), to.register());
    let (clock, mut effects) = (Clock { now_ms: 1_000_000 }, Effects::default());
    let mut file = Vec::new();
    writer.run(ShardSet::ALL, clock, &mut effects, |txn| {
        for number in 0..1000u32 {
            let name = format!("key{number}");
            let value = NewValue::String(name.repeat(3).into_bytes());
            let deadline_ms = (number % 3 == 0).then_some(if number % 2 == 0 { 999_999 } else { 2_000_000 });
            let options = RestoreOptions { deadline_ms, ..RestoreOptions::default() };
            let db = if number % 10 == 0 { 2 } else { 0 };
            assert_eq!(keyspace::load(txn, db, from.key(name.as_bytes()), value, options, false), Ok(true));
        }
        let extras = Extras { aux: vec![("ctime", "1000".to_owned())], ..Extras::default() };
        file = save(txn, Vec::new(), FileSettings::default(), &extras, &mut || {}).unwrap();
    });
    assert_eq!(effects.dirty, 0);
    let load_options = LoadOptions { verify: true, drop_expired_before_ms: Some(1_000_000), ..LoadOptions::default() };
    let mut target = Unlocked { member: &reader, clock };
    let source = [&file[..], b"rest"].concat();
    let (loaded, rest) = load(&source[..], 0, &mut target, load_options, &mut NoFunctions).unwrap();
    assert_eq!((loaded, rest), (Loaded { keys: 833, expired: 167, empty: 0 }, &b"rest"[..]));
    assert_eq!((to.db_len(0), to.db_len(1), to.db_len(2)), (767, 0, 66));
    assert_eq!(to.db_volatile_len(0) + to.db_volatile_len(2), 167);
    let twice = load(&source[..], 0, &mut target, load_options, &mut NoFunctions);
    assert!(matches!(twice, Err(LoadError::Duplicate { .. })), "{twice:?}");
    let replaced = LoadOptions { replace: true, ..load_options };
    assert!(load(&source[..], 0, &mut target, replaced, &mut NoFunctions).is_ok());
    assert_eq!(to.db_len(0) + to.db_len(2), 833);
}

#[test]
fn a_crew_loads_what_one_thread_loads() {
    let store = || Store::new(Options { shards: 8, databases: 2, hash_seed: [1, 2, 3, 4] });
    let (from, clock, mut effects) = (store(), Clock { now_ms: 1_000_000 }, Effects::default());
    let named = |number: u32| (format!("key{number}"), usize::from(number.is_multiple_of(7)));
    let value = |number: u32| NewValue::String(number.to_string().into_bytes());
    let mut file = Vec::new();
    from.register().run(ShardSet::ALL, clock, &mut effects, |txn| {
        for number in 0..5000 {
            let ((name, db), volatile) = (named(number), number.is_multiple_of(3));
            let deadline_ms = volatile.then_some(2_000_000 + i64::from(number));
            let options = RestoreOptions { deadline_ms, ..RestoreOptions::default() };
            keyspace::load(txn, db, from.key(name.as_bytes()), value(number), options, false).unwrap();
        }
        file = save(txn, Vec::new(), FileSettings::default(), &Extras::default(), &mut || {}).unwrap();
    });
    for threads in [0, 1, 3] {
        let to = store();
        let member = to.register();
        let mut crew = Crew::with_threads(&member, clock, || {}, threads);
        let mut load = |options| load(&file[..], file.len() as u64, &mut crew, options, &mut NoFunctions);
        let options = LoadOptions { verify: true, ..LoadOptions::default() };
        assert_eq!(load(options).unwrap().0, Loaded { keys: 5000, ..Loaded::default() });
        // Nothing is on its way any more.
        assert_eq!((to.db_len(0) + to.db_len(1), to.db_volatile_len(0) + to.db_volatile_len(1)), (5000, 1667));
        member.run(ShardSet::ALL, clock, &mut effects, |txn| {
            for number in 0..5000 {
                let (name, db) = named(number);
                let found = keyspace::value(txn, db, to.key(name.as_bytes())).unwrap();
                let Some(ValueRef::String(found)) = found else { panic!("{name} is not there") };
                assert_eq!(text(found), number.to_string());
            }
            keyspace::flush_all(txn, keyspace::FreeMode::Later).unwrap();
            keyspace::load(txn, 0, to.key(b"key4000"), value(1), RestoreOptions::default(), false).unwrap();
        });
        // Whichever thread finds that a key is there already, all of them end.
        let twice = load(options);
        assert!(matches!(&twice, Err(LoadError::Duplicate { db: 0, key, .. }) if &**key == b"key4000"), "{twice:?}");
        load(LoadOptions { replace: true, ..options }).unwrap();
        assert_eq!(to.db_len(0) + to.db_len(1), 5000);
    }
}

#[test]
fn sizes_that_a_file_cannot_hold_reserve_nothing() {
    let (to, clock) = (store(), Clock { now_ms: 1_000_000 });
    let member = to.register();
    // A database of 2^60 keys, announced by a file of a few bytes.
    let mut file = b"REDIS0011\xfe\x00\xfb\x81".to_vec();
    file.extend_from_slice(&(1u64 << 60).to_be_bytes());
    file.extend_from_slice(b"\x00\x00\x01a\x01b\xff\x00\x00\x00\x00\x00\x00\x00\x00");
    let mut crew = Crew::with_threads(&member, clock, || {}, 1);
    let (loaded, _) = load(&file[..], file.len() as u64, &mut crew, LoadOptions::default(), &mut NoFunctions).unwrap();
    assert_eq!((loaded.keys, to.db_len(0)), (1, 1));
    assert!(to.used_memory() < 1 << 20, "{}", to.used_memory());
}

#[test]
fn a_file_can_be_loaded_beside_what_there_is() {
    let store = store();
    let (member, clock, mut effects) = (store.register(), Clock { now_ms: 1_000_000 }, Effects::default());
    let put = |txn: &mut Txn<'_>, name: &str| {
        let (key, value) = (store.key(name.as_bytes()), NewValue::String(b"x".to_vec()));
        keyspace::load(txn, 0, key, value, RestoreOptions::default(), false).unwrap();
    };
    let saved = |effects: &mut Effects| {
        let mut file = Vec::new();
        member.run(ShardSet::ALL, clock, effects, |txn| {
            file = save(txn, Vec::new(), FileSettings::default(), &Extras::default(), &mut || {}).unwrap();
        });
        file
    };
    member.run(ShardSet::ALL, clock, &mut effects, |txn| (0..9).for_each(|number| put(txn, &format!("new{number}"))));
    let file = saved(&mut effects);
    member.run(ShardSet::ALL, clock, &mut effects, |txn| {
        keyspace::flush_all(txn, keyspace::FreeMode::Later).unwrap();
        put(txn, "old");
    });
    let before = saved(&mut effects);
    let options = LoadOptions { into_spares: true, ..LoadOptions::default() };
    let mut target = Unlocked { member: &member, clock };
    load(&file[..], 0, &mut target, options, &mut NoFunctions).unwrap();
    // Nobody sees it, snapshots included.
    assert_eq!((store.db_len(0), store.db_len(store.spare_of(0))), (1, 9));
    assert_eq!(saved(&mut effects), before);
    member.run(ShardSet::ALL, clock, &mut effects, |txn| {
        keyspace::swap_db(txn, 0, store.spare_of(0)).unwrap();
        assert_eq!(keyspace::flush_db(txn, store.spare_of(0), keyspace::FreeMode::Later), Ok(1));
    });
    assert_eq!((store.db_len(0), store.db_len(store.spare_of(0))), (9, 0));
}
