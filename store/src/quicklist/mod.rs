//! Lists: one listpack while they are short, else a sequence of listpacks.
//!
//! The rules for when a node is full, split or merged and when a list changes between the two forms are those of
//! Redis 7.2 and Valkey 9.1 (`quicklist.c`, `t_list.c`), as far as clients can see them in `OBJECT ENCODING`, `DEBUG
//! OBJECT` and DUMP payloads.
//!
//! The nodes stand in a `VecDeque`. A node is some 32 bytes for up to 8 KB of elements, so that finding an index reads
//! neighbouring memory instead of following links, and pushing at the ends allocates nothing but listpacks. Inserting a
//! node in the middle moves the shorter half of these 32-byte words, which finding the place has just read anyway.

mod cursor;
mod edit;
mod ends;
mod limits;
mod nodes;
mod quick;
mod taking;
mod value;

#[cfg(test)]
mod tests;

pub use cursor::{Cursor, Seen};
pub use ends::{End, Side};
pub use limits::Limits;
pub use nodes::NodeView;
pub use quick::Quicklist;
pub(crate) use quick::index_of;
pub use value::List;
