//! Setting and deleting fields.

use super::fields::moment;
use super::value::Hash;
use super::write::{FieldExpiry, Writer, finish, new_hash};
use crate::effects::EventClass;
use crate::error::Error;
use crate::open::Open;
use crate::raw::entry::Str;
use crate::store::Key;
use crate::txn::Txn;

/// Sets fields, given as names with values, of the hash at a key, which is created if it does not exist. They lose
/// their deadlines. Returns how many are new. Errs with `WrongType`.
pub fn set<'p>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    pairs: impl ExactSizeIterator<Item = (&'p [u8], &'p [u8])> + Clone,
) -> Result<usize, Error> {
    let (store, now_ms, fields) = (txn.store(), moment(txn), pairs.len());
    let mut open = txn.open_or_create_fresh(db, &key, || new_hash(store, pairs.clone()))?;
    if open.by_parts() {
        pairs.clone().for_each(|(name, _)| open.keep_field(name));
    }
    let hash = open.value();
    let fresh = hash.is_empty();
    let mut writer = Writer::new(hash, store, now_ms);
    writer.expect(fields);
    let mut created = 0;
    for (name, value) in pairs {
        created += usize::from(writer.put(name, Str::Bytes(value), FieldExpiry::Clear));
    }
    let expired = writer.expired;
    if fresh {
        if let Hash::Pack(pack) = hash {
            // Numbers take less than was thought.
            pack.shrink_to_fit();
        }
        open.compact();
    }
    finish(&mut open, fields, expired, "hset");
    Ok(created)
}

/// Sets a field of the hash at a key unless there is such a field. Whether it was set. Errs with `WrongType`.
pub fn set_new(txn: &mut Txn<'_>, db: usize, key: Key<'_>, name: &[u8], value: &[u8]) -> Result<bool, Error> {
    let (store, now_ms) = (txn.store(), moment(txn));
    let mut open = txn.open_or_create_fresh(db, &key, || new_hash(store, std::iter::once((name, value))))?;
    open.keep_field(name);
    let mut writer = Writer::new(open.value(), store, now_ms);
    if writer.get(name).is_some() {
        return Ok(false);
    }
    writer.put(name, Str::Bytes(value), FieldExpiry::Clear);
    let expired = writer.expired;
    finish(&mut open, 1, expired, "hset");
    Ok(true)
}

/// Deletes fields, and the key with the last of them. Returns how many there were. Errs with `WrongType`.
pub fn delete<'n>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    names: impl Iterator<Item = &'n [u8]>,
) -> Result<usize, Error> {
    let now_ms = moment(txn);
    let Some(mut open) = txn.open::<Hash>(db, &key)? else { return Ok(0) };
    let mut deleted = 0;
    for name in names {
        open.keep_field(name);
        let hash = open.value();
        deleted += usize::from(hash.remove(name, now_ms));
        if hash.is_empty() {
            break;
        }
    }
    Ok(end(open, deleted))
}

/// As [`delete`], and shows the value of each field before, nothing where there is none.
pub fn get_and_delete<'n>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    names: impl Iterator<Item = &'n [u8]>,
    visit: &mut dyn FnMut(Option<Str<'_>>),
) -> Result<usize, Error> {
    let now_ms = moment(txn);
    let Some(mut open) = txn.open::<Hash>(db, &key)? else {
        names.for_each(|_| visit(None));
        return Ok(0);
    };
    let mut deleted = 0;
    for name in names {
        open.keep_field(name);
        let hash = open.value();
        visit(hash.get(name, now_ms).map(|found| found.value));
        deleted += usize::from(hash.remove(name, now_ms));
    }
    Ok(end(open, deleted))
}

/// Ends the deletion of fields.
fn end(mut open: Open<'_, Hash>, deleted: usize) -> usize {
    if deleted > 0 {
        open.update_fields();
        open.changed(EventClass::Hash, "hdel");
        open.parts().1.effects.dirty += deleted as u64 - 1;
        open.close(Hash::is_empty);
    }
    deleted
}
