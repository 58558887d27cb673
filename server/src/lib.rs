//! The Ochre server as a library: command table, handlers, sessions, dispatch, network. The binary only composes it.
#![forbid(unsafe_code)]

pub mod args;
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
pub mod error;
pub mod glob;
pub mod latency;
mod memory;
pub mod monitor;
pub mod net;
pub mod pause;
pub mod random;
pub mod server;
pub mod shutdown;
pub mod slowlog;
pub mod stats;
