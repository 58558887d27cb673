//! The keys of one database in one shard: the table that owns the entries, and the table of those with a deadline.

use super::block::PackedBox;
use super::entry::{Contents, Encoding, Entry, Str, Type};
use super::field_index::{FieldIndex, listed_ms};
use super::slot::InEntry;
use super::table::{Keyed, Role, Slot, Table, TableShape};
use crate::error::Error;
use crate::free::{Core, is_large};
use crate::quicklist::Limits;
use crate::random::Random;
use crate::short::equal;
use crate::snapshot::{Budget, Cut, Owed, Place, Removed, Tie, taken_part};
use crate::undo::{Attachment, Before, Journal, Part};
use crate::value::ValueRef;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, Range};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The keys of one database in one shard.
///
/// Invariant: `main` points to entries owned by this struct; `volatile` has exactly those with a deadline; `fields` only
/// such entries.
pub(crate) struct Keys {
    main: Table<Entry>,
    volatile: Table<Entry>,
    fields: FieldIndex,
    core: Arc<Core>,
    /// The mark of entries that no snapshot waits for.
    mark: bool,
    /// The snapshot that takes these keys, until it has all of them: entries with the other mark are as they were at its
    /// cut, and it takes them before they are changed.
    tie: Option<Box<Tie>>,
    /// The journal of the unit that has locked them, if it is recorded.
    journal: Option<Attachment>,
    /// Whether there is a snapshot or a journal.
    is_watched: bool,
}

impl Keyed for Entry {
    #[inline]
    unsafe fn key_of<'a>(raw: *mut u8) -> &'a [u8] {
        // SAFETY: the caller gives a live entry that stays as it is for 'a.
        unsafe {
            let entry = Entry::borrow(raw);
            let key = entry.key();
            std::slice::from_raw_parts(key.as_ptr(), key.len())
        }
    }
}

/// What a look-up found.
pub(crate) enum Found<'a> {
    Occupied(EntryMut<'a>),
    Vacant(Vacant<'a>),
}

/// An entry borrowed from its keys.
pub(crate) struct EntryRef<'a> {
    entry: ManuallyDrop<Entry>,
    keys: PhantomData<&'a Entry>,
}

/// An entry borrowed exclusively, with its place.
pub(crate) struct EntryMut<'a> {
    keys: &'a mut Keys,
    entry: ManuallyDrop<Entry>,
    slot: Slot,
    hash: u64,
}

/// Tells which bytes of a string an edit may change, all but those that it adds.
pub(crate) type Places<'p> = &'p dyn Fn(&mut dyn FnMut(Range<usize>));

/// The place of a key that does not exist.
pub(crate) struct Vacant<'a> {
    keys: &'a mut Keys,
    hash: u64,
}

impl Keys {
    /// No keys. Published at hint number `hint`.
    pub(crate) fn new(core: Arc<Core>, hint: usize) -> Keys {
        let main = Table::new(core.clone(), Role::Main, Some(hint));
        let volatile = Table::new(core.clone(), Role::Volatile, Some(hint));
        let keys = Keys::with_tables(main, volatile, core);
        keys.publish_len();
        keys
    }

    fn with_tables(main: Table<Entry>, volatile: Table<Entry>, core: Arc<Core>) -> Keys {
        let fields = FieldIndex::default();
        Keys { main, volatile, fields, core, mark: false, tie: None, journal: None, is_watched: false }
    }

    pub(crate) fn len(&self) -> usize {
        self.main.len()
    }

    /// Gives tables that never had an entry the size they need for so many keys, of them so many with deadlines.
    pub(crate) fn reserve(&mut self, len: usize, volatile: usize) {
        self.main.reserve(len);
        self.volatile.reserve(volatile);
    }

    /// Keys with a deadline.
    pub(crate) fn volatile_len(&self) -> usize {
        self.volatile.len()
    }

    /// Whether there is anything to free.
    pub(crate) fn has_tables(&self) -> bool {
        self.main.buckets().0 != 0
    }

    /// Buckets of the table of keys with a deadline: current array, next array.
    pub(crate) fn volatile_buckets(&self) -> (usize, usize) {
        self.volatile.buckets()
    }

