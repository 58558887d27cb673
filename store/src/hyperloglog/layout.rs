//! The header, and the sizes of everything.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::error::Error;

/// Bits of a hash that select a register.
pub(super) const REGISTER_BITS: u32 = 14;
/// Number of registers.
pub const REGISTERS: usize = 1 << REGISTER_BITS;
/// The largest number a register has room for.
pub(super) const REGISTER_MAX: u8 = 63;
pub(super) const HEADER_BYTES: usize = 16;
/// Length of a dense value.
pub(super) const DENSE_BYTES: usize = HEADER_BYTES + REGISTERS * 6 / 8;

const MAGIC: &[u8] = b"HYLL";
const REPRESENTATION_AT: usize = 4;
const CACHE_AT: usize = 8;
const OUT_OF_DATE: u64 = 1 << 63;

/// How the registers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Representation {
    /// All of them, 6 bits each.
    Dense,
    /// Runs of equal ones.
    Sparse,
}

/// How `value` stores its registers. Errs if it is no HyperLogLog; runs may still turn out to be corrupt.
pub(super) fn representation_of(value: &[u8]) -> Result<Representation, Error> {
    let is_ours = value.len() >= HEADER_BYTES && value.starts_with(MAGIC);
    match value.get(REPRESENTATION_AT) {
        Some(0) if is_ours && value.len() == DENSE_BYTES => Ok(Representation::Dense),
        Some(1) if is_ours => Ok(Representation::Sparse),
        _ => Err(Error::NotHyperLogLog),
    }
}

/// A header with an up-to-date cardinality of zero.
pub(super) fn new_header(representation: Representation) -> [u8; HEADER_BYTES] {
    let code = match representation {
        Representation::Dense => 0,
        Representation::Sparse => 1,
    };
    [b'H', b'Y', b'L', b'L', code, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// Makes the header of a dense value from that of a sparse one.
pub(super) fn set_dense(value: &mut [u8]) {
    if let Some(code) = value.get_mut(REPRESENTATION_AT) {
        *code = 0;
    }
}

/// Gives the dense `value` the header of `old`, its cardinality out of date.
pub(super) fn keep_header(value: &mut [u8], old: &[u8]) {
    if let (Some(header), Some(old)) = (value.get_mut(..HEADER_BYTES), old.get(..HEADER_BYTES)) {
        header.copy_from_slice(old);
    }
    set_dense(value);
    invalidate(value);
}

/// The cached cardinality, unless it is out of date.
pub(super) fn cached(value: &[u8]) -> Option<u64> {
    let cache = value.get(CACHE_AT..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))?;
    (cache & OUT_OF_DATE == 0).then_some(cache)
}

/// Caches a cardinality.
pub(super) fn set_cached(value: &mut [u8], cardinality: u64) {
    if let Some(bytes) = value.get_mut(CACHE_AT..).and_then(<[u8]>::first_chunk_mut) {
        *bytes = cardinality.to_le_bytes();
    }
}

/// Marks the cached cardinality as out of date.
pub(super) fn invalidate(value: &mut [u8]) {
    if let Some(high) = value.get_mut(HEADER_BYTES.wrapping_sub(1)) {
        *high |= 0x80;
    }
}
