//! MessagePack to Lua values.

use crate::args::Args;
use mlua::{Lua, MultiValue, Result, Table, Value};

/// Values that Lua's stack takes at once, as results or nested in each other.
const VALUES_MAX: usize = 7900;

pub(super) fn unpack(args: &Args<'_>) -> Result<MultiValue> {
    unpack_some(args, None)
}

pub(super) fn unpack_one(args: &Args<'_>) -> Result<MultiValue> {
    let offset = args.integer_or(1, 0)?;
    unpack_some(args, Some((1, offset)))
}

pub(super) fn unpack_limit(args: &Args<'_>) -> Result<MultiValue> {
    let limit = args.integer(1)?;
    let offset = args.integer_or(2, 0)?;
    unpack_some(args, Some((limit, offset)))
}

/// Unpacks all values, or so many from an offset on: then the offset of what follows comes first, -1 at the end.
fn unpack_some(args: &Args<'_>, part: Option<(i64, i64)>) -> Result<MultiValue> {
    let data = args.string(0)?;
    let data = data.as_bytes();
    let (limit, offset) = part.unwrap_or((0, 0));
    let (Ok(limit), Ok(start)) = (usize::try_from(limit), usize::try_from(offset)) else {
        let (offset, len) = (offset as i32, data.len());
        return args.fail(format!("Invalid request to unpack with offset of {offset} and limit of {len}."));
    };
    let Some(left) = data.get(start..) else {
        return args.fail(format!("Start offset {start} greater than input length {}.", data.len()));
    };
    let all = limit == 0 && start == 0;
    let limit = if all { usize::MAX } else { limit };
    let mut input = Input { left };
    let mut values = Vec::new();
    while !input.left.is_empty() && values.len() < limit {
        if values.len() >= VALUES_MAX {
            return too_many(args);
        }
        match input.value(args.lua)? {
            Ok(value) => values.push(value),
            Err(Broken::Short) => return args.fail("Missing bytes in input."),
            Err(Broken::Format) => return args.fail("Bad data format in input."),
            Err(Broken::Deep) => return too_many(args),
        }
    }
    let mut results = MultiValue::new();
    if !all {
        let next = if input.left.is_empty() { -1 } else { (data.len() - input.left.len()) as i64 };
        results.push_back(Value::Integer(next));
    }
    results.extend(values);
    Ok(results)
}

fn too_many<T>(args: &Args<'_>) -> Result<T> {
    args.fail("stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)")
}

/// Why the input makes no sense.
enum Broken {
    Short,
    Format,
    Deep,
}

struct Input<'d> {
    left: &'d [u8],
}

/// A table that is being filled.
struct Open {
    table: Table,
    /// Values to come.
    missing: u64,
    is_map: bool,
    next_index: i64,
    key: Option<Value>,
}

/// What one code means.
enum Token {
    Value(Value),
    Array(u64),
    Map(u64),
}

