//! The cut, the walk, and what is taken ahead of it.

use crate::error::Error;
use crate::free::Garbage;
use crate::keyspace::{Record, record_of};
use crate::raw::entry::Entry;
use crate::raw::keys::Keys;
use crate::snapshot::taking::{self, Pieces, Place, Severed};
use crate::store::{Member, Store};
use crate::sync::ShardSet;
use crate::txn::Txn;
use crate::undo::Journal;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::time::Duration;

/// Chains of a table that one step visits for each key it may take, so that a sparse table is not held for long.
const CHAINS_PER_KEY: usize = 4;
/// Elements of a large value that one step takes for each key it may take: they take less time each.
const ELEMENTS_PER_KEY: usize = 8;
/// After so long a walk that waits for a value returns, so that it can be cancelled.
const WAIT_MAX: Duration = Duration::from_millis(10);

/// Takes what there was at the cut.
pub trait Capture: Send + Sync + 'static {
    /// A key of database `db`. Called once for each, in no order, by the walker and by whoever changes data, under the lock
    /// of the key's shard: it must be quick, and must not wait for anything but short locks of its own.
    fn record(&self, db: usize, record: Record<'_>);

    /// The same for a key whose value is large, and comes in pieces: see [`Piece`](super::Piece) for which those are. Of
    /// `record.value` only what is quickly known may be looked at, such as its length.
    fn begin(&self, db: usize, record: Record<'_>) -> Box<dyn Pieces>;
}

/// How far a snapshot is, and what it costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Keys at the cut.
    pub keys_total: u64,
    /// Keys taken, or begun to be.
    pub keys: u64,
    /// Of these, keys that were taken ahead of the walk, because they were about to change.
    pub keys_ahead: u64,
    /// Bytes of those in memory; of those taken in pieces, bytes of the pieces that were taken ahead.
    pub bytes_ahead: u64,
}

/// A snapshot that is being taken. Dropped before its end it is cancelled, and its marks are tidied up.
pub struct Snapshot {
    cut: Arc<Cut>,
    store: Arc<Store>,
    /// The shard that the walk has come to.
    shard: usize,
    is_over: bool,
}

/// What everybody knows of the snapshot.
pub(crate) struct Cut {
    pub(super) capture: Arc<dyn Capture>,
    keys_total: u64,
    keys: AtomicU64,
    keys_ahead: AtomicU64,
    bytes_ahead: AtomicU64,
    pub(super) is_cancelled: AtomicBool,
    /// Values that are taken in pieces and of which something is left: how many, where they stand, and those that were to be
    /// freed.
    pub(super) unfinished: AtomicUsize,
    pub(super) begun: Mutex<VecDeque<Arc<Place>>>,
    severed: Mutex<Vec<Severed>>,
    /// A value is handed over, has come under a key or was taken whole. Goes with `severed`.
    moved: Condvar,
    /// Tables that were flushed and hold keys that were not taken yet.
    orphans: Mutex<Vec<Keys>>,
    /// Large entries that were removed before they were taken, with their databases.
    removed: Mutex<Vec<(usize, Entry)>>,
}

/// An entry that was taken out of its table.
#[must_use = "a snapshot may need it"]
pub(crate) struct Removed {
    pub(crate) entry: Entry,
    /// Who does not have it yet.
    pub(crate) owed: Option<Box<Owed>>,
}

/// Whom an entry is to be handed to.
pub(crate) struct Owed {
    /// A snapshot, and the database that it belonged to at the cut.
    pub(crate) cut: Option<(Arc<Cut>, usize)>,
    /// A journal, and the number of the record.
    pub(crate) journal: Option<(Arc<Journal>, usize)>,
}

/// Of a table: to which snapshot its keys belong.
pub(crate) struct Tie {
    pub(crate) cut: Arc<Cut>,
    /// The database that they belonged to at the cut.
    pub(crate) db: usize,
    /// Where the walk goes on.
    pub(crate) cursor: u64,
}

/// How much one step may do.
pub(crate) struct Budget {
    keys: usize,
    chains: usize,
    bytes: usize,
    elements: usize,
    taken: u64,
}

impl Snapshot {
    /// Makes the cut; `txn` must hold all shards. What there is now goes to `capture`: key by key, while
    /// [`step`](Snapshot::step) is called until it returns false.
    ///
    /// # Errors
    /// With `NotLocked` unless all shards are held, and with `Busy` while another snapshot is being taken.
    pub fn begin(txn: &mut Txn<'_>, store: &Arc<Store>, capture: Arc<dyn Capture>) -> Result<Snapshot, Error> {
        for number in 0..store.shards() {
            txn.shard(number)?;
        }
        if store.is_cut.swap(true, SeqCst) {
            return Err(Error::Busy);
        }
        let keys_total = (0..store.databases()).map(|db| store.db_len(db) as u64).sum();
        let cut = Arc::new(Cut {
            capture,
            keys_total,
            keys: AtomicU64::new(0),
            keys_ahead: AtomicU64::new(0),
            bytes_ahead: AtomicU64::new(0),
            is_cancelled: AtomicBool::new(false),
            unfinished: AtomicUsize::new(0),
            begun: Mutex::default(),
            severed: Mutex::default(),
            moved: Condvar::new(),
            orphans: Mutex::default(),
            removed: Mutex::default(),
        });
        for number in 0..store.shards() {
            let (shard, _) = txn.shard(number)?;
            let seen = shard.databases.iter_mut().take(store.databases());
            seen.enumerate().for_each(|(db, keys)| keys.tie(cut.clone(), db));
        }
        Ok(Snapshot { cut, store: store.clone(), shard: 0, is_over: false })
    }

