//! Reading hashes.

use super::value::{Hash, find_pair, is_over};
use crate::error::Error;
use crate::listpack::Position;
use crate::raw::entry::Str;
use crate::store::Key;
use crate::txn::{Expired, Txn};

/// The fields of a hash that are there at the time of a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    pub(super) hash: &'a Hash,
    /// Deadlines before this have passed.
    pub(super) now_ms: i64,
}

/// Looks fields up one after the other: quickly where they come in the order in which the hash has them.
#[derive(Clone, Debug)]
pub struct Seeker<'a> {
    fields: Fields<'a>,
    next: Option<Position>,
}

/// The time before which deadlines have passed for this transaction: none where expired things are shown.
#[inline]
pub(crate) fn moment(txn: &Txn<'_>) -> i64 {
    match txn.access().expired {
        Expired::Show => i64::MIN,
        Expired::Remove | Expired::Hide => txn.now_ms(),
    }
}

/// The hash at a key; counts a hit or miss. Errs with `WrongType`.
#[inline]
pub fn read<'a>(txn: &'a mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<Fields<'a>>, Error> {
    let now_ms = moment(txn);
    Ok(txn.value::<Hash>(db, &key)?.map(|hash| Fields { hash, now_ms }))
}

/// The hash at a key that this unit has looked at before: nothing is counted or touched. Errs with `WrongType`.
pub fn look<'a>(txn: &'a Txn<'_>, db: usize, key: &Key<'_>) -> Result<Option<Fields<'a>>, Error> {
    let now_ms = moment(txn);
    Ok(txn.view::<Hash>(db, key)?.map(|hash| Fields { hash, now_ms }))
}

/// Visits names and values of the hash at a key from `cursor` on, about `count` of them, and returns the next cursor; 0
/// starts, and 0 is returned at the end. A listpack is visited whole. `None` if there is no such key. Errs with
/// `WrongType`.
pub fn scan(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    cursor: u64,
    count: usize,
    visit: &mut dyn FnMut(Str<'_>, Str<'_>),
) -> Result<Option<u64>, Error> {
    let Some(fields) = read(txn, db, key)? else { return Ok(None) };
    let Hash::Table(table) = fields.hash else {
        fields.for_each(visit);
        return Ok(Some(0));
    };
    let (mut cursor, mut visited) = (cursor, 0);
    // As in Redis: in a table with few fields left not too many empty places are looked at.
    for _ in 0..count.saturating_mul(10) {
        cursor = table.scan(cursor, &mut |field| {
            visited += 1;
            if !is_over(field.deadline_ms, fields.now_ms) {
                visit(Str::Bytes(field.name), Str::Bytes(field.value));
            }
        });
        if cursor == 0 || visited >= count {
            break;
        }
    }
    Ok(Some(cursor))
}

impl<'a> Fields<'a> {
    /// The number of fields, also of those whose deadline has passed but that have not been removed yet.
    #[inline]
    pub fn len(self) -> usize {
        self.hash.len()
    }

    /// Whether there is no field, not even one whose deadline has passed.
    pub fn is_empty(self) -> bool {
        self.hash.is_empty()
    }

    /// Whether [`len`](Fields::len) may count fields that are not shown.
    #[inline]
    pub fn may_hide(self) -> bool {
        self.hash.volatile_len() > 0
    }

    /// The value of the field `name`.
    #[inline]
    pub fn get(self, name: &[u8]) -> Option<Str<'a>> {
        self.hash.get(name, self.now_ms).map(|found| found.value)
    }

    /// The deadline of the field `name`, ms since the Unix epoch: `None` if there is no such field, `Some(None)` if it
    /// has none.
    pub fn deadline_ms(self, name: &[u8]) -> Option<Option<i64>> {
        self.hash.get(name, self.now_ms).map(|found| found.deadline_ms)
    }

    /// For looking up several fields.
    pub fn seeker(self) -> Seeker<'a> {
        Seeker { fields: self, next: None }
    }

    /// Visits names and values: of a listpack in its order, else in no order.
    #[inline]
    pub fn for_each(self, mut visit: impl FnMut(Str<'a>, Str<'a>)) {
        match self.hash {
            Hash::Pack(pack) => {
                let mut values = pack.view().iter();
                while let (Some(name), Some(value)) = (values.next(), values.next()) {
                    visit(name, value);
                }
            }
            Hash::Table(fields) => {
                for field in fields.iter() {
                    if !is_over(field.deadline_ms, self.now_ms) {
                        visit(Str::Bytes(field.name), Str::Bytes(field.value));
                    }
                }
            }
        }
    }
}

impl<'a> Seeker<'a> {
    /// The value of the field `name`.
    #[inline]
    pub fn get(&mut self, name: &[u8]) -> Option<Str<'a>> {
        let Hash::Pack(pack) = self.fields.hash else { return self.fields.get(name) };
        let (_, value) = find_pair(pack.view(), name, self.next)?;
        self.next = pack.view().next(value);
        Some(pack.view().get(value))
    }
}
