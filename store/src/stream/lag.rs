//! How far a group is behind its stream.

use super::range::View;
use super::{Facts, Group, Stream, StreamId};

/// How entries read are counted. Versions of Redis disagree on what is still known after deletions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counting {
    /// As Redis 7.0 does.
    V7_0,
    /// As Redis 7.2 and Valkey 9.1 do.
    #[default]
    V7_2,
}

impl Stream {
    /// The number of entries that the group has yet to get, negative if it was told to have read more than were added.
    /// `None` if deletions made it unknown.
    pub fn lag(&self, group: &Group, counting: Counting) -> Option<i64> {
        let facts = &self.facts;
        if facts.entries_added == 0 {
            return Some(0);
        }
        let read = match group.entries_read {
            Some(read) if !facts.deleted_since(group.last_id, counting) => read,
            _ => facts.added_up_to(group.last_id, counting)?,
        };
        Some(facts.entries_added.wrapping_sub(read) as i64)
    }
}

impl View<'_> {
    /// Notes in the group that the entry `id` is delivered, if it is a new one.
    pub(super) fn advance(self, group: &mut Group, id: StreamId, counting: Counting) {
        if id <= group.last_id {
            return;
        }
        let facts = self.facts;
        let certain = match counting {
            Counting::V7_0 => !facts.deleted_since(id, counting),
            Counting::V7_2 => group.last_id >= facts.first_id && !facts.deleted_since(group.last_id, counting),
        };
        match group.entries_read {
            Some(read) if certain => group.entries_read = Some(read.saturating_add(1)),
            _ if facts.entries_added > 0 => group.entries_read = facts.added_up_to(id, counting),
            _ => {}
        }
        group.last_id = id;
    }
}

impl Facts {
    /// Whether an entry from `start` on may have been deleted.
    fn deleted_since(&self, start: StreamId, counting: Counting) -> bool {
        if self.length == 0 || self.max_deleted_id == StreamId::MIN {
            return false;
        }
        if counting == Counting::V7_0 && self.first_id > self.max_deleted_id {
            return false;
        }
        start <= self.max_deleted_id
    }

    /// How many entries were ever added up to `id`, if that can be told.
    pub(super) fn added_up_to(&self, id: StreamId, counting: Counting) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if self.length == 0 && id <= self.last_id {
            return Some(self.entries_added);
        }
        if counting == Counting::V7_2 && id != StreamId::MIN && id < self.max_deleted_id {
            return None;
        }
        if id >= self.last_id {
            return (id == self.last_id).then_some(self.entries_added);
        }
        let whole = self.max_deleted_id == StreamId::MIN || self.max_deleted_id < self.first_id;
        let before_first = self.entries_added.wrapping_sub(self.length);
        match id.cmp(&self.first_id) {
            std::cmp::Ordering::Less if whole => Some(before_first),
            std::cmp::Ordering::Equal if whole => Some(before_first.wrapping_add(1)),
            _ => None,
        }
    }
}
