//! What `/metrics` tells.

use super::exposition::{Exposition, Kind};
use super::memory::MemoryReport;
use super::process;
use crate::client::ClientKind;
use crate::server::{Attention, REDIS_VERSION, Server};
use crate::stats::LatencyHistogram;
use std::sync::atomic::Ordering::Relaxed;

/// All figures, in the text format of Prometheus. Nothing is locked that a command waits for.
pub(crate) fn exposition(server: &Server) -> String {
    let mut out = Exposition::new();
    identity(&mut out, server);
    clients(&mut out, server);
    traffic(&mut out, server);
    commands(&mut out, server);
    latency(&mut out, server);
    workers(&mut out, server);
    memory(&mut out, server);
    keyspace(&mut out, server);
    persistence(&mut out, server);
    replication(&mut out, server);
    certificates(&mut out, server);
    out.finish()
}

fn identity(out: &mut Exposition, server: &Server) {
    out.family("ochre_info", Kind::Gauge, "Always 1; what is running.");
    let labels = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("redis_version", REDIS_VERSION),
        ("run_id", server.process.run_id.as_str()),
    ];
    out.sample(&labels, 1);
    let started_s = server.process.started_ms as f64 / 1000.0;
    out.gauge("ochre_start_time_seconds", "Unix time at which the process has started.", started_s);
    out.family("ochre_cpu_seconds_total", Kind::Counter, "Processor time of the process.");
    let cpu = process::cpu_of_process();
    out.sample(&[("mode", "user")], seconds_of_micros(cpu.user_us));
    out.sample(&[("mode", "system")], seconds_of_micros(cpu.system_us));
}

fn clients(out: &mut Exposition, server: &Server) {
    let stats = &server.stats;
    let replicas = server.clients.all().iter().filter(|client| client.kind() == ClientKind::Replica).count();
    let clients = server.clients.len().saturating_sub(replicas);
    out.gauge("ochre_connected_clients", "Clients, without replicas.", clients);
    let blocked = server.pause.held_back() + server.blocked.clients();
    out.gauge("ochre_blocked_clients", "Clients that wait in a command.", blocked);
    out.gauge("ochre_max_clients", "Most clients that are let in.", server.config().maxclients);
    let accepted = stats.sum(|worker| worker.connections.get());
    out.counter("ochre_connections_received_total", "Connections that were served.", accepted);
    let rejected = stats.sum(|worker| worker.rejected_connections.get()) + stats.rejected_handshakes.load(Relaxed);
    out.counter("ochre_connections_rejected_total", "Connections that were turned away.", rejected);
    out.family("ochre_clients_closed_total", Kind::Counter, "Clients that were closed, by the limit they broke.");
    out.sample(&[("limit", "output_buffer")], stats.sum(|worker| worker.output_limit_closed.get()));
    out.sample(&[("limit", "query_buffer")], stats.sum(|worker| worker.query_limit_closed.get()));
    out.sample(&[("limit", "memory")], stats.sum(|worker| worker.evicted_clients.get()));
}

fn traffic(out: &mut Exposition, server: &Server) {
    let stats = &server.stats;
    out.counter("ochre_commands_processed_total", "Commands executed.", stats.sum(|worker| worker.commands.get()));
    out.counter("ochre_net_input_bytes_total", "Bytes received.", stats.sum(|worker| worker.bytes_in.get()));
    out.counter("ochre_net_output_bytes_total", "Bytes sent.", stats.sum(|worker| worker.bytes_out.get()));
    let from_primary = stats.sum(|worker| worker.replication_bytes_in.get());
    let to_replicas = stats.sum(|worker| worker.replication_bytes_out.get());
    out.counter("ochre_net_replication_input_bytes_total", "Those received from the primary.", from_primary);
    out.counter("ochre_net_replication_output_bytes_total", "Those sent to replicas.", to_replicas);
    out.counter("ochre_reads_total", "Reads from clients.", stats.sum(|worker| worker.reads.get()));
    out.counter("ochre_writes_total", "Writes to clients.", stats.sum(|worker| worker.writes.get()));
    out.counter("ochre_error_replies_total", "Error replies.", stats.sum(|worker| worker.errors.get()));
    out.family("ochre_errors_total", Kind::Counter, "Error replies, by their first word.");
    for (code, count) in stats.errors_by_code.lock().iter() {
        out.sample(&[("code", code)], count);
    }
    let slow = server.slowlog.len();
    out.gauge("ochre_slowlog_entries", "Entries in the slow log.", slow);
}

