//! Libraries of functions: their first line, and what their code registers.

use crate::api::State;
use crate::args::{Args, as_string, function, type_name};
use crate::raise;
use crate::shebang::ScriptFlags;
use mlua::{Lua, Result, Table, Value};
use std::rc::Rc;

/// The first line of a library: `#!lua name=…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryHeader {
    /// The engine that its code is for; `lua` is the only one.
    pub engine: Vec<u8>,
    /// Its name.
    pub name: Vec<u8>,
    /// Length of the line in bytes, its end not included.
    pub len: usize,
}

/// Why a library cannot be loaded. The texts are those of Redis.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum LibraryError {
    #[error("Missing library metadata")]
    NoHeader,
    #[error("Invalid library metadata")]
    BadHeader,
    #[error("Invalid metadata value, name argument was given multiple times")]
    TwoNames,
    #[error("Invalid metadata value given: {0}")]
    Metadata(String),
    #[error("Library name was not given")]
    NoName,
    #[error(
        "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long"
    )]
    Name,
    #[error("Engine '{0}' not found")]
    Engine(String),
    #[error("Error compiling function: {0}")]
    Compile(String),
    #[error("Error registering functions: {0}")]
    Register(String),
    #[error("No functions registered")]
    Empty,
}

impl LibraryHeader {
    /// Reads the first line of a library.
    ///
    /// # Errors
    /// [`LibraryError`] if there is none, or it is not for Lua.
    pub fn parse(code: &[u8]) -> std::result::Result<LibraryHeader, LibraryError> {
        if !code.starts_with(b"#!") {
            return Err(LibraryError::NoHeader);
        }
        let len = code.iter().position(|&byte| byte == b'\n').ok_or(LibraryError::BadHeader)?;
        let line = code.get(..len).unwrap_or_default();
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        ochre_resp::split::split_args(line, &mut bytes, &mut spans).map_err(|_| LibraryError::BadHeader)?;
        let mut parts = spans.iter().map(|span| span.of(&bytes));
        let engine = parts.next().ok_or(LibraryError::BadHeader)?.get(2..).unwrap_or_default().to_vec();
        let mut name: Option<Vec<u8>> = None;
        for part in parts {
            match part.split_at_checked(5) {
                Some((key, value)) if key.eq_ignore_ascii_case(b"name=") => {
                    if name.replace(value.to_vec()).is_some() {
                        return Err(LibraryError::TwoNames);
                    }
                }
                _ => return Err(LibraryError::Metadata(String::from_utf8_lossy(part).into_owned())),
            }
        }
        let name = name.ok_or(LibraryError::NoName)?;
        if !is_name(&name) {
            return Err(LibraryError::Name);
        }
        if !engine.eq_ignore_ascii_case(b"lua") {
            return Err(LibraryError::Engine(String::from_utf8_lossy(&engine).into_owned()));
        }
        Ok(LibraryHeader { engine, name, len })
    }
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// A function of a library, as it was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Its name.
    pub name: Vec<u8>,
    /// What its author says of it.
    pub description: Option<Vec<u8>>,
    /// What it says it will do.
    pub flags: ScriptFlags,
}

/// What a library that is being loaded has registered.
pub(crate) struct Loading {
    pub(crate) functions: Vec<FunctionInfo>,
    /// The functions themselves, by their names.
    pub(crate) callbacks: Table,
    pub(crate) started: std::time::Instant,
}

/// `redis.register_function`.
pub(crate) fn register_function(lua: &Lua, state: &Rc<State>) -> Result<mlua::Function> {
    let state = state.clone();
    function(lua, "register_function", move |args| {
        let mut loading = state.loading.borrow_mut();
        let Some(loading) = &mut *loading else {
            return raise::reply("ERR redis.register_function can only be called on FUNCTION LOAD command", false);
        };
        let (info, callback) = match read(&args)? {
            Ok(read) => read,
            Err(text) => return raise::reply(format!("ERR {text}"), false),
        };
        if !is_name(&info.name) {
            return raise::reply(format!("ERR {}", LibraryError::Name), false);
        }
        if loading.functions.iter().any(|known| known.name == info.name) {
            return raise::reply("ERR Function already exists in the library", false);
        }
        loading.callbacks.raw_set(lua_string(&args, &info.name)?, callback)?;
        loading.functions.push(info);
        Ok(())
    })
}

fn lua_string(args: &Args<'_>, bytes: &[u8]) -> Result<mlua::LuaString> {
    args.lua.create_string(bytes)
}

type Read = std::result::Result<(FunctionInfo, Value), &'static str>;

fn read(args: &Args<'_>) -> Result<Read> {
    match args.len() {
        1 => read_named(args),
        2 => {
            let Some(name) = as_string(args.lua, args.value(0))? else {
                return Ok(Err("first argument to redis.register_function must be a string"));
            };
            if type_name(args.value(1)) != "function" {
                return Ok(Err("second argument to redis.register_function must be a function"));
            }
            let (name, flags) = (name.as_bytes().to_vec(), ScriptFlags::default());
            Ok(Ok((FunctionInfo { name, description: None, flags }, args.value(1).clone())))
        }
        _ => Ok(Err("wrong number of arguments to redis.register_function")),
    }
}

fn read_named(args: &Args<'_>) -> Result<Read> {
    let Value::Table(table) = args.value(0) else {
        return Ok(Err(
            "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).",
        ));
    };
    let (mut name, mut description, mut callback, mut flags) = (None, None, None, ScriptFlags::default());
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let Some(key) = as_string(args.lua, &key)? else {
            return Ok(Err("named argument key given to redis.register_function is not a string"));
        };
        let text =
            || -> Result<Option<Vec<u8>>> { Ok(as_string(args.lua, &value)?.map(|text| text.as_bytes().to_vec())) };
        match key.as_bytes().to_ascii_lowercase().as_slice() {
            b"function_name" => match text()? {
                Some(text) => name = Some(text),
                None => return Ok(Err("function_name argument given to redis.register_function must be a string")),
            },
            b"description" => match text()? {
                Some(text) => description = Some(text),
                None => return Ok(Err("description argument given to redis.register_function must be a string")),
            },
            b"callback" if type_name(&value) == "function" => callback = Some(value),
            b"callback" => return Ok(Err("callback argument given to redis.register_function must be a function")),
            b"flags" => {
                let Value::Table(names) = &value else {
                    let text = "flags argument to redis.register_function must be a table representing function flags";
                    return Ok(Err(text));
                };
                for flag in names.sequence_values::<Value>() {
                    let flag = as_string(args.lua, &flag?)?;
                    if !flag.is_some_and(|flag| flags.set(&flag.as_bytes().to_ascii_lowercase())) {
                        return Ok(Err("unknown flag given"));
                    }
                }
            }
            _ => return Ok(Err("unknown argument given to redis.register_function")),
        }
    }
    let Some(name) = name else { return Ok(Err("redis.register_function must get a function name argument")) };
    let Some(callback) = callback else { return Ok(Err("redis.register_function must get a callback argument")) };
    Ok(Ok((FunctionInfo { name, description, flags }, callback)))
}
