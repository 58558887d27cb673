//! The data set: sections persistence, replication, cluster and keyspace.

use super::{Lines, View};
use crate::clock::unix_ms;
use crate::propagation::ReplicaInfo;
use ochre_replication::ReplicaState;

/// `# Persistence`
pub(super) fn persistence(lines: &mut Lines, view: &View<'_>) {
    let server = view.server;
    for name in ["loading", "async_loading", "current_cow_peak", "current_cow_size", "current_cow_size_age"] {
        lines.zero(name);
    }
    lines.field("current_fork_perc", "0.00");
    lines.zero("current_save_keys_processed");
    lines.zero("current_save_keys_total");
    lines.field("rdb_changes_since_last_save", server.stats.sum(|worker| worker.dirty.get()));
    lines.zero("rdb_bgsave_in_progress");
    lines.field("rdb_last_save_time", server.process.started_ms / 1000);
    lines.field("rdb_last_bgsave_status", "ok");
    lines.field("rdb_last_bgsave_time_sec", -1);
    lines.field("rdb_current_bgsave_time_sec", -1);
    for name in ["rdb_saves", "rdb_last_cow_size", "rdb_last_load_keys_expired", "rdb_last_load_keys_loaded"] {
        lines.zero(name);
    }
    for name in ["aof_enabled", "aof_rewrite_in_progress", "aof_rewrite_scheduled"] {
        lines.zero(name);
    }
    lines.field("aof_last_rewrite_time_sec", -1);
    lines.field("aof_current_rewrite_time_sec", -1);
    lines.field("aof_last_bgrewrite_status", "ok");
    lines.zero("aof_rewrites");
    lines.zero("aof_rewrites_consecutive_failures");
    lines.field("aof_last_write_status", "ok");
    for name in ["aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"] {
        lines.zero(name);
    }
}

/// `# Replication`
pub(super) fn replication(lines: &mut Lines, view: &View<'_>) {
    let server = view.server;
    lines.field("role", "master");
    let log = server.log.summary();
    lines.field("connected_slaves", log.replicas.len());
    for (number, ReplicaInfo { replica, .. }) in log.replicas.iter().enumerate() {
        let (ip, port, state) = (&replica.ip, replica.port, replica.state.name());
        let lag = if replica.state == ReplicaState::Online { (unix_ms() - replica.acked_ms) / 1000 } else { 0 };
        let shown = format_args!("ip={ip},port={port},state={state},offset={},lag={lag}", replica.acked);
        lines.field(format_args!("slave{number}"), shown);
    }
    lines.zero("replicas_waiting_psync");
    lines.field("master_failover_state", "no-failover");
    lines.field("master_replid", &log.id);
    lines.field("master_replid2", "0".repeat(log.id.len()));
    lines.field("master_repl_offset", log.offset);
    lines.field("second_repl_offset", -1);
    lines.field("repl_backlog_active", u8::from(log.backlog.is_some()));
    lines.field("repl_backlog_size", server.config().repl_backlog_size);
    let (begin, len) = log.backlog.map_or((0, 0), |(begin, len)| (begin + 1, len));
    lines.field("repl_backlog_first_byte_offset", begin);
    lines.field("repl_backlog_histlen", len);
}

/// `# Cluster`
pub(super) fn cluster(lines: &mut Lines, _view: &View<'_>) {
    lines.zero("cluster_enabled");
}

/// `# Keyspace`
pub(super) fn keyspace(lines: &mut Lines, view: &View<'_>) {
    let store = &view.server.store;
    for db in 0..store.databases() {
        let (keys, expires) = (store.db_len(db), store.db_volatile_len(db));
        if keys > 0 || expires > 0 {
            let (avg_ttl, with_fields) = (store.db_average_ttl_ms(db), store.db_field_keys(db));
            let counts = format!("keys={keys},expires={expires},avg_ttl={avg_ttl}");
            if view.server.config().compatibility_level.shows_field_keys() {
                lines.field(format_args!("db{db}"), format_args!("{counts},keys_with_volatile_items={with_fields}"));
            } else {
                lines.field(format_args!("db{db}"), counts);
            }
        }
    }
}
