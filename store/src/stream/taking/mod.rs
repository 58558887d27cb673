//! Streams that a snapshot takes in pieces, while they change: the nodes in order, then group after group.
//!
//! What is about to change or to go before it was taken is kept as it was: a node whole, a group in parts.

mod group;
mod groups;
mod nodes;
mod stream;

pub(crate) use group::GroupTaking;
pub(super) use stream::StreamTaking;

/// What a snapshot knows of a value, if it takes it: nothing of a copy of that.
#[derive(Debug)]
pub(super) struct Attached<T>(pub(super) Option<Box<T>>);

impl<T> Clone for Attached<T> {
    fn clone(&self) -> Attached<T> {
        Attached(None)
    }
}

impl<T> Default for Attached<T> {
    fn default() -> Attached<T> {
        Attached(None)
    }
}
