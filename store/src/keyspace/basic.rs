//! Existence, type, deletion.

use crate::effects::EventClass;
use crate::error::Error;
use crate::raw::entry::Type;
use crate::store::Key;
use crate::txn::{Access, Txn};

/// Whether a key exists. Counts as a read, but is no use of the key for its access clock.
pub fn exists(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<bool, Error> {
    untouched(txn, |txn| Ok(txn.read(db, &key)?.is_some()))
}

/// Whether a key exists, asked by a command that is about to write: neither a hit nor a miss.
pub fn exists_for_write(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<bool, Error> {
    Ok(txn.peek_write(db, &key)?.is_some())
}

/// The type of a key's value.
pub fn type_of(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<Type>, Error> {
    untouched(txn, |txn| Ok(txn.read(db, &key)?.map(|entry| entry.kind())))
}

/// The type of a key's value, for those who only look on: it is no read, and nothing expires by it.
pub fn peek_type(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<Type>, Error> {
    txn.shard(key.shard())?;
    Ok(txn.glance(db, &key)?.map(|entry| entry.kind()))
}

/// What stands under a key, expired or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Nothing.
    Absent,
    /// A value.
    Alive,
    /// A value whose deadline has passed, and that is not removed yet.
    Expired,
}

/// What stands under a key, for those who only look on: it is no read, and nothing expires by it.
pub fn presence(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Presence, Error> {
    Ok(match txn.find_existing(db, &key)? {
        None => Presence::Absent,
        Some((entry, around)) if around.is_expired(&entry) => Presence::Expired,
        Some(_) => Presence::Alive,
    })
}

/// Uses a key without reading it. Whether it exists.
pub fn touch(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<bool, Error> {
    Ok(txn.read(db, &key)?.is_some())
}

/// Deletes a key. Whether it existed.
pub fn delete(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<bool, Error> {
    let Some((entry, mut around)) = txn.write_existing(db, &key)? else { return Ok(false) };
    let (entry, _) = entry.remove();
    around.core.entry(entry);
    around.changed(key.bytes(), EventClass::Generic, "del");
    Ok(true)
}

/// Deletes a key; its value is freed by another thread if that takes long. Whether it existed.
pub fn unlink(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<bool, Error> {
    // What takes long always goes to the freeing thread.
    delete(txn, db, key)
}

/// Runs `action` without touching access clocks.
pub(crate) fn untouched<'t, R>(txn: &mut Txn<'t>, action: impl FnOnce(&mut Txn<'t>) -> R) -> R {
    let access = txn.access();
    txn.set_access(Access { no_touch: true, ..access });
    let result = action(txn);
    txn.set_access(access);
    result
}
