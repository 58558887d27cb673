//! Holding on to keys.

use crate::error::Error;
use crate::store::Key;
use crate::txn::Txn;

/// Has neither the expiry cycle nor eviction remove a key until it is [unpinned](unpin). Look-ups still remove it once it has
/// expired, unless [`Access`](crate::Access) says otherwise. A key need not exist to be pinned.
pub fn pin(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<(), Error> {
    txn.shard(key.shard())?.0.pins.add(db, key.bytes());
    Ok(())
}

/// Takes [`pin`] back.
pub fn unpin(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<(), Error> {
    txn.shard(key.shard())?.0.pins.remove(db, key.bytes());
    Ok(())
}

/// Whether a key is pinned in any database. Errs if its shard is not locked.
pub fn is_pinned(txn: &mut Txn<'_>, key: Key<'_>) -> Result<bool, Error> {
    Ok(txn.shard(key.shard())?.0.pins.has_in_any_database(key.bytes()))
}

/// Whether a shard has pinned keys. Errs if it is not locked.
pub fn has_pins(txn: &mut Txn<'_>, shard: usize) -> Result<bool, Error> {
    Ok(!txn.shard(shard)?.0.pins.is_empty())
}
