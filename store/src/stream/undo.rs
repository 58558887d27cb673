//! Changes of large streams, as journals know them: each as little as brings back what was there.

use super::consumers::Consumer;
use super::node::{Node, count_more, counts, integer};
use super::{ConsumerId, Facts, Group, Nack, ReadFrom, Scan, Stream, StreamId};
use crate::listpack::Listpack;
use crate::raw::block::PackedBox;
use crate::undo::PARTS_MAX;
use crate::value::Value;
use std::mem::size_of_val;
use std::ops::Bound;

/// What a change of a stream takes to be taken back.
pub(crate) enum StreamChange {
    /// An entry was added at the end; before that these were the facts.
    Appended(Facts),
    /// These nodes were as they are here, and these were the facts.
    Nodes(Facts, Vec<Node>),
    /// These nodes were there, which were taken out as they were; and these were the facts.
    Trimmed(Facts, Vec<Node>),
    /// These were the facts.
    Facts(Facts),
    /// There was no group of this name.
    NoGroup(Box<[u8]>),
    /// This group was there.
    Destroyed(Group),
    /// Parts of a group.
    Group(Box<GroupState>),
    /// A group had this consumer in this slot, and it these entries.
    Deleted(Box<[u8]>, ConsumerId, Box<Consumer>, Vec<(StreamId, Nack)>),
}

/// Parts of a group that are about to change.
pub(crate) struct GroupState {
    name: Box<[u8]>,
    last_id: StreamId,
    entries_read: Option<u64>,
    consumer: Option<ConsumerState>,
    /// How many slots there are for consumers.
    slots: u32,
    /// What is known of some entries, if they are pending.
    nacks: Vec<(StreamId, Option<Nack>)>,
}

/// A consumer before it changes.
struct ConsumerState {
    name: Box<[u8]>,
    /// When it was seen, and when it was active; none if there is no consumer of this name.
    times: Option<(i64, Option<i64>)>,
}

impl StreamChange {
    /// Bytes that it keeps a copy of.
    pub(crate) fn copied_bytes(&self) -> usize {
        match self {
            StreamChange::Nodes(_, nodes) => nodes.iter().map(|node| node.pack.bytes().len()).sum(),
            StreamChange::Group(state) => size_of_val(&state.nacks[..]),
            StreamChange::Deleted(_, _, _, nacks) => size_of_val(&nacks[..]),
            _ => 0,
        }
    }

    /// What it has taken out of the stream, to be freed.
    pub(crate) fn into_value(self) -> Option<Value> {
        let mut rest = Stream::new();
        match self {
            StreamChange::Trimmed(_, nodes) => nodes.into_iter().for_each(|node| rest.put_node(node)),
            StreamChange::Destroyed(group) => drop(rest.add_group(group)),
            _ => return None,
        }
        Some(Value::Stream(PackedBox::new(rest)))
    }
}

impl Stream {
    /// What brings back the nodes in which these entries are, before these are deleted. `None` if that would copy more than
    /// `bytes_max` bytes.
    pub(crate) fn nodes_before(&self, ids: &[StreamId], bytes_max: usize) -> Option<StreamChange> {
        let mut nodes: Vec<Node> = Vec::new();
        let mut bytes = 0;
        for &id in ids {
            let Some((master, pack)) = self.node_of(id) else { continue };
            if nodes.iter().any(|node| node.master == master) {
                continue;
            }
            bytes += pack.bytes().len();
            if bytes > bytes_max {
                return None;
            }
            nodes.push(Node { master, pack: pack.clone() });
        }
        Some(StreamChange::Nodes(self.facts, nodes))
    }

    /// What brings back parts of a group: what it has got, a consumer, and what is known of some entries.
    pub(crate) fn group_before(
        &self,
        name: &[u8],
        consumer: Option<&[u8]>,
        ids: impl Iterator<Item = StreamId>,
    ) -> Option<StreamChange> {
        let group = self.group(name)?;
        let times = |consumer: &Consumer| (consumer.seen_ms, consumer.active_ms);
        let consumer = consumer.map(|name| {
            let found = group.find_consumer(name).and_then(|id| group.consumer(id));
            ConsumerState { name: name.into(), times: found.map(times) }
        });
        let nacks = ids.map(|id| (id, group.nack(id))).collect();
        Some(StreamChange::Group(Box::new(GroupState {
            name: name.into(),
            last_id: group.last_id,
            entries_read: group.entries_read,
            consumer,
            slots: group.consumers.slots(),
            nacks,
        })))
    }

