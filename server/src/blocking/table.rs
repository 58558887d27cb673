//! The waiters of one shard, behind its lock.

use super::request::WaitKind;
use super::waiter::Waiter;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

/// Who waits for the keys of one shard.
#[derive(Default)]
pub(super) struct WaitTable {
    databases: Vec<HashMap<Box<[u8]>, KeyQueue>>,
}

/// Those that wait for one key, by kind and in order. A key has one type at a time, so that those who wait for another
/// need not be passed over.
#[derive(Default)]
pub(super) struct KeyQueue {
    by_class: [BTreeMap<u64, Arc<Waiter>>; CLASSES],
    /// How many of them are also woken by the key's end.
    minding_absence: usize,
    /// How many of them write to another key when they are served.
    with_destination: usize,
    /// The key is on somebody's list of keys to be looked at.
    ready: bool,
}

const CLASSES: usize = 3;

fn class(kind: WaitKind) -> usize {
    match kind {
        WaitKind::List => 0,
        WaitKind::SortedSet => 1,
        _ => 2,
    }
}

/// How a change of a table changes what is counted for the whole process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Keys somebody waits for.
    pub(super) keys: isize,
    /// Keys whose end somebody waits for.
    pub(super) keys_minding_absence: isize,
}

impl WaitTable {
    pub(super) fn is_empty(&self) -> bool {
        self.databases.iter().all(HashMap::is_empty)
    }
    pub(super) fn get(&self, db: usize, key: &[u8]) -> Option<&KeyQueue> {
        self.databases.get(db)?.get(key)
    }
    /// Those who wait for a key of that name in any database.
    pub(super) fn in_any_database(&self, key: &[u8]) -> impl Iterator<Item = &KeyQueue> {
        self.databases.iter().filter_map(move |keys| keys.get(key))
    }
    /// Puts a waiter into the queue of a key; it may stand there already.
    pub(super) fn add(&mut self, db: usize, key: &[u8], waiter: &Arc<Waiter>) -> Change {
        if self.databases.len() <= db {
            self.databases.resize_with(db + 1, HashMap::new);
        }
        let Some(keys) = self.databases.get_mut(db) else { return Change::default() };
        let mut change = Change::default();
        if !keys.contains_key(key) {
            keys.insert(key.into(), KeyQueue::default());
            change.keys = 1;
        }
        let Some(queue) = keys.get_mut(key) else { return change };
        if queue.by_class[class(waiter.kind)].insert(waiter.ticket, waiter.clone()).is_some() {
            return change;
        }
        queue.with_destination += usize::from(waiter.destination.is_some());
        if waiter.kind.minds_absence() {
            queue.minding_absence += 1;
            change.keys_minding_absence = isize::from(queue.minding_absence == 1);
        }
        change
    }
    /// Takes a waiter out of the queue of a key.
    pub(super) fn remove(&mut self, db: usize, key: &[u8], waiter: &Waiter) -> Change {
        let mut change = Change::default();
        let Some(keys) = self.databases.get_mut(db) else { return change };
        let Some(queue) = keys.get_mut(key) else { return change };
        if queue.by_class[class(waiter.kind)].remove(&waiter.ticket).is_none() {
            return change;
        }
        queue.with_destination -= usize::from(waiter.destination.is_some());
        if waiter.kind.minds_absence() {
            queue.minding_absence -= 1;
            change.keys_minding_absence = -isize::from(queue.minding_absence == 0);
        }
        if queue.by_class.iter().all(BTreeMap::is_empty) {
            keys.remove(key);
            change.keys = -1;
        }
        change
    }
    /// Notes that a key is to be looked at. False: nobody waits for it, or that was noted already.
    pub(super) fn mark_ready(&mut self, db: usize, key: &[u8]) -> bool {
        let queue = self.databases.get_mut(db).and_then(|keys| keys.get_mut(key));
        queue.is_some_and(|queue| !std::mem::replace(&mut queue.ready, true))
    }
    /// Takes the note of [`mark_ready`](WaitTable::mark_ready) back.
    pub(super) fn unmark_ready(&mut self, db: usize, key: &[u8]) {
        if let Some(queue) = self.databases.get_mut(db).and_then(|keys| keys.get_mut(key)) {
            queue.ready = false;
        }
    }
    /// The keys of a database that somebody waits for, each with the ticket of the first who does.
    pub(super) fn keys(&self, db: usize) -> impl Iterator<Item = (u64, &[u8])> {
        let keys = self.databases.get(db).into_iter().flatten();
        keys.map(|(key, queue)| (queue.in_order().next().map_or(u64::MAX, |waiter| waiter.ticket), &**key))
    }
}

impl KeyQueue {
    /// The first behind `ticket` of those who wait for what `kind` wants.
    pub(super) fn after(&self, kind: WaitKind, ticket: Option<u64>) -> Option<Arc<Waiter>> {
        let from = ticket.map_or(Bound::Unbounded, Bound::Excluded);
        let mut behind = self.by_class[class(kind)].range((from, Bound::Unbounded));
        behind.next().map(|(_, waiter)| waiter.clone())
    }
    /// The first behind `ticket` of those who wait for the key's end.
    pub(super) fn minding_absence_after(&self, ticket: Option<u64>) -> Option<Arc<Waiter>> {
        if self.minding_absence == 0 {
            return None;
        }
        let from = ticket.map_or(Bound::Unbounded, Bound::Excluded);
        let mut behind = self.by_class[class(WaitKind::StreamGroup)].range((from, Bound::Unbounded));
        behind.find(|(_, waiter)| waiter.kind.minds_absence()).map(|(_, waiter)| waiter.clone())
    }
    /// Whether some of those who wait write to another key when they are served.
    pub(super) fn has_destinations(&self) -> bool {
        self.with_destination > 0
    }
    /// All who wait, each kind in order.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &Arc<Waiter>> {
        self.by_class.iter().flat_map(BTreeMap::values)
    }
}
