//! Commands that wait: for keys to become ready, or for something else.
//!
//! A handler tries, and where there is nothing it calls [`Context::block`](crate::context::Context::block) and returns.
//! When a key it waits for becomes ready, the same command line is run again by the same handler, under the locks of the
//! unit that made the key ready and before these are released.

mod claim;
mod clients;
mod destinations;
mod request;
mod serve;
mod table;
mod waiter;

pub(crate) use claim::Claimed;
pub use clients::{Blocked, Unblock};
pub(crate) use destinations::missing_shards;
pub use request::{Block, MakeReply, Timeout, TimeoutReply, WaitKind};
pub(crate) use serve::{Ready, serve, serve_again, serve_removals};
pub(crate) use waiter::Outcome;
pub use waiter::Waiter;
