//! Changes inside a list.

use super::read::span;
use crate::effects::EventClass;
use crate::error::Error;
use crate::quicklist::{End, List, Side};
use crate::raw::entry::Str;
use crate::store::Key;
use crate::txn::Txn;

/// What came of an insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// The list has this many elements now.
    Done(usize),
    /// No element equals the pivot.
    NoPivot,
    /// There is no such key.
    NoKey,
}

/// Adds an element beside the first one that equals `pivot`.
pub fn insert(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    side: Side,
    pivot: &[u8],
    element: &[u8],
) -> Result<Inserted, Error> {
    let limits = txn.settings().list_limits();
    let Some(mut open) = txn.open::<List>(db, &key)? else { return Ok(Inserted::NoKey) };
    let list = open.value();
    // Even if nothing is inserted then: so do the servers.
    list.grow(&limits, element.len(), 1);
    let Some(index) = list.find(pivot) else { return Ok(Inserted::NoPivot) };
    open.keep_insertion(index, side);
    let list = open.value();
    list.insert(index, side, Str::Bytes(element));
    let len = list.len();
    open.changed(EventClass::List, "linsert");
    Ok(Inserted::Done(len))
}

/// Gives the element at an index (negative ones count from the end) another value. Errs with `NoSuchKey`, and with
/// `OutOfRange` if there is no such element.
pub fn set(txn: &mut Txn<'_>, db: usize, key: Key<'_>, index: i64, element: &[u8]) -> Result<(), Error> {
    let limits = txn.settings().list_limits();
    let Some(mut open) = txn.open::<List>(db, &key)? else { return Err(Error::NoSuchKey) };
    open.keep_replaced(index);
    let list = open.value();
    list.grow(&limits, element.len(), 1);
    if !list.replace(index, Str::Bytes(element)) {
        return Err(Error::OutOfRange);
    }
    list.shrink(&limits);
    open.changed(EventClass::List, "lset");
    Ok(())
}

/// Keeps only the elements from `start` to `stop`, both included and counted from the end if negative. The key counts as
/// touched if any are removed, or in any case if it `touches`.
pub fn trim(txn: &mut Txn<'_>, db: usize, key: Key<'_>, start: i64, stop: i64, touches: bool) -> Result<(), Error> {
    let limits = txn.settings().list_limits();
    let Some(mut open) = txn.open::<List>(db, &key)? else { return Ok(()) };
    let len = open.value().len();
    let (first, kept) = span(len, start, stop);
    // What becomes empty is freed as a whole.
    if kept > 0 {
        open.cut(End::Tail, len - first - kept);
        open.cut(End::Head, first);
        open.value().shrink(&limits);
    }
    let (_, around) = open.parts();
    // The event comes even if nothing changes: so do those of the servers.
    around.effects.dirty += (len - kept) as u64;
    around.event(key.bytes(), EventClass::List, "ltrim");
    if kept < len || touches {
        around.effects.touched(around.db(), key.bytes());
    }
    open.close(|_| kept == 0);
    Ok(())
}

/// Removes elements equal to `element`, at most `limit`, the first ones seen from `from`. Returns how many.
pub fn remove(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    element: &[u8],
    limit: usize,
    from: End,
) -> Result<usize, Error> {
    let limits = txn.settings().list_limits();
    let Some(mut open) = txn.open::<List>(db, &key)? else { return Ok(0) };
    open.keep_equal(element, limit, from)?;
    let (list, around) = open.parts();
    let removed = list.remove_equal(element, limit, from);
    if removed > 0 {
        list.shrink(&limits);
        around.effects.dirty += removed as u64 - 1;
        open.changed(EventClass::List, "lrem");
        open.close(List::is_empty);
    }
    Ok(removed)
}
