//! Intersections, unions and differences of several sets, shown member by member.

use super::value::Set;
use crate::collection::MemberSet;
use crate::error::Error;
use crate::raw::entry::Str;
use crate::store::{Key, Store};
use crate::txn::Txn;

/// Sets to be combined, in the order of their keys; a key that does not exist is `None` and as good as an empty set.
pub struct Sources<'a> {
    sets: Vec<Option<&'a Set>>,
    store: &'a Store,
}

/// The sets of some keys. Errs with `WrongType` if one of them is of another type.
pub fn sources<'a>(txn: &'a mut Txn<'_>, db: usize, keys: &[Key<'_>]) -> Result<Sources<'a>, Error> {
    let store = txn.store();
    for key in keys {
        txn.value::<Set>(db, key)?;
    }
    let txn = &*txn;
    let sets = keys.iter().map(|key| txn.view(db, key)).collect::<Result<_, _>>()?;
    Ok(Sources { sets, store })
}

impl<'a> Sources<'a> {
    /// The sets in the order of the keys.
    pub(super) fn sets(&self) -> &[Option<&'a Set>] {
        &self.sets
    }

    /// The first set, unless it is empty anyhow or is subtracted from itself.
    pub(super) fn minuend(&self) -> Option<&'a Set> {
        let (first, others) = self.sets.split_first()?;
        let first = (*first)?;
        let is_among_others = others.iter().flatten().any(|other| std::ptr::eq(*other, first));
        (!is_among_others).then_some(first)
    }

    /// The sets that are subtracted, the largest first.
    pub(super) fn subtrahends(&self) -> Vec<&'a Set> {
        let mut others: Vec<&Set> = self.sets.iter().skip(1).copied().flatten().collect();
        others.sort_by_key(|set| std::cmp::Reverse(set.len()));
        others
    }

    /// All sets, the smallest first; `None` if one of them is empty.
    pub(super) fn ascending(&self) -> Option<Vec<&'a Set>> {
        let mut sets = self.sets.iter().copied().collect::<Option<Vec<&Set>>>()?;
        sets.sort_by_key(|set| set.len());
        sets.dedup_by(|a, b| std::ptr::eq(*a, *b));
        Some(sets)
    }

    /// Shows the members that all sets have to `see`, which returns false to end that.
    pub fn intersection(&self, mut see: impl FnMut(Str<'a>) -> bool) {
        let Some(sets) = self.ascending() else { return };
        let Some((smallest, others)) = sets.split_first() else { return };
        smallest.all(|member| !others.iter().all(|set| set.contains_str(member)) || see(member));
    }

    /// Shows the members that any set has to `see`, each once. Needs no memory, or no more than what it shows.
    pub fn union(&self, mut see: impl FnMut(Str<'a>)) {
        let mut sets: Vec<&Set> = self.sets.iter().copied().flatten().collect();
        sets.sort_by_key(|set| std::cmp::Reverse(set.len()));
        let mut seen: Option<MemberSet> = None;
        for (index, set) in sets.iter().enumerate() {
            let (before, after) = sets.split_at(index);
            // From here on it pays to remember everything, where asking all sets before would take longer.
            if seen.is_none() && work_of_asking(before, after) > work_of_noting(before, after) {
                let mut noted = MemberSet::new(self.store);
                for other in before {
                    note(&mut noted, other);
                }
                seen = Some(noted);
            }
            match &mut seen {
                Some(seen) => set.for_each(|member| {
                    if seen.insert(member.as_bytes(&mut itoa::Buffer::new())) {
                        see(member);
                    }
                }),
                None => set.for_each(|member| {
                    if !before.iter().any(|other| other.contains_str(member)) {
                        see(member);
                    }
                }),
            }
        }
    }

    /// Shows the members of the first set that no other has to `see`. Needs no memory, or no more than for the members
    /// that it does not show.
    pub fn difference(&self, mut see: impl FnMut(Str<'a>)) {
        let Some(first) = self.minuend() else { return };
        let others = self.subtrahends();
        let asking: usize = others.iter().map(|other| work_of_one(other)).sum();
        let total: usize = others.iter().map(|other| other.len()).sum();
        if asking <= 4 || first.len().saturating_mul(asking - 1) <= total.saturating_mul(2) {
            first.for_each(|member| {
                if !others.iter().any(|other| other.contains_str(member)) {
                    see(member);
                }
            });
            return;
        }
        let mut gone = MemberSet::new(self.store);
        for other in others {
            other.for_each(|member| {
                if first.contains_str(member) {
                    gone.insert(member.as_bytes(&mut itoa::Buffer::new()));
                }
            });
        }
        first.for_each(|member| {
            if !gone.contains(member.as_bytes(&mut itoa::Buffer::new())) {
                see(member);
            }
        });
    }
}

fn note(noted: &mut MemberSet, set: &Set) {
    set.for_each(|member| {
        noted.insert(member.as_bytes(&mut itoa::Buffer::new()));
    });
}

/// What it costs to ask a set for one member; 1 of a hash table.
fn work_of_one(set: &Set) -> usize {
    match set {
        Set::Ints(_) | Set::Table(_) => 1,
        Set::Pack(pack) => 1 + pack.len() / 16,
    }
}

/// What it costs to ask all sets before for each member of those after.
fn work_of_asking(before: &[&Set], after: &[&Set]) -> usize {
    let mut one: usize = before.iter().map(|set| work_of_one(set)).sum();
    let mut work = 0usize;
    for set in after {
        work = work.saturating_add(one.saturating_mul(set.len()));
        one += work_of_one(set);
    }
    work
}

/// What it costs to note all members in a table.
fn work_of_noting(before: &[&Set], after: &[&Set]) -> usize {
    before.iter().chain(after).map(|set| set.len()).sum::<usize>() * 4
}
