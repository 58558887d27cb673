//! What can be told about a key and about the tables.

use crate::clock;
use crate::error::Error;
use crate::hash::Hash;
use crate::keyspace::basic::untouched;
use crate::raw::entry::{Encoding, Str, Type};
use crate::raw::table::TableShape;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::store::Key;
use crate::txn::Txn;
use crate::value::ValueRef;
use std::sync::atomic::Ordering::Relaxed;

/// Integers below this are shared objects in Redis, which programs can tell from their reference count.
const SHARED_INTEGERS: i64 = 10_000;
/// A key's part of the bucket array: a slot and its metadata, at the usual fill.
const TABLE_BYTES_PER_KEY: usize = 14;

/// What is known about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its type.
    pub kind: Type,
    /// Its encoding.
    pub encoding: Encoding,
    /// Time since the last access, ms; only meaningful unless the policy is an LFU one.
    pub idle_ms: u64,
    /// Logarithmic access counter, decayed to now; only meaningful under an LFU policy.
    pub frequency: u8,
    /// The reference count that Redis would report.
    pub reference_count: i32,
    /// The 24 access bits as they are.
    pub access: u32,
    /// Length of the value: bytes of a string, elements of anything else.
    pub len: usize,
    /// Bytes allocated for the value beyond its length.
    pub spare: usize,
    /// Where the key lies in memory: two looks that see the same address saw the same object.
    pub address: usize,
}

/// What is known about a key; neither a hit nor a use. `None` if it does not exist.
pub fn object(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<ObjectInfo>, Error> {
    let settings = txn.settings();
    let decay_minutes = settings.lfu_decay_time.load(Relaxed);
    let policy = settings.policy();
    let shares = settings.maxmemory.load(Relaxed) == 0 || !(policy.is_lru() || policy.is_lfu());
    untouched(txn, |txn| {
        let now_ms = txn.now_ms();
        let (entry, _) = txn.peek(db, &key)?;
        Ok(entry.map(|entry| {
            let shared = shares && matches!(entry.string(), Ok(Str::Int(0..SHARED_INTEGERS)));
            ObjectInfo {
                kind: entry.kind(),
                encoding: entry.encoding(),
                idle_ms: clock::lru_idle_ms(entry.access(), now_ms),
                frequency: clock::lfu_decayed(entry.access(), now_ms, decay_minutes),
                reference_count: if shared { i32::MAX } else { 1 },
                access: entry.access(),
                len: entry.value().len(),
                spare: entry.string().map_or(0, |string| entry.buffer_capacity().saturating_sub(string.len())),
                address: entry.key().as_ptr().addr(),
            }
        }))
    })
}

/// Bytes that a key takes, with its part of the table; neither a hit nor a use. `None` if it does not exist.
pub fn memory_usage(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<usize>, Error> {
    untouched(txn, |txn| {
        let (entry, _) = txn.peek(db, &key)?;
        Ok(entry.map(|entry| entry.memory() + TABLE_BYTES_PER_KEY))
    })
}

/// The state of the hash table that is a key's value, or part of it: of its array in use, and of the one that takes its place
/// while it grows or shrinks. `None` if there is no such key, or, inside, no such table.
pub fn value_table(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<Option<[TableShape; 2]>>, Error> {
    untouched(txn, |txn| {
        let (entry, _) = txn.peek(db, &key)?;
        Ok(entry.map(|entry| match entry.value() {
            ValueRef::Set(Set::Table(members)) => Some(members.shapes()),
            ValueRef::Hash(Hash::Table(fields)) => Some(fields.shapes()),
            ValueRef::SortedSet(SortedSet::Order(members)) => Some(members.shapes()),
            _ => None,
        }))
    })
}

/// The state of the tables of a database in one shard: of all its keys, and of those with a deadline.
pub fn tables(txn: &mut Txn<'_>, db: usize, shard: usize) -> Result<[[TableShape; 2]; 2], Error> {
    let (shard, _) = txn.shard(shard)?;
    let keys = shard.databases.get(db).ok_or(Error::OutOfRange)?;
    Ok(keys.shapes())
}
