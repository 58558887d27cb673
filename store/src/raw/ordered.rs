//! A set of members with scores, also in the order of scores.

use super::element::{Element, ElementRef};
use super::hint::prefetch;
use super::members::{Found, Handle, Members, free};
use super::table::TableShape;
use crate::free::Garbage;
use crate::order::{Items, Tree};
use crate::random::Random;
use crate::store::Store;
use std::cmp::Ordering;
use std::ops::{Bound, Range};

/// Members with scores, ordered by score and, where those are equal, by the members' bytes: what `OBJECT ENCODING` calls
/// `skiplist`. (It is a hash table and a B+tree.)
///
/// Invariant: `order` has exactly the elements of `members`, whose values are the eight bytes of their scores; no score
/// is NaN. Comparisons within `order` follow its handles, so an element leaves `order` before it may leave `members`, and
/// whoever finds it missing there panics instead of freeing it.
pub struct OrderedSet {
    members: Members,
    order: Tree<Handle>,
}

/// A member that has left its set.
pub struct Scored(Element);

/// Members of a range with their scores, from either end.
pub struct ScoredMembers<'a>(Items<'a, Handle>);

impl std::fmt::Debug for OrderedSet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("OrderedSet").field("len", &self.len()).finish()
    }
}

impl std::fmt::Debug for Scored {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Scored").field(&self.member()).field(&self.score()).finish()
    }
}

impl std::fmt::Debug for ScoredMembers<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("ScoredMembers").field(&self.0.len()).finish()
    }
}

