//! One Lua state and the scripts that are compiled in it.

use crate::api::Ending;
use crate::api::{self, Current, HOST, State};
use crate::args::as_string;
use crate::bound::{Binder, Binding, Bound};
use crate::debugger::Session;
use crate::environment;
use crate::host::Host;
use crate::library::{FunctionInfo, LibraryError, LibraryHeader, Loading};
use crate::result::{self, Errors};
use crate::sandbox::{self, Sandbox};
use bstr::ByteSlice;
use mlua::state::{GcIncParams, GcMode};
use mlua::{Either, FromLuaMulti, Function, IntoLua, Lua, Table, Value, Variadic};
use ochre_resp::reply::DoubleFormat;
use ochre_resp::{Protocol, ReplyWriter};
use std::cell::Cell;
use std::rc::Rc;

/// What scripts are told of the server, and how it does things.
#[derive(Clone, Copy, Debug)]
pub struct VmOptions {
    /// The version of Redis that the server stands for: `7.2.4`.
    pub redis_version: &'static str,
    /// The server's own name.
    pub server_name: &'static str,
    /// The server's own version.
    pub server_version: &'static str,
    /// Where `math.random` begins.
    pub seed: u32,
    /// How numbers become arguments of commands.
    pub doubles: DoubleFormat,
    /// Whether there are `newproxy`, `getfenv` and `setfenv`.
    pub insecure: bool,
}

impl Default for VmOptions {
    /// Those of a server of version 7.2 that has changed nothing.
    fn default() -> VmOptions {
        VmOptions {
            redis_version: "7.2.4",
            server_name: "ochre",
            server_version: env!("CARGO_PKG_VERSION"),
            seed: 1,
            doubles: DoubleFormat::Shortest,
            insecure: false,
        }
    }
}

/// A Lua state with the globals of scripts. It stays on its thread.
pub struct Vm {
    run: Function,
    /// As `run`, for scripts with so many keys: these follow the script, and the arguments follow them.
    run_spread: Vec<Function>,
    binder: Binder,
    load: Option<(Function, Function)>,
    state: Rc<State>,
    runs: Cell<u32>,
    memory_limit: Cell<usize>,
    // The last to go.
    lua: Lua,
}

/// A compiled script, or a function of a library. It belongs to its [`Vm`].
#[derive(Clone)]
pub struct Script {
    function: Function,
    /// It gets keys and arguments handed over, where a script finds them among its globals.
    is_function: bool,
    binding: Rc<Binding>,
}

/// A library whose code has run. It belongs to its [`Vm`].
pub struct LoadedLibrary {
    /// Its functions, in the order in which they were registered.
    pub functions: Vec<FunctionInfo>,
    callbacks: Table,
}

impl LoadedLibrary {
    /// The function of that name.
    pub fn script(&self, name: &[u8]) -> Option<Script> {
        let name = self.callbacks.weak_lua().try_upgrade()?.create_string(name).ok()?;
        let function = self.callbacks.raw_get(name).ok()?;
        Some(Script { function, is_function: true, binding: Rc::default() })
    }
}

/// How messages name the script that runs.
#[derive(Clone, Copy, Debug)]
pub struct Names<'n> {
    /// The SHA-1 of a script, or the name of a function.
    pub script: &'n str,
    /// The source of a script that may run again, which is then made to run faster.
    pub source: Option<&'n [u8]>,
}

/// How a script ended.
#[derive(Debug)]
pub enum Outcome {
    /// Its reply is written.
    Replied(Errors),
    /// The host had it ended ([`Refusal::Abort`](crate::Refusal::Abort)). Nothing is written.
    Aborted,
}

/// A string for Lua. Text goes straight onto its stack.
fn string(bytes: &[u8]) -> Either<&str, Bytes<'_>> {
    match bytes.to_str() {
        Ok(text) => Either::Left(text),
        Err(_) => Either::Right(Bytes(bytes)),
    }
}

/// A string of Lua that is no text.
struct Bytes<'b>(&'b [u8]);

impl IntoLua for Bytes<'_> {
    fn into_lua(self, lua: &Lua) -> mlua::Result<Value> {
        Ok(Value::String(lua.create_string(self.0)?))
    }
}

/// Calls a function with strings. Few of them need no list.
fn call_with<'a, R: FromLuaMulti>(function: &Function, mut items: impl Iterator<Item = &'a [u8]>) -> mlua::Result<R> {
    match [items.next(), items.next(), items.next(), items.next()].map(|item| item.map(string)) {
        [None, ..] => function.call(()),
        [Some(first), None, ..] => function.call(first),
        [Some(first), Some(second), None, _] => function.call((first, second)),
        [Some(first), Some(second), Some(third), None] => function.call((first, second, third)),
        four => function.call(four.into_iter().flatten().chain(items.map(string)).collect::<Variadic<_>>()),
    }
}

/// After so many scripts the collector goes a step, as that of Redis does.
const RUNS_A_STEP: u32 = 50;
/// Scripts with more arguments get them in tables that are made for them.
const SPREAD_MAX: usize = 40;

