//! The library `struct`: values to and from binary layouts.

use crate::args::{Args, as_number, function, to_int};
use mlua::{Lua, MultiValue, Result, Table, Value};

/// Largest integer, in bytes.
const INTEGER_SIZE_MAX: usize = 32;
/// What `!` aligns to without a number.
const ALIGN_MAX: usize = 8;

pub(crate) fn library(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("pack", function(lua, "pack", |args| pack(&args))?)?;
    table.raw_set("unpack", function(lua, "unpack", |args| unpack(&args))?)?;
    table.raw_set("size", function(lua, "size", |args| size(&args))?)?;
    Ok(table)
}

/// One option of a format, with its size in bytes.
#[derive(Clone, Copy)]
struct Item {
    option: u8,
    size: usize,
    /// Bytes before it, for its alignment.
    padding: usize,
}

/// Reads a format, option by option.
struct Format<'f> {
    text: &'f [u8],
    next: usize,
    big_endian: bool,
    align: usize,
}

impl<'f> Format<'f> {
    fn new(text: &'f [u8]) -> Format<'f> {
        // C ends strings at a zero.
        let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
        Format { text: &text[..end], next: 0, big_endian: cfg!(target_endian = "big"), align: 1 }
    }

    /// The next option, for something that lies at `position`.
    fn item(&mut self, args: &Args<'_>, position: usize) -> Result<Option<Item>> {
        let Some(&option) = self.text.get(self.next) else { return Ok(None) };
        self.next += 1;
        let size = match option {
            b'B' | b'b' | b'x' => 1,
            b'H' | b'h' => 2,
            b'L' | b'l' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.number(args, 1)?,
            b'i' | b'I' => {
                let size = self.number(args, 4)?;
                if size > INTEGER_SIZE_MAX {
                    return args.fail(format!("integral size {size} is larger than limit of {INTEGER_SIZE_MAX}"));
                }
                size
            }
            _ => 0,
        };
        let padding = match size.min(self.align) {
            _ if option == b'c' => 0,
            0 => 0,
            boundary => boundary.wrapping_sub(position & (boundary - 1)) & (boundary - 1),
        };
        Ok(Some(Item { option, size, padding }))
    }

    fn number(&mut self, args: &Args<'_>, otherwise: usize) -> Result<usize> {
        let mut number = None;
        while let Some(digit) = self.text.get(self.next).filter(|byte| byte.is_ascii_digit()) {
            let shifted = number.unwrap_or(0i32).checked_mul(10);
            let Some(sum) = shifted.and_then(|shifted| shifted.checked_add(i32::from(digit - b'0'))) else {
                return args.fail("integral size overflow");
            };
            number = Some(sum);
            self.next += 1;
        }
        Ok(number.map_or(otherwise, |number| number as usize))
    }

    /// An option that is no item.
    fn control(&mut self, args: &Args<'_>, option: u8) -> Result<()> {
        match option {
            b' ' => {}
            b'>' => self.big_endian = true,
            b'<' => self.big_endian = false,
            b'!' => {
                let align = self.number(args, ALIGN_MAX)?;
                if !align.is_power_of_two() {
                    return args.fail(format!("alignment {align} is not a power of 2"));
                }
                self.align = align;
            }
            _ => return args.bad(0, &format!("invalid format option '{}'", char::from(option))),
        }
        Ok(())
    }

    /// Bytes that are in the order of this machine, in that of the format; and back.
    fn ordered<const N: usize>(&self, mut bytes: [u8; N]) -> [u8; N] {
        if self.big_endian != cfg!(target_endian = "big") {
            bytes.reverse();
        }
        bytes
    }
}

fn pack(args: &Args<'_>) -> Result<Value> {
    let format = args.string(0)?;
    let format = format.as_bytes();
    let mut format = Format::new(&format);
    let (mut out, mut next) = (Vec::new(), 1);
    // What is not packed is counted too: the position follows the sizes.
    let mut position = 0usize;
    while let Some(item) = format.item(args, position)? {
        out.resize(out.len() + item.padding, 0);
        let mut size = item.size;
        match item.option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = args.number(next)?;
                put_integer(&mut out, number, size, format.big_endian);
                next += 1;
            }
            b'x' => out.push(0),
            b'f' => {
                out.extend_from_slice(&format.ordered((args.number(next)? as f32).to_ne_bytes()));
                next += 1;
            }
            b'd' => {
                out.extend_from_slice(&format.ordered(args.number(next)?.to_ne_bytes()));
                next += 1;
            }
            b'c' | b's' => {
                let string = args.string(next)?;
                let string = string.as_bytes();
                next += 1;
                if size == 0 {
                    size = string.len();
                }
                let Some(part) = string.get(..size) else { return args.bad(next, "string too short") };
                out.extend_from_slice(part);
                if item.option == b's' {
                    out.push(0);
                    size += 1;
                }
            }
            option => format.control(args, option)?,
        }
        position = position.saturating_add(item.padding).saturating_add(size);
    }
    Ok(Value::String(args.lua.create_string(&out)?))
}

