//! The library `bit`: operations on 32 bits.

use crate::args::{Args, function};
use mlua::{Lua, Result, Table, Value};

pub(crate) fn library(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    let add = |name: &'static str, operation: fn(&Args<'_>) -> Result<u32>| -> Result<()> {
        table.raw_set(name, function(lua, name, move |args| Ok(f64::from(operation(&args)? as i32)))?)
    };
    add("tobit", |args| bits(args, 0))?;
    add("bnot", |args| Ok(!bits(args, 0)?))?;
    add("band", |args| fold(args, |left, right| left & right))?;
    add("bor", |args| fold(args, |left, right| left | right))?;
    add("bxor", |args| fold(args, |left, right| left ^ right))?;
    add("lshift", |args| shift(args, u32::wrapping_shl))?;
    add("rshift", |args| shift(args, u32::wrapping_shr))?;
    add("arshift", |args| shift(args, |bits, by| (bits as i32).wrapping_shr(by) as u32))?;
    add("rol", |args| shift(args, u32::rotate_left))?;
    add("ror", |args| shift(args, u32::rotate_right))?;
    add("bswap", |args| Ok(bits(args, 0)?.swap_bytes()))?;
    table.raw_set("tohex", function(lua, "tohex", |args| hex(&args))?)?;
    Ok(table)
}

/// An argument modulo 2^32, rounded to the nearest integer.
fn bits(args: &Args<'_>, index: usize) -> Result<u32> {
    // Adding this leaves the integer in the low bits of the sum.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    Ok((args.number(index)? + SHIFT).to_bits() as u32)
}

fn fold(args: &Args<'_>, operation: fn(u32, u32) -> u32) -> Result<u32> {
    let mut result = bits(args, 0)?;
    for index in (1..args.len()).rev() {
        result = operation(result, bits(args, index)?);
    }
    Ok(result)
}

fn shift(args: &Args<'_>, operation: fn(u32, u32) -> u32) -> Result<u32> {
    Ok(operation(bits(args, 0)?, bits(args, 1)? & 31))
}

fn hex(args: &Args<'_>) -> Result<Value> {
    let number = bits(args, 0)?;
    let digits = if args.is_missing(1) { 8 } else { bits(args, 1)? as i32 };
    let text = if digits < 0 { format!("{number:08X}") } else { format!("{number:08x}") };
    let count = digits.unsigned_abs().min(8) as usize;
    Ok(Value::String(args.lua.create_string(&text[8 - count..])?))
}
