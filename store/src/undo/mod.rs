//! Taking back what a unit has changed.
//!
//! While a unit is [recorded](Recorder), each table of keys that it looks into is attached to a journal. The first change of
//! a key puts there what was before: nothing, if there was no such key; a copy, if the value is small and is changed in
//! place; the old value itself, if it is overwritten or deleted. A large value that is changed in place is never copied: of
//! changes of single elements each notes what the element was, and otherwise the unit either is told to stop
//! ([`Error::NotKept`](crate::Error::NotKept)), having changed nothing of it, or the whole journal is given up, as its
//! [`Keep`] says. It is given up, too, where whole tables are exchanged or emptied, and where it becomes too long.
//!
//! To take a unit back is an ordinary change as far as others can see: marks of snapshots, tables of deadlines and sizes are
//! those that the same commands would have left.

mod fate;
mod journal;
mod part;
mod recorder;

pub use fate::Fate;
pub(crate) use journal::{Attachment, Before, Journal};
pub(crate) use part::{MIDDLE_MAX, MovedPart, PARTS_MAX, POPS_MAX, Part};
pub use recorder::{Keep, Recorder, Undo, UndoHandle};
