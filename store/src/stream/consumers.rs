//! The consumers of a group.

use super::StreamId;
use std::collections::BTreeSet;

/// Stands for a consumer of one group. Good until that consumer is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerId(u32);

impl ConsumerId {
    /// Stands for no consumer, while a group is being read.
    pub(super) const NONE: ConsumerId = ConsumerId(u32::MAX);

    pub(super) fn of(slot: u32) -> ConsumerId {
        ConsumerId(slot)
    }

    pub(super) fn slot(self) -> u32 {
        self.0
    }
}

/// One consumer of a group.
#[derive(Clone, Debug)]
pub struct Consumer {
    pub(super) name: Box<[u8]>,
    /// When the consumer last tried to read or claim, in milliseconds since 1970.
    pub seen_ms: i64,
    /// When it last got an entry; `None` if it never did.
    pub active_ms: Option<i64>,
    pub(super) pending: BTreeSet<StreamId>,
}

impl Consumer {
    /// The consumer's name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Number of entries it got and has not acknowledged.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }
}

/// Consumers, each in a slot that it keeps.
#[derive(Clone, Debug, Default)]
pub(super) struct Consumers {
    slots: Vec<Option<Box<Consumer>>>,
    /// Slots in the order of names.
    order: Vec<u32>,
}

impl Consumers {
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Number of slots, those included that are free.
    pub(super) fn slots(&self) -> u32 {
        self.slots.len() as u32
    }

    /// The consumers in the order of names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ConsumerId, &Consumer)> {
        self.order.iter().filter_map(|&slot| Some((ConsumerId(slot), self.get(ConsumerId(slot))?)))
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<ConsumerId> {
        self.search(name).ok().map(|at| ConsumerId(self.order[at]))
    }

    #[inline]
    pub(super) fn get(&self, id: ConsumerId) -> Option<&Consumer> {
        self.slots.get(id.0 as usize)?.as_deref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: ConsumerId) -> Option<&mut Consumer> {
        self.slots.get_mut(id.0 as usize)?.as_deref_mut()
    }

    /// Adds a consumer if there is none of its name.
    pub(super) fn add(&mut self, name: &[u8], seen_ms: i64) -> Option<ConsumerId> {
        let Err(at) = self.search(name) else { return None };
        let consumer = Box::new(Consumer { name: name.into(), seen_ms, active_ms: None, pending: BTreeSet::new() });
        let slot = if self.order.len() == self.slots.len() {
            self.slots.push(Some(consumer));
            self.slots.len() - 1
        } else {
            let free = self.slots.iter().position(Option::is_none)?;
            self.slots[free] = Some(consumer);
            free
        };
        self.order.insert(at, slot as u32);
        Some(ConsumerId(slot as u32))
    }

    /// Takes a consumer out.
    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Box<Consumer>> {
        let at = self.search(name).ok()?;
        let slot = self.order.remove(at);
        self.slots.get_mut(slot as usize)?.take()
    }

    /// Takes the slots away, which are free, beyond so many.
    pub(super) fn truncate(&mut self, slots: u32) {
        debug_assert!(self.slots.iter().skip(slots as usize).all(Option::is_none));
        self.slots.truncate(slots as usize);
    }

    /// Puts a consumer back into the slot that it was taken out of, which is free.
    pub(super) fn put_back(&mut self, id: ConsumerId, consumer: Box<Consumer>) {
        if let Err(at) = self.search(&consumer.name)
            && let Some(slot) = self.slots.get_mut(id.0 as usize)
        {
            *slot = Some(consumer);
            self.order.insert(at, id.0);
        }
    }

    fn search(&self, name: &[u8]) -> Result<usize, usize> {
        self.order.binary_search_by(|&slot| {
            let consumer = self.get(ConsumerId(slot));
            consumer.map_or(&[][..], |consumer| &consumer.name).cmp(name)
        })
    }

    /// Bytes of the tables and of the consumers without what is pending.
    pub(super) fn memory(&self) -> usize {
        let tables = self.slots.capacity() * size_of::<Option<Box<Consumer>>>() + self.order.capacity() * 4;
        tables + self.iter().map(|(_, consumer)| size_of::<Consumer>() + consumer.name.len()).sum::<usize>()
    }
}
