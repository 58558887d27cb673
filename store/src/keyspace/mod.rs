//! Keys, whatever their values are.

mod basic;
mod deadline;

pub use basic::{delete, exists, touch, type_of, unlink};
pub use deadline::{ExpireCondition, ExpireOutcome, deadline, expire_at_ms, persist};
