//! Getting and setting whole strings.

use super::number::parse_int;
use crate::effects::EventClass;
use crate::error::Error;
use crate::raw::entry::{Contents, EMBSTR_MAX, Encoding, Entry, Str};
use crate::raw::keys::Found;
use crate::store::Key;
use crate::txn::Txn;

/// When to set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Always.
    #[default]
    Always,
    /// Only if the key does not exist.
    Nx,
    /// Only if the key exists.
    Xx,
    /// Only if the key holds a string equal to this.
    IfEq(&'a [u8]),
}

/// What becomes of the deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// There is none afterwards.
    #[default]
    Clear,
    /// It stays as it was.
    Keep,
    /// It is this, in ms since the Unix epoch.
    At(i64),
}

/// How to set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetOptions<'a> {
    /// When to set.
    pub condition: Condition<'a>,
    /// What becomes of the deadline.
    pub expiry: Expiry,
    /// Whether the old value is wanted; then it must be a string.
    pub get: bool,
}

/// What `set` did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetOutcome {
    /// Whether the condition held, so that the value was set.
    pub done: bool,
    /// The old value, if asked for and there was one.
    pub old: Option<Vec<u8>>,
}

/// What `get_and_expire` does to the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetExpiry {
    /// Nothing.
    Keep,
    /// Removes it.
    Persist,
    /// Sets it, in ms since the Unix epoch; in the past, the key is deleted.
    At(i64),
}

/// The encoding of a new string: an integer if it is one in its shortest form.
pub(crate) fn contents(value: &[u8]) -> Contents<'_> {
    match parse_int(value) {
        Some(number) => Contents::Int(number),
        None if value.len() <= EMBSTR_MAX => Contents::Bytes(value, Encoding::Embstr),
        None => Contents::Bytes(value, Encoding::Raw),
    }
}

/// Whether a string is equal to `bytes`.
pub(crate) fn equals(value: Str<'_>, bytes: &[u8]) -> bool {
    value.as_bytes(&mut itoa::Buffer::new()) == bytes
}

/// The value of a key, `None` if it does not exist.
// Its result would go through memory, byte by byte.
#[inline(always)]
pub fn get<'x>(txn: &'x mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<Str<'x>>, Error> {
    txn.read(db, &key)?.map(|entry| entry.into_ref().into_str()).transpose()
}

/// The length of a string; 0 if the key does not exist.
pub fn length(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<usize, Error> {
    txn.read(db, &key)?.map_or(Ok(0), |entry| Ok(entry.string()?.len()))
}

/// Sets a key to a string that does not expire, whatever it held: [`set`] without options, but in less time.
pub fn put(txn: &mut Txn<'_>, db: usize, key: Key<'_>, value: &[u8]) -> Result<(), Error> {
    let (found, mut around) = txn.write(db, &key)?;
    match found {
        Found::Vacant(vacant) => {
            vacant.insert(Entry::new(key.bytes(), contents(value), None, around.initial_access()));
            around.created(key.bytes());
        }
        Found::Occupied(mut entry) => around.core.replaced(entry.set(contents(value), None)),
    }
    around.changed(key.bytes(), EventClass::String, "set");
    Ok(())
}

/// Sets a key to a string, whatever it held.
pub fn set(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    value: &[u8],
    options: SetOptions<'_>,
) -> Result<SetOutcome, Error> {
    let (found, mut around) = txn.write(db, &key)?;
    match found {
        Found::Vacant(vacant) => {
            if matches!(options.condition, Condition::Xx | Condition::IfEq(_)) {
                return Ok(SetOutcome::default());
            }
            let deadline = if let Expiry::At(at) = options.expiry { Some(at) } else { None };
            vacant.insert(Entry::new(key.bytes(), contents(value), deadline, around.initial_access()));
            around.created(key.bytes());
            around.changed(key.bytes(), EventClass::String, "set");
            if deadline.is_some() {
                around.event(key.bytes(), EventClass::Generic, "expire");
            }
            Ok(SetOutcome { done: true, old: None })
        }
        Found::Occupied(mut entry) => {
            let old = options.get.then(|| entry.string().map(|old| old.to_vec())).transpose()?;
            let done = match options.condition {
                Condition::Always | Condition::Xx => true,
                Condition::Nx => false,
                Condition::IfEq(expected) => equals(entry.string()?, expected),
            };
            if !done {
                return Ok(SetOutcome { done, old });
            }
            let deadline = match options.expiry {
                Expiry::Clear => None,
                Expiry::Keep => entry.deadline(),
                Expiry::At(at) => Some(at),
            };
            around.core.replaced(entry.set(contents(value), deadline));
            around.changed(key.bytes(), EventClass::String, "set");
            if matches!(options.expiry, Expiry::At(_)) {
                around.event(key.bytes(), EventClass::Generic, "expire");
            }
            Ok(SetOutcome { done, old })
        }
    }
}

/// Takes a key's value out and deletes the key.
pub fn get_and_delete(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<Vec<u8>>, Error> {
    let Some(entry) = txn.read(db, &key)? else { return Ok(None) };
    let value = entry.string()?.to_vec();
    let Some((entry, mut around)) = txn.find_existing(db, &key)? else { return Ok(None) };
    let (entry, _) = entry.remove();
    around.core.entry(entry);
    around.changed(key.bytes(), EventClass::Generic, "del");
    Ok(Some(value))
}

/// A key's value, whose deadline is changed on the way.
pub fn get_and_expire(txn: &mut Txn<'_>, db: usize, key: Key<'_>, expiry: GetExpiry) -> Result<Option<Vec<u8>>, Error> {
    let Some(entry) = txn.read(db, &key)? else { return Ok(None) };
    let value = entry.string()?.to_vec();
    let removes = txn.access().expired == crate::txn::Expired::Remove;
    let Some((mut entry, mut around)) = txn.find_existing(db, &key)? else { return Ok(None) };
    match expiry {
        GetExpiry::Keep => {}
        GetExpiry::Persist => {
            if entry.deadline().is_some() {
                entry.set_deadline(None);
                around.changed(key.bytes(), EventClass::Generic, "persist");
            }
        }
        GetExpiry::At(at) if removes && at <= around.now_ms => {
            let (entry, _) = entry.remove();
            around.core.entry(entry);
            around.changed(key.bytes(), EventClass::Generic, "del");
        }
        GetExpiry::At(at) => {
            entry.set_deadline(Some(at));
            around.changed(key.bytes(), EventClass::Generic, "expire");
        }
    }
    Ok(Some(value))
}

/// Deletes a key if it holds a string equal to `expected`. True if it was deleted.
pub fn delete_if_equal(txn: &mut Txn<'_>, db: usize, key: Key<'_>, expected: &[u8]) -> Result<bool, Error> {
    let Some((entry, mut around)) = txn.write_existing(db, &key)? else { return Ok(false) };
    if !equals(entry.string()?, expected) {
        return Ok(false);
    }
    let (entry, _) = entry.remove();
    around.core.entry(entry);
    around.changed(key.bytes(), EventClass::Generic, "del");
    Ok(true)
}