    /// The state of the main table, and of the table of keys with a deadline: current array, next array.
    pub(crate) fn shapes(&self) -> [[TableShape; 2]; 2] {
        [self.main.shapes(), self.volatile.shapes()]
    }

    /// Exchanges the keys of two databases; each stays published under its own database.
    pub(crate) fn swap(&mut self, other: &mut Keys) {
        std::mem::swap(self, other);
        let (mine, others) = (self.set_hint(None), other.set_hint(None));
        self.set_hint(others);
        other.set_hint(mine);
        self.publish_len();
        other.publish_len();
        self.publish_fields();
        other.publish_fields();
    }

    /// Takes all keys out.
    pub(crate) fn take(&mut self) -> Keys {
        let hint = self.set_hint(None);
        let main = Table::new(self.core.clone(), Role::Main, None);
        let volatile = Table::new(self.core.clone(), Role::Volatile, None);
        let empty = Keys::with_tables(main, volatile, self.core.clone());
        let taken = std::mem::replace(self, empty);
        self.set_hint(hint);
        self.publish_len();
        self.publish_fields();
        taken
    }

    /// Changes where both tables are published.
    fn set_hint(&mut self, hint: Option<usize>) -> Option<usize> {
        self.volatile.set_hint(hint);
        self.main.set_hint(hint)
    }

    fn publish_len(&self) {
        if let Some(hint) = self.main.hint() {
            hint.len.store(self.main.len(), Relaxed);
            hint.volatile.store(self.volatile.len(), Relaxed);
        }
    }

    fn publish_fields(&self) {
        if let Some(hint) = self.main.hint() {
            self.fields.publish(hint);
        }
    }

    /// The hash whose field expires first, and when that is.
    pub(crate) fn next_field(&self) -> Option<(i64, EntryRef<'_>)> {
        let (deadline_ms, raw) = self.fields.first()?;
        // SAFETY: what is listed are live entries; the shared borrow keeps them unchanged.
        Some((deadline_ms, EntryRef { entry: unsafe { Entry::borrow(raw) }, keys: PhantomData }))
    }

    /// Ties these keys to a snapshot, for which they belong to database `db`.
    pub(crate) fn tie(&mut self, cut: Arc<Cut>, db: usize) {
        debug_assert!(self.tie.is_none());
        if self.len() > 0 {
            self.mark = !self.mark;
            self.tie = Some(Box::new(Tie { cut, db, cursor: 0 }));
            self.is_watched = true;
        }
    }

    /// Whether these keys are attached to a journal.
    pub(crate) fn is_attached(&self) -> bool {
        self.journal.is_some()
    }

    /// Has a journal record what there was, before it is changed.
    pub(crate) fn attach(&mut self, journal: Arc<Journal>, place: usize) {
        self.journal = Some(Attachment { journal, place });
        self.is_watched = true;
    }

    /// Ends what [`attach`](Keys::attach) has begun.
    pub(crate) fn detach(&mut self) {
        self.journal = None;
        self.is_watched = self.tie.is_some();
    }

    /// Brings back what there was under a key, whose hash is `hash`. Strings lie in `bytes`. What stands there now is
    /// returned to be freed.
    pub(crate) fn restore(
        &mut self,
        hash: u64,
        key: &[u8],
        before: Before,
        bytes: &[u8],
        limits: &Limits,
    ) -> Option<Removed> {
        let (contents, deadline, access) = match before {
            Before::Absent => return self.replace(hash, key, None),
            Before::Entry(entry) => return self.replace(hash, key, Some(entry)),
            Before::Int(number, deadline, access) => (Contents::Int(number), deadline, access),
            Before::Bytes(range, encoding, deadline, access) => {
                (Contents::Bytes(bytes.get(range).unwrap_or_default(), encoding), deadline, access)
            }
            Before::Deadline(deadline) => {
                if let Found::Occupied(mut entry) = self.find(hash, key) {
                    entry.set_deadline(deadline);
                }
                return None;
            }
            Before::Part(part) => {
                if let Found::Occupied(mut entry) = self.find(hash, key) {
                    part.restore(&mut entry, bytes, limits);
                }
                return None;
            }
            Before::Awaited => unreachable!("who takes an entry out for good hands it over"),
        };
        match self.find(hash, key) {
            Found::Occupied(mut entry) => entry.set(contents, deadline),
            Found::Vacant(vacant) => {
                vacant.insert(Entry::new(key, contents, deadline, access));
                None
            }
        }
    }

