//! The watchers of one shard, behind its lock.

use crate::client::ClientHandle;
use ochre_store::keyspace::Presence;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

/// Who watches the keys of one shard.
#[derive(Default)]
pub(super) struct WatchTable {
    databases: Vec<HashMap<Arc<[u8]>, Watchers>>,
}

/// Who watches one key, by the client's id.
type Watchers = BTreeMap<u64, Watcher>;

/// One client that watches one key.
pub(super) struct Watcher {
    client: Arc<ClientHandle>,
    /// What stood under the key when the client began to watch it, and stands there still as far as a client can tell:
    /// otherwise the client is marked.
    was: Presence,
}

impl Watcher {
    /// A client that watches a key under which `now` stands.
    pub(super) fn new(client: Arc<ClientHandle>, now: Presence) -> Watcher {
        Watcher { client, was: now }
    }
    /// Whether the key has expired since, and nobody has removed it yet.
    pub(super) fn has_expired(&self, now: Presence) -> bool {
        self.was != Presence::Expired && now == Presence::Expired
    }
    fn mark(&self) {
        self.client.watch_broken.store(true, SeqCst);
        self.client.published.watched.store(0, Relaxed);
    }
    /// The key was touched. Whether the client is to go on watching it.
    fn goes_on_after_touch(&mut self, now: Presence) -> bool {
        // What had expired already is gone now: nothing has changed.
        let goes_on = self.was == Presence::Expired && now == Presence::Absent;
        if goes_on {
            self.was = now;
        } else {
            self.mark();
        }
        goes_on
    }
    /// All keys of the database were exchanged. Whether the client is to go on watching this one.
    fn goes_on_after_exchange(&mut self, now: Presence) -> bool {
        let goes_on = self.was != Presence::Alive && now != Presence::Alive;
        if goes_on {
            self.was = now;
        } else {
            self.mark();
        }
        goes_on
    }
}

impl WatchTable {
    /// How many keys of this shard are watched.
    pub(super) fn len(&self) -> usize {
        self.databases.iter().map(HashMap::len).sum()
    }
    /// Whether somebody watches the key.
    pub(super) fn is_watched(&self, db: usize, key: &[u8]) -> bool {
        self.databases.get(db).is_some_and(|keys| keys.contains_key(key))
    }
    /// The watched keys of a database.
    pub(super) fn keys(&self, db: usize) -> Vec<Arc<[u8]>> {
        self.databases.get(db).into_iter().flat_map(HashMap::keys).cloned().collect()
    }
    /// Adds a watcher.
    pub(super) fn add(&mut self, db: usize, key: Arc<[u8]>, watcher: Watcher) {
        if self.databases.len() <= db {
            self.databases.resize_with(db + 1, HashMap::new);
        }
        if let Some(keys) = self.databases.get_mut(db) {
            keys.entry(key).or_default().insert(watcher.client.id, watcher);
        }
    }
    /// The watch of a client, if it has not been marked because of this key.
    pub(super) fn get(&self, db: usize, key: &[u8], client: u64) -> Option<&Watcher> {
        self.databases.get(db)?.get(key)?.get(&client)
    }
    /// Takes a watcher out.
    pub(super) fn remove(&mut self, db: usize, key: &[u8], client: u64) {
        self.change(db, key, |watchers| {
            watchers.remove(&client);
        });
    }
    /// A key was changed, created or removed, and this stands there now: marks those who have to know.
    pub(super) fn touch(&mut self, db: usize, key: &[u8], now: Presence) {
        self.change(db, key, |watchers| watchers.retain(|_, watcher| watcher.goes_on_after_touch(now)));
    }
    /// All keys of a database were removed, or exchanged for others: as `touch`, for one of those that are watched.
    pub(super) fn exchange(&mut self, db: usize, key: &[u8], now: Presence) {
        self.change(db, key, |watchers| watchers.retain(|_, watcher| watcher.goes_on_after_exchange(now)));
    }
    fn change(&mut self, db: usize, key: &[u8], change: impl FnOnce(&mut Watchers)) {
        let Some(keys) = self.databases.get_mut(db) else { return };
        let Some(watchers) = keys.get_mut(key) else { return };
        change(watchers);
        if watchers.is_empty() {
            keys.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Origin;
    use Presence::{Absent, Alive, Expired};

    fn watched(was: Presence) -> (WatchTable, Arc<ClientHandle>) {
        let client = Arc::new(ClientHandle::new(Origin { id: 7, ..Origin::default() }));
        let mut table = WatchTable::default();
        table.add(3, b"key"[..].into(), Watcher::new(client.clone(), was));
        (table, client)
    }

    // As touchWatchedKey and touchAllWatchedKeysInDb of Redis 7.0 decide.
    #[test]
    fn what_is_no_change_marks_nobody() {
        for (was, now, after_touch, after_exchange) in [
            (Absent, Absent, true, false),
            (Absent, Expired, true, false),
            (Absent, Alive, true, true),
            (Alive, Absent, true, true),
            (Alive, Expired, true, true),
            (Alive, Alive, true, true),
            (Expired, Absent, false, false),
            (Expired, Expired, true, false),
            (Expired, Alive, true, true),
        ] {
            let (mut table, client) = watched(was);
            table.touch(3, b"key", now);
            assert_eq!(client.watch_broken.load(SeqCst), after_touch, "{was:?}, {now:?} after a touch");
            let (mut table, client) = watched(was);
            table.exchange(3, b"key", now);
            assert_eq!(client.watch_broken.load(SeqCst), after_exchange, "{was:?}, {now:?} after an exchange");
            // Who has to start over is not kept.
            assert_eq!(table.len(), usize::from(!after_exchange));
        }
    }

    #[test]
    fn a_key_that_was_gone_already_counts_from_then_on() {
        let (mut table, client) = watched(Expired);
        assert!(!table.get(3, b"key", 7).unwrap().has_expired(Expired));
        table.touch(3, b"key", Absent);
        assert!(!client.watch_broken.load(SeqCst) && table.is_watched(3, b"key") && !table.is_watched(2, b"key"));
        table.touch(3, b"key", Alive);
        assert!(client.watch_broken.load(SeqCst) && table.len() == 0);
    }
}
