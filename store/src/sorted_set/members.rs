//! Walking over members in order.

use super::pack;
use crate::collection::ScoredMembers;
use crate::listpack::Iter;
use crate::raw::entry::Str;

/// Members of a range with their scores, ascending or descending.
#[derive(Debug)]
pub struct Members<'a> {
    source: Source<'a>,
    left: usize,
}

#[derive(Debug)]
enum Source<'a> {
    Up(Iter<'a>),
    Down(Iter<'a>),
    OrderUp(ScoredMembers<'a>),
    OrderDown(ScoredMembers<'a>),
}

impl<'a> Members<'a> {
    /// `left` members of a listpack; `pairs` begins with the first of them, or ends with it where they descend.
    pub(super) fn of_pack(pairs: Iter<'a>, left: usize, descending: bool) -> Members<'a> {
        Members { source: if descending { Source::Down(pairs) } else { Source::Up(pairs) }, left }
    }

    pub(super) fn of_order(members: ScoredMembers<'a>, descending: bool) -> Members<'a> {
        let left = members.len();
        Members { source: if descending { Source::OrderDown(members) } else { Source::OrderUp(members) }, left }
    }

    /// The next member without its score, which takes less where the score is not wanted.
    #[inline]
    pub fn next_member(&mut self) -> Option<Str<'a>> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.source {
            Source::Up(pairs) => {
                let member = pairs.next();
                pairs.next();
                member
            }
            Source::Down(pairs) => pairs.nth_back(1),
            Source::OrderUp(members) => members.next().map(|(member, _)| Str::Bytes(member)),
            Source::OrderDown(members) => members.next_back().map(|(member, _)| Str::Bytes(member)),
        }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Str<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<(Str<'a>, f64)> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.source {
            Source::Up(pairs) => Some((pairs.next()?, pack::score_of(pairs.next()?))),
            Source::Down(pairs) => {
                let score = pack::score_of(pairs.next_back()?);
                Some((pairs.next_back()?, score))
            }
            Source::OrderUp(members) => members.next().map(|(member, score)| (Str::Bytes(member), score)),
            Source::OrderDown(members) => members.next_back().map(|(member, score)| (Str::Bytes(member), score)),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Members<'_> {}
