//! A sorted set in a listpack: each member followed by its score, ascending.

use super::range::{LexBound, is_above, is_below};
use crate::listpack::{Iter, Listpack, Pack, Position};
use crate::raw::entry::Str;
use std::cmp::Ordering;
use std::ops::{Bound, Range};

/// Largest magnitude that is stored as an integer: half the range of those, as in Redis.
const INTEGER_MAX: f64 = (1u64 << 62) as f64;

/// The score in an entry. What is no number is 0, as for C's `strtod`; valid listpacks have none.
#[inline]
pub(super) fn score_of(entry: Str<'_>) -> f64 {
    match entry {
        Str::Int(number) => number as f64,
        Str::Bytes(text) => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0),
    }
}

/// The score in an entry from outside; `None` if it is no number.
pub(super) fn read_score(entry: Str<'_>) -> Option<f64> {
    match entry {
        Str::Int(number) => Some(number as f64),
        Str::Bytes(text) => std::str::from_utf8(text).ok()?.parse().ok().filter(|score: &f64| !score.is_nan()),
    }
}

/// Calls `action` with the entry for a score. Both zeros become the same.
#[inline]
fn with_entry<R>(score: f64, action: impl FnOnce(Str<'_>) -> R) -> R {
    if score.abs() <= INTEGER_MAX {
        let integer = score as i64;
        if integer as f64 == score {
            return action(Str::Int(integer));
        }
    }
    if score.is_infinite() {
        return action(Str::Bytes(if score > 0.0 { b"inf" } else { b"-inf" }));
    }
    action(Str::Bytes(zmij::Buffer::new().format(score).as_bytes()))
}

/// Compares the bytes of two members.
#[inline]
pub(super) fn compare(a: Str<'_>, b: Str<'_>) -> Ordering {
    match (a, b) {
        (Str::Bytes(a), Str::Bytes(b)) => a.cmp(b),
        _ => {
            let (mut first, mut second) = (itoa::Buffer::new(), itoa::Buffer::new());
            a.as_bytes(&mut first).cmp(b.as_bytes(&mut second))
        }
    }
}

/// Where `member` stands, and its score.
#[inline]
pub(super) fn find(pack: Pack<'_>, member: &[u8]) -> Option<(Position, f64)> {
    let position = pack.find(pack.first()?, member, 1)?;
    let score = pack.next(position).map_or(0.0, |score| score_of(pack.get(score)));
    Some((position, score))
}

/// The rank of the member at `position`.
pub(super) fn rank_of(pack: Pack<'_>, position: Position) -> usize {
    pack.iter_to(position).count() / 2
}

/// Adds a pair behind all others.
pub(super) fn append(pack: &mut Listpack, member: Str<'_>, score: f64) {
    with_entry(score, |score| pack.append_pair(member, score));
}

/// Adds a member that is not there where it belongs.
pub(super) fn insert(pack: &mut Listpack, member: &[u8], score: f64) {
    let place = {
        let view = pack.view();
        // What grows upwards is appended without looking at all the rest.
        match view.last() {
            Some(last) if !is_before(view, member, score, last) => None,
            Some(_) => place_of(view, member, score),
            None => None,
        }
    };
    let Some(place) = place else { return append(pack, Str::Bytes(member), score) };
    with_entry(score, |score| pack.insert_pair_before(place, Str::Bytes(member), score));
}

/// Whether a pair comes before the one whose score stands at `score_at`.
fn is_before(pack: Pack<'_>, member: &[u8], score: f64, score_at: Position) -> bool {
    let other = score_of(pack.get(score_at));
    if score == other {
        let Some(at) = pack.prev(score_at) else { return false };
        return compare(Str::Bytes(member), pack.get(at)) == Ordering::Less;
    }
    score < other
}

/// The first member that comes after the pair.
fn place_of(pack: Pack<'_>, member: &[u8], score: f64) -> Option<Position> {
    let mut at = pack.first();
    while let Some(position) = at {
        let score_at = pack.next(position)?;
        if is_before(pack, member, score, score_at) {
            return Some(position);
        }
        at = pack.next(score_at);
    }
    None
}

/// Gives the member at `position` another score and, if need be, another place.
pub(super) fn set_score(pack: &mut Listpack, position: Position, member: &[u8], score: f64) {
    let view = pack.view();
    let score_at = view.next(position);
    // Keeps its place between its neighbours?
    let after_previous = view.prev(position).is_none_or(|previous| !is_before(view, member, score, previous));
    let before_next = score_at
        .and_then(|score_at| view.next(score_at))
        .is_none_or(|next| view.next(next).is_none_or(|next_score| is_before(view, member, score, next_score)));
    match score_at {
        Some(score_at) if after_previous && before_next => with_entry(score, |entry| pack.replace(score_at, entry)),
        _ => {
            pack.take_pair(position);
            insert(pack, member, score);
        }
    }
}

/// The ranks of the members with scores from `min` to `max`.
pub(super) fn score_range(pack: Pack<'_>, min: Bound<f64>, max: Bound<f64>) -> Range<usize> {
    let mut entries = pack.iter();
    let mut scores = std::iter::from_fn(|| entries.nth(1).map(score_of));
    let mut start = 0;
    let mut score = scores.next();
    while score.is_some_and(|score| is_below(score, min)) {
        start += 1;
        score = scores.next();
    }
    let mut end = start;
    while score.is_some_and(|score| !is_above(score, max)) {
        end += 1;
        score = scores.next();
    }
    start..end
}

/// The ranks of the members from `min` to `max` by their bytes, if all scores are equal.
pub(super) fn lex_range(pack: Pack<'_>, min: LexBound<'_>, max: LexBound<'_>) -> Range<usize> {
    let mut entries = pack.iter();
    let mut space = itoa::Buffer::new();
    let mut members = std::iter::from_fn(|| {
        let member = entries.next()?;
        entries.next();
        Some(member)
    });
    let mut start = 0;
    let mut member = members.next();
    while member.is_some_and(|member| min.is_above(member.as_bytes(&mut space))) {
        start += 1;
        member = members.next();
    }
    let mut end = start;
    while member.is_some_and(|member| !max.is_below(member.as_bytes(&mut space))) {
        end += 1;
        member = members.next();
    }
    start..end
}

/// The pairs from rank `start` on; none if there is no such rank.
pub(super) fn pairs_from(pack: Pack<'_>, start: usize) -> Option<Iter<'_>> {
    pack.seek(2 * start as i64).map(|position| pack.iter_from(position))
}

/// The pairs before rank `end`, which is above 0; none if there are fewer.
pub(super) fn pairs_to(pack: Pack<'_>, end: usize) -> Option<Iter<'_>> {
    pack.seek(2 * end as i64 - 1).map(|position| pack.iter_to(position))
}
