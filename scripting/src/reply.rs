//! Replies of commands to Lua values.

use crate::raise;
use mlua::{Lua, LuaString, Result, Value};

/// Aggregates in each other beyond which no reply is read.
const DEPTH_MAX: usize = 128;

/// What is needed again and again.
pub(crate) struct Words {
    ok: LuaString,
    done: LuaString,
    /// The reply OK.
    fine: Value,
}

impl Words {
    pub(crate) fn new(lua: &Lua) -> Result<Words> {
        let (ok, done) = (lua.create_string("ok")?, lua.create_string("OK")?);
        let fine = Value::Table(lua.create_table_from([(&ok, &done)])?);
        Ok(Words { ok, done, fine })
    }
}

/// The value of a reply, of which there is exactly one. `shares`: it may be one that was given out before.
pub(crate) fn value(lua: &Lua, words: &Words, reply: &[u8], shares: bool) -> Result<Value> {
    if reply == b"+OK\r\n" {
        return match shares {
            true => Ok(words.fine.clone()),
            false => Ok(Value::Table(lua.create_table_from([(&words.ok, &words.done)])?)),
        };
    }
    Reader { lua, left: reply }.value(0)
}

struct Reader<'r> {
    lua: &'r Lua,
    left: &'r [u8],
}

impl<'r> Reader<'r> {
    fn value(&mut self, depth: usize) -> Result<Value> {
        let (tag, line) = self.line();
        if depth > DEPTH_MAX {
            return raise::reply("ERR reply of too many levels", false);
        }
        Ok(match tag {
            b'+' => self.field("ok", Value::String(self.lua.create_string(line)?))?,
            b'-' => raise::table(self.lua, &raise::with_code(&[b"-", line].concat()), true)?,
            b':' => Value::Integer(number(line)),
            b'$' => match len(line) {
                Some(len) => Value::String(self.lua.create_string(self.bytes(len))?),
                None => Value::Boolean(false),
            },
            b'*' | b'>' => match len(line) {
                Some(len) => self.array(len, depth)?,
                None => Value::Boolean(false),
            },
            b'_' => Value::Nil,
            b'#' => Value::Boolean(line == b"t"),
            b',' => self.field("double", Value::Number(double(line)))?,
            b'(' => self.field("big_number", Value::String(self.lua.create_string(line)?))?,
            b'=' => self.verbatim(len(line).unwrap_or_default())?,
            b'%' => self.map(len(line).unwrap_or_default(), depth)?,
            b'~' => self.set(len(line).unwrap_or_default(), depth)?,
            b'|' => {
                // Scripts see no attributes.
                for _ in 0..2 * len(line).unwrap_or_default() {
                    self.value(depth + 1)?;
                }
                self.value(depth)?
            }
            _ => return raise::reply("ERR reply that cannot be read", false),
        })
    }

    /// The first byte and the rest of a line.
    fn line(&mut self) -> (u8, &'r [u8]) {
        let end = memchr::memchr(b'\n', self.left).unwrap_or(self.left.len());
        let (line, rest) = self.left.split_at(end);
        self.left = rest.get(1..).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.split_first().map_or((0, line), |(tag, rest)| (*tag, rest))
    }

    fn bytes(&mut self, len: usize) -> &'r [u8] {
        let (bytes, rest) = self.left.split_at_checked(len).unwrap_or((self.left, &[]));
        self.left = rest.get(2..).unwrap_or_default();
        bytes
    }

    fn field(&self, name: &str, value: Value) -> Result<Value> {
        let table = self.lua.create_table_with_capacity(0, 1)?;
        table.raw_set(name, value)?;
        Ok(Value::Table(table))
    }

    fn array(&mut self, len: usize, depth: usize) -> Result<Value> {
        let table = self.lua.create_table_with_capacity(len.min(self.left.len()), 0)?;
        for index in 1..=len {
            table.raw_set(index, self.value(depth + 1)?)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, len: usize, depth: usize) -> Result<Value> {
        let table = self.lua.create_table_with_capacity(0, len.min(self.left.len()))?;
        for _ in 0..len {
            let key = self.value(depth + 1)?;
            table.raw_set(key, self.value(depth + 1)?)?;
        }
        self.field("map", Value::Table(table))
    }

    fn set(&mut self, len: usize, depth: usize) -> Result<Value> {
        let table = self.lua.create_table_with_capacity(0, len.min(self.left.len()))?;
        for _ in 0..len {
            table.raw_set(self.value(depth + 1)?, true)?;
        }
        self.field("set", Value::Table(table))
    }

    fn verbatim(&mut self, len: usize) -> Result<Value> {
        let bytes = self.bytes(len);
        let (format, text) = bytes.split_at_checked(4).unwrap_or((b"txt:", bytes));
        let table = self.lua.create_table_with_capacity(0, 2)?;
        table.raw_set("string", self.lua.create_string(text)?)?;
        table.raw_set("format", self.lua.create_string(&format[..3])?)?;
        self.field("verbatim_string", Value::Table(table))
    }
}

/// The server's own replies hold nothing but digits.
fn number(line: &[u8]) -> i64 {
    let (is_negative, digits) = line.strip_prefix(b"-").map_or((false, line), |digits| (true, digits));
    let number = digits.iter().fold(0i64, |number, &digit| {
        let digit = i64::from(digit.wrapping_sub(b'0'));
        // The smallest has no positive counterpart.
        number.wrapping_mul(10).wrapping_sub(digit)
    });
    if is_negative { number } else { number.wrapping_neg() }
}

/// A length; `None`: there is nothing.
fn len(line: &[u8]) -> Option<usize> {
    usize::try_from(number(line)).ok()
}

fn double(line: &[u8]) -> f64 {
    std::str::from_utf8(line).ok().and_then(|line| line.parse().ok()).unwrap_or_default()
}
