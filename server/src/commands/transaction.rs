//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use crate::client::Client;
use crate::command::{AclCategories, Command, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use crate::transaction::{is_broken, stop_watching, watch as watch_key};

const TRANSACTION: CommandSpec = CommandSpec {
    acl: AclCategories::TRANSACTION,
    group: Group::Transactions,
    flags: Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::FAST).with(Flags::ALLOW_BUSY),
    ..CommandSpec::BASE
};

/// MULTI
pub static MULTI: CommandSpec = CommandSpec {
    name: "multi",
    flags: TRANSACTION.flags.with(Flags::NO_MULTI),
    since: "1.2.0",
    summary: "Begins to queue commands.",
    handler: multi,
    ..TRANSACTION
};

fn multi(context: &mut Context<'_>) -> CommandResult {
    if context.client.transaction.is_some() {
        return Err(error::NESTED_MULTI);
    }
    context.client.begin_transaction();
    context.reply.ok();
    Ok(())
}

/// EXEC
pub static EXEC: CommandSpec = CommandSpec {
    name: "exec",
    flags: Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::SKIP_SLOWLOG),
    lock: LockClass::Session(Client::transaction_shards),
    since: "1.2.0",
    complexity: "That of the commands",
    summary: "Executes what is queued as one unit, unless a watched key has changed.",
    handler: exec,
    ..TRANSACTION
};

fn exec(context: &mut Context<'_>) -> CommandResult {
    let Some(transaction) = context.client.transaction.as_deref_mut() else { return Err(error::EXEC_WITHOUT_MULTI) };
    let (doomed, refusal) = (transaction.is_doomed(), transaction.take_refusal());
    let broken = is_broken(context.client, &mut context.txn)?;
    if !doomed
        && !broken
        && let Some(transaction) = context.client.transaction.take()
    {
        return Err(CommandError::Execute(transaction));
    }
    give_up(context)?;
    match refusal {
        Some(reason) => return Err(CommandError::Refused(Box::new(reason))),
        None if doomed => return Err(error::EXEC_ABORT),
        None => context.reply.null_array(),
    }
    Ok(())
}

/// Forgets what is queued and what is watched.
fn give_up(context: &mut Context<'_>) -> CommandResult {
    context.client.end_transaction();
    Ok(stop_watching(context.server, context.client, &mut context.txn)?)
}

/// DISCARD
pub static DISCARD: CommandSpec = CommandSpec {
    name: "discard",
    lock: LockClass::Session(Client::watched_shards),
    since: "2.0.0",
    complexity: "O(N), N being the queued commands",
    summary: "Forgets what is queued and what is watched.",
    handler: discard,
    ..TRANSACTION
};

fn discard(context: &mut Context<'_>) -> CommandResult {
    if context.client.transaction.is_none() {
        return Err(error::DISCARD_WITHOUT_MULTI);
    }
    give_up(context)?;
    context.reply.ok();
    Ok(())
}

/// WATCH
pub static WATCH: CommandSpec = CommandSpec {
    name: "watch",
    arity: -2,
    flags: TRANSACTION.flags.with(Flags::NO_MULTI),
    keys: &[KeySpec::rest(1, 1, KeyFlags::RO)],
    lock: LockClass::Keys,
    since: "2.2.0",
    complexity: "O(1) for each key",
    summary: "Has the next EXEC do nothing if one of the keys changes before.",
    syntax: "key [key ...]",
    handler: watch,
    ..TRANSACTION
};

fn watch(context: &mut Context<'_>) -> CommandResult {
    if context.client.transaction.is_some() {
        return Err(error::WATCH_IN_MULTI);
    }
    // Once a key has changed the others do not matter.
    if !is_marked(context.client) {
        for index in 1..context.argv.len() {
            watch_key(context.server, context.client, &mut context.txn, context.argv.at(index))?;
        }
        context.client.publish_transaction();
    }
    context.reply.ok();
    Ok(())
}

fn is_marked(client: &Client) -> bool {
    client.handle.watch_broken.load(std::sync::atomic::Ordering::SeqCst)
}

/// UNWATCH
pub static UNWATCH: CommandSpec = CommandSpec {
    name: "unwatch",
    lock: LockClass::Session(Client::watched_shards),
    since: "2.2.0",
    summary: "Forgets what is watched.",
    handler: unwatch,
    ..TRANSACTION
};

fn unwatch(context: &mut Context<'_>) -> CommandResult {
    stop_watching(context.server, context.client, &mut context.txn)?;
    context.reply.ok();
    Ok(())
}

/// Whether the command is executed at once inside MULTI too, where others are queued.
pub(crate) fn is_never_queued(command: &Command) -> bool {
    let connection = [&super::connection::QUIT, &super::connection::RESET];
    let all = [&EXEC, &DISCARD, &MULTI, &WATCH].into_iter().chain(connection);
    all.into_iter().any(|spec| std::ptr::eq(spec, command.spec))
}

/// Whether the command is EXEC.
pub(crate) fn is_exec(command: &Command) -> bool {
    std::ptr::eq(&EXEC, command.spec)
}

/// The commands of this family.
pub const ALL: &[&CommandSpec] = &[&DISCARD, &EXEC, &MULTI, &UNWATCH, &WATCH];
