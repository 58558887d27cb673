//! Parts of strings.

use crate::effects::EventClass;
use crate::error::Error;
use crate::raw::entry::{Contents, Encoding, Entry, Str};
use crate::raw::keys::Found;
use crate::store::Key;
use crate::string::basic::contents;
use crate::txn::Txn;
use std::sync::atomic::Ordering::Relaxed;

/// Errs if a string of `len` bytes would be too long.
pub(crate) fn check_length(txn: &Txn<'_>, len: Option<usize>) -> Result<usize, Error> {
    let max = txn.settings().proto_max_bulk_len.load(Relaxed);
    len.filter(|&len| len as u64 <= max).ok_or(Error::StringTooLong)
}

/// Appends `value` and returns the new length. A key that does not exist is created.
///
/// Errs with `StringTooLong`.
pub fn append(txn: &mut Txn<'_>, db: usize, key: Key<'_>, value: &[u8]) -> Result<usize, Error> {
    let old = txn.peek_write(db, &key)?.map_or(Ok(0), |entry| Ok(entry.string()?.len()))?;
    let len = check_length(txn, old.checked_add(value.len()))?;
    let (found, mut around) = txn.find(db, &key)?;
    match found {
        Found::Vacant(vacant) => {
            vacant.insert(Entry::new(key.bytes(), contents(value), None, around.initial_access()));
            around.created(key.bytes());
        }
        Found::Occupied(mut entry) => entry.edit(len, &|each| each(old..len), &mut |bytes| {
            if let Some(tail) = bytes.get_mut(old..) {
                tail.copy_from_slice(value);
            }
        })?,
    }
    around.changed(key.bytes(), EventClass::String, "append");
    Ok(len)
}

/// Overwrites the bytes from `offset` on with `value`, after zeros where the string is shorter, and returns the new
/// length. An empty `value` changes nothing.
///
/// Errs with `StringTooLong`.
pub fn set_range(txn: &mut Txn<'_>, db: usize, key: Key<'_>, offset: usize, value: &[u8]) -> Result<usize, Error> {
    let old = txn.peek_write(db, &key)?.map_or(Ok(0), |entry| Ok(entry.string()?.len()))?;
    if value.is_empty() {
        return Ok(old);
    }
    let end = check_length(txn, offset.checked_add(value.len()))?;
    let len = end.max(old);
    let (found, mut around) = txn.find(db, &key)?;
    match found {
        Found::Vacant(vacant) => {
            let mut buffer = vec![0; len];
            if let Some(place) = buffer.get_mut(offset..end) {
                place.copy_from_slice(value);
            }
            let contents = Contents::Buffer(buffer, Encoding::Raw);
            vacant.insert(Entry::new(key.bytes(), contents, None, around.initial_access()));
            around.created(key.bytes());
        }
        Found::Occupied(mut entry) => entry.edit(len, &|each| each(offset..end), &mut |bytes| {
            if let Some(place) = bytes.get_mut(offset..end) {
                place.copy_from_slice(value);
            }
        })?,
    }
    around.changed(key.bytes(), EventClass::String, "setrange");
    Ok(len)
}

/// Passes the bytes from `start` to `end`, both included and counted from the end if negative, to `take`.
pub fn get_range<R>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    start: i64,
    end: i64,
    take: impl FnOnce(&[u8]) -> R,
) -> Result<R, Error> {
    let Some(entry) = txn.read(db, &key)? else { return Ok(take(b"")) };
    let mut space = itoa::Buffer::new();
    let bytes = match entry.string()? {
        Str::Int(number) => space.format(number).as_bytes(),
        Str::Bytes(bytes) => bytes,
    };
    Ok(take(span(bytes.len(), start, end).and_then(|span| bytes.get(span)).unwrap_or_default()))
}

/// The indexes from `start` to `end`, both included and counted from the end if negative, clipped to `len`.
pub(crate) fn span(len: usize, start: i64, end: i64) -> Option<std::ops::Range<usize>> {
    let len = len as i64;
    if start < 0 && end < 0 && start > end {
        return None;
    }
    let start = if start < 0 { (len + start.max(-len)).max(0) } else { start };
    let end = if end < 0 { (len + end.max(-len)).max(0) } else { end };
    let end = end.min(len - 1);
    if start > end || len == 0 { None } else { Some(start as usize..end as usize + 1) }
}
