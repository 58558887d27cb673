//! Hashes.
//!
//! A field may have a deadline of its own. One that has passed hides the field from then on, although it may still be
//! counted until the active expiry cycle removes it, as in Valkey 9.

mod change;
mod cycle;
mod deadline;
mod fields;
mod load;
mod number;
mod random;
mod value;
mod write;

pub use change::{delete, get_and_delete, set, set_new};
pub(crate) use cycle::FieldCycle;
pub use deadline::{
    FieldOutcome, GetFieldExpiry, KeyCondition, NamesCondition, PersistOutcome, SetFieldsOptions, expire_at_ms,
    get_and_expire, persist, set_with_options,
};
pub(crate) use fields::moment;
pub use fields::{Fields, Seeker, look, read, scan};
pub use load::HashLoader;
pub use number::{Increment, incr_by, incr_by_float};
pub use value::Hash;
pub use write::FieldExpiry;
