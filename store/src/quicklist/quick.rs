//! A list as a sequence of listpacks.

use super::End;
use super::cursor::Cursor;
use super::limits::{Limits, Shape};
use super::nodes::{Node, NodeView};
use super::taking::ListTaking;
use crate::listpack::Listpack;
use crate::raw::entry::Str;
use std::collections::VecDeque;
use std::ops::Range;

/// A sequence of listpacks and, between them, nodes of one large element.
#[derive(Debug)]
pub struct Quicklist {
    pub(super) nodes: VecDeque<Node>,
    /// Elements in all nodes.
    pub(super) len: usize,
    pub(super) shape: Shape,
    /// How far a snapshot is that takes the nodes.
    pub(super) taking: Option<Box<ListTaking>>,
}

impl Clone for Quicklist {
    fn clone(&self) -> Quicklist {
        Quicklist { nodes: self.nodes.clone(), len: self.len, shape: self.shape, taking: None }
    }
}

impl Quicklist {
    /// An empty list, which keeps these limits.
    pub fn new(limits: &Limits) -> Quicklist {
        Quicklist { nodes: VecDeque::new(), len: 0, shape: limits.shape(), taking: None }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The nodes from head to tail.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeView<'_>> {
        self.nodes.iter().map(Node::view)
    }

    /// Bytes of all nodes, had none been compressed.
    pub fn uncompressed_bytes(&self) -> usize {
        self.nodes.iter().map(Node::bytes).sum()
    }

    /// `list-max-listpack-size` as this list keeps it.
    pub fn fill(&self) -> i32 {
        i32::from(self.shape.fill)
    }

    /// `list-compress-depth` as this list keeps it.
    pub fn compress_depth(&self) -> u32 {
        u32::from(self.shape.depth)
    }

    /// Changes from which size an element gets a node of its own: see [`Limits::plain_bytes`].
    pub fn set_plain_bytes(&mut self, bytes: u32) {
        self.shape.plain_bytes = bytes;
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        let nodes: usize = self.nodes.iter().map(Node::memory).sum();
        nodes + self.nodes.capacity() * size_of::<Node>() + size_of::<Quicklist>()
    }

    /// Adds a node of these elements at the tail, however many there are; nothing if there is none.
    pub fn append_pack(&mut self, pack: Listpack) {
        if !pack.is_empty() {
            self.append_node(Node::packed(pack));
        }
    }

    /// Adds a node of one element at the tail.
    pub fn append_plain(&mut self, value: Box<[u8]>) {
        self.append_node(Node::Plain(value));
    }

    fn append_node(&mut self, node: Node) {
        let last = self.nodes.len();
        self.before_change(last..last);
        self.len += node.count();
        self.nodes.push_back(node);
        self.settle(self.nodes.len().saturating_sub(2));
    }

    /// Adds an element at one end.
    pub fn push(&mut self, end: End, value: Str<'_>) {
        self.before_change_at(end);
        let node = match end {
            End::Head => self.nodes.front_mut(),
            End::Tail => self.nodes.back_mut(),
        };
        self.len += 1;
        if let Some(node) = node.filter(|node| node.takes(value.len(), self.shape)) {
            node.push(end, value);
            return;
        }
        let node = Node::single(value, self.shape);
        match end {
            End::Head => self.nodes.push_front(node),
            End::Tail => self.nodes.push_back(node),
        }
        self.after_change();
        self.settle_ends();
    }

