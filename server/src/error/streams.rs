//! Error texts of streams that repeat something.

use super::{CommandError, quoting, shorten};

/// A number of streams that is not that of the IDs; `symbol` is what may stand for an ID.
pub fn unbalanced_streams(full_name: &str, symbol: char) -> CommandError {
    CommandError::Message(format!(
        "ERR Unbalanced '{full_name}' list of streams: for each stream key an ID or '{symbol}' must be specified."
    ))
}

/// XREADGROUP with an ID that stands for the last one.
pub fn meaningless_id(id: char) -> CommandError {
    CommandError::Message(format!(
        "ERR The {id} ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The {id} ID would just return an empty result set."
    ))
}

/// No such stream, or no such group of it.
pub fn no_key_or_group(key: &[u8], group: &[u8]) -> CommandError {
    let (key, group) = (shorten(key, usize::MAX), shorten(group, usize::MAX));
    quoting(&[b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'"])
}

/// No such stream, or no such group of it, to read from.
pub fn no_group_to_read(key: &[u8], group: &[u8]) -> CommandError {
    match no_key_or_group(key, group) {
        CommandError::Quoting(text) => quoting(&[&text, b" in XREADGROUP with GROUP option"]),
        other => other,
    }
}

/// No such group of a stream that exists.
pub fn no_group(key: &[u8], group: &[u8]) -> CommandError {
    let (key, group) = (shorten(key, usize::MAX), shorten(group, usize::MAX));
    quoting(&[b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"])
}

/// An option of XCLAIM that does not exist or lacks its value.
pub fn xclaim_option(option: &[u8]) -> CommandError {
    quoting(&[b"ERR Unrecognized XCLAIM option '", shorten(option, usize::MAX), b"'"])
}
