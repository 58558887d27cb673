//! The nodes of a stream.

use crate::listpack::{Listpack, Pack};
use crate::snapshot::{Piece, TakenPieces};
use crate::stream::StreamId;
use crate::stream::pieces::{StreamNode, StreamPiece};
use crate::stream::range::View;
use std::collections::BTreeMap;

/// How far a snapshot is with the nodes.
#[derive(Debug)]
pub(super) struct NodesTaking {
    /// From where on nodes were not taken; nothing if all were.
    from: Option<StreamId>,
    /// The last one at the cut.
    last: StreamId,
    /// Of those, nodes that have changed or gone, as they were, and those that have come, with nothing.
    kept: BTreeMap<StreamId, Option<Listpack>>,
}

impl NodesTaking {
    /// Begins with the nodes up to this one, if there is any.
    pub(super) fn new(last: Option<StreamId>) -> NodesTaking {
        let from = last.map(|_| StreamId::MIN);
        NodesTaking { from, last: last.unwrap_or(StreamId::MIN), kept: BTreeMap::new() }
    }

    /// Whether all have been taken.
    pub(super) fn is_over(&self) -> bool {
        self.from.is_none()
    }

    /// Whether a node is to be kept before it changes.
    #[inline]
    pub(super) fn wants(&self, master: StreamId) -> bool {
        self.from.is_some_and(|from| from <= master) && master <= self.last && !self.kept.contains_key(&master)
    }

    /// Keeps a node as it is; nothing if there has been none.
    pub(super) fn keep(&mut self, master: StreamId, node: Option<Listpack>) {
        self.kept.insert(master, node);
    }

    /// Takes one more node, and returns its bytes; zero if it found none.
    pub(super) fn take(&mut self, view: View<'_>, pieces: &mut TakenPieces) -> usize {
        let Some(from) = self.from else { return 0 };
        let present = view.nodes_from(from).next().filter(|(master, _)| *master <= self.last);
        let kept = self.kept.first_key_value().map(|(&master, _)| master);
        let Some(next) = kept.into_iter().chain(present.map(|(master, _)| master)).min() else {
            self.from = None;
            return 0;
        };
        self.from = next.next();
        let mut give = |pack: Pack<'_>| {
            pieces.piece(Piece::Stream(StreamPiece::Node(StreamNode { master: next, pack })));
            pack.bytes().len()
        };
        if kept == Some(next) {
            let node = self.kept.pop_first().and_then(|(_, node)| node);
            return node.map_or(0, |pack| give(pack.view()));
        }
        present.map_or(0, |(_, pack)| give(pack))
    }
}
