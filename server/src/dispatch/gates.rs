//! What may forbid a command.

use super::followed::primary_gates;
use crate::acl::{LogContext, acl_check, surely_allowed};
use crate::client::ClientHandle;
use crate::command::{Command, Flags};
use crate::commands::debug::{is_debug, is_forbidden};
use crate::commands::pubsub::is_for_listeners;
use crate::commands::transaction::{is_exec, is_never_queued};
use crate::error::{self, CommandError};
use crate::net::{Connection, Queued, Worker};
use crate::pause::PauseKind;
use crate::server::Attention;
use crate::transaction::Transaction;
use std::sync::atomic::Ordering::Relaxed;

/// What becomes of a command.
pub(super) enum Gate<'s> {
    Pass(&'s Command),
    /// It is to be executed by EXEC.
    Queue(&'s Command),
    Reject(CommandError),
    Pause(i64),
}

/// The command, if it is one whose locks are those of its keys, and it is certain after a short look that nothing forbids it.
#[inline(always)]
pub(super) fn surely_passes<'w>(
    connection: &mut Connection,
    worker: &'w Worker,
    queued: &Queued,
    epoch: u64,
) -> Option<&'w Command> {
    let server = &*worker.server;
    let client = &connection.client;
    if epoch != client.gate_epoch || !client.authenticated {
        return None;
    }
    let command = server.commands.by_id(queued.plain()?);
    let attention = server.attention.get() | client.attention;
    let is_open = attention & !Attention::NO_GATE == 0
        || attention & !Attention::NO_GATE == Attention::RESTRICTED && may_run(connection, queued, command);
    is_open.then_some(command)
}

/// What may forbid a command, in the order that clients can observe.
#[inline]
pub(super) fn gates<'w>(connection: &mut Connection, worker: &'w Worker, queued: &Queued, is_short: bool) -> Gate<'w> {
    let server = &*worker.server;
    if !connection.client.authenticated && is_kept_out(worker, queued, &connection.client.handle) {
        return Gate::Reject(error::NO_AUTH);
    }
    let Some(command) = queued.fitting().map(|id| server.commands.by_id(id)) else {
        return Gate::Reject(misfit(worker, connection, queued));
    };
    let attention = server.attention.get() | connection.client.attention;
    // Who may not use everything mostly uses what it may.
    let is_open = attention & !Attention::NO_GATE == 0
        || attention & !Attention::NO_GATE == Attention::RESTRICTED && may_run(connection, queued, command);
    if is_open { Gate::Pass(command) } else { attended_gates(connection, worker, queued, command, attention, is_short) }
}

/// Why a line that calls nothing, or with the wrong arguments, is refused.
#[cold]
fn misfit(worker: &Worker, connection: &Connection, queued: &Queued) -> CommandError {
    let argv = connection.batch.argv(queued, connection.argument_bytes());
    match queued.command().map(|id| worker.server.commands.by_id(id)) {
        None => error::unknown_command(argv),
        Some(command) if !command.spec.accepts(argv.len()) => error::wrong_arity(&command.full_name),
        Some(command) => error::unknown_subcommand(command.spec.name, argv.at(1)),
    }
}

/// Whether the user's permissions are enough, and nothing but them is asked for.
#[inline(always)]
fn may_run(connection: &mut Connection, queued: &Queued, command: &Command) -> bool {
    let permit = connection.client.permit;
    permit.covers(command, queued.args(), queued.key_head) || may_surely_run(connection, queued, command)
}

/// As [`may_run`], past what has just been allowed.
#[inline(never)]
fn may_surely_run(connection: &mut Connection, queued: &Queued, command: &Command) -> bool {
    let argv = connection.batch.argv(queued, connection.argument_bytes());
    match surely_allowed(&connection.client.user, command, argv) {
        Some(permit) if !is_debug(command) => connection.client.permit = permit,
        _ => return false,
    }
    true
}

/// Whether a client that has not logged in has to do so before this command. Only some versions say so before they look
/// whether it is one.
#[cold]
fn is_kept_out(worker: &Worker, queued: &Queued, client: &ClientHandle) -> bool {
    let command = queued.command().map(|id| worker.server.commands.by_id(id));
    let is_one = queued.fitting().is_some();
    let is_open = command.is_some_and(|command| command.has(Flags::NO_AUTH));
    let config = worker.config();
    // What the configuration forbids is forbidden first.
    let is_one = is_one && !command.is_some_and(|command| is_forbidden(command, &config, client));
    let asks = is_one || config.compatibility_level.asks_for_login_first();
    asks && !is_open && worker.server.accounts.requires_login()
}

