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
mod layout;
mod owned;
mod pack;
mod validate;

pub use codec::encoded_bytes;
pub(crate) use layout::EMPTY;
pub use layout::{BYTES_MAX, EMPTY_BYTES};
use layout::{COUNT_UNKNOWN, END, HEADER_BYTES};
pub use owned::Listpack;
pub use pack::{Iter, Pack, Position};
pub(crate) use validate::distinct;

#[cfg(test)]
mod tests;
