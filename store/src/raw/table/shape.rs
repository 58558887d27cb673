//! How well the entries of a table are spread.

use super::{Array, Keyed, Table, visit_chain};

/// Lengths of chains that are told apart.
const LENGTHS: usize = 50;

/// The state of one array of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableShape {
    /// Home buckets; none where there is no array.
    pub buckets: usize,
    /// How many entries they are meant for: with more the table grows.
    pub capacity: usize,
    /// Entries in them.
    pub entries: usize,
    /// Home buckets with entries.
    pub used: usize,
    /// Entries of the longest chain.
    pub longest: usize,
    /// How many chains have as many entries as the index says; the last counts longer ones too.
    pub lengths: [usize; LENGTHS],
}

impl Default for TableShape {
    fn default() -> TableShape {
        TableShape { buckets: 0, capacity: 0, entries: 0, used: 0, longest: 0, lengths: [0; LENGTHS] }
    }
}

impl TableShape {
    /// Counts those of another table in.
    pub fn add(&mut self, other: &TableShape) {
        self.buckets += other.buckets;
        self.capacity += other.capacity;
        self.entries += other.entries;
        self.used += other.used;
        self.longest = self.longest.max(other.longest);
        for (sum, chains) in self.lengths.iter_mut().zip(other.lengths) {
            *sum += chains;
        }
    }
}

impl<K: Keyed> Table<K> {
    /// The state of the array in use, and of the one that takes its place while the table is rehashed. Walks over all buckets.
    pub(in crate::raw) fn shapes(&self) -> [TableShape; 2] {
        [self.shape(&self.current), self.shape(&self.next)]
    }

    fn shape(&self, array: &Array) -> TableShape {
        let mut shape =
            TableShape { buckets: array.buckets(), capacity: self.capacity(array), ..TableShape::default() };
        for index in 0..array.buckets() {
            let mut length = 0;
            visit_chain(array.bucket(index), &mut |_| length += 1);
            shape.entries += length;
            shape.used += usize::from(length > 0);
            shape.longest = shape.longest.max(length);
            shape.lengths[length.min(LENGTHS - 1)] += 1;
        }
        shape
    }
}
