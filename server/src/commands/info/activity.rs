//! What was done since the start or the last CONFIG RESETSTAT: section stats.

use super::{Lines, View};
use crate::acl::Reason;
use crate::metrics::rates::Rate;
use crate::pubsub::Space;
use std::sync::atomic::Ordering::Relaxed;

/// `# Stats`
pub(super) fn stats(lines: &mut Lines, view: &View<'_>) {
    let server = view.server;
    let (stats, rates) = (&server.stats, server.rates.current());
    let kilobytes = |rate: Rate| format!("{:.2}", rates.of(rate) as f64 / 1024.0);
    lines.field("total_connections_received", stats.sum(|worker| worker.connections.get()));
    lines.field("total_commands_processed", stats.sum(|worker| worker.commands.get()));
    lines.field("instantaneous_ops_per_sec", rates.of(Rate::Commands));
    lines.field("total_net_input_bytes", stats.sum(|worker| worker.bytes_in.get()));
    lines.field("total_net_output_bytes", stats.sum(|worker| worker.bytes_out.get()));
    lines.field("total_net_repl_input_bytes", stats.sum(|worker| worker.replication_bytes_in.get()));
    lines.field("total_net_repl_output_bytes", stats.sum(|worker| worker.replication_bytes_out.get()));
    lines.field("instantaneous_input_kbps", kilobytes(Rate::BytesIn));
    lines.field("instantaneous_output_kbps", kilobytes(Rate::BytesOut));
    lines.field("instantaneous_input_repl_kbps", kilobytes(Rate::ReplicationIn));
    lines.field("instantaneous_output_repl_kbps", kilobytes(Rate::ReplicationOut));
    let rejected = stats.sum(|worker| worker.rejected_connections.get()) + stats.rejected_handshakes.load(Relaxed);
    lines.field("rejected_connections", rejected);
    let syncs = &stats.synchronisations;
    lines.field("sync_full", syncs.full.load(Relaxed));
    lines.field("sync_partial_ok", syncs.partial.load(Relaxed));
    lines.field("sync_partial_err", syncs.refused.load(Relaxed));
    keys(lines, view);
    lines.field("pubsub_channels", server.pubsub.len(Space::Channel));
    lines.field("pubsub_patterns", server.pubsub.len(Space::Pattern));
    lines.field("pubsubshard_channels", server.pubsub.len(Space::Shard));
    lines.field("latest_fork_usec", stats.processes.last_us.load(Relaxed));
    lines.field("total_forks", stats.processes.started.load(Relaxed));
    lines.field("migrate_cached_sockets", server.migrations.sockets.len());
    lines.field("slave_expires_tracked_keys", server.upstream.own_keys.len());
    for name in ["active_defrag_hits", "active_defrag_misses"] {
        lines.zero(name);
    }
    for name in ["active_defrag_key_hits", "active_defrag_key_misses", "total_active_defrag_time"] {
        lines.zero(name);
    }
    lines.zero("current_active_defrag_time");
    lines.field("tracking_total_keys", server.tracking.keys());
    lines.field("tracking_total_items", server.tracking.items());
    lines.field("tracking_total_prefixes", server.tracking.prefixes());
    lines.field("unexpected_error_replies", server.stats.unexpected_errors.load(Relaxed));
    lines.field("total_error_replies", stats.sum(|worker| worker.errors.get()));
    lines.field("dump_payload_sanitizations", server.stats.sanitizations.load(Relaxed));
    lines.field("total_reads_processed", stats.sum(|worker| worker.reads.get()));
    lines.field("total_writes_processed", stats.sum(|worker| worker.writes.get()));
    // Workers do all that others have such threads for.
    for what in ["reads_processed", "writes_processed", "poll_processed", "accept_processed", "freed_objects"] {
        lines.zero(&format!("io_threaded_{what}"));
    }
    lines.zero("io_threaded_total_prefetch_batches");
    lines.zero("io_threaded_total_prefetch_entries");
    lines.zero("total_net_cluster_slot_import_bytes");
    lines.zero("total_net_cluster_slot_export_bytes");
    lines.field("client_query_buffer_limit_disconnections", stats.sum(|worker| worker.query_limit_closed.get()));
    lines.field("client_output_buffer_limit_disconnections", stats.sum(|worker| worker.output_limit_closed.get()));
    lines.field("reply_buffer_shrinks", stats.sum(|worker| worker.reply_buffer_shrinks.get()));
    lines.field("reply_buffer_expands", stats.sum(|worker| worker.reply_buffer_expands.get()));
    let event_loop = stats.event_loop();
    lines.field("eventloop_cycles", event_loop.cycles);
    lines.field("eventloop_duration_sum", event_loop.busy_us);
    let command_nanos = |nanos: u64, stats: &crate::stats::CommandStats| nanos + stats.nanos.get();
    lines.field(
        "eventloop_duration_cmd_sum",
        stats.sum(|worker| worker.by_command.iter().fold(0, command_nanos)) / 1000,
    );
    lines.field("instantaneous_eventloop_cycles_per_sec", rates.of(Rate::LoopCycles));
    let cycles = rates.of(Rate::LoopCycles).max(1);
    lines.field("instantaneous_eventloop_duration_usec", rates.of(Rate::LoopBusyMicros) / cycles);
    let denials = &view.server.accounts.log;
    for (name, reason) in
        [("auth", Reason::Auth), ("cmd", Reason::Command), ("key", Reason::Key), ("channel", Reason::Channel)]
    {
        lines.field(format_args!("acl_access_denied_{name}"), denials.count(reason));
    }
    if view.server.config().compatibility_level.has_database_rules() {
        lines.field("acl_access_denied_tls_cert", denials.count(Reason::Certificate));
        lines.field("acl_access_denied_db", denials.count(Reason::Database));
    }
}

