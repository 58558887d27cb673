//! Hashes.

mod value;

pub use value::Hash;
