//! The commands that a script calls.

use super::busy::Busy;
use super::console::Console;
use crate::acl::{LogContext, acl_check};
use crate::args::Argv;
use crate::client::Client;
use crate::command::{Command, Flags, LockClass};
use crate::context::{After, Context, Mode};
use crate::error::{self, CommandError, CommandResult};
use crate::net::{KeyHashes, PartOf, Worker};
use crate::propagation::Reach;
use crate::server::Attention;
use ochre_resp::reply::{DoubleFormat, Protocol, ReplyWriter};
use ochre_resp::request::Span;
use ochre_scripting::{Host, LogLevel, Refusal, Replicate};
use ochre_store::undo::UndoHandle;
use ochre_store::{Access, Txn};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// Runs the commands of one script, all in its unit.
pub(super) struct Caller<'e, 't> {
    pub(super) worker: &'e Worker,
    pub(super) client: &'e mut Client,
    pub(super) after: &'e mut After,
    pub(super) txn: Txn<'t>,
    pub(super) doubles: DoubleFormat,
    /// Whether all shards are locked.
    pub(super) has_all: bool,
    /// Whether the script may not write.
    pub(super) read_only: bool,
    /// Whether memory is over its limit, and the script minds.
    pub(super) checks_memory: bool,
    /// What is known of taking back what it has done.
    pub(super) undo: UndoHandle,
    /// Somebody has killed it, and it was told so.
    pub(super) is_killed: bool,
    /// A command was called that writes.
    pub(super) wrote: bool,
    /// A command was called that reads.
    pub(super) has_read: bool,
    /// The command that runs the script.
    pub(super) caller: Argv<'e>,
    pub(super) name: &'e str,
    pub(super) is_function: bool,
    /// When it began, in ticks of the worker.
    pub(super) started: u64,
    /// While it counts as busy.
    pub(super) busy: Option<Arc<Busy>>,
    /// The client, while it debugs the script.
    pub(super) console: Option<Console>,
    /// Where effects go.
    pub(super) reach: Option<Reach>,
}

impl Host for Caller<'_, '_> {
    fn call(
        &mut self,
        known: &mut Option<u16>,
        bytes: &[u8],
        spans: &[Span],
        protocol: Protocol,
        reply: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let argv = Argv::new(bytes, spans);
        let worker = self.worker;
        let commands = &worker.server.commands;
        let resolved = match *known {
            Some(id) => Some(commands.by_id(id)),
            None => commands.resolve(argv),
        };
        // Which subcommand it is depends on what follows.
        *known =
            resolved.filter(|command| !command.is_container() && command.parent.is_none()).map(|command| command.id);
        let command = match self.admit(resolved, argv) {
            Ok(command) => command,
            Err(error) => {
                crate::dispatch::count_error(worker, &error);
                if let Some(command) = resolved {
                    worker.stats.by_command[usize::from(command.id)].rejected.add(1);
                }
                return Err(Refusal::Because(error.text().into_owned()));
            }
        };
        if !self.has_all && reaches_out(command, argv) {
            return Err(Refusal::Abort);
        }
        if command.has(Flags::WRITE) && !self.wrote {
            self.begin_to_write()?;
        }
        if command.has(Flags::WRITE) && changes_more_than_keys(command) {
            self.undo.give_up().map_err(|_| self.stop())?;
        }
        let before = worker.ticks.now();
        if let Err(error) = self.execute(command, argv, protocol, reply) {
            match error {
                CommandError::Store(ochre_store::Error::NotLocked) if !self.has_all => return Err(Refusal::Abort),
                CommandError::Store(ochre_store::Error::NotKept) => return Err(self.stop()),
                _ => {}
            }
            reply.clear();
            error.write(&mut ReplyWriter::new(reply, protocol));
            crate::dispatch::count_error(worker, &error);
            worker.stats.by_command[usize::from(command.id)].failed.add(1);
        }
        self.account(command, argv, worker.ticks.nanos(before, worker.ticks.now()));
        self.undo.check().map_err(|_| self.stop())
    }

    fn may_call(&mut self, bytes: &[u8], spans: &[Span]) -> Option<bool> {
        may_call(self.worker, self.client, Argv::new(bytes, spans))
    }

    fn log(&mut self, level: LogLevel, text: &[u8]) {
        write_log(level, text);
    }

    fn replicate(&mut self, to: Replicate) {
        self.reach = match (to.file, to.replicas) {
            (true, true) => Some(Reach::All),
            (true, false) => Some(Reach::File),
            (false, true) => Some(Reach::Replicas),
            (false, false) => None,
        };
    }

    fn interrupt(&mut self) -> bool {
        if let Some(busy) = &self.busy {
            // What the script has done so far is not to be propagated with what others do now.
            let unit = self.worker.unit.take();
            crate::net::stack::pause();
            *self.worker.unit.borrow_mut() = unit;
            self.is_killed = busy.is_killed();
            return self.is_killed;
        }
        let threshold = self.worker.config().busy_reply_threshold;
        let millis = self.elapsed().as_millis();
        if threshold > 0 && millis >= u128::from(threshold) {
            self.become_busy(millis);
        }
        false
    }

