//! Watched keys: who watches which, and who is marked when one changes.
//!
//! A watch lies in the shard of its key, and whatever happens to it happens under the lock of that shard. EXEC holds the
//! locks of all watched keys and of all keys of its commands, looks whether the client is marked, and only then begins.

use super::table::{WatchTable, Watcher};
use crate::client::Client;
use crate::net::Worker;
use crate::server::{Attention, Server};
use crossbeam_utils::CachePadded;
use ochre_store::keyspace::{self, Presence};
use ochre_store::sync::{Guard, ShardSet};
use ochre_store::{Access, Clock, Effects, Error, Shard, Txn};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

/// Where keys are watched, in the whole process. The watches themselves lie in the shards.
#[derive(Default)]
pub struct Watched {
    /// Shards of which somebody watches a key, one bit each. A bit changes under the lock of its shard, so that whoever
    /// holds that sees it right.
    shards: CachePadded<AtomicU64>,
    keys: AtomicIsize,
    /// Held while a bit changes, and with it whether there is any: then the dispatcher attends to it.
    changing: Mutex<()>,
}

impl Watched {
    /// The shards among `set` of which somebody watches a key; to be asked while these are locked.
    #[inline]
    pub(crate) fn shards_among(&self, set: ShardSet) -> ShardSet {
        ShardSet::from_bits(self.shards.load(Relaxed) & set.bits())
    }
    /// How many keys are watched.
    pub fn keys(&self) -> usize {
        self.keys.load(Relaxed).max(0).unsigned_abs()
    }
    /// Changes what is watched of a shard, under its lock.
    fn change<R>(
        &self,
        shard: usize,
        table: &mut WatchTable,
        attention: &Attention,
        change: impl FnOnce(&mut WatchTable) -> R,
    ) -> R {
        let before = table.len();
        let result = change(table);
        let now = table.len();
        self.keys.fetch_add(now as isize - before as isize, Relaxed);
        if (before == 0) != (now == 0) {
            self.note(shard, now > 0, attention);
        }
        result
    }
    fn note(&self, shard: usize, is_watched: bool, attention: &Attention) {
        let bit = ShardSet::one(shard).bits();
        let _change = self.changing.lock();
        if is_watched {
            self.shards.fetch_or(bit, SeqCst);
            attention.set(Attention::WATCHERS, true);
        } else if self.shards.fetch_and(!bit, SeqCst) == bit {
            attention.set(Attention::WATCHERS, false);
        }
    }
}

/// What one client watches.
#[derive(Default)]
pub(crate) struct Watching {
    keys: BTreeSet<(usize, Arc<[u8]>)>,
    shards: ShardSet,
    bytes: usize,
}

/// What one watched key takes beside its bytes, in the lists of the client and of the shard.
const BYTES_A_KEY: usize = 160;

impl Watching {
    /// Number of keys.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
    /// Where the keys are.
    pub(crate) fn shards(&self) -> ShardSet {
        self.shards
    }
    /// Bytes that all of it takes.
    pub(crate) fn allocated(&self) -> usize {
        self.bytes
    }
}

/// Has a client watch a key of its database, unless it does already.
///
/// # Errors
/// If the key's shard is not locked.
pub(crate) fn watch(server: &Server, client: &mut Client, txn: &mut Txn<'_>, key: &[u8]) -> Result<(), Error> {
    let (db, key) = (client.db, Arc::<[u8]>::from(key));
    let address = server.store.key(&key);
    let watching = client.watching.get_or_insert_default();
    if watching.keys.contains(&(db, key.clone())) {
        return Ok(());
    }
    let now = keyspace::presence(txn, db, address)?;
    let watcher = Watcher::new(client.handle.clone(), now);
    let (shard, name) = (address.shard(), key.clone());
    let table = txn.attached::<WatchTable>(shard)?;
    server.watched.change(shard, table, &server.attention, |table| table.add(db, name, watcher));
    watching.shards.insert(address.shard());
    watching.bytes += key.len() + BYTES_A_KEY;
    watching.keys.insert((db, key));
    Ok(())
}

