//! Adding members and changing scores.

use super::pack;
use super::value::SortedSet;
use crate::effects::EventClass;
use crate::error::Error;
use crate::settings::PackLimits;
use crate::store::{Key, Store};
use crate::txn::Txn;

/// Which members are added or changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Any.
    #[default]
    Always,
    /// Those that are not there yet.
    Nx,
    /// Those that are there already.
    Xx,
}

/// Which new scores replace old ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compare {
    /// Any.
    #[default]
    Any,
    /// Higher ones.
    Greater,
    /// Lower ones.
    Less,
}

/// What [`add`] and [`increment`] do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddOptions {
    /// Which members.
    pub condition: Condition,
    /// Which scores.
    pub compare: Compare,
    /// What the set is to be prepared for.
    pub expected: Expected,
}

/// What decides about the form of a set before members are added one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Members.
    pub members: usize,
    /// Bytes of a member.
    pub longest: usize,
    /// Bytes of all members and their scores as text, for a set that has to be created.
    pub bytes: usize,
    /// Whether this counts only for a set that has to be created.
    pub only_new: bool,
}

/// What [`add`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Members that are new.
    pub added: usize,
    /// Members whose score has changed.
    pub updated: usize,
}

/// What became of one member.
#[derive(Clone, Copy)]
enum Outcome {
    /// The options were against it.
    Refused,
    /// The score would not be a number.
    NotANumber,
    /// It had that score.
    Same(f64),
    Updated(f64),
    Added(f64),
}

/// What is to become of one member.
#[derive(Clone, Copy)]
struct Change {
    score: f64,
    increment: bool,
    condition: Condition,
    compare: Compare,
}

/// Gives members scores, in order. No score may be NaN.
///
/// # Errors
/// [`Error::WrongType`] if the key holds something else.
pub fn add<'m>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    options: AddOptions,
    pairs: impl Iterator<Item = (f64, &'m [u8])>,
) -> Result<Added, Error> {
    let (store, limits) = (txn.store(), txn.settings().zset_listpack.limits());
    let Some(mut open) = open(txn, db, &key, options)? else { return Ok(Added::default()) };
    let mut added = Added::default();
    for (score, member) in pairs {
        open.keep_score(member);
        let value = open.value();
        let change = Change { score, increment: false, condition: options.condition, compare: options.compare };
        match value.change(store, limits, member, change) {
            Outcome::Added(_) => added.added += 1,
            Outcome::Updated(_) => added.updated += 1,
            Outcome::Refused | Outcome::NotANumber | Outcome::Same(_) => {}
        }
    }
    if options.expected.bytes > 0 {
        if let SortedSet::Pack(pack) = open.value() {
            pack.shrink_to_fit();
        }
        open.compact();
    }
    let changed = added.added + added.updated;
    if changed > 0 {
        open.changed(EventClass::SortedSet, "zadd");
        open.parts().1.effects.dirty += changed as u64 - 1;
    }
    // A score that is not a number would leave a new key empty.
    open.close(SortedSet::is_empty);
    Ok(added)
}

/// Adds to the score of a member, or gives it to a new one. Returns the new score; nothing if the options are against it.
///
/// # Errors
/// [`Error::WrongType`] if the key holds something else, [`Error::NotANumber`] if the sum is not one.
pub fn increment(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    options: AddOptions,
    increment: f64,
    member: &[u8],
) -> Result<Option<f64>, Error> {
    let (store, limits) = (txn.store(), txn.settings().zset_listpack.limits());
    let Some(mut open) = open(txn, db, &key, options)? else { return Ok(None) };
    let change = Change { score: increment, increment: true, condition: options.condition, compare: options.compare };
    open.keep_score(member);
    let outcome = open.value().change(store, limits, member, change);
    if let Outcome::Added(_) | Outcome::Updated(_) = outcome {
        open.changed(EventClass::SortedSet, "zincr");
    }
    open.close(SortedSet::is_empty);
    match outcome {
        Outcome::Refused => Ok(None),
        Outcome::NotANumber => Err(Error::NotANumber),
        Outcome::Same(score) | Outcome::Updated(score) | Outcome::Added(score) => Ok(Some(score)),
    }
}

/// The set to change; nothing if there is none and must be one.
fn open<'a>(
    txn: &'a mut Txn<'_>,
    db: usize,
    key: &Key<'_>,
    options: AddOptions,
) -> Result<Option<crate::open::Open<'a, SortedSet>>, Error> {
    let (store, limits) = (txn.store(), txn.settings().zset_listpack.limits());
    let Expected { members, longest, bytes, only_new } = options.expected;
    let opened = match options.condition {
        Condition::Xx => txn.open::<SortedSet>(db, key)?,
        _ => {
            let make = || SortedSet::fresh(store, limits, members, longest, bytes);
            Some(txn.open_or_create_fresh(db, key, make)?)
        }
    };
    let too_large = members > limits.entries || longest > limits.value;
    Ok(opened.map(|mut open| {
        if too_large && !only_new {
            open.value().make_order(store);
        }
        open
    }))
}

impl Change {
    /// The score that follows from the present one, if the options allow it.
    #[inline]
    fn decide(self, old: Option<f64>) -> Outcome {
        if self.score.is_nan() {
            return Outcome::NotANumber;
        }
        let Some(old) = old else {
            return if self.condition == Condition::Xx { Outcome::Refused } else { Outcome::Added(self.score) };
        };
        if self.condition == Condition::Nx {
            return Outcome::Refused;
        }
        let score = if self.increment { old + self.score } else { self.score };
        match self.compare {
            _ if score.is_nan() => Outcome::NotANumber,
            Compare::Greater if score <= old => Outcome::Refused,
            Compare::Less if score >= old => Outcome::Refused,
            _ if score == old => Outcome::Same(score),
            _ => Outcome::Updated(score),
        }
    }
}

impl SortedSet {
    #[inline]
    fn change(&mut self, store: &Store, limits: PackLimits, member: &[u8], change: Change) -> Outcome {
        if let SortedSet::Pack(pack) = self {
            let found = pack::find(pack.view(), member);
            let outcome = change.decide(found.map(|(_, score)| score));
            match (outcome, found) {
                (Outcome::Updated(score), Some((position, _))) => pack::set_score(pack, position, member, score),
                (Outcome::Added(score), _) => {
                    if pack.len() / 2 < limits.entries && member.len() <= limits.value && pack.fits(member.len() + 32) {
                        pack::insert(pack, member, score);
                    } else {
                        self.make_order(store).set(member, score);
                    }
                }
                _ => {}
            }
            return outcome;
        }
        let mut outcome = Outcome::Refused;
        self.make_order(store).update(member, |old| {
            outcome = change.decide(old);
            match outcome {
                Outcome::Added(score) | Outcome::Updated(score) => Some(score),
                _ => None,
            }
        });
        outcome
    }
}
