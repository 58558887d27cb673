//! Replication: primary and replica state machines, sans I/O.
//!
//! - [`backlog`]: the latest part of the stream of changes, kept for those who read it.
//! - [`primary`]: who reads it, how far each has come, and what a replica that asks for the stream is given.
//!
//! Nothing here knows sockets or clocks: messages and times come in, decisions and bytes go out.
#![forbid(unsafe_code)]

pub mod backlog;
pub mod primary;

pub use backlog::Backlog;
pub use primary::{Primary, Progress, Replica, ReplicaState, Settings, SyncAnswer, Tick};
