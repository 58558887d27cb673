//! Values of one type, looked up for reading or opened for changes.

use crate::effects::EventClass;
use crate::error::Error;
use crate::hash::Hash;
use crate::random::Random;
use crate::raw::entry::{Contents, Entry};
use crate::raw::keys::{EntryMut, Found};
use crate::raw::slot::InEntry;
use crate::store::Key;
use crate::txn::{Around, Expired, Txn};
use std::marker::PhantomData;

/// A value opened for changes, with its key.
///
/// No key holds an empty value: who may have taken the last element out ends with [`close`](Open::close).
pub(crate) struct Open<'a, T> {
    entry: EntryMut<'a>,
    around: Around<'a>,
    kind: PhantomData<T>,
}

impl<'a, T: InEntry> Open<'a, T> {
    fn new(mut entry: EntryMut<'a>, around: Around<'a>) -> Result<Open<'a, T>, Error> {
        // Looked at here once, so that no later access can fail.
        entry.get::<T>().ok_or(Error::WrongType)?;
        entry.keep()?;
        Ok(Open { entry, around, kind: PhantomData })
    }

    /// The value.
    #[inline]
    pub(crate) fn value(&mut self) -> &mut T {
        self.entry.get_mut().expect("the type was checked when it was opened")
    }

    /// The value, and what is around it.
    #[inline]
    pub(crate) fn parts(&mut self) -> (&mut T, &mut Around<'a>) {
        let value = self.entry.get_mut().expect("the type was checked when it was opened");
        (value, &mut self.around)
    }

    /// Records one change with its event. More are added to `dirty` by the caller: see [`Txn::effects`].
    pub(crate) fn changed(&mut self, class: EventClass, event: &'static str) {
        self.around.changed(self.entry.key(), class, event);
    }

    /// Records a change with its event that another key's change has been counted for.
    pub(crate) fn also_changed(&mut self, class: EventClass, event: &'static str) {
        self.around.effects.touched(self.around.db(), self.entry.key());
        self.around.event(self.entry.key(), class, event);
    }

    /// Records an event alone.
    pub(crate) fn event(&mut self, class: EventClass, event: &'static str) {
        self.around.event(self.entry.key(), class, event);
    }

    /// Takes back that the key was created: nothing of it is recorded but the event `new`.
    pub(crate) fn discard(self) {
        let _ = self.entry.remove();
    }

    /// Deletes the key if `is_empty`, with the event `del`. Whether it was.
    pub(crate) fn close(mut self, is_empty: impl FnOnce(&T) -> bool) -> bool {
        let empty = is_empty(self.value());
        if empty {
            let (entry, _) = self.entry.remove();
            self.around.event(entry.key(), EventClass::Generic, "del");
            self.around.effects.touched(self.around.db(), entry.key());
            self.around.core.entry(entry);
        }
        empty
    }
}

impl Open<'_, Hash> {
    /// Notes which field expires first: to be called after deadlines of fields may have changed.
    #[inline]
    pub(crate) fn update_fields(&mut self) {
        self.entry.update_fields();
    }
}

impl<'t> Txn<'t> {
    /// The value of a key for reading: counts a hit or miss. Errs with `WrongType`.
    #[inline]
    pub(crate) fn value<T: InEntry>(&mut self, db: usize, key: &Key<'_>) -> Result<Option<&T>, Error> {
        self.read(db, key)?.map(|entry| entry.into_ref().into_value()).transpose()
    }

    /// As [`value`](Txn::value), with random numbers to choose elements by; `prepare` may tidy the value before.
    pub(crate) fn value_and_random<T: InEntry>(
        &mut self,
        db: usize,
        key: &Key<'_>,
        prepare: impl FnOnce(&mut T),
    ) -> Result<Option<(&T, &mut Random)>, Error> {
        let Some((mut entry, around)) = self.read_with(db, key)? else { return Ok(None) };
        if let Some(value) = entry.get_mut() {
            prepare(value);
        }
        Ok(Some((entry.into_ref().into_value()?, around.random)))
    }

