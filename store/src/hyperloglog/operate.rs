//! Adding, counting and merging.

use super::estimate::Histogram;
use super::hash::place;
use super::layout::{
    DENSE_BYTES, REGISTERS, Representation, cached, invalidate, keep_header, representation_of, set_cached,
};
use super::sketch::{Sketch, gather, histogram};
use super::{dense, sparse};
use crate::effects::EventClass;
use crate::error::Error;
use crate::raw::entry::{Contents, Encoding, Entry, Str};
use crate::raw::keys::{EntryMut, Found, Places};
use crate::store::Key;
use crate::txn::{Around, Txn};
use std::sync::atomic::Ordering::Relaxed;

/// Any byte may change: no HyperLogLog is large.
const ALL: Places<'static> = &|each| each(0..usize::MAX);

/// Adds elements to the HyperLogLog at `key`, which is created if it does not exist. True if that changed anything.
///
/// Errs with `NotHyperLogLog` or `CorruptHyperLogLog`.
pub fn add<'e>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    elements: impl IntoIterator<Item = &'e [u8]>,
) -> Result<bool, Error> {
    let sparse_bytes_max = sparse_bytes_max(txn);
    let mut places = elements.into_iter().map(place);
    let (found, mut around) = txn.write(db, &key)?;
    let changes = match found {
        Found::Vacant(vacant) => {
            let mut sketch = Sketch::new(sparse_bytes_max);
            let mut changes = 1;
            for (register, number) in places {
                changes += u64::from(sketch.raise(register, number)?);
            }
            let value = sketch.finish();
            vacant.insert(Entry::new(
                key.bytes(),
                Contents::Bytes(&value, Encoding::Raw),
                None,
                around.initial_access(),
            ));
            around.created(key.bytes());
            changes
        }
        Found::Occupied(mut entry) => match representation_of(bytes_of(&entry)?)? {
            Representation::Dense => add_to_dense(&mut entry, &mut places)?,
            Representation::Sparse => add_to_sparse(&mut entry, &mut around, sparse_bytes_max, &mut places)?,
        },
    };
    if changes > 0 {
        around.changed(key.bytes(), EventClass::String, "pfadd");
        around.effects.dirty += changes - 1;
    }
    Ok(changes > 0)
}

fn add_to_dense(entry: &mut EntryMut<'_>, places: &mut dyn Iterator<Item = (usize, u8)>) -> Result<u64, Error> {
    let mut changes = 0;
    entry.edit(DENSE_BYTES, ALL, &mut |value| {
        for (register, number) in &mut *places {
            changes += u64::from(dense::raise(value, register, number));
        }
        if changes > 0 {
            invalidate(value);
        }
    })?;
    Ok(changes)
}

/// Works on a copy, made only once an element changes something: an error leaves the value as it was.
fn add_to_sparse(
    entry: &mut EntryMut<'_>,
    around: &mut Around<'_>,
    sparse_bytes_max: usize,
    places: &mut dyn Iterator<Item = (usize, u8)>,
) -> Result<u64, Error> {
    let value = bytes_of(entry)?;
    let first = loop {
        match places.next() {
            None => return Ok(0),
            Some((register, number)) if sparse::register(value, register)? < number => break (register, number),
            Some(_) => {}
        }
    };
    let mut sketch = Sketch::copied(value, sparse_bytes_max)?;
    let mut changes = 0;
    for (register, number) in std::iter::once(first).chain(places) {
        changes += u64::from(sketch.raise(register, number)?);
    }
    replace(entry, around, sketch.finish())?;
    Ok(changes)
}

