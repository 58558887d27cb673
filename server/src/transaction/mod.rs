//! MULTI, EXEC and WATCH: commands that are queued and then executed as one unit, and keys whose changes prevent that.

mod execute;
mod queue;
mod table;
mod watch;

pub(crate) use execute::{Execution, Unfinished};
pub use queue::Transaction;
pub use watch::Watched;
pub(crate) use watch::{Watching, is_broken, mark, mark_removals, stop_watching, watch};
