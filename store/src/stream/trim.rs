//! Trimming from the start.

use super::node::{DELETED, Node, Walk, count_more, counts};
use super::undo::StreamChange;
use super::value::last_stored;
use super::{References, Stream, StreamId};
use crate::listpack::{Listpack, Pack, Position};
use crate::raw::entry::Str;

/// How far a stream is trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimTo {
    /// To this many entries.
    MaxLen(u64),
    /// To the entries from this ID on.
    MinId(StreamId),
}

/// How a stream is trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// How far.
    pub to: TrimTo,
    /// Whether to take only whole nodes.
    pub approximate: bool,
    /// Entries to delete at most, in whole nodes; 0 means no limit.
    pub limit: u64,
    /// What becomes of what consumers hold. With [`References::Acked`], entries that are not acknowledged stay.
    pub references: References,
}

impl Trim {
    /// The limit that holds for approximate trimming if none is given: that of a hundred nodes, for a node of
    /// `entries_max` entries at most.
    pub fn usual_limit(entries_max: u64) -> u64 {
        match entries_max.saturating_mul(100) {
            0 => 10_000,
            limit => limit.min(1_000_000),
        }
    }
}

impl Stream {
    /// Deletes entries from the start and returns how many.
    pub fn trim(&mut self, trim: &Trim) -> u64 {
        let deleted =
            if trim.references == References::Keep { self.trim_simply(trim, None) } else { self.trim_each(trim) };
        if deleted > 0 {
            self.find_first();
        }
        deleted
    }

    /// As [`trim`](Stream::trim), with what takes it back; only for what leaves groups alone.
    pub(crate) fn trim_to_take_back(&mut self, trim: &Trim) -> (u64, StreamChange) {
        let (facts, mut nodes) = (self.facts, Vec::new());
        let deleted = self.trim_simply(trim, Some(&mut nodes));
        if deleted > 0 {
            self.find_first();
        }
        (deleted, StreamChange::Trimmed(facts, nodes))
    }

    /// Trims without a look at the groups: whole nodes go as they are, to `kept` if that is there, as does a copy of one
    /// that goes in part.
    fn trim_simply(&mut self, trim: &Trim, mut kept: Option<&mut Vec<Node>>) -> u64 {
        let mut deleted = 0;
        loop {
            let Some((master, pack)) = self.view().nodes().next() else { break };
            let Some(whole) = self.goes_whole(trim, deleted, master, pack) else { break };
            if whole {
                let live = counts(pack).0;
                if let Some(kept) = &mut kept {
                    self.node_changes(master);
                    kept.extend(self.pop_node());
                } else if let Some(Node { master, pack }) = self.pop_node() {
                    self.node_goes(master, pack);
                }
                self.facts.length = self.facts.length.saturating_sub(live);
                deleted += live;
                continue;
            }
            if !trim.approximate {
                if let Some(kept) = kept
                    && let Some(pack) = self.pack(master)
                {
                    kept.push(Node { master, pack: pack.clone() });
                }
                deleted += self.trim_node(trim, master, false);
            }
            break;
        }
        deleted
    }

    /// Trims entry by entry, as the groups allow.
    fn trim_each(&mut self, trim: &Trim) -> u64 {
        let mut deleted = 0;
        let mut from = StreamId::MIN;
        loop {
            let node = self.view().nodes_from(from).next();
            let Some((master, pack)) = node else { break };
            let Some(whole) = self.goes_whole(trim, deleted, master, pack) else { break };
            if !whole && trim.approximate {
                break;
            }
            deleted += self.trim_node(trim, master, whole);
            let Some(next) = master.next().filter(|_| whole) else { break };
            from = next;
        }
        deleted
    }

    /// Whether the node goes as a whole; `None` if trimming ends before it.
    fn goes_whole(&self, trim: &Trim, deleted: u64, master: StreamId, pack: Pack<'_>) -> Option<bool> {
        let live = counts(pack).0;
        if trim.limit != 0 && deleted.saturating_add(live) > trim.limit {
            return None;
        }
        match trim.to {
            TrimTo::MaxLen(max) if self.facts.length <= max => None,
            TrimTo::MaxLen(max) => Some(self.facts.length.saturating_sub(live) >= max),
            TrimTo::MinId(id) => Some(last_stored(Walk::new(master, pack)).is_none_or(|entry| entry.id < id)),
        }
    }

    /// Deletes entries from the start of a node, and returns how many. If that may be the `whole` node, it goes with its
    /// last live entry; else it stays as Redis leaves it, until it is trimmed again.
    fn trim_node(&mut self, trim: &Trim, master: StreamId, whole: bool) -> u64 {
        let Some(pack) = self.pack(master) else { return 0 };
        let mut doomed = Vec::new();
        let view = pack.view();
        let mut walk = Walk::new(master, view);
        let mut length = self.facts.length;
        while let Some(position) = walk.position(view)
            && let Some(entry) = walk.next()
        {
            let reached = match trim.to {
                TrimTo::MaxLen(max) => length <= max,
                TrimTo::MinId(id) => entry.id >= id,
            };
            if reached {
                break;
            }
            let kept = trim.references == References::Acked && self.is_referenced(entry.id);
            if !entry.deleted() && !kept {
                doomed.push((position, entry.flags, entry.id));
                length -= 1;
            }
        }
        let emptied = whole && counts(view).0 <= doomed.len() as u64;
        if trim.references == References::Delete {
            for &(_, _, id) in &doomed {
                self.forget(id);
            }
        }
        self.facts.length = length;
        if !emptied {
            self.mark(master, &doomed);
        } else if self.tail.as_ref().is_some_and(|tail| tail.master == master) {
            self.pop_tail();
        } else {
            self.remove_earlier(master);
        }
        doomed.len() as u64
    }

    /// Marks entries of a node as deleted.
    fn mark(&mut self, master: StreamId, doomed: &[(Position, i64, StreamId)]) {
        self.node_changes(master);
        let pack = match &mut self.tail {
            Some(tail) if tail.master == master => Some(&mut tail.pack),
            _ => self.more.as_mut().and_then(|more| more.earlier.get_mut(&master)),
        };
        let Some(pack) = pack else { return };
        // From the last to the first, so that positions stay good whatever bytes the flags took.
        for &(position, flags, _) in doomed.iter().rev() {
            pack.set(position, Str::Int(flags | DELETED));
        }
        let count = doomed.len() as i64;
        count_more(pack, -count, count);
    }

    fn pack(&self, master: StreamId) -> Option<&Listpack> {
        match &self.tail {
            Some(tail) if tail.master == master => Some(&tail.pack),
            _ => self.more.as_ref()?.earlier.get(&master),
        }
    }
}
