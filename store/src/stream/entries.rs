//! Streams under keys: their entries.

use super::undo::StreamChange;
use super::{AppendError, Deletion, NewId, NodeLimits, References, SetId, SetIdError, Stream, StreamId, Trim};
use crate::effects::EventClass;
use crate::error::Error;
use crate::open::Open;
use crate::raw::block::PackedBox;
use crate::settings::Settings;
use crate::store::Key;
use crate::txn::Txn;
use std::sync::atomic::Ordering::Relaxed;

/// An entry to be added.
#[derive(Clone, Copy, Debug)]
pub struct Add {
    /// Its ID.
    pub id: NewId,
    /// Whether a stream is created if there is none.
    pub create: bool,
    /// How the stream is trimmed afterwards, if at all.
    pub trim: Option<Trim>,
}

/// Why an entry was not added. Nothing is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] Error),
    /// The stream does not take it.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Why a last ID was not set. Nothing is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeIdError {
    /// The key cannot be used, or does not exist.
    #[error(transparent)]
    Key(#[from] Error),
    /// The stream does not take it.
    #[error(transparent)]
    Refused(#[from] SetIdError),
}

/// The stream at `key` for reading, if there is one. Counts a hit or miss; errs with `WrongType`.
#[inline]
pub fn get<'t>(txn: &'t mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<&'t Stream>, Error> {
    Ok(txn.value::<PackedBox<Stream>>(db, &key)?.map(|stream| &**stream))
}

/// The stream at a key that this unit has looked at before: nothing is counted or touched. Errs with `WrongType`.
pub fn look<'t>(txn: &'t Txn<'_>, db: usize, key: &Key<'_>) -> Result<Option<&'t Stream>, Error> {
    Ok(txn.view::<PackedBox<Stream>>(db, key)?.map(|stream| &**stream))
}

/// Whether there is a stream at `key`, which is to be changed: counts nothing. Errs with `WrongType`.
pub fn exists(txn: &mut Txn<'_>, db: usize, key: Key<'_>) -> Result<bool, Error> {
    Ok(txn.open::<PackedBox<Stream>>(db, &key)?.is_some())
}

/// Adds an entry and returns its ID; `None` if there is no stream and none shall be created.
pub fn add<'f, I>(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    entry: &Add,
    fields: I,
) -> Result<Option<StreamId>, AddError>
where
    I: IntoIterator<Item = (&'f [u8], &'f [u8])>,
    I::IntoIter: Clone,
{
    let (now_ms, limits) = (txn.now_ms().unsigned_abs(), node_limits(txn.settings()));
    let mut created = false;
    let mut open: Open<'_, PackedBox<Stream>> = if entry.create {
        txn.open_or_create(db, &key, || {
            created = true;
            PackedBox::default()
        })?
    } else {
        match txn.open(db, &key)? {
            Some(open) => open,
            None => return Ok(None),
        }
    };
    let stream = open.value();
    let facts = *stream.facts();
    let added = stream.next_id(entry.id, now_ms).and_then(|id| stream.append(id, fields, &limits).map(|()| id));
    let id = match added {
        Ok(id) => {
            open.keep_change(|_| Some(StreamChange::Appended(facts)))?;
            id
        }
        Err(error) => {
            if created {
                open.discard();
            }
            return Err(error.into());
        }
    };
    open.changed(EventClass::Stream, "xadd");
    if let Some(trim) = &entry.trim {
        let trimmed = trim_open(&mut open, trim)?;
        let (_, around) = open.parts();
        if trimmed > 0 {
            around.event(key.bytes(), EventClass::Stream, "xtrim");
        }
    }
    Ok(Some(id))
}

/// Deletes entries and returns how many there were. The stream stays, even without any. What consumers hold stays.
pub fn delete(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    ids: impl IntoIterator<Item = StreamId>,
) -> Result<u64, Error> {
    let Some(mut open) = txn.open::<PackedBox<Stream>>(db, &key)? else { return Ok(0) };
    let deleted = if open.by_parts() {
        let ids: Vec<StreamId> = ids.into_iter().collect();
        open.keep_entries(&ids)?;
        let stream = open.value();
        ids.into_iter().map(|id| u64::from(stream.delete(id))).sum()
    } else {
        let stream = open.value();
        ids.into_iter().map(|id| u64::from(stream.delete(id))).sum()
    };
    record(&mut open, deleted, "xdel");
    Ok(deleted)
}

