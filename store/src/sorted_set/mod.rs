//! Sorted sets.

mod value;

pub use value::SortedSet;
