//! String values.

mod basic;
mod float;
mod number;
mod range;

pub use basic::{
    Condition, Expiry, GetExpiry, SetOptions, SetOutcome, delete_if_equal, get, get_and_delete, get_and_expire, length,
    set,
};
pub use number::{incr_by, incr_by_float, parse_int};
pub use range::{append, get_range, set_range};
