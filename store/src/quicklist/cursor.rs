//! Going through a list.

use super::End;
use super::nodes::{Node, decompressed};
use crate::listpack::{Iter, Listpack, Pack, Position};
use crate::raw::entry::Str;
use std::collections::VecDeque;

/// Elements of a list, one after the other, towards one end.
///
/// Not an `Iterator`, since an element of a compressed node lives only until the next one is asked for. Nothing is
/// allocated but the listpack of such a node.
#[derive(Debug)]
pub struct Cursor<'a> {
    nodes: Option<&'a VecDeque<Node>>,
    /// Index of the node that is being read.
    node: usize,
    source: Source<'a>,
    towards: End,
}

/// What is left of a node.
#[derive(Debug)]
enum Source<'a> {
    Packed(Iter<'a>),
    Unpacked { pack: Listpack, next: Option<Position> },
    Plain(&'a [u8]),
    Nothing,
}

/// An element of a value that outlives the going through it.
#[derive(Clone, Debug)]
pub enum Seen<'a> {
    /// It stands in the value.
    Here(Str<'a>),
    /// It was decompressed.
    Copied(Box<[u8]>),
}

impl Seen<'_> {
    /// The element.
    #[inline]
    pub fn get(&self) -> Str<'_> {
        match self {
            Seen::Here(value) => *value,
            Seen::Copied(bytes) => Str::Bytes(bytes),
        }
    }
}

impl<'a> Cursor<'a> {
    /// The entries of a listpack from an index on.
    pub(super) fn of_pack(pack: Pack<'a>, index: usize, towards: End) -> Cursor<'a> {
        let source = match i64::try_from(index).ok().and_then(|index| pack.seek(index)) {
            Some(position) => packed(pack, position, towards),
            None => Source::Nothing,
        };
        Cursor { nodes: None, node: 0, source, towards }
    }

    /// The elements from a place on: a node and an index within it.
    pub(super) fn of_nodes(nodes: &'a VecDeque<Node>, place: Option<(usize, usize)>, towards: End) -> Cursor<'a> {
        let (node, source) = match place {
            Some((node, offset)) => (node, Source::of(&nodes[node], offset, towards)),
            None => (0, Source::Nothing),
        };
        Cursor { nodes: place.map(|_| nodes), node, source, towards }
    }

    /// The next element.
    #[expect(clippy::should_implement_trait, reason = "an element may borrow from the cursor")]
    #[inline]
    pub fn next(&mut self) -> Option<Str<'_>> {
        while self.source.is_empty() {
            self.advance()?;
        }
        if let Source::Plain(value) = self.source {
            self.source = Source::Nothing;
            return Some(Str::Bytes(value));
        }
        match &mut self.source {
            Source::Packed(rest) => match self.towards {
                End::Tail => rest.next(),
                End::Head => rest.next_back(),
            },
            Source::Unpacked { pack, next } => {
                let view = pack.view();
                let position = (*next)?;
                *next = match self.towards {
                    End::Tail => view.next(position),
                    End::Head => view.prev(position),
                };
                Some(view.get(position))
            }
            Source::Plain(_) | Source::Nothing => None,
        }
    }

    /// Shows the next `count` elements to `see`, or as many as there are.
    #[inline]
    pub fn visit(&mut self, count: usize, mut see: impl FnMut(Str<'_>)) {
        let mut rest = count;
        while rest > 0 {
            if let (Source::Packed(values), End::Tail) = (&mut self.source, self.towards) {
                // Most elements of most lists are read here.
                for value in values.by_ref().take(rest) {
                    see(value);
                    rest -= 1;
                }
                if rest == 0 {
                    return;
                }
            }
            let Some(value) = self.next() else { return };
            see(value);
            rest -= 1;
        }
    }

    /// The next element, copied if it lies in a compressed node.
    #[inline]
    pub fn next_seen(&mut self) -> Option<Seen<'a>> {
        while self.source.is_empty() {
            self.advance()?;
        }
        match (&mut self.source, self.towards) {
            (Source::Packed(rest), End::Tail) => rest.next().map(Seen::Here),
            (Source::Packed(rest), End::Head) => rest.next_back().map(Seen::Here),
            (Source::Plain(value), _) => {
                let value = *value;
                self.source = Source::Nothing;
                Some(Seen::Here(Str::Bytes(value)))
            }
            _ => self.next().map(|value| match value {
                Str::Int(number) => Seen::Here(Str::Int(number)),
                Str::Bytes(bytes) => Seen::Copied(bytes.into()),
            }),
        }
    }

    /// Goes to the next node.
    fn advance(&mut self) -> Option<()> {
        let nodes = self.nodes?;
        self.node = match self.towards {
            End::Tail => self.node + 1,
            End::Head => self.node.checked_sub(1)?,
        };
        let node = nodes.get(self.node)?;
        let offset = match self.towards {
            End::Tail => 0,
            End::Head => node.count() - 1,
        };
        self.source = Source::of(node, offset, self.towards);
        Some(())
    }
}

impl<'a> Source<'a> {
    fn of(node: &'a Node, offset: usize, towards: End) -> Source<'a> {
        match node {
            Node::Packed { pack, .. } => match pack.view().seek(offset as i64) {
                Some(position) => packed(pack.view(), position, towards),
                None => Source::Nothing,
            },
            Node::Compressed { data, bytes, .. } => {
                let pack = decompressed(data, *bytes as usize);
                let next = pack.view().seek(offset as i64);
                Source::Unpacked { pack, next }
            }
            Node::Plain(value) => Source::Plain(value),
        }
    }

    #[inline]
    fn is_empty(&self) -> bool {
        match self {
            Source::Packed(rest) => rest.is_empty(),
            Source::Unpacked { next, .. } => next.is_none(),
            Source::Plain(_) => false,
            Source::Nothing => true,
        }
    }
}

fn packed(pack: Pack<'_>, position: Position, towards: End) -> Source<'_> {
    Source::Packed(match towards {
        End::Tail => pack.iter_from(position),
        End::Head => pack.iter_to(position),
    })
}
