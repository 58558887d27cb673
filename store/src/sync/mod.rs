//! Shard locks: a set of shards is locked at once, in ascending order; a contended caller parks its task.
//!
//! A thread registers once and gets a [`Party`]. It opens a [`Slice`] of work with [`Party::enter`], takes the locks
//! of one command after another with [`Slice::try_lock`] and, where that fails, closes the slice and awaits
//! [`Party::lock`]. [`Party::lock_all`] waits until no party is inside a slice and keeps all out meanwhile.
//!
//! Lock order: gate, then shards ascending. No `.await` while a [`Slice`] or a [`Guard`] is alive; debug builds check
//! both. A coroutine that must keep its guard while its thread serves others registers a party of its own.
//!
//! Nothing here knows an executor: tasks are parked and woken through [`std::task::Waker`].

mod block;
mod gate;
mod guard;
mod lock;
mod locks;
mod party;
pub(crate) mod platform;
mod queue;
mod set;
#[cfg(all(test, not(loom)))]
mod tests;
mod timing;

pub use guard::Guard;
pub use lock::Lock;
pub use locks::ShardLocks;
pub use party::{Party, Slice};
pub use set::{SHARDS_MAX, ShardSet};
pub use timing::Timing;
