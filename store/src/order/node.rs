//! The nodes of a [`Tree`](super::Tree) and what is done to one node or two neighbours.

use crate::raw::hint::prefetch;
use std::cmp::Ordering;

/// Items a leaf: what fits into 1 KB.
pub(super) const LEAF_MAX: usize = 63;
/// Children an inner node.
pub(super) const INNER_MAX: usize = 48;
/// A full leaf gives to a neighbour instead of splitting if that has at least this much room.
const ROOM_MIN: usize = 8;

/// An item: a number and what stands beside it.
pub(super) type Item<P> = (u64, P);

/// Invariant: the first `len` places of both arrays are filled, in order.
pub(super) struct Leaf<P> {
    len: usize,
    keys: [u64; LEAF_MAX],
    payloads: [P; LEAF_MAX],
}

/// A child with its first item and the number of items below it.
pub(super) struct Child<P> {
    pub(super) first: Item<P>,
    pub(super) count: usize,
    pub(super) node: Node<P>,
}

pub(super) enum Node<P> {
    Leaf(Box<Leaf<P>>),
    Inner(Vec<Child<P>>),
}

impl<P: Copy + Default> Leaf<P> {
    fn empty() -> Leaf<P> {
        Leaf { len: 0, keys: [0; LEAF_MAX], payloads: [P::default(); LEAF_MAX] }
    }

    pub(super) fn keys(&self) -> &[u64] {
        &self.keys[..self.len]
    }

    pub(super) fn payloads(&self) -> &[P] {
        &self.payloads[..self.len]
    }

    pub(super) fn get(&self, index: usize) -> Item<P> {
        (self.keys()[index], self.payloads()[index])
    }

    pub(super) fn set(&mut self, index: usize, item: Item<P>) {
        debug_assert!(index < self.len);
        (self.keys[index], self.payloads[index]) = item;
    }

    /// The number of items that are less than what is sought, and whether the next one is equal to it.
    #[inline]
    pub(super) fn locate(&self, compare: &mut impl FnMut(u64, P) -> Ordering) -> (usize, bool) {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = (low + high) / 2;
            match compare(self.keys[middle], self.payloads[middle]) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return (middle, true),
                Ordering::Greater => high = middle,
            }
        }
        (low, false)
    }

    fn insert(&mut self, index: usize, item: Item<P>) {
        self.keys.copy_within(index..self.len, index + 1);
        self.payloads.copy_within(index..self.len, index + 1);
        self.len += 1;
        self.set(index, item);
    }

    pub(super) fn remove(&mut self, start: usize, end: usize) {
        self.keys.copy_within(end..self.len, start);
        self.payloads.copy_within(end..self.len, start);
        self.len -= end - start;
    }

    /// Appends the items of `other` from `start` to `end`.
    fn append(&mut self, other: &Leaf<P>, start: usize, end: usize) {
        let len = self.len + (end - start);
        self.keys[self.len..len].copy_from_slice(&other.keys[start..end]);
        self.payloads[self.len..len].copy_from_slice(&other.payloads[start..end]);
        self.len = len;
    }

    /// Inserts; a full leaf splits and returns its right part. At the ends of a leaf the new item goes into a leaf of
    /// its own, so that items that come in order leave full leaves.
    pub(super) fn insert_or_split(&mut self, index: usize, item: Item<P>) -> Option<Node<P>> {
        if self.len < LEAF_MAX {
            self.insert(index, item);
            return None;
        }
        let at = match index {
            0 => 0,
            LEAF_MAX => LEAF_MAX,
            _ => LEAF_MAX / 2,
        };
        let mut right = Box::new(Leaf::empty());
        right.append(self, at, LEAF_MAX);
        self.len = at;
        if index <= at && at < LEAF_MAX {
            self.insert(index, item);
        } else {
            right.insert(index - at, item);
        }
        Some(Node::Leaf(right))
    }
}

impl<P: Copy + Default> Node<P> {
    pub(super) fn leaf() -> Node<P> {
        Node::Leaf(Box::new(Leaf::empty()))
    }

    /// Asks for the whole of a leaf, before the first of its lines is waited for.
    #[inline]
    pub(super) fn prefetch(&self) {
        if let Node::Leaf(leaf) = self {
            leaf.keys.chunks(8).for_each(|line| prefetch(line.as_ptr().cast()));
            leaf.payloads.chunks((64 / size_of::<P>().max(1)).max(1)).for_each(|line| prefetch(line.as_ptr().cast()));
        }
    }

