//! The families put together.

use super::{
    bitfield, bitmap, client, command, config, connection, debug, expire, generic, hyperloglog, info, latency, lcs,
    lolwut, memory, monitor, object, scan, server, set, set_combine, set_random, slowlog, sort, string, string_many,
    string_number, string_range,
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
        hyperloglog::ALL,
        info::ALL,
        latency::ALL,
        lcs::ALL,
        lolwut::ALL,
        memory::ALL,
        monitor::ALL,
        object::ALL,
        scan::ALL,
        server::ALL,
        set::ALL,
        set_combine::ALL,
        set_random::ALL,
        slowlog::ALL,
        sort::ALL,
        string::ALL,
        string_many::ALL,
        string_number::ALL,
        string_range::ALL,
    ]
    .concat()
}
