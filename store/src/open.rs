//! Values of one type, looked up for reading or opened for changes.

use crate::effects::EventClass;
use crate::error::Error;
use crate::hash::Hash;
use crate::quicklist::{End, List, Side, index_of};
use crate::random::Random;
use crate::raw::block::PackedBox;
use crate::raw::entry::{Contents, Entry};
use crate::raw::keys::{EntryMut, Found};
use crate::raw::slot::InEntry;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::store::Key;
use crate::stream::{Group, Stream, StreamChange, StreamId};
use crate::txn::{Around, Expired, Txn};
use crate::undo::{MIDDLE_MAX, MovedPart, PARTS_MAX, POPS_MAX, Part};
use crate::value::Value;
use std::marker::PhantomData;
use std::ops::Range;

/// Most bytes of nodes of a stream that are copied for one operation.
const NODE_BYTES_MAX: usize = 1 << 20;

/// What a new key is to hold.
pub(crate) enum Fresh<T> {
    /// An empty listpack that is to have so many bytes.
    Pack(usize),
    Value(T),
}

/// A value opened for changes, with its key.
///
/// No key holds an empty value: who may have taken the last element out ends with [`close`](Open::close).
///
/// Whoever changes it says so before, by one of the functions that begin with `keep`: a large value that may have to be
/// brought back is recorded by what is told there.
pub(crate) struct Open<'a, T> {
    entry: EntryMut<'a>,
    around: Around<'a>,
    kind: PhantomData<T>,
    /// Elements are recorded one by one before they change: see the `keep_` functions.
    by_parts: bool,
}

impl<'a, T: InEntry> Open<'a, T> {
    fn new(mut entry: EntryMut<'a>, around: Around<'a>) -> Result<Open<'a, T>, Error> {
        entry.get::<T>().ok_or(Error::WrongType)?;
        let by_parts = entry.keep_or_parts()?;
        Ok(Open { entry, around, kind: PhantomData, by_parts })
    }

    /// Whether it must be told before an element changes.
    #[inline]
    pub(crate) fn by_parts(&self) -> bool {
        self.by_parts
    }

    /// To be called before more than a few elements are changed by their place: of so many none is recorded.
    fn keep_whole_if(&mut self, many: bool) -> Result<bool, Error> {
        if self.by_parts && many {
            self.entry.keep()?;
            self.by_parts = false;
        }
        Ok(self.by_parts)
    }

    /// Whether so many elements are to be recorded one by one; to be asked before they change.
    pub(crate) fn keeps(&mut self, count: usize) -> Result<bool, Error> {
        self.keep_whole_if(count > PARTS_MAX)
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
        self.entry.settle::<T>();
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

    /// Gives back what a listpack was thought to need and does not.
    pub(crate) fn compact(&mut self) {
        self.entry.compact::<T>();
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
    /// To be called before a field changes.
    #[inline]
    pub(crate) fn keep_field(&mut self, name: &[u8]) {
        if self.by_parts
            && let Some(Hash::Table(fields)) = self.entry.get::<Hash>()
        {
            let old = fields.get(name);
            self.entry.keep_part(Part::Field(name, old.map(|field| (field.value, field.deadline_ms))));
        }
    }

    /// Notes which field expires first: to be called after deadlines of fields may have changed.
    #[inline]
    pub(crate) fn update_fields(&mut self) {
        self.entry.update_fields();
    }
}

impl Open<'_, Set> {
    /// To be called when members were taken out.
    pub(crate) fn keep_taken(&mut self, members: &[Vec<u8>]) {
        members.iter().for_each(|member| self.entry.keep_part(Part::Member(member, true)));
    }

    /// Puts another set in the place of this one, and frees it.
    pub(crate) fn exchange(&mut self, other: Set) {
        let old = std::mem::replace(self.value(), other);
        if self.by_parts {
            self.entry.keep_part(Part::Moved(MovedPart::Set(old)));
        } else {
            self.around.core.value(Value::Set(old));
        }
    }

    /// To be called before a member comes or goes.
    #[inline]
    pub(crate) fn keep_member(&mut self, member: &[u8]) {
        if self.by_parts
            && let Some(set) = self.entry.get::<Set>()
        {
            self.entry.keep_part(Part::Member(member, set.contains(member)));
        }
    }
}

impl Open<'_, SortedSet> {
    /// To be called before a member changes.
    #[inline]
    pub(crate) fn keep_score(&mut self, member: &[u8]) {
        if self.by_parts
            && let Some(set) = self.entry.get::<SortedSet>()
        {
            self.entry.keep_part(Part::Scored(member, set.score(member)));
        }
    }

    /// To be called before the members of these ranks go.
    pub(crate) fn keep_ranks(&mut self, ranks: Range<usize>) -> Result<(), Error> {
        if self.keep_whole_if(ranks.len() > PARTS_MAX)?
            && let Some(set) = self.entry.get::<SortedSet>()
        {
            let mut space = itoa::Buffer::new();
            for (member, score) in set.members(ranks, false) {
                self.entry.keep_part(Part::Scored(member.as_bytes(&mut space), Some(score)));
            }
        }
        Ok(())
    }
}

