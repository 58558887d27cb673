//! Bounds that several tables share, and what texts must look like.

use std::net::{Ipv4Addr, Ipv6Addr};

pub(in super::super) const INT_MIN: i64 = i32::MIN as i64;
pub(in super::super) const INT_MAX: i64 = i32::MAX as i64;
pub(in super::super) const UINT_MAX: i64 = u32::MAX as i64;
pub(in super::super) const LONG_MAX: i128 = i64::MAX as i128;

/// The longest host name, with its final zero byte.
const HOST_NAME_MAX: usize = 256;

/// What may stand in braces in `proc-title-template`.
const TITLE_VARIABLES: [&str; 7] =
    ["title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"];

/// Accepts a template that names only known variables and is not empty.
pub(in super::super) fn title_template(text: &str) -> Result<(), &'static str> {
    const REASON: &str = "template format is invalid or contains unknown variables";
    let mut rest = text;
    let mut blank = true;
    while let Some((before, after)) = rest.split_once('{') {
        blank = blank && before.trim_matches(' ').is_empty();
        rest = match after.strip_prefix('{') {
            // A doubled brace is a brace.
            Some(literal) => {
                blank = false;
                literal
            }
            None => {
                let (name, tail) = after.split_once('}').ok_or(REASON)?;
                if !TITLE_VARIABLES.contains(&name) {
                    return Err(REASON);
                }
                // No title is known yet, a standalone server shows no mode, and there may be no socket.
                blank = blank && matches!(name, "title" | "server-mode" | "unixsocket");
                tail
            }
        };
    }
    if blank && rest.trim_matches(' ').is_empty() { Err(REASON) } else { Ok(()) }
}

fn is_base_name(text: &str) -> bool {
    !text.contains(['/', '\\'])
}

/// Accepts the name of the snapshot.
pub(in super::super) fn db_file_name(text: &str) -> Result<(), &'static str> {
    if is_base_name(text) { Ok(()) } else { Err("dbfilename can't be a path, just a filename") }
}

/// Accepts the base name of append-only files.
pub(in super::super) fn append_file_name(text: &str) -> Result<(), &'static str> {
    match text {
        "" => Err("appendfilename can't be empty"),
        text if !is_base_name(text) => Err("appendfilename can't be a path, just a filename"),
        _ => Ok(()),
    }
}

/// Accepts the directory of append-only files.
pub(in super::super) fn append_directory_name(text: &str) -> Result<(), &'static str> {
    match text {
        "" => Err("appenddirname can't be empty"),
        text if !is_base_name(text) => Err("appenddirname can't be a path, just a dirname"),
        _ => Ok(()),
    }
}

/// Accepts a host name to announce.
pub(in super::super) fn host_name(text: &str) -> Result<(), &'static str> {
    if text.len() >= HOST_NAME_MAX {
        return Err("Hostnames must be less than 256 characters");
    }
    let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    if fits { Ok(()) } else { Err("Hostnames may only contain alphanumeric characters, hyphens or dots") }
}

/// Accepts a name for people.
pub(in super::super) fn node_name(text: &str) -> Result<(), &'static str> {
    if text.len() >= HOST_NAME_MAX {
        return Err("Hostnames must be less than 256 characters");
    }
    let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if fits { Ok(()) } else { Err("Announced human node name contained invalid character") }
}

/// Accepts an IPv4 address, or none.
pub(in super::super) fn ipv4(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.parse::<Ipv4Addr>().is_ok() { Ok(()) } else { Err("Invalid IPv4 address") }
}

/// Accepts an IPv6 address, or none.
pub(in super::super) fn ipv6(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.parse::<Ipv6Addr>().is_ok() { Ok(()) } else { Err("Invalid IPv6 address") }
}
