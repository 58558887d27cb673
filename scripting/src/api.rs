//! The table `redis` (and `server`) of scripts.

use crate::args::{Args, as_number, as_string, function};
use crate::debugger::{self, Session};
use crate::host::{Host, LogLevel, Refusal, Replicate};
use crate::library::{self, Loading};
use crate::names::CommandNames;
use crate::raise;
use crate::reply::{self, Words};
use crate::vm::VmOptions;
use mlua::debug::DebugEvent;
use mlua::{HookTriggers, Lua, Result, Table, Value, VmState};
use ochre_resp::reply::{DoubleFormat, write_double};
use ochre_resp::{Protocol, Span};
use scoped_tls_hkt::{ReborrowMut, scoped_thread_local};
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// The host of the script that this thread runs.
pub(crate) struct Current<'h>(pub(crate) &'h mut (dyn Host + 'h));

impl<'h> ReborrowMut<'h> for Current<'_> {
    type Result = Current<'h>;
    fn reborrow_mut(&'h mut self) -> Current<'h> {
        Current(&mut *self.0)
    }
}

scoped_thread_local!(pub(crate) static mut HOST: for<'h> Current<'h>);

/// What the functions of one state share.
pub(crate) struct State {
    /// The version that `redis.setresp` has chosen.
    pub(crate) protocol: Cell<Protocol>,
    /// Why the script must end, if it must.
    pub(crate) ending: Cell<Option<Ending>>,
    pub(crate) doubles: Cell<DoubleFormat>,
    /// Replies that are equal may be the same table.
    pub(crate) shares_tables: Cell<bool>,
    /// The script has told the collector when to work.
    pub(crate) is_collector_tuned: Cell<bool>,
    /// The library that is being loaded.
    pub(crate) loading: RefCell<Option<Loading>>,
    /// While a script is debugged.
    pub(crate) session: RefCell<Option<Session>>,
    call: RefCell<Call>,
    words: OnceCell<Words>,
}

/// Why a script must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The host says so.
    Aborted,
    /// Somebody has killed it.
    Killed,
    /// It is a library that takes too long to load.
    Timeout,
}

/// A command that is being called: its buffers are used again.
#[derive(Default)]
struct Call {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    reply: Vec<u8>,
    names: CommandNames,
}

/// Buffers that grew larger are not kept.
const BUFFER_KEPT: usize = 64 * 1024;

impl State {
    pub(crate) fn new(doubles: DoubleFormat) -> Rc<State> {
        Rc::new(State {
            protocol: Cell::default(),
            ending: Cell::default(),
            doubles: Cell::new(doubles),
            shares_tables: Cell::default(),
            is_collector_tuned: Cell::default(),
            loading: RefCell::default(),
            session: RefCell::default(),
            call: RefCell::default(),
            words: OnceCell::new(),
        })
    }

    fn words(&self, lua: &Lua) -> Result<&Words> {
        if let Some(words) = self.words.get() {
            return Ok(words);
        }
        let words = Words::new(lua)?;
        Ok(self.words.get_or_init(|| words))
    }

    /// Does something with the session of a script that is debugged.
    pub(crate) fn debug(&self, change: impl FnOnce(&mut Session)) {
        if let Some(session) = &mut *self.session.borrow_mut() {
            change(session);
        }
    }

    /// Has the script end, whatever it catches.
    fn end<T>(&self, lua: &Lua, ending: Ending) -> Result<T> {
        if self.ending.get().is_none() {
            self.ending.set(Some(ending));
        }
        let raise = match ending {
            Ending::Timeout => load_timeout,
            Ending::Aborted | Ending::Killed => killed,
        };
        lua.set_hook(HookTriggers::EVERY_LINE, move |_, _| raise())?;
        raise().and_then(|_| killed())
    }
}

fn load_timeout<T>() -> Result<T> {
    raise::reply("ERR FUNCTION LOAD timeout", false)
}

fn killed<T>() -> Result<T> {
    raise::reply("ERR Script killed by user with SCRIPT KILL...", false)
}

/// How long the code of a library may run when it is loaded.
const LOAD_TIME_MAX: Duration = Duration::from_millis(500);

/// How often scripts that take long are looked after.
const LONG: HookTriggers = HookTriggers::new().every_nth_instruction(100_000);

