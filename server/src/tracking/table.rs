//! The keys of one shard that clients have read, behind its lock.

use indexmap::IndexMap;

/// Who has read which keys, whatever the database.
#[derive(Default)]
pub(super) struct KeyTable {
    keys: IndexMap<Box<[u8]>, Vec<u64>>,
}

/// What became of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// The client is known to have read the key.
    Nothing,
    /// It is one more client.
    Reader,
    /// Nobody was known to have read it.
    Key,
}

impl KeyTable {
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
    /// Remembers that a client has read a key.
    pub(super) fn add(&mut self, key: &[u8], client: u64) -> Added {
        let Some(readers) = self.keys.get_mut(key) else {
            self.keys.insert(key.into(), vec![client]);
            return Added::Key;
        };
        if readers.contains(&client) {
            return Added::Nothing;
        }
        readers.push(client);
        Added::Reader
    }
    /// Forgets a key; who has read it.
    pub(super) fn remove(&mut self, key: &[u8]) -> Vec<u64> {
        self.keys.swap_remove(key).unwrap_or_default()
    }
    /// Forgets the key that `number` stands for, any number; the key, and who has read it.
    pub(super) fn remove_any(&mut self, number: u64) -> Option<(Box<[u8]>, Vec<u64>)> {
        let index = (number % (self.keys.len() as u64).max(1)) as usize;
        self.keys.swap_remove_index(index)
    }
    /// How many pairs of a key and a client there are.
    pub(super) fn items(&self) -> usize {
        self.keys.values().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_known_once() {
        let mut table = KeyTable::default();
        assert_eq!(table.add(b"a", 1), Added::Key);
        assert_eq!(table.add(b"a", 2), Added::Reader);
        assert_eq!(table.add(b"a", 1), Added::Nothing);
        assert_eq!(table.add(b"b", 1), Added::Key);
        assert_eq!((table.len(), table.items()), (2, 3));
        assert_eq!(table.remove(b"a"), vec![1, 2]);
        assert!(table.remove(b"a").is_empty());
        assert_eq!(table.remove_any(77), Some((b"b"[..].into(), vec![1])));
        assert_eq!(table.remove_any(77), None);
    }
}
