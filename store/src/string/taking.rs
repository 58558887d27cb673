//! Long strings that a snapshot takes in pieces, in order, while they change: pieces that are about to change before they
//! were taken are kept as they were.

use crate::snapshot::{Budget, Piece, Severed, TakenPieces};
use std::collections::BTreeMap;
use std::ops::Range;

/// Bytes of one piece. Who changes a byte has this many copied.
const PIECE_BYTES: usize = 16 << 10;

/// How far a snapshot is with the bytes of a string.
pub(crate) struct TextTaking {
    pieces: TakenPieces,
    /// The length at the cut.
    len: usize,
    /// The number of the piece that is taken next.
    next: usize,
    /// Pieces that were not taken and are not as they were, by number.
    kept: BTreeMap<usize, Box<[u8]>>,
}

/// A string, of which something is left to be taken, that nobody else knows any more.
pub(crate) struct SeveredText {
    bytes: Vec<u8>,
    taking: Option<Box<TextTaking>>,
}

impl TextTaking {
    /// Begins with a string of so many bytes.
    pub(crate) fn new(pieces: TakenPieces, len: usize) -> TextTaking {
        TextTaking { pieces, len, next: 0, kept: BTreeMap::new() }
    }

    /// Where the bytes go.
    pub(crate) fn pieces(&self) -> &TakenPieces {
        &self.pieces
    }

    /// To be called before bytes in `changing` change, or go.
    #[cold]
    pub(crate) fn before_change(&mut self, bytes: &[u8], changing: Range<usize>) {
        if changing.start >= self.len || self.pieces.is_cancelled() {
            return;
        }
        let (first, behind) = (changing.start / PIECE_BYTES, changing.end.min(self.len).div_ceil(PIECE_BYTES));
        for number in first.max(self.next)..behind {
            let piece = bytes.get(self.range(number)).unwrap_or_default();
            let pieces = &self.pieces;
            self.kept.entry(number).or_insert_with(|| {
                pieces.ahead(piece.len());
                piece.into()
            });
        }
    }

    /// Has the snapshot take some of it. True if it has all of it.
    pub(crate) fn take_some(&mut self, bytes: &[u8], budget: &mut Budget) -> bool {
        while self.next * PIECE_BYTES < self.len && !self.pieces.is_cancelled() {
            if !budget.is_left() {
                return false;
            }
            let range = self.range(self.next);
            budget.element(range.len());
            let kept = self.kept.remove(&self.next);
            let piece = kept.as_deref().or(bytes.get(range)).unwrap_or_default();
            self.pieces.piece(Piece::Bytes(piece));
            self.next += 1;
        }
        true
    }

    /// All of it was taken, or nobody wants it.
    pub(crate) fn finish(self) {
        self.pieces.finish();
    }

    /// Nobody but the snapshot needs the string any more.
    pub(crate) fn sever(self: Box<Self>, bytes: Vec<u8>) {
        let cut = self.pieces.sever();
        cut.hand_over(Severed::Text(SeveredText { bytes, taking: Some(self) }));
    }

    fn range(&self, number: usize) -> Range<usize> {
        let start = number * PIECE_BYTES;
        start..self.len.min(start + PIECE_BYTES)
    }
}

impl SeveredText {
    /// Has the snapshot take more of it. True if it has all of it.
    pub(crate) fn take_some(&mut self, budget: &mut Budget) -> bool {
        let Some(taking) = &mut self.taking else { return true };
        let is_whole = taking.take_some(&self.bytes, budget);
        if is_whole && let Some(taking) = self.taking.take() {
            taking.finish();
        }
        is_whole
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