/// The gates that are open most of the time.
#[cold]
fn attended_gates<'w>(
    connection: &Connection,
    worker: &'w Worker,
    queued: &Queued,
    command: &'w Command,
    attention: u32,
    is_short: bool,
) -> Gate<'w> {
    let server = &*worker.server;
    let client = &connection.client;
    if attention & Attention::FOLLOWED != 0 {
        return primary_gates(connection, worker, command, attention, is_short);
    }
    if is_forbidden(command, &worker.config(), &client.handle) {
        return Gate::Reject(error::DEBUG_NOT_ALLOWED);
    }
    let transaction = connection.client.transaction.as_deref();
    let queues = transaction.is_some() && !is_never_queued(command);
    if transaction.is_some() && command.has(Flags::NO_MULTI) {
        let level = worker.config().compatibility_level;
        // Others leave it to these commands to complain.
        if queues || level.refuses_nested_transactions() {
            let names = level.names_commands_refused_in_transactions();
            return Gate::Reject(if names {
                error::not_in_transaction(&command.full_name)
            } else {
                error::NOT_IN_TRANSACTION
            });
        }
    }
    if attention & Attention::RESTRICTED != 0 {
        let argv = connection.batch.argv(queued, connection.argument_bytes());
        if let Err(denial) = acl_check(&client.user, command, argv, client.db) {
            client.handle.published.last_command.store(u32::from(command.id) + 1, Relaxed);
            let context = if transaction.is_some() { LogContext::Transaction } else { LogContext::TopLevel };
            crate::acl::log_denial(server, client, command, argv, denial, context);
            let is_old = worker.config().compatibility_level.old_error_texts();
            let (user, name) = (client.user.name(), &command.full_name);
            return Gate::Reject(error::no_permission(user, name, denial.reason, is_old));
        }
    }
    // EXEC is what its commands are.
    let flags = match transaction {
        Some(transaction) if is_exec(command) => command.spec.flags | transaction.flags(),
        _ => crate::scripting::effective_flags(
            worker,
            command,
            connection.batch.argv(queued, connection.argument_bytes()),
        ),
    };
    // What is queued takes memory too.
    let out_of_memory = is_short && !crate::memory::make_room(worker);
    worker.set_out_of_memory(out_of_memory);
    if out_of_memory && (queues || flags.has(Flags::DENYOOM)) {
        return Gate::Reject(error::OOM);
    }
    if attention & Attention::LISTENS_ONLY != 0 && !is_for_listeners(command) {
        return Gate::Reject(error::not_for_listeners(&command.full_name));
    }
    let is_watcher = connection.client.monitor || attention & Attention::FED != 0;
    if is_watcher && flags.intersects(Flags::READONLY | Flags::WRITE | Flags::MAY_REPLICATE) {
        return Gate::Reject(error::REPLICA_INTERACTION);
    }
    if attention & Attention::DISK_ERROR != 0 && (flags.has(Flags::WRITE) || command.spec.name == "ping") {
        return Gate::Reject(error::DISK_ERROR);
    }
    if attention & Attention::AOF_ERROR != 0 && (flags.has(Flags::WRITE) || command.spec.name == "ping") {
        return Gate::Reject(error::aof_error(&server.aof.write_error()));
    }
    if attention & Attention::TOO_FEW_REPLICAS != 0 && flags.has(Flags::WRITE) {
        return Gate::Reject(error::NO_REPLICAS);
    }
    if attention & Attention::FOLLOWS != 0 && flags.has(Flags::WRITE) && worker.config().replica_read_only {
        return Gate::Reject(error::replicas::READ_ONLY);
    }
    if attention & Attention::STALE != 0 {
        let refuses = |transaction: &Transaction| is_exec(command) && !transaction.all_have(server, Flags::STALE);
        if !flags.has(Flags::STALE) || transaction.is_some_and(refuses) {
            return Gate::Reject(error::replicas::PRIMARY_DOWN);
        }
    }
    if attention & Attention::LOADING != 0 {
        let refuses = |transaction: &Transaction| is_exec(command) && !transaction.all_have(server, Flags::LOADING);
        if !command.has(Flags::LOADING) || transaction.is_some_and(refuses) {
            return Gate::Reject(error::LOADING);
        }
    }
    if attention & Attention::LOADS_ASIDE != 0 && command.has(Flags::NO_ASYNC_LOADING) {
        return Gate::Reject(error::LOADING);
    }
    if attention & Attention::BUSY != 0 && !command.has(Flags::ALLOW_BUSY) {
        return Gate::Reject(server.busy_scripts.refusal());
    }
    if attention & Attention::PAUSED != 0 {
        let is_write = flags.intersects(Flags::WRITE | Flags::MAY_REPLICATE);
        match server.pause.in_force(worker.now_ms()) {
            Some((kind, until_ms)) if kind == PauseKind::All || is_write => {
                let exempt = is_watcher || connection.client.handle.kind() == crate::client::ClientKind::Replica;
                if !exempt {
                    return Gate::Pause(until_ms);
                }
            }
            Some(_) => {}
            None => server.pause.forget(worker.now_ms(), &server.attention),
        }
    }
    if queues { Gate::Queue(command) } else { Gate::Pass(command) }
}