fn put_integer(out: &mut Vec<u8>, number: f64, size: usize, big_endian: bool) {
    let value = if number < 0.0 { to_int(number) as u64 } else { to_unsigned(number) };
    let mut bytes = [0; INTEGER_SIZE_MAX];
    bytes[..8].copy_from_slice(&value.to_le_bytes());
    let bytes = &mut bytes[..size];
    if big_endian {
        bytes.reverse();
    }
    out.extend_from_slice(bytes);
}

/// A number as C casts it to an unsigned integer on today's processors.
fn to_unsigned(number: f64) -> u64 {
    if number < -(i64::MIN as f64) { to_int(number) as u64 } else { number as u64 }
}

fn unpack(args: &Args<'_>) -> Result<MultiValue> {
    let format = args.string(0)?;
    let format = format.as_bytes();
    let mut format = Format::new(&format);
    let data = args.string(1)?;
    let data = data.as_bytes();
    let position = args.integer_or(2, 1)?;
    if position == 0 {
        return args.bad(2, "offset must be 1 or greater");
    }
    let mut position = (position as usize).wrapping_sub(1);
    let mut results: Vec<Value> = Vec::new();
    while let Some(item) = format.item(args, position)? {
        position = position.wrapping_add(item.padding);
        let mut size = item.size;
        let too_short = || args.bad(1, "data string too short");
        let part = |from: usize, size: usize| data.get(from..from.checked_add(size)?);
        let Some(bytes) = part(position, size) else { return too_short() };
        if results.len() >= RESULTS_MAX {
            return args.fail("stack overflow (too many results)");
        }
        match item.option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let signed = item.option.is_ascii_lowercase();
                results.push(Value::Number(get_integer(bytes, format.big_endian, signed)));
            }
            b'x' => {}
            b'f' => {
                let bytes = bytes.try_into().unwrap_or_default();
                results.push(Value::Number(f64::from(f32::from_ne_bytes(format.ordered(bytes)))));
            }
            b'd' => {
                let bytes = bytes.try_into().unwrap_or_default();
                results.push(Value::Number(f64::from_ne_bytes(format.ordered(bytes))));
            }
            b'c' => {
                let mut bytes = bytes;
                if size == 0 {
                    let len = results.pop().and_then(|last| as_number(args.lua, &last));
                    let Some(len) = len else { return args.fail("format 'c0' needs a previous size") };
                    size = to_unsigned(len) as usize;
                    let Some(counted) = part(position, size) else { return too_short() };
                    bytes = counted;
                }
                results.push(Value::String(args.lua.create_string(bytes)?));
            }
            b's' => {
                let rest = data.get(position..).unwrap_or_default();
                let Some(end) = rest.iter().position(|&byte| byte == 0) else {
                    return args.fail("unfinished string in data");
                };
                results.push(Value::String(args.lua.create_string(&rest[..end])?));
                size = end + 1;
            }
            option => format.control(args, option)?,
        }
        position = position.wrapping_add(size);
    }
    results.push(Value::Number(position as f64 + 1.0));
    Ok(results.into_iter().collect())
}

/// As many as Lua's stack takes.
const RESULTS_MAX: usize = 7900;

fn get_integer(bytes: &[u8], big_endian: bool, signed: bool) -> f64 {
    let mut value = 0u64;
    let mut push = |byte: &u8| value = value << 8 | u64::from(*byte);
    if big_endian {
        bytes.iter().for_each(&mut push)
    } else {
        bytes.iter().rev().for_each(&mut push)
    }
    if !signed {
        return value as f64;
    }
    let unused = 64usize.saturating_sub(bytes.len() * 8) as u32;
    // No byte, no sign.
    let extended = value.checked_shl(unused).map_or(0, |shifted| (shifted as i64) >> unused);
    extended as f64
}

fn size(args: &Args<'_>) -> Result<Value> {
    let format = args.string(0)?;
    let format = format.as_bytes();
    let mut format = Format::new(&format);
    let mut position = 0usize;
    while let Some(item) = format.item(args, position)? {
        position = position.wrapping_add(item.padding);
        match item.option {
            b's' => return args.bad(0, "option 's' has no fixed size"),
            b'c' if item.size == 0 => return args.bad(0, "option 'c0' has no fixed size"),
            option if !option.is_ascii_alphanumeric() => format.control(args, option)?,
            _ => {}
        }
        position = position.wrapping_add(item.size);
    }
    Ok(Value::Number(position as f64))
}
