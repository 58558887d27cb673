//! Functions of Lua's own library that take code, or change what scripts share: in their place stand others.

use crate::api::State;
use crate::args::{Args, function};
use mlua::chunk::ChunkMode;
use mlua::{Function, IntoLuaMulti, Lua, MultiValue, Result, Table, Value};
use std::rc::Rc;

/// Sources are shorter than this: the parser counts in 32 bits, twice what it has read.
const SOURCE_LEN_MAX: usize = 1 << 30;
/// Of a source that has no name messages show so much at most.
const NAME_LEN_MAX: usize = 128;

/// Compiles a source, of which nothing but text is accepted.
pub(crate) fn compile(lua: &Lua, source: &[u8], name: &str) -> std::result::Result<Function, String> {
    if source.len() >= SOURCE_LEN_MAX {
        return Err("chunk has too many bytes".to_owned());
    }
    // Lua has one string of equal ones. The parser does not keep that of the name from the collector; this does.
    let kept = lua.create_string(name).map_err(|error| error.to_string())?;
    // The parser makes of byte code what it makes of any text.
    let padded: Vec<u8>;
    let source = match source {
        [b'\x1b', ..] => {
            padded = [b" ", source].concat();
            &padded
        }
        _ => source,
    };
    let compiled = lua.load(source).set_name(name).set_mode(ChunkMode::Text).into_function();
    drop(kept);
    match compiled {
        Ok(function) => Ok(function),
        Err(mlua::Error::SyntaxError { message, .. }) => Err(message),
        Err(error) => Err(error.to_string()),
    }
}

/// Replaces functions among the globals.
pub(crate) fn replace(lua: &Lua, globals: &Table, state: &Rc<State>) -> Result<()> {
    globals.raw_set("loadstring", function(lua, "loadstring", |args| load_string(&args))?)?;
    if let Some(original) = globals.raw_get::<Option<Function>>("setfenv")? {
        let replaced = function(lua, "setfenv", move |args| set_environment(&args, &original))?;
        globals.raw_set("setfenv", replaced)?;
    }
    let (original, state): (Function, _) = (globals.raw_get("collectgarbage")?, state.clone());
    let collect = move |args: Args<'_>| collect_garbage(&args, &original, &state);
    globals.raw_set("collectgarbage", function(lua, "collectgarbage", collect)?)
}

fn load_string(args: &Args<'_>) -> Result<MultiValue> {
    let source = args.string(0)?;
    let source = source.as_bytes();
    let name = if args.value(1).is_nil() { None } else { Some(args.string(1)?) };
    let name = match &name {
        Some(name) => name.as_bytes().to_vec(),
        None => source.iter().take(NAME_LEN_MAX).copied().collect(),
    };
    // C ends strings at a zero.
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    match compile(args.lua, &source, &String::from_utf8_lossy(name)) {
        Ok(function) => function.into_lua_multi(args.lua),
        Err(why) => (Value::Nil, why).into_lua_multi(args.lua),
    }
}

/// The globals of a function of scripts may be replaced, those of the state not.
fn set_environment(args: &Args<'_>, original: &Function) -> Result<Value> {
    let Value::Table(environment) = args.value(1) else { return args.wrong_type(1, "table") };
    let changed = match args.value(0) {
        Value::Function(changed) => changed.clone(),
        _ => {
            let level = args.integer_or(0, 1)?;
            let Ok(level) = usize::try_from(level) else { return args.bad(0, "level must be non-negative") };
            if level == 0 {
                return crate::raise::bare("Attempt to modify a readonly table");
            }
            let at_level =
                args.lua.inspect_stack(level, |debug| (debug.source().what != "tail").then(|| debug.function()));
            match at_level {
                Some(Some(changed)) => changed,
                Some(None) => return args.fail(format!("no function environment for tail call at level {level}")),
                None => return args.bad(0, "invalid level"),
            }
        }
    };
    let info = changed.info();
    if info.what == "C" || info.short_src.as_deref() == Some(crate::sandbox::SET_UP_NAME) {
        return args.fail("'setfenv' cannot change environment of given object");
    }
    original.call((changed, environment))
}

fn collect_garbage(args: &Args<'_>, original: &Function, state: &State) -> Result<Value> {
    let option = if args.value(0).is_nil() { None } else { Some(args.string(0)?) };
    match option.as_ref().map(|option| option.as_bytes().to_vec()).as_deref().unwrap_or(b"collect") {
        b"collect" | b"count" | b"step" => {}
        // For as long as the script runs.
        b"stop" | b"restart" | b"setpause" | b"setstepmul" => state.is_collector_tuned.set(true),
        other => return args.bad(0, &format!("invalid option '{}'", String::from_utf8_lossy(other))),
    }
    let number = args.integer_or(1, 0)?;
    original.call((option, number))
}
