//! The append-only file, as the server keeps it.
//!
//! A unit adds its commands to a buffer of the propagation log while it holds its locks. A thread of its own takes what has
//! gathered, writes it and has it reach the disk as `appendfsync` says: one sync serves all that came before it. Under
//! `always` every client's output carries the place in the log that it depends on, and does not leave before that has
//! reached the disk; the client goes on executing meanwhile.

mod disk;
mod held;
mod load;
mod read_ahead;
mod replay;
mod replay_script;
mod rewrite;
mod state;
mod switch;
mod writer;

pub(crate) use disk::SystemDisk;
pub(crate) use held::let_go;
pub(crate) use load::{Failure, empty, load_first, read_again, read_manifest, reload};
pub(crate) use rewrite::{NotBegun, begin as begin_rewrite, look};
pub use state::Aof;
pub(crate) use state::Tail;
pub(crate) use switch::{end, finish, start_up, switch, tidy};
