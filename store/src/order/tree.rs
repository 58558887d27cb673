//! The tree.

use super::node::{Child, INNER_MAX, Leaf, Node, child_at, child_of, inner, make_room, tidy_child};
use std::cmp::Ordering;
use std::ops::Range;

/// Items in an order that the caller's comparisons define: each item is a number, which decides as far as it can, and
/// a payload, which the caller may look behind to tell items of the same number apart.
///
/// A `compare` function takes an item of the tree and says how it stands to what is sought. All comparisons of one
/// tree must follow one total order of the items.
pub(crate) struct Tree<P> {
    root: Node<P>,
    len: usize,
    /// Bytes of all nodes.
    bytes: usize,
}

impl<P: Copy + Default> Default for Tree<P> {
    fn default() -> Tree<P> {
        let root = Node::leaf();
        Tree { bytes: root.own_bytes(), root, len: 0 }
    }
}

impl<P: Copy + Default> Tree<P> {
    /// Items.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of all nodes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The rank of what is sought (the number of items before it), and whether it is there.
    #[inline]
    pub(crate) fn locate(&self, mut compare: impl FnMut(u64, P) -> Ordering) -> (usize, bool) {
        let (mut node, mut before) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(leaf) => {
                    let (index, found) = leaf.locate(&mut compare);
                    return (before + index, found);
                }
                Node::Inner(children) => {
                    let Some(index) = child_of(children, &mut compare) else { return (before, false) };
                    children[index].node.prefetch();
                    before += children[..index].iter().map(|child| child.count).sum::<usize>();
                    node = &children[index].node;
                }
            }
        }
    }

    /// The item with `rank`.
    pub(crate) fn get(&self, rank: usize) -> Option<(u64, P)> {
        (rank < self.len).then(|| {
            let (leaf, index) = self.leaf_at(rank);
            leaf.get(index)
        })
    }

    /// The leaf of the item with `rank`, which must exist, and its place there.
    fn leaf_at(&self, rank: usize) -> (&Leaf<P>, usize) {
        let (mut node, mut rank) = (&self.root, rank);
        loop {
            match node {
                Node::Leaf(leaf) => return (leaf, rank),
                Node::Inner(children) => {
                    let (index, within) = child_at(children, rank);
                    (node, rank) = (&children[index].node, within);
                }
            }
        }
    }

    /// The items with ranks in `range`, cut to those that exist.
    pub(crate) fn items(&self, range: Range<usize>) -> Items<'_, P> {
        let end = range.end.min(self.len);
        Items { tree: self, front: range.start.min(end), back: end, head: (&[], &[]), tail: (&[], &[]) }
    }

    /// Adds an item, where `compare` says. It must not be there.
    pub(crate) fn insert(&mut self, key: u64, payload: P, mut compare: impl FnMut(u64, P) -> Ordering) {
        self.len += 1;
        let Some(right) = insert(&mut self.root, (key, payload), &mut compare, &mut self.bytes) else { return };
        let left = std::mem::replace(&mut self.root, Node::Inner(inner()));
        self.bytes += self.root.own_bytes();
        if let Node::Inner(children) = &mut self.root {
            children.extend([left, right].into_iter().filter_map(Child::new));
        }
    }

    /// Takes what is sought out, if it is there.
    pub(crate) fn remove(&mut self, mut compare: impl FnMut(u64, P) -> Ordering) -> Option<(u64, P)> {
        let removed = remove(&mut self.root, &mut compare, &mut self.bytes)?;
        self.len -= 1;
        self.lower_root();
        Some(removed)
    }

    /// Takes the item with `rank` out.
    pub(crate) fn remove_at(&mut self, rank: usize) -> Option<(u64, P)> {
        if rank >= self.len {
            return None;
        }
        let removed = remove_at(&mut self.root, rank, &mut self.bytes);
        self.len -= 1;
        self.lower_root();
        Some(removed)
    }

    /// Takes the items with ranks in `range` out, in their order.
    pub(crate) fn remove_range(&mut self, range: Range<usize>, visit: &mut dyn FnMut(u64, P)) {
        let end = range.end.min(self.len);
        if range.start >= end {
            return;
        }
        remove_range(&mut self.root, range.start, end, visit, &mut self.bytes);
        self.len -= end - range.start;
        self.lower_root();
    }

    /// Gives what is sought another number, if it is there and keeps its place inside its leaf; otherwise nothing
    /// happens and the answer is false. `compare_new` seeks it with its new number.
    pub(crate) fn try_rekey(
        &mut self,
        mut compare: impl FnMut(u64, P) -> Ordering,
        key: u64,
        mut compare_new: impl FnMut(u64, P) -> Ordering,
    ) -> bool {
        let mut node = &mut self.root;
        let leaf = loop {
            match node {
                Node::Leaf(leaf) => break leaf,
                Node::Inner(children) => {
                    let Some(index) = child_of(children, &mut compare) else { return false };
                    children[index].node.prefetch();
                    node = &mut children[index].node;
                }
            }
        };
        let (index, found) = leaf.locate(&mut compare);
        // The first item of a leaf is known higher up, too.
        if !found || index == 0 || index + 1 >= leaf.keys().len() {
            return false;
        }
        let (before, after) = (leaf.get(index - 1), leaf.get(index + 1));
        if compare_new(before.0, before.1) != Ordering::Less || compare_new(after.0, after.1) != Ordering::Greater {
            return false;
        }
        leaf.set(index, (key, leaf.get(index).1));
        true
    }

    fn lower_root(&mut self) {
        while let Node::Inner(children) = &mut self.root {
            match children.len() {
                0 => {
                    self.root = Node::leaf();
                    self.bytes = self.root.own_bytes();
                }
                1 => {
                    let own = size_of::<Child<P>>() * children.capacity();
                    let only = children.remove(0);
                    self.root = only.node;
                    self.bytes -= own;
                }
                _ => return,
            }
        }
    }
}

