//! A list value in either of its forms.

use super::cursor::Cursor;
use super::edit::{insert_into, remove_from};
use super::limits::Limits;
use super::nodes::Node;
use super::quick::{Quicklist, index_of};
use super::{End, Side};
use crate::listpack::{EMPTY_BYTES, Listpack, encoded_bytes};
use crate::raw::block::PackedBox;
use crate::raw::entry::Str;
use crate::string::parse_int;

/// A list: one listpack while it is short.
///
/// The form changes only in [`grow`](List::grow), which goes before pushes, insertions and replacements,
/// [`shrink`](List::shrink), which goes after removals and replacements, and [`fit`](List::fit); once a command, as in
/// Redis, since clients can see when it happens.
#[derive(Clone, Debug)]
pub enum List {
    /// One listpack (`OBJECT ENCODING` listpack).
    Pack(Listpack),
    /// Several nodes (`OBJECT ENCODING` quicklist).
    Quick(PackedBox<Quicklist>),
}

const _: () = assert!(size_of::<List>() == 9 && align_of::<List>() == 1);

impl From<Quicklist> for List {
    fn from(quick: Quicklist) -> List {
        List::Quick(PackedBox::new(quick))
    }
}

impl List {
    /// An empty list.
    pub fn new(limits: &Limits) -> List {
        if limits.short_as_listpack { List::Pack(Listpack::new()) } else { List::from(Quicklist::new(limits)) }
    }

