//! Taking elements off the ends.

use super::elements::Elements;
use crate::effects::EventClass;
use crate::error::Error;
use crate::quicklist::{End, List};
use crate::raw::entry::Str;
use crate::store::Key;
use crate::txn::Txn;

/// Shows the element at one end to `see` and removes it; `None` if there is no such key.
#[inline]
pub fn pop<R>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    end: End,
    see: impl FnOnce(Str<'_>) -> R,
) -> Result<Option<R>, Error> {
    let limits = txn.settings().list_limits();
    let Some(mut open) = txn.open_by_parts::<List>(db, &key)? else { return Ok(None) };
    open.keep_pops(&[(end, 1)])?;
    let list = open.value();
    let result = list.pop(end, see);
    list.shrink(&limits);
    open.changed(EventClass::List, pop_event(end));
    open.close(List::is_empty);
    Ok(result)
}

/// Shows up to `count` elements, from one end on, to `show` and removes them; `None` if there is no such key.
pub fn pop_many<R>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    end: End,
    count: usize,
    show: impl FnOnce(Elements<'_>) -> R,
) -> Result<Option<R>, Error> {
    let limits = txn.settings().list_limits();
    let Some(mut open) = txn.open_by_parts::<List>(db, &key)? else { return Ok(None) };
    let len = open.value().len();
    let count = count.min(len);
    if count < len {
        open.keep_pops(&[(end, count)])?;
    }
    let list = open.value();
    let result = show(match end {
        End::Head => Elements::of(list, 0, count, End::Tail),
        End::Tail => Elements::of(list, len.saturating_sub(1), count, End::Head),
    });
    if count == 0 {
        return Ok(Some(result));
    }
    let (list, around) = open.parts();
    // What becomes empty is freed as a whole.
    if count < len {
        list.delete_range(if end == End::Head { 0 } else { len - count }, count);
        list.shrink(&limits);
    }
    around.effects.dirty += count as u64 - 1;
    open.changed(EventClass::List, pop_event(end));
    open.close(|_| count == len);
    Ok(Some(result))
}

/// The event of an element taken off there.
pub(super) fn pop_event(end: End) -> &'static str {
    match end {
        End::Head => "lpop",
        End::Tail => "rpop",
    }
}
