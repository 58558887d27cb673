//! From a decoded command to its reply: gates, locks, handler, accounts.

use crate::args::Argv;
use crate::blocking::{Blocked, Ready, Waiter};
use crate::client::{Debugging, ReplyMode};
use crate::command::{Command, Flags, LockClass};
use crate::commands::transaction::is_exec;
use crate::context::{After, Context, Mode, Rare};
use crate::errand::Errand;
use crate::error::CommandError;
use crate::migration::Job;
use crate::net::{Closing, Connection, Queued, Worker};
use crate::scripting::ScriptUnit;
use crate::server::Attention;
use crate::transaction::{Execution, Unfinished};
use ochre_store::sync::{Guard, ShardSet, Slice};
use ochre_store::{Access, Clock, Effects, Garbage, Shard, Txn};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

mod changes;
mod errand;
mod followed;
mod gates;
mod prepare;
mod replies;
mod transfer;

use changes::see_changes;
use followed::{hand_on, report_failure};
use gates::{Gate, gates, surely_passes};
use prepare::prepare;
pub(crate) use replies::apply_reply_mode;
use replies::{apply_reply_mode_to, depend};
pub(crate) use transfer::{Ended, finish_transfer};

/// Why [`run`] stopped.
pub(crate) enum Step {
    /// All commands are executed, or the connection is closing.
    Done,
    /// The next command needs these shards, which are held by others.
    NeedShards(ShardSet),
    /// The next command needs these shards, as a look at those it has locked has shown.
    NeedMore(ShardSet),
    /// The last command has nothing to answer yet: its client waits.
    Wait(Arc<Waiter>),
    /// The next command needs all shards.
    NeedAll,
    /// This must be freed, without a lock, before the next command and before the reply goes out.
    Free(Vec<Garbage>),
    /// This is to be done by a thread of its own; if so, the last command is answered with what comes of it.
    Errand(Errand, bool),
    /// The next command is to send keys elsewhere; it is ended with [`finish_transfer`].
    Transfer(Box<Job>),
    /// The next command has to wait for a transfer, that many of which had ended when it was found out.
    Held(u64),
    /// The next command is paused until then (Unix milliseconds).
    Paused(i64),
    /// The next command runs a script, for which there is to be a stack.
    NeedStack,
    /// The next command runs a script that is debugged on a copy of the data.
    Rehearse,
    /// Much output waits: it is to be sent before more is made.
    Flush,
    /// What gates check has changed: nobody may be served by the old state when the reply goes out.
    Barrier,
}

/// Most commands in a row under one lock.
const COMMANDS_A_LOCK: usize = 32;
/// For so long, nanoseconds, commands that need all shards follow each other without letting anybody in.
const NANOS_ALL: u64 = 50_000;

/// Beyond so many bytes of output its limit is looked at after each command, and it is sent before the batch is over.
const OUTPUT_LEN_MAX: usize = 64 * 1024;