/// Inserts below `node`; if that splits, returns its right part.
fn insert<P: Copy + Default>(
    node: &mut Node<P>,
    item: (u64, P),
    compare: &mut impl FnMut(u64, P) -> Ordering,
    bytes: &mut usize,
) -> Option<Node<P>> {
    let children = match node {
        Node::Leaf(leaf) => {
            let (index, _) = leaf.locate(compare);
            let right = leaf.insert_or_split(index, item)?;
            *bytes += right.own_bytes();
            return Some(right);
        }
        Node::Inner(children) => children,
    };
    let mut index = child_of(children, compare).unwrap_or(0);
    children[index].node.prefetch();
    if matches!(children[index].node, Node::Leaf(_)) {
        make_room(children, index);
        index = child_of(children, compare).unwrap_or(0);
    }
    let child = &mut children[index];
    let Some(right) = insert(&mut child.node, item, compare, bytes) else {
        child.refresh(child.count + 1);
        return None;
    };
    child.refresh(child.node.count());
    let right = Child::new(right)?;
    children.insert(index + 1, right);
    if children.len() <= INNER_MAX {
        return None;
    }
    // As in leaves: what grows at an end leaves full nodes.
    let at = match index {
        0 => 1,
        _ if index + 2 == children.len() => children.len() - 1,
        _ => children.len() / 2,
    };
    let mut part = inner();
    part.extend(children.drain(at..));
    let part = Node::Inner(part);
    *bytes += part.own_bytes();
    Some(part)
}

fn remove<P: Copy + Default>(
    node: &mut Node<P>,
    compare: &mut impl FnMut(u64, P) -> Ordering,
    bytes: &mut usize,
) -> Option<(u64, P)> {
    match node {
        Node::Leaf(leaf) => {
            let (index, found) = leaf.locate(compare);
            if !found {
                return None;
            }
            let item = leaf.get(index);
            leaf.remove(index, index + 1);
            Some(item)
        }
        Node::Inner(children) => {
            let index = child_of(children, compare)?;
            let child = &mut children[index];
            child.node.prefetch();
            let removed = remove(&mut child.node, compare, bytes)?;
            child.refresh(child.count - 1);
            tidy(children, index, bytes);
            Some(removed)
        }
    }
}

