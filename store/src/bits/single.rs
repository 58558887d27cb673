//! Single bits.

use crate::effects::EventClass;
use crate::error::Error;
use crate::raw::entry::{Contents, Encoding, Entry};
use crate::raw::keys::{Found, Places};
use crate::store::Key;
use crate::txn::Txn;
use std::sync::atomic::Ordering::Relaxed;

/// The bit at `offset`; false beyond the end.
pub fn get_bit(txn: &mut Txn<'_>, db: usize, key: Key<'_>, offset: u64) -> Result<bool, Error> {
    let Some(entry) = txn.read(db, &key)? else { return Ok(false) };
    let mut space = itoa::Buffer::new();
    let value = entry.string()?;
    let byte = usize::try_from(offset / 8).ok().and_then(|index| value.as_bytes(&mut space).get(index).copied());
    Ok(byte.is_some_and(|byte| byte >> (7 - offset % 8) & 1 == 1))
}

/// Sets the bit at `offset`, after zeros where the string is shorter, and returns the old one.
///
/// Errs with `OutOfRange` if the string would be too long.
pub fn set_bit(txn: &mut Txn<'_>, db: usize, key: Key<'_>, offset: u64, on: bool) -> Result<bool, Error> {
    if offset / 8 >= txn.settings().proto_max_bulk_len.load(Relaxed) {
        return Err(Error::OutOfRange);
    }
    let index = usize::try_from(offset / 8).map_err(|_| Error::OutOfRange)?;
    let mask = 1u8 << (7 - offset % 8);
    let mut old = false;
    let mut set = |bytes: &mut [u8]| {
        if let Some(byte) = bytes.get_mut(index) {
            old = *byte & mask != 0;
            *byte = if on { *byte | mask } else { *byte & !mask };
        }
    };
    let grown = edit(txn, db, &key, index + 1, &|each| each(index..index + 1), &mut set)?;
    if grown || old != on {
        let effects = txn.effects();
        effects.dirty += 1;
        effects.touched(db, key.bytes());
        effects.event(EventClass::String, "setbit", db, key.bytes());
    }
    Ok(old)
}

/// Lets `change` work on the string at `key`, made at least `len` bytes long, in these places. True if it was created or
/// grew.
pub(super) fn edit(
    txn: &mut Txn<'_>,
    db: usize,
    key: &Key<'_>,
    len: usize,
    places: Places<'_>,
    change: &mut dyn FnMut(&mut [u8]),
) -> Result<bool, Error> {
    let (found, mut around) = txn.write(db, key)?;
    match found {
        Found::Vacant(vacant) => {
            let mut buffer = vec![0; len];
            change(&mut buffer);
            let contents = Contents::Buffer(buffer, Encoding::Raw);
            vacant.insert(Entry::new(key.bytes(), contents, None, around.initial_access()));
            around.created(key.bytes());
            Ok(true)
        }
        Found::Occupied(mut entry) => {
            let old = entry.string()?.len();
            entry.edit(len.max(old), places, change)?;
            Ok(len > old)
        }
    }
}