/// Executes the commands of the connection's batch from `next` on, without ever waiting.
#[inline(never)]
pub(crate) fn run<'w>(
    connection: &mut Connection,
    worker: &'w Worker,
    next: &mut usize,
    held: Option<Guard<'w, Shard>>,
) -> Step {
    let mut held = held;
    // Opened when needed: a guard over all shards keeps everybody out, this worker's own slices too.
    let mut slice: Option<Slice<'w, Shard>> = None;
    let mut under_lock = 0;
    let mut is_bare = false;
    // Whether what is held are the locks of scripts; what was waited for is what the next command needs.
    let mut of_script = None;
    let mut tick = worker.ticks.now();
    let since = tick;
    while *next < connection.batch.len() && connection.closing == Closing::No {
        let queued = connection.batch.get(*next);
        let epoch = worker.server.gate_epoch();
        // Nearly always what is held is enough, and nothing forbids the command.
        let kept = match (&held, &slice) {
            (Some(guard), Some(slice))
                if !is_bare
                    && of_script == Some(false)
                    && (1..COMMANDS_A_LOCK).contains(&under_lock)
                    && guard.set().contains_all(queued.shards)
                    && guard.set() != ShardSet::ALL
                    && !slice.is_over()
                    && !guard.is_waited_for() =>
            {
                surely_passes(connection, worker, &queued, epoch)
            }
            _ => None,
        };
        let command = if let Some(command) = kept {
            command
        } else {
            if epoch != connection.client.gate_epoch && !see_changes(connection, worker, epoch) {
                break;
            }
            // Room was made before a wait, and what was waited for is not let go again.
            let has_waited = held.is_some() && under_lock == 0;
            let is_short = !has_waited && crate::memory::is_short(worker);
            if is_short {
                // Eviction takes locks of its own, any of which may be the one that was kept.
                held = None;
                under_lock = 0;
            }
            let command = match gates(connection, worker, &queued, is_short) {
                Gate::Pass(command) => command,
                Gate::Queue(command) => {
                    enqueue(connection, worker, &queued, command);
                    tick = worker.ticks.now();
                    *next += 1;
                    continue;
                }
                Gate::Reject(error) => match reject(connection, worker, &queued, error) {
                    Some(exec) => exec,
                    None => {
                        *next += 1;
                        continue;
                    }
                },
                Gate::Pause(until_ms) => return Step::Paused(until_ms),
            };
            if is_short && connection.client.attention & Attention::TRACKS != 0 {
                // That keys were evicted for the command comes before its reply.
                connection.take_pushes();
            }
            let mut runs_script = false;
            let wanted = match command.spec.lock {
                LockClass::Keys | LockClass::Transfer => queued.shards,
                LockClass::KeysOrAll(reaches_out)
                    if !reaches_out(connection.batch.argv(&queued, connection.argument_bytes())) =>
                {
                    queued.shards
                }
                LockClass::Script => {
                    runs_script = true;
                    let argv = connection.batch.argv(&queued, connection.argument_bytes());
                    crate::scripting::shards(worker, &connection.client, command, argv, queued.shards)
                }
                LockClass::All | LockClass::KeysOrAll(_) => ShardSet::ALL,
                LockClass::None | LockClass::Walk => ShardSet::EMPTY,
                LockClass::Session(shards) => {
                    runs_script = is_exec(command) && connection.client.has_queued_script();
                    shards(&connection.client)
                }
            };
            if runs_script && crate::scripting::is_rehearsed(&connection.client, command) {
                return Step::Rehearse;
            }
            if runs_script && worker.stacks.should_ask() {
                return Step::NeedStack;
            }
            // Scripts have locks of their own. Those that were waited for are the right ones.
            if *of_script.get_or_insert(runs_script) != runs_script {
                of_script = Some(runs_script);
                held = None;
                slice = None;
                under_lock = 0;
            }
            let party = if runs_script { worker.script_member.party() } else { worker.member.party() };
            let is_over = slice.as_ref().is_some_and(Slice::is_over);
            let keep = held.as_ref().is_some_and(|guard| {
                let fits = if wanted.is_empty() { command.has(Flags::FAST) } else { guard.set().contains_all(wanted) };
                // All shards are kept for those alone that need all, and for no longer than a slice.
                let is_over = match guard.set() == ShardSet::ALL {
                    true => wanted != ShardSet::ALL || worker.ticks.nanos(since, tick) > NANOS_ALL,
                    false => is_over,
                };
                // What was waited for is used at least once, whoever waits for it now.
                fits && (under_lock == 0 || under_lock < COMMANDS_A_LOCK && !is_over && !guard.contended())
            });
            // A guard over nothing is for one command: it has not passed the gate.
            if !keep || std::mem::take(&mut is_bare) {
                held = None;
                under_lock = 0;
            }
            if is_over {
                slice = None;
            }
            if slice.is_none() && held.as_ref().is_none_or(|guard| guard.set() != ShardSet::ALL) {
                slice = party.enter();
                if slice.is_none() {
                    let is_busy = worker.server.attention.get() & Attention::BUSY != 0;
                    if !(is_busy && wanted.is_empty() && command.has(Flags::ALLOW_BUSY)) {
                        return Step::NeedShards(ShardSet::EMPTY);
                    }
                    // It looks at no data, so it need not wait until the script is over.
                    held = Some(party.nothing());
                    is_bare = true;
                }
            }
            if held.is_none() {
                held = match &slice {
                    _ if wanted == ShardSet::ALL => return Step::NeedAll,
                    Some(slice) => slice.try_lock(wanted),
                    None => None,
                };
                if held.is_none() {
                    return Step::NeedShards(wanted);
                }
            }
            if worker.server.gate_epoch() != epoch {
                continue;
            }
            command
        };
        let Some(guard) = &mut held else { return Step::NeedShards(queued.shards) };
        under_lock += 1;
        let stop = execute(connection, worker, &queued, command, guard, slice.as_ref(), &mut tick);
        let much_output = connection.output.len() > OUTPUT_LEN_MAX;
        if much_output {
            connection.check_hard_limit(worker);
        }
        let Some(stop) = stop else {
            *next += 1;
            if much_output {
                return Step::Flush;
            }
            continue;
        };
        let is_answered = matches!(*stop, Executed::Barrier | Executed::Free(_) | Executed::Served);
        if is_answered && connection.client.attention & Attention::TRACKS != 0 {
            connection.take_pushes();
        }
        match *stop {
            Executed::Barrier => {
                *next += 1;
                return Step::Barrier;
            }
            Executed::Free(garbage) => {
                *next += 1;
                return Step::Free(garbage);
            }
            Executed::Errand(errand, is_answered) => {
                *next += 1;
                return Step::Errand(errand, is_answered);
            }
            Executed::Served => {
                *next += 1;
                held = None;
                under_lock = 0;
                worker.wake_served();
            }
            Executed::Published => {
                *next += 1;
                held = None;
                under_lock = 0;
                worker.server.pubsub.hand_out(worker.index);
                connection.depend_on_all(&worker.server);
                connection.take_pushes();
            }
            Executed::Wait(waiter) => {
                *next += 1;
                return Step::Wait(waiter);
            }
            Executed::Transfer(job) => return Step::Transfer(job),
            Executed::Held(seen) => return Step::Held(seen),
            Executed::NeedMore(set) => return Step::NeedMore(set),
            Executed::Contended(shard) => return Step::NeedShards(ShardSet::one(shard)),
        }
    }
    Step::Done
}