/// Has the host asked now and then whether the script is to end.
pub(crate) fn watch(lua: &Lua, state: &Rc<State>) -> Result<()> {
    let state = state.clone();
    lua.set_global_hook(LONG, move |lua, _| look_after(lua, &state).map(|()| VmState::Continue))
}

/// As [`watch`], and has the script stop where the debugger wants it to.
pub(crate) fn watch_lines(lua: &Lua, state: &Rc<State>) -> Result<()> {
    let state = state.clone();
    lua.set_hook(LONG.every_line(), move |lua, debug| {
        if debug.event() == DebugEvent::Count {
            look_after(lua, &state)?;
        } else if state.ending.get().is_some() {
            return killed();
        }
        if debug.source().short_src.is_some_and(|name| name.contains("user_script")) {
            debugger::on_event(lua, &state, debug.event(), debug.current_line())?;
        }
        Ok(VmState::Continue)
    })
}

/// A script has run for some while.
fn look_after(lua: &Lua, state: &State) -> Result<()> {
    if state.ending.get().is_some() {
        return killed();
    }
    let is_late = |loading: &Loading| loading.started.elapsed() > LOAD_TIME_MAX;
    if state.loading.borrow().as_ref().is_some_and(is_late) {
        return state.end(lua, Ending::Timeout);
    }
    if HOST.is_set() && HOST.with(|host| host.0.interrupt()) {
        return state.end(lua, Ending::Killed);
    }
    Ok(())
}

pub(crate) fn library(lua: &Lua, options: &VmOptions, state: &Rc<State>) -> Result<Table> {
    let table = lua.create_table()?;
    let shared = state.clone();
    table.raw_set("call", function(lua, "call", move |args| call(&args, &shared, true))?)?;
    let shared = state.clone();
    table.raw_set("pcall", function(lua, "pcall", move |args| call(&args, &shared, false))?)?;
    let shared = state.clone();
    table.raw_set("acl_check_cmd", function(lua, "acl_check_cmd", move |args| may_call(&args, &shared))?)?;
    let shared = state.clone();
    table.raw_set("setresp", function(lua, "setresp", move |args| set_protocol(&args, &shared))?)?;
    table.raw_set("set_repl", function(lua, "set_repl", |args| set_replication(&args))?)?;
    table.raw_set("sha1hex", function(lua, "sha1hex", |args| sha1_hex(&args))?)?;
    table.raw_set("error_reply", function(lua, "error_reply", |args| error_reply(&args))?)?;
    table.raw_set("status_reply", function(lua, "status_reply", |args| status_reply(&args))?)?;
    table.raw_set("replicate_commands", function(lua, "replicate_commands", |_| Ok(true))?)?;
    let shared = state.clone();
    let breakpoint = move |_: Args<'_>| {
        shared.debug(|session| session.asks_to_stop = true);
        Ok(shared.session.borrow().is_some())
    };
    table.raw_set("breakpoint", function(lua, "breakpoint", breakpoint)?)?;
    let shared = state.clone();
    table.raw_set("debug", function(lua, "debug", move |args| debug(&args, &shared))?)?;
    let targets = [("REPL_NONE", 0), ("REPL_AOF", 1), ("REPL_SLAVE", 2), ("REPL_REPLICA", 2), ("REPL_ALL", 3)];
    for (name, flags) in targets {
        table.raw_set(name, flags)?;
    }
    add_common(lua, &table, options)?;
    Ok(table)
}

/// The table `redis` of a library that is being loaded.
pub(crate) fn loading_library(lua: &Lua, options: &VmOptions, state: &Rc<State>) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("register_function", library::register_function(lua, state)?)?;
    add_common(lua, &table, options)?;
    Ok(table)
}

/// What is there while a library is loaded, too.
fn add_common(lua: &Lua, table: &Table, options: &VmOptions) -> Result<()> {
    table.raw_set("log", function(lua, "log", |args| log(&args))?)?;
    for (level, name) in ["LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"].into_iter().enumerate() {
        table.raw_set(name, level)?;
    }
    table.raw_set("REDIS_VERSION", options.redis_version)?;
    table.raw_set("REDIS_VERSION_NUM", version_number(options.redis_version))?;
    table.raw_set("SERVER_NAME", options.server_name)?;
    table.raw_set("SERVER_VERSION", options.server_version)?;
    table.raw_set("SERVER_VERSION_NUM", version_number(options.server_version))?;
    Ok(())
}

