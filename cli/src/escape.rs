//! Bytes as quoted text.

use ochre_resp::split::quote;

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

/// Appends `bytes` [quoted](quote) with every backslash doubled, which makes it a JSON string in ASCII.
///
/// A quote inside `bytes` ends up behind two backslashes, as `redis-cli` has it, and ends the JSON string early.
pub fn quoted_json(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut quoted = Vec::new();
    quote(&mut quoted, bytes);
    for byte in quoted {
        if byte == b'\\' {
            out.push(b'\\');
        }
        out.push(byte);
    }
}
