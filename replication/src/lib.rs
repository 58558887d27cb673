//! Replication: primary and replica state machines, sans I/O.
//!
//! - [`backlog`]: the latest part of the stream of changes, kept for those who read it.
//! - [`primary`]: who reads it, how far each has come, and what a replica that asks for the stream is given.
//! - [`handshake`]: how a replica asks its primary for the stream.
//! - [`transfer`]: the snapshot that a replica is sent first.
//!
//! Nothing here knows sockets or clocks: messages and times come in, decisions and bytes go out.
#![forbid(unsafe_code)]

pub mod backlog;
pub mod handshake;
pub mod primary;
pub mod transfer;

pub use backlog::Backlog;
pub use handshake::{Granted, Handshake, Heard, ID_LEN, Introduction, Refused};
pub use primary::{Primary, Progress, Replica, ReplicaState, Settings, SyncAnswer, Tick};
pub use transfer::{Body, Header, Malformed};
