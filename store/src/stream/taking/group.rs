//! One group: what is pending in it by ID, then its consumers by their slots, each with what is pending for it.
//!
//! Of each ID that has been given to a consumer or acknowledged since the cut it is remembered what was known of it. What
//! was pending then is what is pending now, without these, and what is remembered.

use crate::snapshot::{Budget, Piece, TakenPieces};
use crate::stream::consumers::{Consumer, ConsumerId, Consumers};
use crate::stream::pieces::{ConsumerFacts, GroupFacts, StreamPiece};
use crate::stream::{Group, Nack, StreamId};
use std::collections::{BTreeMap, BTreeSet};

/// What a step is counted as, about the bytes that it adds to a file.
const STEP_BYTES: usize = 32;

/// How far a snapshot is with a group.
#[derive(Debug)]
pub(crate) struct GroupTaking {
    // As of the cut.
    last_id: StreamId,
    entries_read: Option<u64>,
    pending: usize,
    consumers: usize,
    /// Number of slots of consumers.
    slots: u32,
    /// The greatest ID that was pending.
    last_pending: Option<StreamId>,
    next: Next,
    /// IDs of which something else is known than was, up to the greatest that was pending.
    known: BTreeMap<StreamId, Option<Nack>>,
    /// Those of them that were pending, by their consumers' slots.
    held: BTreeSet<(u32, StreamId)>,
    /// Slots whose consumers were seen, got something, or are others.
    known_consumers: BTreeMap<u32, Option<KnownConsumer>>,
}

/// What is taken next.
#[derive(Clone, Copy, Debug)]
enum Next {
    Group,
    /// What is pending from this ID on.
    Pending(StreamId),
    /// The number of consumers.
    Consumers,
    /// The consumer in this slot.
    Consumer(u32),
    /// What is pending for the consumer in this slot, from this ID on.
    Held(u32, StreamId),
}

/// A consumer as it was.
#[derive(Debug)]
struct KnownConsumer {
    name: Box<[u8]>,
    seen_ms: i64,
    active_ms: Option<i64>,
    pending: usize,
}

impl GroupTaking {
    /// Begins with a group that is as it was at the cut.
    pub(super) fn new(group: &Group) -> GroupTaking {
        let facts = group.facts();
        GroupTaking {
            last_id: facts.last_id,
            entries_read: facts.entries_read,
            pending: facts.pending,
            consumers: group.consumers_len(),
            slots: group.consumers.slots(),
            last_pending: group.pending_ends().map(|(_, last)| last),
            next: Next::Group,
            known: BTreeMap::new(),
            held: BTreeSet::new(),
            known_consumers: BTreeMap::new(),
        }
    }

    /// Something else is known of an ID than this.
    #[cold]
    pub(in crate::stream) fn keep_nack(&mut self, id: StreamId, before: Option<Nack>) {
        if self.last_pending.is_none_or(|last| last < id) || self.known.contains_key(&id) {
            return;
        }
        self.known.insert(id, before);
        if let Some(nack) = before {
            self.held.insert((nack.consumer.slot(), id));
        }
    }

    /// The consumer in a slot is about to change or to go; with nothing, one is about to come.
    #[cold]
    pub(in crate::stream) fn keep_consumer(&mut self, id: ConsumerId, consumer: Option<&Consumer>) {
        if id.slot() < self.slots {
            self.known_consumers.entry(id.slot()).or_insert_with(|| {
                consumer.map(|consumer| KnownConsumer {
                    name: consumer.name().into(),
                    seen_ms: consumer.seen_ms,
                    active_ms: consumer.active_ms,
                    pending: consumer.pending_len(),
                })
            });
        }
    }

    /// Takes more of the group. True if that was the last.
    pub(super) fn take_some(&mut self, group: &Group, pieces: &mut TakenPieces, budget: &mut Budget) -> bool {
        while budget.is_left() {
            budget.element(STEP_BYTES);
            let mut give = |piece: StreamPiece<'_>| pieces.piece(Piece::Stream(piece));
            self.next = match self.next {
                Next::Group => {
                    give(StreamPiece::Group(GroupFacts {
                        name: group.name(),
                        last_id: self.last_id,
                        entries_read: self.entries_read,
                        pending: self.pending,
                    }));
                    Next::Pending(StreamId::MIN)
                }
                Next::Pending(from) => match self.next_pending(group, from) {
                    Some((id, nack)) => {
                        give(StreamPiece::Pending(id, nack));
                        id.next().map_or(Next::Consumers, Next::Pending)
                    }
                    None => Next::Consumers,
                },
                Next::Consumers => {
                    give(StreamPiece::Consumers(self.consumers));
                    Next::Consumer(0)
                }
                Next::Consumer(slot) if slot >= self.slots => return true,
                Next::Consumer(slot) => match self.consumer(&group.consumers, slot) {
                    Some(consumer) => {
                        give(StreamPiece::Consumer(consumer));
                        Next::Held(slot, StreamId::MIN)
                    }
                    None => Next::Consumer(slot + 1),
                },
                Next::Held(slot, from) => match self.next_held(group, slot, from) {
                    Some((id, nack)) => {
                        give(StreamPiece::Held(id, nack));
                        id.next().map_or(Next::Consumer(slot + 1), |next| Next::Held(slot, next))
                    }
                    None => Next::Consumer(slot + 1),
                },
            };
        }
        false
    }

    /// The first ID from `from` on that was pending.
    fn next_pending(&self, group: &Group, from: StreamId) -> Option<(StreamId, Nack)> {
        let last = self.last_pending.filter(|last| from <= *last)?;
        let mut same = group.pending.range(from..=last).filter(|(id, _)| !self.known.contains_key(id));
        let mut other = self.known.range(from..).filter_map(|(&id, nack)| Some((id, (*nack)?)));
        earlier(same.next().map(|(&id, &nack)| (id, nack)), other.next())
    }

    /// The same for the consumer that was in this slot.
    fn next_held(&self, group: &Group, slot: u32, from: StreamId) -> Option<(StreamId, Nack)> {
        let last = self.last_pending.filter(|last| from <= *last)?;
        let same = group.consumers.get(ConsumerId::of(slot)).and_then(|consumer| {
            let mut ids = consumer.pending.range(from..=last);
            ids.find_map(|id| Some((*id, *group.pending.get(id)?)).filter(|_| !self.known.contains_key(id)))
        });
        let other = self.held.range((slot, from)..=(slot, last)).next();
        let other = other.and_then(|(_, id)| Some((*id, (*self.known.get(id)?)?)));
        earlier(same, other)
    }

    /// The consumer that was in this slot.
    fn consumer<'a>(&'a self, consumers: &'a Consumers, slot: u32) -> Option<ConsumerFacts<'a>> {
        match self.known_consumers.get(&slot) {
            Some(known) => known.as_ref().map(|known| ConsumerFacts {
                name: &known.name,
                seen_ms: known.seen_ms,
                active_ms: known.active_ms,
                pending: known.pending,
            }),
            None => consumers.get(ConsumerId::of(slot)).map(Consumer::facts),
        }
    }
}

fn earlier(a: Option<(StreamId, Nack)>, b: Option<(StreamId, Nack)>) -> Option<(StreamId, Nack)> {
    a.into_iter().chain(b).min_by_key(|(id, _)| *id)
}