    /// Puts an entry, or nothing, in the place of what stands under a key.
    fn replace(&mut self, hash: u64, key: &[u8], entry: Option<Entry>) -> Option<Removed> {
        let (removed, vacant) = match self.find(hash, key) {
            Found::Occupied(entry) => {
                let (removed, vacant) = entry.remove();
                (Some(removed), vacant)
            }
            Found::Vacant(vacant) => (None, vacant),
        };
        if let Some(entry) = entry {
            vacant.insert(entry);
        }
        removed
    }

    /// The snapshot these keys are tied to.
    pub(crate) fn tied_to(&self) -> Option<&Arc<Cut>> {
        self.tie.as_ref().map(|tie| &tie.cut)
    }

    /// Has the snapshot take some keys that it does not have yet, about as many as `budget` says. True if it has all of them:
    /// then they are not tied any more.
    pub(crate) fn take_some(&mut self, budget: &mut Budget) -> bool {
        let Some(tie) = &mut self.tie else { return true };
        let (main, mark) = (&self.main, self.mark);
        while budget.is_left() {
            let (cut, db) = (&tie.cut, tie.db);
            main.prefetch_scan(tie.cursor);
            tie.cursor = main.scan(tie.cursor, &mut |raw| {
                // SAFETY: the main table points to live entries; the exclusive borrow of self keeps others away from them.
                let mut entry = unsafe { Entry::borrow(raw) };
                if entry.mark() != mark {
                    entry.set_mark(mark);
                    cut.take(db, &mut entry, budget);
                }
            });
            budget.chain();
            if tie.cursor == 0 {
                self.tie = None;
                self.is_watched = self.journal.is_some();
                return true;
            }
        }
        false
    }

    /// Has a snapshot take more of the value of `key`, whose hash is `hash`, if it takes that in pieces and knows it by
    /// `place`. Whether it has all of it; nothing if there is no such value.
    pub(crate) fn take_pieces(
        &mut self,
        hash: u64,
        key: &[u8],
        place: &Arc<Place>,
        budget: &mut Budget,
    ) -> Option<bool> {
        let Found::Occupied(mut found) = self.find(hash, key) else { return None };
        let mut part = taken_part(&mut found.entry)?;
        part.pieces().filter(|pieces| pieces.is_at(place))?;
        Some(part.take_some(budget))
    }

