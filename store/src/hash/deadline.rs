//! Deadlines of fields.

use super::fields::{moment, read};
use super::value::Hash;
use super::write::{FieldExpiry, Writer, finish, new_hash};
use crate::effects::EventClass;
use crate::error::Error;
use crate::keyspace::ExpireCondition;
use crate::open::Open;
use crate::raw::entry::Str;
use crate::stats::count_many;
use crate::store::Key;
use crate::txn::Txn;

/// What [`expire_at_ms`] did to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldOutcome {
    /// There is no such field.
    Missing,
    /// The condition did not hold.
    Unchanged,
    /// The deadline is set.
    Set,
    /// The deadline has passed, so the field was deleted.
    Deleted,
}

/// What [`persist`] did to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersistOutcome {
    /// There is no such field.
    Missing,
    /// It has no deadline.
    Permanent,
    /// It has none any more.
    Persisted,
}

/// What [`get_and_expire`] does about deadlines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GetFieldExpiry {
    /// Nothing.
    #[default]
    Keep,
    /// Takes them away.
    Persist,
    /// Sets them, in ms since the Unix epoch.
    At(i64),
}

/// On which condition about the key [`set_with_options`] does anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyCondition {
    /// None.
    #[default]
    Always,
    /// It does not exist.
    Nx,
    /// It exists.
    Xx,
}

/// On which condition about the fields [`set_with_options`] does anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamesCondition {
    /// None.
    #[default]
    Always,
    /// None of them exists.
    AllNew,
    /// All of them exist.
    AllOld,
}

/// How [`set_with_options`] sets fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetFieldsOptions {
    /// On which condition about the key.
    pub key: KeyCondition,
    /// On which condition about the fields.
    pub names: NamesCondition,
    /// What becomes of the deadlines.
    pub expiry: FieldExpiry,
}

/// Sets the deadline of fields to `at_ms`, ms since the Unix epoch, and shows what that did to each. A field whose
/// deadline has passed thereby is deleted, and the key with its last field. Errs with `WrongType`.
pub fn expire_at_ms<'n>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    names: impl Iterator<Item = &'n [u8]>,
    at_ms: i64,
    condition: ExpireCondition,
    visit: &mut dyn FnMut(FieldOutcome),
) -> Result<(), Error> {
    let (store, now_ms) = (txn.store(), moment(txn));
    let Some(mut open) = txn.open::<Hash>(db, &key)? else {
        names.for_each(|_| visit(FieldOutcome::Missing));
        return Ok(());
    };
    let (mut set, mut deleted) = (0, 0);
    for name in names {
        open.keep_field(name);
        let hash = open.value();
        let outcome = match hash.get(name, now_ms).map(|found| found.deadline_ms) {
            None => FieldOutcome::Missing,
            Some(current) if refuses(condition, current, at_ms) => FieldOutcome::Unchanged,
            Some(_) if at_ms <= now_ms => {
                hash.remove(name, now_ms);
                FieldOutcome::Deleted
            }
            Some(_) => {
                hash.table(store, 0).set_deadline(name, Some(at_ms));
                FieldOutcome::Set
            }
        };
        set += usize::from(outcome == FieldOutcome::Set);
        deleted += usize::from(outcome == FieldOutcome::Deleted);
        visit(outcome);
    }
    if set + deleted > 0 {
        let event = if deleted > 0 { "hexpired" } else { "hexpire" };
        end(open, set + deleted, deleted, event);
    }
    Ok(())
}

/// Takes the deadlines of fields away and shows what that did to each. Errs with `WrongType`.
pub fn persist<'n>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    names: impl Iterator<Item = &'n [u8]>,
    visit: &mut dyn FnMut(PersistOutcome),
) -> Result<(), Error> {
    let now_ms = moment(txn);
    let Some(mut open) = txn.open::<Hash>(db, &key)? else {
        names.for_each(|_| visit(PersistOutcome::Missing));
        return Ok(());
    };
    let mut persisted = 0;
    for name in names {
        open.keep_field(name);
        let hash = open.value();
        visit(match hash.get(name, now_ms).map(|found| found.deadline_ms) {
            None => PersistOutcome::Missing,
            Some(None) => PersistOutcome::Permanent,
            Some(Some(_)) => {
                clear_deadline(hash, name);
                persisted += 1;
                PersistOutcome::Persisted
            }
        });
    }
    if persisted > 0 {
        end(open, persisted, 0, "hpersist");
    }
    Ok(())
}

