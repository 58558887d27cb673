//! The groups of a stream, in the order of their names.

use super::group::GroupTaking;
use crate::snapshot::{Budget, Spent, TakenPieces};
use crate::stream::Group;
use std::collections::{BTreeMap, BTreeSet};

/// How far a snapshot is with the groups.
#[derive(Debug, Default)]
pub(super) struct GroupsTaking {
    /// The name up to which all were taken.
    last: Option<Box<[u8]>>,
    /// Those that have come since the cut.
    new: BTreeSet<Box<[u8]>>,
    /// Those that have gone before they were taken.
    gone: BTreeMap<Box<[u8]>, Group>,
}

impl GroupsTaking {
    /// Whether a group of this name, which the stream has, is to be taken.
    fn wants(&self, name: &[u8]) -> bool {
        self.last.as_deref().is_none_or(|last| last < name) && !self.new.contains(name)
    }

    /// A group is about to change.
    pub(super) fn watch(&self, group: &mut Group) {
        if group.taking.0.is_none() && self.wants(group.name()) {
            group.taking.0 = Some(Box::new(GroupTaking::new(group)));
        }
    }

    /// A group comes.
    pub(super) fn comes(&mut self, name: &[u8]) {
        if self.last.as_deref().is_none_or(|last| last < name) {
            self.new.insert(name.into());
        }
    }

    /// A group goes; what is not needed comes back.
    pub(super) fn goes(&mut self, mut group: Group) -> Group {
        if !self.wants(group.name()) {
            self.new.remove(group.name());
            return group;
        }
        self.watch(&mut group);
        let rest = Group::new(group.name(), group.last_id, group.entries_read);
        self.gone.insert(group.name().into(), group);
        rest
    }

    /// Takes more of the next group. True if there is none.
    pub(super) fn take_some(&mut self, groups: &mut [Group], pieces: &mut TakenPieces, budget: &mut Budget) -> bool {
        let from = groups.partition_point(|group| self.last.as_deref().is_some_and(|last| group.name() <= last));
        let present = groups.iter_mut().skip(from).find(|group| !self.new.contains(group.name()));
        let mut gone = self.gone.first_entry();
        let is_gone = match (&present, &gone) {
            (Some(present), Some(gone)) => **gone.key() < *present.name(),
            (None, None) => return true,
            (_, gone) => gone.is_some(),
        };
        let group = if is_gone { gone.as_mut().map(|gone| gone.get_mut()) } else { present };
        let Some(group) = group else { return true };
        let mut taking = group.taking.0.take().unwrap_or_else(|| Box::new(GroupTaking::new(group)));
        if taking.take_some(group, pieces, budget) {
            self.last = Some(group.name().into());
            // Either may be large, and is freed elsewhere.
            let group = if is_gone { self.gone.pop_first().map(|(_, group)| group) } else { None };
            pieces.spend(Spent::Group(taking, group));
        } else {
            group.taking.0 = Some(taking);
        }
        false
    }
}
