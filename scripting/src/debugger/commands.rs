//! What the client of a debugged script may ask for.

use super::session::{Session, number};
use super::show::show_value;
use crate::api::{HOST, State};
use crate::args::as_string;
use crate::{environment, raise};
use mlua::debug::DebugEvent;
use mlua::{Function, Lua, MultiValue, Result, Table, Value};
use std::cell::RefMut;
use std::time::Duration;

const HELP: &[&str] = &[
    "Commands of the Lua debugger, each by its name or its first letter:",
    "step, next          Runs one line.",
    "continue            Runs up to the next breakpoint.",
    "list [line [n]]     Shows the source around a line, or around this one: n lines before and after it.",
    "whole               Shows the whole source.",
    "print KEYS|ARGV     Shows a value. Local variables cannot be shown.",
    "break [line ...]    Lists breakpoints, or adds some. A negative line removes one, 0 removes all.",
    "trace               Shows which functions have called which.",
    "eval code           Runs Lua code, which does not see local variables.",
    "redis command       Runs a command.",
    "maxlen [bytes]      Shows or sets how long values may be; 0 is no limit.",
    "abort               Ends the script. What it has changed stays.",
    "help                Shows this.",
    "A script can call redis.debug(...), which shows values, and redis.breakpoint(), which stops it at the next line.",
];

/// A script that has not stopped for so long is stopped.
const RUN_TIME_MAX: Duration = Duration::from_secs(5);

/// Lua is about to begin a line, or has run for a while. Stops the script where it is to stop.
pub(crate) fn on_event(lua: &Lua, state: &State, event: DebugEvent, line: Option<usize>) -> Result<()> {
    let debugger = Debugger { lua, state };
    let is_late = {
        let Some(mut session) = debugger.session() else { return Ok(()) };
        session.line = line.unwrap_or(session.line);
        let stops = session.stops_here() || session.asks_to_stop;
        let is_late = event == DebugEvent::Count && !session.steps && !stops;
        if is_late && session.running_since.elapsed() < RUN_TIME_MAX {
            return Ok(());
        }
        let reason = match (session.asks_to_stop, stops, is_late) {
            (true, ..) => "redis.breakpoint() called",
            (_, true, _) => "break point",
            (_, _, true) => "timeout reached, infinite loop?",
            _ if session.steps => "step over",
            _ => return Ok(()),
        };
        (session.steps, session.asks_to_stop) = (false, false);
        let (at, text) = (session.line, format!("* Stopped at {}, stop reason = {reason}", session.line));
        session.say(text);
        session.say_line(at);
        is_late
    };
    debugger.tell();
    let is_there = debugger.obey()?;
    if !is_there && is_late {
        return raise::reply("ERR timeout during Lua debugging with client closing connection", false);
    }
    if let Some(mut session) = debugger.session() {
        session.running_since = std::time::Instant::now();
    }
    Ok(())
}

struct Debugger<'d> {
    lua: &'d Lua,
    state: &'d State,
}

