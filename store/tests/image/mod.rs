//! Pictures of a store, for tests that compare what there was with what there is.
#![allow(dead_code, unreachable_pub)]

use ochre_store::keyspace::{self, Record};
use ochre_store::list::End;
use ochre_store::sync::ShardSet;
use ochre_store::{Access, Clock, Effects, Expired, Member, Options, Store, Str, Txn, ValueRef, hash};
use std::collections::BTreeMap;
use std::sync::Arc;

pub const DATABASES: usize = 3;

/// By database and key: the value with its encoding, the deadline, and the deadlines of fields.
pub type Image = BTreeMap<(usize, Vec<u8>), String>;

pub fn text(value: Str<'_>) -> String {
    match value {
        Str::Int(number) => format!("i{number}"),
        Str::Bytes(bytes) if bytes.len() > 100 => format!("{}*{:?}", bytes.len(), &bytes[..50]),
        Str::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

pub fn shown(value: ValueRef<'_>) -> String {
    let mut parts = Vec::new();
    match value {
        ValueRef::String(value) => return text(value),
        ValueRef::List(list) => list.cursor(0, End::Tail).visit(list.len(), |element| parts.push(text(element))),
        ValueRef::Set(set) => {
            set.for_each(|member| parts.push(text(member)));
            parts.sort_unstable();
        }
        ValueRef::SortedSet(set) => {
            let members = set.members(0..set.len(), false);
            parts.extend(members.map(|(member, score)| format!("{}={score}", text(member))));
        }
        ValueRef::Hash(hash) => {
            hash.for_each(|name, value| parts.push(format!("{}={}", text(name), text(value))));
            parts.sort_unstable();
        }
        ValueRef::Stream(stream) => return format!("{stream:?}"),
    }
    parts.join(" ")
}

pub fn line(record: Record<'_>) -> String {
    format!("{} until {:?}", shown(record.value), record.deadline_ms)
}

pub fn image_of(txn: &mut Txn<'_>) -> Image {
    let mut image = Image::new();
    for db in 0..DATABASES {
        for shard in 0..txn.store().shards() {
            let each = &mut |record: Record<'_>| drop(image.insert((db, record.key.to_vec()), line(record)));
            keyspace::records_in_shard(txn, db, shard, each).unwrap();
        }
    }
    // The look alone would remove what has expired.
    let access = txn.access();
    txn.set_access(Access { no_touch: true, expired: Expired::Show });
    let keys: Vec<_> = image.keys().cloned().collect();
    for (db, name) in keys {
        let key = txn.store().key(&name);
        let mut more = format!(" {:?}", keyspace::object(txn, db, key).unwrap().map(|object| object.encoding));
        if let Ok(Some(fields)) = hash::look(txn, db, &key) {
            let mut deadlines = Vec::new();
            fields.for_each(|name, _| deadlines.push(name.to_vec()));
            deadlines.sort_unstable();
            for field in deadlines {
                more += &format!(" {:?}", fields.deadline_ms(&field));
            }
        }
        image.entry((db, name)).and_modify(|line| line.push_str(&more));
    }
    txn.set_access(access);
    image
}

pub fn differences(found: &Image, expected: &Image) -> String {
    let lost = expected.iter().find(|(key, state)| found.get(*key) != Some(state));
    let more = found.iter().find(|(key, _)| !expected.contains_key(*key));
    format!(
        "{} keys for {}; lost {lost:?}, found {:?}, more {more:?}",
        found.len(),
        expected.len(),
        lost.map(|(key, _)| found.get(key))
    )
}

pub fn store(seed: u64) -> Arc<Store> {
    Store::new(Options {
        shards: if seed.is_multiple_of(3) { 1 } else { 4 },
        databases: DATABASES,
        hash_seed: [seed, 2, 3, 4],
    })
}

pub fn with_all<R>(member: &Member, now_ms: i64, act: impl FnOnce(&mut Txn<'_>) -> R) -> R {
    member.run(ShardSet::ALL, Clock { now_ms }, &mut Effects::default(), act)
}
