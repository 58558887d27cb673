//! Elements of large values.

use crate::hash::Hash;
use crate::quicklist::{End, Limits, List};
use crate::raw::entry::{Entry, Str};
use crate::raw::keys::EntryMut;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::value::ValueRef;
use std::ops::Range;

/// What is about to change of a large value.
pub(crate) enum Part<'a> {
    /// A field, with its value and deadline if there is one.
    Field(&'a [u8], Option<(&'a [u8], Option<i64>)>),
    /// A member of a set, and whether it is one.
    Member(&'a [u8], bool),
    /// A member of a sorted set, with its score if it is one.
    Scored(&'a [u8], Option<f64>),
    /// So many elements are added at an end.
    Pushed(End, usize),
    /// This element is taken off an end.
    Popped(End, Str<'a>),
}

/// A [`Part`] whose bytes lie in a journal.
pub(crate) enum OldPart {
    Field(Range<usize>, Option<(Range<usize>, Option<i64>)>),
    Member(Range<usize>, bool),
    Scored(Range<usize>, Option<f64>),
    Pushed(End, usize),
    Popped(End, Range<usize>),
}

/// Most elements of a range that are recorded one by one.
pub(crate) const PARTS_MAX: usize = 256;

/// Whether the elements of a value can be brought back one by one.
pub(super) fn has_parts(entry: &Entry) -> bool {
    matches!(
        entry.value(),
        ValueRef::Hash(Hash::Table(_))
            | ValueRef::Set(Set::Table(_))
            | ValueRef::SortedSet(SortedSet::Order(_))
            | ValueRef::List(List::Quick(_))
    )
}

impl Part<'_> {
    pub(super) fn store(self, bytes: &mut Vec<u8>) -> OldPart {
        let mut put = |text: &[u8]| {
            let start = bytes.len();
            bytes.extend_from_slice(text);
            start..bytes.len()
        };
        match self {
            Part::Field(name, old) => OldPart::Field(put(name), old.map(|(value, deadline)| (put(value), deadline))),
            Part::Member(member, was_one) => OldPart::Member(put(member), was_one),
            Part::Scored(member, score) => OldPart::Scored(put(member), score),
            Part::Pushed(end, count) => OldPart::Pushed(end, count),
            Part::Popped(end, element) => OldPart::Popped(end, put(element.as_bytes(&mut itoa::Buffer::new()))),
        }
    }
}

impl OldPart {
    /// Brings it back. Its bytes lie in `bytes`.
    pub(crate) fn restore(self, entry: &mut EntryMut<'_>, bytes: &[u8], limits: &Limits) {
        let text = |range: Range<usize>| bytes.get(range).unwrap_or_default();
        match self {
            OldPart::Field(name, old) => {
                if let Some(Hash::Table(fields)) = entry.get_mut::<Hash>() {
                    match old {
                        Some((value, deadline)) => fields.set(text(name), text(value), deadline),
                        None => fields.remove(text(name)),
                    };
                }
                entry.update_fields();
            }
            OldPart::Member(member, was_one) => {
                if let Some(Set::Table(members)) = entry.get_mut::<Set>() {
                    if was_one {
                        members.insert(text(member))
                    } else {
                        members.remove(text(member))
                    };
                }
            }
            OldPart::Scored(member, score) => {
                if let Some(SortedSet::Order(members)) = entry.get_mut::<SortedSet>() {
                    match score {
                        Some(score) => members.set(text(member), score),
                        None => members.remove(text(member)),
                    };
                }
            }
            OldPart::Pushed(end, count) => {
                if let Some(list) = entry.get_mut::<List>() {
                    (0..count).for_each(|_| {
                        list.pop(end, |_| ());
                    });
                }
            }
            OldPart::Popped(end, element) => {
                if let Some(list) = entry.get_mut::<List>() {
                    let element = text(element);
                    list.grow(limits, element.len(), 1);
                    list.push(end, Str::Bytes(element));
                }
            }
        }
    }
}
