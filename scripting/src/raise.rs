//! Errors on their way into Lua. mlua raises them as userdata; whatever lets scripts catch them replaces these by what [`value`]
//! makes of them.

use mlua::{Error, Lua, Result, Value};

/// An error that a script can catch.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Raise {
    /// A table with the text, code word first, in its field `err`.
    #[error("an error reply")]
    Reply { text: Vec<u8>, counted: bool },
    /// A string.
    #[error("{}", String::from_utf8_lossy(.0))]
    Text(Vec<u8>),
}

/// Raises what `redis.call` raises: a table with the text, code word first.
pub(crate) fn reply<T>(text: impl Into<Vec<u8>>, counted: bool) -> Result<T> {
    Err(Error::external(Raise::Reply { text: text.into(), counted }))
}

/// Raises a string that begins with the place in the script, as `luaL_error` does.
pub(crate) fn text<T>(lua: &Lua, text: impl AsRef<[u8]>) -> Result<T> {
    let mut message = place(lua);
    message.extend_from_slice(text.as_ref());
    Err(Error::external(Raise::Text(message)))
}

/// Raises a string as it is.
pub(crate) fn bare<T>(text: &str) -> Result<T> {
    Err(Error::external(Raise::Text(text.into())))
}

/// Where the function that was called from Lua was called.
fn place(lua: &Lua) -> Vec<u8> {
    let place = lua.inspect_stack(1, |debug| {
        let line = debug.current_line()?;
        Some(format!("{}:{line}: ", debug.source().short_src?))
    });
    place.flatten().unwrap_or_default().into_bytes()
}

/// The table of an error reply.
pub(crate) fn table(lua: &Lua, text: &[u8], counted: bool) -> Result<Value> {
    let table = lua.create_table_with_capacity(0, 2)?;
    table.raw_set("err", lua.create_string(text)?)?;
    if counted {
        table.raw_set("ignore_error_stats_update", true)?;
    }
    Ok(Value::Table(table))
}

/// What scripts see instead of userdata.
pub(crate) fn value(lua: &Lua, raised: Value) -> Result<Value> {
    let Value::Error(error) = raised else { return Ok(raised) };
    match error.downcast_ref::<Raise>() {
        Some(Raise::Reply { text, counted }) => table(lua, text, *counted),
        Some(Raise::Text(text)) => Ok(Value::String(lua.create_string(text)?)),
        None => Ok(Value::String(lua.create_string(root(&error).to_string())?)),
    }
}

fn root(error: &Error) -> &Error {
    match error {
        Error::CallbackError { cause, .. } => root(cause),
        other => other,
    }
}

/// The text of an error: an error reply begins with `-` and a code word; anything else gets the code `ERR`.
pub(crate) fn with_code(text: &[u8]) -> Vec<u8> {
    let (code, message): (&[u8], &[u8]) = match text.strip_prefix(b"-") {
        Some(text) => match text.iter().position(|&byte| byte == b' ') {
            Some(space) => (&text[..space], &text[space + 1..]),
            None => (b"ERR", text),
        },
        None => (b"ERR", text),
    };
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let from = message.iter().position(|byte| !is_end(byte)).unwrap_or(message.len());
    let to = message.iter().rposition(|byte| !is_end(byte)).map_or(from, |last| last + 1);
    [code, b" ", &message[from..to]].concat()
}

/// A panic in a function that Lua calls ends the process: Lua would catch it, with half a change made.
pub(crate) struct NoPanic;

impl Drop for NoPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}