impl Debugger<'_> {
    fn session(&self) -> Option<RefMut<'_, Session>> {
        RefMut::filter_map(self.state.session.borrow_mut(), Option::as_mut).ok()
    }

    fn edit(&self, change: impl FnOnce(&mut Session)) {
        if let Some(mut session) = self.session() {
            change(&mut session);
        }
    }

    /// Sends what there is to say.
    fn tell(&self) {
        let log = self.session().map(|mut session| session.take_log()).unwrap_or_default();
        HOST.with(|host| host.0.tell(log));
    }

    /// Does what the client says until the script is to go on. False: there is no client any more.
    fn obey(&self) -> Result<bool> {
        loop {
            let Some(words) = HOST.with(|host| host.0.ask()) else {
                self.edit(Session::let_run);
                return Ok(false);
            };
            let Some((command, arguments)) = words.split_first() else { continue };
            match command.to_ascii_lowercase().as_slice() {
                b"s" | b"step" | b"n" | b"next" => {
                    self.edit(|session| session.steps = true);
                    return Ok(true);
                }
                b"c" | b"continue" => return Ok(true),
                b"a" | b"abort" => return raise::reply("ERR script aborted for user request", false),
                b"h" | b"help" => self.edit(|session| HELP.iter().for_each(|line| session.say(*line))),
                b"t" | b"trace" => self.trace(),
                b"m" | b"maxlen" => {
                    let len = arguments.first().filter(|_| arguments.len() == 1);
                    self.edit(|session| session.set_len_max(len.map(Vec::as_slice)));
                }
                b"b" | b"break" => self.edit(|session| session.breakpoints(arguments)),
                b"e" | b"eval" => self.evaluate(&arguments.join(b" ".as_slice()))?,
                b"r" | b"redis" if !arguments.is_empty() => self.call(arguments)?,
                b"p" | b"print" => self.print(arguments.first())?,
                b"l" | b"list" => {
                    let given = |index: usize| {
                        let number = number(arguments.get(index)?).unwrap_or_default();
                        usize::try_from(number).ok()
                    };
                    let around = given(0).filter(|&line| line > 0);
                    self.edit(|session| session.list(around, given(1)));
                }
                b"w" | b"whole" => self.edit(|session| session.list(Some(1), Some(usize::MAX))),
                _ => self.edit(|session| {
                    session.say("<error> Unknown Redis Lua debugger command or wrong number of arguments.");
                }),
            }
            self.tell();
        }
    }

    fn trace(&self) {
        // Level 0 is the function that is about to begin a line.
        for level in 0.. {
            let frame = self.lua.inspect_stack(level, |debug| {
                let is_script = debug.source().short_src.is_some_and(|name| name.contains("user_script"));
                let name = debug.names().name.map(|name| name.into_owned());
                is_script.then(|| (name, debug.current_line().unwrap_or_default()))
            });
            let Some(frame) = frame else { return };
            let Some((name, line)) = frame else { continue };
            let (verb, name) = (if level == 0 { "In" } else { "From" }, name.unwrap_or_else(|| "top level".to_owned()));
            self.edit(|session| {
                session.say(format!("{verb} {name}:"));
                session.say_line(line);
            });
        }
    }

    fn evaluate(&self, code: &[u8]) -> Result<()> {
        let expression = [b"return ", code].concat();
        let compiled = environment::compile(self.lua, &expression, "@ldb_eval")
            .or_else(|_| environment::compile(self.lua, code, "@ldb_eval"));
        let outcome = match compiled {
            Ok(function) => self.attempt(function, Vec::new())?,
            Err(why) => Err(why.into_bytes()),
        };
        match outcome {
            Ok(value) => self.say_value("<retval> ", &value)?,
            Err(why) => self.edit(|session| session.say([b"<error> ", why.as_slice()].concat())),
        }
        Ok(())
    }

    /// Calls a function; what it raised, as text.
    fn attempt(&self, function: Function, arguments: Vec<Value>) -> Result<std::result::Result<Value, Vec<u8>>> {
        let pcall: Function = self.lua.globals().get("pcall")?;
        let values = std::iter::once(Value::Function(function)).chain(arguments);
        let (is_done, value): (bool, Value) = pcall.call(values.collect::<MultiValue>())?;
        if is_done {
            return Ok(Ok(value));
        }
        let text = as_string(self.lua, &value)?;
        Ok(Err(text.map(|text| text.as_bytes().to_vec()).unwrap_or_default()))
    }

    /// Has the script's own function call a command: it says what it does, as it does in steps.
    fn call(&self, arguments: &[Vec<u8>]) -> Result<()> {
        let call: Function = self.lua.globals().get::<Table>("redis")?.get("call")?;
        let arguments = arguments.iter().map(|argument| self.lua.create_string(argument).map(Value::String));
        let arguments = arguments.collect::<Result<Vec<_>>>()?;
        self.edit(|session| session.steps = true);
        // The outcome has been said.
        let _ = self.attempt(call, arguments)?;
        self.edit(|session| session.steps = false);
        Ok(())
    }

    fn print(&self, name: Option<&Vec<u8>>) -> Result<()> {
        match name.map(Vec::as_slice) {
            Some(name @ (b"KEYS" | b"ARGV")) => {
                let value: Value = self.lua.globals().get(self.lua.create_string(name)?)?;
                self.say_value("<value> ", &value)?;
            }
            _ => self.edit(|session| session.say("<error> Local variables cannot be shown, only KEYS and ARGV.")),
        }
        Ok(())
    }

    fn say_value(&self, prefix: &str, value: &Value) -> Result<()> {
        let mut text = Vec::new();
        show_value(self.lua, value, &mut text)?;
        self.edit(|session| session.say_value(prefix, &text));
        Ok(())
    }
}
