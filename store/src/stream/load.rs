//! Making streams from their parts, as a file gives them.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::consumers::ConsumerId;
use super::node::Node;
use super::validate::check;
use super::{Counting, Facts, Group, Nack, Stream, StreamId};
use crate::corrupt::Corrupt;
use crate::listpack::Listpack;

/// Reads a stream: the nodes in order, then its facts, then its groups.
#[derive(Default)]
pub struct StreamLoader {
    stream: Stream,
    length: u64,
    ends: Option<(StreamId, StreamId)>,
}

impl StreamLoader {
    /// Starts with no node.
    pub fn new() -> StreamLoader {
        StreamLoader::default()
    }

    /// Adds a node, given its master ID and its listpack. Errs if the listpack is malformed or not that of a node, and if
    /// the node does not follow the one before.
    pub fn node(&mut self, master: StreamId, bytes: &[u8]) -> Result<(), Corrupt> {
        let pack = Listpack::from_bytes(bytes)?;
        let checked = check(master, pack.view())?;
        if self.stream.tail.as_ref().is_some_and(|tail| tail.master >= master)
            || self.ends.is_some_and(|(_, last)| last >= master)
        {
            return Err(corrupt("a node does not follow the one before"));
        }
        self.length = self.length.checked_add(checked.live).ok_or_else(|| corrupt("too many entries"))?;
        if let Some((first, last)) = checked.ends {
            self.ends = Some((self.ends.map_or(first, |(first, _)| first), last));
        }
        if let Some(tail) = self.stream.tail.replace(Node { master, pack }) {
            self.stream.more.get_or_insert_default().earlier.insert(tail.master, tail.pack);
        }
        Ok(())
    }

    /// Number of entries so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// ID of the first entry so far, which files before RDB version 10 do not tell; zero if there is none.
    pub fn first_id(&self) -> StreamId {
        self.ends.map_or(StreamId::MIN, |(first, _)| first)
    }

    /// How many entries were ever added up to `id`, as far as the facts tell, which must be set: for files before RDB
    /// version 10, which do not say it of groups.
    pub fn entries_read(&self, id: StreamId) -> Option<u64> {
        self.stream.facts.added_up_to(id, Counting::default())
    }

    /// Sets the facts. Errs if they do not fit the nodes; the first ID is taken from these.
    pub fn facts(&mut self, facts: Facts) -> Result<(), Corrupt> {
        if facts.length != self.length {
            return Err(corrupt("the length is not the number of entries"));
        }
        if self.ends.is_some_and(|(_, last)| last > facts.last_id) {
            return Err(corrupt("the last ID is less than that of an entry"));
        }
        self.stream.facts = Facts { first_id: self.first_id(), ..facts };
        Ok(())
    }

    /// Adds a group. Errs if there is one of its name, or if an entry is pending for nobody.
    pub fn group(&mut self, group: GroupLoader) -> Result<(), Corrupt> {
        if group.unowned > 0 {
            return Err(corrupt("an entry is pending for no consumer"));
        }
        if !self.stream.add_group(group.group) {
            return Err(corrupt("two groups have the same name"));
        }
        Ok(())
    }

    /// The stream.
    pub fn finish(self) -> Stream {
        self.stream
    }
}

/// Reads a group: what is pending, then the consumers, each with what is pending for it.
pub struct GroupLoader {
    group: Group,
    unowned: usize,
}

impl GroupLoader {
    /// Starts with nothing pending.
    pub fn new(name: &[u8], last_id: StreamId, entries_read: Option<u64>) -> GroupLoader {
        GroupLoader { group: Group::new(name, last_id, entries_read), unowned: 0 }
    }

    /// Adds an entry that is pending. Errs if it is there.
    pub fn pending(&mut self, id: StreamId, delivery_ms: i64, deliveries: u64) -> Result<(), Corrupt> {
        let nack = Nack { delivery_ms, deliveries, consumer: ConsumerId::NONE };
        if self.group.pending.insert(id, nack).is_some() {
            return Err(corrupt("an entry is pending twice"));
        }
        self.unowned = self.unowned.saturating_add(1);
        Ok(())
    }

    /// Adds a consumer. Errs if there is one of this name.
    pub fn consumer(&mut self, name: &[u8], seen_ms: i64, active_ms: Option<i64>) -> Result<ConsumerId, Corrupt> {
        let id =
            self.group.consumers.add(name, seen_ms).ok_or_else(|| corrupt("Duplicate stream consumer detected"))?;
        if let Some(consumer) = self.group.consumers.get_mut(id) {
            consumer.active_ms = active_ms;
        }
        Ok(id)
    }

    /// Says for whom an entry is pending. Errs if it is not pending, or for another one.
    pub fn owned(&mut self, id: StreamId, consumer: ConsumerId) -> Result<(), Corrupt> {
        let nack = self.group.pending.get_mut(&id).ok_or_else(|| corrupt("a consumer's entry is not pending"))?;
        let owner = self.group.consumers.get_mut(consumer).ok_or_else(|| corrupt("no such consumer"))?;
        if nack.consumer != ConsumerId::NONE {
            return Err(corrupt("an entry is pending for two consumers"));
        }
        nack.consumer = consumer;
        owner.pending.insert(id);
        self.unowned = self.unowned.saturating_sub(1);
        Ok(())
    }
}

fn corrupt(reason: &'static str) -> Corrupt {
    Corrupt { kind: "stream", offset: 0, reason }
}