/// Puts a command aside for EXEC.
#[cold]
fn enqueue(connection: &mut Connection, worker: &Worker, queued: &Queued, command: &Command) {
    let mark = connection.output.mark();
    let Connection { batch, query, decoder, client, output, inline, .. } = connection;
    let bytes: &[u8] = if *inline { decoder.inline_bytes() } else { query };
    if let Some(transaction) = &mut client.transaction {
        let spoiled = transaction.is_doomed() || client.handle.watch_broken.load(Relaxed);
        // What will never be executed need not be kept.
        if !spoiled {
            let flags = crate::scripting::effective_flags(worker, command, batch.argv(queued, bytes));
            transaction.push(command, flags, batch, queued, bytes);
            client.publish_transaction();
        }
    }
    if client.link.is_some() {
        hand_on(client, &worker.server, batch, queued, bytes);
    }
    client.handle.published.last_command.store(u32::from(command.id) + 1, Relaxed);
    output.reply(client.protocol).simple("QUEUED");
    apply_reply_mode(connection, worker, mark);
}

/// Answers a command that may not be executed. EXEC is returned instead: it has to end the transaction, for which it needs
/// its locks.
#[cold]
fn reject<'w>(
    connection: &mut Connection,
    worker: &'w Worker,
    queued: &Queued,
    error: CommandError,
) -> Option<&'w Command> {
    let command = queued.command().map(|id| worker.server.commands.by_id(id));
    if let Some(transaction) = &mut connection.client.transaction {
        if let Some(exec) = command.filter(|command| is_exec(command)) {
            transaction.refuse(error);
            return Some(exec);
        }
        transaction.fail();
    }
    match command {
        Some(command) => {
            worker.stats.by_command[usize::from(command.id)].rejected.add(1);
            connection.client.handle.published.last_command.store(u32::from(command.id) + 1, Relaxed);
        }
        None if crate::net::http::close_on_request(connection, worker, queued) => return None,
        None => {}
    }
    // EXEC ends transactions that were never begun, too.
    let error = match command {
        Some(command) if is_exec(command) => CommandError::Refused(Box::new(error)),
        _ => error,
    };
    count_error(worker, &error);
    if connection.client.link.is_some() {
        report_failure(&worker.server, connection.batch.argv(queued, connection.argument_bytes()), &error);
        let Connection { batch, query, client, .. } = connection;
        hand_on(client, &worker.server, batch, queued, query);
    }
    let mark = connection.output.mark();
    error.write(&mut connection.output.reply(connection.client.protocol));
    apply_reply_mode(connection, worker, mark);
    None
}

