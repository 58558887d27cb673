//! Delivering entries to the consumers of a group.

use super::range::View;
use super::{ConsumerId, Counting, Fields, Group, Nack, StreamId};
use std::ops::Bound;

/// A group together with the entries of its stream.
pub struct Delivery<'a> {
    pub(super) view: View<'a>,
    pub(super) group: &'a mut Group,
}

/// How new entries are delivered.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// Entries at most; 0 means no limit.
    pub count: u64,
    /// Whether they count as acknowledged at once.
    pub no_ack: bool,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
    /// How the entries read are counted.
    pub counting: Counting,
}

/// An entry as it is delivered.
pub struct Delivered<'a> {
    /// Its ID.
    pub id: StreamId,
    /// Its fields; `None` if it was deleted meanwhile, which only happens to one delivered before.
    pub fields: Option<Fields<'a>>,
    /// What the group holds of it from now on; `None` if it is acknowledged already.
    pub nack: Option<Nack>,
}

impl<'a> Delivery<'a> {
    pub(super) fn new(view: View<'a>, group: &'a mut Group) -> Delivery<'a> {
        Delivery { view, group }
    }

    /// The group.
    pub fn group(&self) -> &Group {
        self.group
    }

    /// The group, for changing.
    pub fn group_mut(&mut self) -> &mut Group {
        self.group
    }

    /// Whether there are entries that the group has not got.
    pub fn has_new(&self) -> bool {
        let Some(after) = self.group.last_id.next() else { return false };
        self.view.facts.last_id >= after && self.view.reverse(after, StreamId::MAX).next().is_some()
    }

    /// Delivers entries that no consumer of the group has got to `consumer`, one after the other to `each`. Returns their
    /// number.
    pub fn read_new(&mut self, consumer: ConsumerId, read: &Read, mut each: impl FnMut(Delivered<'a>)) -> u64 {
        let Some(start) = self.group.last_id.next() else { return 0 };
        let mut delivered = 0;
        for (id, fields) in self.view.range(start, StreamId::MAX) {
            self.view.advance(self.group, id, read.counting);
            let nack = (!read.no_ack).then_some(Nack { delivery_ms: read.now_ms, deliveries: 1, consumer });
            if let Some(nack) = nack {
                self.group.give(id, nack);
            }
            each(Delivered { id, fields: Some(fields), nack });
            delivered += 1;
            if delivered == read.count {
                break;
            }
        }
        if delivered > 0
            && !read.no_ack
            && let Some(consumer) = self.group.consumer_mut(consumer)
        {
            consumer.active_ms = Some(read.now_ms);
        }
        delivered
    }

    /// Delivers again what `consumer` has not acknowledged of the entries after `after`, up to `count` (0 means no limit),
    /// one after the other to `each`. Returns their number.
    pub fn read_again(
        &mut self,
        consumer: ConsumerId,
        after: StreamId,
        count: u64,
        now_ms: i64,
        mut each: impl FnMut(Delivered<'a>),
    ) -> u64 {
        let Group { consumers, pending, taking, .. } = &mut *self.group;
        let Some(consumer) = consumers.get(consumer) else { return 0 };
        let mut delivered = 0;
        for &id in consumer.pending.range((Bound::Excluded(after), Bound::Unbounded)) {
            let fields = self.view.get(id);
            let nack = pending.get_mut(&id);
            let nack = nack.map(|nack| {
                if fields.is_some() {
                    if let Some(taking) = &mut taking.0 {
                        taking.keep_nack(id, Some(*nack));
                    }
                    nack.delivery_ms = now_ms;
                    nack.deliveries = nack.deliveries.saturating_add(1);
                }
                *nack
            });
            each(Delivered { id, fields, nack });
            delivered += 1;
            if delivered == count {
                break;
            }
        }
        delivered
    }
}