    /// An empty list with room for these elements, whose lengths are `bytes` in all.
    pub(crate) fn for_elements<'v>(
        limits: &Limits,
        bytes: usize,
        elements: impl ExactSizeIterator<Item = Str<'v>>,
    ) -> List {
        if !limits.short_as_listpack || limits.shape().exceeds(EMPTY_BYTES + bytes, elements.len()) {
            return List::from(Quicklist::new(limits));
        }
        let bytes: usize = elements.map(encoded_bytes).sum();
        List::Pack(Listpack::with_capacity(EMPTY_BYTES + bytes))
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            List::Pack(pack) => pack.len(),
            List::Quick(quick) => quick.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        match self {
            List::Pack(pack) => pack.is_empty(),
            List::Quick(quick) => quick.is_empty(),
        }
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        match self {
            List::Pack(pack) => pack.memory(),
            List::Quick(quick) => quick.memory(),
        }
    }

    /// Becomes a quicklist if `count` more elements of `bytes` bytes in all would be too much for a listpack.
    pub fn grow(&mut self, limits: &Limits, bytes: usize, count: usize) {
        match self {
            List::Quick(quick) => quick.set_plain_bytes(limits.plain_bytes),
            List::Pack(pack) => {
                let (bytes, count) = (pack.bytes().len().saturating_add(bytes), pack.len().saturating_add(count));
                if !limits.short_as_listpack || limits.shape().exceeds(bytes, count) {
                    let mut quick = Quicklist::new(limits);
                    quick.append_pack(std::mem::take(pack));
                    *self = List::from(quick);
                }
            }
        }
    }

    /// Becomes a listpack if it is a quicklist of one node that has come down to half of the limits.
    pub fn shrink(&mut self, limits: &Limits) {
        self.unite(limits, true);
    }

    /// Takes the form that its size asks for, for a list that was built as a whole.
    pub fn fit(&mut self, limits: &Limits) {
        self.grow(limits, 0, 0);
        self.unite(limits, false);
    }

    fn unite(&mut self, limits: &Limits, halved: bool) {
        let List::Quick(quick) = self else { return };
        if !limits.short_as_listpack || quick.nodes.len() != 1 {
            return;
        }
        quick.before_change(0..1);
        let Some(node) = quick.nodes.front_mut() else { return };
        if !limits.shape().holds(node.bytes(), node.count(), halved) {
            return;
        }
        node.decompress();
        if let Node::Packed { pack, .. } = node {
            *self = List::Pack(std::mem::take(pack));
        }
    }

    /// Adds an element at one end.
    #[inline]
    pub fn push(&mut self, end: End, value: Str<'_>) {
        match (self, end) {
            (List::Pack(pack), End::Head) => pack.prepend(value),
            (List::Pack(pack), End::Tail) => pack.append(value),
            (List::Quick(quick), _) => quick.push(end, value),
        }
    }

    /// Shows the element at one end to `see` and removes it; `None` if there is none.
    #[inline]
    pub fn pop<R>(&mut self, end: End, see: impl FnOnce(Str<'_>) -> R) -> Option<R> {
        match self {
            List::Pack(pack) => {
                let view = pack.view();
                let position = match end {
                    End::Head => view.first()?,
                    End::Tail => view.last()?,
                };
                let result = see(view.get(position));
                pack.delete(position);
                Some(result)
            }
            List::Quick(quick) => quick.pop(end, see),
        }
    }

    /// Shows the element at an index (negative ones count from the end) to `see`; `None` beyond the ends.
    pub fn get<R>(&self, index: i64, see: impl FnOnce(Str<'_>) -> R) -> Option<R> {
        match self {
            List::Pack(pack) => pack.view().seek(index).map(|position| see(pack.view().get(position))),
            List::Quick(quick) => quick.get(index, see),
        }
    }

    /// The index of the first element equal to `value`.
    pub fn find(&self, value: &[u8]) -> Option<usize> {
        let number = parse_int(value);
        let mut cursor = self.cursor(0, End::Tail);
        for index in 0.. {
            let is_equal = match cursor.next()? {
                Str::Int(element) => number == Some(element),
                Str::Bytes(element) => element == value,
            };
            if is_equal {
                return Some(index);
            }
        }
        None
    }

    /// The indexes of elements equal to `value`, at most `limit`, the first ones seen from `from`.
    pub(crate) fn find_equal(&self, value: &[u8], limit: usize, from: End) -> Vec<usize> {
        let number = parse_int(value);
        let len = self.len();
        let mut cursor = match from {
            End::Head => self.cursor(0, End::Tail),
            End::Tail => self.cursor(len.saturating_sub(1), End::Head),
        };
        let mut found = Vec::new();
        for step in 0..len {
            let Some(element) = cursor.next().filter(|_| found.len() < limit) else { break };
            let is_equal = match element {
                Str::Int(element) => number == Some(element),
                Str::Bytes(element) => element == value,
            };
            if is_equal {
                found.push(if from == End::Head { step } else { len - 1 - step });
            }
        }
        found
    }

    /// The list as a quicklist, which it becomes.
    pub(crate) fn quick(&mut self, limits: &Limits) -> &mut Quicklist {
        if let List::Pack(pack) = self {
            let mut quick = Quicklist::new(limits);
            quick.append_pack(std::mem::take(pack));
            *self = List::from(quick);
        }
        match self {
            List::Quick(quick) => quick,
            List::Pack(_) => unreachable!("it has become one"),
        }
    }

    /// The elements from an index on towards `end`; nothing if the index is not below the length.
    pub fn cursor(&self, index: usize, end: End) -> Cursor<'_> {
        match self {
            List::Pack(pack) => Cursor::of_pack(pack.view(), index, end),
            List::Quick(quick) => quick.cursor(index, end),
        }
    }

    /// Adds an element beside the one at `index`; false if there is none.
    pub fn insert(&mut self, index: usize, side: Side, value: Str<'_>) -> bool {
        match self {
            List::Pack(pack) => {
                let inside = index < pack.len();
                insert_into(pack, index, side, value);
                inside
            }
            List::Quick(quick) => quick.insert(index, side, value),
        }
    }

    /// Gives the element at an index (negative ones count from the end) another value; false if there is none.
    pub fn replace(&mut self, index: i64, value: Str<'_>) -> bool {
        match self {
            List::Pack(pack) => {
                let Some(position) = pack.view().seek(index) else { return false };
                pack.replace(position, value);
                true
            }
            List::Quick(quick) => index_of(index, quick.len()).is_some_and(|index| quick.replace(index, value)),
        }
    }

    /// Removes up to `count` elements from `start` on and returns how many there were.
    pub fn delete_range(&mut self, start: usize, count: usize) -> usize {
        match self {
            List::Pack(pack) => {
                let before = pack.len();
                if let Ok(start) = i64::try_from(start) {
                    pack.delete_range(start, count);
                }
                before - pack.len()
            }
            List::Quick(quick) => quick.delete_range(start, count),
        }
    }

    /// Removes elements equal to `value`, at most `limit`, the first ones seen from `from`. Returns how many.
    pub fn remove_equal(&mut self, value: &[u8], limit: usize, from: End) -> usize {
        match self {
            List::Pack(pack) => remove_from(pack, value, limit, from),
            List::Quick(quick) => quick.remove_equal(value, limit, from),
        }
    }
}
