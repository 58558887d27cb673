//! Lua values to JSON.

use super::options::{Invalid, Options};
use crate::args::{Args, type_name};
use mlua::{Lua, Result, Table, Value};

/// Tables in each other beyond which Lua's stack would be full, whatever the option says.
const DEPTH_MAX: usize = 2600;

pub(super) fn encode(args: &Args<'_>, options: &Options) -> Result<Value> {
    if args.len() != 1 {
        return args.bad(0, "expected 1 argument");
    }
    let mut writer = Writer { args, options, out: Vec::new(), open: Vec::new() };
    writer.write(args.value(0).clone())?;
    Ok(Value::String(lua(args).create_string(&writer.out)?))
}

fn lua<'a>(args: &Args<'a>) -> &'a Lua {
    args.lua
}

/// A table that is being written.
enum Open {
    Array { table: Table, next: usize, len: usize },
    Object { table: Table, keys: std::vec::IntoIter<Key>, is_first: bool },
}

/// A key of an object. mlua holds few values at once, so this is no `Value`.
enum Key {
    String(Box<[u8]>),
    Number(f64),
    /// Of that type.
    Other(&'static str),
}

struct Writer<'a, 'l> {
    args: &'a Args<'l>,
    options: &'a Options,
    out: Vec<u8>,
    open: Vec<Open>,
}

impl Writer<'_, '_> {
    /// Writes a value with all that is in it. Tables lie on a stack of their own, so that depth costs no native stack.
    fn write(&mut self, value: Value) -> Result<()> {
        self.begin(value)?;
        while let Some(open) = self.open.last_mut() {
            let value = match open {
                Open::Array { table, next, len } if *next < *len => {
                    if *next > 0 {
                        self.out.push(b',');
                    }
                    *next += 1;
                    table.raw_get::<Value>(*next)?
                }
                Open::Array { .. } => {
                    self.out.push(b']');
                    self.open.pop();
                    continue;
                }
                Open::Object { table, keys, is_first } => match keys.next() {
                    Some(key) => {
                        if !std::mem::take(is_first) {
                            self.out.push(b',');
                        }
                        let value = match &key {
                            Key::String(string) => table.raw_get(lua(self.args).create_string(string)?)?,
                            Key::Number(number) => table.raw_get(*number)?,
                            Key::Other(_) => Value::Nil,
                        };
                        self.key(&key)?;
                        value
                    }
                    None => {
                        self.out.push(b'}');
                        self.open.pop();
                        continue;
                    }
                },
            };
            self.begin(value)?;
        }
        Ok(())
    }

    /// Writes a value, or of a table the beginning.
    fn begin(&mut self, value: Value) -> Result<()> {
        match &value {
            Value::String(string) => write_string(&mut self.out, &string.as_bytes()),
            Value::Integer(number) => self.number(*number as f64)?,
            Value::Number(number) => self.number(*number)?,
            Value::Boolean(value) => self.out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Value::Table(table) => self.begin_table(table)?,
            Value::Nil => self.out.extend_from_slice(b"null"),
            value if *value == Value::NULL => self.out.extend_from_slice(b"null"),
            other => return self.refuse(type_name(other), "type not supported"),
        }
        Ok(())
    }

    fn refuse(&self, what: &str, why: &str) -> Result<()> {
        self.args.fail(format!("Cannot serialise {what}: {why}"))
    }

    fn begin_table(&mut self, table: &Table) -> Result<()> {
        let depth = self.open.len() + 1;
        if depth > self.options.encode_depth().min(DEPTH_MAX) {
            return self.args.fail(format!("Cannot serialise, excessive nesting ({depth})"));
        }
        let mut keys = Vec::new();
        let (mut max, mut is_array) = (0usize, true);
        table.for_each(|key: Value, _: Value| {
            match key {
                Value::Integer(index @ 1..) => max = max.max(index as usize),
                _ => is_array = false,
            }
            keys.push(match key {
                Value::String(string) => Key::String((&*string.as_bytes()).into()),
                Value::Integer(number) => Key::Number(number as f64),
                Value::Number(number) => Key::Number(number),
                other => Key::Other(type_name(&other)),
            });
            Ok(())
        })?;
        if is_array && self.options.is_sparse(max, keys.len()) {
            if !self.options.converts_sparse() {
                return self.refuse("table", "excessively sparse array");
            }
            is_array = false;
        }
        // An empty table is an object.
        if is_array && max > 0 {
            self.out.push(b'[');
            self.open.push(Open::Array { table: table.clone(), next: 0, len: max });
        } else {
            self.out.push(b'{');
            self.open.push(Open::Object { table: table.clone(), keys: keys.into_iter(), is_first: true });
        }
        Ok(())
    }

    fn key(&mut self, key: &Key) -> Result<()> {
        match key {
            Key::Number(number) => {
                self.out.push(b'"');
                self.number(*number)?;
                self.out.push(b'"');
            }
            Key::String(string) => write_string(&mut self.out, string),
            Key::Other(what) => return self.refuse(what, "table key must be a number or string"),
        }
        self.out.push(b':');
        Ok(())
    }

    fn number(&mut self, number: f64) -> Result<()> {
        if !number.is_finite() {
            match self.options.encode_invalid() {
                Invalid::Refuse => return self.refuse("number", "must not be NaN or Inf"),
                Invalid::Null => self.out.extend_from_slice(b"null"),
                Invalid::Write if number.is_nan() => self.out.extend_from_slice(b"nan"),
                Invalid::Write => self.out.extend_from_slice(if number > 0.0 { b"inf" } else { b"-inf" }),
            }
            return Ok(());
        }
        write_number(&mut self.out, number, self.options.precision());
        Ok(())
    }
}

/// A finite number with so many significant digits, as C's `%g` writes it.
fn write_number(out: &mut Vec<u8>, number: f64, precision: usize) {
    let scientific = format!("{number:.*e}", precision.saturating_sub(1));
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    let text = if exponent < -4 || exponent >= precision as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trim(digits), exponent.unsigned_abs())
    } else {
        let decimals = usize::try_from(precision as i32 - 1 - exponent).unwrap_or_default();
        trim(&format!("{number:.decimals$}"))
    };
    out.extend_from_slice(text.as_bytes());
}

fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' | b'/' => out.extend_from_slice(&[b'\\', byte]),
            8 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            12 => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..=31 | 127 => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_printf_does() {
        let written = |number, precision| {
            let mut out = Vec::new();
            write_number(&mut out, number, precision);
            String::from_utf8(out).unwrap_or_default()
        };
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (100.0, "100"),
            (0.1, "0.1"),
            (1e14, "1e+14"),
            (12345678901234.0, "12345678901234"),
            (1.5e-5, "1.5e-05"),
            (0.0001, "0.0001"),
            (1e300, "1e+300"),
            (1.0 / 3.0, "0.33333333333333"),
        ] {
            assert_eq!(written(number, 14), text);
        }
        assert_eq!(written(123.456, 3), "123");
        assert_eq!(written(1234.5, 3), "1.23e+03");
    }
}
