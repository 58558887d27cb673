//! A set of shard numbers.

/// Most shards a store can have: a [`ShardSet`] is one machine word.
pub const SHARDS_MAX: usize = 64;

/// A set of shard numbers below [`SHARDS_MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ShardSet(u64);

impl ShardSet {
    /// No shard.
    pub const EMPTY: ShardSet = ShardSet(0);
    /// Every shard.
    pub const ALL: ShardSet = ShardSet(u64::MAX);

    /// The set of one shard.
    #[inline]
    pub const fn one(shard: usize) -> ShardSet {
        ShardSet(1 << (shard & 63))
    }

    /// The set whose bit `i` says whether shard `i` is in it.
    #[inline]
    pub const fn from_bits(bits: u64) -> ShardSet {
        ShardSet(bits)
    }

    /// One bit a shard.
    #[inline]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Adds a shard.
    #[inline]
    pub fn insert(&mut self, shard: usize) {
        self.0 |= 1 << (shard & 63);
    }

    /// Takes a shard out.
    #[inline]
    pub fn remove(&mut self, shard: usize) {
        self.0 &= !(1 << (shard & 63));
    }

    /// The shards that are in this set or in `other`.
    #[inline]
    pub const fn union(self, other: ShardSet) -> ShardSet {
        ShardSet(self.0 | other.0)
    }

    /// Whether the shard is in the set.
    #[inline]
    pub const fn contains(self, shard: usize) -> bool {
        shard < SHARDS_MAX && self.0 >> shard & 1 == 1
    }

    /// Whether every shard of `other` is in this set.
    #[inline]
    pub const fn contains_all(self, other: ShardSet) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether the set holds nothing.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many shards are in the set.
    #[inline]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The shards in ascending order.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let shard = (left != 0).then(|| left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(shard)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_its_shards_in_ascending_order() {
        let mut set = ShardSet::one(63);
        set.insert(0);
        set.insert(17);
        set.insert(18);
        set.remove(18);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 17, 63]);
        assert_eq!(set.len(), 3);
        assert!(ShardSet::ALL.contains_all(set) && !set.contains_all(ShardSet::ALL));
        assert!(!ShardSet::ALL.contains(64));
        assert_eq!(ShardSet::EMPTY.iter().count(), 0);
    }
}
