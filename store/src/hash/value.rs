//! A hash value in either of its forms.

use super::fields::Fields;
use crate::collection::FieldMap;
use crate::listpack::{Listpack, Pack, Position};
use crate::raw::block::PackedBox;
use crate::raw::entry::Str;
use crate::store::Store;

/// A hash.
#[derive(Clone, Debug)]
#[repr(u8)]
pub enum Hash {
    /// Few short fields, name and value in turn, in the order in which they came (`OBJECT ENCODING` listpack).
    Pack(Listpack),
    /// Anything else, and whatever has fields with deadlines (`OBJECT ENCODING` hashtable).
    Table(PackedBox<FieldMap>),
}

const _: () = assert!(size_of::<Hash>() == 9 && align_of::<Hash>() == 1);

/// What stands in a field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) value: Str<'a>,
    pub(crate) deadline_ms: Option<i64>,
}

impl Hash {
    /// The number of fields, also those whose deadline has passed.
    pub fn len(&self) -> usize {
        match self {
            Hash::Pack(pack) => pack.len() / 2,
            Hash::Table(fields) => fields.len(),
        }
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        match self {
            Hash::Pack(pack) => pack.is_empty(),
            Hash::Table(fields) => fields.is_empty(),
        }
    }

    /// The bytes, if they are few and in one block.
    #[inline]
    pub(crate) fn foldable(&self) -> Option<&[u8]> {
        match self {
            Hash::Pack(pack) => pack.foldable(),
            Hash::Table(_) => None,
        }
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        match self {
            Hash::Pack(pack) => pack.memory(),
            Hash::Table(fields) => fields.memory(),
        }
    }

    /// Visits names and values of all fields, also of those whose deadline has passed.
    pub fn for_each<'a>(&'a self, visit: impl FnMut(Str<'a>, Str<'a>)) {
        Fields { hash: self, now_ms: i64::MIN }.for_each(visit);
    }

    /// Fields with a deadline.
    pub(super) fn volatile_len(&self) -> usize {
        match self {
            Hash::Pack(_) => 0,
            Hash::Table(fields) => fields.volatile_len(),
        }
    }

    /// The field `name`, unless its deadline lies before `now_ms`.
    #[inline]
    pub(crate) fn get(&self, name: &[u8], now_ms: i64) -> Option<Found<'_>> {
        match self {
            Hash::Pack(pack) => {
                let (_, value) = find_pair(pack.view(), name, None)?;
                Some(Found { value: pack.view().get(value), deadline_ms: None })
            }
            Hash::Table(fields) => {
                let field = fields.get(name).filter(|field| !is_over(field.deadline_ms, now_ms))?;
                Some(Found { value: Str::Bytes(field.value), deadline_ms: field.deadline_ms })
            }
        }
    }

    /// Removes the field `name`, unless its deadline lies before `now_ms`. Whether it was there.
    pub(super) fn remove(&mut self, name: &[u8], now_ms: i64) -> bool {
        match self {
            Hash::Pack(pack) => {
                let Some((field, _)) = find_pair(pack.view(), name, None) else { return false };
                pack.delete_from(field, 2);
                true
            }
            Hash::Table(fields) => fields.remove_if(name, |field| !is_over(field.deadline_ms, now_ms)),
        }
    }

    /// The hash as a table, which it becomes if it is none.
    pub(super) fn table(&mut self, store: &Store, reserve: usize) -> &mut FieldMap {
        if let Hash::Pack(pack) = self {
            let mut fields = FieldMap::new(store);
            fields.reserve(reserve.max(pack.len() / 2));
            let mut values = pack.view().iter();
            let (mut name_space, mut value_space) = (itoa::Buffer::new(), itoa::Buffer::new());
            while let (Some(name), Some(value)) = (values.next(), values.next()) {
                fields.set(name.as_bytes(&mut name_space), value.as_bytes(&mut value_space), None);
            }
            *self = Hash::Table(PackedBox::new(fields));
        }
        match self {
            Hash::Table(fields) => fields,
            Hash::Pack(_) => unreachable!("it was just made a table"),
        }
    }
}

/// Whether a deadline lies before `now_ms`.
#[inline]
pub(super) fn is_over(deadline_ms: Option<i64>, now_ms: i64) -> bool {
    deadline_ms.is_some_and(|deadline_ms| now_ms > deadline_ms)
}

/// Where a field and its value stand. Looks from `from`, a field, to the end first, and then from the start.
#[inline]
pub(super) fn find_pair(pack: Pack<'_>, name: &[u8], from: Option<Position>) -> Option<(Position, Position)> {
    let first = pack.first()?;
    let start = from.unwrap_or(first);
    let field = match pack.find(start, name, 1) {
        None if start != first => pack.find(first, name, 1)?,
        found => found?,
    };
    Some((field, pack.next(field)?))
}
