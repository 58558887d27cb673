//! The hashes of one database in one shard that have fields with deadlines, the next deadline first.

use super::entry::Entry;
use super::hint::Hint;
use super::members::Handle;
use crate::hash::Hash;
use crate::order::Tree;
use std::sync::atomic::Ordering::Relaxed;

/// Addresses of entries, ordered by the earliest deadline among the fields of their hashes.
///
/// Invariant: has exactly the entries whose hash says that it is listed, each with that deadline.
#[derive(Default)]
pub(super) struct FieldIndex {
    tree: Option<Box<Tree<Handle>>>,
}

/// The number that orders deadlines.
fn order(deadline_ms: i64) -> u64 {
    deadline_ms as u64 ^ 1 << 63
}

/// The deadline under which a hash is listed, if it is one and has any.
#[inline]
pub(super) fn listed_ms(entry: &Entry) -> Option<i64> {
    match entry.get::<Hash>() {
        Some(Hash::Table(fields)) => fields.listed_ms,
        _ => None,
    }
}

impl FieldIndex {
    /// Hashes that are listed.
    pub(super) fn len(&self) -> usize {
        self.tree.as_ref().map_or(0, |tree| tree.len())
    }

    /// The earliest deadline, and the address of its entry.
    pub(super) fn first(&self) -> Option<(i64, *mut u8)> {
        let (order, handle) = self.tree.as_ref()?.get(0)?;
        Some(((order ^ 1 << 63) as i64, handle.0))
    }

    /// Lists an entry by its earliest deadline, or takes it off the list if it has none. True if anything changed.
    #[inline]
    pub(super) fn update(&mut self, entry: &mut Entry) -> bool {
        let raw = entry.raw();
        let Some(Hash::Table(fields)) = entry.get_mut::<Hash>() else { return false };
        let (old, new) = (fields.listed_ms, fields.next_deadline_ms());
        if old == new {
            return false;
        }
        fields.listed_ms = new;
        if let Some(old) = old {
            self.unlink(old, raw);
        }
        if let Some(new) = new {
            let item = (order(new), Handle(raw));
            self.tree.get_or_insert_default().insert(item.0, item.1, |key, handle| (key, handle).cmp(&item));
        }
        true
    }

    /// Takes an entry off the list before it goes. True if it was there.
    #[inline]
    pub(super) fn remove(&mut self, entry: &mut Entry) -> bool {
        let raw = entry.raw();
        let Some(Hash::Table(fields)) = entry.get_mut::<Hash>() else { return false };
        let Some(listed) = fields.listed_ms.take() else { return false };
        self.unlink(listed, raw);
        true
    }

    /// Takes the address off the list, where it stands with that deadline.
    fn unlink(&mut self, deadline_ms: i64, raw: *mut u8) {
        let Some(tree) = &mut self.tree else { return };
        let item = (order(deadline_ms), Handle(raw));
        let removed = tree.remove(|key, handle| (key, handle).cmp(&item));
        debug_assert!(removed.is_some());
        if tree.len() == 0 {
            self.tree = None;
        }
    }

    /// Takes an entry off the list whose value has moved to `new`.
    #[inline]
    pub(super) fn moved(&mut self, raw: *mut u8, new: &mut Entry) {
        if let Some(Hash::Table(fields)) = new.get_mut::<Hash>()
            && let Some(listed) = fields.listed_ms.take()
        {
            self.unlink(listed, raw);
        }
    }

    /// Publishes the number of hashes and the earliest deadline.
    pub(super) fn publish(&self, hint: &Hint) {
        hint.field_keys.store(self.len(), Relaxed);
        hint.next_field_ms.store(self.first().map_or(i64::MAX, |(deadline_ms, _)| deadline_ms), Relaxed);
    }
}