fn remove_at<P: Copy + Default>(node: &mut Node<P>, rank: usize, bytes: &mut usize) -> (u64, P) {
    match node {
        Node::Leaf(leaf) => {
            let item = leaf.get(rank);
            leaf.remove(rank, rank + 1);
            item
        }
        Node::Inner(children) => {
            let (index, within) = child_at(children, rank);
            let child = &mut children[index];
            let removed = remove_at(&mut child.node, within, bytes);
            child.refresh(child.count - 1);
            tidy(children, index, bytes);
            removed
        }
    }
}

fn remove_range<P: Copy + Default>(
    node: &mut Node<P>,
    start: usize,
    end: usize,
    visit: &mut dyn FnMut(u64, P),
    bytes: &mut usize,
) {
    let children = match node {
        Node::Leaf(leaf) => {
            (start..end).for_each(|index| {
                let (key, payload) = leaf.get(index);
                visit(key, payload);
            });
            leaf.remove(start, end);
            return;
        }
        Node::Inner(children) => children,
    };
    let mut offset = 0;
    let mut touched = None;
    for (index, child) in children.iter_mut().enumerate() {
        let count = child.count;
        let (from, to) = (start.max(offset), end.min(offset + count));
        if from < to {
            remove_range(&mut child.node, from - offset, to - offset, visit, bytes);
            child.refresh(count - (to - from));
            let (first, _) = touched.unwrap_or((index, index));
            touched = Some((first, index));
        }
        offset += count;
    }
    let Some((first, last)) = touched else { return };
    // From the end on: what is removed does not move what is still to be looked at. Only the two outermost children
    // can have kept anything.
    for index in (first..=last).rev() {
        if index < children.len() {
            tidy(children, index, bytes);
        }
    }
}

/// Tidies a child, and keeps count of the memory.
fn tidy<P: Copy + Default>(children: &mut Vec<Child<P>>, index: usize, bytes: &mut usize) {
    let own = children[index].node.own_bytes();
    let before = children.len();
    tidy_child(children, index);
    if children.len() < before {
        // Neighbours have the same size, so it does not matter which one went.
        *bytes -= own;
    }
}

/// Items in order, from both ends.
pub(crate) struct Items<'a, P> {
    tree: &'a Tree<P>,
    front: usize,
    back: usize,
    /// Numbers and payloads of the current leaf at the front from `front` on.
    head: (&'a [u64], &'a [P]),
    /// Numbers and payloads of the current leaf at the back before `back`.
    tail: (&'a [u64], &'a [P]),
}

impl<P: Copy + Default> Items<'_, P> {
    /// As `next`. On entering a leaf, `enter` sees the payloads that follow there.
    #[inline]
    pub(crate) fn next_after(&mut self, enter: impl FnOnce(&[P])) -> Option<(u64, P)> {
        if self.front >= self.back {
            return None;
        }
        if self.head.0.is_empty() {
            let (leaf, index) = self.tree.leaf_at(self.front);
            let end = leaf.keys().len().min(index + (self.back - self.front));
            self.head = (&leaf.keys()[index..end], &leaf.payloads()[index..end]);
            enter(self.head.1);
        }
        let ((&key, keys), (&payload, payloads)) = (self.head.0.split_first()?, self.head.1.split_first()?);
        self.head = (keys, payloads);
        self.front += 1;
        Some((key, payload))
    }

    /// As `next_back`. On entering a leaf, `enter` sees the payloads that follow there.
    #[inline]
    pub(crate) fn next_back_after(&mut self, enter: impl FnOnce(&[P])) -> Option<(u64, P)> {
        if self.front >= self.back {
            return None;
        }
        if self.tail.0.is_empty() {
            let (leaf, index) = self.tree.leaf_at(self.back - 1);
            let start = (index + 1).saturating_sub(self.back - self.front);
            self.tail = (&leaf.keys()[start..=index], &leaf.payloads()[start..=index]);
            enter(self.tail.1);
        }
        let ((&key, keys), (&payload, payloads)) = (self.tail.0.split_last()?, self.tail.1.split_last()?);
        self.tail = (keys, payloads);
        self.back -= 1;
        Some((key, payload))
    }
}

