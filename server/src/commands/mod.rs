//! The commands, a file a family.

pub mod client;
pub mod connection;
mod help;

use crate::command::CommandSpec;

/// Every command of this server.
pub fn all() -> Vec<&'static CommandSpec> {
    [client::ALL, connection::ALL].concat()
}
