//! A stream as a whole.

use super::Attached;
use super::groups::GroupsTaking;
use super::nodes::NodesTaking;
use crate::listpack::Listpack;
use crate::snapshot::{Budget, Piece, Severed, TakenPieces};
use crate::stream::pieces::StreamPiece;
use crate::stream::value::More;
use crate::stream::{Facts, Group, Stream, StreamId};

/// How far a snapshot is with a stream.
#[derive(Debug)]
pub(in crate::stream) struct StreamTaking {
    pieces: TakenPieces,
    nodes: NodesTaking,
    /// As of the cut, with the number of groups; nothing once they were taken.
    facts: Option<(Facts, usize)>,
    groups: GroupsTaking,
}

impl StreamTaking {
    /// A group is about to change.
    #[cold]
    pub(in crate::stream) fn watch(&self, group: &mut Group) {
        if !self.pieces.is_cancelled() {
            self.groups.watch(group);
        }
    }

    /// A group comes.
    #[cold]
    pub(in crate::stream) fn group_comes(&mut self, name: &[u8]) {
        self.groups.comes(name);
    }

    /// A group goes; what is not needed comes back.
    #[cold]
    pub(in crate::stream) fn group_goes(&mut self, group: Group) -> Group {
        if self.pieces.is_cancelled() { group } else { self.groups.goes(group) }
    }

    fn keep(&mut self, master: StreamId, node: Option<Listpack>) {
        if let Some(pack) = &node {
            self.pieces.ahead(pack.bytes().len());
        }
        self.nodes.keep(master, node);
    }

    fn wants(&self, master: StreamId) -> bool {
        self.nodes.wants(master) && !self.pieces.is_cancelled()
    }
}

impl Stream {
    /// How far a snapshot is with it, if it takes it in pieces.
    #[inline]
    pub(in crate::stream) fn taking_mut(&mut self) -> Option<&mut StreamTaking> {
        self.more.as_mut()?.taking.0.as_deref_mut()
    }

    /// To be called before a node changes in place.
    #[inline]
    pub(in crate::stream) fn node_changes(&mut self, master: StreamId) {
        if self.more.as_ref().is_some_and(|more| more.taking.0.is_some()) {
            self.keep_node(master);
        }
    }

    #[cold]
    fn keep_node(&mut self, master: StreamId) {
        let Some(More { earlier, taking: Attached(Some(taking)), .. }) = self.more.as_deref_mut() else { return };
        let pack = match &self.tail {
            Some(tail) if tail.master == master => Some(&tail.pack),
            _ => earlier.get(&master),
        };
        if taking.wants(master) && pack.is_some() {
            taking.keep(master, pack.cloned());
        }
    }

    /// To be called when a node comes.
    #[inline]
    pub(in crate::stream) fn node_comes(&mut self, master: StreamId) {
        if let Some(taking) = self.taking_mut()
            && taking.wants(master)
        {
            taking.keep(master, None);
        }
    }

    /// To be called with a node that has gone.
    #[inline]
    pub(in crate::stream) fn node_goes(&mut self, master: StreamId, pack: Listpack) {
        if let Some(taking) = self.taking_mut()
            && taking.wants(master)
        {
            taking.keep(master, Some(pack));
        }
    }

    /// Has a snapshot take the stream, some of it at a time.
    pub(crate) fn begin_taking(&mut self, pieces: TakenPieces) {
        let nodes = NodesTaking::new(self.tail.as_ref().map(|tail| tail.master));
        let facts = Some((self.facts, self.groups().len()));
        let taking = StreamTaking { pieces, nodes, facts, groups: GroupsTaking::default() };
        let more = self.more.get_or_insert_default();
        debug_assert!(more.taking.0.is_none());
        more.taking.0 = Some(Box::new(taking));
    }

    /// Where the pieces go that a snapshot takes.
    pub(crate) fn taken_pieces(&self) -> Option<&TakenPieces> {
        self.more.as_ref()?.taking.0.as_ref().map(|taking| &taking.pieces)
    }

    /// Has the snapshot take some of it that it does not have yet. True if it has all of it.
    pub(crate) fn take_some(&mut self, budget: &mut Budget) -> bool {
        let Some(mut taking) = self.more.as_mut().and_then(|more| more.taking.0.take()) else { return true };
        while !taking.pieces.is_cancelled() {
            if !budget.is_left() {
                self.more.get_or_insert_default().taking.0 = Some(taking);
                return false;
            }
            let StreamTaking { pieces, nodes, facts, groups } = &mut *taking;
            if !nodes.is_over() {
                budget.chain();
                budget.element(nodes.take(self.view(), pieces));
            } else if let Some((facts, groups)) = facts.take() {
                pieces.piece(Piece::Stream(StreamPiece::Facts(facts, groups)));
            } else {
                let present = self.more.as_mut().map_or(&mut [][..], |more| &mut more.groups);
                if groups.take_some(present, pieces, budget) {
                    break;
                }
            }
        }
        self.end_taking(*taking);
        true
    }

    fn end_taking(&mut self, taking: StreamTaking) {
        if let Some(more) = &mut self.more
            && taking.pieces.is_cancelled()
        {
            more.groups.iter_mut().for_each(|group| group.taking = Attached(None));
        }
        self.give_up_more();
        taking.pieces.finish();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(pieces) = self.taken_pieces() {
            let cut = pieces.sever();
            cut.hand_over(Severed::Stream(Box::new(std::mem::take(self))));
        }
    }
}
