//! Keys that nothing but a command may remove, for as long as somebody says so.

use std::collections::HashSet;

/// The pinned keys of one shard, by database.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    databases: Vec<HashSet<Box<[u8]>>>,
}

impl Pins {
    pub(crate) fn add(&mut self, db: usize, key: &[u8]) {
        if self.databases.len() <= db {
            self.databases.resize_with(db + 1, HashSet::new);
        }
        if let Some(keys) = self.databases.get_mut(db) {
            keys.insert(key.into());
        }
    }
    pub(crate) fn remove(&mut self, db: usize, key: &[u8]) {
        if let Some(keys) = self.databases.get_mut(db) {
            keys.remove(key);
        }
        if self.databases.iter().all(HashSet::is_empty) {
            self.databases = Vec::new();
        }
    }
    pub(crate) fn has(&self, db: usize, key: &[u8]) -> bool {
        self.databases.get(db).is_some_and(|keys| keys.contains(key))
    }
    pub(crate) fn has_in_any_database(&self, key: &[u8]) -> bool {
        self.databases.iter().any(|keys| keys.contains(key))
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.databases.is_empty()
    }
}
