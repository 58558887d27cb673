//! The families put together.

use super::{
    bitfield, bitmap, client, command, config, connection, debug, expire, generic, hash, hash_expire, hash_walk, info,
    latency, lcs, lolwut, memory, monitor, object, scan, server, slowlog, string, string_many, string_number,
    string_range,
};
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
        hash::ALL,
        hash_expire::ALL,
        hash_walk::ALL,
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
