//! The storage engine of Ochre: a sharded in-memory keyspace with typed values, usable on its own.
//!
//! * [`sync`]: one lock a shard, taken in ascending order, with parking instead of waiting.
//!
//! This crate knows nothing of wire formats, files or clients.
#![deny(unsafe_code)]

#[allow(unsafe_code)]
pub(crate) mod raw;
pub mod sync;
