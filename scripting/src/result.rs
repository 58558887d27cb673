//! What a script returns, as a reply.

use crate::args::to_int;
use mlua::{Lua, Result, Table, Value};
use ochre_resp::{Protocol, ReplyWriter};

/// Errors in the reply of a script.
#[derive(Debug, Default)]
pub struct Errors {
    /// There is one.
    pub any: bool,
    /// Those that nobody has counted yet: whole texts.
    pub uncounted: Vec<Vec<u8>>,
}

/// Values in each other beyond which Lua's stack would be full.
const DEPTH_MAX: usize = 6000;

/// Writes the reply that a value stands for.
pub(crate) fn write(
    lua: &Lua,
    value: Value,
    spoken: Protocol,
    reply: &mut ReplyWriter<'_>,
    errors: &mut Errors,
) -> Result<()> {
    let mut writer = Writer { spoken, reply, errors };
    // Tables lie on a stack of their own, so that depth costs no native stack.
    let mut open: Vec<Open> = Vec::new();
    open.extend(writer.begin(value)?);
    while let Some(last) = open.last_mut() {
        let value = match last.next(lua)? {
            Some(value) => value,
            None => {
                open.pop();
                continue;
            }
        };
        if open.len() >= DEPTH_MAX {
            writer.error(b"ERR reached lua stack limit", false);
            continue;
        }
        open.extend(writer.begin(value)?);
    }
    Ok(())
}

/// A table of which parts are still to be written.
enum Open {
    Array {
        table: Table,
        next: usize,
        len: usize,
    },
    /// Only the keys.
    Set {
        keys: std::vec::IntoIter<Key>,
    },
    /// Each key, and then its value.
    Map {
        table: Table,
        keys: std::vec::IntoIter<Key>,
        key: Option<Value>,
    },
}

/// A key of a set or a map. mlua holds few values at once, so strings lie elsewhere.
enum Key {
    String(Box<[u8]>),
    Other(Value),
}

impl Key {
    fn of(value: Value) -> Key {
        match value {
            Value::String(string) => Key::String((&*string.as_bytes()).into()),
            other => Key::Other(other),
        }
    }
    fn into_value(self, lua: &Lua) -> Result<Value> {
        Ok(match self {
            Key::String(string) => Value::String(lua.create_string(string)?),
            Key::Other(value) => value,
        })
    }
}

impl Open {
    /// The next part.
    fn next(&mut self, lua: &Lua) -> Result<Option<Value>> {
        match self {
            Open::Array { next, len, .. } if *next >= *len => Ok(None),
            Open::Array { table, next, .. } => {
                *next += 1;
                table.raw_get(*next).map(Some)
            }
            Open::Set { keys } => keys.next().map(|key| key.into_value(lua)).transpose(),
            Open::Map { table, keys, key } => match key.take() {
                Some(key) => table.raw_get(key).map(Some),
                None => {
                    *key = keys.next().map(|key| key.into_value(lua)).transpose()?;
                    Ok(key.clone())
                }
            },
        }
    }
}

struct Writer<'w, 'r> {
    /// The version that the script speaks.
    spoken: Protocol,
    reply: &'w mut ReplyWriter<'r>,
    errors: &'w mut Errors,
}

impl Writer<'_, '_> {
    /// Writes a value, or the header of one that has parts, which is returned.
    fn begin(&mut self, value: Value) -> Result<Option<Open>> {
        match value {
            Value::String(string) => self.reply.bulk(&*string.as_bytes()),
            Value::Boolean(value) if self.spoken == Protocol::Resp3 => self.reply.bool(value),
            Value::Boolean(true) => self.reply.int(1),
            Value::Integer(number) => self.reply.int(number),
            Value::Number(number) => self.reply.int(to_int(number)),
            Value::Table(table) => return self.begin_table(table),
            _ => self.reply.null(),
        }
        Ok(None)
    }

    fn begin_table(&mut self, table: Table) -> Result<Option<Open>> {
        if let Value::String(text) = table.raw_get("err")? {
            let counted = matches!(table.raw_get("ignore_error_stats_update")?, Value::Boolean(true));
            self.error(&text.as_bytes(), counted);
        } else if let Value::String(text) = table.raw_get("ok")? {
            self.reply.simple(&*text.as_bytes());
        } else if let Some(number) = number(&table.raw_get("double")?) {
            self.reply.double(number);
        } else if let Value::String(digits) = table.raw_get("big_number")? {
            self.reply.big_number(one_line(&digits.as_bytes()));
        } else if let Some((format, text)) = verbatim(&table)? {
            self.reply.verbatim(&format, text);
        } else if let Value::Table(table) = table.raw_get("map")? {
            let keys = keys(&table)?;
            self.reply.map(keys.len());
            return Ok(Some(Open::Map { table, keys: keys.into_iter(), key: None }));
        } else if let Value::Table(table) = table.raw_get("set")? {
            let keys = keys(&table)?;
            self.reply.set(keys.len());
            return Ok(Some(Open::Set { keys: keys.into_iter() }));
        } else {
            let mut len = 0;
            while !matches!(table.raw_get(len + 1)?, Value::Nil) {
                len += 1;
            }
            self.reply.array(len);
            return Ok((len > 0).then_some(Open::Array { table, next: 0, len }));
        }
        Ok(None)
    }

    fn error(&mut self, text: &[u8], counted: bool) {
        self.errors.any = true;
        self.reply.error(text);
        if !counted {
            self.errors.uncounted.push(text.to_vec());
        }
    }
}

fn keys(table: &Table) -> Result<Vec<Key>> {
    let mut keys = Vec::new();
    table.for_each(|key: Value, _: Value| {
        keys.push(Key::of(key));
        Ok(())
    })?;
    Ok(keys)
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    }
}

fn one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }).collect()
}

fn verbatim(table: &Table) -> Result<Option<([u8; 3], Vec<u8>)>> {
    let Value::Table(parts) = table.raw_get("verbatim_string")? else { return Ok(None) };
    let (Value::String(format), Value::String(text)) = (parts.raw_get("format")?, parts.raw_get("string")?) else {
        return Ok(None);
    };
    let mut padded = [b' '; 3];
    padded.iter_mut().zip(format.as_bytes().iter()).for_each(|(to, from)| *to = *from);
    Ok(Some((padded, text.as_bytes().to_vec())))
}
