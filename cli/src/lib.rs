//! What the command-line tools share: server addresses and URIs, blocking connections, the load generator behind
//! `ochre-benchmark`, and the reply formatting and line editing behind `ochre-cli`.
//!
//! This crate talks to a server over a socket only; it never links the server. What it knows of files is in `ochre-persist`.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

pub mod bench;
pub mod connection;
pub mod endpoint;
pub mod escape;
pub mod format;
pub mod security;
pub mod shell;
pub mod uri;
pub mod words;

/// The time, in milliseconds since the Unix epoch.
#[must_use]
pub fn unix_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
