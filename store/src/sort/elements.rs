//! The elements of what is sorted.

use crate::error::Error;
use crate::quicklist::{End, List, Seen};
use crate::raw::entry::Str;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::value::ValueRef;
use std::ops::Range;

/// Something that can be sorted.
#[derive(Clone, Copy)]
pub(super) enum Elements<'a> {
    Nothing,
    List(&'a List),
    Set(&'a Set),
    SortedSet(&'a SortedSet),
}

impl<'a> Elements<'a> {
    /// Errs with `WrongType`.
    pub(super) fn new(value: ValueRef<'a>) -> Result<Elements<'a>, Error> {
        Ok(match value {
            ValueRef::List(list) => Elements::List(list),
            ValueRef::Set(set) => Elements::Set(set),
            ValueRef::SortedSet(set) => Elements::SortedSet(set),
            _ => return Err(Error::WrongType),
        })
    }

    pub(super) fn len(self) -> usize {
        match self {
            Elements::Nothing => 0,
            Elements::List(list) => list.len(),
            Elements::Set(set) => set.len(),
            Elements::SortedSet(set) => set.len(),
        }
    }

    /// Shows all elements, as long as `see` does not err.
    pub(super) fn each<E>(self, mut see: impl FnMut(Seen<'a>) -> Result<(), E>) -> Result<(), E> {
        let len = self.len();
        let mut result = Ok(());
        self.part(0..len, false, &mut |element| {
            result = see(element);
            result.is_ok()
        });
        result
    }

    /// Shows the elements at some places of the order that they have, or of the reverse of it if `descending` (a set has
    /// no order to be reversed), until `see` returns false.
    pub(super) fn part(self, places: Range<usize>, descending: bool, see: &mut dyn FnMut(Seen<'a>) -> bool) {
        let (start, count) = (places.start, places.len());
        let len = self.len();
        if count == 0 || places.end > len {
            return;
        }
        let mut here = |member: &'a [u8]| see(Seen::Here(Str::Bytes(member)));
        match self {
            Elements::Nothing => {}
            Elements::List(list) => {
                let (first, towards) = if descending { (len - 1 - start, End::Head) } else { (start, End::Tail) };
                let mut cursor = list.cursor(first, towards);
                for _ in 0..count {
                    if !cursor.next_seen().is_some_and(&mut *see) {
                        break;
                    }
                }
            }
            Elements::Set(set) => {
                let mut place = 0;
                set.all(|member| {
                    place += 1;
                    place <= start || (see(Seen::Here(member)) && place < start + count)
                });
            }
            Elements::SortedSet(SortedSet::Order(members)) if descending => {
                let ranks = len - places.end..len - start;
                members.range(ranks).rev().all(|(member, _)| here(member));
            }
            Elements::SortedSet(SortedSet::Order(members)) => {
                members.range(places).all(|(member, _)| here(member));
            }
            Elements::SortedSet(SortedSet::Pack(pack)) if descending => {
                // The score of each comes first from this end.
                let members = pack.view().iter().rev().skip(1).step_by(2);
                members.skip(start).take(count).all(|member| see(Seen::Here(member)));
            }
            Elements::SortedSet(SortedSet::Pack(pack)) => {
                let members = pack.view().iter().step_by(2);
                members.skip(start).take(count).all(|member| see(Seen::Here(member)));
            }
        }
    }
}
