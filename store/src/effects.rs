//! What a command did to the data, for those who propagate, notify and invalidate.

use crate::free::Garbage;

/// The class of a keyspace event, as `notify-keyspace-events` selects them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventClass {
    /// `g`: commands of no particular type.
    Generic,
    /// `$`: strings.
    String,
    /// `l`: lists.
    List,
    /// `s`: sets.
    Set,
    /// `h`: hashes.
    Hash,
    /// `z`: sorted sets.
    SortedSet,
    /// `t`: streams.
    Stream,
    /// `x`: a key expired.
    Expired,
    /// `e`: a key was evicted.
    Evicted,
    /// `n`: a key was created.
    New,
    /// `m`: a key that was read does not exist.
    KeyMiss,
}

/// Something that happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its class.
    pub class: EventClass,
    /// Its name on the wire, such as `set` or `expired`.
    pub name: &'static str,
    /// The database.
    pub db: usize,
    /// The key.
    pub key: Box<[u8]>,
}

/// Why a key vanished without a command that deletes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its deadline has passed.
    Expired,
    /// Memory was short.
    Evicted,
}

/// A key that vanished as a side effect; to be propagated as a deletion before the command's own effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The database.
    pub db: usize,
    /// The key.
    pub key: Box<[u8]>,
    /// Why.
    pub reason: Reason,
}

/// Fields of a hash that expired; to be propagated as their deletion, which deletes the key with its last field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredFields {
    /// The database.
    pub db: usize,
    /// The key.
    pub key: Box<[u8]>,
    /// The fields.
    pub fields: Vec<Box<[u8]>>,
}

/// What one command (transaction, script) did. The dispatcher owns one, drains it after each unit and calls
/// [`clear`](Effects::clear) after unlocking.
#[derive(Debug, Default)]
pub struct Effects {
    /// Changes, counted as `rdb_changes_since_last_save` does.
    pub dirty: u64,
    /// Keyspace events in order; recorded only if `record_events`.
    pub events: Vec<Event>,
    /// Keys that expired or were evicted on the way, in order. Always recorded.
    pub removals: Vec<Removal>,
    /// Fields that the active expiry cycle removed. Always recorded.
    pub expired_fields: Vec<ExpiredFields>,
    /// Keys whose value or deadline changed, with their database; recorded only if `record_touched`.
    pub touched: Vec<(usize, Box<[u8]>)>,
    /// Keys that have not changed, but at which those who wait for them are to look again; recorded only if
    /// `record_touched`.
    pub ready: Vec<(usize, Box<[u8]>)>,
    /// Databases all of whose keys may have changed (FLUSHDB, SWAPDB); recorded only if `record_touched`.
    pub touched_databases: Vec<usize>,
    /// Values to be freed after the locks are released (dropping them frees).
    pub garbage: Vec<Garbage>,
    /// How many of `removals` and of `expired_fields` were taken note of.
    recorded: (usize, usize),
    /// Whether somebody wants `events`.
    pub record_events: bool,
    /// Whether somebody wants `touched` (watched or tracked keys).
    pub record_touched: bool,
}

/// How much was recorded at some moment.
#[derive(Debug, Default)]
pub(crate) struct EffectsMark {
    dirty: u64,
    events: usize,
    removals: usize,
    expired_fields: usize,
    touched: usize,
    ready: usize,
    touched_databases: usize,
    recorded: (usize, usize),
}

impl Effects {
    /// How much was recorded so far.
    pub(crate) fn mark(&self) -> EffectsMark {
        EffectsMark {
            dirty: self.dirty,
            events: self.events.len(),
            removals: self.removals.len(),
            expired_fields: self.expired_fields.len(),
            touched: self.touched.len(),
            ready: self.ready.len(),
            touched_databases: self.touched_databases.len(),
            recorded: self.recorded,
        }
    }

    /// Forgets what was recorded since.
    pub(crate) fn rewind(&mut self, mark: &EffectsMark) {
        self.dirty = mark.dirty;
        self.events.truncate(mark.events);
        self.removals.truncate(mark.removals);
        self.expired_fields.truncate(mark.expired_fields);
        self.touched.truncate(mark.touched);
        self.ready.truncate(mark.ready);
        self.touched_databases.truncate(mark.touched_databases);
        self.recorded = mark.recorded;
    }

    /// Whether nothing was recorded.
    #[inline]
    pub fn is_empty(&self) -> bool {
        // All in one, since a branch for each costs more.
        let lists = self.removals.len() | self.expired_fields.len() | self.events.len() | self.touched.len();
        let rare = self.touched_databases.len() | self.ready.len() | self.garbage.len();
        self.dirty | (lists | rare) as u64 == 0
    }

    /// Forgets what was recorded, frees the garbage and keeps the `record_` switches.
    pub fn clear(&mut self) {
        self.dirty = 0;
        // Nothing else, after nearly every command.
        if self.is_empty() && self.recorded == (0, 0) {
            return;
        }
        self.events.clear();
        self.removals.clear();
        self.expired_fields.clear();
        self.recorded = (0, 0);
        self.touched.clear();
        self.touched_databases.clear();
        self.ready.clear();
        self.garbage.clear();
    }

    /// The removals that came after those which [are recorded](Effects::removals_are_recorded).
    pub fn unrecorded_removals(&self) -> &[Removal] {
        self.removals.get(self.recorded.0..).unwrap_or_default()
    }

    /// The expired fields that came after those which are recorded.
    pub fn unrecorded_fields(&self) -> &[ExpiredFields] {
        self.expired_fields.get(self.recorded.1..).unwrap_or_default()
    }

    /// All removals so far are taken note of.
    pub fn removals_are_recorded(&mut self) {
        self.recorded = (self.removals.len(), self.expired_fields.len());
    }

    pub(crate) fn event(&mut self, class: EventClass, name: &'static str, db: usize, key: &[u8]) {
        if self.record_events {
            self.events.push(Event { class, name, db, key: key.into() });
        }
    }

    pub(crate) fn touched_database(&mut self, db: usize) {
        if self.record_touched {
            self.touched_databases.push(db);
        }
    }

    pub(crate) fn ready(&mut self, db: usize, key: &[u8]) {
        if self.record_touched {
            self.ready.push((db, key.into()));
        }
    }

    pub(crate) fn touched(&mut self, db: usize, key: &[u8]) {
        if self.record_touched {
            self.touched.push((db, key.into()));
        }
    }
}
