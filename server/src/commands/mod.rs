//! The commands, a file a family.

pub mod bitfield;
pub mod bitmap;
pub mod client;
pub mod command;
pub mod config;
pub mod connection;
mod document;
pub mod expire;
pub mod generic;
mod help;
pub mod lcs;
pub mod object;
pub mod scan;
pub mod string;
pub mod string_many;
pub mod string_number;
mod string_options;
pub mod string_range;

pub use document::generate;

use crate::command::CommandSpec;

/// Every command of this server.
pub fn all() -> Vec<&'static CommandSpec> {
    [
        bitfield::ALL,
        bitmap::ALL,
        client::ALL,
        command::ALL,
        config::ALL,
        connection::ALL,
        expire::ALL,
        generic::ALL,
        lcs::ALL,
        object::ALL,
        scan::ALL,
        string::ALL,
        string_many::ALL,
        string_number::ALL,
        string_range::ALL,
    ]
    .concat()
}
