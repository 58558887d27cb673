//! Looking sets up, adding and removing members.

use super::value::Set;
use crate::effects::EventClass;
use crate::error::Error;
use crate::random::Random;
use crate::raw::entry::Str;
use crate::store::Key;
use crate::txn::Txn;

/// The set of a key. Errs with `WrongType`.
#[inline]
pub fn get<'a>(txn: &'a mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<&'a Set>, Error> {
    txn.value(db, &key)
}

/// The set of a key, with random numbers to choose members by. Errs with `WrongType`. A table that grows or shrinks goes
/// on with that, as choosing from two takes longer.
pub fn get_to_sample<'a>(
    txn: &'a mut Txn<'_>,
    db: usize,
    key: Key<'_>,
) -> Result<Option<(&'a Set, &'a mut Random)>, Error> {
    txn.value_and_random(db, &key, |set| {
        if let Set::Table(members) = set {
            members.rehash(1);
        }
    })
}

/// Adds members to a set, which is made where there is none, and returns how many are new. `count` tells about how
/// many `members` are, at least one. Errs with `WrongType`.
#[inline]
pub fn add<'m>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    count: usize,
    members: impl Iterator<Item = &'m [u8]> + Clone,
) -> Result<usize, Error> {
    let (limits, store) = (txn.settings().set_limits(), txn.store());
    let make = || Set::for_members(members.clone().next().unwrap_or_default(), count, &limits, store);
    let mut open = txn.open_or_create::<Set>(db, &key, make)?;
    if open.by_parts() {
        members.clone().for_each(|member| open.keep_member(member));
    }
    let set = open.value();
    if count > 1 {
        set.expect(count, &limits, store);
    }
    let mut added = 0;
    for member in members {
        added += usize::from(set.insert(member, &limits, store));
    }
    if added > 0 {
        open.changed(EventClass::Set, "sadd");
        open.parts().1.effects.dirty += added as u64 - 1;
    }
    Ok(added)
}

/// Removes members from a set and returns how many there were. Errs with `WrongType`.
pub fn remove<'m>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    members: impl Iterator<Item = &'m [u8]>,
) -> Result<usize, Error> {
    let Some(mut open) = txn.open::<Set>(db, &key)? else { return Ok(0) };
    let mut removed = 0;
    for member in members {
        open.keep_member(member);
        removed += usize::from(open.value().remove(member));
    }
    if removed > 0 {
        open.changed(EventClass::Set, "srem");
        open.parts().1.effects.dirty += removed as u64 - 1;
        open.close(Set::is_empty);
    }
    Ok(removed)
}

/// Takes a member from one set to another, which is made where there is none. Whether it was there. Errs with
/// `WrongType`, of `to` only if there is a `from`.
pub fn move_member(txn: &mut Txn<'_>, db: usize, from: Key<'_>, to: Key<'_>, member: &[u8]) -> Result<bool, Error> {
    let destination = match txn.open::<Set>(db, &to) {
        Err(Error::NotLocked) => return Err(Error::NotLocked),
        looked_up => looked_up.map(|_| ()),
    };
    let Some(mut open) = txn.open::<Set>(db, &from)? else { return Ok(false) };
    destination?;
    if from.bytes() == to.bytes() {
        return Ok(open.value().contains(member));
    }
    open.keep_member(member);
    if !open.value().remove(member) {
        return Ok(false);
    }
    open.changed(EventClass::Set, "srem");
    open.close(Set::is_empty);
    let (limits, store) = (txn.settings().set_limits(), txn.store());
    let mut open = txn.open_or_create::<Set>(db, &to, || Set::for_members(member, 1, &limits, store))?;
    open.keep_member(member);
    if open.value().insert(member, &limits, store) {
        open.changed(EventClass::Set, "sadd");
    }
    Ok(true)
}

/// Shows a part of a set to `see`: see [`Set::scan`]. The next cursor, or `None` where there is no such key. Errs with
/// `WrongType`.
pub fn scan(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    cursor: u64,
    count: usize,
    see: &mut dyn FnMut(Str<'_>),
) -> Result<Option<u64>, Error> {
    Ok(get(txn, db, key)?.map(|set| set.scan(cursor, count, see)))
}