fn commands(out: &mut Exposition, server: &Server) {
    let used: Vec<_> =
        server.commands.all().iter().map(|command| (command, server.stats.of_command(command.id))).collect();
    let used = || used.iter().filter(|(_, total)| total.calls + total.rejected + total.failed > 0);
    out.family("ochre_command_calls_total", Kind::Counter, "Executions of a command.");
    for (command, total) in used() {
        out.sample(&[("command", &command.full_name)], total.calls);
    }
    out.family("ochre_command_seconds_total", Kind::Counter, "Time spent in a command.");
    for (command, total) in used() {
        out.sample(&[("command", &command.full_name)], seconds_of_nanos(total.nanos));
    }
    out.family(
        "ochre_command_errors_total",
        Kind::Counter,
        "Executions that failed, and calls that were not executed.",
    );
    for (command, total) in used() {
        out.sample(&[("command", &command.full_name), ("kind", "failed")], total.failed);
        out.sample(&[("command", &command.full_name), ("kind", "rejected")], total.rejected);
    }
}

/// The bounds of the buckets are powers of two: from 1.024 µs to 8.6 s.
const BOUNDS: std::ops::RangeInclusive<u32> = 10..=33;

fn latency(out: &mut Exposition, server: &Server) {
    out.family(
        "ochre_command_duration_seconds",
        Kind::Histogram,
        "How long executions of a command took, as far as latency-tracking was on.",
    );
    for command in server.commands.all() {
        let counts = server.stats.latency_of_command(command.id);
        let total: u64 = counts.iter().sum();
        if total == 0 {
            continue;
        }
        let below = BOUNDS.map(|power| {
            let bound = 1u64 << power;
            let within = |bucket: &(usize, &u64)| LatencyHistogram::upper_bound(bucket.0) < bound;
            let count: u64 = counts.iter().enumerate().take_while(within).map(|(_, count)| count).sum();
            (seconds_of_nanos(bound), count)
        });
        let sum = seconds_of_nanos(server.stats.of_command(command.id).nanos);
        out.histogram(&[("command", &command.full_name)], below, total, sum);
    }
}

fn workers(out: &mut Exposition, server: &Server) {
    let mut workers = Vec::new();
    server.stats.each(|worker| workers.push(worker.clone()));
    let labelled: Vec<_> = workers.iter().enumerate().map(|(index, worker)| (index.to_string(), worker)).collect();
    out.family("ochre_worker_commands_total", Kind::Counter, "Commands executed by a worker.");
    for (index, worker) in &labelled {
        out.sample(&[("worker", index)], worker.commands.get());
    }
    out.family("ochre_worker_busy_seconds_total", Kind::Counter, "Time a worker's event loop was awake.");
    for (index, worker) in &labelled {
        out.sample(&[("worker", index)], seconds_of_micros(worker.event_loop().busy_us));
    }
    out.family("ochre_worker_cycles_total", Kind::Counter, "Times a worker's event loop went to sleep.");
    for (index, worker) in &labelled {
        out.sample(&[("worker", index)], worker.event_loop().cycles);
    }
    out.family("ochre_worker_cpu_seconds_total", Kind::Counter, "Processor time of a worker's thread.");
    for (index, worker) in &labelled {
        out.sample(&[("worker", index), ("mode", "user")], seconds_of_micros(worker.cpu_user_us.get()));
        out.sample(&[("worker", index), ("mode", "system")], seconds_of_micros(worker.cpu_system_us.get()));
    }
}

fn memory(out: &mut Exposition, server: &Server) {
    let report = MemoryReport::take(server);
    out.gauge("ochre_memory_used_bytes", "Memory that counts against maxmemory.", report.used);
    out.gauge("ochre_memory_peak_bytes", "The most there ever was of it.", report.peak);
    out.gauge("ochre_memory_startup_bytes", "What there was of it at the start.", report.startup);
    out.gauge("ochre_memory_overhead_bytes", "The part of it that is no data.", report.overhead());
    out.gauge("ochre_memory_dataset_bytes", "The part of it that is data.", report.dataset());
    out.gauge("ochre_memory_max_bytes", "Its limit; 0 is none.", server.config().maxmemory);
    out.gauge("ochre_memory_resident_bytes", "Physical memory of the process.", report.resident);
    out.gauge("ochre_memory_fragmentation_ratio", "Physical memory by what is used.", report.fragmentation().ratio);
    out.family("ochre_memory_clients_bytes", Kind::Gauge, "Buffers of clients.");
    out.sample(&[("class", "normal")], report.clients_normal);
    out.sample(&[("class", "replica")], report.clients_replicas);
    out.family("ochre_memory_allocator_bytes", Kind::Gauge, "What the allocator says.");
    out.sample(&[("state", "allocated")], report.allocator.allocated);
    out.sample(&[("state", "active")], report.allocator.active);
    out.sample(&[("state", "resident")], report.allocator.resident);
    let lua = server.stats.sum(|worker| worker.lua_bytes.get());
    out.gauge("ochre_memory_lua_bytes", "Lua states of all workers.", lua);
}

