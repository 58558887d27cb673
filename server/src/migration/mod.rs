//! MIGRATE: keys on their way to another server.
//!
//! The command runs twice. The first run takes copies of the values and pins their keys: who would change one of them waits,
//! and neither expiry nor eviction removes it, while readers go on. Then a thread talks to the other server, without a
//! lock. The second run, under the locks of the keys again, removes what has arrived and lets go of all of them. Where a
//! command may not wait in between, in transactions and scripts, one run does all, under all locks.

mod holds;
mod job;
mod sockets;
mod waiting;
mod wire;

pub use holds::{Holds, Migrations};
pub use job::{Failure, Item, Job, Outcome};
pub use sockets::{Address, Sockets};
pub(crate) use waiting::{Stance, stance};
