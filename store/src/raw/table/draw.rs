//! Entries chosen at random.

use super::{Keyed, Table, visit_chain};
use crate::random::Random;
use crate::raw::bucket::{Bucket, SLOTS};
use crate::raw::hint::prefetch;

/// Draws before the table is searched instead.
const ROUNDS: usize = 50;
/// Buckets asked for at once: most of the places that are drawn are free.
const DRAWS: usize = 4;
/// How much of a table is searched at least: so many home buckets, and so many entries.
const SEARCHED_BUCKETS: usize = 1024;
const SEARCHED_ENTRIES: usize = 64;

impl<K: Keyed> Table<K> {
    /// A random entry, each nearly as likely as any other.
    pub(in crate::raw) fn random(&self, random: &mut Random) -> Option<*mut u8> {
        if self.len == 0 {
            return None;
        }
        // Draws a place of a chain as long as the longest, so that entries of full chains are not less likely.
        let places = usize::from(self.deepest[0].max(self.deepest[1])) * SLOTS;
        for _ in 0..ROUNDS {
            let draws: [(usize, &Bucket); DRAWS] = std::array::from_fn(|_| {
                let home = self.searched_home(random.below(self.searched_homes()));
                (random.below(places), home)
            });
            draws.iter().for_each(|(_, bucket)| prefetch(std::ptr::from_ref::<Bucket>(bucket).cast()));
            let found = draws.iter().find_map(|(place, home)| entry_at(home, *place));
            if found.is_some() {
                return found;
            }
        }
        self.search(random)
    }

    /// For tables that are nearly empty: one of all entries, or of many in a row, each as likely as any other of them.
    fn search(&self, random: &mut Random) -> Option<*mut u8> {
        let homes = self.searched_homes();
        let start = random.below(homes);
        let (mut seen, mut chosen) = (0, None);
        for step in 0..homes {
            if step >= SEARCHED_BUCKETS && seen >= SEARCHED_ENTRIES {
                break;
            }
            visit_chain(self.searched_home((start + step) % homes), &mut |entry| {
                seen += 1;
                if random.below(seen) == 0 {
                    chosen = Some(entry);
                }
            });
        }
        chosen
    }

    /// Visits about `count` entries of neighbouring buckets from a random one on, looking into at most `buckets_max`.
    pub(in crate::raw) fn sample(
        &self,
        count: usize,
        buckets_max: usize,
        random: &mut Random,
        visit: &mut dyn FnMut(*mut u8),
    ) -> usize {
        let homes = self.searched_homes();
        if self.len == 0 || homes == 0 {
            return 0;
        }
        let start = random.below(homes);
        let mut visited = 0;
        for step in 0..homes.min(buckets_max) {
            visit_chain(self.searched_home((start + step) % homes), &mut |entry| {
                if visited < count {
                    visited += 1;
                    visit(entry);
                }
            });
            if visited >= count {
                break;
            }
        }
        visited
    }

    /// Home buckets that may hold entries.
    fn searched_homes(&self) -> usize {
        self.current.buckets() - self.moved + self.next.buckets()
    }

    /// One of them.
    fn searched_home(&self, index: usize) -> &Bucket {
        let unmoved = self.current.buckets() - self.moved;
        if index < unmoved { self.current.bucket(self.moved + index) } else { self.next.bucket(index - unmoved) }
    }
}

/// The entry in slot number `place` of a chain, counted over its buckets.
fn entry_at(home: &Bucket, mut place: usize) -> Option<*mut u8> {
    let mut bucket = home;
    while place >= SLOTS {
        place -= SLOTS;
        bucket = bucket.child()?;
    }
    (bucket.taken() >> place & 1 == 1).then(|| bucket.get(place))
}
