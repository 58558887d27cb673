//! Deadlines of keys.

use crate::effects::EventClass;
use crate::error::Error;
use crate::keyspace::basic::untouched;
use crate::store::Key;
use crate::txn::{Expired, Txn};

/// When to change a deadline. All that are set must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpireCondition {
    /// Only if there is none.
    pub nx: bool,
    /// Only if there is one.
    pub xx: bool,
    /// Only if the new one is later; none counts as the latest.
    pub gt: bool,
    /// Only if the new one is earlier; none counts as the latest.
    pub lt: bool,
}

/// What `expire_at_ms` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpireOutcome {
    /// There is no such key.
    Missing,
    /// The condition did not hold.
    Unchanged,
    /// The deadline is set.
    Set,
    /// The deadline has passed, so the key was deleted.
    Deleted,
}

/// Sets the deadline of a key to `at_ms`, ms since the Unix epoch.
pub fn expire_at_ms(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    at_ms: i64,
    condition: ExpireCondition,
) -> Result<ExpireOutcome, Error> {
    let deletes = txn.access().expired == Expired::Remove;
    let Some((mut entry, mut around)) = txn.write_existing(db, &key)? else { return Ok(ExpireOutcome::Missing) };
    let current = entry.deadline();
    let refused = condition.nx && current.is_some()
        || condition.xx && current.is_none()
        || condition.gt && current.is_none_or(|current| at_ms <= current)
        || condition.lt && current.is_some_and(|current| at_ms >= current);
    if refused {
        return Ok(ExpireOutcome::Unchanged);
    }
    if deletes && at_ms <= around.now_ms {
        let (entry, _) = entry.remove();
        around.core.entry(entry);
        around.changed(key.bytes(), EventClass::Generic, "del");
        return Ok(ExpireOutcome::Deleted);
    }
    entry.set_deadline(Some(at_ms));
    around.changed(key.bytes(), EventClass::Generic, "expire");
    Ok(ExpireOutcome::Set)
}

/// Removes the deadline of a key. Whether there was one.
pub fn persist(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<bool, Error> {
    let Some((mut entry, mut around)) = txn.write_existing(db, &key)? else { return Ok(false) };
    if entry.deadline().is_none() {
        return Ok(false);
    }
    entry.set_deadline(None);
    around.changed(key.bytes(), EventClass::Generic, "persist");
    Ok(true)
}

/// The deadline of a key that exists, for those who only look on: it is no read, and nothing expires by it.
pub fn peek_deadline(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<i64>, Error> {
    Ok(txn.find_existing(db, &key)?.and_then(|(entry, _)| entry.deadline()))
}

/// The deadline of a key: `None` if there is no such key, `Some(None)` if it has no deadline.
pub fn deadline(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<Option<i64>>, Error> {
    untouched(txn, |txn| Ok(txn.read(db, &key)?.map(|entry| entry.deadline())))
}
