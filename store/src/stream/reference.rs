//! Deleting entries with regard to what groups hold of them.

use super::{Stream, StreamId};

/// What becomes of what groups hold of an entry that is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum References {
    /// It stays.
    #[default]
    Keep,
    /// It goes too.
    Delete,
    /// There must be none: only an entry that every group got and acknowledged is deleted.
    Acked,
}

/// What became of an entry to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// There is no such entry; on the wire -1.
    Missing,
    /// It is deleted; on the wire 1.
    Deleted,
    /// It stays, as a group has not got or not acknowledged it; on the wire 2.
    Referenced,
}

impl Stream {
    /// Whether a group has not got the entry `id` yet, or not acknowledged it. The entry need not exist.
    pub fn is_referenced(&self, id: StreamId) -> bool {
        self.groups().any(|group| group.last_id < id || group.pending.contains_key(&id))
    }

    /// Deletes the entry `id` (XDELEX).
    pub fn delete_with(&mut self, id: StreamId, references: References) -> Deletion {
        match references {
            References::Keep => {}
            References::Delete => self.forget(id),
            References::Acked if self.is_referenced(id) => return Deletion::Referenced,
            References::Acked => {}
        }
        if self.delete(id) { Deletion::Deleted } else { Deletion::Missing }
    }

    /// Acknowledges the entry `id` in a group and deletes it (XACKDEL). `Missing` means that it was not pending in the
    /// group, or there is no such group; `Deleted` also that it had been deleted before.
    pub fn ack_and_delete(&mut self, group: &[u8], id: StreamId, references: References) -> Deletion {
        if self.group_mut(group).and_then(|group| group.ack(id)).is_none() {
            return Deletion::Missing;
        }
        match self.delete_with(id, references) {
            Deletion::Missing => Deletion::Deleted,
            deletion => deletion,
        }
    }

    /// Removes what the groups hold of the entry `id`.
    pub(super) fn forget(&mut self, id: StreamId) {
        if let Some(more) = &mut self.more {
            for group in &mut more.groups {
                if let Some(taking) = &more.taking.0 {
                    taking.watch(group);
                }
                group.ack(id);
            }
        }
    }
}