pub(crate) fn count_error(worker: &Worker, error: &CommandError) {
    worker.stats.errors.add(1);
    worker.server.stats.count_error(&error.code());
}

/// How an execution ended, if not simply with its reply.
enum Executed {
    /// Others must be waited for before the next command, and before the reply goes out.
    Barrier,
    /// This must be freed before the next command, and before the reply goes out.
    Free(Vec<Garbage>),
    /// A thread of its own does this, and brings the reply, if there is to be one.
    Errand(Errand, bool),
    /// Clients that waited were served: they are to be woken once the locks are released.
    Served,
    /// The client may have sent messages to itself, which come right behind its reply.
    Published,
    /// There is no reply yet.
    Wait(Arc<Waiter>),
    /// It has begun to send keys elsewhere.
    Transfer(Box<Job>),
    /// Nothing was done: it waits for a transfer.
    Held(u64),
    /// Nothing was done: these shards must be locked, too.
    NeedMore(ShardSet),
    /// The handler did nothing, because this shard is locked by another.
    Contended(usize),
}

// A call for each command costs as much as finding a key's bucket.
#[inline(always)]
fn execute<'w>(
    connection: &mut Connection,
    worker: &'w Worker,
    queued: &Queued,
    command: &'w Command,
    guard: &mut Guard<'w, Shard>,
    slice: Option<&Slice<'w, Shard>>,
    tick: &mut u64,
) -> Option<Box<Executed>> {
    let server = &*worker.server;
    let mark = connection.output.mark();
    let mut after = After::default();
    let mut effects = worker.effects();
    let Connection { batch, query, decoder, client, output, inline, stream, .. } = connection;
    let bytes: &[u8] = if *inline { decoder.inline_bytes() } else { query };
    let argv = batch.argv(queued, bytes);
    let protocol = client.protocol;
    let clock = Clock { now_ms: worker.now_ms() };
    let mut access = Access { no_touch: client.no_touch, ..Access::default() };
    let attention = server.attention.get();
    if attention & Attention::PREPARED != 0 {
        let obstacle = prepare(worker, guard, command, argv, client, &mut effects, &mut access);
        if obstacle.is_some() {
            return obstacle;
        }
    }
    let result = {
        let mut context = Context {
            server,
            command,
            argv,
            txn: Txn::new(&server.store, guard, clock, &mut effects, access),
            reply: output.reply(protocol),
            hashes: batch.hashes(queued),
            slice,
            mode: Mode::First,
            client,
            after: &mut after,
        };
        (command.spec.handler)(&mut context)
    };
    let propagates = attention & Attention::PROPAGATES != 0;
    let appended = worker.log_end.get().appended;
    if propagates {
        crate::propagation::record_call(worker, client, argv, &mut effects, 0);
    }
    if attention & Attention::TRACKING != 0 {
        let mut txn = Txn::new(&server.store, guard, clock, &mut effects, access);
        crate::tracking::after_call(worker, client, command, argv, &mut txn);
    }
    let stats = &worker.stats.by_command[usize::from(command.id)];
    if let Err(error) = result {
        if let CommandError::Execute(transaction) = error {
            let txn = Txn::new(&server.store, guard, clock, &mut effects, access);
            let unit = Execution { worker, client, output, after: &mut after, txn, command: command.id };
            if unit.run(transaction).is_err() {
                settle_effects(worker, guard, &mut effects, clock, access, client.id());
                return Some(Box::new(Executed::NeedMore(ShardSet::ALL)));
            }
        } else if let CommandError::Script(request) = error {
            let has_all = server.store.are_all(guard.set());
            let txn = Txn::new(&server.store, guard, clock, &mut effects, access);
            let socket = if client.debugs == Debugging::InPlace { stream.duplicate() } else { None };
            let after = &mut after;
            let unit = ScriptUnit { worker, client, output, after, txn, command, argv, request, has_all, socket };
            match unit.run() {
                Ok(failed) => stats.failed.add(failed.into()),
                Err(Unfinished) => {
                    output.cut(mark);
                    settle_effects(worker, guard, &mut effects, clock, access, client.id());
                    return Some(Box::new(Executed::NeedMore(ShardSet::ALL)));
                }
            }
        } else {
            if let CommandError::Contended(shard) = error {
                output.cut(mark);
                return Some(Box::new(Executed::Contended(shard)));
            }
            output.cut(mark);
            let beyond = matches!(error, CommandError::Store(ochre_store::Error::NotLocked));
            if beyond && guard.set() != ShardSet::ALL && effects.dirty == 0 {
                // Its arguments name a key where its specification finds none: it is run again under all locks.
                settle_effects(worker, guard, &mut effects, clock, access, client.id());
                return Some(Box::new(Executed::NeedMore(ShardSet::ALL)));
            }
            if let CommandError::Blocked(_) = error
                && client.link.is_some()
            {
                // Nobody waits in the primary's name.
                hand_on(client, server, batch, queued, bytes);
                settle_effects(worker, guard, &mut effects, clock, access, client.id());
                return None;
            }
            if let CommandError::Blocked(block) = error {
                let now = worker.ticks.now();
                let nanos = worker.ticks.nanos(*tick, now);
                *tick = now;
                let waiter = Blocked::begin(server, guard, client, command.id, argv, *block, nanos);
                settle_effects(worker, guard, &mut effects, clock, access, client.id());
                let published = &client.handle.published;
                published.last_command.store(u32::from(command.id) + 1, Relaxed);
                if server.attention.get() & Attention::MONITORS != 0 {
                    server.monitors.feed(&client.handle, client.db, argv, after.redacted());
                }
                return Some(Box::new(Executed::Wait(waiter)));
            }
            if let CommandError::Errand(errand) = error {
                let now = worker.ticks.now();
                let nanos = worker.ticks.nanos(*tick, now);
                *tick = now;
                settle_effects(worker, guard, &mut effects, clock, access, client.id());
                return Some(errand::begin(worker, (client, output, mark), command, argv, (errand, nanos)));
            }
            if let CommandError::Transfer(job) = error {
                settle_effects(worker, guard, &mut effects, clock, access, client.id());
                return Some(Box::new(Executed::Transfer(job)));
            }
            error.write(&mut output.reply(protocol));
            count_error(worker, &error);
            if client.link.is_some() {
                report_failure(server, argv, &error);
            }
            if matches!(error, CommandError::Refused(_)) {
                // It counts as rejected, not as called.
                stats.rejected.add(1);
                if client.link.is_some() {
                    hand_on(client, server, batch, queued, bytes);
                }
                apply_reply_mode_to(client, server, output, mark);
                // Who watches has seen MULTI, and is shown that it is over.
                if server.attention.get() & Attention::MONITORS != 0 {
                    server.monitors.feed(&client.handle, client.db, argv, after.redacted());
                }
                return None;
            }
            stats.failed.add(1);
        }
    }
    if propagates || !effects.is_empty() {
        if !effects.garbage.is_empty() {
            after.rare().garbage = std::mem::take(&mut effects.garbage);
        }
        if effects.record_touched {
            // Who is served is served now, not when the unit began.
            if after.time_passed {
                worker.begin_batch();
            }
            if server.follows() && client.link.is_none() {
                crate::upstream::note_own_keys(worker, guard, &effects, clock);
            }
            after.served = settle_effects(worker, guard, &mut effects, worker.clock(), access, client.id());
        } else {
            crate::effects::settle(worker, &mut effects);
            effects.record_events = false;
        }
        if propagates {
            client.written = worker.log_end.get();
            if attention & Attention::DURABLE != 0 {
                depend(worker, client, command, guard.set(), appended);
            }
        }
    }
    drop(effects);
    let now = worker.ticks.now();
    let nanos = worker.ticks.nanos(*tick, now);
    *tick = now;
    worker.account_call(stats, nanos);
    client.handle.published.last_command.store(u32::from(command.id) + 1, Relaxed);
    if client.reply_mode != ReplyMode::On {
        apply_reply_mode_to(client, server, output, if after.confirms { output.mark() } else { mark });
    }
    if client.attention & (Attention::TRACKS | Attention::FOLLOWED) != 0 {
        if client.link.is_some() {
            hand_on(client, server, batch, queued, bytes);
        }
        client.command_over(command.full_name.starts_with("client"));
        // What it has made stale itself comes right behind the reply.
        after.published |= client.tracks.is_some() && !client.handle.outbox.is_empty();
    }
    let reply_len = output.mark().saturating_sub(mark);
    // All that was read is more than the arguments of one command, and quicker to tell.
    let is_large = argv.buffer_len().max(reply_len) >= worker.large_bytes()
        && argv.extent().max(reply_len) >= worker.large_bytes();
    if nanos >= worker.slow_nanos() || is_large || server.attention.get() & Attention::MONITORS != 0 || after.is_set() {
        return settle_after(connection, worker, queued, command, (nanos, reply_len), after);
    }
    None
}

