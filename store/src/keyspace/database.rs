//! Whole databases. These need all shards locked.

use crate::error::Error;
use crate::snapshot;
use crate::txn::Txn;

/// Who frees what a flush removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeMode {
    /// The caller, who finds it in its [`Effects`](crate::Effects) and should free it after unlocking.
    Caller,
    /// The freeing thread.
    Later,
}

/// Exchanges the keys of two databases. Errs with `OutOfRange`, and with `NotLocked` unless all shards are held.
pub fn swap_db(txn: &mut Txn<'_>, first: usize, second: usize) -> Result<(), Error> {
    require_all(txn)?;
    if first >= txn.store().places() || second >= txn.store().places() {
        return Err(Error::OutOfRange);
    }
    txn.before_tables_move()?;
    if first != second {
        txn.effects().touched_database(first);
        txn.effects().touched_database(second);
        for number in 0..txn.store().shards() {
            let (shard, _) = txn.shard(number)?;
            let (low, high) = (first.min(second), first.max(second));
            if let (left, [right, ..]) = shard.databases.split_at_mut(high)
                && let Some(left) = left.get_mut(low)
            {
                left.swap(right);
            }
        }
    }
    txn.effects().dirty += 1;
    Ok(())
}

/// Removes all keys of a database and returns how many there were.
pub fn flush_db(txn: &mut Txn<'_>, db: usize, mode: FreeMode) -> Result<usize, Error> {
    require_all(txn)?;
    if db >= txn.store().places() {
        return Err(Error::OutOfRange);
    }
    txn.before_tables_move()?;
    let store = txn.store();
    let mut removed = 0;
    for number in 0..store.shards() {
        let (shard, effects) = txn.shard(number)?;
        let Some(keys) = shard.databases.get_mut(db).filter(|keys| keys.has_tables()) else { continue };
        removed += keys.len();
        let taken = keys.take();
        let Some(garbage) = snapshot::release(taken) else { continue };
        match mode {
            FreeMode::Caller => effects.garbage.push(garbage),
            FreeMode::Later => store.free_later(garbage),
        }
    }
    txn.effects().dirty += removed as u64;
    txn.effects().touched_database(db);
    Ok(removed)
}

/// Removes all keys of all databases and returns how many there were.
pub fn flush_all(txn: &mut Txn<'_>, mode: FreeMode) -> Result<usize, Error> {
    (0..txn.store().databases()).map(|db| flush_db(txn, db, mode)).sum()
}

/// Moves up to `chains` chains of each table of a shard that is being rehashed, beside the few that every access moves.
/// True if there is more to do.
pub fn rehash(txn: &mut Txn<'_>, shard: usize, chains: usize) -> Result<bool, Error> {
    let (shard, _) = txn.shard(shard)?;
    let unfinished = shard.databases.iter_mut().filter_map(|keys| keys.rehash(chains).then_some(()));
    Ok(unfinished.count() > 0)
}

fn require_all(txn: &mut Txn<'_>) -> Result<(), Error> {
    for number in 0..txn.store().shards() {
        txn.shard(number)?;
    }
    Ok(())
}
