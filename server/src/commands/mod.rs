//! The commands, a file a family.

pub mod client;
pub mod config;
pub mod connection;
mod help;

use crate::command::CommandSpec;

/// Every command of this server.
pub fn all() -> Vec<&'static CommandSpec> {
    [client::ALL, config::ALL, connection::ALL].concat()
}