    /// Looks `key` up, whose hash is `hash`.
    // Not left to the compiler: as a call of its own it costs every look-up 40 instructions.
    #[inline(always)]
    pub(crate) fn find(&mut self, hash: u64, key: &[u8]) -> Found<'_> {
        if self.main.is_rehashing() {
            self.main.rehash_step(1);
        }
        // SAFETY: the main table points to live entries of its own.
        match self.main.find(hash, |entry| equal(unsafe { Entry::borrow(entry) }.key(), key)) {
            Some(slot) => {
                // SAFETY: the slot was just found, and the exclusive borrow keeps the table as it is.
                let entry = unsafe { Entry::borrow(self.main.get(slot)) };
                Found::Occupied(EntryMut { keys: self, entry, slot, hash })
            }
            None => Found::Vacant(Vacant { keys: self, hash }),
        }
    }

    /// The entry of `key`, whose hash is `hash`.
    pub(crate) fn get(&self, hash: u64, key: &[u8]) -> Option<EntryRef<'_>> {
        // SAFETY: the main table points to live entries of its own.
        let slot = self.main.find(hash, |entry| equal(unsafe { Entry::borrow(entry) }.key(), key))?;
        // SAFETY: the slot was just found; the shared borrow keeps the table and its entries as they are.
        Some(EntryRef { entry: unsafe { Entry::borrow(self.main.get(slot)) }, keys: PhantomData })
    }

    /// Moves up to `chains` chains of both tables if they are being rehashed. True if there is more to do.
    pub(crate) fn rehash(&mut self, chains: usize) -> bool {
        let main = self.main.rehash_step(chains);
        let volatile = self.volatile.rehash_step(chains);
        main || volatile
    }

    /// Visits a part of the keys; see [`Table::scan`].
    pub(crate) fn scan(&self, cursor: u64, visit: &mut dyn FnMut(&Entry)) -> u64 {
        // SAFETY: the main table points to live entries; the shared borrow keeps them unchanged.
        self.main.scan(cursor, &mut |entry| visit(&*unsafe { Entry::borrow(entry) }))
    }

    /// Visits a part of the keys with a deadline; see [`Table::scan`].
    pub(crate) fn scan_volatile(&self, cursor: u64, visit: &mut dyn FnMut(&Entry)) -> u64 {
        // SAFETY: as in scan(): both tables point to the same live entries.
        self.volatile.scan(cursor, &mut |entry| visit(&*unsafe { Entry::borrow(entry) }))
    }

    /// Visits all keys.
    pub(crate) fn for_each(&self, visit: &mut dyn FnMut(&Entry)) {
        // SAFETY: as in scan().
        self.main.for_each(&mut |entry| visit(&*unsafe { Entry::borrow(entry) }));
    }

    /// A random key.
    pub(crate) fn random(&self, volatile: bool, random: &mut Random) -> Option<EntryRef<'_>> {
        let raw = if volatile { &self.volatile } else { &self.main }.random(random)?;
        // SAFETY: both tables point to live entries; the shared borrow keeps them unchanged.
        Some(EntryRef { entry: unsafe { Entry::borrow(raw) }, keys: PhantomData })
    }

    /// Visits about `count` keys that stand together in a random place, or fewer if there are many empty buckets.
    pub(crate) fn sample(&self, volatile: bool, count: usize, random: &mut Random, visit: &mut dyn FnMut(&Entry)) {
        let table = if volatile { &self.volatile } else { &self.main };
        // SAFETY: as in scan().
        table.sample(count, count * 10, random, &mut |entry| visit(&*unsafe { Entry::borrow(entry) }));
    }

    /// Brings the table of keys with a deadline in line after the entry of `hash` changed from `old` to `new`.
    fn relink(&mut self, hash: u64, old: (*mut u8, bool), new: (*mut u8, bool)) {
        match (old.1, new.1) {
            (false, false) => {}
            (false, true) => {
                self.volatile.insert(hash, new.0);
                self.publish_len();
            }
            (true, volatile) => {
                let slot = self.volatile.find(hash, |entry| std::ptr::eq(entry, old.0));
                let slot = slot.expect("an entry with a deadline is in the table of those");
                // SAFETY: the slot was just found.
                unsafe {
                    if volatile {
                        self.volatile.replace(slot, new.0);
                    } else {
                        self.volatile.remove(hash, slot);
                    }
                }
                self.publish_len();
            }
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // SAFETY: this struct owns the entries, and the tables are dropped next without looking at them.
        self.main.for_each(&mut |entry| drop(unsafe { Entry::from_raw(entry) }));
    }
}

impl<'a> EntryRef<'a> {
    /// The string, for as long as the keys were borrowed. Errs with `WrongType` if it is none.
    #[inline]
    pub(crate) fn into_str(self) -> Result<Str<'a>, Error> {
        Ok(match self.entry.string()? {
            Str::Int(number) => Str::Int(number),
            // SAFETY: the bytes belong to the entry, which nobody changes or frees while its keys are borrowed for 'a.
            Str::Bytes(bytes) => Str::Bytes(unsafe { std::slice::from_raw_parts(bytes.as_ptr(), bytes.len()) }),
        })
    }

    /// The value, whatever its type, for as long as the keys were borrowed.
    pub(crate) fn into_value_ref(self) -> Result<ValueRef<'a>, Error> {
        Ok(match self.entry.kind() {
            Type::String => ValueRef::String(self.into_str()?),
            Type::List => ValueRef::List(self.into_value()?),
            Type::Set => ValueRef::Set(self.into_value()?),
            Type::SortedSet => ValueRef::SortedSet(self.into_value()?),
            Type::Hash => ValueRef::Hash(self.into_value()?),
            Type::Stream => ValueRef::Stream(self.into_value::<PackedBox<crate::stream::Stream>>()?),
        })
    }

    /// The value for as long as the keys were borrowed. Errs with `WrongType` if it is of another type.
    #[inline]
    pub(crate) fn into_value<T: InEntry>(self) -> Result<&'a T, Error> {
        let value: *const T = self.entry.get::<T>().ok_or(Error::WrongType)?;
        // SAFETY: the value belongs to the entry, which nobody changes or frees while its keys are borrowed for 'a.
        Ok(unsafe { &*value })
    }
}