/// The number of elements of the HyperLogLog at `key`, cached in its value; 0 if the key does not exist. Filling the
/// cache is a change, without an event.
///
/// Errs with `NotHyperLogLog` or `CorruptHyperLogLog`.
pub fn count(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<u64, Error> {
    let Some(entry) = txn.read(db, &key)? else { return Ok(0) };
    let value = bytes_of(&entry)?;
    representation_of(value)?;
    if let Some(cardinality) = cached(value) {
        return Ok(cardinality);
    }
    let cardinality = histogram(value)?.estimate();
    let len = value.len();
    if let Some((mut entry, around)) = txn.find_existing(db, &key)? {
        entry.edit(len, ALL, &mut |value| set_cached(value, cardinality))?;
        around.effects.dirty += 1;
        around.effects.touched(db, key.bytes());
    }
    Ok(cardinality)
}

/// The number of elements of several HyperLogLogs together. Keys that do not exist have none.
///
/// Errs with `NotHyperLogLog` or `CorruptHyperLogLog`.
pub fn count_union(txn: &mut Txn<'_>, db: usize, keys: &[Key<'_>]) -> Result<u64, Error> {
    let mut registers = [0; REGISTERS];
    for key in keys {
        if let Some(entry) = txn.read(db, key)? {
            gather(&mut registers, bytes_of(&entry)?)?;
        }
    }
    Ok(Histogram::of(&registers).estimate())
}

/// Adds the elements of the HyperLogLogs at `sources` to the one at `destination`, which is created if it does not
/// exist. It becomes dense if any of them is.
///
/// Errs with `NotHyperLogLog` or `CorruptHyperLogLog`.
pub fn merge(txn: &mut Txn<'_>, db: usize, destination: Key<'_>, sources: &[Key<'_>]) -> Result<(), Error> {
    let sparse_bytes_max = sparse_bytes_max(txn);
    let mut registers = [0; REGISTERS];
    let mut is_dense = false;
    for key in std::iter::once(&destination).chain(sources) {
        if let Some(entry) = txn.read(db, key)? {
            is_dense |= gather(&mut registers, bytes_of(&entry)?)? == Representation::Dense;
        }
    }
    let (found, mut around) = txn.write(db, &destination)?;
    let old = match &found {
        Found::Vacant(_) => None,
        Found::Occupied(entry) => Some(bytes_of(entry)?),
    };
    let value = merged(&registers, old, is_dense, sparse_bytes_max)?;
    match found {
        Found::Vacant(vacant) => {
            let contents = Contents::Bytes(&value, Encoding::Raw);
            vacant.insert(Entry::new(destination.bytes(), contents, None, around.initial_access()));
            around.created(destination.bytes());
        }
        Found::Occupied(mut entry) => replace(&mut entry, &mut around, value)?,
    }
    around.changed(destination.bytes(), EventClass::String, "pfadd");
    Ok(())
}

/// The value of these registers, which are those of the old value at least. It keeps its header.
fn merged(
    registers: &[u8; REGISTERS],
    old: Option<&[u8]>,
    is_dense: bool,
    sparse_bytes_max: usize,
) -> Result<Vec<u8>, Error> {
    if is_dense {
        let mut value = dense::from_registers(registers);
        if let Some(old) = old {
            keep_header(&mut value, old);
        }
        return Ok(value);
    }
    let mut sketch = match old {
        Some(old) => Sketch::copied(old, sparse_bytes_max)?,
        None => Sketch::new(sparse_bytes_max),
    };
    sketch.raise_all(registers)?;
    Ok(sketch.finish())
}

/// The bytes of a value that may be a HyperLogLog.
pub(super) fn bytes_of(entry: &Entry) -> Result<&[u8], Error> {
    match entry.string()? {
        Str::Bytes(bytes) => Ok(bytes),
        Str::Int(_) => Err(Error::NotHyperLogLog),
    }
}

/// Puts a new value in the place of the old one.
pub(super) fn replace(entry: &mut EntryMut<'_>, around: &mut Around<'_>, value: Vec<u8>) -> Result<(), Error> {
    if value.len() == DENSE_BYTES {
        let deadline = entry.deadline();
        around.core.replaced(entry.set(Contents::Buffer(value, Encoding::Raw), deadline));
        return Ok(());
    }
    entry.edit(value.len(), ALL, &mut |bytes| bytes.copy_from_slice(&value))
}

fn sparse_bytes_max(txn: &Txn<'_>) -> usize {
    usize::try_from(txn.settings().hll_sparse_max_bytes.load(Relaxed)).unwrap_or(usize::MAX)
}