impl<P: Copy + Default> Iterator for Items<'_, P> {
    type Item = (u64, P);

    fn next(&mut self) -> Option<(u64, P)> {
        self.next_after(|_| ())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.back - self.front, Some(self.back - self.front))
    }
}

impl<P: Copy + Default> DoubleEndedIterator for Items<'_, P> {
    fn next_back(&mut self) -> Option<(u64, P)> {
        self.next_back_after(|_| ())
    }
}

impl<P: Copy + Default> ExactSizeIterator for Items<'_, P> {}

#[cfg(test)]
mod tests {
    use super::super::node::LEAF_MAX;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    type Pair = (u64, u32);

    fn seek(target: Pair) -> impl FnMut(u64, u32) -> Ordering {
        move |key, payload| (key, payload).cmp(&target)
    }

    /// Checks a subtree; returns its height and its memory.
    fn check(node: &Node<u32>, is_root: bool) -> (usize, usize) {
        let mut bytes = node.own_bytes();
        match node {
            Node::Leaf(leaf) => {
                assert!(is_root || !leaf.keys().is_empty());
                (0, bytes)
            }
            Node::Inner(children) => {
                assert!(children.len() <= INNER_MAX && children.len() > usize::from(is_root));
                assert_eq!(children.capacity(), INNER_MAX + 1);
                let mut heights = BTreeSet::new();
                for child in children {
                    assert_eq!(child.count, child.node.count());
                    assert_eq!(Some(child.first), child.node.first());
                    let (height, below) = check(&child.node, false);
                    heights.insert(height);
                    bytes += below;
                }
                assert_eq!(heights.len(), 1);
                (heights.first().unwrap() + 1, bytes)
            }
        }
    }

