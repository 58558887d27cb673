//! Unions, intersections and differences of sorted sets and of sets, whose members count with the score 1.
//!
//! Results point into their sources, so they take memory for their own members only and copy none of them.

use super::pack::compare;
use super::store::{Builder, compare_scores};
use super::value::SortedSet;
use crate::error::Error;
use crate::raw::entry::{Str, Type};
use crate::set::Set;
use crate::store::Key;
use crate::string::parse_int;
use crate::txn::Txn;
use std::collections::HashMap;

/// Which members the result has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// Those of any source.
    Union,
    /// Those of all sources.
    Intersection,
    /// Those of the first source and no other.
    Difference,
}

/// How the scores that a member has in several sources become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregate {
    /// Their sum; that of opposite infinities is 0.
    #[default]
    Sum,
    /// The lowest.
    Min,
    /// The highest.
    Max,
}

/// What is combined, and how.
#[derive(Clone, Copy, Debug)]
pub struct Combination<'k> {
    /// Which members.
    pub operation: Combine,
    /// The sources.
    pub keys: &'k [Key<'k>],
    /// What the scores of each source are multiplied by; if it is empty, by 1.
    pub weights: &'k [f64],
    /// How scores are combined.
    pub aggregate: Aggregate,
}

/// Members and scores of a result, in order.
pub type Combined<'a> = Vec<(Str<'a>, f64)>;

/// Reads the keys, each of which must hold a set or a sorted set or nothing.
///
/// # Errors
/// [`Error::WrongType`] if one holds something else.
pub fn check_sources(txn: &mut Txn<'_>, db: usize, keys: &[Key<'_>]) -> Result<(), Error> {
    for key in keys {
        let kind = txn.read(db, key)?.map(|entry| entry.kind());
        if !matches!(kind, None | Some(Type::Set | Type::SortedSet)) {
            return Err(Error::WrongType);
        }
    }
    Ok(())
}

/// Combines keys that [`check_sources`] has read.
///
/// # Errors
/// [`Error::WrongType`] if a key holds something else than a set or a sorted set.
pub fn combine<'a>(txn: &'a Txn<'_>, db: usize, combination: &Combination<'_>) -> Result<Combined<'a>, Error> {
    let mut inputs = inputs(txn, db, combination)?;
    let mut result = match combination.operation {
        Combine::Union => {
            inputs.sort_by_key(|input| input.source.len());
            union(txn, &inputs, combination.aggregate)
        }
        Combine::Intersection => {
            inputs.sort_by_key(|input| input.source.len());
            let mut result = Vec::new();
            intersect(&inputs, combination.aggregate, &mut |member, score| {
                result.push((member, score));
                true
            });
            result
        }
        Combine::Difference => subtract(txn, &inputs),
    };
    result.sort_unstable_by(|a, b| compare_scores(a.1, b.1).then_with(|| compare(a.0, b.0)));
    Ok(result)
}

/// Counts the members that all keys have, up to `limit`. [`check_sources`] has read the keys.
///
/// # Errors
/// As [`combine`].
pub fn count_common(txn: &Txn<'_>, db: usize, keys: &[Key<'_>], limit: usize) -> Result<usize, Error> {
    let operation = Combine::Intersection;
    let mut inputs = inputs(txn, db, &Combination { operation, keys, weights: &[], aggregate: Aggregate::Sum })?;
    inputs.sort_by_key(|input| input.source.len());
    let mut count = 0;
    if limit > 0 {
        intersect(&inputs, Aggregate::Sum, &mut |_, _| {
            count += 1;
            count < limit
        });
    }
    Ok(count)
}

/// Combines keys that [`check_sources`] has read, and stores the result under `destination`; an empty result deletes
/// that. Returns how many members there are.
///
/// # Errors
/// As [`combine`].
pub fn store_combined(
    txn: &mut Txn<'_>,
    db: usize,
    destination: Key<'_>,
    combination: &Combination<'_>,
) -> Result<usize, Error> {
    let result = combine(txn, db, combination)?;
    let mut builder = Builder::new(txn, result.len());
    result.into_iter().for_each(|(member, score)| builder.push(member, score));
    let event = match combination.operation {
        Combine::Union => "zunionstore",
        Combine::Intersection => "zinterstore",
        Combine::Difference => "zdiffstore",
    };
    builder.put(txn, db, destination, event)
}

/// One source with its weight.
struct Input<'a> {
    source: Source<'a>,
    weight: f64,
}

#[derive(Clone, Copy)]
enum Source<'a> {
    Nothing,
    Set(&'a Set),
    Sorted(&'a SortedSet),
}

fn inputs<'a>(txn: &'a Txn<'_>, db: usize, combination: &Combination<'_>) -> Result<Vec<Input<'a>>, Error> {
    let input = |(index, key): (usize, &Key<'_>)| {
        let source = match txn.glance(db, key)? {
            None => Source::Nothing,
            Some(entry) if entry.kind() == Type::Set => Source::Set(entry.into_value()?),
            Some(entry) => Source::Sorted(entry.into_value()?),
        };
        Ok(Input { source, weight: combination.weights.get(index).copied().unwrap_or(1.0) })
    };
    combination.keys.iter().enumerate().map(input).collect()
}