impl Vm {
    /// A fresh state.
    ///
    /// # Errors
    /// If there is not enough memory: in words.
    pub fn new(options: &VmOptions) -> Result<Vm, String> {
        Vm::create(options, false)
    }

    /// A fresh state for libraries of functions.
    ///
    /// # Errors
    /// As [`new`](Vm::new).
    pub fn for_functions(options: &VmOptions) -> Result<Vm, String> {
        Vm::create(options, true)
    }

    fn create(options: &VmOptions, for_functions: bool) -> Result<Vm, String> {
        let state = State::new(options.doubles);
        let create = || {
            let Sandbox { lua, run, run_spread, binder, load } = sandbox::create(options, &state, for_functions)?;
            api::watch(&lua, &state)?;
            let (runs, memory_limit) = (Cell::new(0), Cell::new(0));
            Ok(Vm { run, run_spread, binder, load, state: state.clone(), runs, memory_limit, lua })
        };
        create().map_err(|error: mlua::Error| error.to_string())
    }

    /// Compiles a script.
    ///
    /// # Errors
    /// The compiler's complaint.
    pub fn compile(&self, source: &[u8]) -> Result<Script, String> {
        self.chunk(source, "@user_script").map(|function| Script {
            function,
            is_function: false,
            binding: Rc::default(),
        })
    }

    /// Runs the code of a library, which registers its functions.
    ///
    /// # Errors
    /// [`LibraryError`] if there is something wrong with it, or no function.
    pub fn load_library(&self, code: &[u8]) -> Result<LoadedLibrary, LibraryError> {
        let header = LibraryHeader::parse(code)?;
        let code = code.get(header.len..).unwrap_or_default();
        let code = self.chunk(code, "@user_function").map_err(LibraryError::Compile)?;
        let run = || -> mlua::Result<(Option<Loading>, bool, Value)> {
            let callbacks = self.lua.create_table()?;
            let started = std::time::Instant::now();
            *self.state.loading.borrow_mut() = Some(Loading { functions: Vec::new(), callbacks, started });
            self.state.ending.set(None);
            let (load, show_globals) =
                self.load.as_ref().ok_or_else(|| mlua::Error::runtime("no state for functions"))?;
            let result = load.call(code);
            let loading = self.state.loading.borrow_mut().take();
            self.end_hooks();
            show_globals.call::<()>(())?;
            let (done, raised): (bool, Value) = result?;
            Ok((loading, done, raised))
        };
        let (loading, done, raised) = run().map_err(|error| LibraryError::Register(format!("ERR {error}")))?;
        if !done {
            let text = match &raised {
                Value::Table(table) => as_string(&self.lua, &table.raw_get("err").unwrap_or_default()),
                other => as_string(&self.lua, other),
            };
            let text = text.ok().flatten().map(|text| text.to_string_lossy()).unwrap_or_default();
            let is_table = matches!(raised, Value::Table(_));
            return Err(LibraryError::Register(if is_table { text } else { format!("ERR {text}") }));
        }
        match loading {
            Some(Loading { functions, callbacks, .. }) if !functions.is_empty() => {
                Ok(LoadedLibrary { functions, callbacks })
            }
            _ => Err(LibraryError::Empty),
        }
    }

    fn chunk(&self, source: &[u8], name: &str) -> Result<Function, String> {
        environment::compile(&self.lua, source, name)
    }

