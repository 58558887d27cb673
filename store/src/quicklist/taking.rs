//! Lists that a snapshot takes node by node, while they change.
//!
//! The nodes that are as they were at the cut, and were not taken, stand together; those that were about to change are kept
//! as they were, on either side of them. A change in the middle has the nodes kept from there to the nearer end.

use super::End;
use super::nodes::Node;
use super::quick::Quicklist;
use crate::snapshot::{Budget, Piece, Severed, TakenPieces};
use std::collections::VecDeque;
use std::ops::Range;

/// How far a snapshot is with the nodes of a list.
#[derive(Debug)]
pub(crate) struct ListTaking {
    pieces: TakenPieces,
    /// The nodes of the list that are as they were.
    region: Range<usize>,
    /// Nodes of the list before the change that is being made, if it lies before these.
    shifts_from: Option<usize>,
    /// What stood before them, and behind them (the last one first).
    before: VecDeque<Node>,
    behind: Vec<Node>,
}

impl ListTaking {
    /// Keeps nodes that are about to change.
    fn keep(&mut self, nodes: &VecDeque<Node>, changing: Range<usize>) {
        let region = self.region.clone();
        if changing.is_empty() || changing.start >= region.end || changing.end <= region.start {
            return;
        }
        let (to_start, to_end) = (changing.end - region.start, region.end.saturating_sub(changing.start));
        if to_start <= to_end {
            let kept = region.start..changing.end.min(region.end);
            nodes.range(kept.clone()).for_each(|node| {
                self.pieces.ahead(node.bytes());
                self.before.push_back(node.clone());
            });
            self.region.start = kept.end;
        } else {
            let kept = changing.start.max(region.start)..region.end;
            nodes.range(kept.clone()).rev().for_each(|node| {
                self.pieces.ahead(node.bytes());
                self.behind.push(node.clone());
            });
            self.region.end = kept.start;
        }
    }
}

impl Quicklist {
    /// To be called before nodes in `changing` are changed, removed or joined, or others come there; and after it
    /// [`after_change`](Quicklist::after_change) if there may be more or fewer nodes then.
    #[inline]
    pub(super) fn before_change(&mut self, changing: Range<usize>) {
        if self.taking.is_some() {
            self.keep(changing);
        }
    }

    /// The same for the node at one end.
    #[inline]
    pub(super) fn before_change_at(&mut self, end: End) {
        if self.taking.is_some() {
            let last = self.nodes.len();
            self.keep(match end {
                End::Head => 0..1,
                End::Tail => last.saturating_sub(1)..last,
            });
        }
    }

    #[cold]
    fn keep(&mut self, changing: Range<usize>) {
        let Some(taking) = &mut self.taking else { return };
        let len = self.nodes.len();
        let changing = changing.start.min(len)..changing.end.min(len);
        if taking.pieces.is_cancelled() {
            taking.region = 0..0;
        }
        taking.keep(&self.nodes, changing.clone());
        let shifts = changing.end <= taking.region.start && !taking.region.is_empty();
        taking.shifts_from = shifts.then_some(len);
    }

    /// The number of nodes may have changed.
    #[inline]
    pub(super) fn after_change(&mut self) {
        if let Some(taking) = &mut self.taking
            && let Some(before) = taking.shifts_from.take()
        {
            let (start, end) = (before - taking.region.start, before - taking.region.end);
            taking.region = self.nodes.len().saturating_sub(start)..self.nodes.len().saturating_sub(end);
        }
    }

    /// Has a snapshot take the nodes, some at a time.
    pub(crate) fn begin_taking(&mut self, pieces: TakenPieces) {
        debug_assert!(self.taking.is_none());
        let region = 0..self.nodes.len();
        let (before, behind) = (VecDeque::new(), Vec::new());
        self.taking = Some(Box::new(ListTaking { pieces, region, shifts_from: None, before, behind }));
    }

    /// Where the nodes go that a snapshot takes.
    pub(crate) fn taken_pieces(&self) -> Option<&TakenPieces> {
        self.taking.as_ref().map(|taking| &taking.pieces)
    }

    /// Has the snapshot take some nodes that it does not have yet. True if it has all of them.
    pub(crate) fn take_some(&mut self, budget: &mut Budget) -> bool {
        let Some(mut taking) = self.taking.take() else { return true };
        while !taking.pieces.is_cancelled() {
            if !budget.is_left() {
                self.taking = Some(taking);
                return false;
            }
            budget.chain();
            let kept;
            let node = if let Some(node) = taking.before.pop_front() {
                kept = node;
                &kept
            } else if let Some(node) = self.nodes.get(taking.region.start).filter(|_| !taking.region.is_empty()) {
                taking.region.start += 1;
                node
            } else if let Some(node) = taking.behind.pop() {
                kept = node;
                &kept
            } else {
                break;
            };
            budget.element(node.bytes());
            taking.pieces.piece(Piece::Node(node.view()));
        }
        taking.pieces.finish();
        true
    }
}

impl Drop for Quicklist {
    fn drop(&mut self) {
        let Some(taking) = self.taking.take() else { return };
        let cut = taking.pieces.sever();
        let (nodes, taking) = (std::mem::take(&mut self.nodes), Some(taking));
        cut.hand_over(Severed::List(Quicklist { nodes, len: self.len, shape: self.shape, taking }));
    }
}
