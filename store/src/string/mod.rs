//! String values.

pub(crate) mod basic;
pub(crate) mod float;
mod lcs;
mod number;
mod range;
pub(crate) mod taking;

pub use basic::{
    Condition, Expiry, GetExpiry, SetOptions, SetOutcome, delete_if_equal, get, get_and_delete, get_and_expire, length,
    put, set,
};
pub use lcs::{Lcs, LcsMatch, lcs};
pub use number::{incr_by, incr_by_float, parse_int};
pub use range::{append, get_range, set_range};
