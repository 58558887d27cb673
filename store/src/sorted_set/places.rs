//! Members whose scores are positions on Earth.

use super::pack::compare;
use super::range::By;
use super::store::{Builder, compare_scores};
use super::value::SortedSet;
use crate::geo::{Area, Point, point_at};
use crate::raw::entry::Str;
use std::cmp::Ordering;
use std::ops::Bound;

/// A member that lies in an area.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place<'a> {
    /// The member.
    pub member: Str<'a>,
    /// Its score.
    pub score: f64,
    /// Where it lies.
    pub point: Point,
    /// How far from the centre of the area.
    pub distance_m: f64,
}

/// An order of places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// As they were found.
    None,
    /// The nearest first.
    Nearest,
    /// The farthest first.
    Farthest,
}

/// The members that lie in an area, up to `enough` of them, in the order of the ranges of scores that were looked through.
pub fn places<'a>(set: &'a SortedSet, area: &Area, enough: usize) -> Vec<Place<'a>> {
    let mut found = Vec::new();
    for range in area.score_ranges() {
        let ranks = set.ranks(By::Score(Bound::Included(range.min), Bound::Excluded(range.max)));
        for (member, score) in set.members(ranks, false) {
            if found.len() >= enough {
                return found;
            }
            let point = point_at(score);
            if let Some(distance_m) = area.distance_m(point) {
                found.push(Place { member, score, point, distance_m });
            }
        }
    }
    found
}

/// Puts the first `count` places in their order to the front and drops the others.
pub fn sort_places(places: &mut Vec<Place<'_>>, sort: Sort, count: usize) {
    let order = |a: &Place<'_>, b: &Place<'_>| {
        let order = compare_scores(a.distance_m, b.distance_m);
        if sort == Sort::Farthest { order.reverse() } else { order }
    };
    if sort != Sort::None {
        if count < places.len() && count > 0 {
            places.select_nth_unstable_by(count - 1, order);
            places.truncate(count);
        }
        places.sort_by(order);
    }
    places.truncate(count);
}

/// Fills a new sorted set with places; `score` gives each its score.
pub fn store_places(builder: &mut Builder<'_>, places: &[Place<'_>], score: impl Fn(&Place<'_>) -> f64) {
    let mut pairs: Vec<_> = places.iter().map(|place| (place.member, score(place))).collect();
    pairs.sort_unstable_by(|a, b| match compare_scores(a.1, b.1) {
        Ordering::Equal => compare(a.0, b.0),
        order => order,
    });
    pairs.into_iter().for_each(|(member, score)| builder.push(member, score));
}