/// Shows the value of each field, nothing where there is none, and changes the deadlines of those that exist. Those
/// whose deadline has passed thereby are deleted, and the key with its last field. Counts a hit or miss; errs with
/// `WrongType`.
pub fn get_and_expire<'n>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    names: impl Iterator<Item = &'n [u8]>,
    expiry: GetFieldExpiry,
    visit: &mut dyn FnMut(Option<Str<'_>>),
) -> Result<(), Error> {
    let (store, now_ms) = (txn.store(), moment(txn));
    let Some(fields) = read(txn, db, key)? else {
        names.for_each(|_| visit(None));
        return Ok(());
    };
    if expiry == GetFieldExpiry::Keep {
        let mut seeker = fields.seeker();
        names.for_each(|name| visit(seeker.get(name)));
        return Ok(());
    }
    let Some(mut open) = txn.open::<Hash>(db, &key)? else { return Ok(()) };
    let (mut changes, mut deleted) = (0, 0);
    for name in names {
        open.keep_field(name);
        let hash = open.value();
        let found = hash.get(name, now_ms);
        visit(found.map(|found| found.value));
        let Some(current) = found.map(|found| found.deadline_ms) else { continue };
        match expiry {
            GetFieldExpiry::At(at_ms) if at_ms <= now_ms => deleted += usize::from(hash.remove(name, now_ms)),
            GetFieldExpiry::At(at_ms) => {
                hash.table(store, 0).set_deadline(name, Some(at_ms));
                changes += 1;
            }
            GetFieldExpiry::Persist if current.is_some() => {
                clear_deadline(hash, name);
                changes += 1;
            }
            GetFieldExpiry::Persist | GetFieldExpiry::Keep => {}
        }
    }
    if changes + deleted > 0 {
        let event = match expiry {
            GetFieldExpiry::At(_) if deleted > 0 => "hexpired",
            GetFieldExpiry::At(_) => "hexpire",
            GetFieldExpiry::Persist | GetFieldExpiry::Keep => "hpersist",
        };
        end(open, changes + deleted, deleted, event);
    }
    Ok(())
}

/// Sets fields, given as names with values, on conditions and with deadlines; deletes them if the deadline has passed.
/// Whether the conditions held. Errs with `WrongType`.
pub fn set_with_options<'p>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    pairs: impl ExactSizeIterator<Item = (&'p [u8], &'p [u8])> + Clone,
    options: SetFieldsOptions,
) -> Result<bool, Error> {
    let (store, now_ms) = (txn.store(), moment(txn));
    let holds = match (txn.open::<Hash>(db, &key)?, options.key) {
        (Some(_), KeyCondition::Nx) | (None, KeyCondition::Xx) => false,
        (None, _) => options.names != NamesCondition::AllOld,
        (Some(mut open), _) => {
            let hash = open.value();
            match options.names {
                NamesCondition::Always => true,
                NamesCondition::AllNew => pairs.clone().all(|(name, _)| hash.get(name, now_ms).is_none()),
                NamesCondition::AllOld => pairs.clone().all(|(name, _)| hash.get(name, now_ms).is_some()),
            }
        }
    };
    if !holds {
        return Ok(false);
    }
    let fields = pairs.len();
    let mut open = txn.open_or_create_fresh(db, &key, || new_hash(store, pairs.clone()))?;
    if open.by_parts() {
        pairs.clone().for_each(|(name, _)| open.keep_field(name));
    }
    if let FieldExpiry::At(at_ms) = options.expiry
        && at_ms <= now_ms
    {
        delete_set(open, pairs.map(|(name, _)| name), fields);
        return Ok(true);
    }
    let mut writer = Writer::new(open.value(), store, now_ms);
    for (name, value) in pairs {
        writer.put(name, Str::Bytes(value), options.expiry);
    }
    let expired = writer.expired;
    finish(&mut open, fields, expired, "hset");
    if matches!(options.expiry, FieldExpiry::At(_)) {
        open.event(EventClass::Hash, "hexpire");
    }
    Ok(true)
}

/// Deletes fields that were to be set with a deadline that has passed. As in Valkey all of them count as expired, and
/// the events are those of setting them.
fn delete_set<'n>(mut open: Open<'_, Hash>, names: impl Iterator<Item = &'n [u8]>, fields: usize) {
    let hash = open.value();
    let deleted = names.filter(|name| hash.remove(name, i64::MIN)).count();
    count_many(&open.parts().1.counters.expired_fields, fields);
    open.update_fields();
    if deleted > 0 {
        open.changed(EventClass::Hash, "hset");
        open.parts().1.effects.dirty += deleted as u64 - 1;
    } else {
        open.event(EventClass::Hash, "hset");
    }
    open.event(EventClass::Hash, "hexpire");
    open.event(EventClass::Hash, "hexpired");
    open.close(Hash::is_empty);
}

fn refuses(condition: ExpireCondition, current: Option<i64>, at_ms: i64) -> bool {
    condition.nx && current.is_some()
        || condition.xx && current.is_none()
        || condition.gt && current.is_none_or(|current| at_ms <= current)
        || condition.lt && current.is_some_and(|current| at_ms >= current)
}

fn clear_deadline(hash: &mut Hash, name: &[u8]) {
    if let Hash::Table(fields) = hash {
        fields.set_deadline(name, None);
    }
}

/// Ends a change of deadlines: `deleted` of the `changes` were that of a field that expired at once.
fn end(mut open: Open<'_, Hash>, changes: usize, deleted: usize, event: &'static str) {
    count_many(&open.parts().1.counters.expired_fields, deleted);
    finish(&mut open, changes, 0, event);
    open.close(Hash::is_empty);
}
