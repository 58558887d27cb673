//! Streams as sequences of small pieces, for writing them elsewhere.

use super::node::Walk;
use super::{Consumer, Facts, Fields, Group, Nack, Stream, StreamId};
use crate::listpack::Pack;

/// A piece of a stream. They come in this order: the nodes, the facts, then each group with what is pending in it and the
/// number of its consumers, then these, each with what is pending for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StreamPiece<'a> {
    /// A node.
    Node(StreamNode<'a>),
    /// What the stream remembers, and how many groups there are.
    Facts(Facts, usize),
    /// A group.
    Group(GroupFacts<'a>),
    /// An entry that is pending in the group; these come in order.
    Pending(StreamId, Nack),
    /// How many consumers the group has.
    Consumers(usize),
    /// A consumer of the group.
    Consumer(ConsumerFacts<'a>),
    /// An entry that is pending for the consumer; these come in order.
    Held(StreamId, Nack),
}

/// A node with the ID of its first entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StreamNode<'a> {
    pub(super) master: StreamId,
    pub(super) pack: Pack<'a>,
}

/// What there is to know of a group beside its consumers and what is pending.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupFacts<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// The greatest ID delivered.
    pub last_id: StreamId,
    /// How many entries were ever added up to the last ID, if that is known.
    pub entries_read: Option<u64>,
    /// Number of entries that are pending.
    pub pending: usize,
}

/// What there is to know of a consumer beside what is pending for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConsumerFacts<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// When it last tried to read or claim, in milliseconds since 1970.
    pub seen_ms: i64,
    /// When it last got an entry; `None` if it never did.
    pub active_ms: Option<i64>,
    /// Number of entries that are pending for it.
    pub pending: usize,
}

impl<'a> StreamNode<'a> {
    /// ID of the first entry, to which those of the others are relative.
    pub fn master(&self) -> StreamId {
        self.master
    }

    /// The bytes of the listpack.
    pub fn bytes(&self) -> &'a [u8] {
        self.pack.bytes()
    }

    /// The entries that are not deleted, in order.
    pub fn entries(&self) -> impl Iterator<Item = (StreamId, Fields<'a>)> + use<'a> {
        let entries = Walk::new(self.master, self.pack).filter(|entry| !entry.deleted());
        entries.map(|entry| (entry.id, entry.fields))
    }
}

impl Stream {
    /// Passes the stream piece by piece to `each`, until that errs.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn try_pieces<E>(&self, mut each: impl FnMut(StreamPiece<'_>) -> Result<(), E>) -> Result<(), E> {
        for (master, pack) in self.view().nodes() {
            each(StreamPiece::Node(StreamNode { master, pack }))?;
        }
        each(StreamPiece::Facts(self.facts, self.groups().len()))?;
        self.groups().try_for_each(|group| group.try_pieces(&mut each))
    }
}

impl Group {
    pub(super) fn facts(&self) -> GroupFacts<'_> {
        GroupFacts {
            name: self.name(),
            last_id: self.last_id,
            entries_read: self.entries_read,
            pending: self.pending_len(),
        }
    }

    fn try_pieces<E>(&self, each: &mut impl FnMut(StreamPiece<'_>) -> Result<(), E>) -> Result<(), E> {
        each(StreamPiece::Group(self.facts()))?;
        self.pending.iter().try_for_each(|(&id, &nack)| each(StreamPiece::Pending(id, nack)))?;
        each(StreamPiece::Consumers(self.consumers_len()))?;
        for (id, consumer) in self.consumers() {
            each(StreamPiece::Consumer(consumer.facts()))?;
            let mut held = self.pending_of(id, StreamId::MIN, StreamId::MAX);
            held.try_for_each(|pending| each(StreamPiece::Held(pending.id, pending.nack)))?;
        }
        Ok(())
    }
}

impl Consumer {
    pub(super) fn facts(&self) -> ConsumerFacts<'_> {
        let (name, seen_ms, active_ms) = (self.name(), self.seen_ms, self.active_ms);
        ConsumerFacts { name, seen_ms, active_ms, pending: self.pending_len() }
    }
}