    /// Takes up to about `keys` keys of up to about `bytes` bytes that were not taken yet, under the lock of one shard.
    /// Blocks the thread until that is free. False if there is nothing more to take.
    pub fn step(&mut self, member: &Member, keys: usize, bytes: usize) -> bool {
        self.take_removed();
        let mut budget = Budget::new(keys, bytes);
        self.take_severed(&mut budget);
        if budget.is_left() && self.take_begun(member, &mut budget) {
            return true;
        }
        while budget.is_left() && self.shard < self.store.shards() {
            let mut guard = member.party().lock_blocking(ShardSet::one(self.shard));
            let Some(shard) = guard.shard(self.shard) else { break };
            let mine = |keys: &Keys| keys.tied_to().is_some_and(|cut| Arc::ptr_eq(cut, &self.cut));
            let mut tied = shard.databases.iter_mut().filter(|keys| mine(keys));
            if tied.all(|keys| keys.take_some(&mut budget)) {
                self.shard += 1;
            }
        }
        if self.shard == self.store.shards() && budget.is_left() {
            // No table is tied any more, so none can be handed over from now on.
            self.take_orphans(&mut budget);
        }
        self.cut.keys.fetch_add(budget.taken, Relaxed);
        let is_walked = self.shard == self.store.shards();
        let is_all = is_walked && self.cut.orphans.lock().is_empty() && self.cut.removed.lock().is_empty();
        self.is_over = is_all && self.cut.unfinished.load(SeqCst) == 0;
        if self.is_over {
            self.store.is_cut.store(false, SeqCst);
        } else if is_all && budget.is_left() {
            self.cut.await_value();
        }
        !self.is_over
    }

    /// Takes elements of values that were begun, under the lock of one's shard. Whether there was such a value.
    fn take_begun(&self, member: &Member, budget: &mut Budget) -> bool {
        let places = self.cut.begun.lock().len();
        for _ in 0..places {
            let Some(place) = self.cut.begun.lock().front().cloned() else { return false };
            let taken = place.key().and_then(|key| {
                let key = self.store.key(&key);
                let mut guard = member.party().lock_blocking(ShardSet::one(key.shard()));
                let databases = &mut guard.shard(key.shard())?.databases;
                databases.iter_mut().find_map(|keys| keys.take_pieces(key.hash(), key.bytes(), &place, budget))
            });
            let mut begun = self.cut.begun.lock();
            if taken == Some(false) {
                return true;
            }
            // Nobody else takes places out.
            begun.pop_front();
            if taken.is_none() && !place.is_over() {
                begun.push_back(place);
            } else if taken.is_some() {
                return true;
            }
        }
        false
    }

    /// Takes elements of values that nobody else knows any more; this needs no lock of a shard.
    fn take_severed(&self, budget: &mut Budget) {
        while budget.is_left() {
            let Some(mut severed) = self.cut.severed.lock().pop() else { return };
            if severed.take_some(budget) {
                if let Some(garbage) = severed.into_garbage() {
                    self.store.free_later(garbage);
                }
            } else {
                self.cut.severed.lock().push(severed);
            }
        }
    }

    /// Takes what was handed over; this needs no lock of a shard.
    fn take_removed(&self) {
        let removed = std::mem::take(&mut *self.cut.removed.lock());
        for (db, mut entry) in removed {
            // If it is only begun, the rest of it comes back as what is to be freed.
            self.cut.take_ahead(db, &mut entry);
        }
    }

    /// Takes keys of tables that were flushed; nobody else knows them, so this needs no lock.
    fn take_orphans(&self, budget: &mut Budget) {
        while budget.is_left() {
            let Some(mut keys) = self.cut.orphans.lock().pop() else { return };
            if keys.take_some(budget) {
                self.store.free_later(Garbage::keys(keys));
            } else {
                self.cut.orphans.lock().push(keys);
            }
        }
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.cut.progress()
    }

    /// A look at how far it is, for others.
    pub fn observer(&self) -> impl Fn() -> Progress + Send + Sync + use<> {
        let cut = self.cut.clone();
        move || cut.progress()
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // Marks must be in order before the next cut turns them round.
        self.cut.is_cancelled.store(true, SeqCst);
        let member = self.store.register();
        while self.step(&member, 1024, usize::MAX) {}
    }
}

