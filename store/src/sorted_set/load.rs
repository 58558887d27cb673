//! Making sorted sets from their parts, as a file gives them.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::pack;
use super::value::SortedSet;
use crate::collection::OrderedSet;
use crate::corrupt::Corrupt;
use crate::listpack::{Listpack, Pack, distinct};
use crate::raw::block::PackedBox;
use crate::raw::entry::Str;
use crate::store::Store;

/// Reads a sorted set member by member, in any order; it has the form that its members ask for.
pub struct SortedSetLoader<'s> {
    members: OrderedSet,
    longest: usize,
    bytes: usize,
    store: &'s Store,
}

impl<'s> SortedSetLoader<'s> {
    /// Starts with no member; there is reason to make room for `expected`.
    pub fn new(store: &'s Store, expected: usize) -> SortedSetLoader<'s> {
        let mut members = OrderedSet::new(store);
        members.reserve(expected);
        SortedSetLoader { members, longest: 0, bytes: 0, store }
    }

    /// Adds a member with its score, which is a number. False, if it is one already.
    pub fn push(&mut self, member: &[u8], score: f64) -> bool {
        self.longest = self.longest.max(member.len());
        self.bytes = self.bytes.saturating_add(member.len()).saturating_add(ENTRY_BYTES_MAX);
        self.members.set(member, score).is_none()
    }

    /// The sorted set, which may be empty.
    pub fn finish(self) -> SortedSet {
        let limits = self.store.settings().zset_listpack.limits();
        let mut pack = Listpack::new();
        if self.members.len() > limits.entries || self.longest > limits.value || !pack.fits(self.bytes) {
            return SortedSet::Order(PackedBox::new(self.members));
        }
        for (member, score) in self.members.range(0..self.members.len()) {
            pack::append(&mut pack, Str::Bytes(member), score);
        }
        pack.shrink_to_fit();
        SortedSet::Pack(pack)
    }
}

/// What a member and its score take beside the bytes of the member, at most.
const ENTRY_BYTES_MAX: usize = 48;

impl SortedSet {
    /// The sorted set of a listpack from outside, in another form if it is too large for that, and in order if it was not.
    /// Errs if a member has no score or is there twice, or if a score is no number.
    pub fn from_pack(store: &Store, pack: Listpack) -> Result<SortedSet, Corrupt> {
        let corrupt = |reason| Corrupt { kind: "sorted set", offset: 0, reason };
        distinct(pack.view(), 2).map_err(corrupt)?;
        let in_order = check_scores(pack.view()).map_err(corrupt)?;
        let mut set = SortedSet::Pack(pack);
        if !in_order {
            let mut loader = SortedSetLoader::new(store, set.len());
            set.for_each(&mut |member, score| {
                loader.push(member.as_bytes(&mut itoa::Buffer::new()), score);
            });
            return Ok(loader.finish());
        }
        if set.len() > store.settings().zset_listpack.limits().entries {
            set.make_order(store);
        }
        Ok(set)
    }
}

/// Whether the members stand in order. Errs if a score is no number.
fn check_scores(pack: Pack<'_>) -> Result<bool, &'static str> {
    let mut in_order = true;
    let mut last: Option<(Str<'_>, f64)> = None;
    let mut entries = pack.iter();
    while let (Some(member), Some(score)) = (entries.next(), entries.next()) {
        let score = pack::read_score(score).ok_or("a score is no number")?;
        if let Some((before, score_before)) = last {
            let order = super::store::compare_scores(score_before, score);
            in_order &= order.then_with(|| pack::compare(before, member)).is_lt();
        }
        last = Some((member, score));
    }
    Ok(in_order)
}
