//! Bitwise operations between strings.

use crate::effects::EventClass;
use crate::error::Error;
use crate::raw::entry::{Contents, Encoding, Entry};
use crate::raw::keys::Found;
use crate::store::Key;
use crate::txn::Txn;

/// An operation on the bits of several strings; the shorter ones are filled up with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitOperation {
    /// Bits set in all.
    And,
    /// Bits set in any.
    Or,
    /// Bits set in an odd number.
    Xor,
    /// Bits not set in the only one.
    Not,
    /// Bits set in the first and none of the others.
    Diff,
    /// Bits set in any of the others but not in the first.
    Diff1,
    /// Bits set in the first and in any of the others.
    AndOr,
    /// Bits set in exactly one.
    One,
}

/// Stores the result of an operation on the strings at `sources` under `destination`, and returns its length. Missing
/// keys are empty strings; an empty result deletes the destination.
pub fn operate(
    txn: &mut Txn<'_>,
    db: usize,
    operation: BitOperation,
    destination: Key<'_>,
    sources: &[Key<'_>],
) -> Result<usize, Error> {
    // All locks are checked before anything is computed or changed.
    txn.peek_write(db, &destination)?;
    let mut len = 0;
    for source in sources {
        len = txn.read(db, source)?.map_or(Ok(0), |entry| Ok(entry.string()?.len()))?.max(len);
    }
    let mut result = Accumulator::new(operation, len);
    for (index, source) in sources.iter().enumerate() {
        let (entry, _) = txn.peek(db, source)?;
        let mut space = itoa::Buffer::new();
        match &entry {
            Some(entry) => result.take(index == 0, entry.string()?.as_bytes(&mut space)),
            None => result.take(index == 0, b""),
        }
    }
    let bytes = result.finish();
    if bytes.is_empty() {
        crate::keyspace::delete(txn, db, destination)?;
        return Ok(0);
    }
    let (found, mut around) = txn.find(db, &destination)?;
    let contents = Contents::Bytes(&bytes, Encoding::Raw);
    match found {
        Found::Vacant(vacant) => {
            vacant.insert(Entry::new(destination.bytes(), contents, None, around.initial_access()));
            around.created(destination.bytes());
        }
        Found::Occupied(mut entry) => around.core.replaced(entry.set(contents, None)),
    }
    around.changed(destination.bytes(), EventClass::String, "set");
    Ok(len)
}

/// The result so far: the operation is folded over the sources one after the other.
struct Accumulator {
    operation: BitOperation,
    bits: Vec<u8>,
    /// The first source for the operations that treat it differently; bits seen twice for `One`.
    second: Vec<u8>,
}

impl Accumulator {
    fn new(operation: BitOperation, len: usize) -> Accumulator {
        let two =
            matches!(operation, BitOperation::Diff | BitOperation::Diff1 | BitOperation::AndOr | BitOperation::One);
        Accumulator { operation, bits: vec![0; len], second: vec![0; if two { len } else { 0 }] }
    }

    fn take(&mut self, first: bool, source: &[u8]) {
        let Accumulator { operation, bits, second } = self;
        match operation {
            BitOperation::And | BitOperation::Or | BitOperation::Xor | BitOperation::Not if first => copy(bits, source),
            BitOperation::Diff | BitOperation::Diff1 | BitOperation::AndOr if first => copy(second, source),
            BitOperation::And => {
                combine(bits, source, |a, b| a & b);
                bits.iter_mut().skip(source.len()).for_each(|byte| *byte = 0);
            }
            BitOperation::Xor => combine(bits, source, |a, b| a ^ b),
            BitOperation::One => {
                for ((once, twice), byte) in bits.iter_mut().zip(second).zip(source) {
                    *twice |= *once & byte;
                    *once |= byte;
                }
            }
            BitOperation::Or | BitOperation::Not | BitOperation::Diff | BitOperation::Diff1 | BitOperation::AndOr => {
                combine(bits, source, |a, b| a | b);
            }
        }
    }

    fn finish(mut self) -> Vec<u8> {
        match self.operation {
            BitOperation::And | BitOperation::Or | BitOperation::Xor => {}
            BitOperation::Not => self.bits.iter_mut().for_each(|byte| *byte = !*byte),
            BitOperation::Diff => combine(&mut self.bits, &self.second, |others, first| first & !others),
            BitOperation::Diff1 => combine(&mut self.bits, &self.second, |others, first| others & !first),
            BitOperation::AndOr => combine(&mut self.bits, &self.second, |others, first| others & first),
            BitOperation::One => combine(&mut self.bits, &self.second, |once, twice| once & !twice),
        }
        self.bits
    }
}

fn copy(into: &mut [u8], source: &[u8]) {
    into.iter_mut().zip(source).for_each(|(a, b)| *a = *b);
}

fn combine(into: &mut [u8], source: &[u8], operation: impl Fn(u8, u8) -> u8) {
    into.iter_mut().zip(source).for_each(|(a, b)| *a = operation(*a, *b));
}
