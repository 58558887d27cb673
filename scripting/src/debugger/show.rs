//! Values and replies, as people read them.

use crate::args::{as_number, as_string, type_name};
use mlua::{Lua, Result, Value};
use ochre_resp::split::quote;

/// Tables in each other that are shown.
const DEPTH_MAX: usize = 10;

/// Appends a value.
pub(crate) fn show_value(lua: &Lua, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    show_part(lua, value, out, 0)
}

fn show_part(lua: &Lua, value: &Value, out: &mut Vec<u8>, depth: usize) -> Result<()> {
    if depth == DEPTH_MAX {
        out.extend_from_slice(b"<max recursion level reached! Nested table?>");
        return Ok(());
    }
    match value {
        Value::String(text) => quote(out, &text.as_bytes()),
        Value::Boolean(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Integer(_) | Value::Number(_) => {
            if let Some(text) = as_string(lua, value)? {
                out.extend_from_slice(&text.as_bytes());
            }
        }
        Value::Nil => out.extend_from_slice(b"nil"),
        Value::Table(table) => {
            let (mut array, mut full, mut next) = (Vec::new(), Vec::new(), 1.0);
            let mut is_array = true;
            for pair in table.pairs::<Value, Value>() {
                let (key, value) = pair?;
                is_array &= matches!(key, Value::Integer(_) | Value::Number(_)) && as_number(lua, &key) == Some(next);
                next += 1.0;
                let mut part = Vec::new();
                show_part(lua, &value, &mut part, depth + 1)?;
                separate(&mut array, b"; ");
                array.extend_from_slice(&part);
                separate(&mut full, b"; ");
                full.push(b'[');
                show_part(lua, &key, &mut full, depth + 1)?;
                full.extend_from_slice(b"]=");
                full.extend_from_slice(&part);
            }
            out.push(b'{');
            out.extend_from_slice(if is_array { &array } else { &full });
            out.push(b'}');
        }
        other => {
            let name = if matches!(other, Value::LightUserData(_)) { "light-userdata" } else { type_name(other) };
            out.extend_from_slice(format!("\"{name}@{:p}\"", other.to_pointer()).as_bytes());
        }
    }
    Ok(())
}

fn separate(out: &mut Vec<u8>, by: &[u8]) {
    if !out.is_empty() {
        out.extend_from_slice(by);
    }
}

/// Appends a reply.
pub(crate) fn show_reply(reply: &[u8], out: &mut Vec<u8>) {
    // What is open: how many parts are left, whether every other one follows its key, and how it ends.
    let mut open: Vec<(usize, bool, u8)> = Vec::new();
    let mut left = reply;
    while !left.is_empty() {
        let end = memchr::memchr(b'\n', left).unwrap_or(left.len());
        let line = left.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        left = left.get(end + 1..).unwrap_or_default();
        let Some((&tag, rest)) = line.split_first() else { break };
        let count = std::str::from_utf8(rest).ok().and_then(|text| text.parse::<usize>().ok());
        match (tag, count) {
            (b'*' | b'~' | b'>' | b'%', Some(count)) => {
                let (is_map, begin, end) = match tag {
                    b'%' => (true, b'{', b'}'),
                    b'~' => (false, b'(', b')'),
                    _ => (false, b'[', b']'),
                };
                let parts = count.saturating_mul(if is_map { 2 } else { 1 });
                out.push(begin);
                open.push((parts, is_map, end));
                close(&mut open, out, parts > 0);
                continue;
            }
            (b'$' | b'=', Some(len)) => {
                let bytes = left.get(..len).unwrap_or(left);
                quote(out, bytes);
                left = left.get(len + 2..).unwrap_or_default();
            }
            (b'$' | b'*' | b'_', _) => out.extend_from_slice(b"NULL"),
            (b':', _) => out.extend_from_slice(rest),
            (b'#', _) => out.extend_from_slice(if rest == b"t" { b"#true" } else { b"#false" }),
            (b',', _) => {
                out.extend_from_slice(b"(double) ");
                out.extend_from_slice(rest);
            }
            _ => quote(out, line),
        }
        close(&mut open, out, false);
    }
}

/// A part is complete, unless one has just begun: what lies between it and the next, or the ends of what it was the last of.
fn close(open: &mut Vec<(usize, bool, u8)>, out: &mut Vec<u8>, has_begun: bool) {
    if has_begun {
        return;
    }
    let mut is_part = !matches!(open.last(), Some((0, ..)));
    while let Some((parts, is_map, end)) = open.last_mut() {
        if is_part {
            *parts = parts.saturating_sub(1);
        }
        if *parts > 0 {
            let is_key = *is_map && *parts % 2 == 1;
            out.extend_from_slice(if is_key { b" => " } else { b"," });
            return;
        }
        out.push(*end);
        open.pop();
        is_part = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_shown_as_one_line() {
        for (reply, shown) in [
            ("+OK\r\n", "\"+OK\""),
            ("-ERR x\r\n", "\"-ERR x\""),
            (":5\r\n", "5"),
            ("$3\r\na\nb\r\n", "\"a\\nb\""),
            ("$-1\r\n", "NULL"),
            ("*0\r\n", "[]"),
            ("*2\r\n*1\r\n:1\r\n$1\r\nx\r\n", "[[1],\"x\"]"),
            ("*2\r\n*0\r\n:2\r\n", "[[],2]"),
            ("%1\r\n:1\r\n:2\r\n", "{1 => 2}"),
            ("*1\r\n$99\r\nx\r\n", "[\"x\\r\\n\"]"),
        ] {
            let mut out = Vec::new();
            show_reply(reply.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), shown);
        }
    }
}
