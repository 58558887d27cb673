//! The number of distinct elements that registers tell of.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::hash::RANK_BITS;
use super::layout::{REGISTER_MAX, REGISTERS};

/// How many registers hold each number.
pub(super) struct Histogram([u32; REGISTER_MAX as usize + 1]);

impl Histogram {
    pub(super) fn new() -> Histogram {
        Histogram([0; REGISTER_MAX as usize + 1])
    }

    /// Of registers that are a byte each.
    pub(super) fn of(registers: &[u8; REGISTERS]) -> Histogram {
        let mut histogram = Histogram::new();
        registers.iter().for_each(|number| histogram.add(*number, 1));
        histogram
    }

    #[inline]
    pub(super) fn add(&mut self, number: u8, registers: usize) {
        if let Some(count) = self.0.get_mut(usize::from(number)) {
            *count = count.wrapping_add(registers as u32);
        }
    }

    fn count(&self, number: u32) -> f64 {
        f64::from(self.0.get(number as usize).copied().unwrap_or(0))
    }

    /// The estimated number of distinct elements. Registers that no element can have led to give 2^63.
    pub(super) fn estimate(&self) -> u64 {
        const ALPHA: f64 = 0.721_347_520_444_481_7; // 1 / (2 ln 2)
        let registers = REGISTERS as f64;
        let mut sum = registers * tau((registers - self.count(RANK_BITS + 1)) / registers);
        for number in (1..=RANK_BITS).rev() {
            sum = (sum + self.count(number)) * 0.5;
        }
        sum += registers * sigma(self.count(0) / registers);
        let estimate = (ALPHA * registers * registers / sum).round();
        if estimate < (1u64 << 63) as f64 { estimate as u64 } else { 1 << 63 }
    }
}

/// σ of the paper.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// τ of the paper.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}
