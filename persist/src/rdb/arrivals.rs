//! Keys on their way from a file into a store. They go in batches: the lock of a shard is taken once for several of them, and
//! the processor fetches the buckets of a whole batch at once.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::file_read::Record;
use super::file_write::Usage;
use super::load::LoadError;
use ochre_store::keyspace::{self, NewValue, RestoreOptions};
use ochre_store::sync::ShardSet;
use ochre_store::{Error, Key, Store, Txn};

/// Keys in a batch.
const KEYS: usize = 512;

/// A key that was read.
struct Arrival {
    db: usize,
    key: Vec<u8>,
    hash: u64,
    shard: usize,
    value: NewValue,
    options: RestoreOptions,
    /// Where its value ends in the file.
    offset: u64,
}

impl Arrival {
    fn key(&self) -> Key<'_> {
        Key::from_parts(&self.key, self.hash, self.shard)
    }

    /// Puts the key into its shard, which `txn` holds.
    fn put(self, txn: &mut Txn<'_>, replace: bool) -> Result<(), LoadError> {
        let Arrival { db, key, hash, shard, value, options, offset } = self;
        let address = Key::from_parts(&key, hash, shard);
        let outcome: Result<bool, Error> = keyspace::load(txn, db, address, value, options, replace);
        match outcome {
            Ok(true) => Ok(()),
            Ok(false) if replace => Ok(()),
            // A shard that is not held would be a mistake of the caller, and shows as well.
            Ok(false) | Err(_) => Err(LoadError::Duplicate { offset, db, key: key.into() }),
        }
    }
}

/// What shows the shards of a set to what it is given.
type With<'w> = dyn FnMut(ShardSet, &mut dyn FnMut(&mut Txn<'_>)) + 'w;

/// Keys that were read and are not in the store yet.
pub struct Arrivals {
    keys: Vec<Arrival>,
    replace: bool,
}

impl Arrivals {
    /// None yet. With `replace` keys that exist already are replaced; otherwise they are an error.
    pub(super) fn new(replace: bool) -> Arrivals {
        Arrivals { keys: Vec::new(), replace }
    }

    pub(super) fn push(&mut self, store: &Store, db: usize, record: Record, offset: u64) {
        let Record { key, value, deadline_ms, usage } = record;
        let mut options = RestoreOptions { deadline_ms, ..RestoreOptions::default() };
        match usage {
            Some(Usage::IdleSeconds(seconds)) => options.idle_seconds = Some(seconds),
            Some(Usage::Frequency(frequency)) => options.frequency = Some(frequency),
            None => {}
        }
        let (hash, shard) = {
            let address = store.key(&key);
            (address.hash(), address.shard())
        };
        if self.keys.is_empty() {
            self.keys.reserve_exact(KEYS);
        }
        self.keys.push(Arrival { db, key, hash, shard, value, options, offset });
    }

    /// Whether it is time to put them into the store.
    pub(super) fn are_many(&self) -> bool {
        self.keys.len() >= KEYS
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Parts them by shard: those of shard `s` go to the part number `s` modulo `parts`. Of each key the order stays.
    pub(super) fn split(self, parts: usize) -> Vec<Arrivals> {
        if parts <= 1 {
            return vec![self];
        }
        let mut split: Vec<_> = (0..parts).map(|_| Arrivals::new(self.replace)).collect();
        for arrival in self.keys {
            if let Some(part) = arrival.shard.checked_rem(parts).and_then(|part| split.get_mut(part)) {
                part.keys.push(arrival);
            }
        }
        split
    }

    /// Asks the processor for where they will stand; to be called before they are put there.
    pub(super) fn prefetch(&self, store: &Store) {
        self.keys.iter().for_each(|arrival| store.prefetch_bucket(arrival.db, &arrival.key()));
    }

    /// Puts them into the store.
    pub(super) fn put(mut self, with: &mut With<'_>) -> Result<(), LoadError> {
        let replace = self.replace;
        // Stable: of two of the same name the later one stays the later one.
        self.keys.sort_by_key(|arrival| arrival.shard);
        let mut keys = self.keys.into_iter().peekable();
        while let Some(shard) = keys.peek().map(|arrival| arrival.shard) {
            let mut outcome = Ok(());
            with(ShardSet::one(shard), &mut |txn| {
                while let Some(arrival) = keys.next_if(|arrival| arrival.shard == shard) {
                    outcome = arrival.put(txn, replace);
                    if outcome.is_err() {
                        return;
                    }
                }
            });
            outcome?;
        }
        Ok(())
    }
}
