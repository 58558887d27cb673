//! Snapshots: all keys as they were at one moment, taken bit by bit while the store is in use.
//!
//! At the *cut*, which needs all shards for a moment, every table of keys is tied to the snapshot. Each entry has a mark of
//! one bit, and each table says which value of it means that no snapshot waits for the entry; the cut turns that round, so
//! that from one moment to the next it waits for all of them. Afterwards a thread walks over the tables, shard by shard
//! under short locks ([`Snapshot::step`]), and takes what it does not have yet. Whoever is about to change, move or delete
//! an entry that was not taken has it taken first, as it is ([`EntryMut`](crate::raw::keys::EntryMut) sees to that, behind
//! a test of one pointer that is null while there is no snapshot). New entries are marked as taken.
//!
//! So a table may grow, shrink, be rehashed or swapped with that of another database meanwhile: the mark lies in the entry,
//! and the tie goes with the table. A table that is flushed is handed over as a whole
//! ([`release`]), and so is a large value that is deleted or overwritten ([`Removed`]). Any other large value is taken in
//! pieces, also while it changes ([`Taking`]).
//!
//! The walk relies on what a scan promises: what stays in a table from start to end is visited at least once.

mod cut;
mod taking;

pub(crate) use cut::{Budget, Cut, Owed, Removed, Tie, release};
pub use cut::{Capture, Progress, Snapshot};
pub use taking::{Piece, Pieces};
pub(crate) use taking::{Place, Severed, Spent, TakenPieces, Taking, moved, taken_part};
