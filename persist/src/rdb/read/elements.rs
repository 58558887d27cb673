//! Values written element by element.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::rdb::error::RdbError;
use crate::rdb::input::Input;
use ochre_store::hash::{Hash, HashLoader};
use ochre_store::quicklist::{End, List, Quicklist};
use ochre_store::set::{Set, SetLoader};
use ochre_store::sorted_set::{SortedSet, SortedSetLoader};
use ochre_store::{Store, Str};
use std::io::BufRead;

const FIELD_TWICE: &str = "a field is there twice";
/// Stands for a field without deadline.
const NO_DEADLINE: i64 = -1;

pub(super) fn list<R: BufRead>(input: &mut Input<R>, store: &Store) -> Result<List, RdbError> {
    let limits = store.settings().list_limits();
    let mut list = List::from(Quicklist::new(&limits));
    for _ in 0..input.length()? {
        list.push(End::Tail, Str::Bytes(&input.string()?));
    }
    list.fit(&limits);
    Ok(list)
}

pub(super) fn set<R: BufRead>(input: &mut Input<R>, store: &Store) -> Result<Set, RdbError> {
    let len = input.length()?;
    let mut set = SetLoader::new(store, len, input.expected(len));
    for _ in 0..len {
        if !set.push(&input.string()?) {
            return Err(input.malformed("a member is there twice"));
        }
    }
    Ok(set.finish())
}

/// With scores in decimal, or in binary.
pub(super) fn sorted_set<R: BufRead>(
    input: &mut Input<R>,
    store: &Store,
    decimal: bool,
) -> Result<SortedSet, RdbError> {
    let len = input.length()?;
    let mut set = SortedSetLoader::new(store, input.expected(len));
    for _ in 0..len {
        let member = input.string()?;
        let score = if decimal { input.decimal()? } else { input.binary()? };
        if score.is_nan() {
            return Err(input.malformed("a score is no number"));
        }
        if !set.push(&member, score) {
            return Err(input.malformed("a member is there twice"));
        }
    }
    Ok(set.finish())
}

pub(super) fn hash<R: BufRead>(input: &mut Input<R>, store: &Store) -> Result<Hash, RdbError> {
    let len = input.length()?;
    let mut hash = HashLoader::new(store, len, input.expected(len));
    for _ in 0..len {
        let name = input.string()?;
        if !hash.push(&name, Str::Bytes(&input.string()?), None) {
            return Err(input.malformed(FIELD_TWICE));
        }
    }
    Ok(hash.finish())
}

/// Valkey 9: each field is followed by its deadline.
pub(super) fn hash_deadlines<R: BufRead>(input: &mut Input<R>, store: &Store) -> Result<Hash, RdbError> {
    let len = input.length()?;
    let mut hash = HashLoader::new(store, len, input.expected(len));
    for _ in 0..len {
        let name = input.string()?;
        let value = input.string()?;
        let deadline_ms = match input.i64()? {
            NO_DEADLINE => None,
            deadline_ms if deadline_ms < 0 => return Err(input.malformed("a field's deadline is negative")),
            deadline_ms => Some(deadline_ms),
        };
        if !hash.push(&name, Str::Bytes(&value), deadline_ms) {
            return Err(input.malformed(FIELD_TWICE));
        }
    }
    Ok(hash.finish())
}

/// Redis 7.4: the earliest deadline first, then before each field how much later than that it expires, and one more;
/// 0 if it does not.
pub(super) fn hash_metadata<R: BufRead>(input: &mut Input<R>, store: &Store) -> Result<Hash, RdbError> {
    let earliest_ms = input.i64()?;
    let len = input.length()?;
    let mut hash = HashLoader::new(store, len, input.expected(len));
    for _ in 0..len {
        let deadline_ms = match input.length()? {
            0 => None,
            more => Some(
                i64::try_from(more)
                    .ok()
                    .and_then(|more| earliest_ms.checked_add(more)?.checked_sub(1))
                    .filter(|deadline_ms| *deadline_ms >= 0)
                    .ok_or_else(|| input.malformed("a field's deadline is out of range"))?,
            ),
        };
        let name = input.string()?;
        if !hash.push(&name, Str::Bytes(&input.string()?), deadline_ms) {
            return Err(input.malformed(FIELD_TWICE));
        }
    }
    Ok(hash.finish())
}
