//! The Ochre server as a library: command table, handlers, sessions, dispatch, network. The binary only composes it.
// `deny` and not `forbid`: `process::raw` is the one exception, and says why.
#![deny(unsafe_code)]

pub mod acl;
pub mod aof;
pub mod args;
pub mod blocking;
pub mod boot;
pub mod client;
pub mod clock;
pub mod command;
pub mod commands;
pub mod config;
pub mod context;
mod cron;
mod dispatch;
mod effects;
pub mod errand;
pub mod error;
pub mod glob;
mod huge_pages;
pub mod latency;
pub mod logging;
mod memory;
pub mod metrics;
pub mod migration;
pub mod monitor;
pub mod net;
pub mod pause;
pub mod persistence;
pub mod process;
pub mod propagation;
pub mod pubsub;
pub mod random;
pub mod scripting;
pub mod server;
pub mod shutdown;
pub mod slowlog;
pub mod stats;
pub mod tls;
pub mod tracking;
pub mod transaction;
pub mod upstream;
