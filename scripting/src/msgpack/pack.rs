//! Lua values to MessagePack.

use crate::args::Args;
use mlua::{Result, Table, Value};

/// Tables that lie deeper are packed as nil, which also ends circles.
const DEPTH_MAX: usize = 16;

pub(super) fn pack(args: &Args<'_>) -> Result<Value> {
    if args.len() == 0 {
        return args.fail("bad argument #0 to 'pack' (MessagePack pack needs input.)");
    }
    let mut out = Vec::new();
    for value in args.values.iter() {
        put(&mut out, value, 0)?;
    }
    Ok(Value::String(args.lua.create_string(&out)?))
}

fn put(out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<()> {
    match value {
        Value::String(string) => put_string(out, &string.as_bytes()),
        Value::Boolean(value) => out.push(if *value { 0xc3 } else { 0xc2 }),
        Value::Integer(number) => put_integer(out, *number),
        Value::Number(number) => put_number(out, *number),
        Value::Table(table) if depth < DEPTH_MAX => put_table(out, table, depth)?,
        _ => out.push(0xc0),
    }
    Ok(())
}

fn put_table(out: &mut Vec<u8>, table: &Table, depth: usize) -> Result<()> {
    match array_len(table)? {
        Some(len) => {
            put_header(out, len, 0x90, 0xdc);
            for index in 1..=len {
                // As the original, this asks metamethods too.
                put(out, &table.get::<Value>(index)?, depth + 1)?;
            }
        }
        None => {
            let mut len = 0;
            table.for_each(|_: Value, _: Value| {
                len += 1;
                Ok(())
            })?;
            put_header(out, len, 0x80, 0xde);
            table.for_each(|key: Value, value: Value| {
                put(out, &key, depth + 1)?;
                put(out, &value, depth + 1)
            })?;
        }
    }
    Ok(())
}

/// Number of elements, if the keys are all integers from 1 to that number.
fn array_len(table: &Table) -> Result<Option<usize>> {
    let (mut count, mut max, mut is_array) = (0usize, 0usize, true);
    let walked = table.for_each(|key: Value, _: Value| match key {
        Value::Integer(index @ 1..=0x7fff_ffff) => {
            count += 1;
            max = max.max(index as usize);
            Ok(())
        }
        _ => {
            is_array = false;
            Err(mlua::Error::runtime(""))
        }
    });
    if !is_array {
        return Ok(None);
    }
    walked?;
    Ok((count == max).then_some(count))
}

/// The header of an array or a map: within the first byte, or with a length of 16 or 32 bits.
fn put_header(out: &mut Vec<u8>, len: usize, short: u8, long: u8) {
    match len {
        0..=15 => out.push(short | len as u8),
        16..=0xffff => {
            out.push(long);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(long + 1);
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
}

fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    match bytes.len() {
        len @ 0..=31 => out.push(0xa0 | len as u8),
        len @ 32..=0xff => out.extend_from_slice(&[0xd9, len as u8]),
        len @ 0x100..=0xffff => {
            out.push(0xda);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0xdb);
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
    out.extend_from_slice(bytes);
}

fn put_number(out: &mut Vec<u8>, number: f64) {
    let integer = number as i64;
    if integer as f64 == number && integer != i64::MAX {
        put_integer(out, integer);
    } else if f64::from(number as f32) == number {
        out.push(0xca);
        out.extend_from_slice(&(number as f32).to_be_bytes());
    } else {
        out.push(0xcb);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn put_integer(out: &mut Vec<u8>, number: i64) {
    match number {
        -32..=0x7f => out.push(number as u8),
        0x80..=0xff => out.extend_from_slice(&[0xcc, number as u8]),
        0x100..=0xffff => put_tagged(out, 0xcd, &(number as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => put_tagged(out, 0xce, &(number as u32).to_be_bytes()),
        0x1_0000_0000.. => put_tagged(out, 0xcf, &number.to_be_bytes()),
        -0x80..=-33 => out.extend_from_slice(&[0xd0, number as u8]),
        -0x8000..=-0x81 => put_tagged(out, 0xd1, &(number as i16).to_be_bytes()),
        -0x8000_0000..=-0x8001 => put_tagged(out, 0xd2, &(number as i32).to_be_bytes()),
        _ => put_tagged(out, 0xd3, &number.to_be_bytes()),
    }
}

fn put_tagged(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    out.extend_from_slice(bytes);
}
