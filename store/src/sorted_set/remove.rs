//! Removing members.

use super::pack;
use super::range::By;
use super::value::SortedSet;
use crate::effects::EventClass;
use crate::error::Error;
use crate::open::Open;
use crate::store::Key;
use crate::txn::Txn;
use std::ops::Range;

/// Removes members. Returns how many there were.
///
/// # Errors
/// [`Error::WrongType`] if the key holds something else.
pub fn remove<'m>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    members: impl Iterator<Item = &'m [u8]>,
) -> Result<usize, Error> {
    let Some(mut open) = txn.open::<SortedSet>(db, &key)? else { return Ok(0) };
    let mut removed = 0;
    for member in members {
        open.keep_score(member);
        let value = open.value();
        removed += usize::from(value.remove(member));
        if value.is_empty() {
            break;
        }
    }
    settle(open, removed, "zrem");
    Ok(removed)
}

/// Removes a range of members and records `event`. Returns how many there were.
///
/// # Errors
/// [`Error::WrongType`] if the key holds something else.
pub fn remove_range(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    by: By<'_>,
    event: &'static str,
) -> Result<usize, Error> {
    let Some(mut open) = txn.open::<SortedSet>(db, &key)? else { return Ok(0) };
    let value = open.value();
    let ranks = value.ranks(by);
    let removed = ranks.len();
    if removed == value.len() {
        // All of it goes with the key.
        if removed > 0 {
            record(&mut open, removed, event);
        }
        open.close(|_| true);
    } else {
        open.keep_ranks(ranks.clone())?;
        open.value().remove_ranks(ranks);
        settle(open, removed, event);
    }
    Ok(removed)
}

/// Records what was removed, and deletes the key if nothing is left.
pub(super) fn settle(mut open: Open<'_, SortedSet>, removed: usize, event: &'static str) {
    if removed > 0 {
        record(&mut open, removed, event);
    }
    open.close(SortedSet::is_empty);
}

pub(super) fn record(open: &mut Open<'_, SortedSet>, removed: usize, event: &'static str) {
    open.changed(EventClass::SortedSet, event);
    open.parts().1.effects.dirty += removed as u64 - 1;
}

impl SortedSet {
    fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            SortedSet::Pack(pack) => match pack::find(pack.view(), member) {
                Some((position, _)) => {
                    pack.delete_from(position, 2);
                    true
                }
                None => false,
            },
            SortedSet::Order(members) => members.remove(member).is_some(),
        }
    }

    /// Removes the members with ranks in `ranks`.
    pub(super) fn remove_ranks(&mut self, ranks: Range<usize>) {
        match self {
            SortedSet::Pack(pack) => pack.delete_range(2 * ranks.start as i64, 2 * ranks.len()),
            SortedSet::Order(members) => {
                members.remove_range(ranks, &mut |_, _| ());
            }
        }
    }
}
