//! Executing what was queued, as one unit.

use super::{Transaction, stop_watching};
use crate::acl::{LogContext, acl_check};
use crate::args::Argv;
use crate::client::Client;
use crate::command::{Command, CommandId, Flags};
use crate::context::{After, Context, Mode};
use crate::error::{self, CommandError, CommandResult};
use crate::net::{KeyHashes, Output, PartOf, Worker};
use crate::scripting::{ScriptRequest, ScriptUnit};
use crate::server::Attention;
use ochre_store::{Access, Txn};
use std::sync::atomic::Ordering::Relaxed;

/// The execution of a transaction under the locks of all its keys, and of all keys that the client watches.
pub(crate) struct Execution<'e, 't> {
    pub(crate) worker: &'e Worker,
    pub(crate) client: &'e mut Client,
    pub(crate) output: &'e mut Output,
    pub(crate) after: &'e mut After,
    /// Its time is that of all commands.
    pub(crate) txn: Txn<'t>,
    /// EXEC.
    pub(crate) command: CommandId,
}

/// A command has reached for a shard that is not locked, before any had done anything: it is all to be done again, under all
/// locks.
#[derive(Debug)]
pub(crate) struct Unfinished;

impl Execution<'_, '_> {
    /// Executes the commands in order; each is answered, whatever comes of it.
    pub(crate) fn run(mut self, transaction: Box<Transaction>) -> Result<(), Unfinished> {
        let (mark, db) = (self.output.mark(), self.client.db);
        if let Err(unfinished) = self.call_all(&transaction) {
            self.output.cut(mark);
            self.client.db = db;
            self.client.transaction = Some(transaction);
            return Err(unfinished);
        }
        self.after.show_all();
        self.client.end_transaction();
        // The locks of what it watches are those that it was checked under.
        if let Err(error) = stop_watching(&self.worker.server, self.client, &mut self.txn) {
            tracing::error!(%error, "a watched key was not locked");
        }
        Ok(())
    }

    fn call_all(&mut self, transaction: &Transaction) -> Result<(), Unfinished> {
        self.client.handle.published.last_command.store(u32::from(self.command) + 1, Relaxed);
        let mut reply = self.output.reply(self.client.protocol);
        reply.array(transaction.len());
        reply.hand_over();
        drop(reply);
        let mut only_read = true;
        for (command, argv, hashes) in transaction.iter(&self.worker.server) {
            if let Err(error) = self.recheck(command, argv) {
                error.write(&mut self.output.reply(self.client.protocol));
                crate::dispatch::count_error(self.worker, &error);
                continue;
            }
            let (before, begin) = (self.worker.ticks.now(), self.output.mark());
            if let Err(error) = self.call(command, argv, hashes) {
                let beyond = matches!(error, CommandError::Store(ochre_store::Error::NotLocked));
                if beyond && only_read && self.txn.effects().dirty == 0 {
                    return Err(Unfinished);
                }
                self.output.cut(begin);
                self.fail(command, &error);
            }
            self.account(command, argv, self.worker.ticks.nanos(before, self.worker.ticks.now()));
            only_read &= command.has(Flags::READONLY);
        }
        Ok(())
    }

    /// Whether the user may still execute the command: what it may do can have changed since it was queued, or in this
    /// very transaction.
    fn recheck(&mut self, command: &Command, argv: Argv<'_>) -> CommandResult {
        let (client, server) = (&mut *self.client, &*self.worker.server);
        if client.gate_epoch != server.gate_epoch() {
            client.see_user();
        }
        if client.attention & Attention::RESTRICTED == 0 {
            return Ok(());
        }
        acl_check(&client.user, command, argv, client.db).map_err(|denial| {
            crate::acl::log_denial(server, client, command, argv, denial, LogContext::Transaction);
            error::no_permission_now(denial.reason)
        })
    }

    fn call(&mut self, command: &Command, argv: Argv<'_>, hashes: KeyHashes<'_>) -> CommandResult {
        self.after.show_all();
        let dirty = self.txn.effects().dirty;
        let mut txn = self.txn.part();
        txn.set_access(Access { no_touch: self.client.no_touch, ..txn.access() });
        let mut context = Context {
            server: &self.worker.server,
            command,
            argv,
            txn,
            reply: self.output.reply(self.client.protocol),
            hashes,
            slice: None,
            mode: Mode::Denied,
            client: &mut *self.client,
            after: &mut *self.after,
        };
        let result = (command.spec.handler)(&mut context);
        if self.worker.server.attention.get() & Attention::PROPAGATES != 0 {
            crate::propagation::record_call(self.worker, self.client, argv, self.txn.effects(), dirty);
        }
        self.see_tracked(command, argv);
        if let Err(CommandError::Script(request)) = result {
            self.run_script(command, argv, request);
            return Ok(());
        }
        result
    }

    /// While anybody tracks keys: tells what the command has changed and remembers what it has read.
    fn see_tracked(&mut self, command: &Command, argv: Argv<'_>) {
        if self.worker.server.attention.get() & Attention::TRACKING != 0 {
            crate::tracking::after_call(self.worker, self.client, command, argv, &mut self.txn);
        }
    }

    /// Runs a script as one of the commands. For scripts all shards are locked.
    fn run_script(&mut self, command: &Command, argv: Argv<'_>, request: ScriptRequest) {
        let worker = self.worker;
        let unit = ScriptUnit {
            worker,
            client: &mut *self.client,
            output: &mut *self.output,
            after: &mut *self.after,
            txn: self.txn.part(),
            command,
            argv,
            request,
            has_all: true,
            socket: None,
        };
        let failed = unit.run().unwrap_or(true);
        worker.stats.by_command[usize::from(command.id)].failed.add(failed.into());
    }

    fn fail(&mut self, command: &Command, error: &CommandError) {
        error.write(&mut self.output.reply(self.client.protocol));
        crate::dispatch::count_error(self.worker, error);
        self.worker.stats.by_command[usize::from(command.id)].failed.add(1);
    }

    fn account(&self, command: &Command, argv: Argv<'_>, nanos: u64) {
        self.worker.account_part(self.client, command, argv, self.after.redacted(), nanos, PartOf::Transaction);
    }
}
