//! The commands, a file a family.

pub mod bitfield;
pub mod bitmap;
pub mod client;
pub mod command;
pub mod config;
pub mod connection;
pub mod debug;
mod document;
pub mod expire;
pub mod generic;
mod help;
pub mod info;
pub mod latency;
pub mod lcs;
pub mod lolwut;
pub mod memory;
pub mod monitor;
pub mod object;
pub mod scan;
pub mod server;
pub mod slowlog;
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
        debug::ALL,
        expire::ALL,
        generic::ALL,
        info::ALL,
        latency::ALL,
        lcs::ALL,
        lolwut::ALL,
        memory::ALL,
        monitor::ALL,
        object::ALL,
        scan::ALL,
        server::ALL,
        slowlog::ALL,
        string::ALL,
        string_many::ALL,
        string_number::ALL,
        string_range::ALL,
    ]
    .concat()
}
