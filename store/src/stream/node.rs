//! The entries of one node.

use super::StreamId;
use crate::listpack::{Iter, Listpack, Pack, Position};
use crate::raw::entry::Str;
use crate::string::parse_int;

/// Flag of a deleted entry.
pub(super) const DELETED: i64 = 1;
/// Flag of an entry with the fields of its node.
pub(super) const SAME_FIELDS: i64 = 2;

/// A node and the ID of its first entry.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(super) master: StreamId,
    pub(super) pack: Listpack,
}

/// What became of an entry that shall be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removed {
    /// It is not there.
    Missing,
    /// It is marked.
    Marked,
    /// It was the last one alive: nothing was changed, the node shall go.
    Emptied,
}

/// Numbers of live and of deleted entries.
pub(super) fn counts(pack: Pack<'_>) -> (u64, u64) {
    let mut values = pack.iter();
    let mut count = || values.next().map_or(0, |value| integer(value) as u64);
    (count(), count())
}

/// Adds to the number of live entries and to that of deleted ones.
pub(super) fn count_more(pack: &mut Listpack, live: i64, deleted: i64) {
    let mut position = pack.view().first();
    for more in [live, deleted] {
        let Some(at) = position else { return };
        if more != 0 {
            let count = integer(pack.view().get(at)).wrapping_add(more);
            pack.set(at, Str::Int(count));
        }
        position = pack.view().next(at);
    }
}

/// Deletes the entry `id` of the node that starts with `master`.
pub(super) fn remove(pack: &mut Listpack, master: StreamId, id: StreamId) -> Removed {
    let mut walk = Walk::new(master, pack.view());
    let (position, flags) = loop {
        let position = walk.position(pack.view());
        match (walk.next(), position) {
            // May stand in any order: XSETID can go back behind what was deleted.
            (Some(entry), _) if entry.deleted() => {}
            (Some(entry), Some(position)) if entry.id == id => break (position, entry.flags),
            (Some(entry), _) if entry.id < id => {}
            _ => return Removed::Missing,
        }
    };
    if counts(pack.view()).0 <= 1 {
        return Removed::Emptied;
    }
    pack.set(position, Str::Int(flags | DELETED));
    count_more(pack, -1, 1);
    Removed::Marked
}

/// One entry, deleted or not.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    pub(super) id: StreamId,
    pub(super) flags: i64,
    pub(super) fields: Fields<'a>,
}

impl Entry<'_> {
    pub(super) fn deleted(&self) -> bool {
        self.flags & DELETED != 0
    }
}

/// The entries of a node in order; it can be reversed, but is used from one end only.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a> {
    master: StreamId,
    names: Iter<'a>,
    count: usize,
    rest: Iter<'a>,
}

impl<'a> Walk<'a> {
    #[inline]
    pub(super) fn new(master: StreamId, pack: Pack<'a>) -> Walk<'a> {
        let mut rest = pack.iter();
        rest.split(2);
        let count = rest.next().map_or(0, |value| integer(value) as usize);
        let names = rest.split(count);
        rest.split(1);
        Walk { master, names, count, rest }
    }

    /// The names of the node's fields.
    pub(super) fn names(&self) -> (Iter<'a>, usize) {
        (self.names.clone(), self.count)
    }

    /// Where the next entry starts in `pack`, which the entries are read from.
    pub(super) fn position(&self, pack: Pack<'a>) -> Option<Position> {
        (!self.rest.is_empty()).then(|| pack.position(&self.rest))
    }

    /// The entries behind those of `front`, which are the first of this walk.
    pub(super) fn behind(self, front: &Walk<'a>) -> Walk<'a> {
        Walk { rest: self.rest.behind(&front.rest), ..self }
    }

    #[inline]
    fn id(&self, ms: i64, seq: i64) -> StreamId {
        StreamId { ms: self.master.ms.wrapping_add_signed(ms), seq: self.master.seq.wrapping_add_signed(seq) }
    }

    #[inline]
    fn entry(&self, from: &mut Iter<'a>) -> Option<Entry<'a>> {
        let flags = integer(from.next()?);
        let ms = integer(from.next()?);
        let id = self.id(ms, integer(from.next()?));
        let fields = if flags & SAME_FIELDS != 0 {
            Fields { names: Some(self.names.clone()), values: from.split(self.count), len: self.count }
        } else {
            let len = integer(from.next()?) as usize;
            Fields { names: None, values: from.split(len.saturating_mul(2)), len }
        };
        Some(Entry { id, flags, fields })
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        let mut rest = self.rest.clone();
        let entry = self.entry(&mut rest)?;
        rest.split(1);
        self.rest = rest;
        Some(entry)
    }
}

impl<'a> DoubleEndedIterator for Walk<'a> {
    #[inline]
    fn next_back(&mut self) -> Option<Entry<'a>> {
        let values = integer(self.rest.next_back()?) as usize;
        let mut entry = self.rest.split_back(values);
        self.entry(&mut entry)
    }
}

/// The fields of an entry with their values, in the order given.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    /// The node's fields, if they are this entry's.
    names: Option<Iter<'a>>,
    /// Values, or fields and values in turn.
    values: Iter<'a>,
    len: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Str<'a>, Str<'a>);

    #[inline]
    fn next(&mut self) -> Option<(Str<'a>, Str<'a>)> {
        let name = match &mut self.names {
            Some(names) => names.next()?,
            None => self.values.next()?,
        };
        let value = self.values.next()?;
        self.len = self.len.saturating_sub(1);
        Some((name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}

impl ExactSizeIterator for Fields<'_> {}

impl std::iter::FusedIterator for Fields<'_> {}

/// A value that is an integer.
#[inline]
pub(super) fn integer(value: Str<'_>) -> i64 {
    match value {
        Str::Int(number) => number,
        Str::Bytes(bytes) => parse_int(bytes).unwrap_or(0),
    }
}