    /// Items below.
    pub(super) fn count(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.len,
            Node::Inner(children) => children.iter().map(|child| child.count).sum(),
        }
    }

    /// The first item below; nothing if there is none.
    pub(super) fn first(&self) -> Option<Item<P>> {
        match self {
            Node::Leaf(leaf) => (leaf.len > 0).then(|| leaf.get(0)),
            Node::Inner(children) => children.first().map(|child| child.first),
        }
    }

    /// Bytes of the allocations of this node alone.
    pub(super) fn own_bytes(&self) -> usize {
        match self {
            Node::Leaf(_) => size_of::<Leaf<P>>(),
            Node::Inner(children) => children.capacity() * size_of::<Child<P>>(),
        }
    }

    /// Items of a leaf or children of an inner node, and how many there may be.
    pub(super) fn fill(&self) -> (usize, usize) {
        match self {
            Node::Leaf(leaf) => (leaf.len, LEAF_MAX),
            Node::Inner(children) => (children.len(), INNER_MAX),
        }
    }
}

impl<P: Copy + Default> Child<P> {
    /// A child for a node that is not empty.
    pub(super) fn new(node: Node<P>) -> Option<Child<P>> {
        Some(Child { first: node.first()?, count: node.count(), node })
    }

    /// Notes again what changed below.
    pub(super) fn refresh(&mut self, count: usize) {
        self.count = count;
        if let Some(first) = self.node.first() {
            self.first = first;
        }
    }
}

/// An empty inner node.
pub(super) fn inner<P>() -> Vec<Child<P>> {
    // One more than may stay: a node splits after it has grown.
    Vec::with_capacity(INNER_MAX + 1)
}

/// The child that what is sought belongs to: the last one that does not begin after it.
#[inline]
pub(super) fn child_of<P: Copy>(children: &[Child<P>], compare: &mut impl FnMut(u64, P) -> Ordering) -> Option<usize> {
    children.partition_point(|child| compare(child.first.0, child.first.1) != Ordering::Greater).checked_sub(1)
}

/// The child that holds the item number `rank`, and that item's number within it.
#[inline]
pub(super) fn child_at<P>(children: &[Child<P>], mut rank: usize) -> (usize, usize) {
    for (index, child) in children.iter().enumerate() {
        if rank < child.count {
            return (index, rank);
        }
        rank -= child.count;
    }
    (children.len() - 1, rank)
}

/// If child `index` is a full leaf beside one with room, moves some of its items there.
pub(super) fn make_room<P: Copy + Default>(children: &mut [Child<P>], index: usize) {
    if children[index].node.fill().0 < LEAF_MAX {
        return;
    }
    if index > 0 {
        shift(children, index - 1, true);
    }
    if index + 1 < children.len() && children[index].node.fill().0 == LEAF_MAX {
        shift(children, index, false);
    }
}

/// Levels leaf `left` and the one behind it, of which one is full. `leftwards` says which one.
fn shift<P: Copy + Default>(children: &mut [Child<P>], left: usize, leftwards: bool) {
    let (head, tail) = children.split_at_mut(left + 1);
    let (left, right) = (&mut head[left], &mut tail[0]);
    let (Node::Leaf(from), Node::Leaf(to)) = (&mut left.node, &mut right.node) else { return };
    if leftwards {
        let room = LEAF_MAX - from.len;
        if room >= ROOM_MIN {
            let count = room / 2;
            from.append(to, 0, count);
            to.remove(0, count);
        }
    } else {
        let room = LEAF_MAX - to.len;
        if room >= ROOM_MIN {
            let count = room / 2;
            to.keys.copy_within(..to.len, count);
            to.payloads.copy_within(..to.len, count);
            let start = from.len - count;
            to.keys[..count].copy_from_slice(&from.keys[start..from.len]);
            to.payloads[..count].copy_from_slice(&from.payloads[start..from.len]);
            to.len += count;
            from.len = start;
        }
    }
    let (left_len, right_len) = (from.len, to.len);
    left.refresh(left_len);
    right.refresh(right_len);
}

/// Removes child `index` if it is empty, or merges it with a neighbour if both together leave a quarter free.
pub(super) fn tidy_child<P: Copy + Default>(children: &mut Vec<Child<P>>, index: usize) {
    let (fill, max) = children[index].node.fill();
    if fill == 0 {
        children.remove(index);
        return;
    }
    if fill * 2 >= max {
        return;
    }
    for left in [index.checked_sub(1), Some(index)].into_iter().flatten() {
        let Some(right) = children.get(left + 1) else { continue };
        if (children[left].node.fill().0 + right.node.fill().0) * 4 <= max * 3 {
            let right = children.remove(left + 1);
            merge(&mut children[left], right);
            return;
        }
    }
}

fn merge<P: Copy + Default>(left: &mut Child<P>, right: Child<P>) {
    left.count += right.count;
    match (&mut left.node, right.node) {
        (Node::Leaf(left), Node::Leaf(right)) => left.append(&right, 0, right.len),
        (Node::Inner(left), Node::Inner(mut right)) => left.append(&mut right),
        _ => unreachable!("neighbours stand at the same height"),
    }
    if let Some(first) = left.node.first() {
        left.first = first;
    }
}
