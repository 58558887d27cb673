//! Runs of equal registers.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::dense;
use super::estimate::Histogram;
use super::layout::{DENSE_BYTES, HEADER_BYTES, REGISTERS, Representation, new_header, set_dense};
use crate::error::Error;
use std::ops::Range;

const WIDE: u8 = 0x40;
const VALUE: u8 = 0x80;
/// The longest run of zeros told in one byte.
const ZEROS_MAX: usize = 64;
/// The largest register that a run can tell.
const VALUE_MAX: u8 = 32;
/// The longest run of another value.
const VALUES_MAX: usize = 4;
/// Runs looked at for neighbours to be joined, after each change.
const JOIN_STEPS: usize = 5;

/// One piece of a sparse value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// So many zeros, told in one byte.
    Zeros(usize),
    /// So many zeros, told in two bytes.
    WideZeros(usize),
    /// Registers that are not zero.
    Values {
        /// What each of them is, 1 to 32.
        value: u8,
        /// How many they are, 1 to 4.
        len: usize,
    },
}

impl Opcode {
    /// How many registers it tells.
    pub(super) fn len(self) -> usize {
        match self {
            Opcode::Zeros(len) | Opcode::WideZeros(len) | Opcode::Values { len, .. } => len,
        }
    }

    /// What they are.
    pub(super) fn value(self) -> u8 {
        match self {
            Opcode::Zeros(_) | Opcode::WideZeros(_) => 0,
            Opcode::Values { value, .. } => value,
        }
    }

    fn bytes(self) -> usize {
        if matches!(self, Opcode::WideZeros(_)) { 2 } else { 1 }
    }

    fn read(value: &[u8], at: usize) -> Option<Opcode> {
        let first = *value.get(at)?;
        let low = usize::from(first & 0x3f);
        Some(match first & (VALUE | WIDE) {
            0 => Opcode::Zeros(low.wrapping_add(1)),
            WIDE => {
                let second = *value.get(at.wrapping_add(1))?;
                Opcode::WideZeros((low << 8 | usize::from(second)).wrapping_add(1))
            }
            _ => Opcode::Values {
                value: (first >> 2 & 0x1f).wrapping_add(1),
                len: usize::from(first & 3).wrapping_add(1),
            },
        })
    }
}

/// What raising a register came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raised {
    /// It was not below.
    No,
    /// It is raised.
    Yes,
    /// It can be raised only in a dense value.
    TooLarge,
}

/// Where to look for a register: none beyond lies before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hint {
    at: usize,
    first: usize,
}

impl Hint {
    /// At the beginning.
    pub(super) const START: Hint = Hint { at: HEADER_BYTES, first: 0 };
}

/// A value without any element.
pub(super) fn empty() -> Vec<u8> {
    let mut value = new_header(Representation::Sparse).to_vec();
    push_zeros(&mut value, REGISTERS);
    value
}

/// A register of a sparse value. Errs if the runs end before it.
pub(super) fn register(value: &[u8], register: usize) -> Result<u8, Error> {
    Ok(find(value, register, Hint::START)?.opcode.value())
}

/// Raises a register of `value` to `number` if that leaves at most `bytes_max` bytes. `hint` is moved on for registers
/// that are not below this one.
///
/// Errs if the runs end before the register.
pub(super) fn raise(
    value: &mut Vec<u8>,
    register: usize,
    number: u8,
    bytes_max: usize,
    hint: &mut Hint,
) -> Result<Raised, Error> {
    if number > VALUE_MAX {
        return Ok(Raised::TooLarge);
    }
    let mut found = find(value, register, *hint)?;
    if found.before.is_none() && hint.at != HEADER_BYTES {
        found = find(value, register, Hint::START)?; // what stands before it is needed as well
    }
    let Found { at, first, opcode, before } = found;
    *hint = before.unwrap_or(Hint::START);
    if opcode.value() >= number {
        return Ok(Raised::No);
    }
    let mut new = Vec::with_capacity(5);
    let ahead = register.wrapping_sub(first);
    push_run(&mut new, opcode.value(), ahead);
    push_run(&mut new, number, 1);
    push_run(&mut new, opcode.value(), opcode.len().wrapping_sub(ahead).wrapping_sub(1));
    let grown = value.len().saturating_add(new.len()).saturating_sub(opcode.bytes());
    if new.len() > opcode.bytes() && grown > bytes_max {
        return Ok(Raised::TooLarge);
    }
    value.splice(at..at.wrapping_add(opcode.bytes()), new);
    join(value, hint.at);
    Ok(Raised::Yes)
}