    /// The value of a key, of which nothing is counted, touched or removed: for a second look at keys that this unit has
    /// read before, several at a time. An expired key is seen only where [`Expired::Show`] is in force. Errs with
    /// `WrongType`.
    pub(crate) fn view<T: InEntry>(&self, db: usize, key: &Key<'_>) -> Result<Option<&T>, Error> {
        self.glance(db, key)?.map(|entry| entry.into_value()).transpose()
    }

    /// As [`view`](Txn::view), for a value of any type.
    pub(crate) fn glance(&self, db: usize, key: &Key<'_>) -> Result<Option<crate::raw::keys::EntryRef<'_>>, Error> {
        let shard = self.held(key.shard()).ok_or(Error::NotLocked)?;
        let keys = shard.databases.get(db).ok_or(Error::OutOfRange)?;
        let Some(entry) = keys.get(key.hash(), key.bytes()) else { return Ok(None) };
        let expired = entry.deadline().is_some_and(|deadline| self.now_ms() > deadline);
        Ok((!expired || self.access().expired == Expired::Show).then_some(entry))
    }

    /// Opens the value of a key. `None` if it does not exist; errs with `WrongType`.
    #[inline]
    pub(crate) fn open<T: InEntry>(&mut self, db: usize, key: &Key<'_>) -> Result<Option<Open<'_, T>>, Error> {
        let Some((entry, around)) = self.write_existing(db, key)? else { return Ok(None) };
        Open::new(entry, around).map(Some)
    }

    /// Opens a value that this operation has opened before: nothing expires and nothing is touched.
    pub(crate) fn reopen<T: InEntry>(&mut self, db: usize, key: &Key<'_>) -> Result<Option<Open<'_, T>>, Error> {
        let Some((entry, around)) = self.find_existing(db, key)? else { return Ok(None) };
        Open::new(entry, around).map(Some)
    }

    /// As [`open`](Txn::open), for commands that read in the first place: counts a hit or miss.
    pub(crate) fn open_counted<T: InEntry>(&mut self, db: usize, key: &Key<'_>) -> Result<Option<Open<'_, T>>, Error> {
        let Some((entry, around)) = self.read_with(db, key)? else { return Ok(None) };
        Open::new(entry, around).map(Some)
    }

    /// Opens the value of a key, or of a new one with what `make` returns, which is to be filled. Errs with `WrongType`.
    #[inline]
    pub(crate) fn open_or_create<T: InEntry>(
        &mut self,
        db: usize,
        key: &Key<'_>,
        make: impl FnOnce() -> T,
    ) -> Result<Open<'_, T>, Error> {
        let (found, mut around) = self.write(db, key)?;
        let entry = match found {
            Found::Occupied(entry) => entry,
            Found::Vacant(vacant) => {
                let contents = Contents::Value(make().into_value());
                let entry = vacant.insert(Entry::new(key.bytes(), contents, None, around.initial_access()));
                around.created(key.bytes());
                entry
            }
        };
        Open::new(entry, around)
    }

    /// Puts a value, which is not empty, under a key in place of whatever stands there; it has no deadline. Records the
    /// change with its event.
    pub(crate) fn put<T: InEntry>(
        &mut self,
        db: usize,
        key: &Key<'_>,
        value: T,
        class: EventClass,
        event: &'static str,
    ) -> Result<(), Error> {
        let (found, mut around) = self.write(db, key)?;
        let contents = Contents::Value(value.into_value());
        match found {
            Found::Occupied(mut entry) => around.core.replaced(entry.set(contents, None)),
            Found::Vacant(vacant) => {
                vacant.insert(Entry::new(key.bytes(), contents, None, around.initial_access()));
                around.created(key.bytes());
            }
        }
        around.changed(key.bytes(), class, event);
        Ok(())
    }
}
