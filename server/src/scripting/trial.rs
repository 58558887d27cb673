//! Scripts that are debugged on what seems to them a copy of the data.
//!
//! Such a script runs on a thread of its own, where it may stand still for as long as its client likes. The client's
//! connection executes its commands, each under the locks of all shards: first what the earlier ones have changed is done
//! once more, then the command, and then all of that is taken back. So the script sees its own changes and nobody else does,
//! nobody waits for its client, and there may be many of them at once. Unlike a copy it shows what others change meanwhile.

use super::caller::{Caller, changes_more_than_keys, write_log};
use super::console::{Dialogue, SEND_TIME_MAX, encode};
use super::unit::admit;
use super::vm_options;
use crate::args::Argv;
use crate::client::{Client, ClientHandle, Debugging};
use crate::command::{Command, CommandId, Flags};
use crate::commands::script::{is_by_name, is_evaluation, is_read_only, key_count};
use crate::context::After;
use crate::error::{self, CommandError};
use crate::net::{Closing, Connection, Worker};
use crate::propagation::Reach;
use crate::server::Attention;
use ochre_resp::reply::{DoubleFormat, Protocol, ReplyWriter};
use ochre_resp::request::{Limits, RequestDecoder, Span};
use ochre_scripting::{Host, LogLevel, Names, Refusal, Replicate, Shebang, Vm, VmOptions, sha1_hex};
use ochre_store::sync::Guard;
use ochre_store::undo::{Keep, Recorder, Undo};
use ochre_store::{Access, Clock, Effects, Expired, Shard, Txn};
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;
use std::task::Poll;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc as channel;

/// Room for Lua's deepest calls of C functions.
const STACK_BYTES: usize = 8 << 20;
/// So many changes are made again and again; a script that makes more is refused them.
const STAGED_MAX: usize = 10_000;
const STAGED_BYTES_MAX: usize = 16 << 20;

/// What the script wants of its connection.
enum Wish {
    Call {
        bytes: Vec<u8>,
        spans: Vec<Span>,
        protocol: Protocol,
    },
    MayCall {
        bytes: Vec<u8>,
        spans: Vec<Span>,
    },
    Tell(Vec<u8>),
    Ask,
    /// It is over, with this reply.
    End(Vec<u8>),
}

/// What comes of it.
enum Answer {
    Reply(Result<Vec<u8>, String>),
    May(Option<bool>),
    Words(Option<Vec<Vec<u8>>>),
}

/// The script's side.
struct Remote {
    wishes: channel::UnboundedSender<Wish>,
    answers: mpsc::Receiver<Answer>,
    is_over: Arc<AtomicBool>,
}

impl Remote {
    fn wish(&self, wish: Wish) -> Option<Answer> {
        self.wishes.send(wish).ok()?;
        self.answers.recv().ok()
    }
}

impl Host for Remote {
    fn call(
        &mut self,
        _: &mut Option<u16>,
        bytes: &[u8],
        spans: &[Span],
        protocol: Protocol,
        reply: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        match self.wish(Wish::Call { bytes: bytes.to_vec(), spans: spans.to_vec(), protocol }) {
            Some(Answer::Reply(Ok(bytes))) => reply.extend_from_slice(&bytes),
            Some(Answer::Reply(Err(text))) => return Err(Refusal::Because(text)),
            _ => return Err(Refusal::Kill),
        }
        Ok(())
    }

    fn may_call(&mut self, bytes: &[u8], spans: &[Span]) -> Option<bool> {
        match self.wish(Wish::MayCall { bytes: bytes.to_vec(), spans: spans.to_vec() }) {
            Some(Answer::May(may)) => may,
            _ => None,
        }
    }

    fn log(&mut self, level: LogLevel, text: &[u8]) {
        write_log(level, text);
    }

    // Nobody hears of what it does.
    fn replicate(&mut self, _: Replicate) {}

    fn interrupt(&mut self) -> bool {
        self.is_over.load(SeqCst)
    }

    fn tell(&mut self, lines: Vec<Vec<u8>>) {
        let _ = self.wishes.send(Wish::Tell(encode(&lines)));
    }

    fn ask(&mut self) -> Option<Vec<Vec<u8>>> {
        match self.wish(Wish::Ask) {
            Some(Answer::Words(words)) => words,
            _ => None,
        }
    }
}

/// A script and what it is given.
struct Task {
    argv: Vec<Vec<u8>>,
    keys: usize,
    shebang: Shebang,
    options: VmOptions,
    memory_limit: usize,
    protocol: Protocol,
}

