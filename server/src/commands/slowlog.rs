//! SLOWLOG: the commands that took long.

use crate::command::{CommandSpec, Flags, Group};
use crate::context::Context;
use crate::error::{self, CommandResult};
use crate::slowlog::SlowEntry;
use ochre_resp::reply::ReplyWriter;

const SUBCOMMAND: CommandSpec = CommandSpec {
    arity: 2,
    flags: Flags::ADMIN.with(Flags::LOADING).with(Flags::STALE),
    since: "2.2.12",
    group: Group::Server,
    ..CommandSpec::BASE
};
/// Entries shown where no number is given.
const SHOWN: i64 = 10;

/// SLOWLOG
pub static SLOWLOG: CommandSpec = CommandSpec {
    name: "slowlog",
    arity: -2,
    flags: Flags::NONE,
    complexity: "That of the subcommand",
    summary: "Commands about the log of slow commands.",
    subcommands: &[&GET, &HELP, &LEN, &RESET],
    ..SUBCOMMAND
};

/// SLOWLOG GET
pub static GET: CommandSpec = CommandSpec {
    name: "get",
    arity: -2,
    complexity: "O(N), N being the entries shown",
    summary: "Shows the latest slow commands, the newest first; -1 shows all.",
    syntax: "[count]",
    tips: &["request_policy:all_nodes", "nondeterministic_output"],
    changed_in: &["4.0.0"],
    handler: get,
    ..SUBCOMMAND
};

fn get(context: &mut Context<'_>) -> CommandResult {
    let mut cursor = context.argv.cursor(2);
    let count = match cursor.is_done() {
        true => SHOWN,
        false => cursor.int_in(-1, i64::MAX, error::SLOWLOG_COUNT)?,
    };
    if !cursor.is_done() {
        return Err(error::unknown_subcommand_or_arity("SLOWLOG", context.argv.at(1)));
    }
    let entries = context.server.slowlog.newest(usize::try_from(count).unwrap_or(usize::MAX));
    show(&mut context.reply, &entries);
    Ok(())
}

/// Replies with entries of a log.
pub(super) fn show(reply: &mut ReplyWriter<'_>, entries: &[SlowEntry]) {
    reply.array(entries.len());
    for entry in entries {
        reply.array(6);
        reply.int(entry.id as i64);
        reply.int(entry.time);
        reply.int(i64::try_from(entry.measure).unwrap_or(i64::MAX));
        reply.array(entry.argv.len());
        entry.argv.iter().for_each(|argument| reply.bulk(argument));
        reply.bulk(&entry.addr);
        reply.bulk(&entry.name);
    }
}

/// SLOWLOG LEN
pub static LEN: CommandSpec = CommandSpec {
    name: "len",
    summary: "Counts the entries of the log.",
    tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
    handler: len,
    ..SUBCOMMAND
};

fn len(context: &mut Context<'_>) -> CommandResult {
    context.reply.int(context.server.slowlog.len() as i64);
    Ok(())
}

/// SLOWLOG RESET
pub static RESET: CommandSpec = CommandSpec {
    name: "reset",
    complexity: "O(N), N being the entries dropped",
    summary: "Empties the log.",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    handler: reset,
    ..SUBCOMMAND
};

fn reset(context: &mut Context<'_>) -> CommandResult {
    context.server.slowlog.reset();
    context.reply.ok();
    Ok(())
}

/// SLOWLOG HELP
pub static HELP: CommandSpec = CommandSpec {
    name: "help",
    flags: Flags::LOADING.with(Flags::STALE),
    since: "6.2.0",
    summary: "Lists these subcommands.",
    handler: super::help::help,
    ..SUBCOMMAND
};

/// The commands of this file.
pub const ALL: &[&CommandSpec] = &[&SLOWLOG];
