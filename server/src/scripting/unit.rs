//! The execution of one script.

use super::caller::Caller;
use super::console::Console;
use super::engine::Compiled;
use super::libraries::Function;
use super::sources::Sha;
use crate::args::Argv;
use crate::client::{Client, Debugging};
use crate::command::{Command, Flags, LockClass};
use crate::commands::function::is_function_call;
use crate::commands::script::{is_by_name, is_read_only};
use crate::context::After;
use crate::error::{self, CommandError};
use crate::net::{Output, Stream, Worker};
use crate::propagation::UnitMark;
use crate::server::Attention;
use crate::transaction::Unfinished;
use ochre_scripting::{Names, Outcome, Script, ScriptFlags, Shebang, Vm};
use ochre_store::Txn;
use ochre_store::sync::ShardSet;
use ochre_store::undo::{Keep, Recorder, Undo};
use std::borrow::Cow;
use std::rc::Rc;

/// What a command wants done with a script, which only its worker can do.
#[derive(Clone, Copy, Debug)]
pub enum ScriptRequest {
    /// It is to be run.
    Run {
        /// How many of the arguments are keys.
        keys: usize,
    },
    /// It is to be taken in.
    Load,
}

/// Where a script comes from.
enum Origin {
    Source(Rc<Compiled>),
    Function(Function, Script),
}

impl Origin {
    /// What it says of itself; none: it is a script of the old kind.
    fn flags(&self) -> Option<ScriptFlags> {
        match self {
            Origin::Source(compiled) => compiled.source.shebang.flags,
            Origin::Function(function, _) => Some(function.flags()),
        }
    }
    /// What of a script is in Lua.
    fn code(&self) -> Option<&[u8]> {
        match self {
            Origin::Source(compiled) => Some(compiled.source.code()),
            Origin::Function(..) => None,
        }
    }
    fn script(&self) -> &Script {
        match self {
            Origin::Source(compiled) => &compiled.script,
            Origin::Function(_, script) => script,
        }
    }
    fn name(&self) -> Cow<'_, str> {
        match self {
            Origin::Source(compiled) => Cow::Borrowed(&compiled.source.name),
            Origin::Function(function, _) => String::from_utf8_lossy(function.name()),
        }
    }
    fn set_wide(&self) {
        match self {
            Origin::Source(compiled) => compiled.source.set_wide(),
            Origin::Function(function, _) => function.set_wide(),
        }
    }
}

/// A script, ready to run.
struct Prepared {
    origin: Origin,
    vm: Rc<Vm>,
}

/// A script that is about to run, under locks.
pub(crate) struct ScriptUnit<'e, 't> {
    pub(crate) worker: &'e Worker,
    pub(crate) client: &'e mut Client,
    pub(crate) output: &'e mut Output,
    pub(crate) after: &'e mut After,
    /// Its time is that of all commands.
    pub(crate) txn: Txn<'t>,
    /// EVAL or one of its kind.
    pub(crate) command: &'e Command,
    pub(crate) argv: Argv<'e>,
    pub(crate) request: ScriptRequest,
    /// Whether all shards are locked.
    pub(crate) has_all: bool,
    /// The client's socket, where it wants its scripts debugged.
    pub(crate) socket: Option<Stream>,
}

impl ScriptUnit<'_, '_> {
    /// Runs the script and answers, whatever comes of it; whether the answer holds an error.
    pub(crate) fn run(mut self) -> Result<bool, Unfinished> {
        let ScriptRequest::Run { keys } = self.request else { return Ok(self.load()) };
        if self.socket.is_some() {
            if is_by_name(self.command) {
                return Ok(self.fail(&error::DEBUG_BY_NAME));
            }
            if !self.output.is_empty() {
                return Ok(self.fail(&error::DEBUG_IN_PIPELINE));
            }
        }
        let server = &*self.worker.server;
        if server.attention.get() & Attention::MONITORS != 0 {
            // The commands of the script are to come after it.
            server.monitors.feed(&self.client.handle, self.client.db, self.argv, &[]);
        }
        match self
            .find()
            .and_then(|prepared| admit(self.worker, self.command, prepared.origin.flags()).map(|()| prepared))
        {
            Ok(prepared) => self.execute(&prepared, keys),
            Err(error) => {
                self.end_session();
                Ok(self.fail(&error))
            }
        }
    }

    /// A debugger that has nothing to debug is over at once.
    fn end_session(&mut self) {
        if let Some(socket) = self.socket.take() {
            Console::new(socket).tell(&[b"<endsession>".to_vec()]);
            (self.client.debugs, self.after.close) = (Debugging::Off, true);
        }
    }

