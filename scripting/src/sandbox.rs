//! The globals of scripts.

use crate::api::{self, State};
use crate::args::function;
use crate::bound::Binder;
use crate::random::{self, Generator};
use crate::vm::VmOptions;
use crate::{bits, environment, json, msgpack, packing, raise};
use mlua::{Function, Lua, LuaOptions, Result, StdLib, Table, Value};
use std::rc::Rc;

/// Globals that scripts may see; whatever else Lua brings is removed.
const ALLOWED: &[&str] = &[
    "_G",
    "_VERSION",
    "assert",
    "collectgarbage",
    "coroutine",
    "error",
    "gcinfo",
    "getmetatable",
    "ipairs",
    "load",
    "loadstring",
    "math",
    "next",
    "pairs",
    "pcall",
    "rawequal",
    "rawget",
    "rawset",
    "select",
    "setmetatable",
    "string",
    "table",
    "tonumber",
    "tostring",
    "type",
    "unpack",
    "xpcall",
];

/// What scripts see only where it is wanted: one can do harm with it.
const INSECURE: &[&str] = &["getfenv", "newproxy", "setfenv"];

/// Guards the globals, and gives the function that runs a script: `run(script, keys, arguments)`, or
/// `run(function, keys, arguments, true)`, which gets these as arguments; and a list of those that run a script with so
/// many keys: `run_1(script, key, ...)`.
const SET_UP: &[u8] = include_bytes!("sandbox.lua");
/// How messages of Lua name functions of `SET_UP`.
pub(crate) const SET_UP_NAME: &str = "sandbox";

/// A state for scripts.
pub(crate) struct Sandbox {
    pub(crate) lua: Lua,
    /// Runs a script.
    pub(crate) run: Function,
    /// Run one that has no key, one, two.
    pub(crate) run_spread: Vec<Function>,
    pub(crate) binder: Binder,
    /// Runs the code of a library, and shows it the usual globals afterwards; only where there are libraries.
    pub(crate) load: Option<(Function, Function)>,
}

/// Makes a state for scripts, or for functions.
pub(crate) fn create(options: &VmOptions, state: &Rc<State>, for_functions: bool) -> Result<Sandbox> {
    let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
    // A panic ends the process before anybody could catch it.
    let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(true))?;
    let globals = lua.globals();
    let clock: Function = globals.get::<Table>("os")?.get("clock")?;
    for (name, _) in globals.pairs::<String, Value>().collect::<Result<Vec<_>>>()? {
        let is_allowed = ALLOWED.contains(&name.as_str()) || options.insecure && INSECURE.contains(&name.as_str());
        if !is_allowed {
            globals.raw_set(name, Value::Nil)?;
        }
    }
    environment::replace(&lua, &globals, state)?;
    let xpcall = globals.raw_get("xpcall")?;
    let os = lua.create_table()?;
    os.raw_set("clock", clock)?;
    globals.raw_set("os", os)?;
    let math: Table = globals.get("math")?;
    let generator = Rc::new(Generator::new(options.seed));
    math.raw_set("random", random::random(&lua, generator.clone())?)?;
    math.raw_set("randomseed", random::randomseed(&lua, generator)?)?;
    globals.raw_set("bit", bits::library(&lua)?)?;
    globals.raw_set("cjson", json::library(&lua)?)?;
    globals.raw_set("cmsgpack", msgpack::library(&lua)?)?;
    globals.raw_set("struct", packing::library(&lua)?)?;
    let api = api::library(&lua, options, state)?;
    globals.raw_set("redis", &api)?;
    globals.raw_set("server", &api)?;
    let handler = lua.create_function(describe)?;
    globals.raw_set("__redis__err__handler", &handler)?;
    let missing = function(&lua, "__index", |args| missing(&args))?;
    let names_missing = |table: &Table| -> Result<()> {
        let metatable = lua.create_table()?;
        metatable.raw_set("__index", &missing)?;
        table.set_metatable(Some(metatable))
    };
    names_missing(&globals)?;
    let library_globals = match for_functions {
        true => {
            let (library_globals, api) = (lua.create_table()?, api::loading_library(&lua, options, state)?);
            names_missing(&api)?;
            names_missing(&library_globals)?;
            library_globals.raw_set("redis", &api)?;
            library_globals.raw_set("server", api)?;
            Some(library_globals)
        }
        false => None,
    };
    let seen = lua.create_table()?;
    let set_up = lua.load(SET_UP).set_name(format!("={SET_UP_NAME}")).set_environment(seen.clone()).into_function()?;
    let readable = lua.create_function(|lua, raised: Value| raise::value(lua, raised))?;
    let (run, run_spread, load, show): (Function, Vec<Function>, Option<Function>, Option<Function>) =
        set_up.call((&globals, &seen, &handler, readable, missing, library_globals))?;
    lua.set_globals(seen)?;
    lua.gc_collect()?;
    let binder = Binder { xpcall, handler, api };
    Ok(Sandbox { lua, run, run_spread, binder, load: load.zip(show) })
}