/// The dense form. Errs if the runs do not tell exactly all registers.
pub(super) fn to_dense(value: &[u8]) -> Result<Vec<u8>, Error> {
    let mut dense = Vec::with_capacity(DENSE_BYTES);
    dense.extend_from_slice(value.get(..HEADER_BYTES).unwrap_or_default());
    dense.resize(DENSE_BYTES, 0);
    set_dense(&mut dense);
    for_each_run(value, |registers, number| {
        if number > 0 {
            registers.for_each(|register| dense::put(&mut dense, register, number));
        }
    })?;
    Ok(dense)
}

/// Counts the registers of each number. Errs if the runs do not tell exactly all registers.
pub(super) fn histogram(value: &[u8], histogram: &mut Histogram) -> Result<(), Error> {
    for_each_run(value, |registers, number| histogram.add(number, registers.len()))
}

/// Raises each of `registers` to its counterpart in the value. Errs if the runs do not tell exactly all registers; some
/// may have been raised.
pub(super) fn raise_all(registers: &mut [u8; REGISTERS], value: &[u8]) -> Result<(), Error> {
    for_each_run(value, |run, number| {
        if number > 0 {
            registers.get_mut(run).into_iter().flatten().for_each(|register| *register = number.max(*register));
        }
    })
}

/// The pieces of a value, as far as they can be read.
pub(super) fn opcodes(value: &[u8]) -> impl Iterator<Item = Opcode> {
    let mut at = HEADER_BYTES;
    std::iter::from_fn(move || {
        let opcode = Opcode::read(value, at)?;
        at = at.wrapping_add(opcode.bytes());
        Some(opcode)
    })
}

fn for_each_run(value: &[u8], mut visit: impl FnMut(Range<usize>, u8)) -> Result<(), Error> {
    let (mut at, mut first) = (HEADER_BYTES, 0usize);
    while at < value.len() {
        let opcode = Opcode::read(value, at).ok_or(Error::CorruptHyperLogLog)?;
        let end = first.wrapping_add(opcode.len()); // both small
        if end > REGISTERS {
            return Err(Error::CorruptHyperLogLog);
        }
        visit(first..end, opcode.value());
        first = end;
        at = at.wrapping_add(opcode.bytes());
    }
    if first == REGISTERS { Ok(()) } else { Err(Error::CorruptHyperLogLog) }
}

/// The piece that tells a register.
struct Found {
    at: usize,
    /// The first register that it tells.
    first: usize,
    opcode: Opcode,
    /// The piece before, if it was passed.
    before: Option<Hint>,
}

fn find(value: &[u8], register: usize, hint: Hint) -> Result<Found, Error> {
    let Hint { mut at, mut first } = hint;
    let mut before = None;
    loop {
        let opcode = Opcode::read(value, at).ok_or(Error::CorruptHyperLogLog)?;
        let next = first.wrapping_add(opcode.len()); // at most 16384 beyond the register
        if register < next {
            return Ok(Found { at, first, opcode, before });
        }
        before = Some(Hint { at, first });
        first = next;
        at = at.wrapping_add(opcode.bytes());
    }
}

/// Joins neighbouring runs of one value, from the piece at `at` on.
fn join(value: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOIN_STEPS {
        let Some(opcode) = Opcode::read(value, at) else { return };
        let next = at.wrapping_add(opcode.bytes());
        if let (Opcode::Values { value: number, len }, Some(Opcode::Values { value: other, len: more })) =
            (opcode, Opcode::read(value, next))
            && number == other
            && len.wrapping_add(more) <= VALUES_MAX
        {
            value.remove(at);
            if let Some(byte) = value.get_mut(at) {
                *byte = value_byte(number, len.wrapping_add(more));
            }
            continue;
        }
        at = next;
    }
}

fn push_run(new: &mut Vec<u8>, number: u8, len: usize) {
    match (number, len) {
        (_, 0) => {}
        (0, _) => push_zeros(new, len),
        _ => new.push(value_byte(number, len)),
    }
}

fn push_zeros(new: &mut Vec<u8>, len: usize) {
    let length = len.wrapping_sub(1);
    if len > ZEROS_MAX {
        new.extend_from_slice(&[WIDE | (length >> 8) as u8, length as u8]);
    } else {
        new.push(length as u8);
    }
}

fn value_byte(number: u8, len: usize) -> u8 {
    VALUE | number.wrapping_sub(1) << 2 | len.wrapping_sub(1) as u8
}