/// Whether a key that the client watches has changed, or has expired. Its shards must be locked.
///
/// # Errors
/// If they are not.
pub(crate) fn is_broken(client: &Client, txn: &mut Txn<'_>) -> Result<bool, Error> {
    if client.handle.watch_broken.load(SeqCst) {
        return Ok(true);
    }
    for (db, key) in client.watching.iter().flat_map(|watching| &watching.keys) {
        let address = txn.store().key(key);
        let now = keyspace::presence(txn, *db, address)?;
        let table = txn.attached::<WatchTable>(address.shard())?;
        if table.get(*db, key, client.id()).is_some_and(|watcher| watcher.has_expired(now)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Has a client watch nothing any more. Its shards must be locked.
///
/// # Errors
/// If they are not.
pub(crate) fn stop_watching(server: &Server, client: &mut Client, txn: &mut Txn<'_>) -> Result<(), Error> {
    let Some(watching) = client.watching.take() else { return Ok(()) };
    for (db, key) in &watching.keys {
        let shard = server.store.key(key).shard();
        let table = txn.attached::<WatchTable>(shard)?;
        server.watched.change(shard, table, &server.attention, |table| table.remove(*db, key, client.id()));
    }
    client.handle.watch_broken.store(false, SeqCst);
    client.publish_transaction();
    Ok(())
}

/// Marks the clients that watch what a unit has touched. To be called before its locks are released; what it has touched is
/// left for others to see.
pub(crate) fn mark(worker: &Worker, guard: &mut Guard<'_, Shard>, effects: &mut Effects, clock: Clock) {
    if worker.server.watched.shards_among(guard.set()).is_empty() {
        return;
    }
    let touched = std::mem::take(&mut effects.touched);
    let databases = std::mem::take(&mut effects.touched_databases);
    let mut marking = Marking { worker, guard, effects, clock };
    for (db, key) in &touched {
        marking.touch(*db, key);
    }
    for db in &databases {
        marking.exchange(*db);
    }
    effects.touched = touched;
    effects.touched_databases = databases;
}

/// As [`mark`], for keys and fields that expired by themselves or were evicted.
pub(crate) fn mark_removals(worker: &Worker, guard: &mut Guard<'_, Shard>, effects: &mut Effects, clock: Clock) {
    if worker.server.watched.shards_among(guard.set()).is_empty() {
        return;
    }
    let removals = std::mem::take(&mut effects.removals);
    let expired_fields = std::mem::take(&mut effects.expired_fields);
    let mut marking = Marking { worker, guard, effects, clock };
    removals.iter().for_each(|removal| marking.touch(removal.db, &removal.key));
    expired_fields.iter().for_each(|expired| marking.touch(expired.db, &expired.key));
    effects.removals = removals;
    effects.expired_fields = expired_fields;
}

struct Marking<'m, 'g, 'w> {
    worker: &'w Worker,
    guard: &'m mut Guard<'g, Shard>,
    effects: &'m mut Effects,
    clock: Clock,
}

impl Marking<'_, '_, '_> {
    fn touch(&mut self, db: usize, key: &[u8]) {
        let shard = self.worker.server.store.key(key).shard();
        if self.table(shard).is_some_and(|table| table.is_watched(db, key)) {
            let now = self.presence(db, key);
            self.change(shard, |table| table.touch(db, key, now));
        }
    }
    fn exchange(&mut self, db: usize) {
        for shard in self.worker.server.watched.shards_among(self.guard.set()).iter() {
            for key in self.table(shard).map(|table| table.keys(db)).unwrap_or_default() {
                let now = self.presence(db, &key);
                self.change(shard, |table| table.exchange(db, &key, now));
            }
        }
    }
    fn change(&mut self, shard: usize, change: impl FnOnce(&mut WatchTable)) {
        let server = &self.worker.server;
        if let Some(table) = self.guard.shard(shard).map(Shard::attached) {
            server.watched.change(shard, table, &server.attention, change);
        }
    }
    fn table(&mut self, shard: usize) -> Option<&mut WatchTable> {
        Some(self.guard.shard(shard)?.attached())
    }
    fn presence(&mut self, db: usize, key: &[u8]) -> Presence {
        let store = &self.worker.server.store;
        let mut txn = Txn::new(store, self.guard, self.clock, self.effects, Access::default());
        // The shard is locked, or nobody could watch the key.
        keyspace::presence(&mut txn, db, store.key(key)).unwrap_or(Presence::Absent)
    }
}
