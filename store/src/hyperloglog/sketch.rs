//! A HyperLogLog being changed, in either representation.

use super::estimate::Histogram;
use super::layout::{REGISTERS, Representation, invalidate, representation_of};
use super::{dense, sparse};
use crate::error::Error;

/// An owned value.
pub(super) struct Sketch {
    value: Vec<u8>,
    representation: Representation,
    hint: sparse::Hint,
    sparse_bytes_max: usize,
}

impl Sketch {
    /// One without any element.
    pub(super) fn new(sparse_bytes_max: usize) -> Sketch {
        let value = sparse::empty();
        Sketch { value, representation: Representation::Sparse, hint: sparse::Hint::START, sparse_bytes_max }
    }

    /// A copy of `value`. Errs if it is no HyperLogLog.
    pub(super) fn copied(value: &[u8], sparse_bytes_max: usize) -> Result<Sketch, Error> {
        let representation = representation_of(value)?;
        Ok(Sketch { value: value.to_vec(), representation, hint: sparse::Hint::START, sparse_bytes_max })
    }

    pub(super) fn representation(&self) -> Representation {
        self.representation
    }

    /// Raises one register. False if it was not below. Errs if the value turns out to be corrupt.
    pub(super) fn raise(&mut self, register: usize, number: u8) -> Result<bool, Error> {
        self.hint = sparse::Hint::START;
        self.raise_next(register, number)
    }

    /// Raises registers one after the other, to what `registers` tells.
    pub(super) fn raise_all(&mut self, registers: &[u8; REGISTERS]) -> Result<(), Error> {
        self.hint = sparse::Hint::START;
        for (register, number) in registers.iter().enumerate().filter(|(_, number)| **number > 0) {
            self.raise_next(register, *number)?;
        }
        Ok(())
    }

    fn raise_next(&mut self, register: usize, number: u8) -> Result<bool, Error> {
        if self.representation == Representation::Sparse {
            let Sketch { value, hint, sparse_bytes_max, .. } = self;
            match sparse::raise(value, register, number, *sparse_bytes_max, hint)? {
                sparse::Raised::No => return Ok(false),
                sparse::Raised::Yes => return Ok(true),
                sparse::Raised::TooLarge => self.make_dense()?,
            }
        }
        Ok(dense::raise(&mut self.value, register, number))
    }

    /// Changes to the dense representation. Errs if the value turns out to be corrupt.
    pub(super) fn make_dense(&mut self) -> Result<(), Error> {
        if self.representation == Representation::Sparse {
            self.value = sparse::to_dense(&self.value)?;
            self.representation = Representation::Dense;
        }
        Ok(())
    }

    /// The estimated number of elements. Errs if the value turns out to be corrupt.
    pub(super) fn estimate(&self) -> Result<u64, Error> {
        Ok(histogram(&self.value)?.estimate())
    }

    /// The value, its cardinality marked as out of date.
    pub(super) fn finish(mut self) -> Vec<u8> {
        invalidate(&mut self.value);
        self.value
    }

    /// The value as it is.
    pub(super) fn into_value(self) -> Vec<u8> {
        self.value
    }
}

/// Counts the registers of each number. Errs if `value` is no HyperLogLog or corrupt.
pub(super) fn histogram(value: &[u8]) -> Result<Histogram, Error> {
    let mut histogram = Histogram::new();
    match representation_of(value)? {
        Representation::Dense => dense::histogram(value, &mut histogram),
        Representation::Sparse => sparse::histogram(value, &mut histogram)?,
    }
    Ok(histogram)
}

/// Raises each of `registers` to its counterpart in `value`. Errs if that is no HyperLogLog or corrupt.
pub(super) fn gather(registers: &mut [u8; REGISTERS], value: &[u8]) -> Result<Representation, Error> {
    let representation = representation_of(value)?;
    match representation {
        Representation::Dense => dense::raise_all(registers, value),
        Representation::Sparse => sparse::raise_all(registers, value)?,
    }
    Ok(representation)
}