fn keyspace(out: &mut Exposition, server: &Server) {
    let store = &server.store;
    let used: Vec<_> =
        (0..store.databases()).filter(|db| store.db_len(*db) > 0).map(|db| (db, format!("db{db}"))).collect();
    out.family("ochre_db_keys", Kind::Gauge, "Keys of a database.");
    for (db, name) in &used {
        out.sample(&[("db", name)], store.db_len(*db));
    }
    out.family("ochre_db_keys_expiring", Kind::Gauge, "Keys of a database that have a deadline.");
    for (db, name) in &used {
        out.sample(&[("db", name)], store.db_volatile_len(*db));
    }
    out.family("ochre_db_avg_ttl_seconds", Kind::Gauge, "How long keys with a deadline have, on average.");
    for (db, name) in &used {
        out.sample(&[("db", name)], store.db_average_ttl_ms(*db) as f64 / 1000.0);
    }
    let stats = store.stats();
    out.counter("ochre_keyspace_hits_total", "Reads that found their key.", stats.keyspace_hits);
    out.counter("ochre_keyspace_misses_total", "Reads that did not.", stats.keyspace_misses);
    out.counter("ochre_expired_keys_total", "Keys whose time was over.", stats.expired_keys);
    out.counter("ochre_expired_fields_total", "Fields of hashes whose time was over.", stats.expired_fields);
    let capped = stats.expired_time_cap_reached_count;
    out.counter("ochre_expire_cycles_capped_total", "Looks for expired keys that ran out of time.", capped);
    let stale = stats.expired_stale_millionths as f64 / 1e6;
    out.gauge("ochre_expired_stale_ratio", "Share of keys that have expired and are still there, estimated.", stale);
    out.counter("ochre_evicted_keys_total", "Keys that made room for others.", stats.evicted_keys);
    let over = server.over_limit.read(crate::clock::unix_us());
    let over_s = over.total_ms as f64 / 1000.0;
    out.counter("ochre_eviction_exceeded_seconds_total", "Time for which memory was over its limit.", over_s);
    out.gauge("ochre_lazyfree_pending_objects", "Values that wait to be freed.", stats.lazyfree_pending_objects);
    out.counter("ochre_lazyfreed_objects_total", "Values that were freed in the background.", stats.lazyfreed_objects);
}

fn persistence(out: &mut Exposition, server: &Server) {
    let status = server.persistence.status();
    let is_loading = server.attention.get() & Attention::LOADING != 0;
    out.gauge("ochre_loading", "Whether the data set is being loaded.", u8::from(is_loading));
    let changes = server.persistence.changes(server);
    out.gauge("ochre_rdb_changes_since_last_save", "Changes that no snapshot holds.", changes);
    out.gauge("ochre_rdb_last_save_timestamp_seconds", "Unix time of the last snapshot.", status.last_save_s);
    out.gauge("ochre_rdb_last_save_success", "Whether the last try was good.", u8::from(status.is_good));
    out.counter("ochre_rdb_saves_total", "Snapshots.", status.saves);
}

fn replication(out: &mut Exposition, server: &Server) {
    let log = server.log.summary();
    out.gauge("ochre_connected_replicas", "Replicas.", log.replicas.len());
    out.counter("ochre_replication_offset_bytes", "Length of the stream of changes.", log.offset);
    let syncs = &server.stats.synchronisations;
    out.family("ochre_synchronisations_total", Kind::Counter, "What replicas were given that asked for the stream.");
    out.sample(&[("kind", "full")], syncs.full.load(Relaxed));
    out.sample(&[("kind", "partial")], syncs.partial.load(Relaxed));
    out.sample(&[("kind", "refused")], syncs.refused.load(Relaxed));
    out.family("ochre_replica_acknowledged_bytes", Kind::Gauge, "How much of the stream a replica has acknowledged.");
    for info in &log.replicas {
        let name = format!("{}:{}", info.replica.ip, info.replica.port);
        out.sample(&[("replica", &name)], info.replica.acked);
    }
}

fn certificates(out: &mut Exposition, server: &Server) {
    out.family("ochre_tls_certificate_expires_in_seconds", Kind::Gauge, "How long a certificate is still valid.");
    for (whose, info) in ["server", "client", "ca"].into_iter().zip(server.tls.certificates()) {
        if info.serial != "none" {
            out.sample(&[("certificate", whose), ("serial", &info.serial)], info.expires_in_s);
        }
    }
}

fn seconds_of_nanos(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

fn seconds_of_micros(micros: u64) -> f64 {
    micros as f64 / 1e6
}
