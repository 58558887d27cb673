//! How JSON is written and read, as scripts may set it.

use crate::args::{Args, function};
use mlua::{Lua, MultiValue, Result, Table, Value};
use std::cell::Cell;
use std::rc::Rc;

/// What to do with numbers that JSON has no form for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Invalid {
    Refuse,
    Write,
    Null,
}

/// The options of one instance of the library.
pub(super) struct Options {
    sparse_convert: Cell<bool>,
    sparse_ratio: Cell<i32>,
    sparse_safe: Cell<i32>,
    encode_depth: Cell<i32>,
    decode_depth: Cell<i32>,
    precision: Cell<i32>,
    keep_buffer: Cell<bool>,
    encode_invalid: Cell<Invalid>,
    decode_invalid: Cell<bool>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            sparse_convert: Cell::new(false),
            sparse_ratio: Cell::new(2),
            sparse_safe: Cell::new(10),
            encode_depth: Cell::new(1000),
            decode_depth: Cell::new(1000),
            precision: Cell::new(14),
            keep_buffer: Cell::new(true),
            encode_invalid: Cell::new(Invalid::Refuse),
            decode_invalid: Cell::new(true),
        }
    }
}

impl Options {
    /// Whether a table whose largest index is `max` and that has `items` elements is too sparse for an array.
    pub(super) fn is_sparse(&self, max: usize, items: usize) -> bool {
        let ratio = self.sparse_ratio.get();
        ratio > 0 && max > items.saturating_mul(ratio as usize) && max > self.sparse_safe.get() as usize
    }
    /// Whether such a table becomes an object; else it is an error.
    pub(super) fn converts_sparse(&self) -> bool {
        self.sparse_convert.get()
    }
    pub(super) fn encode_depth(&self) -> usize {
        self.encode_depth.get() as usize
    }
    pub(super) fn decode_depth(&self) -> usize {
        self.decode_depth.get() as usize
    }
    /// Significant digits of numbers.
    pub(super) fn precision(&self) -> usize {
        self.precision.get() as usize
    }
    pub(super) fn encode_invalid(&self) -> Invalid {
        self.encode_invalid.get()
    }
    /// Whether NaN, infinity and hexadecimal numbers are read.
    pub(super) fn decode_invalid(&self) -> bool {
        self.decode_invalid.get()
    }
}

/// Adds the functions that set options. Each returns what is set afterwards.
pub(super) fn register(lua: &Lua, table: &Table, options: &Rc<Options>) -> Result<()> {
    let add = |name: &'static str, arguments: usize, set: fn(&Args<'_>, &Options) -> Result<MultiValue>| {
        let options = options.clone();
        let body = move |args: Args<'_>| {
            if args.len() > arguments {
                return args.bad(arguments, "found too many arguments");
            }
            set(&args, &options)
        };
        table.raw_set(name, function(lua, name, body)?)
    };
    add("encode_sparse_array", 3, |args, options| {
        let convert = switch(args, 0, &options.sparse_convert)?;
        let ratio = integer(args, 1, &options.sparse_ratio, 0, i32::MAX)?;
        let safe = integer(args, 2, &options.sparse_safe, 0, i32::MAX)?;
        Ok([convert, ratio, safe].into_iter().collect())
    })?;
    add("encode_max_depth", 1, |args, options| one(integer(args, 0, &options.encode_depth, 1, i32::MAX)?))?;
    add("decode_max_depth", 1, |args, options| one(integer(args, 0, &options.decode_depth, 1, i32::MAX)?))?;
    add("encode_number_precision", 1, |args, options| one(integer(args, 0, &options.precision, 1, 14)?))?;
    add("encode_keep_buffer", 1, |args, options| one(switch(args, 0, &options.keep_buffer)?))?;
    add("encode_invalid_numbers", 1, |args, options| one(invalid(args, &options.encode_invalid)?))?;
    add("decode_invalid_numbers", 1, |args, options| one(switch(args, 0, &options.decode_invalid)?))
}

fn one(value: Value) -> Result<MultiValue> {
    Ok([value].into_iter().collect())
}

fn integer(args: &Args<'_>, index: usize, setting: &Cell<i32>, min: i32, max: i32) -> Result<Value> {
    if !args.value(index).is_nil() {
        let value = args.integer(index)? as i32;
        if !(min..=max).contains(&value) {
            return args.bad(0, &format!("expected integer between {min} and {max}"));
        }
        setting.set(value);
    }
    Ok(Value::Integer(setting.get().into()))
}

fn switch(args: &Args<'_>, index: usize, setting: &Cell<bool>) -> Result<Value> {
    match args.value(index) {
        Value::Nil => {}
        Value::Boolean(on) => setting.set(*on),
        _ => setting.set(option(args, index, &["off", "on"])? == 1),
    }
    Ok(Value::Boolean(setting.get()))
}

fn invalid(args: &Args<'_>, setting: &Cell<Invalid>) -> Result<Value> {
    let all = [Invalid::Refuse, Invalid::Write, Invalid::Null];
    match args.value(0) {
        Value::Nil => {}
        Value::Boolean(on) => setting.set(all[usize::from(*on)]),
        _ => setting.set(all[option(args, 0, &["off", "on", "null"])?]),
    }
    Ok(match setting.get() {
        Invalid::Refuse => Value::Boolean(false),
        Invalid::Write => Value::Boolean(true),
        Invalid::Null => Value::String(args.lua.create_string("null")?),
    })
}

fn option(args: &Args<'_>, index: usize, options: &[&str]) -> Result<usize> {
    let text = args.string(index)?;
    let text = text.as_bytes();
    match options.iter().position(|option| option.as_bytes() == &*text) {
        Some(found) => Ok(found),
        None => args.bad(index, &format!("invalid option '{}'", String::from_utf8_lossy(&text))),
    }
}
