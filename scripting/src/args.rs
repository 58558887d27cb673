//! The arguments of a function that is called from Lua, read as Lua's own library reads them.

use crate::raise::{self, NoPanic};
use mlua::{Function, IntoLuaMulti, Lua, LuaString, MultiValue, Result, Value};

/// Arguments in order. Indexes count from 0, in messages from 1.
pub(crate) struct Args<'l> {
    pub(crate) lua: &'l Lua,
    name: &'static str,
    pub(crate) values: MultiValue,
}

/// A function for scripts.
pub(crate) fn function<R: IntoLuaMulti>(
    lua: &Lua,
    name: &'static str,
    body: impl Fn(Args<'_>) -> Result<R> + 'static,
) -> Result<Function> {
    lua.create_function(move |lua, values: MultiValue| {
        let _guard = NoPanic;
        body(Args { lua, name, values })
    })
}

impl Args<'_> {
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
    /// The argument, nil where there is none.
    pub(crate) fn value(&self, index: usize) -> &Value {
        self.values.get(index).unwrap_or(&Value::Nil)
    }
    pub(crate) fn is_missing(&self, index: usize) -> bool {
        index >= self.len()
    }
    /// The argument as a number, strings included; `None`: it is none.
    pub(crate) fn as_number(&self, index: usize) -> Option<f64> {
        as_number(self.lua, self.value(index))
    }
    /// A number.
    pub(crate) fn number(&self, index: usize) -> Result<f64> {
        match self.as_number(index) {
            Some(number) => Ok(number),
            None => self.wrong_type(index, "number"),
        }
    }
    /// A number, cut to an integer as C does.
    pub(crate) fn integer(&self, index: usize) -> Result<i64> {
        Ok(to_int(self.number(index)?))
    }
    /// A number or, where there is no argument, another.
    pub(crate) fn integer_or(&self, index: usize, otherwise: i64) -> Result<i64> {
        if self.value(index).is_nil() { Ok(otherwise) } else { self.integer(index) }
    }
    /// A string, or a number as one.
    pub(crate) fn string(&self, index: usize) -> Result<LuaString> {
        match as_string(self.lua, self.value(index))? {
            Some(string) => Ok(string),
            None => self.wrong_type(index, "string"),
        }
    }
    /// Complains of an argument.
    pub(crate) fn bad<T>(&self, index: usize, why: &str) -> Result<T> {
        raise::text(self.lua, format!("bad argument #{} to '{}' ({why})", index + 1, self.name))
    }
    /// Raises a text, with the place in the script.
    pub(crate) fn fail<T>(&self, text: impl AsRef<[u8]>) -> Result<T> {
        raise::text(self.lua, text)
    }
    pub(crate) fn wrong_type<T>(&self, index: usize, expected: &str) -> Result<T> {
        let found = if self.is_missing(index) { "no value" } else { type_name(self.value(index)) };
        self.bad(index, &format!("{expected} expected, got {found}"))
    }
}

/// The number that Lua takes a value for.
pub(crate) fn as_number(lua: &Lua, value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        Value::String(_) => lua.coerce_number(value.clone()).ok().flatten(),
        _ => None,
    }
}

/// The string that Lua takes a value for.
pub(crate) fn as_string(lua: &Lua, value: &Value) -> Result<Option<LuaString>> {
    match value {
        Value::String(string) => Ok(Some(string.clone())),
        Value::Integer(_) | Value::Number(_) => lua.coerce_string(value.clone()),
        _ => Ok(None),
    }
}

/// A number as C casts it to a 64-bit integer on today's processors.
pub(crate) fn to_int(number: f64) -> i64 {
    let fits = number >= i64::MIN as f64 && number < -(i64::MIN as f64);
    if fits { number as i64 } else { i64::MIN }
}

/// The name that Lua has for the type.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Boolean(_) => "boolean",
        Value::Integer(_) | Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Table(_) => "table",
        Value::Function(_) => "function",
        Value::Thread(_) => "thread",
        _ => "userdata",
    }
}
