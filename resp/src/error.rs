//! Why a stream of bytes is not the protocol.

use thiserror::Error;

/// A client broke the request protocol; its connection is closed after the error was sent.
///
/// `Display` gives what follows `-ERR Protocol error: ` on the wire, where every byte that is not ASCII shows as
/// its Latin-1 character. The exact bytes come from [`ProtocolError::write_text`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// The number behind `*` is not one, or is above [`crate::Limits::args_max`].
    #[error("invalid multibulk length")]
    InvalidMultibulkLength,
    /// The number behind `$` is not one, is negative, or is above [`crate::Limits::bulk_len_max`].
    #[error("invalid bulk length")]
    InvalidBulkLength,
    /// An argument does not begin with `$` but with this byte.
    #[error("expected '$', got '{}'", printable(*.0))]
    ExpectedBulk(u8),
    /// A header line or an argument does not end in CR LF.
    #[error("invalid CRLF in request")]
    InvalidCrlf,
    /// The line behind `*` has no end within [`crate::Limits::inline_len_max`].
    #[error("too big mbulk count string")]
    CountLineTooLong,
    /// The line behind `$` has no end within [`crate::Limits::inline_len_max`].
    #[error("too big bulk count string")]
    BulkLineTooLong,
    /// An inline command has no end within [`crate::Limits::inline_len_max`].
    #[error("too big inline request")]
    InlineTooLong,
    /// An inline command has a quote that is not closed, or is closed in the middle of a word.
    #[error("unbalanced quotes in request")]
    UnbalancedQuotes,
    /// More arguments than a client may send before it has authenticated.
    #[error("unauthenticated multibulk length")]
    UnauthenticatedMultibulk,
    /// A longer argument than a client may send before it has authenticated.
    #[error("unauthenticated bulk length")]
    UnauthenticatedBulk,
}

impl ProtocolError {
    /// Appends the same text as `Display`, but with the offending byte of [`ProtocolError::ExpectedBulk`] as it came
    /// (CR and LF as a blank).
    pub fn write_text(&self, out: &mut Vec<u8>) {
        match *self {
            Self::ExpectedBulk(got) => {
                out.extend_from_slice(b"expected '$', got '");
                out.push(blank_line_end(got));
                out.push(b'\'');
            }
            _ => out.extend_from_slice(self.to_string().as_bytes()),
        }
    }
}

/// A server broke the reply protocol, or exceeded a limit of the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReplyError {
    /// A reply begins with a byte that names no type.
    #[error("unknown reply type, byte 0x{0:02x}")]
    UnknownType(u8),
    /// A length or an integer is malformed or out of range.
    #[error("bad number in a reply header")]
    BadNumber,
    /// A boolean, null or double does not have the form of its type.
    #[error("malformed {0} reply")]
    Malformed(&'static str),
    /// A line or a bulk string does not end in CR LF.
    #[error("missing CR LF in a reply")]
    MissingCrlf,
    /// A line has no end within the limit.
    #[error("reply line too long")]
    LineTooLong,
    /// Aggregates are nested more deeply than the limit.
    #[error("replies nested too deeply")]
    TooDeep,
}

fn printable(byte: u8) -> char {
    char::from(blank_line_end(byte))
}

fn blank_line_end(byte: u8) -> u8 {
    if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }
}
