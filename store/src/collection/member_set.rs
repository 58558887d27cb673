//! A set of byte strings.

use crate::free::Garbage;
use crate::random::Random;
use crate::raw::element::Element;
use crate::raw::members::Members;
use crate::raw::table::TableShape;
use crate::store::Store;

/// A set of byte strings: what `OBJECT ENCODING` calls `hashtable`.
pub struct MemberSet(Members);

/// A member that has left its set; dereferences to its bytes.
pub struct Taken(Element);

impl std::ops::Deref for Taken {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.0.get().key()
    }
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Taken").field(&&**self).finish()
    }
}

impl std::fmt::Debug for MemberSet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MemberSet").field("len", &self.len()).finish()
    }
}

impl Clone for MemberSet {
    fn clone(&self) -> MemberSet {
        let mut members = Members::new(self.0.core().clone());
        members.reserve(self.len());
        for element in self.0.iter() {
            members.insert(element.key());
        }
        MemberSet(members)
    }
}

impl MemberSet {
    /// An empty set, hashed with the seed of `store` and freed by its thread.
    pub fn new(store: &Store) -> MemberSet {
        MemberSet(Members::new(store.core.clone()))
    }

    /// Makes room for `len` members (at most a million at once) if there has never been any, so that the table need not
    /// grow on the way there.
    pub fn reserve(&mut self, len: usize) {
        self.0.reserve(len);
    }

    /// Members.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `member` is one.
    pub fn contains(&self, member: &[u8]) -> bool {
        self.0.get(member).is_some()
    }

    /// Adds `member`. False if it was one already.
    pub fn insert(&mut self, member: &[u8]) -> bool {
        self.0.insert(member)
    }

    /// Removes `member`. False if it was none.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        self.0.discard(member)
    }

    /// All members, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|element| element.key())
    }

    /// A random member, each nearly as likely as any other.
    pub fn random(&self, random: &mut Random) -> Option<&[u8]> {
        self.0.random(random).map(|element| element.key())
    }

    /// Takes a random member out.
    pub fn take_random(&mut self, random: &mut Random) -> Option<Taken> {
        self.0.take_random(random).map(Taken)
    }

    /// `count` different random members, in no order; all if there are no more.
    pub fn random_distinct(&self, count: usize, random: &mut Random) -> Vec<&[u8]> {
        self.0.random_distinct(count, random).into_iter().map(|element| element.key()).collect()
    }

    /// Visits a part of the members and returns the cursor of the next part; 0 starts, and 0 is returned after the last
    /// part. A member that stays in the set all the while is visited at least once, whatever else happens to the set.
    pub fn scan<'a>(&'a self, cursor: u64, visit: &mut dyn FnMut(&'a [u8])) -> u64 {
        self.0.scan(cursor, &mut |element| visit(element.key()))
    }

    /// Goes on with the growing or shrinking of the table by up to `chains` chains. True if there is more to do.
    pub fn rehash(&mut self, chains: usize) -> bool {
        self.0.rehash(chains)
    }

    /// Buckets of the table: of the one in use, and of the one that replaces it (0 unless it grows or shrinks).
    pub fn buckets(&self) -> (usize, usize) {
        self.0.buckets()
    }

    /// The state of the table: of its array in use, and of the one that replaces it.
    pub fn shapes(&self) -> [TableShape; 2] {
        self.0.shapes()
    }

    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        size_of::<MemberSet>() + self.0.memory()
    }

    pub(crate) fn members(&self) -> &Members {
        &self.0
    }

    pub(crate) fn members_mut(&mut self) -> &mut Members {
        &mut self.0
    }

    /// For [`Store::free_later`]: frees the set in pieces on the store's thread.
    pub fn into_garbage(self) -> Garbage {
        Garbage::members(self.0, None)
    }
}
