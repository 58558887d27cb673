//! Client-side caching: who is told that keys have changed.
//!
//! A client either tracks the keys that it reads, which are remembered in a table beside the data of their shard and behind
//! its lock, or all keys with some prefixes. What a unit has changed is told before its locks are released, so that nobody
//! can read and remember in between. The outbox of a client comes behind its replies: a reply is never overtaken by the
//! message that makes it stale.

mod hub;
mod message;
mod settle;
mod table;
mod tracker;

pub use hub::Tracking;
pub use message::Invalidation;
pub(crate) use message::append_broken;
pub(crate) use settle::{after_call, after_script, keep_limit, limit, remember, settle, settle_removals};
pub use tracker::Tracker;
pub(crate) use tracker::{Mode, Tracks};
