//! Keys that change their name or database.

use crate::effects::EventClass;
use crate::error::Error;
use crate::keyspace::basic::untouched;
use crate::raw::entry::Entry;
use crate::raw::keys::Found;
use crate::store::Key;
use crate::txn::Txn;

/// Gives the value and deadline of `from` to `to`, whatever that held; with `nx` only if it does not exist.
/// Whether it was done. Errs with `NoSuchKey` if there is no `from`.
pub fn rename(txn: &mut Txn<'_>, db: usize, from: Key<'_>, to: Key<'_>, nx: bool) -> Result<bool, Error> {
    if txn.peek_write(db, &from)?.is_none() {
        return Err(Error::NoSuchKey);
    }
    if from.bytes() == to.bytes() {
        return Ok(!nx);
    }
    let taken = txn.peek_write(db, &to)?.is_some();
    if taken && nx {
        return Ok(false);
    }
    let Some(entry) = take(txn, db, &from)? else { return Err(Error::NoSuchKey) };
    put(txn, db, &to, entry.rekeyed(to.bytes()))?;
    let effects = txn.effects();
    effects.dirty += 1;
    effects.touched(db, from.bytes());
    effects.touched(db, to.bytes());
    effects.event(EventClass::Generic, "rename_from", db, from.bytes());
    effects.event(EventClass::Generic, "rename_to", db, to.bytes());
    Ok(true)
}

/// Moves a key to another database unless that has it. Whether it was done. Errs with `SameKey` if the database is the
/// same, `OutOfRange` if there is no such database.
pub fn move_key(txn: &mut Txn<'_>, db: usize, key: Key<'_>, to_db: usize) -> Result<bool, Error> {
    if to_db >= txn.store().databases() {
        return Err(Error::OutOfRange);
    }
    if db == to_db {
        return Err(Error::SameKey);
    }
    if txn.peek_write(db, &key)?.is_none() || txn.peek_write(to_db, &key)?.is_some() {
        return Ok(false);
    }
    let Some(entry) = take(txn, db, &key)? else { return Ok(false) };
    put(txn, to_db, &key, entry)?;
    let effects = txn.effects();
    effects.dirty += 1;
    effects.touched(db, key.bytes());
    effects.touched(to_db, key.bytes());
    effects.event(EventClass::Generic, "move_from", db, key.bytes());
    effects.event(EventClass::Generic, "move_to", to_db, key.bytes());
    Ok(true)
}

/// Copies a key, with its deadline, to another key or database; over an existing one only with `replace`. Whether it
/// was done. Errs with `SameKey` if both are the same, `OutOfRange` if there is no such database.
pub fn copy(
    txn: &mut Txn<'_>,
    db: usize,
    from: Key<'_>,
    to: Key<'_>,
    to_db: usize,
    replace: bool,
) -> Result<bool, Error> {
    if to_db >= txn.store().databases() {
        return Err(Error::OutOfRange);
    }
    if db == to_db && from.bytes() == to.bytes() {
        return Err(Error::SameKey);
    }
    let Some(source) = txn.read(db, &from)? else { return Ok(false) };
    let entry = source.copied(to.bytes(), source.access());
    // The destination is looked for before the (perhaps large) copy replaces it, but nothing is changed until then.
    if untouched(txn, |txn| Ok(txn.peek_write(to_db, &to)?.is_some()))? && !replace {
        return Ok(false);
    }
    put(txn, to_db, &to, entry)?;
    let effects = txn.effects();
    effects.dirty += 1;
    effects.touched(to_db, to.bytes());
    effects.event(EventClass::Generic, "copy_to", to_db, to.bytes());
    Ok(true)
}

fn take(txn: &mut Txn<'_>, db: usize, key: &Key<'_>) -> Result<Option<Entry>, Error> {
    let Some((mut entry, _)) = txn.find_existing(db, key)? else { return Ok(None) };
    entry.keep()?;
    Ok(Some(entry.remove().0.into_entry()))
}

/// Puts an entry under its key, in place of what is there.
fn put(txn: &mut Txn<'_>, db: usize, key: &Key<'_>, mut entry: Entry) -> Result<(), Error> {
    crate::snapshot::moved(&mut entry, key.bytes());
    let (found, mut around) = txn.find(db, key)?;
    let vacant = match found {
        Found::Vacant(vacant) => vacant,
        Found::Occupied(old) => {
            let (old, vacant) = old.remove();
            around.core.entry(old);
            vacant
        }
    };
    vacant.insert(entry);
    around.created(key.bytes());
    Ok(())
}
