//! Looking at elements.

use super::elements::Elements;
use crate::error::Error;
use crate::quicklist::{End, List};
use crate::raw::entry::Str;
use crate::store::Key;
use crate::string::parse_int;
use crate::txn::Txn;

/// The number of elements; 0 if there is no such key.
#[inline]
pub fn len(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<usize, Error> {
    Ok(txn.value::<List>(db, &key)?.map_or(0, List::len))
}

/// Whether there is a list, asked by a command that is about to write: neither a hit nor a miss.
pub fn is_list(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<bool, Error> {
    Ok(txn.open::<List>(db, &key)?.is_some())
}

/// Shows the element at an index (negative ones count from the end) to `see`; `None` if there is none.
pub fn get<R>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    index: i64,
    see: impl FnOnce(Str<'_>) -> R,
) -> Result<Option<R>, Error> {
    Ok(txn.value::<List>(db, &key)?.and_then(|list| list.get(index, see)))
}

/// The elements from `start` to `stop`, both included and counted from the end if negative.
#[inline]
pub fn range<'t>(txn: &'t mut Txn<'_>, db: usize, key: Key<'_>, start: i64, stop: i64) -> Result<Elements<'t>, Error> {
    let Some(list) = txn.value::<List>(db, &key)? else { return Ok(Elements::none()) };
    let (first, count) = span(list.len(), start, stop);
    Ok(Elements::of(list, first, count, End::Tail))
}

/// Which elements [`positions`] looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// Where to begin.
    pub from: End,
    /// Equal elements that are passed over.
    pub skip: u64,
    /// Most elements to look at.
    pub look_max: u64,
}

/// Passes the index of each element equal to `element` to `found`, which tells whether to go on.
pub fn positions(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    element: &[u8],
    search: Search,
    mut found: impl FnMut(usize) -> bool,
) -> Result<(), Error> {
    let Some(list) = txn.value::<List>(db, &key)? else { return Ok(()) };
    let len = list.len();
    let mut cursor = match search.from {
        End::Head => list.cursor(0, End::Tail),
        End::Tail => list.cursor(len.saturating_sub(1), End::Head),
    };
    let number = parse_int(element);
    let mut skip = search.skip;
    for step in 0..len.min(usize::try_from(search.look_max).unwrap_or(usize::MAX)) {
        let is_equal = match cursor.next() {
            Some(Str::Int(value)) => number == Some(value),
            Some(Str::Bytes(value)) => value == element,
            None => break,
        };
        if !is_equal {
            continue;
        }
        if skip > 0 {
            skip -= 1;
        } else if !found(if search.from == End::Head { step } else { len - 1 - step }) {
            break;
        }
    }
    Ok(())
}

/// The first index and the number of elements from `start` to `stop`, both included and counted from the end if
/// negative, of a list of `len`.
pub(super) fn span(len: usize, start: i64, stop: i64) -> (usize, usize) {
    let len = len as i64;
    let start = if start < 0 { start.saturating_add(len).max(0) } else { start };
    let stop = if stop < 0 { stop.saturating_add(len) } else { stop.min(len - 1) };
    if start > stop { (0, 0) } else { (start as usize, (stop - start + 1) as usize) }
}