    /// Shows the element at one end to `see` and removes it; `None` if there is none.
    pub fn pop<R>(&mut self, end: End, see: impl FnOnce(Str<'_>) -> R) -> Option<R> {
        self.before_change_at(end);
        let node = match end {
            End::Head => self.nodes.front_mut()?,
            End::Tail => self.nodes.back_mut()?,
        };
        node.decompress();
        let (result, gone) = match node {
            Node::Plain(value) => (see(Str::Bytes(value)), true),
            Node::Packed { pack, count } => {
                let view = pack.view();
                let position = match end {
                    End::Head => view.first()?,
                    End::Tail => view.last()?,
                };
                let result = see(view.get(position));
                let gone = *count == 1;
                if !gone {
                    pack.delete(position);
                    *count -= 1;
                }
                (result, gone)
            }
            Node::Compressed { .. } => unreachable!("the node was decompressed"),
        };
        self.len -= 1;
        if gone {
            match end {
                End::Head => drop(self.nodes.pop_front()),
                End::Tail => drop(self.nodes.pop_back()),
            }
            self.after_change();
            self.settle_ends();
        }
        Some(result)
    }

    /// Shows the element at an index (negative ones count from the end) to `see`; `None` beyond the ends.
    pub fn get<R>(&self, index: i64, see: impl FnOnce(Str<'_>) -> R) -> Option<R> {
        let mut cursor = self.cursor(index_of(index, self.len)?, End::Tail);
        cursor.next().map(see)
    }

    /// The elements from an index on towards `end`; nothing if the index is not below the length.
    pub fn cursor(&self, index: usize, end: End) -> Cursor<'_> {
        Cursor::of_nodes(&self.nodes, self.locate(index), end)
    }

    /// The node that holds an index and the index within it.
    pub(super) fn locate(&self, index: usize) -> Option<(usize, usize)> {
        if index >= self.len {
            return None;
        }
        if index <= self.len / 2 {
            let mut rest = index;
            for (at, node) in self.nodes.iter().enumerate() {
                if rest < node.count() {
                    return Some((at, rest));
                }
                rest -= node.count();
            }
        } else {
            let mut rest = self.len - index;
            for (at, node) in self.nodes.iter().enumerate().rev() {
                if rest <= node.count() {
                    return Some((at, node.count() - rest));
                }
                rest -= node.count();
            }
        }
        None
    }

    /// Compresses and decompresses what the depth asks for, after at most two nodes came, or any went.
    pub(super) fn settle_ends(&mut self) {
        let depth = usize::from(self.shape.depth);
        if depth == 0 {
            return;
        }
        let nodes = self.nodes.len();
        for index in 0..depth.min(nodes) {
            self.nodes[index].decompress();
            self.nodes[nodes - 1 - index].decompress();
        }
        let inner = self.inner();
        for node in self.nodes.range_mut(inner.start..inner.end.min(inner.start + 2)) {
            node.compress();
        }
        for node in self.nodes.range_mut(inner.start.max(inner.end.saturating_sub(2))..inner.end) {
            node.compress();
        }
    }

    /// As [`settle_ends`](Quicklist::settle_ends), after the nodes around `changed` have changed, too.
    pub(super) fn settle(&mut self, changed: usize) {
        if self.shape.depth == 0 {
            return;
        }
        self.settle_ends();
        let inner = self.inner();
        let from = changed.saturating_sub(2).clamp(inner.start, inner.end);
        for node in self.nodes.range_mut(from..(changed + 3).clamp(from, inner.end)) {
            node.compress();
        }
    }

    /// As [`settle_ends`](Quicklist::settle_ends), after any nodes have changed.
    pub(super) fn settle_all(&mut self) {
        if self.shape.depth == 0 {
            return;
        }
        self.settle_ends();
        let inner = self.inner();
        self.nodes.range_mut(inner).for_each(Node::compress);
    }

    /// The nodes to compress, if any are.
    fn inner(&self) -> Range<usize> {
        let depth = usize::from(self.shape.depth);
        let start = depth.min(self.nodes.len());
        start..start.max(self.nodes.len().saturating_sub(depth))
    }
}

/// The index from the start for one that counts from the end when negative.
pub(crate) fn index_of(index: i64, len: usize) -> Option<usize> {
    if index >= 0 {
        usize::try_from(index).ok().filter(|&index| index < len)
    } else {
        len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)
    }
}
