//! Bytes as quoted text.

/// Appends `bytes` between double quotes, with escapes for quotes, backslashes and everything that does not print.
/// Splitting the result as a command line gives the bytes back.
pub fn repr(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0x07 => out.extend(b"\\a"),
            0x08 => out.extend(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}

/// Appends `bytes` as a JSON string. Bytes from 0x7f up are passed through, valid UTF-8 or not.
pub fn json_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            0x0c => out.extend(b"\\f"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0x08 => out.extend(b"\\b"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Appends [`repr`] of `bytes` with every backslash doubled, which makes it a JSON string in ASCII.
///
/// A quote inside `bytes` ends up behind two backslashes, as `redis-cli` has it, and ends the JSON string early.
pub fn repr_json(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut quoted = Vec::new();
    repr(&mut quoted, bytes);
    for byte in quoted {
        if byte == b'\\' {
            out.push(b'\\');
        }
        out.push(byte);
    }
}
