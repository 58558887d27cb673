//! Changes inside a quicklist.

use super::nodes::{Node, decompressed};
use super::quick::Quicklist;
use super::{End, Side};
use crate::listpack::Listpack;
use crate::raw::entry::Str;

impl Quicklist {
    /// Adds an element beside the one at `index`; false if there is none.
    pub fn insert(&mut self, index: usize, side: Side, value: Str<'_>) -> bool {
        let Some((at, offset)) = self.locate(index) else { return false };
        self.before_change(around(at));
        self.insert_at((at, offset), side, value);
        self.after_change();
        true
    }

    fn insert_at(&mut self, (at, offset): (usize, usize), side: Side, value: Str<'_>) {
        self.len += 1;
        let bytes = value.len();
        let node = &self.nodes[at];
        let at_edge = match side {
            Side::Before => offset == 0,
            Side::After => offset + 1 == node.count(),
        };
        let new_node = at + usize::from(side == Side::After);
        if node.takes(bytes, self.shape) {
            self.nodes[at].edit(|pack| insert_into(pack, offset, side, value));
            self.settle(at);
        } else if at_edge {
            let neighbour = match side {
                Side::Before => at.checked_sub(1),
                Side::After => Some(at + 1),
            };
            let takes = |index: &usize| self.nodes.get(*index).is_some_and(|node| node.takes(bytes, self.shape));
            if let Some(neighbour) = neighbour.filter(takes) {
                self.nodes[neighbour].push(if side == Side::Before { End::Tail } else { End::Head }, value);
                self.settle(neighbour);
            } else {
                self.nodes.insert(new_node, Node::single(value, self.shape));
                self.settle(new_node);
            }
        } else {
            let split = offset + usize::from(side == Side::After);
            self.split(at, split);
            if self.shape.is_large(bytes) {
                self.nodes.insert(at + 1, Node::single(value, self.shape));
                self.settle(at + 1);
            } else {
                // The new element goes to the part that its neighbour, which keeps the node, does not go to.
                match side {
                    Side::Before => self.nodes[at].push(End::Tail, value),
                    Side::After => self.nodes[at + 1].push(End::Head, value),
                }
                self.join_around(at + usize::from(side == Side::Before));
            }
        }
    }

    /// Gives the element at `index` another value; false if there is none.
    pub fn replace(&mut self, index: usize, value: Str<'_>) -> bool {
        let Some(place) = self.locate(index) else { return false };
        self.before_change(around(place.0));
        self.replace_at(place, value);
        self.after_change();
        true
    }

    fn replace_at(&mut self, (at, offset): (usize, usize), value: Str<'_>) {
        let large = self.shape.is_large(value.len());
        if self.nodes[at].is_plain() {
            if large {
                self.nodes[at] = Node::single(value, self.shape);
            } else {
                self.insert_at((at, offset), Side::After, value);
                self.nodes.remove(at);
                self.len -= 1;
                self.settle(at);
            }
            return;
        }
        if !large {
            // Also where the node grows beyond its limit: so do the servers' nodes.
            self.nodes[at].edit(|pack| {
                if let Some(position) = pack.view().seek(offset as i64) {
                    pack.replace(position, value);
                }
            });
            self.settle(at);
            return;
        }
        if offset + 1 < self.nodes[at].count() {
            self.split(at, offset + 1);
        }
        self.nodes.insert(at + 1, Node::single(value, self.shape));
        // The old element is the last of its node.
        if self.nodes[at].count() == 1 {
            self.nodes.remove(at);
            self.settle(at);
        } else {
            self.nodes[at].edit(|pack| pack.delete_range(-1, 1));
            self.join_around(at + 1);
        }
    }

    /// Removes up to `count` elements from `start` on and returns how many there were.
    pub fn delete_range(&mut self, start: usize, count: usize) -> usize {
        let Some((mut at, offset)) = self.locate(start) else { return 0 };
        let count = count.min(self.len - start);
        let last = self.locate(start.saturating_add(count).saturating_sub(1)).map_or(at, |(last, _)| last);
        self.before_change(at..last + 1);
        let mut rest = count;
        if offset > 0 && rest > 0 {
            let part = rest.min(self.nodes[at].count() - offset);
            self.nodes[at].edit(|pack| pack.delete_range(offset as i64, part));
            rest -= part;
            at += 1;
        }
        let mut end = at;
        while let Some(node) = self.nodes.get(end).filter(|node| rest > 0 && rest >= node.count()) {
            rest -= node.count();
            end += 1;
        }
        self.nodes.drain(at..end);
        if rest > 0 {
            self.nodes[at].edit(|pack| pack.delete_range(0, rest));
        }
        self.len -= count;
        self.after_change();
        self.settle(at);
        count
    }