/// Somebody reads a global that does not exist.
fn missing(args: &crate::args::Args<'_>) -> Result<()> {
    let name = match crate::args::as_string(args.lua, args.value(1))? {
        Some(name) if args.len() == 2 => name,
        _ => return args.fail("Second argument to luaProtectedTableError must be a string or number"),
    };
    let text = [b"Script attempted to access nonexistent global variable '".as_slice(), &name.as_bytes(), b"'"];
    args.fail(text.concat())
}

/// What is caught at the end of a script: a table with the text, and the place where it was raised.
fn describe(lua: &Lua, raised: Value) -> Result<Value> {
    let place = place(lua);
    let table = match raise::value(lua, raised)? {
        Value::Table(table) => table,
        other => {
            let table = lua.create_table()?;
            let text = match crate::args::as_string(lua, &other)? {
                Some(text) => text_with_place(&text.as_bytes(), place.as_ref()),
                None => other.to_string()?.into_bytes(),
            };
            table.raw_set("err", lua.create_string([b"ERR ", text.as_slice()].concat())?)?;
            table
        }
    };
    if let Some(place) = place {
        table.raw_set("source", place.source)?;
        table.raw_set("line", place.line)?;
    }
    Ok(Value::Table(table))
}

/// A message that a function of Lua raised, called by one of `SET_UP`, names the place of that one's caller.
fn text_with_place(text: &[u8], place: Option<&Place>) -> Vec<u8> {
    let inner = || {
        let rest = text.strip_prefix(SET_UP_NAME.as_bytes())?.strip_prefix(b":")?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        rest.get(digits..)?.strip_prefix(b": ")
    };
    match (inner(), place) {
        (Some(text), Some(place)) => [format!("{}:{}: ", place.name, place.line).as_bytes(), text].concat(),
        (Some(text), None) => text.to_vec(),
        (None, _) => text.to_vec(),
    }
}

/// Where a script is.
struct Place {
    source: String,
    /// The source, as messages name it.
    name: String,
    line: i64,
}

/// The innermost function of the script. Of one that is not in Lua, or that stands for such a one, the caller is of interest.
fn place(lua: &Lua) -> Option<Place> {
    let mut is_first = true;
    for level in 1.. {
        let place = lua.inspect_stack(level, |debug| {
            let source = debug.source();
            let name = source.short_src.map(|name| name.into_owned()).unwrap_or_default();
            let passes = name == SET_UP_NAME || source.what == "tail" || (is_first && source.what == "C");
            let line = debug.current_line().map_or(-1, |line| line as i64);
            (!passes).then(|| Place {
                source: source.source.map(|source| source.into_owned()).unwrap_or_default(),
                name,
                line,
            })
        })?;
        match place {
            // At the bottom lies what runs the script.
            Some(place) => return Some(place).filter(|place| place.line > 0),
            None => is_first = false,
        }
    }
    None
}