/// Accounts for the effects of a command, marks those who watch what it has touched and serves those who wait for that;
/// whether anybody did wait.
#[cold]
pub(crate) fn settle_effects(
    worker: &Worker,
    guard: &mut Guard<'_, Shard>,
    effects: &mut Effects,
    clock: Clock,
    access: Access,
    client: u64,
) -> bool {
    let mut ready = Ready::default();
    crate::transaction::mark(worker, guard, effects, clock);
    crate::tracking::settle(worker, guard, effects, client);
    ready.collect(worker, guard, effects);
    effects.garbage.drain(..).for_each(|garbage| worker.server.store.free_later(garbage));
    crate::effects::settle(worker, effects);
    let serves = !ready.is_empty();
    if serves {
        crate::blocking::serve(worker, guard, effects, ready, clock, access);
    }
    // Whoever asks next whether anybody minds says so.
    effects.record_touched = false;
    effects.record_events = false;
    serves
}

/// The rare rest: logs of slow and large commands, latency monitor, MONITOR, closing, shutdown.
#[cold]
fn settle_after(
    connection: &mut Connection,
    worker: &Worker,
    queued: &Queued,
    command: &Command,
    (nanos, reply_len): (u64, usize),
    mut after: After,
) -> Option<Box<Executed>> {
    let server = &*worker.server;
    let argv: Argv<'_> = connection.batch.argv(queued, connection.argument_bytes());
    let client = &connection.client;
    if after.barrier {
        // The command's own duration is judged by what it has set.
        worker.see_config();
        worker.limit_clients(&client.handle);
        // Memory may be limited to less than is used: nobody need call anything for it to be freed.
        if crate::memory::is_short(worker) {
            worker.eviction_due.notify_one();
        }
    }
    if nanos >= worker.slow_nanos() {
        worker.account_slow(client, command, argv, after.redacted(), nanos);
    }
    if argv.extent().max(reply_len) >= worker.large_bytes() {
        worker.account_large(client, command, argv, after.redacted(), reply_len);
    }
    let monitored = server.attention.get() & Attention::MONITORS != 0;
    if monitored && !command.spec.flags.intersects(Flags::SKIP_MONITOR | Flags::ADMIN) {
        server.monitors.feed(&client.handle, client.db, argv, after.redacted());
    }
    if after.close {
        connection.closing = Closing::AfterReply;
    }
    let Rare { shutdown, garbage, .. } = after.take_rare();
    if let Some(request) = shutdown {
        connection.closing = Closing::WithProcess;
        server.shutdown.request(request);
    }
    if after.time_passed {
        worker.begin_batch();
    }
    let executed = if after.barrier {
        Executed::Barrier
    } else if !garbage.is_empty() {
        Executed::Free(garbage)
    } else if after.served {
        Executed::Served
    } else if after.published {
        Executed::Published
    } else {
        return None;
    };
    Some(Box::new(executed))
}