/// Deletes entries with regard to what groups hold of them, and passes what became of each to `each`.
pub fn delete_with(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    ids: &[StreamId],
    references: References,
    mut each: impl FnMut(Deletion),
) -> Result<(), Error> {
    let Some(mut open) = txn.open::<PackedBox<Stream>>(db, &key)? else {
        ids.iter().for_each(|_| each(Deletion::Missing));
        return Ok(());
    };
    if references == References::Keep {
        open.keep_entries(ids)?;
    } else {
        open.keep_change(|_| None)?;
    }
    let stream = open.value();
    let before = stream.len();
    ids.iter().for_each(|&id| each(stream.delete_with(id, references)));
    let deleted = before - stream.len();
    record(&mut open, deleted, "xdel");
    Ok(())
}

/// Acknowledges entries in a group and deletes them with regard to what other groups hold of them. Passes what became of
/// each to `each`, as [`Stream::ack_and_delete`] tells it.
pub fn ack_and_delete(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    group: &[u8],
    ids: &[StreamId],
    references: References,
    mut each: impl FnMut(Deletion),
) -> Result<(), Error> {
    let Some(mut open) = txn.open::<PackedBox<Stream>>(db, &key)? else {
        ids.iter().for_each(|_| each(Deletion::Missing));
        return Ok(());
    };
    if references == References::Keep {
        open.keep_group(group, None, |_, _| ids.to_vec())?;
        open.keep_entries(ids)?;
    } else {
        open.keep_change(|_| None)?;
    }
    let (stream, around) = open.parts();
    let before = stream.len();
    let mut acknowledged = 0;
    for &id in ids {
        let deletion = stream.ack_and_delete(group, id, references);
        acknowledged += u64::from(deletion != Deletion::Missing);
        each(deletion);
    }
    // What was deleted was acknowledged too, and is one change.
    around.effects.dirty += acknowledged;
    let has_deleted = stream.len() < before;
    if has_deleted {
        around.effects.touched(db, key.bytes());
        around.event(key.bytes(), EventClass::Stream, "xdel");
    }
    Ok(())
}

/// Trims the stream and returns how many entries went.
pub fn trim(txn: &mut Txn<'_>, db: usize, key: Key<'_>, trim: &Trim) -> Result<u64, Error> {
    let Some(mut open) = txn.open::<PackedBox<Stream>>(db, &key)? else { return Ok(0) };
    let deleted = trim_open(&mut open, trim)?;
    record(&mut open, deleted, "xtrim");
    Ok(deleted)
}

/// Sets the last ID. Errs with `NoSuchKey` among others.
pub fn set_id(txn: &mut Txn<'_>, db: usize, key: Key<'_>, set: &SetId) -> Result<(), ChangeIdError> {
    let mut open = txn.open::<PackedBox<Stream>>(db, &key)?.ok_or(Error::NoSuchKey)?;
    let facts = *open.value().facts();
    open.value().set_id(set)?;
    open.keep_change(|_| Some(StreamChange::Facts(facts))).map_err(ChangeIdError::from)?;
    let (_, around) = open.parts();
    around.effects.dirty += 1;
    around.event(key.bytes(), EventClass::Stream, "xsetid");
    Ok(())
}

fn trim_open(open: &mut Open<'_, PackedBox<Stream>>, trim: &Trim) -> Result<u64, Error> {
    if open.by_parts() && trim.references == References::Keep {
        let (deleted, change) = open.value().trim_to_take_back(trim);
        open.keep_change(|_| Some(change))?;
        return Ok(deleted);
    }
    open.keep_change(|_| None)?;
    Ok(open.value().trim(trim))
}

/// Records that this many entries were deleted, if any.
fn record(open: &mut Open<'_, PackedBox<Stream>>, deleted: u64, event: &'static str) {
    if deleted > 0 {
        open.changed(EventClass::Stream, event);
        open.parts().1.effects.dirty += deleted - 1;
    }
}

fn node_limits(settings: &Settings) -> NodeLimits {
    NodeLimits {
        bytes_max: settings.stream_node_max_bytes.load(Relaxed),
        entries_max: settings.stream_node_max_entries.load(Relaxed),
    }
}