impl<'d> Input<'d> {
    /// The next value, with all that is nested in it.
    fn value(&mut self, lua: &Lua) -> Result<std::result::Result<Value, Broken>> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            let mut value = match self.token(lua)? {
                Err(broken) => return Ok(Err(broken)),
                Ok(Token::Value(value)) => value,
                Ok(Token::Array(len)) => {
                    open.push(Open::new(lua, len, false)?);
                    Value::Nil
                }
                Ok(Token::Map(len)) => {
                    open.push(Open::new(lua, 2 * len, true)?);
                    Value::Nil
                }
            };
            if open.len() > VALUES_MAX {
                return Ok(Err(Broken::Deep));
            }
            let mut is_new = open.last().is_some_and(|last| last.is_new());
            loop {
                let Some(last) = open.last_mut() else { return Ok(Ok(value)) };
                if is_new {
                    last.next_index = 1;
                    is_new = false;
                } else {
                    last.add(value)?;
                }
                if last.missing > 0 {
                    break;
                }
                value = match open.pop() {
                    Some(done) => Value::Table(done.table),
                    None => Value::Nil,
                };
            }
        }
    }

    fn token(&mut self, lua: &Lua) -> Result<std::result::Result<Token, Broken>> {
        Ok(match self.read() {
            Ok(Read::Bytes(bytes)) => Ok(Token::Value(Value::String(lua.create_string(bytes)?))),
            Ok(Read::Number(number)) => Ok(Token::Value(Value::Number(number))),
            Ok(Read::Other(value)) => Ok(Token::Value(value)),
            Ok(Read::Array(len)) => Ok(Token::Array(len)),
            Ok(Read::Map(len)) => Ok(Token::Map(len)),
            Err(broken) => Err(broken),
        })
    }

    fn take(&mut self, len: usize) -> std::result::Result<&'d [u8], Broken> {
        let (taken, left) = self.left.split_at_checked(len).ok_or(Broken::Short)?;
        self.left = left;
        Ok(taken)
    }

    fn unsigned(&mut self, len: usize) -> std::result::Result<u64, Broken> {
        Ok(self.take(len)?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    fn signed(&mut self, len: usize) -> std::result::Result<Read<'d>, Broken> {
        let unused = 64 - 8 * len as u32;
        Ok(Read::Number(((self.unsigned(len)? << unused) as i64 >> unused) as f64))
    }

    fn string(&mut self, len_len: usize) -> std::result::Result<Read<'d>, Broken> {
        let len = self.unsigned(len_len)?;
        Ok(Read::Bytes(self.take(usize::try_from(len).unwrap_or(usize::MAX))?))
    }

    fn read(&mut self) -> std::result::Result<Read<'d>, Broken> {
        let code = self.unsigned(1)? as u8;
        Ok(match code {
            0x00..=0x7f => Read::Number(f64::from(code)),
            0x80..=0x8f => Read::Map(u64::from(code & 15)),
            0x90..=0x9f => Read::Array(u64::from(code & 15)),
            0xa0..=0xbf => Read::Bytes(self.take(usize::from(code & 31))?),
            0xc0 => Read::Other(Value::Nil),
            0xc2 => Read::Other(Value::Boolean(false)),
            0xc3 => Read::Other(Value::Boolean(true)),
            0xca => Read::Number(f64::from(f32::from_bits(self.unsigned(4)? as u32))),
            0xcb => Read::Number(f64::from_bits(self.unsigned(8)?)),
            0xcc => Read::Number(self.unsigned(1)? as f64),
            0xcd => Read::Number(self.unsigned(2)? as f64),
            0xce => Read::Number(self.unsigned(4)? as f64),
            // The original pushes it as a signed integer.
            0xcf => Read::Number(self.unsigned(8)? as i64 as f64),
            0xd0 => self.signed(1)?,
            0xd1 => self.signed(2)?,
            0xd2 => self.signed(4)?,
            0xd3 => self.signed(8)?,
            0xd9 => self.string(1)?,
            0xda => self.string(2)?,
            0xdb => self.string(4)?,
            0xdc => Read::Array(self.unsigned(2)?),
            0xdd => Read::Array(self.unsigned(4)?),
            0xde => Read::Map(self.unsigned(2)?),
            0xdf => Read::Map(self.unsigned(4)?),
            0xe0..=0xff => Read::Number(f64::from(code as i8)),
            _ => return Err(Broken::Format),
        })
    }
}

enum Read<'d> {
    Bytes(&'d [u8]),
    Number(f64),
    Other(Value),
    Array(u64),
    Map(u64),
}

impl Open {
    fn new(lua: &Lua, missing: u64, is_map: bool) -> Result<Open> {
        Ok(Open { table: lua.create_table()?, missing, is_map, next_index: 0, key: None })
    }
    fn is_new(&self) -> bool {
        self.next_index == 0
    }
    fn add(&mut self, value: Value) -> Result<()> {
        self.missing = self.missing.saturating_sub(1);
        if !self.is_map {
            self.table.raw_set(self.next_index, value)?;
            self.next_index += 1;
            return Ok(());
        }
        match self.key.take() {
            None => self.key = Some(value),
            // Lua complains of nil and NaN.
            Some(key) => self.table.raw_set(key, value)?,
        }
        Ok(())
    }
}
