//! Intersections, unions and differences put under a key.

use super::algebra::{Sources, sources};
use super::limits::Limits;
use super::value::Set;
use crate::effects::EventClass;
use crate::error::Error;
use crate::intset::Intset;
use crate::keyspace;
use crate::listpack::Listpack;
use crate::store::{Key, Store};
use crate::txn::Txn;

/// Puts the members that the sets of all `keys` have under `to`, in place of what is there, and returns how many they
/// are: of none, there is no such key afterwards. Errs with `WrongType` if one of `keys` is of another type.
pub fn store_intersection(txn: &mut Txn<'_>, db: usize, to: Key<'_>, keys: &[Key<'_>]) -> Result<usize, Error> {
    store(txn, db, to, keys, "sinterstore", intersection)
}

/// As [`store_intersection`], of the members that the set of any key has.
pub fn store_union(txn: &mut Txn<'_>, db: usize, to: Key<'_>, keys: &[Key<'_>]) -> Result<usize, Error> {
    store(txn, db, to, keys, "sunionstore", union)
}

/// As [`store_intersection`], of the members that the set of the first key has and no other.
pub fn store_difference(txn: &mut Txn<'_>, db: usize, to: Key<'_>, keys: &[Key<'_>]) -> Result<usize, Error> {
    store(txn, db, to, keys, "sdiffstore", difference)
}

fn store(
    txn: &mut Txn<'_>,
    db: usize,
    to: Key<'_>,
    keys: &[Key<'_>],
    event: &'static str,
    combine: fn(&Sources<'_>, &Limits, &Store) -> Set,
) -> Result<usize, Error> {
    let (limits, store) = (txn.settings().set_limits(), txn.store());
    let result = combine(&sources(txn, db, keys)?, &limits, store);
    let len = result.len();
    if len == 0 {
        keyspace::delete(txn, db, to)?;
    } else {
        txn.put(db, &to, result, EventClass::Set, event)?;
    }
    Ok(len)
}

/// The form of the result shows how it came about: it starts as an intset, or as a listpack if the smallest set is no
/// intset and there are listpacks, and is an intset in the end if it can be one.
fn intersection(sources: &Sources<'_>, limits: &Limits, store: &Store) -> Set {
    let starts_as_pack = limits.packs
        && sources.ascending().and_then(|sets| sets.first().copied()).is_some_and(|set| !matches!(set, Set::Ints(_)));
    let mut result = if starts_as_pack { Set::Pack(Listpack::new()) } else { Set::Ints(Intset::new()) };
    sources.intersection(|member| {
        result.insert_str(member, limits, store);
        true
    });
    if starts_as_pack {
        result.become_ints(limits);
    }
    result
}

fn union(sources: &Sources<'_>, limits: &Limits, store: &Store) -> Set {
    let mut result = Set::Ints(Intset::new());
    for set in sources.sets().iter().flatten() {
        set.for_each(|member| {
            result.insert_str(member, limits, store);
        });
    }
    result
}

/// The form of the result shows whether what is left was collected, or what goes removed from all: the latter where
/// that is less work, as real servers reckon.
fn difference(sources: &Sources<'_>, limits: &Limits, store: &Store) -> Set {
    let mut result = Set::Ints(Intset::new());
    let Some(first) = sources.minuend() else { return result };
    let others = sources.subtrahends();
    let collecting = first.len() * (1 + others.len()) / 2;
    let removing = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    if collecting <= removing {
        sources.difference(|member| {
            result.insert_str(member, limits, store);
        });
        return result;
    }
    first.for_each(|member| {
        result.insert_str(member, limits, store);
    });
    for other in others {
        other.for_each(|member| {
            result.remove_str(member);
        });
        if result.is_empty() {
            break;
        }
    }
    result
}