    fn load(&mut self) -> bool {
        match self.worker.engine.load(self.worker, self.argv.at(2), true) {
            Ok(compiled) => self.output.reply(self.client.protocol).bulk(compiled.source.sha),
            Err(error) => return self.fail(&error),
        }
        false
    }

    fn fail(&mut self, error: &CommandError) -> bool {
        error.write(&mut self.output.reply(self.client.protocol));
        crate::dispatch::count_error(self.worker, error);
        true
    }

    fn find(&self) -> Result<Prepared, CommandError> {
        let (engine, worker) = (&self.worker.engine, self.worker);
        let name = self.argv.at(1);
        if is_function_call(self.command) {
            let function = worker.server.functions.find(name).ok_or(error::NO_FUNCTION)?;
            let (vm, script) = engine.function(worker, &function)?;
            return Ok(Prepared { origin: Origin::Function(function, script), vm });
        }
        let known = if is_by_name(self.command) {
            engine.find(worker, &parse_sha(name).ok_or(error::NO_SCRIPT)?)?.ok_or(error::NO_SCRIPT)?
        } else {
            match engine.find(worker, &engine.sha(name))? {
                Some(known) => known,
                None => engine.load(worker, name, false)?,
            }
        };
        Ok(Prepared { origin: Origin::Source(known), vm: engine.vm(worker)? })
    }

    fn execute(&mut self, prepared: &Prepared, keys: usize) -> Result<bool, Unfinished> {
        let Prepared { origin, vm } = prepared;
        let script = origin.script();
        let (db, protocol) = (self.client.db, self.client.protocol);
        let (flags, name) = (origin.flags(), origin.name());
        // A script that may yet reach beyond its locks must not do what could not be taken back.
        let keep = match self.worker.config().compatibility_level.keeps_what_scripts_wrote() {
            _ if !self.has_all => Keep::Always,
            true => Keep::Nothing,
            false => Keep::WhilePossible,
        };
        let (mut undo, mark) = (self.worker.undo.take().unwrap_or_default(), self.worker.unit.borrow().mark());
        undo.begin(&mut self.txn, keep);
        let mut recorder = Recorder::new(self.txn.part(), &mut undo);
        let handle = recorder.handle();
        let mut reply = self.output.reply(protocol);
        let mut caller = Caller {
            worker: self.worker,
            client: &mut *self.client,
            after: &mut *self.after,
            txn: recorder.txn(),
            doubles: reply.doubles(),
            has_all: self.has_all,
            read_only: is_read_only(self.command) || flags.is_some_and(|flags| flags.no_writes),
            checks_memory: self.worker.is_out_of_memory() && !flags.is_some_and(|flags| flags.allow_oom),
            undo: handle,
            is_killed: false,
            wrote: false,
            has_read: false,
            reach: Some(crate::propagation::Reach::All),
            caller: self.argv,
            name: &name,
            is_function: matches!(origin, Origin::Function(..)),
            started: self.worker.ticks.now(),
            busy: None,
            console: self.socket.take().map(Console::new),
        };
        vm.set_doubles(caller.doubles);
        vm.set_memory_limit(self.worker.config().lua_memory_limit as usize);
        let arguments = self.argv.from(3);
        let names = Names { script: &name, source: origin.code() };
        let (keys, rest) = (arguments.to(keys), arguments.from(keys));
        let outcome = if let (true, Origin::Source(compiled)) = (caller.console.is_some(), origin) {
            caller.begin_session();
            let text = &compiled.source.text;
            let outcome = vm.debug(script, text, names, keys.iter(), rest.iter(), &mut caller, &mut reply);
            tracing::warn!("Redis synchronous debugging eval session ended");
            // The end of the session is seen by that of the connection.
            (caller.client.debugs, caller.after.close) = (Debugging::Off, true);
            outcome
        } else {
            vm.run(script, names, keys.iter(), rest.iter(), &mut caller, &mut reply)
        };
        let (has_read, is_killed) = (caller.has_read, caller.is_killed);
        drop((reply, caller));
        if is_killed || matches!(outcome, Outcome::Aborted) {
            self.take_back(&mut undo, mark);
        } else {
            undo.commit(&mut self.txn);
        }
        self.worker.undo.replace(Some(undo));
        if self.worker.server.attention.get() & Attention::TRACKING != 0 {
            crate::tracking::after_script(self.worker, self.client, &mut self.txn);
        }
        self.publish();
        if has_read {
            crate::tracking::remember(self.worker, self.client, self.command, self.argv, &mut self.txn);
        }
        // What the script selected is over with it.
        (self.client.db, self.client.protocol) = (db, protocol);
        self.after.show_all();
        let stats = &self.worker.stats;
        let bytes = match origin {
            Origin::Source(_) => &stats.lua_bytes,
            Origin::Function(..) => &stats.lua_function_bytes,
        };
        bytes.set(vm.used_memory() as u64);
        match outcome {
            Outcome::Aborted => {
                origin.set_wide();
                Err(Unfinished)
            }
            Outcome::Replied(errors) => {
                for text in &errors.uncounted {
                    let error = CommandError::Quoting(text.clone());
                    crate::dispatch::count_error(self.worker, &error);
                }
                Ok(errors.any)
            }
        }
    }

