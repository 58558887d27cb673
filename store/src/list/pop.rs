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
    let Some(mut open) = txn.open::<List>(db, &key)? else { return Ok(None) };
    open.keep_pop(end);
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
    let Some(mut open) = txn.open::<List>(db, &key)? else { return Ok(None) };
    let len = open.value().len();
    let count = count.min(len);
    let list = open.value();
    let result = show(match end {
        End::Head => Elements::of(list, 0, count, End::Tail),
        End::Tail => Elements::of(list, len.saturating_sub(1), count, End::Head),
    });
    if count == 0 {
        return Ok(Some(result));
    }
    // What becomes empty is freed as a whole.
    if count < len {
        open.cut(end, count);
        open.value().shrink(&limits);
    }
    open.parts().1.effects.dirty += count as u64 - 1;
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
