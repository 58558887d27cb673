//! Walks over many keys, one shard at a time.

use crate::error::Error;
use crate::raw::entry::{Entry, Type};
use crate::store::{Key, Store};
use crate::txn::{Expired, Txn};
use crate::value::ValueRef;

/// Chains visited by one `scan` for each key asked for, so that a sparse table does not hold the shard for long.
const CHAINS_PER_KEY: usize = 10;
/// Expired keys met before `random_key` takes one that is expired but may not be removed.
const RANDOM_TRIES: usize = 100;

/// A key with all that belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct Record<'e> {
    /// Its name.
    pub key: &'e [u8],
    /// Its value.
    pub value: ValueRef<'e>,
    /// When it expires, ms since the Unix epoch.
    pub deadline_ms: Option<i64>,
    /// Its access clock: 24 bits, as [`clock`](crate::clock) reads them.
    pub access: u32,
}

/// The shard that `scan` needs for a cursor.
pub fn scan_shard(store: &Store, cursor: u64) -> usize {
    (cursor % store.shards() as u64) as usize
}

/// Visits about `count` keys (at least one chain of the table) with their types, and returns the cursor to go on with.
/// 0 starts, and 0 is returned at the end. A key that exists from start to end is visited at least once.
///
/// Works on one shard, the one that [`scan_shard`] names, and never goes past its end: the next cursor may be for
/// another shard. So fewer keys than wanted may be visited.
pub fn scan(
    txn: &mut Txn<'_>,
    db: usize,
    cursor: u64,
    count: usize,
    visit: &mut dyn FnMut(&[u8], Type),
) -> Result<u64, Error> {
    let mut expired = Vec::new();
    let (now_ms, access) = (txn.now_ms(), txn.access());
    let next = step(txn, db, cursor, count, &mut |entry| {
        let is_gone = access.expired != Expired::Show && is_expired(entry, now_ms);
        if is_gone {
            expired.push(entry.key().to_vec());
        } else {
            visit(entry.key(), entry.kind());
        }
        !is_gone
    })?;
    remove_expired(txn, db, &expired)?;
    Ok(next)
}

/// As [`scan`], but visits all that belongs to the keys, also what has expired and was not removed yet, and removes nothing.
pub fn scan_records(
    txn: &mut Txn<'_>,
    db: usize,
    cursor: u64,
    count: usize,
    visit: &mut dyn FnMut(Record<'_>),
) -> Result<u64, Error> {
    step(txn, db, cursor, count, &mut |entry| {
        visit(record_of(entry));
        true
    })
}

/// A step of a walk over a database; `visit` says which entries count.
fn step(
    txn: &mut Txn<'_>,
    db: usize,
    cursor: u64,
    count: usize,
    visit: &mut dyn FnMut(&Entry) -> bool,
) -> Result<u64, Error> {
    let shards = txn.store().shards() as u64;
    let number = (cursor % shards) as usize;
    let mut inner = cursor / shards;
    let (shard, _) = txn.shard(number)?;
    let keys = shard.databases.get_mut(db).ok_or(Error::OutOfRange)?;
    let mut visited = 0;
    for _ in 0..count.saturating_mul(CHAINS_PER_KEY).max(1) {
        inner = keys.scan(inner, &mut |entry| visited += usize::from(visit(entry)));
        if inner == 0 || visited >= count {
            break;
        }
    }
    if inner != 0 {
        return Ok(inner * shards + number as u64);
    }
    let next = number as u64 + 1;
    Ok(if next == shards { 0 } else { next })
}

/// Visits all keys of a database in one shard with their types, except expired ones.
pub fn keys_in_shard(
    txn: &mut Txn<'_>,
    db: usize,
    shard: usize,
    visit: &mut dyn FnMut(&[u8], Type),
) -> Result<(), Error> {
    let (now_ms, access) = (txn.now_ms(), txn.access());
    let (shard, _) = txn.shard(shard)?;
    shard.databases.get(db).ok_or(Error::OutOfRange)?.for_each(&mut |entry| {
        if access.expired == Expired::Show || !is_expired(entry, now_ms) {
            visit(entry.key(), entry.kind());
        }
    });
    Ok(())
}

/// Visits everything there is in a database in one shard, also what has expired and was not removed yet.
pub fn records_in_shard(
    txn: &mut Txn<'_>,
    db: usize,
    shard: usize,
    visit: &mut dyn FnMut(Record<'_>),
) -> Result<(), Error> {
    let (shard, _) = txn.shard(shard)?;
    let keys = shard.databases.get(db).ok_or(Error::OutOfRange)?;
    keys.for_each(&mut |entry| visit(record_of(entry)));
    Ok(())
}

/// Passes what is at a key to `look`, also if it has expired and was not removed yet. Neither a hit nor a use.
/// `None` if there is nothing.
pub fn record<R>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    look: impl FnOnce(Record<'_>) -> R,
) -> Result<Option<R>, Error> {
    Ok(txn.find_existing(db, &key)?.map(|(entry, _)| look(record_of(&entry))))
}

/// Visits all keys of a database with their types, except expired ones. Needs all shards locked.
pub fn keys(txn: &mut Txn<'_>, db: usize, visit: &mut dyn FnMut(&[u8], Type)) -> Result<(), Error> {
    (0..txn.store().shards()).try_for_each(|shard| keys_in_shard(txn, db, shard, visit))
}

/// A shard for [`random_key`], each as likely as it has keys; `None` if the database is empty. `random` is any number.
pub fn random_shard(store: &Store, db: usize, random: u64) -> Option<usize> {
    let total = store.db_len(db);
    let mut place = ((u128::from(random) * total as u128) >> 64) as usize;
    for shard in 0..store.shards() {
        let len = store.shard_len(shard, db);
        if place < len {
            return Some(shard);
        }
        place -= len;
    }
    // Keys may have gone meanwhile.
    (0..store.shards()).find(|&shard| store.shard_len(shard, db) > 0)
}

/// A random key of a database in one shard. Expired keys that are met are removed.
pub fn random_key(txn: &mut Txn<'_>, db: usize, shard: usize) -> Result<Option<Vec<u8>>, Error> {
    let (now_ms, access) = (txn.now_ms(), txn.access());
    for attempt in 0.. {
        let (part, _) = txn.shard(shard)?;
        let keys = part.databases.get(db).ok_or(Error::OutOfRange)?;
        let Some(entry) = keys.random(false, &mut part.random) else { return Ok(None) };
        let key = entry.key().to_vec();
        if access.expired == Expired::Show || !is_expired(&entry, now_ms) {
            return Ok(Some(key));
        }
        if access.expired == Expired::Remove {
            remove_expired(txn, db, &[key])?;
        } else if attempt >= RANDOM_TRIES {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

pub(crate) fn record_of(entry: &Entry) -> Record<'_> {
    Record { key: entry.key(), value: entry.value(), deadline_ms: entry.deadline(), access: entry.access() }
}

fn is_expired(entry: &Entry, now_ms: i64) -> bool {
    entry.deadline().is_some_and(|deadline| now_ms > deadline)
}

/// Removes keys found expired by a walk.
fn remove_expired(txn: &mut Txn<'_>, db: usize, keys: &[Vec<u8>]) -> Result<(), Error> {
    let store = txn.store();
    for key in keys {
        // A look-up removes what has expired.
        txn.peek(db, &store.key(key))?;
    }
    Ok(())
}
