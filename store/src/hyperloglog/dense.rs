//! Registers of 6 bits, one behind the other.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::estimate::Histogram;
use super::layout::{DENSE_BYTES, HEADER_BYTES, REGISTER_MAX, REGISTERS, Representation, new_header};

/// A register of a dense value; 0 for one that does not exist.
pub(super) fn register(value: &[u8], register: usize) -> u8 {
    let (at, shift) = bit_place(register);
    let low = value.get(at).copied().unwrap_or(0);
    let high = value.get(at.wrapping_add(1)).copied().unwrap_or(0);
    (u16::from_le_bytes([low, high]) >> shift) as u8 & REGISTER_MAX
}

/// Overwrites a register.
pub(super) fn put(value: &mut [u8], register: usize, number: u8) {
    let (at, shift) = bit_place(register);
    let mask = (u16::from(REGISTER_MAX) << shift).to_le_bytes();
    let bits = (u16::from(number & REGISTER_MAX) << shift).to_le_bytes();
    for ((byte, mask), bits) in value.iter_mut().skip(at).zip(mask).zip(bits) {
        *byte = *byte & !mask | bits;
    }
}

/// Raises a register to `number`. False if it was not below.
pub(super) fn raise(value: &mut [u8], at: usize, number: u8) -> bool {
    let grows = register(value, at) < number;
    if grows {
        put(value, at, number);
    }
    grows
}

/// Counts the registers of each number.
pub(super) fn histogram(value: &[u8], histogram: &mut Histogram) {
    for_each_four(value, |four| four.into_iter().for_each(|number| histogram.add(number, 1)));
}

/// Raises each of `registers` to its counterpart in the value.
pub(super) fn raise_all(registers: &mut [u8; REGISTERS], value: &[u8]) {
    let mut fours = registers.as_chunks_mut::<4>().0.iter_mut();
    for_each_four(value, |four| {
        for (register, number) in fours.next().into_iter().flatten().zip(four) {
            *register = number.max(*register);
        }
    });
}

/// A dense value of these registers, its cardinality out of date.
pub(super) fn from_registers(registers: &[u8; REGISTERS]) -> Vec<u8> {
    let mut value = Vec::with_capacity(DENSE_BYTES);
    value.extend_from_slice(&new_header(Representation::Dense));
    for four in registers.as_chunks::<4>().0 {
        let [a, b, c, d] = four.map(|number| u32::from(number & REGISTER_MAX));
        let [low, middle, high, _] = (a | b << 6 | c << 12 | d << 18).to_le_bytes();
        value.extend_from_slice(&[low, middle, high]);
    }
    super::layout::invalidate(&mut value);
    value
}

/// The byte that a register begins in, and its lowest bit there.
fn bit_place(register: usize) -> (usize, u32) {
    let bit = register.wrapping_mul(6);
    (HEADER_BYTES.wrapping_add(bit / 8), (bit % 8) as u32)
}

fn for_each_four(value: &[u8], mut visit: impl FnMut([u8; 4])) {
    for [low, middle, high] in value.get(HEADER_BYTES..).unwrap_or_default().as_chunks::<3>().0 {
        let bits = u32::from_le_bytes([*low, *middle, *high, 0]);
        visit([bits, bits >> 6, bits >> 12, bits >> 18].map(|number| number as u8 & REGISTER_MAX));
    }
}
