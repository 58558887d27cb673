//! New sorted sets made from others.

use super::pack;
use super::range::Selection;
use super::value::SortedSet;
use crate::effects::EventClass;
use crate::error::Error;
use crate::keyspace;
use crate::raw::entry::Str;
use crate::settings::PackLimits;
use crate::store::{Key, Store};
use crate::txn::Txn;

/// Makes a sorted set of members that come in order.
pub struct Builder<'s> {
    value: SortedSet,
    store: &'s Store,
    limits: PackLimits,
}

impl std::fmt::Debug for Builder<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Builder").field(&self.value).finish()
    }
}

impl<'s> Builder<'s> {
    /// A set that will be kept by a key of this transaction, of about `expected` members.
    pub fn new(txn: &Txn<'s>, expected: usize) -> Builder<'s> {
        let (store, limits) = (txn.store(), txn.settings().zset_listpack.limits());
        let mut value = SortedSet::new(store, limits, expected, 0);
        if let SortedSet::Order(members) = &mut value {
            members.reserve(expected);
        }
        Builder { value, store, limits }
    }

    /// Adds a member, which comes behind all others.
    pub fn push(&mut self, member: Str<'_>, score: f64) {
        if let SortedSet::Pack(pack) = &mut self.value
            && pack.len() / 2 < self.limits.entries
            && member.len() <= self.limits.value
            && pack.fits(member.len() + 32)
        {
            pack::append(pack, member, score);
        } else {
            self.value.make_order(self.store).set(member.as_bytes(&mut itoa::Buffer::new()), score);
        }
    }

    /// Puts the set under a key in place of what stands there, with `event`; if it is empty, the key is deleted.
    /// Returns the number of members.
    ///
    /// # Errors
    /// Those of locks and databases.
    pub fn put(self, txn: &mut Txn<'_>, db: usize, key: Key<'_>, event: &'static str) -> Result<usize, Error> {
        let len = self.value.len();
        if len == 0 {
            keyspace::delete(txn, db, key)?;
        } else {
            txn.put(db, &key, self.value, EventClass::SortedSet, event)?;
        }
        Ok(len)
    }
}

/// Stores a selection of the members of one set as another. Returns how many there are.
///
/// # Errors
/// [`Error::WrongType`] if the source holds something else.
pub fn store_range(
    txn: &mut Txn<'_>,
    db: usize,
    destination: Key<'_>,
    source: Key<'_>,
    selection: &Selection<'_>,
) -> Result<usize, Error> {
    let ranks = txn.value::<SortedSet>(db, &source)?.map_or(0..0, |set| set.selected(selection));
    let mut builder = Builder::new(txn, ranks.len());
    if let Some(set) = txn.view::<SortedSet>(db, &source)? {
        set.members(ranks, false).for_each(|(member, score)| builder.push(member, score));
    }
    builder.put(txn, db, destination, "zrangestore")
}

/// The order of numbers, for which both zeros are one.
pub(super) fn compare_scores(a: f64, b: f64) -> std::cmp::Ordering {
    (a + 0.0).total_cmp(&(b + 0.0))
}
