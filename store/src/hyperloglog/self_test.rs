//! A check of the whole machinery, for those who doubt their build or their hardware.

use super::dense;
use super::hash::place;
use super::layout::{DENSE_BYTES, REGISTER_MAX, REGISTERS, Representation};
use super::sketch::Sketch;
use crate::error::Error;
use crate::random::Random;

/// Rounds of writing and reading all registers.
const ROUNDS: usize = 100;
/// Elements that are counted in the end.
const ELEMENTS: u64 = 1_000_000;
/// Standard errors that an estimate may be off by.
const ERRORS_MAX: f64 = 6.0;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelfTestFailure {
    /// A register was not read as it had been written.
    #[error("register {register} is {found} and should be {written}")]
    Register {
        /// Which one.
        register: usize,
        /// The number written.
        written: u8,
        /// The number read.
        found: u8,
    },
    /// A few elements were not kept in the sparse representation.
    #[error("few elements are not stored sparsely")]
    NotSparse,
    /// Dense and sparse representation led to different estimates.
    #[error("the representations disagree")]
    Disagreement,
    /// An estimate was too far off.
    #[error("of {cardinality} elements the estimate is off by {off_by}")]
    Error {
        /// The number of elements.
        cardinality: u64,
        /// The difference.
        off_by: u64,
    },
    /// The sparse representation did not hold what had been put in.
    #[error("the sparse representation broke")]
    Broken,
}

/// Writes and reads registers, and counts known numbers of elements in both representations. `seed` chooses the elements;
/// the sparse representation is left at `sparse_bytes_max` bytes. Takes a noticeable part of a second.
pub fn self_test(seed: u64, sparse_bytes_max: u64) -> Result<(), SelfTestFailure> {
    let mut random = Random::new(seed);
    check_registers(&mut random)?;
    check_estimates(random.next_u64(), sparse_bytes_max)
}

fn check_registers(random: &mut Random) -> Result<(), SelfTestFailure> {
    let mut value = vec![0; DENSE_BYTES];
    let mut plain = vec![0; REGISTERS];
    for _ in 0..ROUNDS {
        for (register, number) in plain.iter_mut().enumerate() {
            *number = random.next_u64() as u8 & REGISTER_MAX;
            dense::put(&mut value, register, *number);
        }
        for (register, &written) in plain.iter().enumerate() {
            let found = dense::register(&value, register);
            if found != written {
                return Err(SelfTestFailure::Register { register, written, found });
            }
        }
    }
    Ok(())
}

fn check_estimates(seed: u64, sparse_bytes_max: u64) -> Result<(), SelfTestFailure> {
    let broken = |_: Error| SelfTestFailure::Broken;
    let mut sketch = Sketch::new(usize::try_from(sparse_bytes_max).unwrap_or(usize::MAX));
    let mut dense = Sketch::new(0);
    dense.make_dense().map_err(broken)?;
    let mut checkpoint = 1;
    for number in 1..=ELEMENTS {
        let (register, rank) = place(&(number ^ seed).to_le_bytes());
        sketch.raise(register, rank).map_err(broken)?;
        dense.raise(register, rank).map_err(broken)?;
        if number != checkpoint {
            continue;
        }
        checkpoint *= 10;
        if number < sparse_bytes_max / 2 && sketch.representation() != Representation::Sparse {
            return Err(SelfTestFailure::NotSparse);
        }
        let estimate = dense.estimate().map_err(broken)?;
        if sketch.estimate().map_err(broken)? != estimate {
            return Err(SelfTestFailure::Disagreement);
        }
        let off_by = number.abs_diff(estimate);
        if off_by > tolerance(number) {
            return Err(SelfTestFailure::Error { cardinality: number, off_by });
        }
    }
    Ok(())
}

/// How far an estimate of `cardinality` may be off. Of ten elements, two may well share a register.
fn tolerance(cardinality: u64) -> u64 {
    match cardinality {
        10 => 1,
        _ => (1.04 / (REGISTERS as f64).sqrt() * ERRORS_MAX * cardinality as f64).ceil() as u64,
    }
}
