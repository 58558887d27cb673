//! Sets.

mod value;

pub use value::Set;
