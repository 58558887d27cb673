//! What was there before.

use super::fate::Fate;
use super::part::{OldPart, Part, has_parts};
use super::recorder::Keep;
use crate::error::Error;
use crate::free::is_large;
use crate::raw::entry::{Encoding, Entry, Str};
use crate::value::Value;
use ahash::RandomState;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Beyond so many bytes of copies, and so many records, a journal is too long.
const KEPT_BYTES_MAX: usize = 16 << 20;
const RECORDS_MAX: usize = 1 << 18;
/// So many records are searched one by one.
const SEARCHED_MAX: usize = 16;
/// Room for bytes that is kept for the next unit.
const ROOM_KEPT: usize = 64 << 10;

/// The journal of one unit. All tables that it is attached to belong to shards that the unit has locked, so nobody ever
/// waits for it.
#[derive(Default)]
pub(crate) struct Journal {
    log: Mutex<Log>,
    /// It was given up.
    is_lost: AtomicBool,
    /// It is too long.
    is_full: AtomicBool,
}

/// A table's tie to a journal.
pub(crate) struct Attachment {
    pub(crate) journal: Arc<Journal>,
    /// By which number the journal knows the table.
    pub(crate) place: usize,
}

/// What there was under a key before a unit changed it.
pub(crate) enum Before {
    /// Nothing.
    Absent,
    /// An integer, with deadline and access bits.
    Int(i64, Option<i64>, u32),
    /// A string, which lies in the journal, with deadline and access bits.
    Bytes(Range<usize>, Encoding, Option<i64>, u32),
    /// Anything else.
    Entry(Entry),
    /// It is about to be handed over.
    Awaited,
    /// This deadline; the value has not changed so far.
    Deadline(Option<i64>),
    /// This of a large value, whose rest has not changed so far.
    Part(OldPart),
}

impl Before {
    /// What is to be freed once it is not needed any more.
    pub(crate) fn into_discarded(self) -> Option<Discarded> {
        match self {
            Before::Entry(entry) => Some(Discarded::Entry(entry)),
            Before::Part(part) => part.into_value().map(Discarded::Value),
            _ => None,
        }
    }

    /// Whether it is all that there was.
    fn is_whole(&self) -> bool {
        !matches!(self, Before::Deadline(_) | Before::Part(_))
    }
}

/// What may take long to free.
pub(crate) enum Discarded {
    Entry(Entry),
    Value(Value),
}

pub(crate) struct Record {
    pub(crate) place: usize,
    pub(crate) hash: u64,
    pub(crate) key: Range<usize>,
    pub(crate) before: Before,
}

#[derive(Default)]
pub(crate) struct Log {
    pub(crate) records: Vec<Record>,
    /// Keys and strings.
    pub(crate) bytes: Vec<u8>,
    /// Where the record of a key lies, once there are many.
    index: HashMap<(usize, u64), usize, RandomState>,
    /// Bytes of other copies.
    copied: usize,
    may_lose: bool,
    fate: Option<Arc<Fate>>,
    /// What is not needed any more, and is freed when the unit is over.
    pub(crate) discarded: Vec<Discarded>,
}

impl Journal {
    /// Begins anew.
    pub(crate) fn begin(&mut self, keep: Keep) {
        let log = self.log.get_mut();
        log.clear();
        log.may_lose = keep != Keep::Always;
        *self.is_lost.get_mut() = keep == Keep::Nothing;
        *self.is_full.get_mut() = false;
    }

    /// What was recorded.
    pub(crate) fn log(&mut self) -> &mut Log {
        self.log.get_mut()
    }

    /// Takes out what was recorded; nothing if it was given up.
    pub(crate) fn take(&self) -> Log {
        std::mem::take(&mut self.log.lock())
    }

    /// Gives back the room that a log has taken.
    pub(crate) fn give_back(&mut self, mut log: Log) {
        log.clear();
        *self.log.get_mut() = log;
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Relaxed)
    }

    /// Whose word counts before it is given up.
    pub(crate) fn set_fate(&self, fate: Arc<Fate>) {
        if self.is_lost() {
            fate.fix();
        }
        self.log.lock().fate = Some(fate);
    }

    /// Gives it up if it has become too long. Errs if it may not be given up.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.is_full.load(Relaxed) { self.lose() } else { Ok(()) }
    }

    /// Gives it up. Errs if it may not be.
    pub(crate) fn lose(&self) -> Result<(), Error> {
        self.lose_log(&mut self.log.lock())
    }

    fn lose_log(&self, log: &mut Log) -> Result<(), Error> {
        if self.is_lost() {
            return Ok(());
        }
        if !log.may_lose || log.fate.as_ref().is_some_and(|fate| !fate.fix()) {
            // Whoever does not pass the error on is stopped by the next check.
            self.is_full.store(true, Relaxed);
            return Err(Error::NotKept);
        }
        self.is_lost.store(true, Relaxed);
        let Log { records, discarded, .. } = log;
        discarded.extend(records.drain(..).filter_map(|record| record.before.into_discarded()));
        Ok(())
    }

    fn look_at_length(&self, log: &Log) {
        if log.bytes.len() + log.copied > KEPT_BYTES_MAX || log.records.len() > RECORDS_MAX {
            self.is_full.store(true, Relaxed);
        }
    }

    /// An entry is handed over that is awaited; it comes back if it is not needed.
    pub(crate) fn fill(&self, record: usize, entry: Entry) -> Option<Entry> {
        match self.log.lock().records.get_mut(record) {
            Some(record) => {
                record.before = Before::Entry(entry);
                None
            }
            None => Some(entry),
        }
    }
}