impl<'a> Source<'a> {
    fn len(self) -> usize {
        match self {
            Source::Nothing => 0,
            Source::Set(set) => set.len(),
            Source::Sorted(set) => set.len(),
        }
    }

    /// All members with their scores, in no order.
    fn members(self) -> Box<dyn Iterator<Item = (Str<'a>, f64)> + 'a> {
        match self {
            Source::Nothing => Box::new(std::iter::empty()),
            Source::Set(Set::Ints(ints)) => Box::new(ints.iter().map(|member| (Str::Int(member), 1.0))),
            Source::Set(Set::Pack(pack)) => Box::new(pack.view().iter().map(|member| (member, 1.0))),
            Source::Set(Set::Table(members)) => Box::new(members.iter().map(|member| (Str::Bytes(member), 1.0))),
            Source::Sorted(SortedSet::Order(members)) => {
                Box::new(members.iter().map(|(member, score)| (Str::Bytes(member), score)))
            }
            Source::Sorted(set) => Box::new(set.members(0..usize::MAX, false)),
        }
    }

    /// The score of a member.
    fn score(self, member: Str<'_>) -> Option<f64> {
        let mut space = itoa::Buffer::new();
        let found = match (self, member) {
            (Source::Nothing, _) => false,
            (Source::Sorted(set), _) => return set.score(member.as_bytes(&mut space)),
            (Source::Set(Set::Ints(ints)), Str::Int(member)) => ints.contains(member),
            (Source::Set(Set::Ints(ints)), Str::Bytes(member)) => {
                parse_int(member).is_some_and(|member| ints.contains(member))
            }
            (Source::Set(Set::Pack(pack)), _) => {
                let view = pack.view();
                view.first().is_some_and(|first| view.find(first, member.as_bytes(&mut space), 0).is_some())
            }
            (Source::Set(Set::Table(members)), _) => members.contains(member.as_bytes(&mut space)),
        };
        found.then_some(1.0)
    }
}

impl Aggregate {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Aggregate::Sum => or_zero(a + b),
            Aggregate::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Aggregate::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
        }
    }
}

fn or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// One form for each member, whatever the encoding of its source.
fn normal(member: Str<'_>) -> Str<'_> {
    match member {
        Str::Bytes(bytes) => parse_int(bytes).map_or(member, Str::Int),
        Str::Int(_) => member,
    }
}

type Scores<'a> = HashMap<Str<'a>, f64, ahash::RandomState>;

fn union<'a>(txn: &Txn<'_>, inputs: &[Input<'a>], aggregate: Aggregate) -> Combined<'a> {
    let largest = inputs.last().map_or(0, |input| input.source.len());
    if inputs.iter().filter(|input| input.source.len() > 0).count() <= 1 {
        return inputs.last().map_or_else(Vec::new, |Input { source, weight }| {
            source.members().map(|(member, score)| (member, or_zero(weight * score))).collect()
        });
    }
    let mut scores = Scores::with_capacity_and_hasher(largest, txn.store().core.hasher().clone());
    for Input { source, weight } in inputs {
        for (member, score) in source.members() {
            let score = or_zero(weight * score);
            scores.entry(normal(member)).and_modify(|sum| *sum = aggregate.of(*sum, score)).or_insert(score);
        }
    }
    scores.into_iter().collect()
}

/// Calls `visit` with what all inputs have, until it returns false. The smallest comes first.
fn intersect<'a>(inputs: &[Input<'a>], aggregate: Aggregate, visit: &mut dyn FnMut(Str<'a>, f64) -> bool) {
    let Some((first, others)) = inputs.split_first() else { return };
    for (member, score) in first.source.members() {
        let score = others.iter().try_fold(or_zero(first.weight * score), |score, other| {
            Some(aggregate.of(score, other.source.score(member)? * other.weight))
        });
        if let Some(score) = score
            && !visit(member, score)
        {
            return;
        }
    }
}

fn subtract<'a>(txn: &Txn<'_>, inputs: &[Input<'a>]) -> Combined<'a> {
    let Some((first, others)) = inputs.split_first() else { return Vec::new() };
    let len = first.source.len();
    // Looking every member of the first up everywhere, or striking out all members of the others: as Redis weighs it.
    let total: usize = inputs.iter().map(|input| input.source.len()).sum();
    if len.saturating_mul(inputs.len()) / 2 <= total {
        let in_others = |member| others.iter().any(|other| other.source.score(member).is_some());
        return first.source.members().filter(|(member, _)| !in_others(*member)).collect();
    }
    let mut scores = Scores::with_capacity_and_hasher(len, txn.store().core.hasher().clone());
    scores.extend(first.source.members().map(|(member, score)| (normal(member), score)));
    for other in others {
        for (member, _) in other.source.members() {
            if scores.is_empty() {
                break;
            }
            scores.remove(&normal(member));
        }
    }
    scores.into_iter().collect()
}