    /// The entries that a read of a consumer will change something about; 0 is no limit.
    pub(super) fn read_by(&self, group: &Group, consumer: &[u8], from: ReadFrom, count: u64) -> Vec<StreamId> {
        let new = match from {
            ReadFrom::New => group.last_id.next().map(|start| self.range(start, StreamId::MAX).map(|(id, _)| id)),
            ReadFrom::After(_) => None,
        };
        let again = match from {
            ReadFrom::New => None,
            ReadFrom::After(after) => {
                let consumer = group.find_consumer(consumer).and_then(|id| group.consumer(id));
                consumer.map(|consumer| consumer.pending.range((Bound::Excluded(after), Bound::Unbounded)).copied())
            }
        };
        let most = if count == 0 { usize::MAX } else { usize::try_from(count).unwrap_or(usize::MAX) };
        new.into_iter().flatten().chain(again.into_iter().flatten()).take(most.min(PARTS_MAX + 1)).collect()
    }

    /// Takes a change back: the stream is as it was right after it.
    pub(crate) fn take_back(&mut self, change: StreamChange) {
        match change {
            StreamChange::Appended(facts) => {
                self.remove_last();
                self.facts = facts;
            }
            StreamChange::Nodes(facts, nodes) | StreamChange::Trimmed(facts, nodes) => {
                nodes.into_iter().for_each(|node| self.put_node(node));
                self.facts = facts;
            }
            StreamChange::Facts(facts) => self.facts = facts,
            StreamChange::NoGroup(name) => drop(self.destroy_group(&name)),
            StreamChange::Destroyed(group) => drop(self.add_group(group)),
            StreamChange::Group(state) => {
                if let Some(group) = self.group_mut(&state.name) {
                    group.take_back(&state);
                }
            }
            StreamChange::Deleted(name, slot, consumer, nacks) => {
                if let Some(group) = self.group_mut(&name) {
                    group.consumers.put_back(slot, consumer);
                    group.pending.extend(nacks);
                }
            }
        }
    }

    /// The node in which an entry stands, if it is there.
    fn node_of(&self, id: StreamId) -> Option<(StreamId, &Listpack)> {
        match &self.tail {
            Some(tail) if tail.master <= id => Some((tail.master, &tail.pack)),
            _ => {
                let (master, pack) = self.more.as_ref()?.earlier.range(..=id).next_back()?;
                Some((*master, pack))
            }
        }
    }

    /// Puts a node in its place, or in that of the node which stands there.
    fn put_node(&mut self, node: Node) {
        match &mut self.tail {
            None => self.tail = Some(node),
            Some(tail) if tail.master == node.master => *tail = node,
            Some(tail) => {
                let earlier = if tail.master < node.master { std::mem::replace(tail, node) } else { node };
                self.more.get_or_insert_default().earlier.insert(earlier.master, earlier.pack);
            }
        }
    }

    /// Removes the last entry as if it had never been there.
    fn remove_last(&mut self) {
        let Some(tail) = &mut self.tail else { return };
        let view = tail.pack.view();
        let (live, deleted) = counts(view);
        if live.saturating_add(deleted) <= 1 {
            // It has begun its node.
            return self.pop_tail();
        }
        let elements = view.last().map_or(0, |foot| integer(view.get(foot)));
        tail.pack.delete_range(-1 - elements, elements as usize + 1);
        count_more(&mut tail.pack, -1, 0);
    }
}

impl Group {
    fn take_back(&mut self, state: &GroupState) {
        for &(id, nack) in &state.nacks {
            match nack {
                Some(nack) => self.give(id, nack),
                None => drop(self.ack(id)),
            }
        }
        (self.last_id, self.entries_read) = (state.last_id, state.entries_read);
        match &state.consumer {
            Some(ConsumerState { name, times: None }) => {
                self.consumers.remove(name);
                self.consumers.truncate(state.slots);
            }
            Some(ConsumerState { name, times: Some((seen_ms, active_ms)) }) => {
                if let Some(consumer) = self.consumers.find(name).and_then(|id| self.consumers.get_mut(id)) {
                    (consumer.seen_ms, consumer.active_ms) = (*seen_ms, *active_ms);
                }
            }
            None => {}
        }
    }

    /// The entries that XAUTOCLAIM looks at, at most.
    pub(super) fn looked_at_by(&self, scan: &Scan) -> Vec<StreamId> {
        let most = usize::try_from(scan.count.saturating_mul(10)).unwrap_or(usize::MAX);
        self.pending.range(scan.start..).map(|(id, _)| *id).take(most.min(PARTS_MAX + 1)).collect()
    }

    /// Takes a consumer out, with what it has not acknowledged, and tells how to bring it back.
    pub(super) fn take_consumer(&mut self, name: &[u8]) -> Option<StreamChange> {
        let slot = self.consumers.find(name)?;
        // Whoever takes the group learns of it.
        self.consumer_mut(slot)?;
        let consumer = self.consumers.remove(name)?;
        let mut nacks = Vec::with_capacity(consumer.pending.len());
        for &id in &consumer.pending {
            let nack = self.pending.remove(&id);
            self.nack_changed(id, nack);
            nacks.extend(nack.map(|nack| (id, nack)));
        }
        Some(StreamChange::Deleted(self.name().into(), slot, consumer, nacks))
    }
}
