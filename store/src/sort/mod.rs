//! SORT: the elements of a list, set or sorted set in the order of their numbers or texts, or of values under other keys.

mod elements;
mod number;
mod order;
mod pattern;
mod request;
mod run;

pub use pattern::Pattern;
pub use request::{By, Request};
pub use run::{Sorted, sort, sort_and_store};
