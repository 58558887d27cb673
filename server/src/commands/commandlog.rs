//! COMMANDLOG: the commands that took long, and those with large requests and replies.

use crate::args::Cursor;
use crate::command::{CommandSpec, Flags, Group};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use crate::server::Server;
use crate::slowlog::SlowLog;

const SUBCOMMAND: CommandSpec = CommandSpec {
    arity: 3,
    flags: Flags::ADMIN.with(Flags::LOADING).with(Flags::STALE),
    since: "8.1.0",
    group: Group::Server,
    ..CommandSpec::BASE
};

/// COMMANDLOG
pub static COMMANDLOG: CommandSpec = CommandSpec {
    name: "commandlog",
    arity: -2,
    flags: Flags::NONE,
    complexity: "That of the subcommand",
    summary: "Commands about the logs of slow and large commands.",
    subcommands: &[&GET, &HELP, &LEN, &RESET],
    ..SUBCOMMAND
};

/// COMMANDLOG GET
pub static GET: CommandSpec = CommandSpec {
    name: "get",
    arity: 4,
    complexity: "O(N), N being the entries shown",
    summary: "Shows the latest entries of a log, the newest first; -1 shows all.",
    syntax: "count <SLOW | LARGE-REQUEST | LARGE-REPLY>",
    tips: &["request_policy:all_nodes", "nondeterministic_output"],
    handler: get,
    ..SUBCOMMAND
};

fn get(context: &mut Context<'_>) -> CommandResult {
    let mut cursor = context.argv.cursor(2);
    let count = cursor.int_in(-1, i64::MAX, error::SLOWLOG_COUNT)?;
    let log = log(context.server, &mut cursor)?;
    let entries = log.newest(usize::try_from(count).unwrap_or(usize::MAX));
    super::slowlog::show(&mut context.reply, &entries);
    Ok(())
}

/// COMMANDLOG LEN
pub static LEN: CommandSpec = CommandSpec {
    name: "len",
    summary: "Counts the entries of a log.",
    syntax: "<SLOW | LARGE-REQUEST | LARGE-REPLY>",
    tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
    handler: len,
    ..SUBCOMMAND
};

fn len(context: &mut Context<'_>) -> CommandResult {
    let log = log(context.server, &mut context.argv.cursor(2))?;
    context.reply.int(log.len() as i64);
    Ok(())
}

/// COMMANDLOG RESET
pub static RESET: CommandSpec = CommandSpec {
    name: "reset",
    complexity: "O(N), N being the entries dropped",
    summary: "Empties a log.",
    syntax: "<SLOW | LARGE-REQUEST | LARGE-REPLY>",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    handler: reset,
    ..SUBCOMMAND
};

fn reset(context: &mut Context<'_>) -> CommandResult {
    log(context.server, &mut context.argv.cursor(2))?.reset();
    context.reply.ok();
    Ok(())
}

/// COMMANDLOG HELP
pub static HELP: CommandSpec = CommandSpec {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.with(Flags::STALE),
    summary: "Lists these subcommands.",
    handler: super::help::help,
    ..SUBCOMMAND
};

/// The log that the next argument names.
fn log<'s>(server: &'s Server, cursor: &mut Cursor<'_>) -> Result<&'s SlowLog, CommandError> {
    let logs =
        [("slow", &server.slowlog), ("large-request", &server.large_requests), ("large-reply", &server.large_replies)];
    cursor.one_of(&logs).ok_or(error::COMMANDLOG_TYPE)
}

/// The commands of this file.
pub const ALL: &[&CommandSpec] = &[&COMMANDLOG];
