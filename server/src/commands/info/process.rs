//! The process: sections server, clients and CPU.

use super::{Lines, View};
use crate::client::ClientKind;
use crate::metrics::process as measured;
use crate::pause::PauseKind;
use crate::server::REDIS_VERSION;
use std::sync::atomic::Ordering::Relaxed;

/// `# Server`
pub(super) fn server(lines: &mut Lines, view: &View<'_>) {
    let server = view.server;
    let config = server.config();
    let now_us = crate::clock::unix_us();
    let uptime_s = (now_us / 1000 - server.process.started_ms).max(0) / 1000;
    lines.field("redis_version", REDIS_VERSION);
    lines.field("server_name", "ochre");
    lines.field("ochre_version", env!("CARGO_PKG_VERSION"));
    lines.field("redis_git_sha1", "00000000");
    lines.field("redis_git_dirty", 0);
    lines.field("redis_build_id", build_id());
    lines.field("redis_mode", "standalone");
    lines.field("server_mode", "standalone");
    lines.field("os", measured::operating_system());
    lines.field("arch_bits", usize::BITS);
    lines.field("monotonic_clock", "quanta");
    lines.field("multiplexing_api", if cfg!(target_os = "linux") { "epoll" } else { "kqueue" });
    lines.field("atomicvar_api", "rust-core");
    // What real servers say when another compiler built them.
    lines.field("gcc_version", "0.0.0");
    lines.field("process_id", std::process::id());
    lines.field("process_supervised", server.process.supervisor.unwrap_or("no"));
    lines.field("run_id", &server.process.run_id);
    lines.field("tcp_port", if config.port == 0 { config.tls_port } else { config.port });
    lines.field("server_time_usec", now_us);
    lines.field("uptime_in_seconds", uptime_s);
    lines.field("uptime_in_days", uptime_s / 86_400);
    lines.field("hz", config.hz);
    lines.field("configured_hz", config.hz);
    lines.field("clients_hz", config.hz);
    lines.field("lru_clock", ochre_store::clock::lru_at(now_us / 1000));
    lines.field("executable", server.process.executable.display());
    lines.field("config_file", server.process.config_file.as_deref().unwrap_or("".as_ref()).display());
    // Workers read and write for themselves: there are no threads that only do so for others.
    lines.zero("io_threads_active");
    lines.field("worker_threads", config.workers());
    if let Some(deadline_ms) = server.shutdown.deadline_ms() {
        lines.field("shutdown_in_milliseconds", deadline_ms - now_us / 1000);
    }
    lines.field("availability_zone", &config.availability_zone);
    let mut number = 0;
    for (name, port) in [("tcp", config.port), ("tls", config.tls_port)] {
        if port > 0 {
            let binds: String = config.bind.iter().map(|bind| format!("bind={bind},")).collect();
            lines.field(format_args!("listener{number}"), format_args!("name={name},{binds}port={port}"));
            number += 1;
        }
    }
    if !config.unixsocket.as_os_str().is_empty() {
        let path = config.unixsocket.display();
        lines.field(format_args!("listener{number}"), format_args!("name=unix,bind={path}"));
    }
}

/// `# TLS`
pub(super) fn tls(lines: &mut Lines, view: &View<'_>) {
    for (whose, info) in ["server", "client", "ca"].into_iter().zip(view.server.tls.certificates()) {
        lines.field(format_args!("tls_{whose}_cert_serial"), info.serial);
        lines.field(format_args!("tls_{whose}_cert_expires_in_seconds"), info.expires_in_s);
    }
}

/// `# Clients`
pub(super) fn clients(lines: &mut Lines, view: &View<'_>) {
    let server = view.server;
    let config = server.config();
    let replicas = server.clients.all().iter().filter(|client| client.kind() == ClientKind::Replica).count();
    let (input_max, output_max) = server.stats.recent_buffer_peaks(view.now_ms);
    lines.field("connected_clients", server.clients.len().saturating_sub(replicas));
    lines.zero("cluster_connections");
    lines.field("maxclients", config.maxclients);
    lines.field("client_recent_max_input_buffer", input_max);
    lines.field("client_recent_max_output_buffer", output_max);
    lines.field("blocked_clients", server.pause.held_back() + server.blocked.clients());
    lines.field("tracking_clients", server.tracking.clients());
    lines.field("pubsub_clients", server.pubsub.clients());
    let watching = server.clients.all().iter().filter(|client| client.published.watched.load(Relaxed) > 0).count();
    lines.field("watching_clients", watching);
    lines.field("clients_in_timeout_table", server.blocked.with_timeout());
    lines.field("total_watched_keys", server.watched.keys());
    lines.field("total_blocking_keys", server.blocked.keys());
    lines.field("total_blocking_keys_on_nokey", server.blocked.keys_minding_absence());
    let now_ms = view.now_ms;
    let (reason, actions, left_ms) = match server.pause.in_force(now_ms) {
        Some((PauseKind::All, until_ms)) => ("client_pause", "all", until_ms - now_ms),
        Some((PauseKind::Write, until_ms)) => ("client_pause", "write", until_ms - now_ms),
        None => ("none", "none", 0),
    };
    lines.field("paused_reason", reason);
    lines.field("paused_actions", actions);
    lines.field("paused_timeout_milliseconds", left_ms);
}

/// `# CPU`
pub(super) fn cpu(lines: &mut Lines, view: &View<'_>) {
    let all = measured::cpu_of_process();
    let children = measured::cpu_of_children();
    let seconds = |micros: u64| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    lines.field("used_cpu_sys", seconds(all.system_us));
    lines.field("used_cpu_user", seconds(all.user_us));
    lines.field("used_cpu_sys_children", seconds(children.system_us));
    lines.field("used_cpu_user_children", seconds(children.user_us));
    // The workers are what the main thread of other servers is: they execute the commands.
    let stats = &view.server.stats;
    lines.field("used_cpu_sys_main_thread", seconds(stats.sum(|worker| worker.cpu_system_us.get())));
    lines.field("used_cpu_user_main_thread", seconds(stats.sum(|worker| worker.cpu_user_us.get())));
    lines.field("used_active_time_main_thread", seconds(stats.event_loop().busy_us));
}

/// Tells builds apart: a hash of what they were built from and for.
fn build_id() -> String {
    let facts = [env!("CARGO_PKG_VERSION"), std::env::consts::ARCH, std::env::consts::OS];
    let bytes = facts.iter().flat_map(|fact| fact.bytes());
    // FNV-1a
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("{hash:016x}")
}
