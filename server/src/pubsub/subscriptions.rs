//! What one client listens to.

use super::Space;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The channels and patterns of one client.
#[derive(Default)]
pub(crate) struct Subscriptions {
    names: [BTreeSet<Arc<[u8]>>; Space::COUNT],
    bytes: usize,
}

/// What a subscription takes beside its name, in the client's list and in the tables of those who deliver.
const BYTES_EACH: usize = 200;

impl Subscriptions {
    /// Number of subscriptions of a kind.
    pub(crate) fn len(&self, space: Space) -> usize {
        self.names[space as usize].len()
    }
    /// Whether there is none of any kind.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.iter().all(BTreeSet::is_empty)
    }
    /// The number that confirmations of this kind carry: channels and patterns are counted together.
    pub(crate) fn shown(&self, space: Space) -> usize {
        match space {
            Space::Channel | Space::Pattern => self.len(Space::Channel) + self.len(Space::Pattern),
            Space::Shard => self.len(Space::Shard),
        }
    }
    /// Bytes that all of it takes.
    pub(crate) fn allocated(&self) -> usize {
        self.bytes
    }
    /// All names of a kind.
    pub(crate) fn names(&self, space: Space) -> impl Iterator<Item = &Arc<[u8]>> {
        self.names[space as usize].iter()
    }
    /// Whether the test holds for all names.
    pub(crate) fn all(&self, test: impl Fn(Space, &[u8]) -> bool) -> bool {
        Space::ALL.into_iter().all(|space| self.names(space).all(|name| test(space, name)))
    }
    /// Whether the name is among them.
    pub(crate) fn contains(&self, space: Space, name: &[u8]) -> bool {
        self.names[space as usize].contains(name)
    }
    /// Adds a name that is not among them.
    pub(crate) fn add(&mut self, space: Space, name: Arc<[u8]>) {
        self.bytes += name.len() + BYTES_EACH;
        self.names[space as usize].insert(name);
    }
    /// Takes a name out; false if it was not among them.
    pub(crate) fn remove(&mut self, space: Space, name: &[u8]) -> bool {
        let removed = self.names[space as usize].remove(name);
        if removed {
            self.bytes -= name.len() + BYTES_EACH;
        }
        removed
    }
}
