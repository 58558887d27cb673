//! The globals of scripts.

use crate::api::{self, State};
use crate::args::function;
use crate::random::{self, Generator};
use crate::vm::VmOptions;
use crate::{bits, json, msgpack, packing, raise};
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
    "getfenv",
    "getmetatable",
    "ipairs",
    "load",
    "loadstring",
    "math",
    "newproxy",
    "next",
    "pairs",
    "pcall",
    "rawequal",
    "rawget",
    "rawset",
    "select",
    "setfenv",
    "setmetatable",
    "string",
    "table",
    "tonumber",
    "tostring",
    "type",
    "unpack",
    "xpcall",
];

/// Sets globals, protects them, and gives the function that runs a script: `run(script, keys, arguments)`, or
/// `run(function, keys, arguments, true)`, which gets these as arguments.
const SET_UP: &str = r#"
local globals, setreadonly, xpcall, handler, library_globals = ...
local protected = {}
local setmetatable, getmetatable, next, type = setmetatable, getmetatable, next, type
local function protect(value)
    if type(value) == 'table' and not protected[value] then
        protected[value] = true
        for _, part in next, value do
            protect(part)
        end
        protect(getmetatable(value))
        setreadonly(value, true)
    end
end
protect(globals)
protect(getmetatable(''))
local function run(script, keys, arguments, is_function)
    if is_function then
        return xpcall(function() return script(keys, arguments) end, handler)
    end
    setreadonly(globals, false)
    globals.KEYS = keys
    globals.ARGV = arguments
    setreadonly(globals, true)
    return xpcall(script, handler)
end
if not library_globals then
    return run
end
-- Functions see globals through another table, which shows others while a library is loaded.
local view = { __index = globals }
local shown = setmetatable({}, view)
protect(library_globals)
setreadonly(view, true)
setreadonly(shown, true)
local function show(globals)
    setreadonly(view, false)
    view.__index = globals
    setreadonly(view, true)
end
local function same(raised)
    return raised
end
return run, shown, function(code)
    show(library_globals)
    return xpcall(code, same)
end, function()
    show(globals)
end
"#;

/// A state for scripts.
pub(crate) struct Sandbox {
    pub(crate) lua: Lua,
    /// Runs a script.
    pub(crate) run: Function,
    /// Runs the code of a library, and shows it the usual globals afterwards; only where there are libraries.
    pub(crate) load: Option<(Function, Function)>,
}

/// Makes a state for scripts, or for functions.
pub(crate) fn create(options: &VmOptions, state: &Rc<State>, for_functions: bool) -> Result<Sandbox> {
    let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
    // `pcall` is Lua's own: a panic ends the process before anybody could catch it.
    let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(true))?;
    let error_value = lua.create_function(|lua, raised: Value| raise::value(lua, raised))?;
    lua.set_named_registry_value("error_value", error_value)?;
    let globals = lua.globals();
    let setreadonly: Function = globals.get("setreadonly")?;
    let clock: Function = globals.get::<Table>("os")?.get("clock")?;
    for (name, _) in globals.pairs::<String, Value>().collect::<Result<Vec<_>>>()? {
        if !ALLOWED.contains(&name.as_str()) {
            globals.raw_set(name, Value::Nil)?;
        }
    }
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
    globals.raw_set("server", api)?;
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
    let xpcall: Function = globals.get("xpcall")?;
    let set_up = lua.load(SET_UP).set_name("=sandbox").into_function()?;
    let (run, shown, load, show): (Function, Option<Table>, Option<Function>, Option<Function>) =
        set_up.call((&globals, setreadonly, xpcall, handler, library_globals))?;
    if let Some(shown) = shown {
        lua.set_globals(shown)?;
    }
    lua.gc_collect()?;
    Ok(Sandbox { lua, run, load: load.zip(show) })
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
    let table = match raised {
        Value::Table(table) => table,
        other => {
            let table = lua.create_table()?;
            let text = match crate::args::as_string(lua, &other)? {
                Some(text) => text.as_bytes().to_vec(),
                None => other.to_string()?.into_bytes(),
            };
            table.raw_set("err", lua.create_string([b"ERR ", text.as_slice()].concat())?)?;
            table
        }
    };
    let place = |level| {
        lua.inspect_stack(level, |debug| {
            let source = debug.source();
            // Of functions that are not in Lua the caller is of interest.
            let line = debug.current_line().map_or(-1, |line| line as i64);
            (source.what == "C", source.source.map(|source| source.into_owned()), line)
        })
    };
    let place = match place(1) {
        Some((true, ..)) => place(2),
        other => other,
    };
    if let Some((_, source, line)) = place {
        table.raw_set("source", source.unwrap_or_default())?;
        table.raw_set("line", line)?;
    }
    Ok(Value::Table(table))
}