impl Attachment {
    /// Records that there is no such key.
    pub(crate) fn absent(&self, hash: u64, key: &[u8]) {
        self.record(hash, key, |_| Before::Absent);
    }

    /// Records an entry that is about to be changed in place. Errs if that cannot be recorded.
    pub(crate) fn keep(&self, hash: u64, entry: &Entry) -> Result<(), Error> {
        if self.journal.is_lost() {
            return Ok(());
        }
        let mut log = self.journal.log.lock();
        if log.has(self.place, hash, entry.key()) {
            return Ok(());
        }
        if is_large(entry) {
            return self.journal.lose_log(&mut log);
        }
        let before = log.copy(entry);
        log.add(self.place, hash, entry.key(), before);
        self.journal.look_at_length(&log);
        Ok(())
    }

    /// As [`keep`](Attachment::keep), for changes of single elements. True if each is to be
    /// [recorded](Attachment::keep_part) before it changes.
    pub(crate) fn keep_or_parts(&self, hash: u64, entry: &Entry) -> Result<bool, Error> {
        let by_parts = has_parts(entry)
            && is_large(entry)
            && !self.journal.is_lost()
            && !self.journal.log.lock().has(self.place, hash, entry.key());
        if by_parts { Ok(true) } else { self.keep(hash, entry).map(|()| false) }
    }

    /// Records a part of a large value that is about to change.
    pub(crate) fn keep_part(&self, hash: u64, key: &[u8], part: Part<'_>) {
        let mut log = self.journal.log.lock();
        if self.journal.is_lost() {
            log.discarded.extend(part.into_value().map(Discarded::Value));
            return;
        }
        log.copied += part.kept_bytes();
        let part = part.store(&mut log.bytes);
        log.add(self.place, hash, key, Before::Part(part));
        self.journal.look_at_length(&log);
    }

    /// Records the deadline of an entry, which alone is about to change.
    pub(crate) fn keep_deadline(&self, hash: u64, entry: &Entry) {
        self.record(hash, entry.key(), |log| {
            if is_large(entry) { Before::Deadline(entry.deadline()) } else { log.copy(entry) }
        });
    }

    /// Records an entry that is about to be replaced or removed. With a number it is to be handed over as
    /// [that record](Journal::fill).
    pub(crate) fn claim(&self, hash: u64, entry: &Entry) -> Option<usize> {
        let number =
            self.record(hash, entry.key(), |log| if entry.is_embedded() { log.copy(entry) } else { Before::Awaited });
        number.filter(|_| !entry.is_embedded())
    }

    /// Adds a record unless there is one.
    fn record(&self, hash: u64, key: &[u8], before: impl FnOnce(&mut Log) -> Before) -> Option<usize> {
        if self.journal.is_lost() {
            return None;
        }
        let mut log = self.journal.log.lock();
        if log.has(self.place, hash, key) {
            return None;
        }
        let before = before(&mut log);
        let number = log.add(self.place, hash, key, before);
        self.journal.look_at_length(&log);
        Some(number)
    }
}

impl Log {
    /// Forgets everything. What is not needed any more goes to `free`.
    pub(crate) fn end(&mut self, mut free: impl FnMut(Discarded)) {
        self.records.drain(..).filter_map(|record| record.before.into_discarded()).for_each(&mut free);
        self.discarded.drain(..).for_each(free);
        self.clear();
    }

    fn clear(&mut self) {
        self.records.clear();
        self.records.shrink_to(ROOM_KEPT / size_of::<Record>());
        self.bytes.clear();
        self.bytes.shrink_to(ROOM_KEPT);
        if !self.index.is_empty() {
            self.index = HashMap::default();
        }
        self.copied = 0;
        self.fate = None;
        self.discarded.clear();
    }

    /// Whether it is known what was under a key.
    fn has(&self, place: usize, hash: u64, key: &[u8]) -> bool {
        let is_it = |record: &Record| {
            record.hash == hash
                && record.place == place
                && record.before.is_whole()
                && self.bytes.get(record.key.clone()) == Some(key)
        };
        if self.index.is_empty() {
            return self.records.iter().any(is_it);
        }
        // Of two keys with the same hash one is recorded again and again, and its oldest record counts.
        self.index.get(&(place, hash)).and_then(|number| self.records.get(*number)).is_some_and(is_it)
    }

    fn add(&mut self, place: usize, hash: u64, key: &[u8], before: Before) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let number = self.records.len();
        if number == SEARCHED_MAX {
            let full = self.records.iter().enumerate();
            let full = full.filter(|(_, record)| record.before.is_whole());
            self.index = full.map(|(number, record)| ((record.place, record.hash), number)).collect();
        }
        if number >= SEARCHED_MAX && before.is_whole() {
            self.index.entry((place, hash)).or_insert(number);
        }
        self.records.push(Record { place, hash, key: start..self.bytes.len(), before });
        number
    }

    /// A copy of an entry that is not large.
    fn copy(&mut self, entry: &Entry) -> Before {
        let (deadline, access) = (entry.deadline(), entry.access());
        match entry.string() {
            Ok(Str::Int(number)) => Before::Int(number, deadline, access),
            Ok(Str::Bytes(bytes)) => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(bytes);
                Before::Bytes(start..self.bytes.len(), entry.encoding(), deadline, access)
            }
            Err(_) => {
                self.copied += entry.memory();
                Before::Entry(entry.copied(entry.key(), access))
            }
        }
    }
}