impl Cut {
    fn progress(&self) -> Progress {
        Progress {
            keys_total: self.keys_total,
            keys: self.keys.load(Relaxed),
            keys_ahead: self.keys_ahead.load(Relaxed),
            bytes_ahead: self.bytes_ahead.load(Relaxed),
        }
    }

    /// Takes an entry on the walk.
    pub(crate) fn take(self: &Arc<Self>, db: usize, entry: &mut Entry, budget: &mut Budget) {
        budget.keys = budget.keys.saturating_sub(1);
        if self.is_cancelled.load(Relaxed) {
            return;
        }
        budget.taken += 1;
        if taking::begin(self, db, entry) {
            // It is gone on with before anything else.
            budget.keys = 0;
        } else {
            budget.bytes = budget.bytes.saturating_sub(entry.memory());
            self.capture.record(db, record_of(entry));
        }
    }

    /// Takes an entry that is about to change.
    pub(crate) fn take_ahead(self: &Arc<Self>, db: usize, entry: &mut Entry) {
        if self.is_cancelled.load(Relaxed) {
            return;
        }
        self.keys.fetch_add(1, Relaxed);
        self.keys_ahead.fetch_add(1, Relaxed);
        if !taking::begin(self, db, entry) {
            self.capture.record(db, record_of(entry));
            self.bytes_ahead.fetch_add(entry.memory() as u64, Relaxed);
        }
    }

    /// A piece of so many bytes was taken ahead of the walk.
    pub(super) fn piece_ahead(&self, bytes: usize) {
        self.bytes_ahead.fetch_add(bytes as u64, Relaxed);
    }

    /// A value was to be freed, of which not all was taken.
    pub(crate) fn hand_over(&self, severed: Severed) {
        self.severed.lock().push(severed);
        self.moved.notify_all();
    }

    /// A value has come under a key, or was taken whole.
    pub(super) fn value_moved(&self) {
        // Who is about to wait has looked already, or looks after this.
        drop(self.severed.lock());
        self.moved.notify_all();
    }

    /// Waits while all values that are left are on their way: being freed, or getting another name.
    fn await_value(&self) {
        let mut severed = self.severed.lock();
        let is_reachable = self.begun.lock().iter().any(|place| place.key().is_some());
        if severed.is_empty() && !is_reachable && self.unfinished.load(SeqCst) != 0 {
            self.moved.wait_for(&mut severed, WAIT_MAX);
        }
    }
}

impl Removed {
    /// The entry, for further use. A journal has a copy of it.
    pub(crate) fn into_entry(mut self) -> Entry {
        if let Some(owed) = self.owed {
            debug_assert!(owed.journal.is_none());
            owed.take(&mut self.entry);
        }
        self.entry
    }

    /// The entry, for nobody but those it is owed to: nothing if it goes there.
    pub(crate) fn hand_over(mut self) -> Option<Entry> {
        let Some(owed) = self.owed else { return Some(self.entry) };
        if let Some((journal, record)) = &owed.journal {
            owed.take(&mut self.entry);
            return journal.fill(*record, self.entry);
        }
        match owed.cut {
            Some((cut, db)) if !cut.is_cancelled.load(Relaxed) => {
                cut.removed.lock().push((db, self.entry));
                None
            }
            _ => Some(self.entry),
        }
    }
}

impl Owed {
    /// Has the snapshot take the entry.
    fn take(&self, entry: &mut Entry) {
        if let Some((cut, db)) = &self.cut {
            cut.take_ahead(*db, entry);
        }
    }
}

impl Deref for Removed {
    type Target = Entry;
    fn deref(&self) -> &Entry {
        &self.entry
    }
}

impl Budget {
    fn new(keys: usize, bytes: usize) -> Budget {
        let chains = keys.saturating_mul(CHAINS_PER_KEY).max(1);
        Budget { keys, chains, bytes, elements: keys.saturating_mul(ELEMENTS_PER_KEY).max(1), taken: 0 }
    }

    /// Whether there is anything left of it.
    pub(crate) fn is_left(&self) -> bool {
        self.keys > 0 && self.chains > 0 && self.bytes > 0 && self.elements > 0
    }

    /// An element of so many bytes was visited.
    pub(crate) fn element(&mut self, bytes: usize) {
        self.elements = self.elements.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// A chain was visited.
    pub(crate) fn chain(&mut self) {
        self.chains = self.chains.saturating_sub(1);
    }
}

/// What is to be freed of a table that was emptied; nothing if a snapshot needs it first, which gets it then.
pub(crate) fn release(keys: Keys) -> Option<Garbage> {
    match keys.tied_to().cloned() {
        Some(cut) => {
            cut.orphans.lock().push(keys);
            None
        }
        None => Some(Garbage::keys(keys)),
    }
}
