//! A sorted set value in either of its forms.

use crate::collection::OrderedSet;
use crate::listpack::Listpack;

/// A sorted set.
#[derive(Clone, Debug)]
pub enum SortedSet {
    /// Few short members, each followed by its score, ascending (`OBJECT ENCODING` listpack).
    Pack(Listpack),
    /// Anything else (`OBJECT ENCODING` skiplist).
    Order(Box<OrderedSet>),
}

const _: () = assert!(size_of::<SortedSet>() == 24);

impl SortedSet {
    /// The number of members.
    pub fn len(&self) -> usize {
        match self {
            SortedSet::Pack(pack) => pack.len() / 2,
            SortedSet::Order(members) => members.len(),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        match self {
            SortedSet::Pack(pack) => pack.is_empty(),
            SortedSet::Order(members) => members.is_empty(),
        }
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        match self {
            SortedSet::Pack(pack) => pack.memory(),
            SortedSet::Order(members) => members.memory(),
        }
    }
}
