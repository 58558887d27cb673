//! FUNCTION, FCALL and FCALL_RO.

use super::script::EVALUATION;
use crate::command::{AclCategories, Command, CommandSpec, Flags, Group, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use crate::glob::matches;
use crate::scripting::{Library, RestorePolicy, ScriptRequest};
use ochre_persist::dump::{self, Verify};
use std::sync::atomic::Ordering::Relaxed;

const CALL: CommandSpec = CommandSpec {
    since: "7.0.0",
    complexity: "That of the function",
    syntax: "function numkeys [key [key ...]] [arg [arg ...]]",
    handler: call,
    ..EVALUATION
};

/// FCALL
pub static FCALL: CommandSpec = CommandSpec { name: "fcall", summary: "Calls a function of a library.", ..CALL };

/// FCALL_RO
pub static FCALL_RO: CommandSpec = CommandSpec {
    name: "fcall_ro",
    summary: "Calls a function of a library that does not write.",
    flags: super::script::READING.flags,
    keys: super::script::READING.keys,
    ..CALL
};

/// Whether the command calls a function, and not a script.
pub(crate) fn is_function_call(command: &Command) -> bool {
    [&FCALL, &FCALL_RO].into_iter().any(|spec| std::ptr::eq(spec, command.spec))
}

fn call(context: &mut Context<'_>) -> CommandResult {
    if context.server.functions.find(context.argv.at(1)).is_none() {
        return Err(error::NO_FUNCTION);
    }
    let keys = context.argv.cursor(2).int().map_err(|_| error::BAD_KEY_COUNT)?;
    let Ok(keys) = usize::try_from(keys) else { return Err(error::NEGATIVE_KEYS) };
    if keys > context.argv.len() - 3 {
        return Err(error::TOO_MANY_KEYS);
    }
    Err(CommandError::Script(ScriptRequest::Run { keys }))
}

const SUBCOMMAND: CommandSpec = CommandSpec {
    arity: 2,
    flags: Flags::NOSCRIPT,
    acl: AclCategories::SCRIPTING,
    since: "7.0.0",
    group: Group::Scripting,
    ..CommandSpec::BASE
};

const CHANGING: CommandSpec = CommandSpec {
    flags: SUBCOMMAND.flags.with(Flags::WRITE),
    // A snapshot is to see libraries and data of one moment.
    lock: LockClass::All,
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    ..SUBCOMMAND
};

/// FUNCTION
pub static FUNCTION: CommandSpec = CommandSpec {
    name: "function",
    arity: -2,
    flags: Flags::NONE,
    acl: AclCategories::NONE,
    complexity: "That of the subcommand",
    summary: "Commands about libraries of functions.",
    subcommands: &[&DELETE, &DUMP, &FLUSH, &HELP, &KILL, &LIST, &LOAD, &RESTORE, &STATS],
    ..SUBCOMMAND
};

/// FUNCTION DELETE
pub static DELETE: CommandSpec = CommandSpec {
    name: "delete",
    arity: 3,
    summary: "Removes a library.",
    syntax: "library-name",
    handler: delete,
    ..CHANGING
};

fn delete(context: &mut Context<'_>) -> CommandResult {
    if !context.server.functions.delete(context.argv.at(2)) {
        return Err(error::NO_LIBRARY);
    }
    changed(context);
    context.reply.ok();
    Ok(())
}

fn changed(context: &mut Context<'_>) {
    context.txn.effects().dirty += 1;
}

/// FUNCTION DUMP
pub static DUMP: CommandSpec = CommandSpec {
    name: "dump",
    complexity: "O(N), N being the libraries",
    summary: "Returns all libraries as a payload that FUNCTION RESTORE takes.",
    handler: dump,
    ..SUBCOMMAND
};

fn dump(context: &mut Context<'_>) -> CommandResult {
    let settings = super::dump::settings(context.server);
    let payload = dump::write_functions(&context.server.functions.codes(), settings);
    context.reply.bulk(&payload);
    Ok(())
}

/// FUNCTION FLUSH
pub static FLUSH: CommandSpec = CommandSpec {
    name: "flush",
    arity: -2,
    complexity: "O(N), N being the functions",
    summary: "Removes all libraries.",
    syntax: "[ASYNC|SYNC]",
    handler: flush,
    ..CHANGING
};

fn flush(context: &mut Context<'_>) -> CommandResult {
    let mut cursor = context.argv.cursor(2);
    if cursor.remaining() > 1 {
        return Err(error::unknown_subcommand_or_arity("FUNCTION", context.argv.at(1)));
    }
    if !cursor.is_done() && !cursor.token("sync") && !cursor.token("async") {
        return Err(error::FUNCTION_FLUSH);
    }
    context.server.functions.flush();
    changed(context);
    context.reply.ok();
    Ok(())
}

/// FUNCTION HELP
pub static HELP: CommandSpec = CommandSpec {
    name: "help",
    flags: Flags::LOADING.with(Flags::STALE),
    summary: "Lists these subcommands.",
    handler: super::help::help,
    ..SUBCOMMAND
};

/// FUNCTION KILL
pub static KILL: CommandSpec = CommandSpec {
    since: "7.0.0",
    summary: "Ends the function that is running.",
    handler: |context| super::script::kill(context, true),
    ..super::script::KILLING
};

/// FUNCTION LIST
pub static LIST: CommandSpec = CommandSpec {
    name: "list",
    arity: -2,
    complexity: "O(N), N being the functions",
    summary: "Describes the libraries.",
    syntax: "[LIBRARYNAME library-name-pattern] [WITHCODE]",
    tips: &["nondeterministic_output_order"],
    handler: list,
    ..SUBCOMMAND
};

fn list(context: &mut Context<'_>) -> CommandResult {
    let mut cursor = context.argv.cursor(2);
    let (mut with_code, mut pattern) = (false, None);
    while let Some(argument) = cursor.peek() {
        if !with_code && cursor.token("withcode") {
            with_code = true;
        } else if pattern.is_none() && cursor.token("libraryname") {
            pattern = Some(cursor.bytes().map_err(|_| error::LIBRARY_NAME_MISSING)?);
        } else {
            return Err(error::unknown_function_argument(argument));
        }
    }
    let mut libraries = context.server.functions.all();
    libraries.retain(|library| pattern.is_none_or(|pattern| matches(pattern, &library.name, true)));
    context.reply.array(libraries.len());
    libraries.iter().for_each(|library| describe(context, library, with_code));
    Ok(())
}

fn describe(context: &mut Context<'_>, library: &Library, with_code: bool) {
    let reply = &mut context.reply;
    reply.map(3 + usize::from(with_code));
    reply.bulk("library_name");
    reply.bulk(&library.name);
    reply.bulk("engine");
    reply.bulk("LUA");
    reply.bulk("functions");
    reply.array(library.functions.len());
    for function in &library.functions {
        reply.map(3);
        reply.bulk("name");
        reply.bulk(&function.name);
        reply.bulk("description");
        match &function.description {
            Some(description) => reply.bulk(description),
            None => reply.null(),
        }
        reply.bulk("flags");
        reply.set(function.flags.names().count());
        function.flags.names().for_each(|flag| reply.simple(flag));
    }
    if with_code {
        reply.bulk("library_code");
        reply.bulk(&library.code);
    }
}

/// FUNCTION LOAD
pub static LOAD: CommandSpec = CommandSpec {
    name: "load",
    arity: -3,
    flags: CHANGING.flags.with(Flags::DENYOOM),
    complexity: "O(1), the compiler's work aside",
    summary: "Takes a library in.",
    syntax: "[REPLACE] function-code",
    handler: load,
    ..CHANGING
};

fn load(context: &mut Context<'_>) -> CommandResult {
    let mut cursor = context.argv.cursor(2);
    let mut replace = false;
    while cursor.remaining() > 1 {
        if !cursor.token("replace") {
            return Err(error::unknown_load_option(cursor.bytes()?));
        }
        replace = true;
    }
    let code = cursor.bytes().map_err(|_| error::FUNCTION_CODE_MISSING)?;
    let name = context.server.functions.load(code, replace).map_err(|wrong| error::message(&wrong))?;
    changed(context);
    context.reply.bulk(&name);
    Ok(())
}

/// FUNCTION RESTORE
pub static RESTORE: CommandSpec = CommandSpec {
    name: "restore",
    arity: -3,
    flags: CHANGING.flags.with(Flags::DENYOOM),
    complexity: "O(N), N being the functions of the payload",
    summary: "Takes in the libraries of a payload of FUNCTION DUMP.",
    syntax: "serialized-value [FLUSH|APPEND|REPLACE]",
    handler: restore,
    ..CHANGING
};

fn restore(context: &mut Context<'_>) -> CommandResult {
    let mut cursor = context.argv.cursor(3);
    if cursor.remaining() > 1 {
        return Err(error::unknown_subcommand_or_arity("FUNCTION", context.argv.at(1)));
    }
    let policies =
        [("append", RestorePolicy::Append), ("replace", RestorePolicy::Replace), ("flush", RestorePolicy::Flush)];
    let policy = match cursor.is_done() {
        true => RestorePolicy::default(),
        false => cursor.one_of(&policies).ok_or(error::RESTORE_POLICY)?,
    };
    let skip = context.server.switches.skips_payload_checksums.load(Relaxed);
    let verify = if skip { Verify::Version } else { Verify::Checksum };
    let payload = context.argv.at(2);
    dump::verify(payload, verify).map_err(|_| error::BAD_PAYLOAD)?;
    let codes = dump::read_functions(payload).map_err(|wrong| error::message(&wrong))?;
    context.server.functions.restore(codes, policy).map_err(|wrong| error::message(&wrong))?;
    changed(context);
    context.reply.ok();
    Ok(())
}

/// FUNCTION STATS
pub static STATS: CommandSpec = CommandSpec {
    name: "stats",
    flags: SUBCOMMAND.flags.with(Flags::ALLOW_BUSY),
    summary: "Tells which function runs, and how many there are.",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    handler: stats,
    ..SUBCOMMAND
};

fn stats(context: &mut Context<'_>) -> CommandResult {
    let busy = context.server.busy_scripts.first();
    if busy.as_ref().is_some_and(|busy| !busy.is_function) {
        return Err(error::BUSY_SCRIPT);
    }
    let (libraries, functions) = context.server.functions.len();
    let reply = &mut context.reply;
    reply.map(2);
    reply.bulk("running_script");
    match busy {
        None => reply.null(),
        Some(busy) => {
            reply.map(3);
            reply.bulk("name");
            reply.bulk(&busy.name);
            reply.bulk("command");
            reply.array(busy.command.len());
            busy.command.iter().for_each(|argument| reply.bulk(argument));
            reply.bulk("duration_ms");
            reply.int(i64::try_from(busy.started.elapsed().as_millis()).unwrap_or(i64::MAX));
        }
    }
    reply.bulk("engines");
    reply.map(1);
    reply.bulk("LUA");
    reply.map(2);
    reply.bulk("libraries_count");
    reply.int(libraries as i64);
    reply.bulk("functions_count");
    reply.int(functions as i64);
    Ok(())
}

/// The commands of this file.
pub const ALL: &[&CommandSpec] = &[&FCALL, &FCALL_RO, &FUNCTION];
