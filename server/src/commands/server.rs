//! Whole databases, the clock, and the end of the process.

use crate::args::{Argv, parse_int};
use crate::blocking::{Block, Timeout, WaitKind};
use crate::command::{AclCategories, CommandSpec, Flags, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use crate::propagation::Reach;
use crate::shutdown::ShutdownRequest;
use ochre_store::keyspace::{self, FreeMode};

const KEYSPACE_COMMAND: CommandSpec =
    CommandSpec { acl: AclCategories::KEYSPACE, lock: LockClass::All, ..CommandSpec::BASE };

/// DBSIZE
pub static DBSIZE: CommandSpec = CommandSpec {
    name: "dbsize",
    flags: Flags::READONLY.with(Flags::FAST),
    lock: LockClass::None,
    summary: "Counts the keys of the selected database.",
    tips: &["request_policy:all_shards", "response_policy:agg_sum"],
    handler: dbsize,
    ..KEYSPACE_COMMAND
};

fn dbsize(context: &mut Context<'_>) -> CommandResult {
    let len = context.server.store.db_len(context.db());
    context.reply.int(len as i64);
    Ok(())
}

const FLUSH_COMMAND: CommandSpec = CommandSpec {
    arity: -1,
    flags: Flags::WRITE,
    acl: AclCategories::KEYSPACE.with(AclCategories::DANGEROUS),
    syntax: "[ASYNC|SYNC]",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    changed_in: &["4.0.0", "6.2.0"],
    ..KEYSPACE_COMMAND
};

/// FLUSHDB
pub static FLUSHDB: CommandSpec = CommandSpec {
    name: "flushdb",
    complexity: "O(N), N being the keys of the database",
    summary: "Deletes all keys of the selected database.",
    handler: flushdb,
    ..FLUSH_COMMAND
};

fn flushdb(context: &mut Context<'_>) -> CommandResult {
    let (db, mode) = (context.db(), free_mode(context)?);
    keyspace::flush_db(&mut context.txn, db, mode)?;
    context.propagate_anyway(Reach::All);
    context.reply.ok();
    Ok(())
}

/// FLUSHALL
pub static FLUSHALL: CommandSpec = CommandSpec {
    name: "flushall",
    flags: FLUSH_COMMAND.flags.with(Flags::ALL_DBS),
    complexity: "O(N), N being the keys of all databases",
    summary: "Deletes all keys of all databases.",
    handler: flushall,
    ..FLUSH_COMMAND
};

fn flushall(context: &mut Context<'_>) -> CommandResult {
    let mode = free_mode(context)?;
    keyspace::flush_all(&mut context.txn, mode)?;
    context.propagate_anyway(Reach::All);
    if let Some(running) = context.server.persistence.running() {
        running.cancel();
    }
    if crate::persistence::save::is_wanted(context.server) {
        // As if all of it had been saved: that nothing is left. A failure was logged.
        let _ = crate::persistence::save::save(context.server, &mut context.txn);
    }
    context.reply.ok();
    Ok(())
}

/// SWAPDB
pub static SWAPDB: CommandSpec = CommandSpec {
    name: "swapdb",
    arity: 3,
    flags: Flags::WRITE.with(Flags::FAST),
    acl: AclCategories::KEYSPACE.with(AclCategories::DANGEROUS),
    since: "4.0.0",
    complexity: "O(N), N being the clients that watch or wait for keys of either",
    summary: "Exchanges the keys of two databases.",
    syntax: "index1 index2",
    databases: Some(|_, found| [1, 2].into_iter().for_each(found)),
    handler: swapdb,
    ..KEYSPACE_COMMAND
};

fn swapdb(context: &mut Context<'_>) -> CommandResult {
    let first = db_number(context.argv.at(1)).ok_or(error::FIRST_DB_INVALID)?;
    let second = db_number(context.argv.at(2)).ok_or(error::SECOND_DB_INVALID)?;
    let databases = context.server.store.databases();
    let valid = |number: i32| usize::try_from(number).ok().filter(|db| *db < databases).ok_or(error::DB_OUT_OF_RANGE);
    keyspace::swap_db(&mut context.txn, valid(first)?, valid(second)?)?;
    context.reply.ok();
    Ok(())
}

/// TIME
pub static TIME: CommandSpec = CommandSpec {
    name: "time",
    flags: Flags::LOADING.with(Flags::STALE).with(Flags::FAST),
    since: "2.6.0",
    summary: "Tells the server's time: Unix seconds, and microseconds of the second.",
    tips: &["nondeterministic_output"],
    handler: time,
    ..CommandSpec::BASE
};

fn time(context: &mut Context<'_>) -> CommandResult {
    let now_us = crate::clock::unix_us();
    context.reply.array(2);
    context.reply.bulk_int(now_us / 1_000_000);
    context.reply.bulk_int(now_us % 1_000_000);
    Ok(())
}

/// SHUTDOWN
pub static SHUTDOWN: CommandSpec = CommandSpec {
    name: "shutdown",
    arity: -1,
    flags: Flags::ADMIN
        .with(Flags::NOSCRIPT)
        .with(Flags::LOADING)
        .with(Flags::STALE)
        .with(Flags::NO_MULTI)
        .with(Flags::ALLOW_BUSY),
    complexity: "O(N) with a save, N being the keys of all databases, else O(1)",
    summary: "Ends the process.",
    syntax: "[[NOSAVE|SAVE] [NOW] [FORCE]|ABORT]",
    changed_in: &["7.0.0"],
    lock: LockClass::KeysOrAll(may_save),
    handler: shutdown,
    ..CommandSpec::BASE
};

fn shutdown(context: &mut Context<'_>) -> CommandResult {
    let server = context.server;
    let Some(request) = shutdown_args(context.argv)? else {
        if !server.shutdown.abort() {
            return Err(error::NO_SHUTDOWN);
        }
        tracing::info!("Shutdown manually aborted.");
        context.reply.ok();
        return Ok(());
    };
    if !request.now && context.denies_blocking() {
        return Err(error::SHUTDOWN_DENIED);
    }
    let has_begun = server.shutdown.deadline_ms().is_some();
    if !has_begun {
        tracing::warn!("User requested shutdown...");
    }
    if has_begun || !request.now && crate::boot::wait_for_replicas(server).is_some() {
        server.shutdown.request(request);
        // There is no other end of it than that of the process, or an error.
        return context.block(Block::without_keys(WaitKind::Shutdown, Timeout::NEVER, |_, _| ()));
    }
    if !crate::persistence::save::save_at_end(server, &mut context.txn, request) {
        tracing::warn!("Errors trying to shut down the server. Check the logs for more information.");
        return Err(error::CANNOT_END);
    }
    // No reply: the connection ends with the process.
    context.after.rare().shutdown = Some(ShutdownRequest { is_prepared: true, ..request });
    Ok(())
}

/// Whether a line of SHUTDOWN may ask for a snapshot.
fn may_save(argv: Argv<'_>) -> bool {
    shutdown_args(argv).is_ok_and(|request| request.is_some_and(|request| request.save != Some(false)))
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&DBSIZE, &FLUSHALL, &FLUSHDB, &SHUTDOWN, &SWAPDB, &TIME];

/// Who frees the keys that FLUSHDB or FLUSHALL deletes.
fn free_mode(context: &Context<'_>) -> Result<FreeMode, CommandError> {
    let mut cursor = context.argv.cursor(1);
    if cursor.is_done() {
        let lazy = context.server.config().lazyfree_lazy_user_flush;
        return Ok(if lazy { FreeMode::Later } else { FreeMode::Caller });
    }
    let mode = cursor.one_of(&[("sync", FreeMode::Caller), ("async", FreeMode::Later)]).ok_or(error::SYNTAX)?;
    cursor.finish()?;
    Ok(mode)
}

/// A number that fits an int, which is what SWAPDB calls a valid index.
fn db_number(text: &[u8]) -> Option<i32> {
    i32::try_from(parse_int(text)?).ok()
}

/// What SHUTDOWN is asked for; `None`: ABORT.
fn shutdown_args(argv: Argv<'_>) -> Result<Option<ShutdownRequest>, CommandError> {
    let mut cursor = argv.cursor(1);
    let (mut save, mut nosave, mut abort) = (false, false, false);
    let mut request = ShutdownRequest::default();
    while !cursor.is_done() {
        if cursor.token("NOSAVE") {
            nosave = true;
        } else if cursor.token("SAVE") {
            save = true;
        } else if cursor.token("NOW") {
            request.now = true;
        } else if cursor.token("FORCE") {
            request.force = true;
        } else if cursor.token("ABORT") {
            abort = true;
        } else {
            return Err(error::SYNTAX);
        }
    }
    if save && nosave || abort && (save || nosave || request.now || request.force) {
        return Err(error::SYNTAX);
    }
    request.save = (save || nosave).then_some(save);
    Ok((!abort).then_some(request))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::with_argv;

    // Replies of Redis 7.0.15.
    #[test]
    fn shutdown_arguments() {
        let parse = |line: &str| with_argv(line, |argv| shutdown_args(argv).map_err(|error| error.text().into_owned()));
        let request = |save, now, force| Ok(Some(ShutdownRequest { save, now, force, is_prepared: false }));
        assert_eq!(parse("shutdown"), request(None, false, false));
        assert_eq!(parse("shutdown nosave now"), request(Some(false), true, false));
        assert_eq!(parse("shutdown FORCE save"), request(Some(true), false, true));
        assert_eq!(parse("shutdown abort"), Ok(None));
        for line in ["shutdown foo", "shutdown abort now", "shutdown save nosave", "shutdown nosave abort"] {
            assert_eq!(parse(line), Err("ERR syntax error".to_owned()), "{line}");
        }
    }
}
