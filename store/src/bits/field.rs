//! Integers of any width inside a string.

use super::single::edit;
use crate::effects::EventClass;
use crate::error::Error;
use crate::store::Key;
use crate::txn::Txn;
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

/// What happens when a number does not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Its lowest bits are kept.
    #[default]
    Wrap,
    /// The nearest number that fits is taken.
    Saturate,
    /// Nothing is written.
    Fail,
}

/// What is done with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldAction {
    /// Reads it.
    Get,
    /// Writes a number; the result is the old one.
    Set(i64),
    /// Adds a number; the result is the sum.
    IncrBy(i64),
}

/// One operation on a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldOperation {
    /// What is done.
    pub action: FieldAction,
    /// Whether the field is in two's complement.
    pub signed: bool,
    /// Its width: 1 to 64 if signed, 1 to 63 if not.
    pub width: u8,
    /// The index of its first bit.
    pub offset: u64,
    /// What happens when a number does not fit.
    pub overflow: Overflow,
}

/// Does some operations in turn and returns their results; `None` for what failed by overflow. The string grows to hold
/// all fields that may be written; the last one may reach over the limit of its length, as in Redis.
///
/// Errs with `OutOfRange` on a width or offset that is not possible, before anything is changed.
pub fn field(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    operations: &[FieldOperation],
) -> Result<Vec<Option<i64>>, Error> {
    let bytes_max = txn.settings().proto_max_bulk_len.load(Relaxed);
    let mut len = None;
    for operation in operations {
        let widest = if operation.signed { 64 } else { 63 };
        let end = operation.offset.checked_add(u64::from(operation.width)).ok_or(Error::OutOfRange)?;
        if operation.width == 0 || operation.width > widest || operation.offset / 8 >= bytes_max {
            return Err(Error::OutOfRange);
        }
        if operation.action != FieldAction::Get {
            len = len.max(Some(end.div_ceil(8)));
        }
    }
    let Some(len) = len else {
        let Some(entry) = txn.read(db, &key)? else { return Ok(vec![Some(0); operations.len()]) };
        let mut space = itoa::Buffer::new();
        let value = entry.string()?;
        let bytes = value.as_bytes(&mut space);
        return Ok(operations.iter().map(|operation| Some(operation.read(bytes))).collect());
    };
    let mut results = Vec::with_capacity(operations.len());
    let mut changes = 0;
    let places = |each: &mut dyn FnMut(Range<usize>)| {
        let writes = operations.iter().filter(|operation| operation.action != FieldAction::Get);
        writes.for_each(|operation| each(operation.bytes()));
    };
    let grown = edit(txn, db, &key, len as usize, &places, &mut |bytes| {
        for operation in operations {
            let (result, changed) = operation.apply(bytes);
            results.push(result);
            changes += u64::from(changed);
        }
    })?;
    let written = operations.iter().zip(&results);
    let written = written.filter(|(operation, result)| operation.action != FieldAction::Get && result.is_some());
    let dirty = if grown { written.count() as u64 } else { changes };
    if dirty > 0 {
        let effects = txn.effects();
        effects.dirty += dirty;
        effects.touched(db, key.bytes());
        effects.event(EventClass::String, "setbit", db, key.bytes());
    }
    Ok(results)
}

impl FieldOperation {
    fn bounds(&self) -> (i128, i128) {
        let width = u32::from(self.width);
        if self.signed { (-(1 << (width - 1)), (1 << (width - 1)) - 1) } else { (0, (1 << width) - 1) }
    }

    /// The bytes it lies in; its offset is in bounds.
    fn bytes(&self) -> Range<usize> {
        let end = (self.offset + u64::from(self.width)).div_ceil(8);
        (self.offset / 8) as usize..end as usize
    }

    fn read(&self, bytes: &[u8]) -> i64 {
        let mut number = 0u64;
        for bit in self.offset..self.offset + u64::from(self.width) {
            let byte = bytes.get((bit / 8) as usize).copied().unwrap_or(0);
            number = number << 1 | u64::from(byte >> (7 - bit % 8) & 1);
        }
        let unused = 64 - u32::from(self.width);
        if self.signed { ((number << unused) as i64) >> unused } else { number as i64 }
    }

    fn write(&self, bytes: &mut [u8], number: i64) {
        for index in 0..u64::from(self.width) {
            let bit = self.offset + index;
            let on = number >> (u64::from(self.width) - 1 - index) & 1 == 1;
            if let Some(byte) = bytes.get_mut((bit / 8) as usize) {
                let mask = 1u8 << (7 - bit % 8);
                *byte = if on { *byte | mask } else { *byte & !mask };
            }
        }
    }

    /// The result, and whether the string changed.
    fn apply(&self, bytes: &mut [u8]) -> (Option<i64>, bool) {
        let old = self.read(bytes);
        let wanted = match self.action {
            FieldAction::Get => return (Some(old), false),
            // An unsigned field takes the bits of a negative number as a large one.
            FieldAction::Set(number) if !self.signed => i128::from(number as u64),
            FieldAction::Set(number) => i128::from(number),
            FieldAction::IncrBy(delta) => i128::from(old) + i128::from(delta),
        };
        let (low, high) = self.bounds();
        let new = if (low..=high).contains(&wanted) {
            wanted as i64
        } else {
            match self.overflow {
                Overflow::Fail => return (None, false),
                Overflow::Saturate => wanted.clamp(low, high) as i64,
                Overflow::Wrap => {
                    let unused = 64 - u32::from(self.width);
                    let bits = (wanted as u64) << unused;
                    if self.signed { (bits as i64) >> unused } else { (bits >> unused) as i64 }
                }
            }
        };
        self.write(bytes, new);
        let result = if matches!(self.action, FieldAction::Set(_)) { old } else { new };
        (Some(result), new != old)
    }
}
