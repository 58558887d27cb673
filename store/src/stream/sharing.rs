//! Streams under keys: their groups.

use super::undo::StreamChange;
use super::{Claim, Claimed, Consumer, ConsumerId, Delivered, Delivery, Group, Read, Scan, Stream, StreamId};
use crate::effects::EventClass;
use crate::error::Error;
use crate::raw::block::PackedBox;
use crate::store::Key;
use crate::txn::{Around, Txn};
use crate::value::Value;

/// Why an operation on a group did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] Error),
    /// There is no stream.
    #[error("no such stream")]
    NoStream,
    /// The stream has no group of this name.
    #[error("no such group")]
    NoGroup,
    /// The stream has a group of this name already.
    #[error("the group exists")]
    Exists,
}

/// A group to be created, or to be set to another ID.
#[derive(Clone, Copy, Debug)]
pub struct NewGroup<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// The greatest ID that counts as delivered; the stream's last one if not given.
    pub last_id: Option<StreamId>,
    /// How many entries that means, if known.
    pub entries_read: Option<u64>,
}

/// The consumer that something is for.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The name of the group.
    pub group: &'a [u8],
    /// The name of the consumer, which is created if it does not exist.
    pub consumer: &'a [u8],
    /// Whether it is created, and counts as seen, only if there is something for it, as Redis 7.0 has it.
    pub only_if_served: bool,
}

/// Which entries a consumer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// Those that no consumer of the group has got.
    New,
    /// Those after this ID that it got and has not acknowledged.
    After(StreamId),
}

/// Which entries are claimed.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// Their IDs.
    pub ids: &'a [StreamId],
    /// How.
    pub claim: Claim,
    /// What the group's last ID is raised to, if it is less.
    pub last_id: StreamId,
}

/// Whether the stream at `key`, which is looked up for reading, has the group: errs as if something were to be done with it.
pub fn check_group(txn: &mut Txn<'_>, db: usize, key: Key<'_>, name: &[u8]) -> Result<(), GroupError> {
    let stream = super::get(txn, db, key)?.ok_or(GroupError::NoStream)?;
    stream.group(name).ok_or(GroupError::NoGroup)?;
    Ok(())
}

/// Creates a group, and the stream too if there is none and `create_stream` says so.
pub fn create_group(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    group: &NewGroup<'_>,
    create_stream: bool,
) -> Result<(), GroupError> {
    let mut created = false;
    let mut open = if create_stream {
        txn.open_or_create::<PackedBox<Stream>>(db, &key, || {
            created = true;
            PackedBox::default()
        })?
    } else {
        txn.open(db, &key)?.ok_or(GroupError::NoStream)?
    };
    if open.value().group(group.name).is_none() {
        open.keep_change(|_| Some(StreamChange::NoGroup(group.name.into())))?;
    }
    let (stream, around) = open.parts();
    let last_id = group.last_id.unwrap_or(stream.facts().last_id);
    if !stream.create_group(group.name, last_id, group.entries_read) {
        return Err(GroupError::Exists);
    }
    around.effects.dirty += 1;
    if created {
        around.effects.touched(db, key.bytes());
    }
    around.event(key.bytes(), EventClass::Stream, "xgroup-create");
    Ok(())
}

/// Sets the ID up to which a group has got entries.
pub fn set_group_id(txn: &mut Txn<'_>, db: usize, key: Key<'_>, set: &NewGroup<'_>) -> Result<(), GroupError> {
    let mut open = txn.open::<PackedBox<Stream>>(db, &key)?.ok_or(GroupError::NoStream)?;
    open.keep_group(set.name, None, |_, _| Vec::new())?;
    let (stream, around) = open.parts();
    let last_id = set.last_id.unwrap_or(stream.facts().last_id);
    stream.group_mut(set.name).ok_or(GroupError::NoGroup)?.set_id(last_id, set.entries_read);
    around.effects.dirty += 1;
    around.event(key.bytes(), EventClass::Stream, "xgroup-setid");
    Ok(())
}

