//! The propagation log: what each unit (a command, a transaction, one who is served, keys that expire or are evicted) has
//! changed, as commands that make the same changes elsewhere.
//!
//! A handler that does nothing special is propagated as its client has sent it, if it has changed anything. Others say what
//! stands for them: see [`Context::propagate_as`](crate::context::Context::propagate_as). A unit is appended while it holds
//! its locks, so the log is the order of execution. While nobody reads it nothing is recorded.

pub(crate) mod full_sync;
mod log;
mod record;
mod rewrite;
mod transfer;
mod unit;

pub use full_sync::FullSync;
pub(crate) use full_sync::{Delivery, Fed, Wants};
pub(crate) use log::{End, Wrap};
pub use log::{Log, ReplicaInfo, Summary};
pub(crate) use record::{commit, commit_walked, record_call, record_call_to};
pub use rewrite::{Reach, Rewrite};
pub(crate) use transfer::Transfer;
pub(crate) use unit::{Unit, UnitMark};
