//! DEBUG: a look inside, and switches for tests.
//!
//! The whole command runs with all shards locked: what it tells is of one moment, and SLEEP stalls the server as it does
//! elsewhere, since no command of another connection is executed meanwhile, not even one without keys. SLEEP blocks its
//! worker's thread; the other workers park their connections.

mod crash;
mod digest;
mod encodings;
mod keys;
mod protocol;
mod reload;
mod switches;
mod tables;

use crate::client::ClientHandle;
use crate::command::{Command, CommandSpec, Flags, Group, LockClass};
use crate::config::Config;
use crate::context::Context;
use crate::error::{self, CommandResult};
use crate::propagation::Reach;
use std::ops::RangeInclusive;

/// DEBUG
pub static DEBUG: CommandSpec = CommandSpec {
    name: "debug",
    arity: -2,
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE),
    lock: LockClass::All,
    group: Group::Server,
    complexity: "That of the subcommand",
    summary: "Looks inside the server, and sets switches for tests.",
    handler: debug,
    ..CommandSpec::BASE
};

/// The commands of this file.
pub const ALL: &[&CommandSpec] = &[&DEBUG];

/// One of its subcommands. They are no commands of their own: real servers neither list nor count them.
struct Action {
    name: &'static str,
    /// How many arguments follow the name.
    arguments: RangeInclusive<usize>,
    syntax: &'static str,
    summary: &'static str,
    run: fn(&mut Context<'_>) -> CommandResult,
}

const fn action(
    name: &'static str,
    arguments: RangeInclusive<usize>,
    syntax: &'static str,
    summary: &'static str,
    run: fn(&mut Context<'_>) -> CommandResult,
) -> Action {
    Action { name, arguments, syntax, summary, run }
}

const ANY: usize = usize::MAX;

static ACTIONS: &[Action] = &[
    action(
        "REPLICATE",
        1..=ANY,
        "<command> [<arg> ...]",
        "Send that to all replicas as if it had changed something.",
        replicate,
    ),
    action(
        "AOF-FLUSH-SLEEP",
        1..=1,
        "<microseconds>",
        "Has the server sleep before each write to the append-only file.",
        switches::aof_flush_sleep,
    ),
    action("ASSERT", 0..=0, "", "Ends the process as a broken invariant does.", crash::assert),
    action(
        "CONFIG-REWRITE-FORCE-ALL",
        0..=0,
        "",
        "As CONFIG REWRITE, but writes every directive, also those at their defaults.",
        switches::rewrite_all,
    ),
    action("DIGEST", 0..=0, "", "A hash of all keys, values and databases.", digest::dataset),
    action("DIGEST-VALUE", 0..=ANY, "[key ...]", "Hashes of the values of some keys.", digest::values),
    action("ERROR", 1..=1, "<message>", "Answers with this error.", protocol::error),
    action("HELP", 0..=0, "", "Lists these subcommands.", help),
    action("HTSTATS", 1..=1, "<db>", "The state of the tables of a database.", tables::of_database),
    action("HTSTATS-KEY", 1..=1, "<key>", "The state of the table that is a key's value.", tables::of_key),
    action("LEAK", 1..=1, "<bytes>", "Allocates a copy of the argument and never frees it.", crash::leak),
    action("LISTPACK", 1..=1, "<key>", "Prints what is in a listpack to standard output.", encodings::listpack),
    action("LOADAOF", 0..=0, "", "Empties the data set and loads the append-only file.", reload::load_aof),
    action("LOG", 1..=1, "<message>", "Writes a line into the log.", switches::log),
    action("OBJECT", 1..=1, "<key>", "How a key's value is stored.", keys::object),
    action("OOM", 0..=0, "", "Ends the process as a failed allocation does.", crash::out_of_memory),
    action("PANIC", 0..=0, "", "Ends the process as a panic does.", crash::panic),
    action("PAUSE-CRON", 1..=1, "<0|1>", "Whether periodic work rests.", switches::pause_cron),
    action(
        "POPULATE",
        1..=3,
        "<count> [<prefix>] [<size>]",
        "Creates keys <prefix>:<number> that do not exist yet, without events.",
        keys::populate,
    ),
    action("PROTOCOL", 1..=1, protocol::TYPES, "Answers with a value of this type.", protocol::value),
    action(
        "QUICKLIST",
        1..=2,
        "<key> [<0|1>]",
        "Prints the nodes of a quicklist to standard output, with 1 also their elements.",
        encodings::quicklist,
    ),
    action(
        "QUICKLIST-PACKED-THRESHOLD",
        1..=1,
        "<size>",
        "From which size an element of a list gets a node of its own; 0 leaves it to the size of nodes.",
        encodings::packed_threshold,
    ),
    action(
        "RELOAD",
        0..=ANY,
        "[option ...]",
        "Saves the data set, empties it and loads it again; NOSAVE, NOFLUSH and MERGE leave parts out.",
        reload::reload,
    ),
    action(
        "REPLYBUFFER",
        2..=2,
        "<PEAK-RESET-TIME <NEVER|RESET|milliseconds>|RESIZING <0|1>>",
        "How the size of reply buffers follows their use.",
        switches::reply_buffer,
    ),
    action("SDSLEN", 1..=1, "<key>", "Lengths and allocations of a key and its string.", keys::lengths),
    action("SEGFAULT", 0..=0, "", "Ends the process as an access to foreign memory does.", crash::segfault),
    action("SET-ACTIVE-EXPIRE", 1..=1, "<0|1>", "Whether keys expire that nobody asks for.", switches::active_expire),
    action(
        "SET-DISABLE-DENY-SCRIPTS",
        1..=1,
        "<0|1>",
        "Whether scripts may call commands that are not for them.",
        switches::scripts_call_anything,
    ),
    action(
        "SET-SKIP-CHECKSUM-VALIDATION",
        1..=1,
        "<0|1>",
        "Whether RESTORE takes payloads with wrong checksums.",
        switches::skip_checksums,
    ),
    action("SLEEP", 1..=1, "<seconds>", "Stalls the server; fractions are allowed.", switches::sleep),
    action("STRINGMATCH-TEST", 0..=0, "", "Runs the pattern matcher on random patterns.", switches::match_patterns),
];

/// What real servers have and this one does not have yet.
const NOT_YET: &[&str] = &[
    "AOF-FLUSH-SLEEP",
    "CHANGE-REPL-ID",
    "CLIENT-EVICTION",
    "CLUSTERLINK",
    "CRASH-AND-RECOVER",
    "DICT-RESIZING",
    "DROP-CLUSTER-PACKET-FILTER",
    "MALLCTL",
    "MALLCTL-STR",
    "RESTART",
    "SET-DISABLE-DENY-SCRIPTS",
    "STRUCTSIZE",
];

/// Whether the command is DEBUG.
pub(crate) fn is_debug(command: &Command) -> bool {
    std::ptr::eq(command.spec, &DEBUG)
}

/// Whether the command is DEBUG, and the configuration keeps it from the client.
pub(crate) fn is_forbidden(command: &Command, config: &Config, client: &ClientHandle) -> bool {
    is_debug(command) && !config.enable_debug_command.allows(client.is_local())
}

fn debug(context: &mut Context<'_>) -> CommandResult {
    if is_forbidden(context.command, &context.server.config(), &context.client.handle) {
        return Err(error::DEBUG_NOT_ALLOWED);
    }
    let name = context.argv.at(1);
    let arguments = context.argv.len().saturating_sub(2);
    let named = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    if let Some(action) = ACTIONS.iter().find(|action| named(action.name) && action.arguments.contains(&arguments)) {
        return (action.run)(context);
    }
    match NOT_YET.iter().find(|known| named(known)) {
        Some(known) => Err(error::debug_not_supported(known)),
        None => Err(error::unknown_subcommand_or_arity("DEBUG", name)),
    }
}

fn replicate(context: &mut Context<'_>) -> CommandResult {
    let words: Vec<&[u8]> = context.argv.iter().skip(2).collect();
    context.propagate_as(&words);
    context.propagate_anyway(Reach::Replicas);
    context.reply.ok();
    Ok(())
}

fn help(context: &mut Context<'_>) -> CommandResult {
    let mut lines = vec!["DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:".to_owned()];
    for action in ACTIONS {
        lines.push(format!("{} {}", action.name, action.syntax).trim_end().to_owned());
        lines.push(format!("    {}", action.summary));
    }
    context.reply.array(lines.len());
    lines.iter().for_each(|line| context.reply.simple(line));
    Ok(())
}
