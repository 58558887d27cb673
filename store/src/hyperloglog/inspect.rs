//! Looking into HyperLogLogs, for debugging. Nothing here counts as a read of the key.

use super::layout::{REGISTERS, Representation, representation_of};
use super::operate::{bytes_of, replace};
use super::sketch::{Sketch, gather};
use super::sparse::{self, Opcode};
use crate::error::Error;
use crate::store::Key;
use crate::txn::Txn;

/// How the HyperLogLog at `key` stores its registers; `None` if the key does not exist.
///
/// Errs with `NotHyperLogLog`.
pub fn representation(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<Representation>, Error> {
    let Some(entry) = txn.peek_write(db, &key)? else { return Ok(None) };
    representation_of(bytes_of(&entry)?).map(Some)
}

/// The pieces of a sparse HyperLogLog, as far as they can be read; none of a dense one or a missing key.
///
/// Errs with `NotHyperLogLog`.
pub fn opcodes(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Vec<Opcode>, Error> {
    let Some(entry) = txn.peek_write(db, &key)? else { return Ok(Vec::new()) };
    let value = bytes_of(&entry)?;
    Ok(match representation_of(value)? {
        Representation::Dense => Vec::new(),
        Representation::Sparse => sparse::opcodes(value).collect(),
    })
}

/// The registers of the HyperLogLog at `key`, all of them; `None` if the key does not exist.
///
/// Errs with `NotHyperLogLog` or `CorruptHyperLogLog`.
pub fn registers(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<Vec<u8>>, Error> {
    let Some(entry) = txn.peek_write(db, &key)? else { return Ok(None) };
    let mut registers = [0; REGISTERS];
    gather(&mut registers, bytes_of(&entry)?)?;
    Ok(Some(registers.to_vec()))
}

/// Makes the HyperLogLog at `key` dense. True if it was sparse, which is a change without an event; `None` if the key
/// does not exist.
///
/// Errs with `NotHyperLogLog` or `CorruptHyperLogLog`.
pub fn to_dense(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<bool>, Error> {
    let Some((mut entry, mut around)) = txn.write_existing(db, &key)? else { return Ok(None) };
    let value = bytes_of(&entry)?;
    if representation_of(value)? == Representation::Dense {
        return Ok(Some(false));
    }
    let mut sketch = Sketch::copied(value, usize::MAX)?;
    sketch.make_dense()?;
    replace(&mut entry, &mut around, sketch.into_value())?;
    around.effects.dirty += 1;
    Ok(Some(true))
}
