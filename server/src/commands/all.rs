//! The families put together.

use super::{
    bitfield, bitmap, client, command, config, connection, debug, dump, expire, generic, geo, geo_search, hash,
    hash_expire, hash_walk, hyperloglog, info, latency, lcs, list, list_blocking, list_inside, list_move, lolwut,
    memory, monitor, object, scan, server, set, set_combine, set_random, slowlog, sort, stream, stream_group,
    stream_info, stream_pending, stream_read, string, string_many, string_number, string_range, zset, zset_combine,
    zset_pop, zset_range,
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
        dump::ALL,
        expire::ALL,
        generic::ALL,
        geo::ALL,
        geo_search::ALL,
        hash::ALL,
        hash_expire::ALL,
        hash_walk::ALL,
        hyperloglog::ALL,
        info::ALL,
        latency::ALL,
        lcs::ALL,
        list::ALL,
        list_blocking::ALL,
        list_inside::ALL,
        list_move::ALL,
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
        stream::ALL,
        stream_group::ALL,
        stream_info::ALL,
        stream_pending::ALL,
        stream_read::ALL,
        string::ALL,
        string_many::ALL,
        string_number::ALL,
        string_range::ALL,
        zset::ALL,
        zset_combine::ALL,
        zset_pop::ALL,
        zset_range::ALL,
    ]
    .concat()
}