impl Task {
    /// Runs the script; its reply.
    fn run(&self, host: &mut Remote) -> Vec<u8> {
        let (mut bytes, text) = (Vec::new(), self.argv.get(1).map(Vec::as_slice).unwrap_or_default());
        let mut reply = ReplyWriter::new(&mut bytes, self.protocol).with_doubles(self.options.doubles);
        let code = text.get(self.shebang.len..).unwrap_or_default();
        let made = Vm::new(&self.options).map_err(|why| error::no_lua(&why)).and_then(|vm| {
            let script = vm.compile(code).map_err(|why| error::script_does_not_compile(&why))?;
            Ok((vm, script))
        });
        match made {
            Ok((vm, script)) => {
                vm.set_memory_limit(self.memory_limit);
                let sha = sha1_hex(text);
                let names = Names { script: &String::from_utf8_lossy(&sha), source: None };
                let (keys, arguments) = self.argv.get(3..).unwrap_or_default().split_at(self.keys);
                let (keys, arguments) = (keys.iter().map(Vec::as_slice), arguments.iter().map(Vec::as_slice));
                vm.debug(&script, text, names, keys, arguments, host, &mut reply);
            }
            Err(error) => {
                host.tell(vec![b"<endsession>".to_vec()]);
                error.write(&mut reply);
            }
        }
        drop(reply);
        bytes
    }
}

