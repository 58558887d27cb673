//! Entries in a range of IDs.

use super::node::{Fields, Node, Walk};
use super::{Facts, StreamId};
use crate::listpack::{Listpack, Pack};
use std::collections::{BTreeMap, btree_map};

/// A stream without its groups, for reading.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) facts: &'a Facts,
    pub(super) earlier: Option<&'a BTreeMap<StreamId, Listpack>>,
    pub(super) tail: Option<&'a Node>,
}

impl<'a> View<'a> {
    #[inline]
    pub(super) fn range(self, start: StreamId, end: StreamId) -> Range<'a> {
        let in_tail = self.tail.is_some_and(|tail| tail.master <= start);
        let earlier = if in_tail || start > end {
            None
        } else {
            self.earlier.map(|map| {
                let first = map.range(..=start).next_back().map_or(start, |(&master, _)| master);
                map.range(first..)
            })
        };
        let tail = if start > end { None } else { self.tail };
        Range { earlier, tail, walk: None, start, end }
    }

    pub(super) fn reverse(self, start: StreamId, end: StreamId) -> ReverseRange<'a> {
        let tail = self.tail.filter(|tail| start <= end && tail.master <= end);
        let earlier = if start > end { None } else { self.earlier.map(|map| map.range(..=end)) };
        ReverseRange { earlier, tail, walk: None, start, end }
    }

    /// The fields of the entry `id`.
    #[inline]
    pub(super) fn get(self, id: StreamId) -> Option<Fields<'a>> {
        self.range(id, id).next().map(|(_, fields)| fields)
    }

    /// Master ID and listpack of each node in order.
    pub(super) fn nodes(self) -> impl Iterator<Item = (StreamId, Pack<'a>)> {
        self.nodes_from(StreamId::MIN)
    }

    /// The nodes with a master ID of at least `from`.
    pub(super) fn nodes_from(self, from: StreamId) -> impl Iterator<Item = (StreamId, Pack<'a>)> {
        let earlier = self.earlier.map(|map| map.range(from..)).into_iter().flatten();
        let tail = self.tail.filter(|tail| tail.master >= from);
        earlier.map(|(&master, pack)| (master, pack.view())).chain(tail.map(|tail| (tail.master, tail.pack.view())))
    }
}

/// The entries of a stream in a range of IDs, from the least to the greatest, without the deleted ones.
#[derive(Clone)]
pub struct Range<'a> {
    earlier: Option<btree_map::Range<'a, StreamId, Listpack>>,
    tail: Option<&'a Node>,
    walk: Option<Walk<'a>>,
    start: StreamId,
    end: StreamId,
}

impl<'a> Range<'a> {
    #[inline]
    fn next_node(&mut self) -> Option<Walk<'a>> {
        if let Some((&master, pack)) = self.earlier.as_mut().and_then(Iterator::next) {
            return (master <= self.end).then(|| Walk::new(master, pack.view()));
        }
        self.earlier = None;
        let tail = self.tail.take()?;
        (tail.master <= self.end).then(|| tail.walk_from(self.start))
    }

    fn finish(&mut self) {
        (self.earlier, self.tail, self.walk) = (None, None, None);
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = (StreamId, Fields<'a>);

    #[inline]
    fn next(&mut self) -> Option<(StreamId, Fields<'a>)> {
        loop {
            let Some(walk) = &mut self.walk else {
                self.walk = Some(self.next_node()?);
                continue;
            };
            let Some(entry) = walk.next() else {
                self.walk = None;
                continue;
            };
            if entry.id < self.start || entry.deleted() {
                continue;
            }
            if entry.id > self.end {
                self.finish();
                return None;
            }
            return Some((entry.id, entry.fields));
        }
    }
}

impl std::iter::FusedIterator for Range<'_> {}

/// The entries of a stream in a range of IDs, from the greatest to the least, without the deleted ones.
#[derive(Clone)]
pub struct ReverseRange<'a> {
    earlier: Option<btree_map::Range<'a, StreamId, Listpack>>,
    tail: Option<&'a Node>,
    walk: Option<Walk<'a>>,
    start: StreamId,
    end: StreamId,
}

impl<'a> ReverseRange<'a> {
    fn next_node(&mut self) -> Option<Walk<'a>> {
        if let Some(tail) = self.tail.take() {
            return Some(Walk::new(tail.master, tail.pack.view()));
        }
        let (&master, pack) = self.earlier.as_mut()?.next_back()?;
        Some(Walk::new(master, pack.view()))
    }
}

impl<'a> Iterator for ReverseRange<'a> {
    type Item = (StreamId, Fields<'a>);

    fn next(&mut self) -> Option<(StreamId, Fields<'a>)> {
        loop {
            let Some(walk) = &mut self.walk else {
                self.walk = Some(self.next_node()?);
                continue;
            };
            let Some(entry) = walk.next_back() else {
                self.walk = None;
                continue;
            };
            if entry.id > self.end || entry.deleted() {
                continue;
            }
            if entry.id < self.start {
                (self.earlier, self.tail, self.walk) = (None, None, None);
                return None;
            }
            return Some((entry.id, entry.fields));
        }
    }
}

impl std::iter::FusedIterator for ReverseRange<'_> {}

impl Node {
    /// The entries from `start` on and perhaps some before them. Readers that follow a stream want its last few: looks
    /// for the start from the end first, for a few entries.
    #[inline]
    fn walk_from(&self, start: StreamId) -> Walk<'_> {
        const STEPS: usize = 8;
        let walk = Walk::new(self.master, self.pack.view());
        if start <= self.master {
            return walk;
        }
        let mut back = walk.clone();
        for _ in 0..STEPS {
            let end = back.clone();
            match back.next_back() {
                Some(entry) if entry.id < start && !entry.deleted() => return walk.behind(&end),
                Some(_) => {}
                None => break,
            }
        }
        walk
    }
}
