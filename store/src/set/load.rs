//! Making sets from their parts, as a file gives them.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::limits::Limits;
use super::value::Set;
use crate::corrupt::Corrupt;
use crate::intset::Intset;
use crate::listpack::{Listpack, distinct};
use crate::store::Store;

/// Reads a set member by member; it has the form that its members ask for.
pub struct SetLoader<'s> {
    set: Set,
    limits: Limits,
    store: &'s Store,
}

impl<'s> SetLoader<'s> {
    /// Starts with no member. `len` are declared, and there is reason to make room for `expected`.
    pub fn new(store: &'s Store, len: u64, expected: usize) -> SetLoader<'s> {
        let limits = store.settings().set_limits();
        let set = if len > limits.ints as u64 { Set::table(expected, store) } else { Set::Ints(Intset::new()) };
        SetLoader { set, limits, store }
    }

    /// Adds a member. False, if it is one already.
    pub fn push(&mut self, member: &[u8]) -> bool {
        self.set.insert(member, &self.limits, self.store)
    }

    /// The set, which may be empty.
    pub fn finish(self) -> Set {
        self.set
    }
}

impl Set {
    /// The set of a listpack from outside, in another form if it is too large for that. Errs if a member is there twice.
    pub fn from_pack(store: &Store, pack: Listpack) -> Result<Set, Corrupt> {
        distinct(pack.view(), 1).map_err(|reason| Corrupt { kind: "set", offset: 0, reason })?;
        let limits = store.settings().set_limits();
        let mut set = Set::Pack(pack);
        if !limits.packs || set.len() > limits.pack_entries {
            set.become_table(set.len(), store);
        }
        Ok(set)
    }

    /// The set of an intset from outside, in another form if it is too large for that.
    pub fn from_ints(store: &Store, ints: Intset) -> Set {
        let mut set = Set::Ints(ints);
        if set.len() > store.settings().set_limits().ints {
            set.become_table(set.len(), store);
        }
        set
    }
}
