//! The commands, a file a family.

pub mod connection;

use crate::command::CommandSpec;

/// Every command of this server.
pub fn all() -> Vec<&'static CommandSpec> {
    [connection::ALL].concat()
}
