//! Streams that a snapshot takes in pieces, while they change: the nodes in order, then group after group.
//!
//! What is about to change or to go before it was taken is kept as it was: a node whole, a group in parts.

mod attached;
mod group;
mod groups;
mod nodes;
mod stream;

pub(super) use attached::Attached;
pub(crate) use group::GroupTaking;
pub(super) use stream::StreamTaking;
