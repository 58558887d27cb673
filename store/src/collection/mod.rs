//! The encodings of large hashes, sets and sorted sets, as data structures of their own.
//!
//! All grow and shrink in steps, so no single call takes long however many members there are; those that are not needed
//! any more are best freed by the store's thread ([`MemberSet::into_garbage`] and its like).

mod member_set;

pub use crate::raw::fields::{Field, FieldMap};
pub use crate::raw::ordered::{OrderedSet, Scored, ScoredMembers};
pub use member_set::{MemberSet, Taken};
