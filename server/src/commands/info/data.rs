//! The data set: sections persistence, replication, cluster and keyspace.

use super::{Lines, View};
use crate::clock::unix_ms;
use crate::propagation::ReplicaInfo;
use crate::server::Attention;
use crate::upstream::{Stage, Summary};
use ochre_replication::ReplicaState;
use std::sync::atomic::Ordering::Relaxed;

/// `# Persistence`
pub(super) fn persistence(lines: &mut Lines, view: &View<'_>) {
    let server = view.server;
    let status = server.persistence.status();
    let is_loading = server.attention.get() & Attention::LOADING != 0;
    lines.field("loading", u8::from(is_loading));
    let loads_aside = server.attention.get() & Attention::LOADS_ASIDE != 0;
    lines.field("async_loading", u8::from(loads_aside));
    let running = server.persistence.running();
    let progress = running.as_ref().map(|running| running.progress()).unwrap_or_default();
    // What is copied because it changes meanwhile: what others copy page by page.
    lines.field("current_cow_peak", progress.bytes_ahead);
    lines.field("current_cow_size", progress.bytes_ahead);
    // Seconds since it was measured: it is counted as it grows.
    lines.zero("current_cow_size_age");
    let percent = progress.keys as f64 * 100.0 / progress.keys_total.max(1) as f64;
    lines.field("current_fork_perc", format_args!("{percent:.2}"));
    lines.field("current_save_keys_processed", progress.keys);
    lines.field("current_save_keys_total", progress.keys_total);
    lines.field("rdb_changes_since_last_save", server.persistence.changes(server));
    lines.field("rdb_bgsave_in_progress", u8::from(running.is_some()));
    lines.field("rdb_last_save_time", status.last_save_s);
    lines.field("rdb_last_bgsave_status", if status.is_good { "ok" } else { "err" });
    lines.field("rdb_last_bgsave_time_sec", status.last_duration_s);
    let elapsed_s = |started_s: i64| (view.now_ms / 1000).saturating_sub(started_s);
    lines.field("rdb_current_bgsave_time_sec", running.map_or(-1, |running| elapsed_s(running.started_s)));
    lines.field("rdb_saves", status.saves);
    lines.field("rdb_last_cow_size", status.last_bytes_ahead);
    let progress = &server.persistence.loading;
    lines.field("rdb_last_load_keys_expired", progress.keys_expired.load(Relaxed));
    lines.field("rdb_last_load_keys_loaded", progress.keys.load(Relaxed));
    append_only(lines, view);
    lines.field("aof_last_cow_size", server.aof.figures.last_bytes_ahead.load(Relaxed));
    for name in ["module_fork_in_progress", "module_fork_last_cow_size"] {
        lines.zero(name);
    }
    lines.zero("slot_migration_fork_in_progress");
    if is_loading || loads_aside {
        loading(lines, view);
    }
}

/// How the append-only file stands.
fn append_only(lines: &mut Lines, view: &View<'_>) {
    let (server, aof) = (view.server, &view.server.aof);
    let figures = &aof.figures;
    let status = |is_good: bool| if is_good { "ok" } else { "err" };
    lines.field("aof_enabled", u8::from(aof.is_enabled()));
    lines.field("aof_rewrite_in_progress", u8::from(aof.is_rewriting()));
    let is_scheduled = figures.is_scheduled.load(Relaxed);
    lines.field("aof_rewrite_scheduled", u8::from(is_scheduled));
    lines.field("aof_last_rewrite_time_sec", figures.last_rewrite_s.load(Relaxed));
    let started_s = figures.rewrite_started_s.load(Relaxed);
    let current_s = if started_s < 0 { -1 } else { unix_ms() / 1000 - started_s };
    lines.field("aof_current_rewrite_time_sec", current_s);
    lines.field("aof_last_bgrewrite_status", status(!figures.rewrite_failed.load(Relaxed)));
    lines.field("aof_rewrites", figures.rewrites.load(Relaxed));
    lines.field("aof_rewrites_consecutive_failures", figures.failures.load(Relaxed));
    lines.field("aof_last_write_status", status(aof.is_writable()));
    if aof.is_enabled() {
        lines.field("aof_current_size", figures.current_size.load(Relaxed));
        lines.field("aof_base_size", figures.base_size.load(Relaxed));
        lines.field("aof_pending_rewrite", u8::from(is_scheduled));
        lines.field("aof_buffer_length", server.log.appended_len());
        lines.field("aof_pending_bio_fsync", u8::from(figures.syncs.load(Relaxed)));
        lines.field("aof_delayed_fsync", figures.delayed_syncs.load(Relaxed));
    }
}

