//! Listpacks: strings and integers one behind the other in a single piece of memory, readable from both ends.
//!
//! The bytes are those of Redis (the format is Salvatore Sanfilippo's "Listpack specification"), since RDB files and
//! DUMP payloads carry them as they are:
//!
//! ```text
//! total bytes, u32 │ count, u16 (65535: unknown) │ entry… │ 0xff
//! entry: encoding and value │ length of that, in 7-bit groups to be read backwards
//! ```
//!
//! All numbers are little endian. [`Pack`] reads borrowed bytes, [`Listpack`] owns and changes them.

mod codec;
mod owned;
mod pack;
mod validate;

pub use codec::encoded_bytes;
pub use owned::Listpack;
pub use pack::{Iter, Pack, Position};

/// A listpack never grows beyond this many bytes.
pub const BYTES_MAX: usize = 1 << 30;
/// Bytes of a listpack without entries.
pub const EMPTY_BYTES: usize = HEADER_BYTES + 1;

const HEADER_BYTES: usize = 6;
/// The last byte of a listpack.
const END: u8 = 0xff;
/// Stands for a count that does not fit.
const COUNT_UNKNOWN: usize = 0xffff;

#[cfg(test)]
mod tests;
