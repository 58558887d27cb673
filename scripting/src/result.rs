//! What a script returns, as a reply.

use crate::args::to_int;
use mlua::{Result, Table, Value};
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
const DEPTH_MAX: usize = 7990;

/// Writes the reply that a value stands for.
pub(crate) fn write(value: Value, spoken: Protocol, reply: &mut ReplyWriter<'_>, errors: &mut Errors) -> Result<()> {
    let mut writer = Writer { spoken, reply, errors };
    // What is still to be written, the next last: depth costs no native stack.
    let mut open = vec![vec![value]];
    while let Some(values) = open.last_mut() {
        let Some(value) = values.pop() else {
            open.pop();
            continue;
        };
        if open.len() > DEPTH_MAX {
            writer.error(b"ERR reached lua stack limit", false);
            continue;
        }
        let mut parts = writer.begin(value)?;
        if !parts.is_empty() {
            parts.reverse();
            open.push(parts);
        }
    }
    Ok(())
}

struct Writer<'w, 'r> {
    /// The version that the script speaks.
    spoken: Protocol,
    reply: &'w mut ReplyWriter<'r>,
    errors: &'w mut Errors,
}

impl Writer<'_, '_> {
    /// Writes a value, or the header of one that has parts, and returns these.
    fn begin(&mut self, value: Value) -> Result<Vec<Value>> {
        match value {
            Value::String(string) => self.reply.bulk(&*string.as_bytes()),
            Value::Boolean(value) if self.spoken == Protocol::Resp3 => self.reply.bool(value),
            Value::Boolean(true) => self.reply.int(1),
            Value::Integer(number) => self.reply.int(number),
            Value::Number(number) => self.reply.int(to_int(number)),
            Value::Table(table) => return self.begin_table(&table),
            _ => self.reply.null(),
        }
        Ok(Vec::new())
    }

    fn begin_table(&mut self, table: &Table) -> Result<Vec<Value>> {
        if let Value::String(text) = table.raw_get("err")? {
            let counted = matches!(table.raw_get("ignore_error_stats_update")?, Value::Boolean(true));
            self.error(&text.as_bytes(), counted);
        } else if let Value::String(text) = table.raw_get("ok")? {
            self.reply.simple(&*text.as_bytes());
        } else if let Some(number) = number(&table.raw_get("double")?) {
            self.reply.double(number);
        } else if let Value::String(digits) = table.raw_get("big_number")? {
            self.reply.big_number(one_line(&digits.as_bytes()));
        } else if let Some((format, text)) = verbatim(table)? {
            self.reply.verbatim(&format, text);
        } else if let Value::Table(map) = table.raw_get("map")? {
            let mut parts = Vec::new();
            map.for_each(|key: Value, value: Value| {
                parts.extend([key, value]);
                Ok(())
            })?;
            self.reply.map(parts.len() / 2);
            return Ok(parts);
        } else if let Value::Table(set) = table.raw_get("set")? {
            let mut parts = Vec::new();
            set.for_each(|key: Value, _: Value| {
                parts.push(key);
                Ok(())
            })?;
            self.reply.set(parts.len());
            return Ok(parts);
        } else {
            let mut parts = Vec::new();
            loop {
                match table.raw_get(parts.len() + 1)? {
                    Value::Nil => break,
                    part => parts.push(part),
                }
            }
            self.reply.array(parts.len());
            return Ok(parts);
        }
        Ok(Vec::new())
    }

    fn error(&mut self, text: &[u8], counted: bool) {
        self.errors.any = true;
        self.reply.error(text);
        if !counted {
            self.errors.uncounted.push(text.to_vec());
        }
    }
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
