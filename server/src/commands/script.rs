//! EVAL and its kin, and SCRIPT.

use crate::args::Argv;
use crate::client::Debugging;
use crate::command::{AclCategories, Begin, Command, CommandSpec, Find, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use crate::scripting::{ScriptRequest, Sha};

const fn keys(flags: KeyFlags) -> KeySpec {
    KeySpec { flags, begin: Begin::Index(2), find: Find::KeyNum { count: 0, first: 1, step: 1 } }
}

pub(super) const EVALUATION: CommandSpec = CommandSpec {
    arity: -3,
    flags: Flags::NOSCRIPT
        .with(Flags::SKIP_MONITOR)
        .with(Flags::MAY_REPLICATE)
        .with(Flags::NO_MANDATORY_KEYS)
        .with(Flags::STALE),
    acl: AclCategories::SCRIPTING,
    keys: &[keys(KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))],
    lock: LockClass::Script,
    since: "2.6.0",
    group: Group::Scripting,
    complexity: "That of the script",
    handler: evaluate,
    ..CommandSpec::BASE
};

pub(super) const READING: CommandSpec = CommandSpec {
    flags: EVALUATION.flags.without(Flags::MAY_REPLICATE).with(Flags::READONLY),
    keys: &[keys(KeyFlags::RO.with(KeyFlags::ACCESS))],
    since: "7.0.0",
    ..EVALUATION
};

/// EVAL
pub static EVAL: CommandSpec = CommandSpec {
    name: "eval",
    summary: "Runs a Lua script.",
    syntax: "script numkeys [key [key ...]] [arg [arg ...]]",
    ..EVALUATION
};

/// EVALSHA
pub static EVALSHA: CommandSpec = CommandSpec {
    name: "evalsha",
    summary: "Runs a Lua script that is known, by the SHA-1 of its source.",
    syntax: "sha1 numkeys [key [key ...]] [arg [arg ...]]",
    ..EVALUATION
};

/// EVAL_RO
pub static EVAL_RO: CommandSpec = CommandSpec {
    name: "eval_ro",
    summary: "Runs a Lua script that may not write.",
    syntax: "script numkeys [key [key ...]] [arg [arg ...]]",
    ..READING
};

/// EVALSHA_RO
pub static EVALSHA_RO: CommandSpec = CommandSpec {
    name: "evalsha_ro",
    summary: "Runs a Lua script that is known and may not write, by the SHA-1 of its source.",
    syntax: "sha1 numkeys [key [key ...]] [arg [arg ...]]",
    ..READING
};

/// Whether the command runs a script, not a function.
pub(crate) fn is_evaluation(command: &Command) -> bool {
    [&EVAL, &EVALSHA, &EVAL_RO, &EVALSHA_RO].into_iter().any(|spec| std::ptr::eq(spec, command.spec))
}

/// Whether the command names its script by the SHA-1.
pub(crate) fn is_by_name(command: &Command) -> bool {
    [&EVALSHA, &EVALSHA_RO].into_iter().any(|spec| std::ptr::eq(spec, command.spec))
}

/// Whether the command lets its script only read.
pub(crate) fn is_read_only(command: &Command) -> bool {
    command.has(Flags::READONLY)
}

fn evaluate(context: &mut Context<'_>) -> CommandResult {
    if is_by_name(context.command) && context.argv.at(1).len() != size_of::<Sha>() {
        return Err(error::NO_SCRIPT);
    }
    let keys = key_count(context.argv)?;
    Err(CommandError::Script(ScriptRequest::Run { keys }))
}

/// How many of the arguments of EVAL are keys.
pub(crate) fn key_count(argv: Argv<'_>) -> Result<usize, CommandError> {
    let keys = argv.cursor(2).int()?;
    let Ok(keys) = usize::try_from(keys) else { return Err(error::NEGATIVE_KEYS) };
    if keys > argv.len().saturating_sub(3) {
        return Err(error::TOO_MANY_KEYS);
    }
    Ok(keys)
}

const SUBCOMMAND: CommandSpec = CommandSpec {
    arity: 2,
    flags: Flags::NOSCRIPT,
    acl: AclCategories::SCRIPTING,
    since: "2.6.0",
    group: Group::Scripting,
    ..CommandSpec::BASE
};

/// SCRIPT
pub static SCRIPT: CommandSpec = CommandSpec {
    name: "script",
    arity: -2,
    flags: Flags::NONE,
    acl: AclCategories::NONE,
    complexity: "That of the subcommand",
    summary: "Commands about the scripts that are known.",
    subcommands: &[&DEBUG, &EXISTS, &FLUSH, &HELP, &KILL, &LOAD, &SHOW],
    ..SUBCOMMAND
};

