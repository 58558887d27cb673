//! Claiming what other consumers of a group have not acknowledged.

use super::{ConsumerId, Delivery, Fields, Nack, StreamId};

/// How one entry is claimed.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
    /// Only an entry whose last delivery is this long ago is claimed; 0 means any.
    pub min_idle_ms: i64,
    /// Time of the delivery, if not now. One before 1970 or in the future counts as now.
    pub delivery_ms: Option<i64>,
    /// Number of deliveries, if given.
    pub deliveries: Option<u64>,
    /// Whether an entry that is not pending is claimed too, however idle.
    pub force: bool,
    /// Whether only the ID is asked for, so that this counts as no delivery.
    pub just_id: bool,
}

/// What became of an entry to be claimed.
#[derive(Clone, Debug)]
pub enum Claimed<'a> {
    /// It is not pending, or not idle for long enough.
    Skipped,
    /// It was pending though deleted, and now is no longer.
    Gone(Nack),
    /// It is pending for the new consumer.
    Taken(Fields<'a>, Nack),
}

/// Which entries XAUTOCLAIM looks at.
#[derive(Clone, Copy, Debug)]
pub struct Scan {
    /// The first ID.
    pub start: StreamId,
    /// Entries to report at most. Ten times as many are looked at.
    pub count: u64,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
    /// Only an entry whose last delivery is this long ago is claimed; 0 means any.
    pub min_idle_ms: i64,
    /// Whether only IDs are asked for, so that this counts as no delivery.
    pub just_id: bool,
}

impl<'a> Delivery<'a> {
    /// Makes the entry `id` pending for `consumer`, which must be one of this group, if `claim` allows.
    pub fn claim(&mut self, id: StreamId, consumer: ConsumerId, claim: &Claim) -> Claimed<'a> {
        let held = self.group.nack(id);
        let Some(fields) = self.view.get(id) else {
            return match self.group.ack(id) {
                Some(nack) => Claimed::Gone(nack),
                None => Claimed::Skipped,
            };
        };
        let held_deliveries = match held {
            Some(nack) if claim.min_idle_ms > 0 && idle(claim.now_ms, nack) < claim.min_idle_ms => {
                return Claimed::Skipped;
            }
            Some(nack) => nack.deliveries,
            None if claim.force => 1,
            None => return Claimed::Skipped,
        };
        let more = u64::from(!claim.just_id);
        let delivery_ms = claim.delivery_ms.filter(|ms| (0..=claim.now_ms).contains(ms));
        let nack = Nack {
            delivery_ms: delivery_ms.unwrap_or(claim.now_ms),
            deliveries: claim.deliveries.unwrap_or_else(|| held_deliveries.saturating_add(more)),
            consumer,
        };
        self.group.give(id, nack);
        if let Some(consumer) = self.group.consumer_mut(consumer) {
            consumer.active_ms = Some(claim.now_ms);
        }
        Claimed::Taken(fields, nack)
    }

    /// Makes entries that are idle for long enough pending for `consumer`, and lets go of those deleted, one after the
    /// other to `each`. Returns the ID to go on with, zero if none is left.
    pub fn autoclaim(
        &mut self,
        consumer: ConsumerId,
        scan: &Scan,
        mut each: impl FnMut(StreamId, Claimed<'a>),
    ) -> StreamId {
        let claim = Claim {
            now_ms: scan.now_ms,
            min_idle_ms: scan.min_idle_ms,
            delivery_ms: None,
            deliveries: None,
            force: false,
            just_id: scan.just_id,
        };
        let mut attempts = scan.count.saturating_mul(10);
        let mut left = scan.count;
        let mut cursor = Some(scan.start);
        loop {
            let next = cursor.and_then(|cursor| self.group.pending.range(cursor..).next());
            let Some((&id, _)) = next else { return StreamId::MIN };
            if attempts == 0 || left == 0 {
                return id;
            }
            attempts -= 1;
            let claimed = self.claim(id, consumer, &claim);
            if !matches!(claimed, Claimed::Skipped) {
                left -= 1;
                each(id, claimed);
            }
            cursor = id.next();
        }
    }
}

fn idle(now_ms: i64, nack: Nack) -> i64 {
    now_ms.saturating_sub(nack.delivery_ms)
}
