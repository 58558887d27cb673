//! Large values, which go into a file in pieces while they change, in either form.

use super::*;
use crate::aof::base::write_base;
use crate::aof::{CommandLine, Reader};
use ochre_store::keyspace::{self, FreeMode};
use ochre_store::list::{self, End};
use ochre_store::sorted_set::{self, AddOptions};
use ochre_store::stream::{self, Add, Counting, Member as Seat, NewGroup, NewId, Read, ReadFrom, StreamId};
use ochre_store::string::{self, SetOptions};
use ochre_store::sync::ShardSet;
use ochre_store::{Clock, Effects, Key, Options, Store, Txn, hash, set};
use std::collections::BTreeMap;
use std::sync::Arc;

const CLOCK: Clock = Clock { now_ms: 1_000_000 };

/// The commands of each key, those that add elements in no order split into these.
type Said = BTreeMap<Vec<u8>, Vec<Vec<Vec<u8>>>>;

fn fill(txn: &mut Txn<'_>) {
    let store = txn.store();
    let key = |name: &'static str| store.key(name.as_bytes());
    let names: Vec<String> = (0..1500).map(|number| format!("element {number}")).collect();
    let all = || names.iter().map(String::as_bytes);
    let long = "0123456789 ".repeat(9000);
    let random: Vec<u8> = (0..200_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    string::set(txn, 0, key("text"), long.as_bytes(), SetOptions::default()).unwrap();
    string::set(txn, 0, key("noise"), &random, SetOptions::default()).unwrap();
    string::set(txn, 0, key("huge"), &vec![b'h'; 17 << 20], SetOptions::default()).unwrap();
    string::set(txn, 1, key("small"), b"x", SetOptions::default()).unwrap();
    list::push(txn, 0, key("list"), End::Tail, all()).unwrap();
    list::push(txn, 0, key("list"), End::Tail, [&random[..20_000]].into_iter()).unwrap();
    set::add(txn, 0, key("set"), 1500, all()).unwrap();
    let scored = names.iter().enumerate().map(|(number, name)| (number as f64 / 3.0, name.as_bytes()));
    sorted_set::add(txn, 0, key("zset"), AddOptions::default(), scored.collect::<Vec<_>>().into_iter()).unwrap();
    hash::set(txn, 0, key("hash"), names.iter().map(|name| (name.as_bytes(), &name.as_bytes()[3..]))).unwrap();
    let at_ms = CLOCK.now_ms + 1_000_000;
    keyspace::expire_at_ms(txn, 0, key("zset"), at_ms, Default::default()).unwrap();
    keyspace::expire_at_ms(txn, 0, key("text"), at_ms, Default::default()).unwrap();
    for (number, name) in names.iter().enumerate() {
        let id = NewId::Exact(StreamId::new(number as u64 + 1, 5));
        let entry = Add { id, create: true, trim: None };
        stream::add(txn, 0, key("stream"), &entry, [(&b"field"[..], name.as_bytes()), (b"n", b"17")]).unwrap();
    }
    for group in ["first", "second"] {
        let new = NewGroup { name: group.as_bytes(), last_id: Some(StreamId::MIN), entries_read: Some(0) };
        stream::create_group(txn, 0, key("stream"), &new, false).unwrap();
        for consumer in ["alice", "bob"] {
            let seat = Seat { group: group.as_bytes(), consumer: consumer.as_bytes(), only_if_served: false };
            let read = Read { count: 300, no_ack: false, now_ms: CLOCK.now_ms, counting: Counting::V7_2 };
            stream::read_group(txn, 0, key("stream"), &seat, ReadFrom::New, &read, |_| ()).unwrap();
        }
    }
}

/// Changes all of what [`fill`] has made.
fn change(txn: &mut Txn<'_>, round: usize) {
    let store = txn.store();
    let key = |name: &'static str| store.key(name.as_bytes());
    let name = format!("element {}", round * 7);
    string::append(txn, 0, key("text"), b"more").unwrap();
    string::set_range(txn, 0, key("noise"), round * 1000, b"other").unwrap();
    string::set_range(txn, 0, key("huge"), round << 16, b"other").unwrap();
    list::push(txn, 0, key("list"), End::Head, [name.as_bytes()].into_iter()).unwrap();
    set::remove(txn, 0, key("set"), [name.as_bytes()].into_iter()).unwrap();
    sorted_set::remove(txn, 0, key("zset"), [name.as_bytes()].into_iter()).unwrap();
    hash::set(txn, 0, key("hash"), [(name.as_bytes(), &b"other"[..])].into_iter()).unwrap();
    let id = StreamId::new(round as u64 * 7 + 1, 5);
    stream::ack(txn, 0, key("stream"), b"second", &[id]).unwrap();
    stream::delete(txn, 0, key("stream"), [id]).unwrap();
    let gone: [Key<'_>; 3] = [key("huge"), key("list"), key("stream")];
    if round == 30 {
        gone.into_iter().for_each(|key| assert_eq!(keyspace::delete(txn, 0, key), Ok(true)));
    } else if round == 60 {
        keyspace::flush_all(txn, FreeMode::Later).unwrap();
    }
}

fn store() -> Arc<Store> {
    Store::new(Options { shards: 4, databases: 2, hash_seed: [1, 2, 3, 4] })
}

fn said(bytes: &[u8]) -> Said {
    let (mut reader, mut line, mut said) = (Reader::new(bytes, 0), CommandLine::default(), Said::new());
    while reader.next(&mut line).unwrap() {
        let words: Vec<Vec<u8>> = (0..line.spans.len()).map(|index| line.at(index).to_vec()).collect();
        let step = match words[0].as_slice() {
            b"SELECT" => continue,
            b"SADD" | b"RPUSH" => 1,
            b"ZADD" | b"HMSET" => 2,
            _ => 0,
        };
        let place = if words[0].starts_with(b"XGROUP") { 2 } else { 1 };
        let commands = said.entry(words[place].clone()).or_default();
        if step == 0 {
            commands.push(words);
        } else {
            commands.extend(words[2..].chunks(step).map(|element| [&words[..1], element].concat()));
        }
    }
    for commands in said.values_mut() {
        if [&b"SADD"[..], b"ZADD", b"HMSET"].contains(&commands[0][0].as_slice()) {
            commands.sort_unstable();
        }
    }
    said
}

fn said_of(store: &Arc<Store>) -> Said {
    let mut bytes = Vec::new();
    store.register().run(ShardSet::ALL, CLOCK, &mut Effects::default(), |txn| {
        write_base(txn, &mut bytes, &mut || {}).unwrap();
    });
    said(&bytes)
}

/// Cuts, and writes while everything changes.
fn written(cut: impl FnOnce(&mut Txn<'_>, &Arc<Store>) -> Cut) -> (Said, Vec<u8>) {
    let store = store();
    let (writer, walker) = (store.register(), store.register());
    let run = |act: &mut dyn FnMut(&mut Txn<'_>)| writer.run(ShardSet::ALL, CLOCK, &mut Effects::default(), act);
    run(&mut fill);
    let expected = said_of(&store);
    let (mut cut, mut made) = (Some(cut), None);
    run(&mut |txn| made = cut.take().map(|cut| cut(txn, &store)));
    let mut file = made.unwrap().write_to(Vec::new()).unwrap();
    let mut round = 0;
    while file.step(&walker, 4, 20_000).unwrap() {
        if round <= 60 {
            run(&mut |txn| change(txn, round));
        }
        round += 1;
    }
    assert!(round > 60, "written in only {round} steps");
    (expected, file.finish().unwrap())
}

fn assert_same(found: &Said, expected: &Said) {
    for (key, commands) in expected {
        let (name, found) = (key.escape_ascii(), found.get(key).map_or(&[][..], Vec::as_slice));
        let other = commands.iter().zip(found).position(|(a, b)| a != b);
        let shown = other.map(|at| (commands[at].concat(), found[at].concat()));
        let shown = shown.map(|(a, b)| format!("{:.300} / {:.300}", a.escape_ascii(), b.escape_ascii()));
        assert!(found == commands, "{name}: {} for {} commands, {shown:?}", found.len(), commands.len());
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn large_values_become_commands() {
    let (expected, bytes) = written(|txn, store| Cut::as_commands(txn, store, Vec::new()).unwrap());
    assert_same(&said(&bytes), &expected);
}

struct NoFunctions;

impl Watch for NoFunctions {
    fn function(&mut self, _: Vec<u8>) -> Result<(), String> {
        Err("none are expected".to_owned())
    }
}

#[test]
fn large_values_become_a_file() {
    for (version, compress) in [(10, false), (11, true)] {
        let settings = FileSettings { version, compress, ..FileSettings::default() };
        let cut = |txn: &mut Txn<'_>, store: &Arc<Store>| Cut::make(txn, store, settings, Extras::default()).unwrap();
        let (expected, bytes) = written(cut);
        let loaded = store();
        let member = loaded.register();
        let mut target = Unlocked { member: &member, clock: CLOCK };
        let options = LoadOptions { verify: true, ..LoadOptions::default() };
        load(&bytes[..], bytes.len() as u64, &mut target, options, &mut NoFunctions).unwrap();
        assert_same(&said_of(&loaded), &expected);
        // The text is compressed; what is random cannot be, and what is too long is not.
        let most = if compress { 18 << 20 } else { 19 << 20 };
        assert!((17 << 20..most).contains(&bytes.len()), "{} bytes", bytes.len());
        let repeated = bytes.windows(22).any(|window| window == b"0123456789 0123456789 ");
        assert_eq!(repeated, !compress);
    }
}
