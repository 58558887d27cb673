//! Sets.
//!
//! [`get`] looks a set up for reading: what it can be asked stands at [`Set`]. [`sources`] looks up several, to be
//! intersected, united or subtracted; all other functions change sets.

mod algebra;
mod basic;
mod edit;
mod limits;
mod load;
mod pop;
mod sample;
mod store;
mod value;

pub use algebra::{Sources, sources};
pub use basic::{add, get, get_to_sample, move_member, remove, scan};
pub use limits::Limits;
pub use load::SetLoader;
pub use pop::{pop, pop_many};
pub use store::{store_difference, store_intersection, store_union};
pub use value::Set;
