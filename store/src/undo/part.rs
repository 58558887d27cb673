//! Elements of large values.

use crate::hash::Hash;
use crate::quicklist::{End, Limits, List, Quicklist, Side};
use crate::raw::block::PackedBox;
use crate::raw::entry::{Entry, Str};
use crate::raw::keys::EntryMut;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::stream::{Stream, StreamChange};
use crate::value::{Value, ValueRef};
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
    /// An element is added that has this index then.
    Inserted(usize),
    /// This element, which has this index, gets another value.
    Replaced(usize, Str<'a>),
    /// Elements of this value are removed, which have these indexes, in ascending order.
    Removed(&'a [u8], Vec<usize>),
    /// These bytes of a string of this length, from a place on.
    Bytes { start: usize, old: &'a [u8], len: usize },
    /// What is moved out.
    Moved(MovedPart),
    /// A change of a stream.
    Stream(StreamChange),
}

/// A part of a large value that is not needed any more, but in a journal.
pub(crate) enum MovedPart {
    /// Elements that were taken off an end.
    Cut(End, Quicklist),
    /// A set that another has taken the place of.
    Set(Set),
}

/// A [`Part`] whose bytes lie in a journal.
pub(crate) enum OldPart {
    Field(Range<usize>, Option<(Range<usize>, Option<i64>)>),
    Member(Range<usize>, bool),
    Scored(Range<usize>, Option<f64>),
    Pushed(End, usize),
    Popped(End, Range<usize>),
    Inserted(usize),
    Replaced(usize, Range<usize>),
    Removed(Range<usize>, Vec<usize>),
    Bytes { start: usize, old: Range<usize>, len: usize },
    Moved(MovedPart),
    Stream(Box<StreamChange>),
}

/// Most elements off an end of a list that are recorded one by one. Of more their nodes are moved out.
pub(crate) const POPS_MAX: usize = 256;
/// Most elements that one operation may have recorded one by one.
pub(crate) const PARTS_MAX: usize = 1 << 16;
/// Most elements in the middle of a list that one operation may have recorded: each is looked for when it comes back.
pub(crate) const MIDDLE_MAX: usize = 4096;

/// Whether the elements of a value can be brought back one by one.
pub(super) fn has_parts(entry: &Entry) -> bool {
    matches!(
        entry.value(),
        ValueRef::Hash(Hash::Table(_))
            | ValueRef::Set(Set::Table(_))
            | ValueRef::SortedSet(SortedSet::Order(_))
            | ValueRef::List(List::Quick(_))
            | ValueRef::Stream(_)
    ) || entry.buffer_capacity() > 0
}

impl Part<'_> {
    /// What it has of value, if it is moved out.
    pub(super) fn into_value(self) -> Option<Value> {
        match self {
            Part::Moved(part) => OldPart::Moved(part).into_value(),
            Part::Stream(change) => change.into_value(),
            _ => None,
        }
    }

    /// Bytes that it takes beside those it [stores](Part::store) and what is moved out.
    pub(super) fn kept_bytes(&self) -> usize {
        match self {
            Part::Removed(_, indexes) => size_of_val(&indexes[..]),
            Part::Stream(change) => change.copied_bytes(),
            _ => 0,
        }
    }

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
            Part::Inserted(index) => OldPart::Inserted(index),
            Part::Replaced(index, old) => OldPart::Replaced(index, put(old.as_bytes(&mut itoa::Buffer::new()))),
            Part::Removed(element, indexes) => OldPart::Removed(put(element), indexes),
            Part::Bytes { start, old, len } => OldPart::Bytes { start, old: put(old), len },
            Part::Moved(part) => OldPart::Moved(part),
            Part::Stream(change) => OldPart::Stream(Box::new(change)),
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
            OldPart::Bytes { start, old, len } => entry.restore_bytes(start, text(old), len),
            OldPart::Stream(change) => {
                if let Some(stream) = entry.get_mut::<PackedBox<Stream>>() {
                    stream.take_back(*change);
                }
            }
            OldPart::Moved(MovedPart::Set(old)) => {
                if let Some(set) = entry.get_mut::<Set>() {
                    *set = old;
                }
            }
            part => {
                if let Some(list) = entry.get_mut::<List>() {
                    part.restore_list(list, bytes, limits);
                }
            }
        }
    }

    fn restore_list(self, list: &mut List, bytes: &[u8], limits: &Limits) {
        let text = |range: Range<usize>| bytes.get(range).unwrap_or_default();
        match self {
            OldPart::Pushed(end, count) => (0..count).for_each(|_| {
                list.pop(end, |_| ());
            }),
            OldPart::Popped(end, element) => {
                let element = text(element);
                list.grow(limits, element.len(), 1);
                list.push(end, Str::Bytes(element));
            }
            OldPart::Inserted(index) => {
                list.delete_range(index, 1);
            }
            OldPart::Replaced(index, old) => {
                let old = text(old);
                list.grow(limits, old.len(), 1);
                list.replace(index as i64, Str::Bytes(old));
            }
            OldPart::Removed(element, indexes) => {
                let element = text(element);
                list.grow(limits, element.len().saturating_mul(indexes.len()), indexes.len());
                for index in indexes {
                    if !list.insert(index, Side::Before, Str::Bytes(element)) {
                        list.push(End::Tail, Str::Bytes(element));
                    }
                }
            }
            OldPart::Moved(MovedPart::Cut(end, cut)) => list.quick(limits).join(end, cut),
            _ => {}
        }
    }

    /// What it has of value, if it is moved out.
    pub(super) fn into_value(self) -> Option<Value> {
        match self {
            OldPart::Moved(MovedPart::Set(set)) => Some(Value::Set(set)),
            OldPart::Moved(MovedPart::Cut(_, list)) => Some(Value::List(List::Quick(PackedBox::new(list)))),
            OldPart::Stream(change) => change.into_value(),
            _ => None,
        }
    }
}
