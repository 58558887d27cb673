//! Snapshots: SAVE, BGSAVE, LASTSAVE.

use crate::aof::NotBegun;
use crate::args::Argv;
use crate::command::{AclCategories, CommandSpec, Flags, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use crate::persistence::background::{NotStarted, start};
use std::sync::atomic::Ordering::SeqCst;

/// SAVE
pub static SAVE: CommandSpec = CommandSpec {
    name: "save",
    arity: 1,
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::NO_ASYNC_LOADING).with(Flags::NO_MULTI),
    lock: LockClass::All,
    complexity: "O(N), N being the keys of all databases",
    summary: "Writes all data into a file, while everybody waits.",
    handler: save,
    ..CommandSpec::BASE
};

fn save(context: &mut Context<'_>) -> CommandResult {
    if context.server.persistence.running().is_some() {
        return Err(error::BACKGROUND_SAVE_RUNS);
    }
    let saved = crate::persistence::save::save(context.server, &mut context.txn);
    context.after.time_passed = true;
    saved.map_err(|_| error::NOT_SAVED)?;
    context.reply.ok();
    Ok(())
}

/// BGSAVE
pub static BGSAVE: CommandSpec = CommandSpec {
    name: "bgsave",
    arity: -1,
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::NO_ASYNC_LOADING),
    lock: LockClass::KeysOrAll(begins),
    complexity: "O(1)",
    summary: "Writes all data as they are now into a file, while they are in use.",
    syntax: "[SCHEDULE|CANCEL]",
    changed_in: &["3.2.2", "8.1.0"],
    handler: bgsave,
    ..CommandSpec::BASE
};

fn begins(argv: Argv<'_>) -> bool {
    matches!(wish(argv), Ok(Wish::Begin { .. }))
}

fn bgsave(context: &mut Context<'_>) -> CommandResult {
    let persistence = &context.server.persistence;
    match wish(context.argv)? {
        Wish::Cancel => {
            if let Some(running) = persistence.running() {
                running.cancel();
                context.reply.simple("Background saving cancelled");
            } else if persistence.unschedule() {
                context.reply.simple("Scheduled background saving cancelled");
            } else {
                return Err(error::NO_BACKGROUND_SAVE);
            }
        }
        Wish::Begin { may_wait } => {
            if persistence.running().is_some() {
                return Err(error::BACKGROUND_SAVE_RUNS);
            }
            match start(context.server, &mut context.txn) {
                Ok(()) => context.reply.simple("Background saving started"),
                Err(NotStarted::Busy) if may_wait => {
                    persistence.schedule();
                    context.reply.simple("Background saving scheduled");
                }
                Err(NotStarted::Busy) => return Err(error::OTHER_SNAPSHOT_RUNS),
                Err(NotStarted::Failed) => return Err(error::NOT_SAVED),
            }
        }
    }
    Ok(())
}

/// What BGSAVE is asked for.
enum Wish {
    Begin { may_wait: bool },
    Cancel,
}

fn wish(argv: Argv<'_>) -> Result<Wish, CommandError> {
    let mut cursor = argv.cursor(1);
    if cursor.is_done() {
        return Ok(Wish::Begin { may_wait: false });
    }
    let is_cancel = cursor.one_of(&[("schedule", false), ("cancel", true)]).ok_or(error::SYNTAX)?;
    cursor.finish()?;
    Ok(if is_cancel { Wish::Cancel } else { Wish::Begin { may_wait: true } })
}

/// BGREWRITEAOF
pub static BGREWRITEAOF: CommandSpec = CommandSpec {
    name: "bgrewriteaof",
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::NO_ASYNC_LOADING),
    lock: LockClass::All,
    complexity: "O(1)",
    summary: "Begins a new base of the append-only file, and drops what led to it.",
    handler: bgrewriteaof,
    ..CommandSpec::BASE
};

fn bgrewriteaof(context: &mut Context<'_>) -> CommandResult {
    let figures = &context.server.aof.figures;
    if context.server.aof.is_rewriting() {
        return Err(error::AOF_REWRITES);
    }
    let begun = if context.denies_blocking() {
        Err(NotBegun::Busy)
    } else {
        crate::aof::begin_rewrite(context.server, &mut context.txn)
    };
    match begun {
        Ok(()) => context.reply.simple("Background append only file rewriting started"),
        Err(NotBegun::Busy) => {
            figures.is_scheduled.store(true, SeqCst);
            // Who asks for it need not wait as those who do not.
            figures.failures.store(0, SeqCst);
            context.reply.simple("Background append only file rewriting scheduled");
        }
        Err(NotBegun::Failed) => return Err(error::AOF_REWRITE_FAILED),
    }
    Ok(())
}

/// LASTSAVE
pub static LASTSAVE: CommandSpec = CommandSpec {
    name: "lastsave",
    arity: 1,
    flags: Flags::LOADING.with(Flags::STALE).with(Flags::FAST),
    acl: AclCategories::ADMIN.with(AclCategories::DANGEROUS),
    summary: "Tells when the data were saved last, in Unix seconds.",
    tips: &["nondeterministic_output"],
    handler: lastsave,
    ..CommandSpec::BASE
};

fn lastsave(context: &mut Context<'_>) -> CommandResult {
    context.reply.int(context.server.persistence.status().last_save_s);
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&BGREWRITEAOF, &BGSAVE, &LASTSAVE, &SAVE];