    fn check_tree(tree: &Tree<u32>, model: &BTreeSet<Pair>) {
        assert_eq!(check(&tree.root, true).1, tree.bytes());
        assert_eq!(tree.len(), model.len());
        assert!(tree.items(0..usize::MAX).eq(model.iter().copied()));
        assert!(tree.items(0..usize::MAX).rev().eq(model.iter().rev().copied()));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Run { start: u64, count: u64, descending: bool },
        Scatter { seed: u64, count: u64 },
        Remove { seed: u64, count: usize },
        RemoveAt { seed: u64, count: usize },
        RemoveRange { start: usize, count: usize },
        Rekey { seed: u64, distance: u64 },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..2000u64, 0..400u64, any::<bool>()).prop_map(|(start, count, descending)| Step::Run {
                start,
                count,
                descending
            }),
            (any::<u64>(), 0..3000u64).prop_map(|(seed, count)| Step::Scatter { seed, count }),
            (any::<u64>(), 0..3000usize).prop_map(|(seed, count)| Step::Remove { seed, count }),
            (any::<u64>(), 0..2000usize).prop_map(|(seed, count)| Step::RemoveAt { seed, count }),
            (0..5000usize, 0..4000usize).prop_map(|(start, count)| Step::RemoveRange { start, count }),
            (any::<u64>(), 0..5u64).prop_map(|(seed, distance)| Step::Rekey { seed, distance }),
        ];
        prop::collection::vec(step, 1..12)
    }

    fn insert_both(tree: &mut Tree<u32>, model: &mut BTreeSet<Pair>, pair: Pair) {
        if model.insert(pair) {
            tree.insert(pair.0, pair.1, seek(pair));
        }
    }

    fn run(step: Step, tree: &mut Tree<u32>, model: &mut BTreeSet<Pair>) {
        match step {
            Step::Run { start, count, descending } => {
                for index in 0..count {
                    let key = start + if descending { count - index } else { index };
                    insert_both(tree, model, (key, 0));
                }
            }
            Step::Scatter { seed, count } => {
                let mut random = crate::random::Random::new(seed);
                for _ in 0..count {
                    let pair = (random.next_u64() % 3000, (random.next_u64() % 4) as u32);
                    insert_both(tree, model, pair);
                }
            }
            Step::Remove { seed, count } => {
                let mut random = crate::random::Random::new(seed);
                for _ in 0..count.min(model.len()) {
                    let pair = tree.get(random.below(tree.len())).unwrap();
                    assert!(model.remove(&pair));
                    assert_eq!(tree.remove(seek(pair)), Some(pair));
                    assert_eq!(tree.remove(seek(pair)), None);
                }
            }
            Step::RemoveAt { seed, count } => {
                let mut random = crate::random::Random::new(seed);
                for _ in 0..count.min(model.len()) {
                    let rank = random.below(tree.len());
                    let pair = tree.get(rank);
                    assert_eq!(tree.remove_at(rank), pair);
                    assert!(model.remove(&pair.unwrap()));
                }
                assert_eq!(tree.remove_at(tree.len()), None);
            }
            Step::RemoveRange { start, count } => {
                let gone: Vec<Pair> = model.iter().skip(start).take(count).copied().collect();
                let mut visited = Vec::new();
                tree.remove_range(start..start + count, &mut |key, payload| visited.push((key, payload)));
                assert_eq!(visited, gone);
                gone.iter().for_each(|pair| assert!(model.remove(pair)));
            }
            Step::Rekey { seed, distance } => {
                if tree.len() > 0 {
                    let old = tree.get(seed as usize % tree.len()).unwrap();
                    let new = (old.0 + distance, old.1);
                    if new != old && !model.contains(&new) && tree.try_rekey(seek(old), new.0, seek(new)) {
                        model.remove(&old);
                        model.insert(new);
                    }
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn does_what_a_sorted_set_does(steps in steps(), probes in prop::collection::vec((0..3000u64, 0..4u32), 20)) {
            let (mut tree, mut model) = (Tree::default(), BTreeSet::new());
            for step in steps {
                run(step, &mut tree, &mut model);
                check_tree(&tree, &model);
            }
            for probe in probes {
                let rank = model.range(..probe).count();
                prop_assert_eq!(tree.locate(seek(probe)), (rank, model.contains(&probe)));
                prop_assert_eq!(tree.get(rank), model.range(probe..).next().copied());
                let range = rank..rank + 100;
                let some: Vec<Pair> = model.range(probe..).take(100).copied().collect();
                prop_assert!(tree.items(range.clone()).eq(some.iter().copied()));
                prop_assert!(tree.items(range).rev().eq(some.iter().rev().copied()));
            }
        }
    }

    #[test]
    fn both_ends_of_an_iterator_meet() {
        let mut tree = Tree::default();
        for key in 0..500 {
            tree.insert(key, 0, seek((key, 0)));
        }
        let mut items = tree.items(100..400);
        for step in 0..150 {
            assert_eq!(items.next(), Some((100 + step, 0)));
            assert_eq!(items.next_back(), Some((399 - step, 0)));
        }
        assert_eq!((items.next(), items.next_back(), items.len()), (None, None, 0));
    }

    #[test]
    fn items_that_come_in_order_fill_their_leaves() {
        for descending in [false, true] {
            let mut tree = Tree::default();
            for step in 0..100_000u64 {
                let key = if descending { 100_000 - step } else { step };
                tree.insert(key, 0, seek((key, 0)));
            }
            let leaves = 100_000 / LEAF_MAX + 1;
            assert!(tree.bytes() < leaves * size_of::<Leaf<u32>>() * 108 / 100, "{}", tree.bytes());
        }
    }

    #[test]
    fn removing_most_items_gives_the_memory_back() {
        let mut tree = Tree::default();
        let mut random = crate::random::Random::new(5);
        let mut model = BTreeSet::new();
        for _ in 0..100_000 {
            insert_both(&mut tree, &mut model, (random.next_u64(), 0));
        }
        let full = tree.bytes();
        while tree.len() > 1000 {
            let pair = tree.get(random.below(tree.len())).unwrap();
            assert_eq!(tree.remove(seek(pair)), Some(pair));
        }
        assert!(tree.bytes() * 30 < full, "{} of {full}", tree.bytes());
    }
}
