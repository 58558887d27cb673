//! The value type of streams.

use super::group::Group;
use super::node::{Entry, Node, Removed, Walk, remove};
use super::range::{Range, ReverseRange, View};
use super::taking::{Attached, StreamTaking};
use super::{Delivery, StreamId};
use crate::listpack::Listpack;
use std::collections::BTreeMap;

/// What a stream remembers beside its entries and groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Number of entries.
    pub length: u64,
    /// The ID that the next one must exceed: that of the last entry, or as set.
    pub last_id: StreamId,
    /// ID of the first entry; zero if there is none.
    pub first_id: StreamId,
    /// Greatest ID that was deleted by name, not by trimming; zero if none was.
    pub max_deleted_id: StreamId,
    /// Number of entries ever added, or as set.
    pub entries_added: u64,
}

/// What shall be set along with a stream's last ID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetId {
    /// The last ID.
    pub last_id: StreamId,
    /// How many entries shall have been added, if given.
    pub entries_added: Option<u64>,
    /// The greatest ID that shall have been deleted, if given; zero counts as not given.
    pub max_deleted_id: Option<StreamId>,
    /// Whether the last ID may be less than the greatest deleted one, as Redis 7.0 has it.
    pub below_deleted: bool,
}

/// Why a stream's last ID cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetIdError {
    /// The ID is less than the greatest deleted one.
    #[error("the ID is less than that of a deleted entry")]
    BelowDeleted,
    /// The ID is less than that of the last entry.
    #[error("the ID is less than that of the last entry")]
    BelowLast,
    /// More entries are there than shall have been added.
    #[error("fewer entries added than the stream has")]
    AddedBelowLength,
}

/// A log of entries with groups of consumers.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    pub(super) facts: Facts,
    /// The last node.
    pub(super) tail: Option<Node>,
    /// What a short stream without groups has not.
    pub(super) more: Option<Box<More>>,
}

/// The part of a stream that not every one has.
#[derive(Clone, Debug, Default)]
pub(super) struct More {
    /// All nodes but the last by their master IDs. Empty if there is no last one.
    pub(super) earlier: BTreeMap<StreamId, Listpack>,
    /// By name.
    pub(super) groups: Vec<Group>,
    pub(super) taking: Attached<StreamTaking>,
}

impl Stream {
    /// An empty stream.
    pub fn new() -> Stream {
        Stream::default()
    }

    /// Length, last ID and the like.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Number of entries.
    pub fn len(&self) -> u64 {
        self.facts.length
    }

    /// Whether there is no entry. There may be groups.
    pub fn is_empty(&self) -> bool {
        self.facts.length == 0
    }

