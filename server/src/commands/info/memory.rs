//! Section memory.

use super::{Lines, View};
use crate::metrics::memory::{Allocator, MemoryReport, Proportion};
use crate::metrics::process::machine_bytes;
use crate::server::Server;

/// `# Memory`
pub(super) fn memory(lines: &mut Lines, view: &View<'_>) {
    let server = view.server;
    let report = MemoryReport::take(server);
    lines.bytes("used_memory", report.used);
    lines.bytes("used_memory_rss", report.resident);
    lines.bytes("used_memory_peak", report.peak);
    lines.field("used_memory_peak_time", report.peak_s);
    lines.field("used_memory_peak_perc", format_args!("{:.2}%", report.peak_percent()));
    lines.field("used_memory_overhead", report.overhead());
    lines.field("used_memory_startup", report.startup);
    lines.field("used_memory_dataset", report.dataset());
    lines.field("used_memory_dataset_perc", format_args!("{:.2}%", report.dataset_percent()));
    lines.field("allocator_allocated", report.allocator.allocated);
    lines.field("allocator_active", report.allocator.active);
    lines.field("allocator_resident", report.allocator.resident);
    // Pages that the allocator gives back at once, as it is set, are never in between.
    lines.zero("allocator_muzzy");
    lines.bytes("total_system_memory", machine_bytes().unwrap_or(0));
    scripts(lines, server);
    let config = server.config();
    lines.bytes("maxmemory", config.maxmemory);
    let policy = crate::config::get_one(&config, "maxmemory-policy").unwrap_or_default();
    lines.field("maxmemory_policy", String::from_utf8_lossy(&policy));
    proportion(lines, "allocator_frag", report.allocator_fragmentation());
    proportion(lines, "allocator_rss", report.allocator_resident());
    proportion(lines, "rss_overhead", report.resident_overhead());
    proportion(lines, "mem_fragmentation", report.fragmentation());
    lines.field("mem_not_counted_for_evict", report.not_counted);
    lines.field("mem_replication_backlog", report.replication_backlog);
    lines.field("mem_total_replication_buffers", report.replication_buffers);
    lines.field("mem_clients_slaves", report.clients_replicas);
    lines.field("mem_clients_normal", report.clients_normal);
    for name in [
        "mem_replicas_repl_buffer",
        "mem_replica_full_sync_buffer",
        "mem_cluster_links",
        "mem_cluster_slot_import",
        "mem_cluster_slot_export",
    ] {
        lines.zero(name);
    }
    lines.field("mem_aof_buffer", report.file_buffer);
    lines.field("mem_allocator", Allocator::name());
    lines.field("mem_overhead_db_hashtable_rehashing", report.rehashing().0);
    lines.zero("active_defrag_running");
    let freed = server.store.stats();
    lines.field("lazyfree_pending_objects", freed.lazyfree_pending_objects);
    lines.field("lazyfreed_objects", freed.lazyfreed_objects);
}

/// The Lua states of all workers, and the sources that they share.
fn scripts(lines: &mut Lines, server: &Server) {
    let lua = server.stats.sum(|worker| worker.lua_bytes.get());
    let lua_functions = server.stats.sum(|worker| worker.lua_function_bytes.get());
    let (count, sources) = (server.scripts.len(), server.scripts.bytes());
    let (libraries, functions) = server.functions.len();
    let codes = server.functions.bytes();
    lines.field("used_memory_lua", lua);
    lines.field("used_memory_vm_eval", lua);
    lines.field("used_memory_lua_human", super::human(lua));
    lines.field("used_memory_scripts_eval", sources);
    lines.field("number_of_cached_scripts", count);
    lines.field("number_of_functions", functions);
    lines.field("number_of_libraries", libraries);
    lines.field("used_memory_vm_functions", lua_functions);
    lines.bytes("used_memory_vm_total", lua + lua_functions);
    lines.field("used_memory_functions", codes);
    lines.bytes("used_memory_scripts", (sources + codes) as u64);
}

/// `# Scripting Engines`
pub(super) fn scripting_engines(lines: &mut Lines, view: &View<'_>) {
    let server = view.server;
    let states = server.stats.sum(|worker| worker.lua_bytes.get() + worker.lua_function_bytes.get());
    let sources = server.scripts.bytes() + server.functions.bytes();
    lines.field("engines_count", 1);
    lines.field("engines_total_used_memory", states);
    lines.field("engines_total_memory_overhead", sources);
    // It is no module, so there is no interface that has a version.
    let engine = format_args!("name=LUA,module=lua,abi_version=0,used_memory={states},memory_overhead={sources}");
    lines.field("engine_0", engine);
}

fn proportion(lines: &mut Lines, name: &str, proportion: Proportion) {
    lines.field(format_args!("{name}_ratio"), format_args!("{:.2}", proportion.ratio));
    lines.field(format_args!("{name}_bytes"), proportion.bytes);
}
