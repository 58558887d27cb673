//! What can be told about a key and about the tables.

use crate::clock;
use crate::error::Error;
use crate::hash::Hash;
use crate::keyspace::basic::untouched;
use crate::raw::entry::{Encoding, Str, Type};
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

/// Entries of a table that is a value, and its buckets: in use, and of the table that takes their place.
pub type ValueTable = (usize, (usize, usize));

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

/// The state of the tables of one database in one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStats {
    /// Keys.
    pub keys: usize,
    /// Keys with a deadline.
    pub volatile: usize,
    /// Buckets of the table of keys: in use, and being filled by a rehash (0: none).
    pub buckets: (usize, usize),
    /// Buckets of the table of keys with a deadline, likewise.
    pub volatile_buckets: (usize, usize),
    /// Bytes of all bucket arrays.
    pub bytes: usize,
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

/// The hash table that is a key's value, or part of it: its entries, and its buckets in use and in the table that takes
/// their place while it grows or shrinks. `None` if there is no such key, or, inside, no such table.
pub fn value_table(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<Option<ValueTable>>, Error> {
    untouched(txn, |txn| {
        let (entry, _) = txn.peek(db, &key)?;
        Ok(entry.map(|entry| match entry.value() {
            ValueRef::Set(Set::Table(members)) => Some((members.len(), members.buckets())),
            ValueRef::Hash(Hash::Table(fields)) => Some((fields.len(), fields.buckets())),
            ValueRef::SortedSet(SortedSet::Order(members)) => Some((members.len(), members.buckets())),
            _ => None,
        }))
    })
}

/// The state of the tables of a database in one shard.
pub fn table_stats(txn: &mut Txn<'_>, db: usize, shard: usize) -> Result<TableStats, Error> {
    let (shard, _) = txn.shard(shard)?;
    let keys = shard.databases.get(db).ok_or(Error::OutOfRange)?;
    Ok(TableStats {
        keys: keys.len(),
        volatile: keys.volatile_len(),
        buckets: keys.buckets(),
        volatile_buckets: keys.volatile_buckets(),
        bytes: keys.table_bytes(),
    })
}