/// The number that orders scores: both zeros are equal.
fn order_of(score: f64) -> u64 {
    let bits = (score + 0.0).to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

pub(crate) fn score_of(element: ElementRef<'_>) -> f64 {
    element.value().try_into().map_or(0.0, f64::from_ne_bytes)
}

/// How an item of the tree stands to a member with a score.
///
/// # Safety
/// The result is called with handles of live elements only.
#[inline]
unsafe fn seek(score: f64, member: &[u8]) -> impl FnMut(u64, Handle) -> Ordering {
    let order = order_of(score);
    move |key, handle| {
        // SAFETY: by the caller.
        key.cmp(&order).then_with(|| unsafe { ElementRef::from_raw(handle.0) }.key().cmp(member))
    }
}

/// For positions between items.
fn side(before: bool) -> Ordering {
    if before { Ordering::Less } else { Ordering::Greater }
}

impl Clone for OrderedSet {
    fn clone(&self) -> OrderedSet {
        let mut copy = OrderedSet { members: Members::new(self.members.core().clone()), order: Tree::default() };
        copy.reserve(self.len());
        for (member, score) in self.iter() {
            copy.set(member, score);
        }
        copy
    }
}

impl OrderedSet {
    /// An empty set, hashed with the seed of `store` and freed by its thread.
    pub fn new(store: &Store) -> OrderedSet {
        OrderedSet { members: Members::new(store.core.clone()), order: Tree::default() }
    }

    /// Makes room for `len` members (at most a million at once) if there has never been any, so that the table need not
    /// grow on the way there.
    pub fn reserve(&mut self, len: usize) {
        self.members.reserve(len);
    }

    /// Members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The score of `member`.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.members.get(member).map(score_of)
    }

    /// Gives `member` the score that `change` makes of its present one (nothing if it is no member); if that is nothing,
    /// not a number or equal to the present one (as the two zeros are), all stays as it is. Returns the score it had before.
    pub fn update(&mut self, member: &[u8], change: impl FnOnce(Option<f64>) -> Option<f64>) -> Option<f64> {
        let wanted = |old: Option<f64>| change(old).filter(|score| !score.is_nan());
        match self.members.find(member) {
            Found::Occupied(mut occupied) => {
                let old = score_of(occupied.get());
                if let Some(score) = wanted(Some(old))
                    && old != score
                {
                    // The value keeps its eight bytes, so it is replaced in place and the handle stays.
                    let handle = occupied.handle();
                    occupied.set(&score.to_ne_bytes(), None);
                    debug_assert!(occupied.handle() == handle);
                    self.reorder(member, handle, old, score);
                }
                Some(old)
            }
            Found::Vacant(vacant) => {
                if let Some(score) = wanted(None) {
                    let handle = vacant.insert(Element::new(member, &score.to_ne_bytes(), None));
                    // SAFETY: by the invariant the tree has handles of live elements only.
                    self.order.insert(order_of(score), handle, unsafe { seek(score, member) });
                }
                None
            }
        }
    }

    /// Gives `member` the score `score`, unless that is not a number. Returns the score it had before, if it was one.
    pub fn set(&mut self, member: &[u8], score: f64) -> Option<f64> {
        self.update(member, |_| Some(score))
    }

    /// Adds `increment` to the score of `member`, or to 0 if it is none. Returns the sum; nothing, and changes nothing, if
    /// that is not a number.
    pub fn increment(&mut self, member: &[u8], increment: f64) -> Option<f64> {
        let mut score = f64::NAN;
        self.update(member, |old| {
            score = old.unwrap_or(0.0) + increment;
            Some(score)
        });
        (!score.is_nan()).then_some(score)
    }

    /// Moves an element within the order.
    fn reorder(&mut self, member: &[u8], handle: Handle, old: f64, new: f64) {
        if order_of(old) == order_of(new) {
            return;
        }
        // SAFETY: by the invariant the tree has handles of live elements only.
        let moved = unsafe { self.order.try_rekey(seek(old, member), order_of(new), seek(new, member)) };
        if !moved {
            // SAFETY: as above.
            let removed = self.order.remove(unsafe { seek(old, member) });
            assert!(removed.is_some(), "a member stands in the order");
            // SAFETY: as above.
            self.order.insert(order_of(new), handle, unsafe { seek(new, member) });
        }
    }

    /// Removes `member`. Returns its score, if it was one.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let score = self.score(member)?;
        // SAFETY: by the invariant the tree has handles of live elements only.
        let removed = self.order.remove(unsafe { seek(score, member) });
        assert!(removed.is_some(), "a member stands in the order");
        self.members.discard(member);
        Some(score)
    }

    /// The rank of `member`, from 0 for the lowest score, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let score = self.score(member)?;
        // SAFETY: by the invariant the tree has handles of live elements only.
        Some((self.order.locate(unsafe { seek(score, member) }).0, score))
    }

    /// The member with `rank`, and its score.
    pub fn at(&self, rank: usize) -> Option<(&[u8], f64)> {
        self.range(rank..rank.saturating_add(1)).next()
    }

    /// The members with ranks in `ranks`, cut to those that exist. Reverse it to begin at the highest.
    pub fn range(&self, ranks: Range<usize>) -> ScoredMembers<'_> {
        ScoredMembers(self.order.items(ranks))
    }

    /// The ranks of the members with scores from `min` to `max`; the range is empty if there are none.
    pub fn score_range(&self, min: Bound<f64>, max: Bound<f64>) -> Range<usize> {
        let below = |score: f64, inclusive: bool| {
            let order = order_of(score);
            self.order.locate(|key, _| side(key < order || inclusive && key == order)).0
        };
        let start = match min {
            Bound::Unbounded => 0,
            Bound::Included(score) => below(score, false),
            Bound::Excluded(score) => below(score, true),
        };
        let end = match max {
            Bound::Unbounded => self.len(),
            Bound::Included(score) => below(score, true),
            Bound::Excluded(score) => below(score, false),
        };
        start..end.max(start)
    }

    /// The ranks of the members from `min` to `max` in the order of their bytes, for a set whose scores are all equal.
    /// Where they are not the result is some range of existing ranks.
    pub fn lex_range(&self, min: Bound<&[u8]>, max: Bound<&[u8]>) -> Range<usize> {
        let below = |member: &[u8], inclusive: bool| {
            // SAFETY: by the invariant the tree has handles of live elements only.
            let compare = |handle: Handle| unsafe { ElementRef::from_raw(handle.0) }.key().cmp(member);
            let before = |order: Ordering| order == Ordering::Less || inclusive && order == Ordering::Equal;
            self.order.locate(|_, handle| side(before(compare(handle)))).0
        };
        let start = match min {
            Bound::Unbounded => 0,
            Bound::Included(member) => below(member, false),
            Bound::Excluded(member) => below(member, true),
        };
        let end = match max {
            Bound::Unbounded => self.len(),
            Bound::Included(member) => below(member, true),
            Bound::Excluded(member) => below(member, false),
        };
        start..end.max(start)
    }

    /// Removes the members with ranks in `ranks`, and lets `visit` see each with its score, in their order, when all are
    /// removed. Returns how many there were.
    pub fn remove_range(&mut self, ranks: Range<usize>, visit: &mut dyn FnMut(&[u8], f64)) -> usize {
        let mut handles = Vec::with_capacity(ranks.end.min(self.len()).saturating_sub(ranks.start));
        // First all leave the order, so that it never has a handle of an element that is gone.
        self.order.remove_range(ranks, &mut |_, handle| handles.push(handle));
        // Then all leave the members, so that the set is whole even if `visit` panics.
        let taken: Vec<Scored> = handles.into_iter().filter_map(|handle| self.take(handle)).collect();
        let count = taken.len();
        for scored in taken {
            visit(scored.member(), scored.score());
            free(self.members.core(), scored.0);
        }
        count
    }

    /// Takes an element out of the members that has left the order.
    fn take(&mut self, handle: Handle) -> Option<Scored> {
        // SAFETY: the handle comes from the order and so is that of a live element, which stays unchanged until it is
        // taken out, and alive until the result is dropped.
        let member = unsafe { ElementRef::from_raw(handle.0) }.key();
        self.members.remove(member).map(Scored)
    }

    /// Takes the member with the lowest score out.
    pub fn pop_min(&mut self) -> Option<Scored> {
        let (_, handle) = self.order.remove_at(0)?;
        self.take(handle)
    }

    /// Takes the member with the highest score out.
    pub fn pop_max(&mut self) -> Option<Scored> {
        let (_, handle) = self.order.remove_at(self.len().checked_sub(1)?)?;
        self.take(handle)
    }

    /// All members with their scores, in no order but faster than by rank.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], f64)> {
        self.members.iter().map(|element| (element.key(), score_of(element)))
    }

    /// A random member, each nearly as likely as any other.
    pub fn random(&self, random: &mut Random) -> Option<(&[u8], f64)> {
        self.members.random(random).map(|element| (element.key(), score_of(element)))
    }

    /// `count` different random members, in no order; all if there are no more.
    pub fn random_distinct(&self, count: usize, random: &mut Random) -> Vec<(&[u8], f64)> {
        let chosen = self.members.random_distinct(count, random).into_iter();
        chosen.map(|element| (element.key(), score_of(element))).collect()
    }

    /// Visits a part of the members and returns the cursor of the next part; 0 starts, and 0 is returned after the last
    /// part. A member that stays in the set all the while is visited at least once, whatever else happens to the set.
    pub fn scan<'a>(&'a self, cursor: u64, visit: &mut dyn FnMut(&'a [u8], f64)) -> u64 {
        self.members.scan(cursor, &mut |element| visit(element.key(), score_of(element)))
    }

    /// Goes on with the growing or shrinking of the table by up to `chains` chains. True if there is more to do.
    pub fn rehash(&mut self, chains: usize) -> bool {
        self.members.rehash(chains)
    }

    /// Buckets of the table: of the one in use, and of the one that replaces it (0 unless it grows or shrinks).
    pub fn buckets(&self) -> (usize, usize) {
        self.members.buckets()
    }

    /// The state of the table: of its array in use, and of the one that replaces it.
    pub fn shapes(&self) -> [TableShape; 2] {
        self.members.shapes()
    }

    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        size_of::<OrderedSet>() + self.members.memory() + self.order.bytes()
    }

    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    pub(crate) fn members_mut(&mut self) -> &mut Members {
        &mut self.members
    }

    /// For [`Store::free_later`]: frees the set in pieces on the store's thread.
    pub fn into_garbage(self) -> Garbage {
        Garbage::members(self.members, Some(self.order))
    }
}

impl Scored {
    /// The member.
    pub fn member(&self) -> &[u8] {
        self.0.get().key()
    }

    /// Its score.
    pub fn score(&self) -> f64 {
        score_of(self.0.get())
    }
}

/// # Safety
/// The handle is that of an element that lives unchanged during 'a.
unsafe fn scored<'a>(handle: Handle) -> (&'a [u8], f64) {
    // SAFETY: by the caller.
    let element = unsafe { ElementRef::from_raw(handle.0) };
    (element.key(), score_of(element))
}

/// Asks for the elements that will be visited next.
fn prefetch_all(handles: &[Handle]) {
    handles.iter().for_each(|handle| prefetch(handle.0));
}

impl<'a> Iterator for ScoredMembers<'a> {
    type Item = (&'a [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<(&'a [u8], f64)> {
        // SAFETY: the set, whose order the items are, is borrowed during 'a, so its elements live unchanged.
        self.0.next_after(prefetch_all).map(|(_, handle)| unsafe { scored(handle) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl DoubleEndedIterator for ScoredMembers<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        // SAFETY: as in next().
        self.0.next_back_after(prefetch_all).map(|(_, handle)| unsafe { scored(handle) })
    }
}

impl ExactSizeIterator for ScoredMembers<'_> {}
