//! MEMORY: where the memory is, and giving some back.

mod doctor;

use crate::args::Argv;
use crate::command::{CommandSpec, Flags, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use crate::metrics::memory::{MemoryReport, Proportion};
use ochre_resp::reply::ReplyWriter;
use ochre_store::keyspace;

const SUBCOMMAND: CommandSpec = CommandSpec { arity: 2, since: "4.0.0", ..CommandSpec::BASE };
const REPORT_TIPS: &[&str] = &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];

/// MEMORY
pub static MEMORY: CommandSpec = CommandSpec {
    name: "memory",
    arity: -2,
    complexity: "That of the subcommand",
    summary: "Tells where memory is, and gives some back.",
    subcommands: &[&DOCTOR, &HELP, &MALLOC_STATS, &PURGE, &STATS, &USAGE],
    ..SUBCOMMAND
};

/// MEMORY USAGE
pub static USAGE: CommandSpec = CommandSpec {
    name: "usage",
    arity: -3,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(2, KeyFlags::RO)],
    lock: LockClass::Keys,
    complexity: "O(N), N being the samples",
    summary: "Estimates the bytes that a key and its value take.",
    syntax: "key [SAMPLES count]",
    handler: usage,
    ..SUBCOMMAND
};

fn usage(context: &mut Context<'_>) -> CommandResult {
    // All elements of a string are one: nothing is sampled.
    samples(context.argv)?;
    let (db, key) = (context.db(), context.key(2));
    match keyspace::memory_usage(&mut context.txn, db, key)? {
        Some(bytes) => context.reply.int(bytes as i64),
        None => context.reply.null(),
    }
    Ok(())
}

/// MEMORY STATS
pub static STATS: CommandSpec = CommandSpec {
    name: "stats",
    summary: "Tells how memory is used, in numbers.",
    tips: REPORT_TIPS,
    handler: stats,
    ..SUBCOMMAND
};

fn stats(context: &mut Context<'_>) -> CommandResult {
    let report = MemoryReport::take(context.server);
    let reply = &mut context.reply;
    let map = reply.deferred_map();
    let mut figures = Figures { reply, count: 0 };
    figures.int("peak.allocated", report.peak);
    figures.int("total.allocated", report.used);
    figures.int("startup.allocated", report.startup);
    figures.int("replication.backlog", report.replication_backlog);
    figures.int("clients.slaves", report.clients_replicas);
    figures.int("clients.normal", report.clients_normal);
    figures.int("cluster.links", 0);
    figures.int("aof.buffer", report.file_buffer);
    figures.int("lua.caches", context.server.scripts.bytes() as u64);
    figures.int("functions.caches", context.server.functions.bytes() as u64);
    for tables in &report.databases {
        figures.name(&format!("db.{}", tables.db));
        figures.reply.map(3);
        let mut nested = Figures { reply: figures.reply, count: 0 };
        nested.int("overhead.hashtable.main", tables.main);
        nested.int("overhead.hashtable.expires", tables.expires);
        nested.int("overhead.hashtable.slot-to-keys", 0);
    }
    let (rehashing_bytes, rehashing_databases) = report.rehashing();
    figures.int("overhead.db.hashtable.lut", report.databases.iter().map(|db| db.main + db.expires).sum());
    figures.int("overhead.db.hashtable.rehashing", rehashing_bytes);
    figures.int("overhead.total", report.overhead());
    figures.int("db.dict.rehashing.count", rehashing_databases as u64);
    figures.int("keys.count", report.keys);
    figures.int("keys.bytes-per-key", report.bytes_per_key());
    figures.int("dataset.bytes", report.dataset());
    figures.double("dataset.percentage", report.dataset_percent());
    figures.double("peak.percentage", report.peak_percent());
    figures.int("allocator.allocated", report.allocator.allocated);
    figures.int("allocator.active", report.allocator.active);
    figures.int("allocator.resident", report.allocator.resident);
    figures.proportion(
        "allocator-fragmentation.ratio",
        "allocator-fragmentation.bytes",
        report.allocator_fragmentation(),
    );
    figures.proportion("allocator-rss.ratio", "allocator-rss.bytes", report.allocator_resident());
    figures.proportion("rss-overhead.ratio", "rss-overhead.bytes", report.resident_overhead());
    figures.proportion("fragmentation", "fragmentation.bytes", report.fragmentation());
    let count = figures.count;
    reply.set_len(map, count);
    Ok(())
}

