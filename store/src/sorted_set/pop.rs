//! Taking the lowest or highest members out.

use super::remove::{record, settle};
use super::value::SortedSet;
use crate::error::Error;
use crate::raw::entry::Str;
use crate::store::Key;
use crate::txn::Txn;

/// Where members are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The lowest scores first.
    Lowest,
    /// The highest scores first.
    Highest,
}

/// What [`pop`] tells: first how many, then each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Popped<'a> {
    /// So many members will follow.
    Count(usize),
    /// A member and its score.
    Member(Str<'a>, f64),
}

/// Takes up to `count` members out and lets `visit` see them. False, and nothing is seen, if there is no such key.
///
/// # Errors
/// [`Error::WrongType`] if the key holds something else.
pub fn pop(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    end: End,
    count: usize,
    visit: &mut dyn FnMut(Popped<'_>),
) -> Result<bool, Error> {
    let Some(mut open) = txn.open::<SortedSet>(db, &key)? else { return Ok(false) };
    let event = match end {
        End::Lowest => "zpopmin",
        End::Highest => "zpopmax",
    };
    let value = open.value();
    let len = value.len();
    let count = count.min(len);
    visit(Popped::Count(count));
    if count == 0 {
        return Ok(true);
    }
    let ranks = match end {
        End::Lowest => 0..count,
        End::Highest => len - count..len,
    };
    if count < len {
        open.keep_ranks(ranks.clone())?;
    }
    let value = open.value();
    if let (1, SortedSet::Order(members), true) = (count, &mut *value, len > 1) {
        let scored = match end {
            End::Lowest => members.pop_min(),
            End::Highest => members.pop_max(),
        };
        if let Some(scored) = scored {
            visit(Popped::Member(Str::Bytes(scored.member()), scored.score()));
        }
        settle(open, count, event);
        return Ok(true);
    }
    for (member, score) in value.members(ranks.clone(), end == End::Highest) {
        visit(Popped::Member(member, score));
    }
    if count == len {
        // All of it goes with the key.
        record(&mut open, count, event);
        open.close(|_| true);
    } else {
        value.remove_ranks(ranks);
        settle(open, count, event);
    }
    Ok(true)
}