/// A change that the script has made: a command, encoded.
struct Staged {
    db: usize,
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

/// The connection's side.
struct Trial {
    /// The command that runs the script.
    argv: (Vec<u8>, Vec<Span>),
    name: String,
    read_only: bool,
    checks_memory: bool,
    doubles: DoubleFormat,
    /// The database that the script has selected.
    db: usize,
    staged: Vec<Staged>,
    undo: Undo,
}

/// Ends the script of a connection that goes away.
struct EndWhenDropped(Arc<AtomicBool>);

impl Drop for EndWhenDropped {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Whether a command runs a script, and its client wants that debugged on a copy of the data.
#[inline]
pub(crate) fn is_rehearsed(client: &Client, command: &Command) -> bool {
    client.debugs == Debugging::OnCopy && is_evaluation(command)
}

/// Runs the script of the command at `next` in the debugger. Nothing that it changes stays.
#[cold]
pub(crate) async fn rehearse(connection: &mut Connection, worker: &Worker, next: usize) {
    let queued = connection.batch.get(next);
    let Some(id) = queued.command() else { return };
    let (bytes, spans) = {
        let argv = connection.batch.argv(&queued, connection.argument_bytes());
        let client = &connection.client;
        if worker.server.attention.get() & Attention::MONITORS != 0 {
            worker.server.monitors.feed(&client.handle, client.db, argv, &[]);
        }
        copied(argv)
    };
    connection.client.handle.published.last_command.store(u32::from(id) + 1, SeqCst);
    worker.account_call(&worker.stats.by_command[usize::from(id)], 0);
    let db = connection.client.db;
    match begin(connection, worker, id, (bytes, spans)) {
        Ok((trial, task)) => {
            tracing::warn!("Redis forked for debugging eval");
            let handle = connection.client.handle.clone();
            // Who thinks about a line is not idle.
            handle.published.flags.fetch_or(ClientHandle::FLAG_BLOCKED, SeqCst);
            trial.attend(connection, worker, task).await;
            handle.published.flags.fetch_and(!ClientHandle::FLAG_BLOCKED, SeqCst);
            tracing::warn!("Lua debugging session child exiting");
            connection.client.debugs = Debugging::Off;
            // The end of the session is seen by that of the connection.
            if connection.closing == Closing::No {
                connection.closing = Closing::AfterReply;
            }
        }
        Err(error) => {
            error.write(&mut connection.output.reply(connection.client.protocol));
            crate::dispatch::count_error(worker, &error);
        }
    }
    connection.client.db = db;
    worker.begin_batch();
}

fn copied(argv: Argv<'_>) -> (Vec<u8>, Vec<Span>) {
    let (mut bytes, mut spans) = (Vec::new(), Vec::new());
    for argument in argv.iter() {
        let start = bytes.len();
        bytes.extend_from_slice(argument);
        spans.push(Span { start, end: bytes.len() });
    }
    (bytes, spans)
}

fn begin(
    connection: &mut Connection,
    worker: &Worker,
    id: CommandId,
    argv: (Vec<u8>, Vec<Span>),
) -> Result<(Trial, Task), CommandError> {
    let (client, command) = (&connection.client, worker.server.commands.by_id(id));
    let line = Argv::new(&argv.0, &argv.1);
    let keys = key_count(line)?;
    if is_by_name(command) {
        return Err(error::DEBUG_BY_NAME);
    }
    if !connection.output.is_empty() {
        return Err(error::DEBUG_IN_PIPELINE);
    }
    let shebang = Shebang::parse(line.at(1)).map_err(|wrong| error::bad_shebang(&wrong))?;
    admit(worker, command, shebang.flags)?;
    let config = worker.config();
    let options = VmOptions { doubles: connection.output.reply(client.protocol).doubles(), ..vm_options(&config) };
    let trial = Trial {
        name: String::from_utf8_lossy(&sha1_hex(line.at(1))).into_owned(),
        read_only: is_read_only(command) || shebang.flags.is_some_and(|flags| flags.no_writes),
        checks_memory: worker.is_out_of_memory() && !shebang.flags.is_some_and(|flags| flags.allow_oom),
        doubles: options.doubles,
        db: client.db,
        staged: Vec::new(),
        undo: Undo::default(),
        argv: argv.clone(),
    };
    let (argv, memory_limit) = (line.iter().map(<[u8]>::to_vec).collect(), config.lua_memory_limit as usize);
    Ok((trial, Task { argv, keys, shebang, options, memory_limit, protocol: client.protocol }))
}

impl Trial {
    /// Does what the script and its client want of each other until one of them is gone.
    async fn attend(mut self, connection: &mut Connection, worker: &Worker, task: Task) {
        let (wishes, mut wished) = channel::unbounded_channel();
        let (answer, answers) = mpsc::channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let _end = EndWhenDropped(is_over.clone());
        let mut remote = Remote { wishes, answers, is_over };
        let thread = std::thread::Builder::new().name("debugged-script".to_owned()).stack_size(STACK_BYTES);
        let run = move || {
            crate::process::crash::prepare_thread();
            let reply = task.run(&mut remote);
            let _ = remote.wishes.send(Wish::End(reply));
        };
        if let Err(error) = thread.spawn(run) {
            return error::no_lua(&error.to_string()).write(&mut connection.output.reply(connection.client.protocol));
        }
        let (handle, mut dialogue) = (connection.client.handle.clone(), Dialogue::default());
        loop {
            let Some(Some(wish)) = unless_gone(worker, &handle, wished.recv()).await else { return };
            let answered = match wish {
                Wish::Call { bytes, spans, protocol } => {
                    let locks = worker.script_member.party().lock_all();
                    let Some(mut guard) = unless_gone(worker, &handle, locks).await else { return };
                    worker.begin_batch();
                    let reply = self.call(connection, worker, &mut guard, Argv::new(&bytes, &spans), protocol);
                    drop(guard);
                    Answer::Reply(reply)
                }
                Wish::MayCall { bytes, spans } => {
                    Answer::May(super::caller::may_call(worker, &connection.client, Argv::new(&bytes, &spans)))
                }
                Wish::Tell(bytes) => {
                    // Who is gone is found out at the next question.
                    let _ = tokio::time::timeout(SEND_TIME_MAX, connection.stream.write_all(&bytes)).await;
                    continue;
                }
                Wish::Ask => {
                    let words = dialogue.hear(&mut connection.stream);
                    let Some(words) = unless_gone(worker, &handle, words).await else { return };
                    Answer::Words(words)
                }
                Wish::End(reply) => {
                    let protocol = connection.client.protocol;
                    return connection.output.reply(protocol).encoded(&reply, 1);
                }
            };
            if answer.send(answered).is_err() {
                return;
            }
        }
    }