impl Open<'_, List> {
    /// To be called before so many elements are added at an end, whatever comes.
    #[inline]
    pub(crate) fn keep_pushes(&mut self, end: End, count: usize) {
        if self.by_parts {
            self.entry.keep_part(Part::Pushed(end, count));
        }
    }

    /// To be called before an element is taken off this end, whatever comes.
    #[inline]
    pub(crate) fn keep_pop(&mut self, end: End) {
        if self.by_parts {
            self.record_pops(end, 1);
        }
    }

    /// Takes elements off an end; some must stay.
    pub(crate) fn cut(&mut self, end: End, count: usize) {
        if self.by_parts && count > POPS_MAX {
            if let List::Quick(list) = self.value() {
                let cut = list.cut(end, count);
                self.entry.keep_part(Part::Moved(MovedPart::Cut(end, cut)));
            }
            return;
        }
        if self.by_parts {
            self.record_pops(end, count);
        }
        let list = self.value();
        let start = if end == End::Head { 0 } else { list.len().saturating_sub(count) };
        list.delete_range(start, count);
    }

    /// To be called before an element is inserted beside the one at `index`.
    pub(crate) fn keep_insertion(&mut self, index: usize, side: Side) {
        if self.by_parts {
            self.entry.keep_part(Part::Inserted(index + usize::from(side == Side::After)));
        }
    }

    /// To be called before the element at an index, if there is one, is replaced.
    pub(crate) fn keep_replaced(&mut self, index: i64) {
        if !self.by_parts {
            return;
        }
        let Some(list) = self.entry.get::<List>() else { return };
        let Some(from_start) = index_of(index, list.len()) else { return };
        list.get(index, |old| self.entry.keep_part(Part::Replaced(from_start, old)));
    }

    /// To be called before elements equal to `element`, at most `limit`, are removed, the first ones seen from `from`.
    pub(crate) fn keep_equal(&mut self, element: &[u8], limit: usize, from: End) -> Result<(), Error> {
        if !self.by_parts {
            return Ok(());
        }
        let Some(list) = self.entry.get::<List>() else { return Ok(()) };
        let mut found = list.find_equal(element, limit.min(MIDDLE_MAX + 1), from);
        if self.keep_whole_if(found.len() > MIDDLE_MAX)? && !found.is_empty() {
            found.sort_unstable();
            self.entry.keep_part(Part::Removed(element, found));
        }
        Ok(())
    }

    #[cold]
    fn record_pops(&mut self, end: End, count: usize) {
        let Some(list) = self.entry.get::<List>() else { return };
        let (from, towards) = match end {
            End::Head => (0, End::Tail),
            End::Tail => (list.len().saturating_sub(1), End::Head),
        };
        // The one that goes last comes back first.
        list.cursor(from, towards).visit(count, |element| self.entry.keep_part(Part::Popped(end, element)));
    }
}

impl Open<'_, PackedBox<Stream>> {
    /// To be called before entries are deleted, which leaves groups alone.
    pub(crate) fn keep_entries(&mut self, ids: &[StreamId]) -> Result<(), Error> {
        self.keep_change(|stream| stream.nodes_before(ids, NODE_BYTES_MAX))
    }

    /// To be called before what a group has got, or one of its consumers, or what is known of some entries changes, if there
    /// is such a group.
    pub(crate) fn keep_group(
        &mut self,
        name: &[u8],
        consumer: Option<&[u8]>,
        ids: impl FnOnce(&Stream, &Group) -> Vec<StreamId>,
    ) -> Result<(), Error> {
        if !self.by_parts {
            return Ok(());
        }
        let Some(stream) = self.entry.get::<PackedBox<Stream>>() else { return Ok(()) };
        let Some(group) = stream.group(name) else { return Ok(()) };
        let ids = ids(stream, group);
        self.keep_change(|stream| {
            if ids.len() > PARTS_MAX { None } else { stream.group_before(name, consumer, ids.iter().copied()) }
        })
    }

    /// To be called with what takes a change back that is made under the same locks; `None`: nothing does.
    pub(crate) fn keep_change(&mut self, change: impl FnOnce(&Stream) -> Option<StreamChange>) -> Result<(), Error> {
        if !self.by_parts {
            return Ok(());
        }
        let change = self.entry.get::<PackedBox<Stream>>().and_then(|stream| change(stream));
        if self.keep_whole_if(change.is_none())?
            && let Some(change) = change
        {
            self.entry.keep_part(Part::Stream(change));
        }
        Ok(())
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
        self.open_or_create_fresh(db, key, || Fresh::Value(make()))
    }

    /// As [`open_or_create`](Txn::open_or_create), for values that may be listpacks.
    #[inline]
    pub(crate) fn open_or_create_fresh<T: InEntry>(
        &mut self,
        db: usize,
        key: &Key<'_>,
        make: impl FnOnce() -> Fresh<T>,
    ) -> Result<Open<'_, T>, Error> {
        let (entry, around) = self.find_or_create(db, key, make)?;
        Open::new(entry, around)
    }

    #[inline(always)]
    fn find_or_create<T: InEntry>(
        &mut self,
        db: usize,
        key: &Key<'_>,
        make: impl FnOnce() -> Fresh<T>,
    ) -> Result<(EntryMut<'_>, Around<'_>), Error> {
        let (found, mut around) = self.write(db, key)?;
        let entry = match found {
            Found::Occupied(entry) => entry,
            Found::Vacant(vacant) => {
                let contents = match make() {
                    Fresh::Pack(bytes) => Contents::Pack(T::TYPE, bytes),
                    Fresh::Value(value) => Contents::Value(value.into_value()),
                };
                let entry = vacant.insert(Entry::new(key.bytes(), contents, None, around.initial_access()));
                around.created(key.bytes());
                entry
            }
        };
        Ok((entry, around))
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
