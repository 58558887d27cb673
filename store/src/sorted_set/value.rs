//! A sorted set value in either of its forms.

use super::members::Members;
use super::pack;
use super::range::{By, Selection, ranks};
use crate::collection::OrderedSet;
use crate::error::Error;
use crate::listpack::{EMPTY_BYTES, Listpack};
use crate::open::Fresh;
use crate::raw::block::PackedBox;
use crate::raw::entry::Str;
use crate::settings::PackLimits;
use crate::store::{Key, Store};
use crate::txn::Txn;
use std::ops::Range;

/// A sorted set.
#[derive(Clone, Debug)]
#[repr(u8)]
pub enum SortedSet {
    /// Few short members, each followed by its score, ascending (`OBJECT ENCODING` listpack).
    Pack(Listpack),
    /// Anything else (`OBJECT ENCODING` skiplist).
    Order(PackedBox<OrderedSet>),
}

const _: () = assert!(size_of::<SortedSet>() == 9 && align_of::<SortedSet>() == 1);

/// The sorted set at a key. Counts as a read.
///
/// # Errors
/// [`Error::WrongType`] if the key holds something else.
#[inline]
pub fn get<'a>(txn: &'a mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<&'a SortedSet>, Error> {
    txn.value(db, &key)
}

/// The sorted set at a key that was read before: counts nothing, and leaves room for a look at others.
///
/// # Errors
/// As [`get`].
pub fn view<'a>(txn: &'a Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<&'a SortedSet>, Error> {
    txn.view(db, &key)
}

impl SortedSet {
    /// An empty one, which is to have about `expected` members of at most `longest` bytes.
    pub(super) fn new(store: &Store, limits: PackLimits, expected: usize, longest: usize) -> SortedSet {
        match SortedSet::fresh(store, limits, expected, longest, 0) {
            Fresh::Pack(bytes) => SortedSet::Pack(Listpack::with_capacity(bytes)),
            Fresh::Value(value) => value,
        }
    }

    /// As [`new`](SortedSet::new), for a new key, with room for members and scores of `bytes` bytes in all.
    pub(super) fn fresh(
        store: &Store,
        limits: PackLimits,
        expected: usize,
        longest: usize,
        bytes: usize,
    ) -> Fresh<SortedSet> {
        if expected <= limits.entries && longest <= limits.value {
            // Header and end; a byte of encoding and one of the length backwards for each member and score.
            Fresh::Pack(bytes.saturating_add(expected.saturating_mul(4)).saturating_add(EMPTY_BYTES))
        } else {
            Fresh::Value(SortedSet::Order(PackedBox::new(OrderedSet::new(store))))
        }
    }

    /// The number of members.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            SortedSet::Pack(pack) => pack.len() / 2,
            SortedSet::Order(members) => members.len(),
        }
    }

    /// Whether there is no member.
    #[inline]
    pub fn is_empty(&self) -> bool {
        match self {
            SortedSet::Pack(pack) => pack.is_empty(),
            SortedSet::Order(members) => members.is_empty(),
        }
    }

    /// The bytes, if they are few and in one block.
    #[inline]
    pub(crate) fn foldable(&self) -> Option<&[u8]> {
        match self {
            SortedSet::Pack(pack) => pack.foldable(),
            SortedSet::Order(_) => None,
        }
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        match self {
            SortedSet::Pack(pack) => pack.memory(),
            SortedSet::Order(members) => members.memory(),
        }
    }

    /// The score of `member`.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            SortedSet::Pack(pack) => pack::find(pack.view(), member).map(|(_, score)| score),
            SortedSet::Order(members) => members.score(member),
        }
    }

    /// The rank of `member`, from 0 for the lowest score, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            SortedSet::Pack(pack) => {
                let (position, score) = pack::find(pack.view(), member)?;
                Some((pack::rank_of(pack.view(), position), score))
            }
            SortedSet::Order(members) => members.rank(member),
        }
    }

    /// The ranks that a range covers, counted from the lowest score.
    pub fn ranks(&self, by: By<'_>) -> Range<usize> {
        match (by, self) {
            (By::Rank(first, last), _) => ranks(first, last, self.len()),
            (By::Score(min, max), SortedSet::Pack(pack)) => pack::score_range(pack.view(), min, max),
            (By::Score(min, max), SortedSet::Order(members)) => members.score_range(min, max),
            (By::Lex(min, max), SortedSet::Pack(pack)) => pack::lex_range(pack.view(), min, max),
            (By::Lex(min, max), SortedSet::Order(members)) => match (min.as_bound(true), max.as_bound(false)) {
                (Some(min), Some(max)) => members.lex_range(min, max),
                _ => 0..0,
            },
        }
    }

    /// The ranks that a selection covers, counted from the lowest score.
    pub fn selected(&self, selection: &Selection<'_>) -> Range<usize> {
        match selection.by {
            By::Rank(first, last) => {
                let (len, ranks) = (self.len(), ranks(first, last, self.len()));
                if selection.descending { len - ranks.end..len - ranks.start } else { ranks }
            }
            by => selection.part(self.ranks(by)),
        }
    }

    /// The members with ranks in `ranks`, counted from the lowest score and cut to those that exist.
    pub fn members(&self, ranks: Range<usize>, descending: bool) -> Members<'_> {
        match self {
            SortedSet::Pack(pack) => {
                let end = ranks.end.min(self.len());
                let len = end.saturating_sub(ranks.start);
                let pairs = match len {
                    0 => None,
                    _ if descending => pack::pairs_to(pack.view(), end),
                    _ => pack::pairs_from(pack.view(), ranks.start),
                };
                let len = if pairs.is_some() { len } else { 0 };
                Members::of_pack(pairs.unwrap_or_else(|| pack.view().iter()), len, descending)
            }
            SortedSet::Order(members) => Members::of_order(members.range(ranks), descending),
        }
    }

    /// The members of a selection.
    #[inline]
    pub fn select(&self, selection: &Selection<'_>) -> Members<'_> {
        self.members(self.selected(selection), selection.descending)
    }

    /// Calls `visit` with all members and scores, in no order but fast.
    pub fn for_each<'a>(&'a self, visit: &mut dyn FnMut(Str<'a>, f64)) {
        match self {
            SortedSet::Pack(_) => self.members(0..usize::MAX, false).for_each(|(member, score)| visit(member, score)),
            SortedSet::Order(members) => members.iter().for_each(|(member, score)| visit(Str::Bytes(member), score)),
        }
    }

    /// Makes a listpack something that can have any number of members.
    pub(super) fn make_order(&mut self, store: &Store) -> &mut OrderedSet {
        if let SortedSet::Pack(pack) = self {
            let mut order = OrderedSet::new(store);
            order.reserve(pack.len() / 2 + 1);
            let mut space = itoa::Buffer::new();
            let mut entries = pack.view().iter();
            while let (Some(member), Some(score)) = (entries.next(), entries.next()) {
                order.set(member.as_bytes(&mut space), pack::score_of(score));
            }
            *self = SortedSet::Order(PackedBox::new(order));
        }
        match self {
            SortedSet::Order(order) => order,
            SortedSet::Pack(_) => unreachable!("it was just made an order"),
        }
    }
}