    /// The entries from `start` to `end`, both included, in order.
    #[inline]
    pub fn range(&self, start: StreamId, end: StreamId) -> Range<'_> {
        self.view().range(start, end)
    }

    /// The entries from `start` to `end`, both included, the last one first.
    pub fn range_reverse(&self, start: StreamId, end: StreamId) -> ReverseRange<'_> {
        self.view().reverse(start, end)
    }

    /// Whether the entry `id` is there.
    pub fn contains(&self, id: StreamId) -> bool {
        self.view().get(id).is_some()
    }

    /// ID of the last entry, which may be less than the last ID.
    pub fn last_entry_id(&self) -> Option<StreamId> {
        self.range_reverse(StreamId::MIN, StreamId::MAX).next().map(|(id, _)| id)
    }

    /// Where the first node's first entry stands, deleted or not: what `MINID` must name for a replica to trim to the same
    /// state. The greatest ID if there is no entry.
    pub fn first_stored_id(&self) -> StreamId {
        let first = self.view().nodes().find_map(|(master, pack)| Walk::new(master, pack).next());
        first.map_or(StreamId::MAX, |entry| entry.id)
    }

    /// Deletes the entry `id` and returns whether it was there. What consumers hold of it stays.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let in_tail = self.tail.as_ref().is_some_and(|tail| tail.master <= id);
        let removed = if in_tail { self.delete_in_tail(id) } else { self.delete_earlier(id) };
        if removed {
            self.facts.length -= 1;
            self.facts.max_deleted_id = self.facts.max_deleted_id.max(id);
            if self.facts.first_id == id || self.facts.length == 0 {
                self.find_first();
            }
        }
        removed
    }

    /// Sets the last ID and what is given with it. Nothing is changed on an error.
    pub fn set_id(&mut self, set: &SetId) -> Result<(), SetIdError> {
        let SetId { last_id, entries_added, max_deleted_id, below_deleted } = *set;
        if last_id < self.facts.max_deleted_id && !below_deleted {
            return Err(SetIdError::BelowDeleted);
        }
        if let Some(last) = self.last_entry_id() {
            if last_id < last {
                return Err(SetIdError::BelowLast);
            }
            if entries_added.is_some_and(|added| added < self.facts.length) {
                return Err(SetIdError::AddedBelowLength);
            }
        }
        self.facts.last_id = last_id;
        self.facts.entries_added = entries_added.unwrap_or(self.facts.entries_added);
        if let Some(id) = max_deleted_id.filter(|&id| id != StreamId::MIN) {
            self.facts.max_deleted_id = id;
        }
        Ok(())
    }

    /// The groups in the order of their names.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &Group> {
        let groups = self.more.as_ref().map_or(&[][..], |more| &more.groups);
        groups.iter()
    }

    /// The group of this name.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        let groups = &self.more.as_ref()?.groups;
        Some(&groups[self.find_group(name).ok()?])
    }

    /// The group of this name, for changing.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        let at = self.find_group(name).ok()?;
        let More { groups, taking, .. } = &mut **self.more.as_mut()?;
        if let Some(taking) = &taking.0 {
            taking.watch(&mut groups[at]);
        }
        Some(&mut groups[at])
    }

    /// The group of this name together with the stream's entries, to deliver them.
    pub fn delivery(&mut self, name: &[u8]) -> Option<Delivery<'_>> {
        let at = self.find_group(name).ok()?;
        let More { earlier, groups, taking } = &mut **self.more.as_mut()?;
        if let Some(taking) = &taking.0 {
            taking.watch(&mut groups[at]);
        }
        let view = View { facts: &self.facts, earlier: Some(earlier), tail: self.tail.as_ref() };
        Some(Delivery::new(view, &mut groups[at]))
    }

    /// Creates a group that has got all entries up to `last_id`, which are `entries_read` if that is known. Returns whether
    /// there was none of this name.
    pub fn create_group(&mut self, name: &[u8], last_id: StreamId, entries_read: Option<u64>) -> bool {
        self.add_group(Group::new(name, last_id, entries_read))
    }

    /// Takes out the group of this name, to be dropped wherever there is time.
    pub fn destroy_group(&mut self, name: &[u8]) -> Option<Group> {
        let at = self.find_group(name).ok()?;
        let more = self.more.as_mut()?;
        let mut group = more.groups.remove(at);
        if let Some(taking) = &mut more.taking.0 {
            group = taking.group_goes(group);
        }
        if more.groups.is_empty() {
            more.groups = Vec::new();
        }
        self.give_up_more();
        Some(group)
    }

    /// Adds a group; returns whether there was none of its name.
    pub(super) fn add_group(&mut self, group: Group) -> bool {
        match self.find_group(group.name()) {
            Ok(_) => false,
            Err(at) => {
                let more = self.more.get_or_insert_default();
                if let Some(taking) = &mut more.taking.0 {
                    taking.group_comes(group.name());
                }
                more.groups.insert(at, group);
                true
            }
        }
    }

    /// Where the group of this name is or would be.
    fn find_group(&self, name: &[u8]) -> Result<usize, usize> {
        let groups = self.more.as_ref().map_or(&[][..], |more| &more.groups);
        groups.binary_search_by(|group| group.name().cmp(name))
    }

    #[inline]
    pub(super) fn view(&self) -> View<'_> {
        let earlier = self.more.as_ref().map(|more| &more.earlier);
        View { facts: &self.facts, earlier, tail: self.tail.as_ref() }
    }

    /// Looks for the first entry.
    pub(super) fn find_first(&mut self) {
        let first = self.range(StreamId::MIN, StreamId::MAX).next();
        self.facts.first_id = first.map_or(StreamId::MIN, |(id, _)| id);
    }

    /// Removes the first node, which [`node_changes`](Stream::node_changes) or [`node_goes`](Stream::node_goes) is to learn
    /// of.
    pub(super) fn pop_node(&mut self) -> Option<Node> {
        let node = match self.more.as_mut().and_then(|more| more.earlier.pop_first()) {
            Some((master, pack)) => Some(Node { master, pack }),
            None => self.tail.take(),
        };
        self.give_up_more();
        node
    }

    /// Removes the last node; the one before it becomes the last.
    pub(super) fn pop_tail(&mut self) {
        let last = self.more.as_mut().and_then(|more| more.earlier.pop_last());
        let last = last.map(|(master, pack)| Node { master, pack });
        if let Some(Node { master, pack }) = std::mem::replace(&mut self.tail, last) {
            self.node_goes(master, pack);
        }
        self.give_up_more();
    }

    /// Removes a node that is not the last.
    pub(super) fn remove_earlier(&mut self, master: StreamId) {
        if let Some(pack) = self.more.as_mut().and_then(|more| more.earlier.remove(&master)) {
            self.node_goes(master, pack);
            self.give_up_more();
        }
    }

    fn delete_in_tail(&mut self, id: StreamId) -> bool {
        let Some(master) = self.tail.as_ref().map(|tail| tail.master) else { return false };
        self.node_changes(master);
        let Some(tail) = &mut self.tail else { return false };
        match remove(&mut tail.pack, tail.master, id) {
            Removed::Missing => return false,
            Removed::Marked => {}
            Removed::Emptied => self.pop_tail(),
        }
        true
    }

    fn delete_earlier(&mut self, id: StreamId) -> bool {
        let Some(more) = &self.more else { return false };
        let Some((&master, _)) = more.earlier.range(..=id).next_back() else { return false };
        self.node_changes(master);
        let pack = self.more.as_mut().and_then(|more| more.earlier.get_mut(&master));
        let Some(pack) = pack else { return false };
        match remove(pack, master, id) {
            Removed::Missing => return false,
            Removed::Marked => {}
            Removed::Emptied => self.remove_earlier(master),
        }
        true
    }

    pub(super) fn give_up_more(&mut self) {
        let is_needed = |more: &More| !more.earlier.is_empty() || !more.groups.is_empty() || more.taking.0.is_some();
        if self.more.as_ref().is_some_and(|more| !is_needed(more)) {
            self.more = None;
        }
    }
}

/// The last entry of a node, deleted or not.
pub(super) fn last_stored<'a>(mut walk: Walk<'a>) -> Option<Entry<'a>> {
    walk.next_back()
}