    fn tell(&mut self, lines: Vec<Vec<u8>>) {
        if let Some(console) = &mut self.console {
            console.tell(&lines);
        }
    }

    fn ask(&mut self) -> Option<Vec<Vec<u8>>> {
        let console = self.console.as_mut()?;
        let (server, busy) = (&self.worker.server, self.busy.as_ref()?);
        let over = async {
            tokio::select! {
                () = server.shutdown.asked() => {}
                () = busy.killed() => {}
            }
        };
        // What the script has done so far is not to be propagated with what others do now.
        let unit = self.worker.unit.take();
        let words = crate::net::stack::wait(console.ask(over)).flatten();
        *self.worker.unit.borrow_mut() = unit;
        words
    }
}

impl Caller<'_, '_> {
    /// The script is debugged: it stands still at any time, for as long as its client likes.
    pub(super) fn begin_session(&mut self) {
        tracing::warn!("Redis synchronous debugging eval session started");
        self.set_busy();
    }

    #[cold]
    fn become_busy(&mut self, millis: u128) {
        let (name, command) = (self.name, if self.is_function { "FUNCTION KILL" } else { "SCRIPT KILL" });
        tracing::warn!(
            "Slow script detected: still in execution after {millis} milliseconds. You can try killing the script using \
             the {command} command. Script name is: {name}."
        );
        self.set_busy();
    }

    fn elapsed(&self) -> Duration {
        let ticks = &self.worker.ticks;
        Duration::from_nanos(ticks.nanos(self.started, ticks.now()))
    }

    fn set_busy(&mut self) {
        let command = self.caller.iter().map(<[u8]>::to_vec).collect();
        let now = Instant::now();
        let started = now.checked_sub(self.elapsed()).unwrap_or(now);
        let busy = Arc::new(Busy::new(self.name.to_owned(), self.is_function, command, started));
        match self.worker.config().compatibility_level.keeps_what_scripts_wrote() {
            true if self.wrote => {
                busy.fate.fix();
            }
            true => {}
            false => self.undo.set_fate(busy.fate.clone()),
        }
        self.worker.server.busy_scripts.add(&self.worker.server, busy.clone());
        self.busy = Some(busy);
        self.after.time_passed = true;
    }

    /// Before the first command that writes.
    fn begin_to_write(&mut self) -> Result<(), Refusal> {
        self.wrote = true;
        match &self.busy {
            Some(busy) if self.worker.config().compatibility_level.keeps_what_scripts_wrote() && !busy.fate.fix() => {
                Err(self.stop())
            }
            _ => Ok(()),
        }
    }

    /// The script must stop before it does what could not be taken back. Under all locks it need not, unless it was killed.
    fn stop(&mut self) -> Refusal {
        if !self.has_all {
            return Refusal::Abort;
        }
        self.is_killed = true;
        Refusal::Kill
    }

