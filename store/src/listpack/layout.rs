//! The fixed parts of a listpack.

/// A listpack never grows beyond this many bytes.
pub const BYTES_MAX: usize = 1 << 30;
/// Bytes of a listpack without entries.
pub const EMPTY_BYTES: usize = HEADER_BYTES + 1;

/// A listpack without entries.
pub(crate) const EMPTY: [u8; EMPTY_BYTES] = [EMPTY_BYTES as u8, 0, 0, 0, 0, 0, END];

/// Bytes before the first entry.
pub(super) const HEADER_BYTES: usize = 6;
/// The last byte of a listpack.
pub(super) const END: u8 = 0xff;
/// Stands for a count that does not fit.
pub(super) const COUNT_UNKNOWN: usize = 0xffff;