    /// Executes a command after those that have changed something, and takes it back.
    fn call(
        &mut self,
        connection: &mut Connection,
        worker: &Worker,
        guard: &mut Guard<'_, Shard>,
        argv: Argv<'_>,
        protocol: Protocol,
    ) -> Result<Vec<u8>, String> {
        let (server, client) = (&worker.server, &mut connection.client);
        let (clock, spoken, selected) = (Clock { now_ms: worker.now_ms() }, client.protocol, client.db);
        let hides = server.follows() || server.pause.in_force(worker.now_ms()).is_some();
        let access = Access { no_touch: true, expired: if hides { Expired::Hide } else { Expired::default() } };
        let (mut effects, mut after, mut undo) = (Effects::default(), After::default(), std::mem::take(&mut self.undo));
        let mark = worker.unit.borrow().mark();
        undo.begin(&mut Txn::new(&server.store, guard, clock, &mut effects, access), Keep::Always);
        client.rehearses = true;
        let called = {
            let txn = Txn::new(&server.store, guard, clock, &mut effects, access);
            let mut recorder = Recorder::new(txn, &mut undo);
            let handle = recorder.handle();
            let caller = Caller {
                worker,
                client: &mut *client,
                after: &mut after,
                txn: recorder.txn(),
                doubles: self.doubles,
                has_all: true,
                read_only: self.read_only,
                checks_memory: self.checks_memory,
                undo: handle,
                is_killed: false,
                wrote: !self.staged.is_empty(),
                has_read: false,
                caller: Argv::new(&self.argv.0, &self.argv.1),
                name: &self.name,
                is_function: false,
                started: worker.ticks.now(),
                busy: None,
                console: None,
                reach: Some(Reach::All),
            };
            attempt(caller, &self.staged, self.db, argv, protocol)
        };
        undo.roll_back(&mut Txn::new(&server.store, guard, clock, &mut effects, access));
        worker.unit.borrow_mut().rewind(&mark);
        (client.rehearses, client.protocol, client.db) = (false, spoken, selected);
        if let Some(rewrite) = &mut client.rewrite {
            rewrite.clear();
        }
        // Nobody hears of what it has published.
        drop(after.take_messages());
        std::mem::take(&mut effects.garbage).into_iter().for_each(|garbage| server.store.free_later(garbage));
        self.undo = undo;
        let Attempt { reply, db, changes } = called.map_err(|error| error.text().into_owned())?;
        self.db = db;
        for (db, bytes) in changes {
            let spans = spans_of(&bytes);
            self.staged.push(Staged { db, bytes, spans });
        }
        Ok(reply)
    }
}

/// What came of a command.
struct Attempt {
    reply: Vec<u8>,
    /// The database that is selected then.
    db: usize,
    /// What stands for it, encoded, each with its database.
    changes: Vec<(usize, Vec<u8>)>,
}

fn attempt(
    mut caller: Caller<'_, '_>,
    staged: &[Staged],
    db: usize,
    argv: Argv<'_>,
    protocol: Protocol,
) -> Result<Attempt, CommandError> {
    let (worker, mut reply) = (caller.worker, Vec::new());
    let commands = &worker.server.commands;
    for change in staged {
        let line = Argv::new(&change.bytes, &change.spans);
        caller.client.db = change.db;
        if let Some(command) = commands.resolve(line) {
            // What others have done meanwhile may keep it from being done again.
            let _ = caller.execute(command, line, Protocol::Resp2, &mut reply);
            reply.clear();
        }
    }
    caller.client.db = db;
    let command = caller.admit(commands.resolve(argv), argv)?;
    if !can_be_taken_back(command) {
        return Err(error::NOT_ON_COPY);
    }
    let staged_bytes: usize = staged.iter().map(|change| change.bytes.len()).sum();
    if command.has(Flags::WRITE) && (staged.len() >= STAGED_MAX || staged_bytes >= STAGED_BYTES_MAX) {
        return Err(error::TOO_MUCH_ON_COPY);
    }
    let mark = worker.unit.borrow().mark();
    match caller.execute(command, argv, protocol, &mut reply) {
        Ok(()) => {}
        Err(CommandError::Store(ochre_store::Error::NotKept)) => return Err(error::TOO_MUCH_ON_COPY),
        Err(error) => {
            reply.clear();
            error.write(&mut ReplyWriter::new(&mut reply, protocol));
        }
    }
    caller.undo.check().map_err(|_| error::TOO_MUCH_ON_COPY)?;
    let changes = worker.unit.borrow().changes_since(&mark);
    Ok(Attempt { reply, db: caller.client.db, changes })
}

fn can_be_taken_back(command: &Command) -> bool {
    let does_more = command.has(Flags::WRITE) && changes_more_than_keys(command);
    !command.has(Flags::ADMIN) && !does_more
}

fn spans_of(command: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    // It was encoded here.
    let _ = RequestDecoder::new().decode(command, &Limits::default(), &mut spans);
    spans
}

/// Waits for something; `None`: the connection is to be closed instead.
async fn unless_gone<T>(worker: &Worker, handle: &ClientHandle, awaited: impl Future<Output = T>) -> Option<T> {
    let killed = poll_fn(|context| {
        handle.waker.register(context.waker());
        if handle.is_killed() { Poll::Ready(()) } else { Poll::Pending }
    });
    tokio::select! {
        outcome = awaited => Some(outcome),
        () = killed => None,
        () = worker.server.shutdown.asked() => None,
    }
}