    /// Leaves everything as it was before the script.
    #[cold]
    fn take_back(&mut self, undo: &mut Undo, mark: UnitMark) {
        if undo.roll_back(&mut self.txn) {
            self.worker.unit.borrow_mut().rewind(&mark);
            self.after.take_messages();
        }
    }

    /// Publishes what the script has: nobody was to hear of it before it was over.
    fn publish(&mut self) {
        for message in self.after.take_messages() {
            self.worker.server.pubsub.publish(message.shard, &message.channel, &message.payload);
        }
    }
}

/// What a script says of itself must allow it to run here.
pub(super) fn admit(worker: &Worker, command: &Command, flags: Option<ScriptFlags>) -> Result<(), CommandError> {
    let Some(flags) = flags else { return Ok(()) };
    if !flags.no_writes && is_read_only(command) {
        return Err(error::WRITING_SCRIPT_READ_ONLY);
    }
    if !flags.no_writes && !flags.allow_oom && worker.is_out_of_memory() {
        return Err(error::SCRIPT_OOM);
    }
    Ok(())
}

/// The shards under which a script starts, `declared` being those of its keys.
#[cold]
pub(crate) fn shards(
    worker: &Worker,
    client: &Client,
    command: &Command,
    argv: Argv<'_>,
    declared: ShardSet,
) -> ShardSet {
    if worker.server.store.shards() == 1 {
        // There is nothing to reach beyond.
        return ShardSet::one(0);
    }
    // Who watches would see twice what is run twice.
    if client.debugs != Debugging::Off || worker.server.attention.get() & Attention::MONITORS != 0 {
        return ShardSet::ALL;
    }
    if is_function_call(command) {
        let is_wide = worker.server.functions.find(argv.at(1)).is_some_and(|function| function.is_wide());
        return if is_wide { ShardSet::ALL } else { declared };
    }
    let sha = if is_by_name(command) { parse_sha(argv.at(1)) } else { Some(worker.engine.sha(argv.at(1))) };
    let source = sha.and_then(|sha| worker.engine.find(worker, &sha).ok().flatten());
    if source.is_some_and(|compiled| compiled.source.is_wide()) { ShardSet::ALL } else { declared }
}

/// The flags of a command, or of the script that it would run.
#[cold]
pub(crate) fn effective_flags(worker: &Worker, command: &Command, argv: Argv<'_>) -> Flags {
    let flags = command.spec.flags;
    if !matches!(command.spec.lock, LockClass::Script) {
        return flags;
    }
    // None: there is no such script, which its handler says.
    let script = if is_function_call(command) {
        worker.server.functions.find(argv.at(1)).map(|function| Some(function.flags()))
    } else if is_by_name(command) {
        let compiled = parse_sha(argv.at(1)).and_then(|sha| worker.engine.find(worker, &sha).ok().flatten());
        compiled.map(|compiled| compiled.source.shebang.flags)
    } else {
        Shebang::parse(argv.at(1)).ok().map(|shebang| shebang.flags)
    };
    match script {
        None => flags,
        // A script that says nothing may do anything but look at stale data.
        Some(None) => flags.without(Flags::STALE),
        Some(Some(script)) => with_script_flags(flags, script),
    }
}

/// What a script says of itself takes the place of what its command says.
fn with_script_flags(flags: Flags, script: ScriptFlags) -> Flags {
    let replaced = Flags::STALE.with(Flags::DENYOOM).with(Flags::WRITE).with(Flags::MAY_REPLICATE);
    let mut flags = flags.without(replaced);
    if !script.allow_oom && !script.no_writes {
        flags = flags | Flags::DENYOOM;
    }
    if !script.no_writes {
        flags = flags | Flags::WRITE;
    }
    if script.allow_stale {
        flags = flags | Flags::STALE;
    }
    flags
}

/// A name in any case.
fn parse_sha(text: &[u8]) -> Option<Sha> {
    let mut sha: Sha = text.try_into().ok()?;
    sha.make_ascii_lowercase();
    Some(sha)
}
