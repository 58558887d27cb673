//! Adding elements at the ends.

use crate::effects::EventClass;
use crate::error::Error;
use crate::open::Open;
use crate::quicklist::{End, Limits, List};
use crate::raw::entry::Str;
use crate::store::Key;
use crate::txn::Txn;

/// Adds elements at one end, one after the other, and returns the new length. A key that does not exist is created:
/// there must be at least one element.
#[inline]
pub fn push<'v>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    end: End,
    elements: impl ExactSizeIterator<Item = &'v [u8]> + Clone,
) -> Result<usize, Error> {
    let limits = txn.settings().list_limits();
    let bytes = elements.clone().map(<[u8]>::len).sum();
    let make = || List::for_elements(&limits, bytes, elements.clone().map(Str::Bytes));
    let open = txn.open_or_create(db, &key, make)?;
    Ok(push_to(open, &limits, end, bytes, elements))
}

/// As [`push`], but a key that does not exist is left so: the length is 0 then.
pub fn push_existing<'v>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    end: End,
    elements: impl ExactSizeIterator<Item = &'v [u8]> + Clone,
) -> Result<usize, Error> {
    let limits = txn.settings().list_limits();
    let bytes = elements.clone().map(<[u8]>::len).sum();
    let Some(open) = txn.open(db, &key)? else { return Ok(0) };
    Ok(push_to(open, &limits, end, bytes, elements))
}

#[inline]
fn push_to<'v>(
    mut open: Open<'_, List>,
    limits: &Limits,
    end: End,
    bytes: usize,
    elements: impl ExactSizeIterator<Item = &'v [u8]>,
) -> usize {
    let count = elements.len();
    open.keep_pushes(end, count);
    let (list, around) = open.parts();
    list.grow(limits, bytes, count);
    for element in elements {
        list.push(end, Str::Bytes(element));
    }
    let len = list.len();
    // One is counted with the event.
    around.effects.dirty += count as u64 - 1;
    open.changed(EventClass::List, push_event(end));
    len
}

/// The event of an element added there.
pub(super) fn push_event(end: End) -> &'static str {
    match end {
        End::Head => "lpush",
        End::Tail => "rpush",
    }
}
