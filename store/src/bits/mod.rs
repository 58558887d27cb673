//! Strings as arrays of bits. Bit 0 is the highest bit of the first byte.

mod count;
mod field;
mod operation;
mod single;

pub use count::{BitRange, Unit, count, position};
pub use field::{FieldAction, FieldOperation, Overflow, field};
pub use operation::{BitOperation, operate};
pub use single::{get_bit, set_bit};