/// Destroys a group; returns whether it was there.
pub fn destroy_group(txn: &mut Txn<'_>, db: usize, key: Key<'_>, name: &[u8]) -> Result<bool, GroupError> {
    let mut open = txn.open::<PackedBox<Stream>>(db, &key)?.ok_or(GroupError::NoStream)?;
    // A snapshot that takes the stream may want the group, which a journal cannot have then.
    if open.value().taken_pieces().is_some() {
        open.keep_change(|_| None)?;
    }
    let by_parts = open.by_parts();
    let (stream, around) = open.parts();
    let Some(group) = stream.destroy_group(name) else { return Ok(false) };
    if by_parts {
        open.keep_change(|_| Some(StreamChange::Destroyed(group)))?;
    } else {
        // What frees big streams frees a big group too.
        let mut rest = Stream::new();
        rest.add_group(group);
        around.core.value(Value::Stream(PackedBox::new(rest)));
    }
    let (_, around) = open.parts();
    around.effects.dirty += 1;
    // Consumers that wait are to learn of it, but for who watches the key nothing has changed.
    around.effects.ready(db, key.bytes());
    around.event(key.bytes(), EventClass::Stream, "xgroup-destroy");
    Ok(true)
}

/// Creates a consumer; returns whether there was none of this name.
pub fn create_consumer(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    group: &[u8],
    consumer: &[u8],
) -> Result<bool, GroupError> {
    let now_ms = txn.now_ms();
    let mut open = txn.open::<PackedBox<Stream>>(db, &key)?.ok_or(GroupError::NoStream)?;
    open.keep_group(group, Some(consumer), |_, _| Vec::new())?;
    let (stream, around) = open.parts();
    let group = stream.group_mut(group).ok_or(GroupError::NoGroup)?;
    let created = group.create_consumer(consumer, now_ms).is_some();
    if created {
        record_creation(around, key);
    }
    Ok(created)
}

/// Deletes a consumer with all that it has not acknowledged, and returns how many entries those were: zero also if there is
/// none of this name.
pub fn delete_consumer(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    group: &[u8],
    consumer: &[u8],
) -> Result<usize, GroupError> {
    let mut open = txn.open::<PackedBox<Stream>>(db, &key)?.ok_or(GroupError::NoStream)?;
    let by_parts = open.by_parts();
    let group = open.value().group_mut(group).ok_or(GroupError::NoGroup)?;
    let pending = if by_parts {
        let pending = group.find_consumer(consumer).and_then(|id| group.consumer(id)).map(Consumer::pending_len);
        let Some(change) = group.take_consumer(consumer) else { return Ok(0) };
        open.keep_change(|_| Some(change))?;
        pending.unwrap_or_default()
    } else {
        let Some(pending) = group.delete_consumer(consumer) else { return Ok(0) };
        pending
    };
    let (_, around) = open.parts();
    around.effects.dirty += 1;
    around.event(key.bytes(), EventClass::Stream, "xgroup-delconsumer");
    Ok(pending)
}

/// Acknowledges entries and returns how many were pending. Zero if there is no such stream or group.
pub fn ack(txn: &mut Txn<'_>, db: usize, key: Key<'_>, group: &[u8], ids: &[StreamId]) -> Result<u64, Error> {
    let Some(mut open) = txn.open_counted::<PackedBox<Stream>>(db, &key)? else { return Ok(0) };
    open.keep_group(group, None, |_, _| ids.to_vec())?;
    let (stream, around) = open.parts();
    let Some(group) = stream.group_mut(group) else { return Ok(0) };
    let acknowledged = ids.iter().map(|&id| u64::from(group.ack(id).is_some())).sum();
    around.effects.dirty += acknowledged;
    Ok(acknowledged)
}