/// `# Debug`
pub(super) fn debug(lines: &mut Lines, view: &View<'_>) {
    let stats = &view.server.stats;
    let mut peaks = (0, 0);
    stats.each(|worker| {
        let (busy_us, commands) = &worker.cycle_peaks;
        peaks = (busy_us.get().max(peaks.0), commands.get().max(peaks.1));
    });
    lines.field("eventloop_duration_aof_sum", view.server.aof.figures.write_us.load(Relaxed));
    lines.field("eventloop_duration_cron_sum", stats.sum(|worker| worker.cron_us.get()));
    lines.field("eventloop_duration_max", peaks.0);
    lines.field("eventloop_cmd_per_cycle_max", peaks.1);
    // Nobody reads or writes for a worker.
    lines.zero("io_threaded_reads_pending");
    lines.zero("io_threaded_writes_pending");
}

/// What happened to keys.
fn keys(lines: &mut Lines, view: &View<'_>) {
    let server = view.server;
    let (store, over_limit) = (server.store.stats(), server.over_limit.read(crate::clock::unix_us()));
    let stale = store.expired_stale_millionths as f64 / 10_000.0;
    let expire_us = server.stats.sum(|worker| worker.expire_cycle_us.get());
    lines.field("expired_keys", store.expired_keys);
    lines.field("expired_fields", store.expired_fields);
    // The same by the name that Redis gave it.
    lines.field("expired_subkeys", store.expired_fields);
    lines.field("expired_stale_perc", format_args!("{stale:.2}"));
    lines.field("expired_time_cap_reached_count", store.expired_time_cap_reached_count);
    lines.field("expire_cycle_cpu_milliseconds", expire_us / 1000);
    lines.field("evicted_keys", store.evicted_keys);
    lines.field("evicted_clients", server.stats.sum(|worker| worker.evicted_clients.get()));
    lines.field("evicted_scripts", server.scripts.evicted());
    lines.field("total_eviction_exceeded_time", over_limit.total_ms);
    lines.field("current_eviction_exceeded_time", over_limit.current_ms);
    lines.field("keyspace_hits", store.keyspace_hits);
    lines.field("keyspace_misses", store.keyspace_misses);
}
