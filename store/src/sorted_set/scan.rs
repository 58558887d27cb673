//! Walking over a sorted set in steps.

use super::value::SortedSet;
use crate::raw::entry::Str;

impl SortedSet {
    /// Visits a part of the members, about `count` of them, and returns the cursor of the next part; 0 starts, and 0 is
    /// returned after the last part. A member that stays in the set all the while is visited at least once.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, visit: &mut dyn FnMut(Str<'a>, f64)) -> u64 {
        let SortedSet::Order(members) = self else {
            self.for_each(visit);
            return 0;
        };
        let (mut cursor, mut seen) = (cursor, 0);
        // Empty buckets do not count as members, but must not make it endless.
        for _ in 0..count.saturating_mul(10) {
            cursor = members.scan(cursor, &mut |member, score| {
                seen += 1;
                visit(Str::Bytes(member), score);
            });
            if cursor == 0 || seen >= count {
                break;
            }
        }
        cursor
    }
}