impl Deref for EntryRef<'_> {
    type Target = Entry;
    fn deref(&self) -> &Entry {
        &self.entry
    }
}

impl Deref for EntryMut<'_> {
    type Target = Entry;
    fn deref(&self) -> &Entry {
        &self.entry
    }
}

impl<'a> EntryMut<'a> {
    /// The entry, for as long as its keys were borrowed.
    pub(crate) fn into_ref(self) -> EntryRef<'a> {
        EntryRef { entry: self.entry, keys: PhantomData }
    }

    pub(crate) fn set_access(&mut self, access: u32) {
        self.entry.set_access(access);
    }

    /// To be called before the entry is changed: a snapshot that does not have it yet takes it as it is.
    #[inline(always)]
    fn before_change(&mut self) {
        if self.keys.is_watched {
            self.save();
        }
    }

    /// To be called before the value is changed in place: a journal records it as it is. Errs with `NotKept` if it cannot.
    #[inline(always)]
    pub(crate) fn keep(&mut self) -> Result<(), Error> {
        if self.keys.is_watched { self.record() } else { Ok(()) }
    }

    #[cold]
    fn record(&mut self) -> Result<(), Error> {
        let journal = self.keys.journal.as_ref();
        journal.map_or(Ok(()), |journal| journal.keep(self.hash, &self.entry))
    }

    /// As [`keep`](EntryMut::keep), for changes of single elements. True if each is to be told to
    /// [`keep_part`](EntryMut::keep_part) before.
    #[inline(always)]
    pub(crate) fn keep_or_parts(&mut self) -> Result<bool, Error> {
        if self.keys.is_watched { self.record_or_parts() } else { Ok(false) }
    }

    #[cold]
    fn record_or_parts(&self) -> Result<bool, Error> {
        let journal = self.keys.journal.as_ref();
        journal.map_or(Ok(false), |journal| journal.keep_or_parts(self.hash, &self.entry))
    }

    /// Has a journal record a part of the value before it changes.
    #[cold]
    pub(crate) fn keep_part(&self, part: Part<'_>) {
        if let Some(journal) = &self.keys.journal {
            journal.keep_part(self.hash, self.entry.key(), part);
        }
    }

    #[cold]
    fn record_deadline(&self) {
        if let Some(journal) = &self.keys.journal {
            journal.keep_deadline(self.hash, &self.entry);
        }
    }

    #[cold]
    fn save(&mut self) {
        if let Some(tie) = &self.keys.tie
            && self.entry.mark() != self.keys.mark
        {
            self.entry.set_mark(self.keys.mark);
            tie.cut.take_ahead(tie.db, &mut self.entry);
        }
    }

    /// Sets or clears the deadline.
    pub(crate) fn set_deadline(&mut self, deadline: Option<i64>) {
        if self.keys.is_watched {
            self.save();
            self.record_deadline();
        }
        let raw = self.entry.raw();
        let before = self.entry.deadline().is_some();
        if self.entry.try_set_deadline(deadline) {
            self.keys.relink(self.hash, (raw, before), (raw, deadline.is_some()));
            return;
        }
        let new = self.entry.with_deadline(deadline);
        drop(self.exchange(new));
    }

    /// Notes which field of a hash expires first: to be called after the deadlines of fields may have changed.
    #[inline]
    pub(crate) fn update_fields(&mut self) {
        if self.keys.fields.update(&mut self.entry) {
            self.keys.publish_fields();
        }
    }

    /// The value for changes, if it is of this type. Who changes the deadlines of fields calls
    /// [`update_fields`](EntryMut::update_fields).
    #[inline]
    pub(crate) fn get_mut<T: InEntry>(&mut self) -> Option<&mut T> {
        self.before_change();
        self.entry.get_mut()
    }

    /// Gives the entry the allocation that its value, a `T`, asks for: to be called after changes by which it may have become
    /// longer or shorter, or something else.
    #[inline]
    pub(crate) fn settle<T: InEntry>(&mut self) {
        if !self.entry.is_settled::<T>() {
            self.move_settled();
        }
    }

    /// As [`settle`](EntryMut::settle), and gives back what is left over in the entry, too.
    pub(crate) fn compact<T: InEntry>(&mut self) {
        if !self.entry.is_settled::<T>() || self.entry.is_roomy::<T>() {
            self.move_settled();
        }
    }

    #[cold]
    fn move_settled(&mut self) {
        self.before_change();
        let new = self.entry.settled();
        drop(self.exchange(new));
    }

    /// Who is to get the entry, which is about to leave its keys: a small one is taken at once.
    #[inline(always)]
    fn owed(&mut self) -> Option<Box<Owed>> {
        if self.keys.is_watched { self.find_owed() } else { None }
    }

    #[cold]
    fn find_owed(&mut self) -> Option<Box<Owed>> {
        let cut = self.owed_cut();
        let journal = self.keys.journal.as_ref().and_then(|attached| {
            let record = attached.claim(self.hash, &self.entry)?;
            Some((attached.journal.clone(), record))
        });
        (cut.is_some() || journal.is_some()).then(|| Box::new(Owed { cut, journal }))
    }

    /// The snapshot that is to get the entry, with the database that this belonged to.
    fn owed_cut(&mut self) -> Option<(Arc<Cut>, usize)> {
        let tie = self.keys.tie.as_ref()?;
        if self.entry.mark() == self.keys.mark {
            return None;
        }
        if is_large(&self.entry) {
            self.entry.set_mark(self.keys.mark);
            return Some((tie.cut.clone(), tie.db));
        }
        self.save();
        None
    }

    /// Replaces value and deadline; the old entry, if it could not be changed in place, is returned to be freed.
    pub(crate) fn set(&mut self, contents: Contents<'_>, deadline: Option<i64>) -> Option<Removed> {
        let owed = self.owed();
        if self.entry.has_room_for(deadline) {
            let in_place = match &contents {
                Contents::Int(number) => self.entry.try_set_int(*number),
                Contents::Bytes(bytes, encoding) => self.entry.try_set_bytes(bytes, *encoding),
                Contents::Buffer(..) | Contents::Value(_) | Contents::Pack(..) => false,
            };
            if in_place {
                // Without a place for a deadline there was none, nor will there be one.
                if self.entry.has_deadline_place() {
                    let (raw, before) = (self.entry.raw(), self.entry.deadline().is_some());
                    self.entry.try_set_deadline(deadline);
                    self.keys.relink(self.hash, (raw, before), (raw, deadline.is_some()));
                }
                return None;
            }
        }
        let new = Entry::new(self.entry.key(), contents, deadline, self.entry.access());
        Some(Removed { entry: self.exchange(new), owed })
    }

    /// Lets `edit` change the string's bytes, of which there are `len` afterwards (new ones zero), where `places` says.
    /// Must be a string; its encoding becomes raw. Errs with `NotKept` if what there was is to be kept and cannot be.
    pub(crate) fn edit(
        &mut self,
        len: usize,
        places: Places<'_>,
        edit: &mut dyn FnMut(&mut [u8]),
    ) -> Result<(), Error> {
        if self.keep_or_parts()? {
            self.keep_bytes(places);
        }
        self.before_change();
        if self.entry.text_taking().is_some() {
            places(&mut |changing| self.entry.before_text_change(changing));
            self.entry.before_text_change(len..usize::MAX);
        }
        if self.entry.try_edit_embedded(len, edit) {
            return Ok(());
        }
        let done = self.entry.try_edit_buffer(Encoding::Raw, &mut |buffer| {
            grow(buffer, len);
            edit(buffer);
        });
        if done {
            return Ok(());
        }
        let mut space = itoa::Buffer::new();
        let old = self.entry.string();
        let old = old.as_ref().map_or(&b""[..], |old| old.as_bytes(&mut space));
        let mut buffer = Vec::with_capacity(if old.is_empty() { len } else { grown_capacity(len) });
        buffer.extend_from_slice(old.get(..len.min(old.len())).unwrap_or_default());
        buffer.resize(len, 0);
        edit(&mut buffer);
        let new = Entry::new(
            self.entry.key(),
            Contents::Buffer(buffer, Encoding::Raw),
            self.entry.deadline(),
            self.entry.access(),
        );
        drop(self.exchange(new));
        Ok(())
    }

    /// Has a journal record bytes of a long string before they change, and how long it is.
    #[cold]
    fn keep_bytes(&self, places: Places<'_>) {
        let Ok(Str::Bytes(bytes)) = self.entry.string() else { return };
        places(&mut |place| {
            let start = place.start.min(bytes.len());
            let old = bytes.get(start..place.end.clamp(start, bytes.len())).unwrap_or_default();
            self.keep_part(Part::Bytes { start, old, len: bytes.len() });
        });
    }

    /// Brings back bytes of a long string, of which there were `len`.
    pub(crate) fn restore_bytes(&mut self, start: usize, old: &[u8], len: usize) {
        self.before_change();
        self.entry.try_edit_buffer(Encoding::Raw, &mut |buffer| {
            buffer.resize(len, 0);
            if let Some(place) = buffer.get_mut(start..start + old.len()) {
                place.copy_from_slice(old);
            }
        });
    }

    /// Takes the entry out of its keys, and returns the place that it leaves.
    pub(crate) fn remove(mut self) -> (Removed, Vacant<'a>) {
        let owed = self.owed();
        if self.keys.fields.remove(&mut self.entry) {
            self.keys.publish_fields();
        }
        let raw = self.entry.raw();
        if self.entry.deadline().is_some() {
            self.keys.relink(self.hash, (raw, true), (raw, false));
        }
        // SAFETY: the slot was found under the exclusive borrow that self still holds; the main table has not changed.
        unsafe { self.keys.main.remove(self.hash, self.slot) };
        self.keys.publish_len();
        let entry = ManuallyDrop::into_inner(self.entry);
        (Removed { entry, owed }, Vacant { keys: self.keys, hash: self.hash })
    }

    /// Puts `new` in the entry's place and returns the old one.
    fn exchange(&mut self, mut new: Entry) -> Entry {
        let old = (self.entry.raw(), self.entry.deadline().is_some());
        let listed = listed_ms(&self.entry).is_some() || listed_ms(&new).is_some();
        if listed {
            self.keys.fields.remove(&mut self.entry);
            self.keys.fields.moved(old.0, &mut new);
        }
        let volatile = new.deadline().is_some();
        new.set_mark(self.keys.mark);
        let raw = new.into_raw();
        // SAFETY: the slot was found under the exclusive borrow that self still holds; the main table has not changed.
        unsafe { self.keys.main.replace(self.slot, raw) };
        self.keys.relink(self.hash, old, (raw, volatile));
        // SAFETY: raw is the live entry in the slot.
        let old = std::mem::replace(&mut self.entry, unsafe { Entry::borrow(raw) });
        if self.keys.fields.update(&mut self.entry) || listed {
            self.keys.publish_fields();
        }
        ManuallyDrop::into_inner(old)
    }
}

