//! The log of what was denied.

use super::check::Reason;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Where a command came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// The client itself.
    TopLevel,
    /// A transaction.
    Transaction,
    /// A script.
    Script,
}

impl Context {
    /// The name in ACL LOG.
    pub fn name(self) -> &'static str {
        match self {
            Context::TopLevel => "toplevel",
            Context::Transaction => "multi",
            Context::Script => "lua",
        }
    }
}

/// What was denied, perhaps several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Counts up, never reset.
    pub id: u64,
    /// How often.
    pub count: u64,
    /// Why.
    pub reason: Reason,
    /// Where the command came from.
    pub context: Context,
    /// The command, the key or the channel.
    pub object: Vec<u8>,
    /// The user.
    pub user: Arc<[u8]>,
    /// Unix milliseconds of the first time.
    pub created_ms: i64,
    /// Unix milliseconds of the last time.
    pub updated_ms: i64,
    /// The line of CLIENT LIST about the client, the last time.
    pub client: Vec<u8>,
}

/// What was denied of late, the latest first, and how much in all.
#[derive(Default)]
pub struct AclLog {
    entries: Mutex<(u64, VecDeque<Entry>)>,
    counts: [AtomicU64; 6],
}

impl AclLog {
    /// Denials that are alike within this time are one entry.
    const GROUPED_MS: i64 = 60_000;
    /// How many entries are looked at for one that is alike.
    const GROUPED_AMONG: usize = 10;

    /// Adds what was denied for the first time; keeps at most `len_max` entries.
    pub fn add(&self, entry: Entry, len_max: usize) {
        if let Some(count) = self.counts.get(entry.reason as usize) {
            count.fetch_add(1, Relaxed);
        }
        let mut log = self.entries.lock();
        let (next_id, entries) = &mut *log;
        let is_alike = |known: &Entry| {
            known.reason == entry.reason
                && known.context == entry.context
                && known.updated_ms.abs_diff(entry.updated_ms) <= Self::GROUPED_MS.unsigned_abs()
                && known.object == entry.object
                && known.user == entry.user
        };
        let place = entries.iter().take(Self::GROUPED_AMONG).position(is_alike);
        if let Some(known) = place.and_then(|place| entries.remove(place)) {
            let (count, updated_ms) = (known.count.saturating_add(1), entry.updated_ms);
            entries.push_front(Entry { count, updated_ms, client: entry.client, ..known });
            return;
        }
        entries.push_front(Entry { id: *next_id, ..entry });
        *next_id = next_id.wrapping_add(1);
        entries.truncate(len_max);
    }
    /// The latest `count` entries.
    pub fn latest(&self, count: usize) -> Vec<Entry> {
        self.entries.lock().1.iter().take(count).cloned().collect()
    }
    /// Forgets all entries.
    pub fn reset(&self) {
        self.entries.lock().1.clear();
    }
    /// How often something was denied for that reason.
    pub fn count(&self, reason: Reason) -> u64 {
        self.counts.get(reason as usize).map_or(0, |count| count.load(Relaxed))
    }
    /// Counts from zero again.
    pub fn reset_counts(&self) {
        self.counts.iter().for_each(|count| count.store(0, Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(object: &str, at_ms: i64) -> Entry {
        Entry {
            id: 0,
            count: 1,
            reason: Reason::Key,
            context: Context::TopLevel,
            object: object.into(),
            user: b"u".as_slice().into(),
            created_ms: at_ms,
            updated_ms: at_ms,
            client: format!("at {at_ms}").into_bytes(),
        }
    }

    #[test]
    fn what_is_alike_is_one_entry() {
        let log = AclLog::default();
        for (object, at_ms) in [("a", 0), ("b", 10), ("a", 60_000), ("a", 120_001), ("b", 60_011)] {
            log.add(entry(object, at_ms), 100);
        }
        let shown: Vec<_> = log.latest(9).into_iter().map(|entry| (entry.id, entry.object, entry.count)).collect();
        assert_eq!(shown, [(3, b"b".to_vec(), 1), (2, b"a".to_vec(), 1), (0, b"a".to_vec(), 2), (1, b"b".to_vec(), 1)]);
        let first = log.latest(3).remove(2);
        assert_eq!((first.created_ms, first.updated_ms, first.client), (0, 60_000, b"at 60000".to_vec()));
        assert_eq!((log.count(Reason::Key), log.count(Reason::Auth)), (5, 0));
        log.reset();
        log.reset_counts();
        assert_eq!((log.latest(9).len(), log.count(Reason::Key)), (0, 0));
        log.add(entry("a", 0), 0);
        assert!(log.latest(9).is_empty());
    }

    #[test]
    fn only_a_few_are_compared() {
        let log = AclLog::default();
        (0..12).for_each(|number| log.add(entry(&number.to_string(), 0), 11));
        assert_eq!(log.latest(99).len(), 11);
        log.add(entry("2", 0), 11);
        assert_eq!(log.latest(1)[0].count, 2);
        log.add(entry("0", 0), 11);
        assert_eq!(log.latest(1)[0].count, 1);
    }
}
