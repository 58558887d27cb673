//! Snapshots: SAVE, LASTSAVE.

use crate::command::{AclCategories, CommandSpec, Flags, LockClass};
use crate::context::Context;
use crate::error::{self, CommandResult};

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
    let saved = crate::persistence::save::save(context.server, &mut context.txn);
    context.after.time_passed = true;
    saved.map_err(|_| error::NOT_SAVED)?;
    context.reply.ok();
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
pub static ALL: &[&CommandSpec] = &[&LASTSAVE, &SAVE];
