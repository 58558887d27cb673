//! Groups of consumers, and what they have not acknowledged.

use super::StreamId;
use super::consumers::{Consumer, ConsumerId, Consumers};
use super::taking::{Attached, GroupTaking};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nack {
    /// When it was last delivered, in milliseconds since 1970.
    pub delivery_ms: i64,
    /// How often it was delivered.
    pub deliveries: u64,
    /// Who got it last.
    pub consumer: ConsumerId,
}

/// An entry of the list of what is pending.
#[derive(Clone, Copy, Debug)]
pub struct Pending<'a> {
    /// The entry's ID. The entry itself may have been deleted.
    pub id: StreamId,
    /// When and how often it was delivered.
    pub nack: Nack,
    /// Who got it last.
    pub consumer: &'a Consumer,
}

/// A group of consumers, each entry going to one of them.
#[derive(Clone, Debug)]
pub struct Group {
    name: Box<[u8]>,
    pub(super) last_id: StreamId,
    pub(super) entries_read: Option<u64>,
    pub(super) pending: BTreeMap<StreamId, Nack>,
    pub(super) consumers: Consumers,
    pub(super) taking: Attached<GroupTaking>,
}

impl Group {
    pub(super) fn new(name: &[u8], last_id: StreamId, entries_read: Option<u64>) -> Group {
        Group {
            name: name.into(),
            last_id,
            entries_read,
            pending: BTreeMap::new(),
            consumers: Consumers::default(),
            taking: Attached::default(),
        }
    }

    /// The group's name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The greatest ID delivered.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// How many entries were ever added up to the last ID, if that is known.
    pub fn entries_read(&self) -> Option<u64> {
        self.entries_read
    }

    /// Sets the greatest ID delivered, and how many entries that means.
    pub fn set_id(&mut self, last_id: StreamId, entries_read: Option<u64>) {
        self.last_id = last_id;
        self.entries_read = entries_read;
    }

    /// Raises the greatest ID delivered (XCLAIM with `LASTID`); returns whether it was less.
    pub fn raise_id(&mut self, last_id: StreamId) -> bool {
        let raised = last_id > self.last_id;
        self.last_id = self.last_id.max(last_id);
        raised
    }

    /// Number of consumers.
    pub fn consumers_len(&self) -> usize {
        self.consumers.len()
    }

    /// The consumers in the order of their names.
    pub fn consumers(&self) -> impl Iterator<Item = (ConsumerId, &Consumer)> {
        self.consumers.iter()
    }

    /// The consumer of this name.
    pub fn find_consumer(&self, name: &[u8]) -> Option<ConsumerId> {
        self.consumers.find(name)
    }

    /// A consumer of this group; `None` if it was deleted.
    pub fn consumer(&self, id: ConsumerId) -> Option<&Consumer> {
        self.consumers.get(id)
    }

    /// A consumer of this group, for setting its times; `None` if it was deleted.
    pub fn consumer_mut(&mut self, id: ConsumerId) -> Option<&mut Consumer> {
        if let Some(taking) = &mut self.taking.0
            && let Some(consumer) = self.consumers.get(id)
        {
            taking.keep_consumer(id, Some(consumer));
        }
        self.consumers.get_mut(id)
    }

    /// Creates a consumer, seen now; `None` if there is one of this name.
    pub fn create_consumer(&mut self, name: &[u8], now_ms: i64) -> Option<ConsumerId> {
        let id = self.consumers.add(name, now_ms)?;
        if let Some(taking) = &mut self.taking.0 {
            taking.keep_consumer(id, None);
        }
        Some(id)
    }

    /// Deletes a consumer with all that it has not acknowledged, and returns how many entries those were. `None` if there
    /// is none of this name.
    pub fn delete_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let id = self.consumers.find(name)?;
        // Whoever takes the group learns of it.
        self.consumer_mut(id)?;
        let consumer = self.consumers.remove(name)?;
        for &id in &consumer.pending {
            let nack = self.pending.remove(&id);
            self.nack_changed(id, nack);
        }
        Some(consumer.pending.len())
    }

    /// Number of entries delivered and not acknowledged.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The least and the greatest ID not acknowledged.
    pub fn pending_ends(&self) -> Option<(StreamId, StreamId)> {
        Some((*self.pending.first_key_value()?.0, *self.pending.last_key_value()?.0))
    }

    /// What is known of the entry `id` if it was delivered and not acknowledged.
    pub fn nack(&self, id: StreamId) -> Option<Nack> {
        self.pending.get(&id).copied()
    }

    /// What is not acknowledged of the entries from `start` to `end`, both included, in order.
    pub fn pending(&self, start: StreamId, end: StreamId) -> impl Iterator<Item = Pending<'_>> {
        let range = (start <= end).then(|| self.pending.range(start..=end));
        range
            .into_iter()
            .flatten()
            .filter_map(|(&id, &nack)| Some(Pending { id, nack, consumer: self.consumers.get(nack.consumer)? }))
    }

    /// What one consumer has not acknowledged of the entries from `start` to `end`, both included, in order.
    pub fn pending_of(
        &self,
        consumer: ConsumerId,
        start: StreamId,
        end: StreamId,
    ) -> impl Iterator<Item = Pending<'_>> {
        let consumer = self.consumers.get(consumer).filter(|_| start <= end);
        consumer.into_iter().flat_map(move |consumer| {
            let ids = consumer.pending.range(start..=end);
            ids.filter_map(move |&id| Some(Pending { id, nack: self.nack(id)?, consumer }))
        })
    }

    /// Acknowledges the entry `id`; returns what was known of it if it was pending.
    pub fn ack(&mut self, id: StreamId) -> Option<Nack> {
        let nack = self.pending.remove(&id)?;
        self.nack_changed(id, Some(nack));
        if let Some(consumer) = self.consumer_mut(nack.consumer) {
            consumer.pending.remove(&id);
        }
        Some(nack)
    }

    /// Makes the entry `id` pending for `nack.consumer`, whoever had it before.
    pub(super) fn give(&mut self, id: StreamId, nack: Nack) {
        let before = match self.pending.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(nack);
                None
            }
            Entry::Occupied(mut entry) => Some(entry.insert(nack)),
        };
        self.nack_changed(id, before);
        let before = before.map(|before| before.consumer);
        if before == Some(nack.consumer) {
            return;
        }
        if let Some(consumer) = before.and_then(|before| self.consumer_mut(before)) {
            consumer.pending.remove(&id);
        }
        if let Some(consumer) = self.consumer_mut(nack.consumer) {
            consumer.pending.insert(id);
        }
    }

    /// Something else is known of an ID than this.
    #[inline]
    pub(super) fn nack_changed(&mut self, id: StreamId, before: Option<Nack>) {
        if let Some(taking) = &mut self.taking.0 {
            taking.keep_nack(id, before);
        }
    }
}