impl<'a> Vacant<'a> {
    /// Adds an entry, whose key must be the one looked up.
    pub(crate) fn insert(self, mut entry: Entry) -> EntryMut<'a> {
        if let Some(journal) = &self.keys.journal {
            journal.absent(self.hash, entry.key());
        }
        entry.set_mark(self.keys.mark);
        let volatile = entry.deadline().is_some();
        let raw = entry.into_raw();
        let slot = self.keys.main.insert(self.hash, raw);
        if volatile {
            self.keys.volatile.insert(self.hash, raw);
        }
        self.keys.publish_len();
        // SAFETY: raw is the live entry in the slot.
        let mut entry = EntryMut { entry: unsafe { Entry::borrow(raw) }, keys: self.keys, slot, hash: self.hash };
        entry.update_fields();
        entry
    }
}

/// Capacity for a string that grew to `len`: room to grow again, as the appended strings of Redis have.
fn grown_capacity(len: usize) -> usize {
    if len < 1 << 20 { len * 2 } else { len + (1 << 20) }
}

/// Gives `buffer` the length `len`, with some room beyond if it had to be moved.
fn grow(buffer: &mut Vec<u8>, len: usize) {
    if len > buffer.capacity() {
        buffer.reserve_exact(grown_capacity(len) - buffer.len());
    }
    buffer.resize(len, 0);
}