/// `1.2.3` as 0x00010203.
fn version_number(version: &str) -> u32 {
    version.split('.').take(3).fold(0, |number, part| number << 8 | part.parse::<u32>().unwrap_or_default() & 255)
}

/// Runs a closure with the host; an error where no script runs.
fn with_host<T>(what: &str, body: impl FnOnce(&mut dyn Host) -> Result<T>) -> Result<T> {
    if !HOST.is_set() {
        return raise::reply(format!("ERR {what} can only be called inside a script invocation"), false);
    }
    HOST.with(|host| body(host.0))
}

fn call(args: &Args<'_>, state: &State, raises: bool) -> Result<Value> {
    with_host("redis.call/pcall", |host| {
        if state.ending.get().is_some() {
            return killed();
        }
        let call = &mut *state.call.borrow_mut();
        let fail = |text: &str, counted| match raises {
            true => raise::reply(text, counted),
            false => raise::table(args.lua, text.as_bytes(), counted),
        };
        if let Err(text) = call.read(args, state.doubles.get())? {
            return fail(text, false);
        }
        call.reply.clear();
        let is_shown = state.session.borrow().as_ref().is_some_and(|session| session.steps);
        if is_shown {
            let words: Vec<&[u8]> = call.spans.iter().map(|span| span.of(&call.bytes)).collect();
            state.debug(|session| session.say_value("<redis> ", &words.join(b" ".as_slice())));
        }
        let Call { bytes, spans, reply, names } = &mut *call;
        match host.call(names.known(), bytes, spans, state.protocol.get(), reply) {
            Ok(()) if is_shown => {
                if call.reply.starts_with(b"-") {
                    let line = call.reply.strip_suffix(b"\r\n").unwrap_or(&call.reply);
                    state.debug(|session| session.say([b"<error> ", line].concat()));
                }
                let mut text = Vec::new();
                debugger::show_reply(&call.reply, &mut text);
                state.debug(|session| session.say_value("<reply> ", &text));
            }
            Ok(()) => {}
            Err(Refusal::Because(text)) => {
                if is_shown {
                    let text = text.strip_prefix("ERR ").unwrap_or(&text);
                    state.debug(|session| session.say(format!("<error> {text}")));
                }
                return fail(&text, true);
            }
            Err(Refusal::Abort) => return state.end(args.lua, Ending::Aborted),
            Err(Refusal::Kill) => return state.end(args.lua, Ending::Killed),
        }
        let result = match call.reply.strip_prefix(b"-") {
            Some(_) if raises => {
                let line = call.reply.strip_suffix(b"\r\n").unwrap_or(&call.reply);
                raise::reply(raise::with_code(line), true)
            }
            _ => reply::value(args.lua, state.words(args.lua)?, &call.reply, state.shares_tables.get()),
        };
        call.tidy();
        result
    })
}