/// Delivers entries to a consumer, one after the other to `each`. Returns whether the stream had something for it, which may
/// be an empty list of what it got before.
pub fn read_group(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    member: &Member<'_>,
    from: ReadFrom,
    read: &Read,
    each: impl FnMut(Delivered<'_>),
) -> Result<bool, GroupError> {
    let mut open = txn.open_counted::<PackedBox<Stream>>(db, &key)?.ok_or(GroupError::NoStream)?;
    open.keep_group(member.group, Some(member.consumer), |stream, group| {
        stream.read_by(group, member.consumer, from, read.count)
    })?;
    let (stream, around) = open.parts();
    let mut delivery = stream.delivery(member.group).ok_or(GroupError::NoGroup)?;
    let served = from != ReadFrom::New || delivery.has_new();
    if member.only_if_served && !served {
        return Ok(false);
    }
    let (consumer, created) = find_or_create(delivery.group_mut(), member.consumer, read.now_ms);
    see(&mut delivery, consumer, read.now_ms);
    if created {
        record_creation(around, key);
    }
    match from {
        ReadFrom::New if served => delivery.read_new(consumer, read, each),
        ReadFrom::New => 0,
        ReadFrom::After(after) => delivery.read_again(consumer, after, read.count, read.now_ms, each),
    };
    around.effects.dirty += u64::from(served);
    Ok(served)
}

/// Makes entries pending for another consumer, as far as they may be claimed, and passes what became of each to `each`.
pub fn claim(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    member: &Member<'_>,
    claims: &Claims<'_>,
    mut each: impl FnMut(StreamId, Claimed<'_>),
) -> Result<(), GroupError> {
    let mut open = txn.open_counted::<PackedBox<Stream>>(db, &key)?.ok_or(GroupError::NoStream)?;
    open.keep_group(member.group, Some(member.consumer), |_, _| claims.ids.to_vec())?;
    let (stream, around) = open.parts();
    let mut delivery = stream.delivery(member.group).ok_or(GroupError::NoGroup)?;
    let raised = delivery.group_mut().raise_id(claims.last_id);
    let claimer = Claimer::new(&mut delivery, member, claims.claim.now_ms);
    let (mut taken, mut gone) = (0, 0);
    for &id in claims.ids {
        let claimed = delivery.claim(id, claimer.consumer, &claims.claim);
        match &claimed {
            Claimed::Taken(..) => taken += 1,
            Claimed::Gone(_) => gone += 1,
            Claimed::Skipped => {}
        }
        each(id, claimed);
    }
    claimer.finish(&mut delivery, around, key, member, taken);
    around.effects.dirty += taken + gone + u64::from(raised && taken + gone == 0);
    Ok(())
}

/// Makes entries that are idle for long enough pending for another consumer, and lets go of those deleted, one after the
/// other to `each`. Returns the ID to go on with, zero if none is left.
pub fn autoclaim(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    member: &Member<'_>,
    scan: &Scan,
    mut each: impl FnMut(StreamId, Claimed<'_>),
) -> Result<StreamId, GroupError> {
    let mut open = txn.open_counted::<PackedBox<Stream>>(db, &key)?.ok_or(GroupError::NoStream)?;
    open.keep_group(member.group, Some(member.consumer), |_, group| group.looked_at_by(scan))?;
    let (stream, around) = open.parts();
    let mut delivery = stream.delivery(member.group).ok_or(GroupError::NoGroup)?;
    let claimer = Claimer::new(&mut delivery, member, scan.now_ms);
    let (mut taken, mut gone) = (0, 0);
    let next = delivery.autoclaim(claimer.consumer, scan, |id, claimed| {
        match &claimed {
            Claimed::Taken(..) => taken += 1,
            _ => gone += 1,
        }
        each(id, claimed);
    });
    claimer.finish(&mut delivery, around, key, member, taken);
    around.effects.dirty += taken + gone;
    Ok(next)
}

/// The consumer that claims, perhaps created for that.
struct Claimer {
    consumer: ConsumerId,
    created: bool,
    now_ms: i64,
}

impl Claimer {
    fn new(delivery: &mut Delivery<'_>, member: &Member<'_>, now_ms: i64) -> Claimer {
        let (consumer, created) = find_or_create(delivery.group_mut(), member.consumer, now_ms);
        Claimer { consumer, created, now_ms }
    }

    /// Records that the consumer was seen, and created; takes that back if it got nothing and so shall not be.
    fn finish(
        self,
        delivery: &mut Delivery<'_>,
        around: &mut Around<'_>,
        key: Key<'_>,
        member: &Member<'_>,
        taken: u64,
    ) {
        if !member.only_if_served || taken > 0 {
            see(delivery, self.consumer, self.now_ms);
            if self.created {
                record_creation(around, key);
            }
        } else if self.created {
            delivery.group_mut().delete_consumer(member.consumer);
        }
    }
}

fn find_or_create(group: &mut Group, name: &[u8], now_ms: i64) -> (ConsumerId, bool) {
    match group.find_consumer(name) {
        Some(consumer) => (consumer, false),
        None => (group.create_consumer(name, now_ms).expect("there is none of this name"), true),
    }
}

fn see(delivery: &mut Delivery<'_>, consumer: ConsumerId, now_ms: i64) {
    if let Some(consumer) = delivery.group_mut().consumer_mut(consumer) {
        consumer.seen_ms = now_ms;
    }
}

fn record_creation(around: &mut Around<'_>, key: Key<'_>) {
    around.effects.dirty += 1;
    around.event(key.bytes(), EventClass::Stream, "xgroup-createconsumer");
}