    /// Takes elements off an end; their nodes go as they are.
    pub fn cut(&mut self, end: End, count: usize) -> Quicklist {
        let count = count.min(self.len);
        let place = if end == End::Head { count } else { self.len - count };
        let (mut at, offset) = self.locate(place).unwrap_or((self.nodes.len(), 0));
        self.before_change(if end == End::Head { 0..at + 1 } else { at..self.nodes.len() });
        if offset > 0 {
            self.split(at, offset);
            at += 1;
        }
        let behind = self.nodes.split_off(at);
        let nodes = if end == End::Head { std::mem::replace(&mut self.nodes, behind) } else { behind };
        self.len -= count;
        self.after_change();
        self.settle_ends();
        Quicklist { nodes, len: count, shape: self.shape, taking: None }
    }

    /// Adds all elements of another list at an end.
    pub fn join(&mut self, end: End, mut other: Quicklist) {
        let at = if end == End::Head { 0 } else { self.nodes.len() };
        self.before_change(at..at);
        self.len += other.len;
        if end == End::Head {
            std::mem::swap(&mut self.nodes, &mut other.nodes);
        }
        self.nodes.append(&mut other.nodes);
        self.after_change();
        self.settle_all();
    }

    /// Removes elements equal to `value`, at most `limit`, the first ones seen from `from`. Returns how many.
    pub fn remove_equal(&mut self, value: &[u8], limit: usize, from: End) -> usize {
        let mut removed = 0;
        // All of it is read anyway.
        self.before_change(0..self.nodes.len());
        for step in 0..self.nodes.len() {
            if removed == limit {
                break;
            }
            let index = match from {
                End::Head => step,
                End::Tail => self.nodes.len() - 1 - step,
            };
            removed += remove_from_node(&mut self.nodes[index], value, limit - removed, from);
        }
        if removed == 0 {
            return 0;
        }
        self.nodes.retain(|node| node.count() > 0);
        self.after_change();
        self.len -= removed;
        self.settle_all();
        removed
    }

    /// Divides a node of several elements before the one at `offset`.
    fn split(&mut self, at: usize, offset: usize) {
        if let Some(tail) = self.nodes[at].edit(|pack| pack.split_off(offset)) {
            self.nodes.insert(at + 1, Node::packed(tail));
        }
    }

    /// Joins small nodes on both sides of a node, and these with it.
    fn join_around(&mut self, centre: usize) {
        let mut centre = centre;
        if centre >= 2 && self.join_next(centre - 2) {
            centre -= 1;
        }
        self.join_next(centre + 1);
        if centre >= 1 && self.join_next(centre - 1) {
            centre -= 1;
        }
        self.join_next(centre);
        self.settle(centre);
    }

    /// Joins a node with the next one, if they fit into one.
    fn join_next(&mut self, at: usize) -> bool {
        let (Some(node), Some(next)) = (self.nodes.get(at), self.nodes.get(at + 1)) else { return false };
        if !node.may_join(next, self.shape) {
            return false;
        }
        let Some(mut next) = self.nodes.remove(at + 1) else { return false };
        if let Some(tail) = next.edit(std::mem::take) {
            self.nodes[at].edit(|pack| pack.merge(tail));
        }
        true
    }
}

/// The nodes that an edit of one may change: those it is joined with, too.
fn around(at: usize) -> std::ops::Range<usize> {
    at.saturating_sub(4)..at.saturating_add(5)
}

/// Adds a value beside the entry at an index.
pub(super) fn insert_into(pack: &mut Listpack, index: usize, side: Side, value: Str<'_>) {
    let Some(position) = pack.view().seek(index as i64) else { return };
    match side {
        Side::Before => pack.insert_before(position, value),
        Side::After => pack.insert_after(position, value),
    };
}

/// Removes elements of a node as [`remove_from`] does. A compressed node in which there is none stays as it is.
fn remove_from_node(node: &mut Node, value: &[u8], limit: usize, from: End) -> usize {
    match node {
        Node::Plain(plain) if **plain == *value => {
            // The caller takes empty nodes out.
            *node = Node::packed(Listpack::new());
            1
        }
        Node::Plain(_) => 0,
        Node::Packed { .. } => node.edit(|pack| remove_from(pack, value, limit, from)).unwrap_or(0),
        Node::Compressed { data, bytes, .. } => {
            let mut pack = decompressed(data, *bytes as usize);
            let removed = remove_from(&mut pack, value, limit, from);
            if removed > 0 {
                *node = Node::packed(pack);
            }
            removed
        }
    }
}

/// Removes entries equal to `value`, at most `limit`, the first ones seen from `from`. Returns how many.
pub(super) fn remove_from(pack: &mut Listpack, value: &[u8], limit: usize, from: End) -> usize {
    let mut removed = 0;
    match from {
        End::Head => {
            let mut next = pack.view().first();
            while let Some(position) = next.filter(|_| removed < limit) {
                let Some(found) = pack.view().find(position, value, 0) else { break };
                next = pack.delete(found);
                removed += 1;
            }
        }
        End::Tail => {
            let mut next = pack.view().last();
            while let Some(position) = next.filter(|_| removed < limit) {
                next = pack.view().prev(position);
                if pack.view().equals(position, value) {
                    pack.delete(position);
                    removed += 1;
                }
            }
        }
    }
    removed
}
