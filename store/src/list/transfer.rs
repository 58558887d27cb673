//! Elements that go from list to list.

use super::pop::pop_event;
use super::push::push_event;
use crate::effects::EventClass;
use crate::error::Error;
use crate::open::Open;
use crate::quicklist::{End, Limits, List};
use crate::raw::entry::Str;
use crate::store::Key;
use crate::txn::Txn;

/// Takes an element off one end of a list, adds it at an end of the same or another one, which is created if there is
/// none, and shows it to `see`. `None` if there is no list to take it from.
pub fn move_element<R>(
    txn: &mut Txn<'_>,
    db: usize,
    (from, from_end): (Key<'_>, End),
    (to, to_end): (Key<'_>, End),
    see: impl FnOnce(Str<'_>) -> R,
) -> Result<Option<R>, Error> {
    let limits = txn.settings().list_limits();
    let Some(mut source) = txn.open::<List>(db, &from)? else { return Ok(None) };
    let mut bytes = Vec::new();
    if from.bytes() == to.bytes() {
        source.keep_pop(from_end);
        source.keep_pushes(to_end, 1);
        let list = source.value();
        let Some(element) = list.pop(from_end, |element| keep(element, &mut bytes)) else { return Ok(None) };
        let element = element.unwrap_or(Str::Bytes(&bytes));
        list.grow(&limits, counted_bytes(element), 1);
        list.push(to_end, element);
        source.changed(EventClass::List, push_event(to_end));
        left(source, &limits, from_end);
        return Ok(Some(see(element)));
    }
    // The source is only changed once the destination is known to be a list.
    let index = if from_end == End::Head { 0 } else { -1 };
    let Some(element) = source.value().get(index, |element| keep(element, &mut bytes)) else { return Ok(None) };
    let element = element.unwrap_or(Str::Bytes(&bytes));
    let mut destination = txn.open_or_create(db, &to, || List::new(&limits))?;
    destination.keep_pushes(to_end, 1);
    let list = destination.value();
    list.grow(&limits, counted_bytes(element), 1);
    list.push(to_end, element);
    destination.changed(EventClass::List, push_event(to_end));
    if let Some(mut source) = txn.reopen::<List>(db, &from)? {
        source.keep_pop(from_end);
        source.value().pop(from_end, |_| ());
        left(source, &limits, from_end);
    }
    Ok(Some(see(element)))
}

/// Ends the change of the list that the element was taken off; it is counted once, with the push.
fn left(mut source: Open<'_, List>, limits: &Limits, end: End) {
    source.value().shrink(limits);
    source.also_changed(EventClass::List, pop_event(end));
    source.close(List::is_empty);
}

/// The element if it is a number; otherwise it is copied into `bytes`.
fn keep(element: Str<'_>, bytes: &mut Vec<u8>) -> Option<Str<'static>> {
    match element {
        Str::Int(number) => Some(Str::Int(number)),
        Str::Bytes(value) => {
            bytes.extend_from_slice(value);
            None
        }
    }
}

/// What the servers count for a moved element when they decide about the form of the list: nothing for a number.
fn counted_bytes(element: Str<'_>) -> usize {
    match element {
        Str::Int(_) => 0,
        Str::Bytes(value) => value.len(),
    }
}
