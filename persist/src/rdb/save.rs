//! Writing all that a store holds.

use super::code::VERSION_VALKEY;
use super::file_write::{FileSettings, FileWriter, Usage, WriteError};
use ochre_store::keyspace::{self, Record};
use ochre_store::{Error, Settings, Store, Txn, clock};
use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;

/// What stands in a file beside the keys.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// Facts about the file: names and values.
    pub aux: Vec<(&'static str, String)>,
    /// The code of each library of functions.
    pub functions: Vec<Vec<u8>>,
}

/// How usage is told, by the policy of eviction that is in force: nothing is told where it decides nothing.
#[derive(Clone, Copy, Debug)]
pub struct UsageKind {
    kind: Option<bool>,
    decay_minutes: u32,
    now_ms: i64,
}

impl UsageKind {
    /// As the settings say, at that time.
    #[must_use]
    pub fn of(settings: &Settings, now_ms: i64) -> UsageKind {
        let policy = settings.policy();
        let kind = if policy.is_lfu() { Some(true) } else { policy.is_lru().then_some(false) };
        UsageKind { kind, decay_minutes: settings.lfu_decay_time.load(Relaxed), now_ms }
    }

    /// The usage of a key with these access bits.
    #[must_use]
    pub fn usage(self, access: u32) -> Option<Usage> {
        Some(match self.kind? {
            true => Usage::Frequency(clock::lfu_decayed(access, self.now_ms, self.decay_minutes)),
            false => Usage::IdleSeconds(clock::lru_idle_ms(access, self.now_ms) / 1000),
        })
    }
}

/// The version of the format that all of a store can be written in, at least `version`. To be asked under the locks of all
/// shards, unless an answer that is soon too low does no harm.
#[must_use]
pub fn version_of_store(store: &Store, version: u32) -> u32 {
    let has_field_deadlines = (0..store.databases()).any(|db| store.db_field_keys(db) > 0);
    if has_field_deadlines { version.max(VERSION_VALKEY) } else { version }
}

/// Writes all keys of the store whose shards `txn` holds, all of them, and what `extras` says. Keys that have expired are
/// written too: whoever reads knows the time. `each` is called after each key. Returns the sink, which is not flushed.
///
/// # Errors
/// Those of the sink, and if the version has no encoding for a value: see [`version_of_store`].
pub fn save<W: Write>(
    txn: &mut Txn<'_>,
    sink: W,
    settings: FileSettings,
    extras: &Extras,
    each: &mut dyn FnMut(),
) -> Result<W, WriteError> {
    let mut file = FileWriter::new(sink, settings)?;
    file.extras(extras)?;
    let store = txn.store();
    let usage = UsageKind::of(store.settings(), txn.now_ms());
    for db in 0..store.databases() {
        let (keys, volatile) = (store.db_len(db), store.db_volatile_len(db));
        if keys == 0 {
            continue;
        }
        file.database(db as u64, keys as u64, volatile as u64)?;
        for shard in 0..store.shards() {
            let mut written = Ok(());
            let walked = keyspace::records_in_shard(txn, db, shard, &mut |record| {
                if written.is_ok() {
                    written = file.record(record, usage);
                    each();
                }
            });
            written?;
            walked.map_err(not_held)?;
        }
    }
    file.finish()
}

impl<W: Write> FileWriter<W> {
    /// Writes what stands before the keys.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn extras(&mut self, extras: &Extras) -> Result<(), WriteError> {
        extras.aux.iter().try_for_each(|(name, value)| self.aux(name.as_bytes(), value.as_bytes()))?;
        extras.functions.iter().try_for_each(|code| self.function(code))
    }

    /// Writes a key of the database begun last.
    ///
    /// # Errors
    /// Those of [`key`](FileWriter::key).
    pub fn record(&mut self, record: Record<'_>, usage: UsageKind) -> Result<(), WriteError> {
        self.key(record.key, record.value, record.deadline_ms, usage.usage(record.access))
    }
}

fn not_held(error: Error) -> WriteError {
    WriteError::Io(std::io::Error::other(error.to_string()))
}