/// How far loading has come, and how long it will take if it goes on like that.
fn loading(lines: &mut Lines, view: &View<'_>) {
    let progress = &view.server.persistence.loading;
    let (started_s, total) = (progress.started_s.load(Relaxed), progress.bytes.load(Relaxed));
    let read = progress.bytes_read.load(Relaxed);
    let elapsed_s = (view.now_ms / 1000).saturating_sub(started_s).max(0) as u64;
    let eta_s = if read == 0 || elapsed_s == 0 { 1 } else { elapsed_s * total.saturating_sub(read) / read };
    lines.field("loading_start_time", started_s);
    lines.field("loading_total_bytes", total);
    lines.field("loading_rdb_used_mem", progress.memory.load(Relaxed));
    lines.field("loading_loaded_bytes", read);
    let percent = if total == 0 { 0.0 } else { read as f64 * 100.0 / total as f64 };
    lines.field("loading_loaded_perc", format_args!("{percent:.2}"));
    lines.field("loading_eta_seconds", eta_s);
}

/// `# Replication`
pub(super) fn replication(lines: &mut Lines, view: &View<'_>) {
    let server = view.server;
    let log = server.log.summary();
    match server.upstream.summary() {
        Some(upstream) => following(lines, view, &upstream, log.offset),
        None => lines.field("role", "master"),
    }
    lines.field("connected_slaves", log.replicas.len());
    if let Some(good) = server.log.good_replicas(server, unix_ms()) {
        lines.field("min_slaves_good_slaves", good);
    }
    for (number, ReplicaInfo { replica, .. }) in log.replicas.iter().enumerate() {
        let (ip, port, state) = (&replica.ip, replica.port, replica.state.name());
        let lag = if replica.state == ReplicaState::Online { (unix_ms() - replica.acked_ms) / 1000 } else { 0 };
        let shown = format!("ip={ip},port={port},state={state},offset={},lag={lag}", replica.acked);
        let kind = if server.config().compatibility_level.shows_replica_types() { ",type=replica" } else { "" };
        lines.field(format_args!("slave{number}"), shown + kind);
    }
    lines.zero("replicas_waiting_psync");
    lines.field("master_failover_state", "no-failover");
    lines.field("master_replid", &log.id);
    lines.field("master_replid2", log.previous.as_ref().map_or("0".repeat(log.id.len()), |(id, _)| id.clone()));
    lines.field("master_repl_offset", log.offset);
    lines.field("second_repl_offset", log.previous.as_ref().map_or(-1, |(_, offset)| *offset as i64 + 1));
    lines.field("repl_backlog_active", u8::from(log.backlog.is_some()));
    lines.field("repl_backlog_size", server.config().repl_backlog_size);
    let (begin, len) = log.backlog.map_or((0, 0), |(begin, len)| (begin + 1, len));
    lines.field("repl_backlog_first_byte_offset", begin);
    lines.field("repl_backlog_histlen", len);
}

/// What a replica says of its primary.
fn following(lines: &mut Lines, view: &View<'_>, upstream: &Summary, offset: u64) {
    let is_connected = upstream.stage == Stage::Connected;
    lines.field("role", "slave");
    lines.field("master_host", &upstream.host);
    lines.field("master_port", upstream.port);
    lines.field("master_link_status", if is_connected { "up" } else { "down" });
    lines.field("master_last_io_seconds_ago", upstream.idle_s);
    lines.field("master_sync_in_progress", u8::from(upstream.stage == Stage::Transfer));
    lines.field("slave_read_repl_offset", offset + upstream.unexecuted);
    lines.field("slave_repl_offset", offset);
    // What comes during a snapshot stays with the primary.
    // Valkey and Redis have different names for it.
    for name in ["replicas_repl_buffer", "replica_full_sync_buffer"] {
        lines.field(format_args!("{name}_size"), 0);
        lines.field(format_args!("{name}_peak"), 0);
    }
    lines.field("master_current_sync_attempts", upstream.attempts.current);
    lines.field("master_total_sync_attempts", upstream.attempts.total);
    if let Some(transfer) = &upstream.transfer {
        // The length of a snapshot that ends with a mark is not known.
        let (total, read) = (transfer.bytes.unwrap_or(0), transfer.received);
        lines.field("master_sync_total_bytes", total);
        lines.field("master_sync_read_bytes", read);
        lines.field("master_sync_left_bytes", total as i64 - read as i64);
        let percent = if total == 0 { 0.0 } else { read as f64 * 100.0 / total as f64 };
        lines.field("master_sync_perc", format_args!("{percent:.2}"));
        let idle_s = (unix_ms() - transfer.heard_ms).max(0) / 1000;
        lines.field("master_sync_last_io_seconds_ago", idle_s);
    }
    if is_connected {
        lines.field("master_link_up_since_seconds", upstream.up_s);
    } else {
        lines.field("master_link_down_since_seconds", upstream.down_s);
    }
    lines.field("total_disconnect_time_sec", upstream.down_in_all_s);
    let config = view.server.config();
    lines.field("slave_priority", config.replica_priority);
    lines.field("slave_read_only", u8::from(config.replica_read_only));
    lines.field("replica_announced", u8::from(config.replica_announced));
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
