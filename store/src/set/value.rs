//! A set value in any of its forms.

use crate::collection::MemberSet;
use crate::intset::Intset;
use crate::listpack::Listpack;

/// A set.
#[derive(Clone, Debug)]
pub enum Set {
    /// Integers, ascending (`OBJECT ENCODING` intset).
    Ints(Intset),
    /// Few short members, in the order in which they came (`OBJECT ENCODING` listpack).
    Pack(Listpack),
    /// Anything else (`OBJECT ENCODING` hashtable).
    Table(Box<MemberSet>),
}

const _: () = assert!(size_of::<Set>() == 24);

impl Set {
    /// The number of members.
    pub fn len(&self) -> usize {
        match self {
            Set::Ints(ints) => ints.len(),
            Set::Pack(pack) => pack.len(),
            Set::Table(members) => members.len(),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        match self {
            Set::Ints(ints) => ints.is_empty(),
            Set::Pack(pack) => pack.is_empty(),
            Set::Table(members) => members.is_empty(),
        }
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        match self {
            Set::Ints(ints) => ints.memory(),
            Set::Pack(pack) => pack.memory(),
            Set::Table(members) => members.memory(),
        }
    }
}