/// SCRIPT DEBUG
pub static DEBUG: CommandSpec = CommandSpec {
    name: "debug",
    arity: 3,
    since: "3.2.0",
    summary: "Has the scripts of this connection run in the debugger.",
    syntax: "<YES|SYNC|NO>",
    handler: debug,
    ..SUBCOMMAND
};

fn debug(context: &mut Context<'_>) -> CommandResult {
    let modes = [("yes", Debugging::OnCopy), ("sync", Debugging::InPlace), ("no", Debugging::Off)];
    let mode = context.argv.cursor(2).one_of(&modes).ok_or(error::SCRIPT_DEBUG)?;
    // The debugger reads the socket itself.
    if mode == Debugging::InPlace && context.client.is_encrypted {
        return Err(error::DEBUG_OVER_TLS);
    }
    context.client.debugs = mode;
    context.reply.ok();
    Ok(())
}

/// SCRIPT EXISTS
pub static EXISTS: CommandSpec = CommandSpec {
    name: "exists",
    arity: -3,
    flags: SUBCOMMAND.flags.with(Flags::STALE),
    complexity: "O(N), N being the names",
    summary: "Tells which scripts are known.",
    syntax: "sha1 [sha1 ...]",
    tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
    handler: exists,
    ..SUBCOMMAND
};

fn exists(context: &mut Context<'_>) -> CommandResult {
    let names = context.argv.from(2);
    context.reply.array(names.len());
    for name in names.iter() {
        let known = <&Sha>::try_from(name).is_ok_and(|sha| context.server.scripts.get(sha).is_some());
        context.reply.int(known.into());
    }
    Ok(())
}

/// SCRIPT FLUSH
pub static FLUSH: CommandSpec = CommandSpec {
    name: "flush",
    arity: -2,
    flags: SUBCOMMAND.flags.with(Flags::STALE),
    complexity: "O(N), N being the scripts",
    summary: "Forgets all scripts.",
    syntax: "[ASYNC|SYNC]",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    changed_in: &["6.2.0"],
    handler: flush,
    ..SUBCOMMAND
};

fn flush(context: &mut Context<'_>) -> CommandResult {
    let mut cursor = context.argv.cursor(2);
    if !cursor.is_done() && !((cursor.token("sync") || cursor.token("async")) && cursor.is_done()) {
        return Err(error::SCRIPT_FLUSH);
    }
    // Each worker drops what it has compiled when it next runs a script.
    drop(context.server.scripts.flush());
    context.reply.ok();
    Ok(())
}

/// SCRIPT HELP
pub static HELP: CommandSpec = CommandSpec {
    name: "help",
    flags: Flags::LOADING.with(Flags::STALE),
    since: "5.0.0",
    summary: "Lists these subcommands.",
    handler: super::help::help,
    ..SUBCOMMAND
};

/// SCRIPT KILL and FUNCTION KILL
pub(super) const KILLING: CommandSpec = CommandSpec {
    name: "kill",
    flags: SUBCOMMAND.flags.with(Flags::ALLOW_BUSY),
    tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
    ..SUBCOMMAND
};

/// SCRIPT KILL
pub static KILL: CommandSpec =
    CommandSpec { summary: "Ends the script that is running.", handler: |context| kill(context, false), ..KILLING };

/// Ends what is running: a function, or a script that is none.
pub(super) fn kill(context: &mut Context<'_>, is_function: bool) -> CommandResult {
    context.server.busy_scripts.kill(is_function)?;
    context.reply.ok();
    Ok(())
}

/// SCRIPT LOAD
pub static LOAD: CommandSpec = CommandSpec {
    name: "load",
    arity: 3,
    flags: SUBCOMMAND.flags.with(Flags::STALE),
    complexity: "O(N), N being the bytes of the source",
    summary: "Takes a script in without running it; answers with its SHA-1.",
    syntax: "script",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    handler: |_| Err(CommandError::Script(ScriptRequest::Load)),
    ..SUBCOMMAND
};

/// SCRIPT SHOW
pub static SHOW: CommandSpec = CommandSpec {
    name: "show",
    arity: 3,
    flags: SUBCOMMAND.flags.with(Flags::STALE),
    since: "8.0.0",
    summary: "Shows the source of a script.",
    syntax: "sha1",
    handler: show,
    ..SUBCOMMAND
};

fn show(context: &mut Context<'_>) -> CommandResult {
    let sha = <&Sha>::try_from(context.argv.at(2)).ok();
    let source = sha.and_then(|sha| context.server.scripts.get(sha)).ok_or(error::NO_SCRIPT)?;
    context.reply.bulk(&source.text);
    Ok(())
}

/// The commands of this file.
pub const ALL: &[&CommandSpec] = &[&EVAL, &EVALSHA, &EVALSHA_RO, &EVAL_RO, &SCRIPT];
