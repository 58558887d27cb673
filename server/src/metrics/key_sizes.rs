//! How long values are: the histograms of INFO keysizes.
//!
//! Other servers keep them up to date with every write. Here they are taken when somebody asks, by a walk over all keys, a few
//! of them under each lock, so that writes pay nothing for them; what changes meanwhile may be counted twice or not at all.

use crate::server::Server;
use ochre_store::keyspace::{scan_records, scan_shard};
use ochre_store::sync::ShardSet;
use ochre_store::{Clock, Effects, ValueRef};
use parking_lot::Mutex;
use std::fmt::Write;

/// Keys looked at under one lock.
const KEYS_A_LOCK: usize = 256;
/// The names of the lines, in order.
const LINES: [&str; 5] = ["strings_sizes", "lists_items", "sets_items", "zsets_items", "hashes_items"];

/// One walk is made at a time, and whoever asks meanwhile waits for its turn.
#[derive(Default)]
pub struct Surveys(Mutex<()>);

/// How many values there are of each length, by powers of two; the first place is that of empty ones.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Histogram([u64; 1 + u64::BITS as usize]);

impl Default for Histogram {
    fn default() -> Self {
        Histogram([0; 1 + u64::BITS as usize])
    }
}

impl Histogram {
    fn add(&mut self, len: usize) {
        let place = usize::BITS - len.leading_zeros();
        if let Some(count) = self.0.get_mut(place as usize) {
            *count += 1;
        }
    }

    /// The places that are not empty, as `1=2,4=1`; nothing if all are.
    fn text(&self) -> Option<String> {
        let places = self.0.iter().enumerate().filter(|(_, count)| **count > 0);
        let shown: Vec<String> = places.map(|(place, count)| format!("{}={count}", bound(place))).collect();
        (!shown.is_empty()).then(|| shown.join(","))
    }
}

/// The smallest length of a place, in short form.
fn bound(place: usize) -> String {
    const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    match place.checked_sub(1) {
        None => "0".to_owned(),
        Some(power) => format!("{}{}", 1u64 << (power % 10), UNITS.get(power / 10).unwrap_or(&"")),
    }
}

/// Looks at every key and describes what it has found, line by line. Takes as long as that takes, some 50 ns a key, and
/// is for a thread that has nothing else to do.
pub fn survey(server: &Server) -> String {
    let _turn = server.surveys.0.lock();
    let member = server.store.register();
    let mut text = String::new();
    for db in 0..server.store.databases() {
        if server.store.db_len(db) == 0 {
            continue;
        }
        let mut histograms: [Histogram; 5] = Default::default();
        let mut cursor = 0;
        loop {
            let set = ShardSet::one(scan_shard(&server.store, cursor));
            let clock = Clock { now_ms: crate::clock::unix_ms() };
            let step = member.run(set, clock, &mut Effects::default(), |txn| {
                scan_records(txn, db, cursor, KEYS_A_LOCK, &mut |record| {
                    let histogram = match record.value {
                        ValueRef::String(_) => 0,
                        ValueRef::List(_) => 1,
                        ValueRef::Set(_) => 2,
                        ValueRef::SortedSet(_) => 3,
                        ValueRef::Hash(_) => 4,
                        ValueRef::Stream(_) => return,
                    };
                    if let Some(histogram) = histograms.get_mut(histogram) {
                        histogram.add(record.value.len());
                    }
                })
            });
            cursor = match step {
                Ok(next) if next != 0 => next,
                Ok(_) => break,
                Err(error) => {
                    tracing::error!(%error, "the walk over the keys has failed");
                    break;
                }
            };
        }
        for (name, histogram) in LINES.iter().zip(&histograms) {
            if let Some(places) = histogram.text() {
                // Writing to a string cannot fail.
                let _ = write!(text, "db{db}_distrib_{name}:{places}\r\n");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    // As Redis 8.2 shows these lengths.
    #[test]
    fn lengths_are_gathered_by_powers_of_two() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.text(), None);
        for len in [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 23, 12_500, 100_000] {
            histogram.add(len);
        }
        assert_eq!(histogram.text().as_deref(), Some("0=2,1=1,2=2,4=4,8=2,16=1,8K=1,64K=1"));
        assert_eq!((bound(21), bound(64)), ("1M".to_owned(), "8E".to_owned()));
    }
}
