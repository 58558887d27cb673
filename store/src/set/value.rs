//! A set value in any of its forms.

use crate::collection::MemberSet;
use crate::intset::Intset;
use crate::listpack::Listpack;
use crate::raw::block::PackedBox;
use crate::raw::entry::Str;
use crate::string::parse_int;

/// A set.
#[derive(Clone, Debug)]
pub enum Set {
    /// Integers, ascending (`OBJECT ENCODING` intset).
    Ints(Intset),
    /// Few short members, in the order in which they came (`OBJECT ENCODING` listpack).
    Pack(Listpack),
    /// Anything else (`OBJECT ENCODING` hashtable).
    Table(PackedBox<MemberSet>),
}

const _: () = assert!(size_of::<Set>() == 9 && align_of::<Set>() == 1);

impl Set {
    /// The number of members.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Set::Ints(ints) => ints.len(),
            Set::Pack(pack) => pack.len(),
            Set::Table(members) => members.len(),
        }
    }

    /// Whether there is no member.
    #[inline]
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

    /// Whether `member` is one.
    #[inline]
    pub fn contains(&self, member: &[u8]) -> bool {
        match self {
            Set::Ints(ints) => parse_int(member).is_some_and(|number| ints.contains(number)),
            Set::Pack(pack) => {
                let view = pack.view();
                view.first().is_some_and(|first| view.find(first, member, 0).is_some())
            }
            Set::Table(members) => members.contains(member),
        }
    }

    /// Whether `member` is one.
    #[inline]
    pub fn contains_str(&self, member: Str<'_>) -> bool {
        match (self, member) {
            (Set::Ints(ints), Str::Int(number)) => ints.contains(number),
            _ => self.contains(member.as_bytes(&mut itoa::Buffer::new())),
        }
    }

    /// Shows all members to `see`, an intset's in ascending order, a listpack's in that of their arrival.
    #[inline]
    pub fn for_each<'a>(&'a self, mut see: impl FnMut(Str<'a>)) {
        match self {
            Set::Ints(ints) => ints.iter().for_each(|number| see(Str::Int(number))),
            Set::Pack(pack) => pack.view().iter().for_each(see),
            Set::Table(members) => members.iter().for_each(|member| see(Str::Bytes(member))),
        }
    }

    /// Shows the members to `see` as long as it returns true. Whether it always did.
    #[inline]
    pub fn all<'a>(&'a self, mut see: impl FnMut(Str<'a>) -> bool) -> bool {
        match self {
            Set::Ints(ints) => ints.iter().all(|number| see(Str::Int(number))),
            Set::Pack(pack) => pack.view().iter().all(see),
            Set::Table(members) => members.iter().all(|member| see(Str::Bytes(member))),
        }
    }

    /// Shows a part of the members to `see` and returns the cursor of the next part; 0 starts, and 0 is returned after
    /// the last part. Of a hash table, that are about `count`, else all.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, see: &mut dyn FnMut(Str<'a>)) -> u64 {
        let Set::Table(members) = self else {
            self.for_each(see);
            return 0;
        };
        let (mut cursor, mut seen) = (cursor, 0);
        // A table that lost most of its members has many empty buckets.
        for _ in 0..count.saturating_mul(10) {
            cursor = members.scan(cursor, &mut |member| {
                seen += 1;
                see(Str::Bytes(member));
            });
            if cursor == 0 || seen >= count {
                break;
            }
        }
        cursor
    }
}