    /// Runs a script and writes its reply, or the error that ended it.
    pub fn run<'a>(
        &self,
        script: &Script,
        names: Names<'_>,
        keys: impl ExactSizeIterator<Item = &'a [u8]>,
        arguments: impl ExactSizeIterator<Item = &'a [u8]>,
        host: &mut dyn Host,
        reply: &mut ReplyWriter<'_>,
    ) -> Outcome {
        self.state.protocol.set(Protocol::Resp2);
        self.state.ending.set(None);
        let run = || -> mlua::Result<(bool, Value)> {
            let bound = self.bound(script, names.source, keys.len(), arguments.len());
            self.state.shares_tables.set(bound.is_some_and(|bound| bound.shares_tables));
            if let Some(bound) = bound {
                return call_with(&bound.run, keys.chain(arguments));
            }
            if let Some(spread) = self.run_spread.get(keys.len())
                && arguments.len() <= SPREAD_MAX
                && !script.is_function
            {
                let items: Variadic<_> = keys.chain(arguments).map(string).collect();
                return spread.call((&script.function, items));
            }
            let (keys, arguments) = (self.list(keys)?, self.list(arguments)?);
            self.run.call((&script.function, &keys, &arguments, script.is_function))
        };
        let result = HOST.set(Current(host), run);
        let ending = self.end_hooks();
        self.collect();
        if ending == Some(Ending::Aborted) {
            return Outcome::Aborted;
        }
        let mut errors = Errors::default();
        let start = reply.position();
        let written = match result {
            Ok((true, value)) => result::write(&self.lua, value, self.state.protocol.get(), reply, &mut errors),
            Ok((false, raised)) => self.fail(raised, names, reply, &mut errors),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            reply.rewind(start);
            let text = format!("ERR Error running script {}, {error:.100}", names.script);
            reply.error(&text);
            errors = Errors { any: true, uncounted: vec![text.into_bytes()] };
        }
        Outcome::Replied(errors)
    }

    fn bound<'s>(&self, script: &'s Script, source: Option<&[u8]>, keys: usize, arguments: usize) -> Option<&'s Bound> {
        let source = source.filter(|_| !script.is_function)?;
        script.binding.get((&self.lua, &self.binder), (&script.function, source), keys, arguments)
    }

    /// As [`run`](Vm::run), with the script in the debugger, which shows its client that source.
    #[allow(clippy::too_many_arguments)]
    pub fn debug<'a>(
        &self,
        script: &Script,
        source: &[u8],
        names: Names<'_>,
        keys: impl ExactSizeIterator<Item = &'a [u8]>,
        arguments: impl ExactSizeIterator<Item = &'a [u8]>,
        host: &mut dyn Host,
        reply: &mut ReplyWriter<'_>,
    ) -> Outcome {
        *self.state.session.borrow_mut() = Some(Session::new(source));
        let _ = api::watch_lines(&self.lua, &self.state);
        let outcome = self.run(script, Names { source: None, ..names }, keys, arguments, host, reply);
        self.lua.remove_hook();
        let _ = api::watch(&self.lua, &self.state);
        let session = self.state.session.borrow_mut().take();
        let mut log = session.map(|mut session| session.take_log()).unwrap_or_default();
        log.push(b"<endsession>".to_vec());
        host.tell(log);
        outcome
    }

    /// If something was ended: the hook that did it goes. Returns why it was ended.
    fn end_hooks(&self) -> Option<Ending> {
        let ending = self.state.ending.get();
        if ending.is_some() {
            self.lua.remove_hook();
            let _ = api::watch(&self.lua, &self.state);
        }
        ending
    }

    /// Bytes that Lua has allocated.
    pub fn used_memory(&self) -> usize {
        self.lua.used_memory()
    }

    /// Sets how numbers become arguments of commands.
    pub fn set_doubles(&self, doubles: DoubleFormat) {
        self.state.doubles.set(doubles);
    }

    /// Sets how many bytes Lua may allocate; 0 is no limit. Under a limit everything takes a little longer.
    pub fn set_memory_limit(&self, limit: usize) {
        if self.memory_limit.replace(limit) != limit {
            // It is refused only where Lua does not allocate by itself.
            let _ = self.lua.set_memory_limit(limit);
        }
    }

    fn list<'a>(&self, items: impl ExactSizeIterator<Item = &'a [u8]>) -> mlua::Result<Table> {
        self.lua.create_sequence_from(items.map(string))
    }

    fn collect(&self) {
        if self.state.is_collector_tuned.take() {
            let usual = GcIncParams::default().pause(200).step_multiplier(200);
            self.lua.gc_set_mode(GcMode::Incremental(usual));
            self.lua.gc_restart();
        }
        let limit = self.memory_limit.get();
        if limit > 0 && self.used_memory() > limit / 2 {
            // Lua gives up when it meets the limit, however much of that is garbage.
            let _ = self.lua.gc_collect();
        }
        self.runs.set(self.runs.get() + 1);
        if self.runs.get() >= RUNS_A_STEP {
            self.runs.set(0);
            let _ = self.lua.gc_step();
        }
    }

    /// Answers with what ended a script.
    fn fail(
        &self,
        raised: Value,
        names: Names<'_>,
        reply: &mut ReplyWriter<'_>,
        errors: &mut Errors,
    ) -> mlua::Result<()> {
        let mut counted = false;
        let text = match &raised {
            Value::Table(table) => {
                counted = matches!(table.raw_get("ignore_error_stats_update")?, Value::Boolean(true));
                let field = |name: &str| -> mlua::Result<Option<Vec<u8>>> {
                    Ok(as_string(&self.lua, &table.raw_get(name)?)?.map(|text| text.as_bytes().to_vec()))
                };
                let mut text = field("err")?.unwrap_or_default();
                if let (Some(source), Some(line)) = (field("source")?, field("line")?) {
                    text.extend_from_slice(format!(" script: {}, on ", names.script).as_bytes());
                    text.extend_from_slice(&[&source, b":".as_slice(), &line, b"."].concat());
                }
                text
            }
            other => {
                let message = as_string(&self.lua, other)?;
                let message = message.map_or(b"execution failure".to_vec(), |text| text.as_bytes().to_vec());
                let message = message.get(..100).unwrap_or(&message);
                [format!("ERR Error running script {}, ", names.script).as_bytes(), message].concat()
            }
        };
        reply.error(&text);
        errors.any = true;
        if !counted {
            errors.uncounted.push(text);
        }
        Ok(())
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = self.lua.gc_collect();
    }
}