impl Call {
    /// Takes the arguments over; a text if they are none for a command.
    fn read(&mut self, args: &Args<'_>, doubles: DoubleFormat) -> Result<std::result::Result<(), &'static str>> {
        self.bytes.clear();
        self.spans.clear();
        self.names.forget();
        if args.len() == 0 {
            return Ok(Err("ERR Please specify at least one argument for this redis lib call"));
        }
        for value in args.values.iter() {
            let start = self.bytes.len();
            match value {
                Value::String(name) if start == 0 => self.names.read(name, &mut self.bytes),
                Value::String(string) => self.bytes.extend_from_slice(&string.as_bytes()),
                Value::Integer(number) if doubles == DoubleFormat::Shortest => {
                    self.bytes.extend_from_slice(number.to_string().as_bytes());
                }
                Value::Integer(number) => write_double(&mut self.bytes, *number as f64, doubles),
                Value::Number(number) => write_double(&mut self.bytes, *number, doubles),
                _ => return Ok(Err("ERR Lua redis lib command arguments must be strings or integers")),
            }
            self.spans.push(Span { start, end: self.bytes.len() });
        }
        Ok(Ok(()))
    }

    fn tidy(&mut self) {
        for buffer in [&mut self.bytes, &mut self.reply] {
            if buffer.capacity() > BUFFER_KEPT {
                *buffer = Vec::new();
            }
        }
        self.spans.shrink_to(BUFFER_KEPT / size_of::<Span>());
    }
}

fn may_call(args: &Args<'_>, state: &State) -> Result<bool> {
    with_host("redis.acl_check_cmd", |host| {
        let call = &mut *state.call.borrow_mut();
        if let Err(text) = call.read(args, state.doubles.get())? {
            return raise::reply(text, false);
        }
        match host.may_call(&call.bytes, &call.spans) {
            Some(may) => Ok(may),
            None => raise::reply("ERR Invalid command passed to redis.acl_check_cmd()", false),
        }
    })
}

fn set_protocol(args: &Args<'_>, state: &State) -> Result<()> {
    with_host("redis.setresp", |_| {
        if args.len() != 1 {
            return raise::reply("ERR redis.setresp() requires one argument.", false);
        }
        match as_number(args.lua, args.value(0)).unwrap_or_default() as i64 {
            2 => state.protocol.set(Protocol::Resp2),
            3 => state.protocol.set(Protocol::Resp3),
            _ => return raise::reply("ERR RESP version must be 2 or 3.", false),
        }
        Ok(())
    })
}

fn set_replication(args: &Args<'_>) -> Result<()> {
    with_host("redis.set_repl", |host| {
        if args.len() != 1 {
            return raise::reply("ERR redis.set_repl() requires two arguments.", false);
        }
        let flags = as_number(args.lua, args.value(0)).unwrap_or_default() as i64;
        if flags & !3 != 0 {
            let text = "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
            return raise::reply(text, false);
        }
        host.replicate(Replicate { file: flags & 1 != 0, replicas: flags & 2 != 0 });
        Ok(())
    })
}

fn log(args: &Args<'_>) -> Result<()> {
    if args.len() < 2 {
        return raise::reply("ERR redis.log() requires two arguments or more.", false);
    }
    let Some(level) = args.as_number(0) else {
        return raise::reply("ERR First argument must be a number (log level).", false);
    };
    let level = match level as i64 {
        0 => LogLevel::Debug,
        1 => LogLevel::Verbose,
        2 => LogLevel::Notice,
        3 => LogLevel::Warning,
        _ => return raise::reply("ERR Invalid debug level.", false),
    };
    let mut text = Vec::new();
    for (index, value) in args.values.iter().enumerate().skip(1) {
        if let Some(part) = as_string(args.lua, value)? {
            if index > 1 {
                text.push(b' ');
            }
            text.extend_from_slice(&part.as_bytes());
        }
    }
    if HOST.is_set() {
        HOST.with(|host| host.0.log(level, &text));
    }
    Ok(())
}

fn debug(args: &Args<'_>, state: &State) -> Result<()> {
    if state.session.borrow().is_none() {
        return Ok(());
    }
    let mut text = Vec::new();
    for (index, value) in args.values.iter().enumerate() {
        if index > 0 {
            text.extend_from_slice(b", ");
        }
        debugger::show_value(args.lua, value, &mut text)?;
    }
    state.debug(|session| session.say_debug(&text));
    Ok(())
}

fn sha1_hex(args: &Args<'_>) -> Result<Value> {
    if args.len() != 1 {
        return raise::reply("ERR wrong number of arguments", false);
    }
    let digest = match as_string(args.lua, args.value(0))? {
        Some(text) => crate::sha1_hex(&text.as_bytes()),
        None => crate::sha1_hex(b""),
    };
    Ok(Value::String(args.lua.create_string(digest)?))
}

fn error_reply(args: &Args<'_>) -> Result<Value> {
    let [Value::String(text)] = args.values.iter().collect::<Vec<_>>()[..] else { return wrong_arguments(args) };
    let text = text.as_bytes();
    let text = if text.starts_with(b"-") { text.to_vec() } else { [b"-", &*text].concat() };
    raise::table(args.lua, &raise::with_code(&text), false)
}

fn status_reply(args: &Args<'_>) -> Result<Value> {
    let [Value::String(text)] = args.values.iter().collect::<Vec<_>>()[..] else { return wrong_arguments(args) };
    let table = args.lua.create_table_with_capacity(0, 1)?;
    table.raw_set("ok", text)?;
    Ok(Value::Table(table))
}

fn wrong_arguments(args: &Args<'_>) -> Result<Value> {
    raise::table(args.lua, b"ERR wrong number or type of arguments", false)
}
