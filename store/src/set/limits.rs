//! Which form a set has.

use super::value::Set;
use crate::collection::MemberSet;
use crate::intset::{Intset, MEMBERS_MAX};
use crate::listpack::{EMPTY_BYTES, Listpack, encoded_bytes};
use crate::raw::block::PackedBox;
use crate::raw::entry::Str;
use crate::settings::Settings;
use crate::store::Store;
use crate::string::parse_int;
use std::sync::atomic::Ordering::Relaxed;

/// How large a set may be in each of its forms.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most members of an intset.
    pub ints: usize,
    /// Most members of a listpack.
    pub pack_entries: usize,
    /// Longest member of a listpack, bytes.
    pub pack_value: usize,
    /// Whether there are sets as listpacks at all. If not, as before Redis 7.2, nothing is guessed from the number of
    /// members that a command brings either.
    pub packs: bool,
}

impl Settings {
    /// The settings for sets.
    #[inline]
    pub fn set_limits(&self) -> Limits {
        let pack = self.set_listpack.limits();
        Limits {
            ints: self.set_max_intset_entries.load(Relaxed).min(MEMBERS_MAX as u64) as usize,
            pack_entries: pack.entries,
            pack_value: pack.value,
            packs: self.set_listpacks.load(Relaxed),
        }
    }
}

impl Limits {
    /// Whether a listpack of `len` entries may take another, `bytes` bytes long.
    #[inline]
    pub(super) fn pack_takes(&self, len: usize, bytes: usize) -> bool {
        self.packs && len < self.pack_entries && bytes <= self.pack_value
    }
}

impl Set {
    /// An empty set for about `count` members, of which `first` is one.
    pub fn for_members(first: &[u8], count: usize, limits: &Limits, store: &Store) -> Set {
        let count = if limits.packs { count } else { 1 };
        let is_int = parse_int(first).is_some();
        if is_int && (count <= limits.ints || !limits.packs) {
            Set::Ints(Intset::new())
        } else if limits.packs && count <= limits.pack_entries {
            Set::Pack(Listpack::with_capacity(EMPTY_BYTES + encoded_bytes(Str::Bytes(first))))
        } else {
            Set::table(count, store)
        }
    }

    /// An empty hash table with room for `count` members.
    pub(super) fn table(count: usize, store: &Store) -> Set {
        let mut members = MemberSet::new(store);
        if count > 1 {
            members.reserve(count);
        }
        Set::Table(PackedBox::new(members))
    }

    /// Becomes a hash table if `count` members, which are about to be added, are more than the present form may have.
    pub fn expect(&mut self, count: usize, limits: &Limits, store: &Store) {
        let too_many = match self {
            Set::Ints(_) => count > limits.ints,
            Set::Pack(_) => count > limits.pack_entries,
            Set::Table(_) => false,
        };
        if too_many && limits.packs {
            self.become_table(count.max(self.len()), store);
        }
    }

    /// Becomes a hash table with room for `count` members.
    pub(super) fn become_table(&mut self, count: usize, store: &Store) {
        if matches!(self, Set::Table(_)) {
            return;
        }
        let mut table = MemberSet::new(store);
        table.reserve(count);
        self.for_each(|member| {
            table.insert(member.as_bytes(&mut itoa::Buffer::new()));
        });
        *self = Set::Table(PackedBox::new(table));
    }

    /// Becomes an intset if all members, few enough, are integers.
    pub(super) fn become_ints(&mut self, limits: &Limits) {
        if matches!(self, Set::Ints(_)) || self.len() > limits.ints {
            return;
        }
        let mut ints = Intset::new();
        let all = self.all(|member| match member {
            Str::Int(number) => ints.insert(number),
            Str::Bytes(bytes) => parse_int(bytes).is_some_and(|number| ints.insert(number)),
        });
        if all {
            *self = Set::Ints(ints);
        }
    }
}