    /// Whether a command may be called, in the order in which real servers look.
    pub(super) fn admit<'s>(
        &mut self,
        command: Option<&'s Command>,
        argv: Argv<'_>,
    ) -> Result<&'s Command, CommandError> {
        let Some(command) = command.filter(|command| is_whole(command, argv)) else {
            return Err(error::UNKNOWN_FROM_SCRIPT);
        };
        if !command.spec.accepts(argv.len()) {
            return Err(error::ARITY_FROM_SCRIPT);
        }
        let server = &*self.worker.server;
        if command.has(Flags::NOSCRIPT) && !server.switches.scripts_call_anything.load(Relaxed) {
            return Err(error::NOT_FROM_SCRIPT);
        }
        if command.has(Flags::BLOCKING) && self.worker.config().compatibility_level.refuses_blocking_in_scripts() {
            refuse_blocking(command, argv)?;
        }
        if self.client.attention & Attention::RESTRICTED != 0
            && let Err(denial) = acl_check(&self.client.user, command, argv, self.client.db)
        {
            crate::acl::log_denial(server, self.client, command, argv, denial, LogContext::Script);
            let is_old = self.worker.config().compatibility_level.old_error_texts();
            return Err(error::no_permission_in_script(
                self.client.user.name(),
                &command.full_name,
                denial.reason,
                is_old,
            ));
        }
        if self.read_only && command.spec.flags.intersects(Flags::WRITE | Flags::MAY_REPLICATE) {
            return Err(error::WRITE_FROM_READ_ONLY_SCRIPT);
        }
        // A script that has begun to write is not stopped in the middle.
        let attention = if command.has(Flags::WRITE) && !self.wrote { server.attention.get() } else { 0 };
        if attention & Attention::DISK_ERROR != 0 {
            return Err(error::DISK_ERROR);
        }
        if attention & Attention::AOF_ERROR != 0 {
            return Err(error::aof_error(&server.aof.write_error()));
        }
        if attention & Attention::TOO_FEW_REPLICAS != 0 {
            return Err(error::NO_REPLICAS);
        }
        if attention & Attention::FOLLOWS != 0 && self.worker.config().replica_read_only && self.client.link.is_none() {
            return Err(error::replicas::READ_ONLY);
        }
        if server.attention.get() & Attention::STALE != 0 && !command.has(Flags::STALE) {
            return Err(error::replicas::STALE_FROM_SCRIPT);
        }
        if self.checks_memory && !self.wrote && command.has(Flags::DENYOOM) {
            return Err(error::OOM);
        }
        Ok(command)
    }

    /// Executes it.
    pub(super) fn execute(
        &mut self,
        command: &Command,
        argv: Argv<'_>,
        protocol: Protocol,
        reply: &mut Vec<u8>,
    ) -> CommandResult {
        self.after.show_all();
        let dirty = self.txn.effects().dirty;
        let mut txn = self.txn.part();
        txn.set_access(Access { no_touch: self.client.no_touch, ..txn.access() });
        let spoken = std::mem::replace(&mut self.client.protocol, protocol);
        let mut context = Context {
            server: &self.worker.server,
            command,
            argv,
            txn,
            reply: ReplyWriter::new(reply, protocol).with_doubles(self.doubles),
            hashes: KeyHashes::default(),
            slice: None,
            mode: Mode::Script,
            client: &mut *self.client,
            after: &mut *self.after,
        };
        let result = (command.spec.handler)(&mut context);
        self.client.protocol = spoken;
        if self.worker.server.attention.get() & Attention::TRACKING != 0 {
            // Of what the command reads only that is tracked which the script has declared.
            self.has_read |= command.has(Flags::READONLY);
        }
        if self.worker.server.attention.get() & Attention::PROPAGATES != 0 || self.client.rehearses {
            let effects = self.txn.effects();
            crate::propagation::record_call_to(self.worker, self.client, argv, effects, dirty, self.reach);
        }
        result
    }

    fn account(&self, command: &Command, argv: Argv<'_>, nanos: u64) {
        self.worker.account_part(self.client, command, argv, self.after.redacted(), nanos, PartOf::Script);
    }
}

impl Drop for Caller<'_, '_> {
    fn drop(&mut self) {
        if let Some(busy) = &self.busy {
            if busy.is_killed() {
                tracing::warn!("Lua script killed by user with SCRIPT KILL.");
            }
            self.worker.server.busy_scripts.remove(&self.worker.server, busy);
        }
    }
}

/// Whether the client may call that command; none: there is no such command.
pub(super) fn may_call(worker: &Worker, client: &Client, argv: Argv<'_>) -> Option<bool> {
    let command = worker.server.commands.resolve(argv).filter(|command| is_whole(command, argv))?;
    Some(acl_check(&client.user, command, argv, client.db).is_ok())
}

/// Writes what a script says to the log.
pub(super) fn write_log(level: LogLevel, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    match level {
        LogLevel::Debug => tracing::trace!("{text}"),
        LogLevel::Verbose => tracing::debug!("{text}"),
        LogLevel::Notice => tracing::info!("{text}"),
        LogLevel::Warning => tracing::warn!("{text}"),
    }
}

/// Whether it is no container whose subcommand is missing or unknown.
fn is_whole(command: &Command, argv: Argv<'_>) -> bool {
    !command.is_container() || argv.len() == 1
}

/// What may block is refused; what need not, where it is asked to.
fn refuse_blocking(command: &Command, argv: Argv<'_>) -> CommandResult {
    if !command.has(Flags::READONLY) && command.spec.name != "xreadgroup" {
        return Err(error::NOT_FROM_SCRIPT);
    }
    let names_streams = |argument: &&[u8]| argument.eq_ignore_ascii_case(b"streams");
    let options = argv.iter().take_while(|argument| !names_streams(argument));
    match options.skip(1).any(|option| option.eq_ignore_ascii_case(b"block")) {
        true => Err(error::block_from_script(argv.at(0))),
        false => Ok(()),
    }
}

/// Whether a command that writes does what is not taken back with the keys that it changes: it flushes, or sends them away.
pub(super) fn changes_more_than_keys(command: &Command) -> bool {
    matches!(command.spec.lock, LockClass::All | LockClass::Transfer)
}

/// Whether a command looks at shards beyond those of its keys.
fn reaches_out(command: &Command, argv: Argv<'_>) -> bool {
    match command.spec.lock {
        LockClass::None | LockClass::Session(_) | LockClass::Keys => false,
        LockClass::KeysOrAll(reaches_out) => reaches_out(argv),
        LockClass::All | LockClass::Transfer | LockClass::Walk | LockClass::Script => true,
    }
}
