//! Which members a command is about.

use std::ops::{Bound, Range};

/// A range of members.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum By<'a> {
    /// The first and the last rank; negative ones count from the last member, which is -1.
    Rank(i64, i64),
    /// The lowest and the highest score.
    Score(Bound<f64>, Bound<f64>),
    /// The first and the last member, by their bytes, of a set whose scores are all equal.
    Lex(LexBound<'a>, LexBound<'a>),
}

/// One end of a range of members by their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// Before every member.
    Lowest,
    /// Behind every member.
    Highest,
    /// At this member.
    Included(&'a [u8]),
    /// Next to this member.
    Excluded(&'a [u8]),
}

/// A range with a direction and a part of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selection<'a> {
    /// The range. Ranks count in the direction.
    pub by: By<'a>,
    /// From the highest to the lowest.
    pub descending: bool,
    /// Members of the range to pass over, from where the direction begins; if negative, nothing is selected. Ranks take
    /// no notice of it.
    pub offset: i64,
    /// Most members selected; negative: all. Ranks take no notice of it.
    pub limit: i64,
}

impl<'a> Selection<'a> {
    /// All of the range, ascending.
    pub fn all(by: By<'a>) -> Selection<'a> {
        Selection { by, descending: false, offset: 0, limit: -1 }
    }

    /// The part of `ranks` that offset and limit leave.
    pub(super) fn part(&self, ranks: Range<usize>) -> Range<usize> {
        let Ok(offset) = usize::try_from(self.offset) else { return 0..0 };
        let left = ranks.len().saturating_sub(offset);
        let count = usize::try_from(self.limit).map_or(left, |limit| left.min(limit));
        if self.descending {
            let end = ranks.end - offset.min(ranks.len());
            end - count..end
        } else {
            let start = ranks.start + offset.min(ranks.len());
            start..start + count
        }
    }
}

/// The ranks from `first` to `last`, cut to those of `len` members.
pub(super) fn ranks(first: i64, last: i64, len: usize) -> Range<usize> {
    let len = len as i64;
    let absolute = |rank: i64| if rank < 0 { rank.saturating_add(len) } else { rank };
    let (first, last) = (absolute(first).max(0), absolute(last).min(len - 1));
    if first > last || first >= len { 0..0 } else { first as usize..last as usize + 1 }
}

/// Whether a score lies below the range that begins with `min`.
pub(super) fn is_below(score: f64, min: Bound<f64>) -> bool {
    match min {
        Bound::Included(min) => score < min,
        Bound::Excluded(min) => score <= min,
        Bound::Unbounded => false,
    }
}

/// Whether a score lies above the range that ends with `max`.
pub(super) fn is_above(score: f64, max: Bound<f64>) -> bool {
    match max {
        Bound::Included(max) => score > max,
        Bound::Excluded(max) => score >= max,
        Bound::Unbounded => false,
    }
}

impl<'a> LexBound<'a> {
    /// Whether `member` lies below the range that begins here.
    pub(super) fn is_above(self, member: &[u8]) -> bool {
        match self {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Included(min) => member < min,
            LexBound::Excluded(min) => member <= min,
        }
    }

    /// Whether `member` lies above the range that ends here.
    pub(super) fn is_below(self, member: &[u8]) -> bool {
        match self {
            LexBound::Lowest => true,
            LexBound::Highest => false,
            LexBound::Included(max) => member > max,
            LexBound::Excluded(max) => member >= max,
        }
    }

    /// As the start of a range, `None` if nothing can follow; or as its end, `None` if nothing can precede.
    pub(super) fn as_bound(self, is_start: bool) -> Option<Bound<&'a [u8]>> {
        match (self, is_start) {
            (LexBound::Lowest, true) | (LexBound::Highest, false) => Some(Bound::Unbounded),
            (LexBound::Lowest, false) | (LexBound::Highest, true) => None,
            (LexBound::Included(member), _) => Some(Bound::Included(member)),
            (LexBound::Excluded(member), _) => Some(Bound::Excluded(member)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_cut() {
        for (first, last, expected) in [
            (0, -1, 0..5),
            (1, 2, 1..3),
            (-2, -1, 3..5),
            (-100, 100, 0..5),
            (3, 1, 0..0),
            (5, 9, 0..0),
            (0, -6, 0..0),
            (i64::MIN, i64::MAX, 0..5),
            (i64::MAX, i64::MIN, 0..0),
        ] {
            assert_eq!(ranks(first, last, 5), expected, "{first} {last}");
        }
        assert_eq!(ranks(0, -1, 0), 0..0);
    }

    #[test]
    fn parts() {
        let part = |descending, offset, limit| {
            Selection { descending, offset, limit, ..Selection::all(By::Rank(0, -1)) }.part(10..20)
        };
        assert_eq!(part(false, 0, -1), 10..20);
        assert_eq!(part(false, 3, 2), 13..15);
        assert_eq!(part(false, 9, 5), 19..20);
        assert!(part(false, 10, 5).is_empty());
        assert!(part(false, i64::MAX, i64::MAX).is_empty());
        assert!(part(false, -1, -1).is_empty());
        assert!(part(false, 0, 0).is_empty());
        assert_eq!(part(true, 0, -1), 10..20);
        assert_eq!(part(true, 3, 2), 15..17);
        assert_eq!(part(true, 9, 5), 10..11);
        assert!(part(true, 11, 5).is_empty());
    }
}