/// MEMORY DOCTOR
pub static DOCTOR: CommandSpec = CommandSpec {
    name: "doctor",
    summary: "Looks for trouble with memory.",
    tips: REPORT_TIPS,
    handler: |context| {
        let report = MemoryReport::take(context.server);
        context.reply.verbatim(b"txt", doctor::diagnosis(&report));
        Ok(())
    },
    ..SUBCOMMAND
};

/// MEMORY PURGE
pub static PURGE: CommandSpec = CommandSpec {
    name: "purge",
    flags: Flags::LOADING,
    complexity: "Grows with the memory in use",
    summary: "Gives pages that the allocator keeps in reserve back to the system.",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    handler: purge,
    ..SUBCOMMAND
};

fn purge(context: &mut Context<'_>) -> CommandResult {
    if !crate::process::purge_allocator() {
        return Err(error::CANNOT_PURGE);
    }
    context.reply.ok();
    Ok(())
}

/// MEMORY MALLOC-STATS
pub static MALLOC_STATS: CommandSpec = CommandSpec {
    name: "malloc-stats",
    flags: Flags::LOADING,
    complexity: "Grows with the memory in use",
    summary: "Shows the allocator's own statistics.",
    tips: REPORT_TIPS,
    handler: malloc_stats,
    ..SUBCOMMAND
};

fn malloc_stats(context: &mut Context<'_>) -> CommandResult {
    let mut text = Vec::new();
    tikv_jemalloc_ctl::stats_print::stats_print(&mut text, Default::default()).map_err(|why| error::message(&why))?;
    context.reply.verbatim(b"txt", text);
    Ok(())
}

/// MEMORY HELP
pub static HELP: CommandSpec = CommandSpec {
    name: "help",
    flags: Flags::LOADING.with(Flags::STALE),
    summary: "Lists these subcommands.",
    handler: super::help::help,
    ..SUBCOMMAND
};

/// The commands of this family.
pub static ALL: &[&CommandSpec] = &[&MEMORY];

/// How many elements of a value MEMORY USAGE is to look at; 0: all.
fn samples(argv: Argv<'_>) -> Result<u64, CommandError> {
    let mut samples = 5;
    let mut cursor = argv.cursor(3);
    while !cursor.is_done() {
        if !cursor.token("SAMPLES") {
            return Err(error::SYNTAX);
        }
        samples = u64::try_from(cursor.int()?).map_err(|_| error::SYNTAX)?;
    }
    Ok(samples)
}

/// Pairs of a map.
struct Figures<'r, 'w> {
    reply: &'r mut ReplyWriter<'w>,
    count: usize,
}

impl Figures<'_, '_> {
    fn name(&mut self, name: &str) {
        self.reply.bulk(name);
        self.count += 1;
    }
    fn int(&mut self, name: &str, value: u64) {
        self.name(name);
        self.reply.int(value as i64);
    }
    fn double(&mut self, name: &str, value: f64) {
        self.name(name);
        self.reply.double(value);
    }
    fn proportion(&mut self, ratio: &str, bytes: &str, proportion: Proportion) {
        self.double(ratio, proportion.ratio);
        self.name(bytes);
        self.reply.int(proportion.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::with_argv;

    // Replies of Redis 7.0.15.
    #[test]
    fn arguments_of_usage() {
        let parse = |line: &str| with_argv(line, |argv| samples(argv).map_err(|error| error.text().into_owned()));
        assert_eq!(parse("memory usage foo"), Ok(5));
        assert_eq!(parse("memory usage foo SAMPLES 0"), Ok(0));
        assert_eq!(parse("memory usage foo samples 1 samples 2"), Ok(2));
        for (line, text) in [
            ("memory usage foo samples", "ERR syntax error"),
            ("memory usage foo samples -1", "ERR syntax error"),
            ("memory usage foo samples 0 x", "ERR syntax error"),
            ("memory usage foo samples x", "ERR value is not an integer or out of range"),
        ] {
            assert_eq!(parse(line), Err(text.to_owned()), "{line}");
        }
    }
}
