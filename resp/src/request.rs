//! The incremental decoder of requests: multibulk (`*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n`) and inline (`ECHO hi\r\n`).
//!
//! Behaviour, limits and error texts follow `processMultibulkBuffer` and `processInlineBuffer` of Redis 7 as observed
//! from outside, with two differences. A result depends on the bytes alone, never on how they were cut into reads. And
//! where Redis takes any two bytes for the CR LF of a header or an argument, this decoder is as strict as Valkey 9.1:
//! a peer that miscounts is cut off before its data can pass for commands.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects))]

use crate::error::ProtocolError;
use crate::number::parse_i64;
use crate::split::split_args;
use memchr::{memchr, memchr2};

/// Arguments of one command before authentication.
const ARGS_UNAUTHENTICATED: usize = 10;
/// Bytes of one argument before authentication.
const BULK_LEN_UNAUTHENTICATED: usize = 16 * 1024;
/// A header line this long is never too long: it holds any number.
const HEADER_LEN_MIN: usize = 32;
/// Room that may be asked for on the strength of an announcement alone.
const HINT_BYTES_MIN: usize = 64 * 1024;
/// Entries of the side list kept between commands.
const PARTIAL_KEPT_MAX: usize = 1024;

/// A range of bytes, in the buffer given to [`RequestDecoder::decode`] or in [`RequestDecoder::inline_bytes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes of this range of `source`; empty when it reaches beyond `source`.
    #[inline]
    pub fn of(self, source: &[u8]) -> &[u8] {
        source.get(self.start..self.end).unwrap_or_default()
    }

    /// Length in bytes.
    #[inline]
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether the range holds nothing.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// What a client may send. Each limit is looked at when the header it concerns arrives, so it may change between
/// calls: decode one command at a time while `authenticated` is false, since the next command may be the one after AUTH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one argument (`proto-max-bulk-len`).
    pub bulk_len_max: usize,
    /// Arguments of one command.
    pub args_max: usize,
    /// Bytes of an inline command or a header line, without the line feed (32 at least for a header line).
    pub inline_len_max: usize,
    /// False holds the client to 10 arguments of 16 KiB.
    pub authenticated: bool,
}

impl Default for Limits {
    /// The defaults of Redis 7: 512 MiB, 2³¹−1 arguments, 64 KiB, authenticated.
    fn default() -> Self {
        Self { bulk_len_max: 512 << 20, args_max: i32::MAX as usize, inline_len_max: 64 << 10, authenticated: true }
    }
}

/// What [`RequestDecoder::decode`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A command; its arguments are ranges of the buffer.
    Command {
        /// Bytes to drop from the front of the buffer once the arguments are no longer needed.
        consumed: usize,
    },
    /// A command sent inline; its arguments are ranges of [`RequestDecoder::inline_bytes`].
    Inline {
        /// Bytes to drop from the front of the buffer.
        consumed: usize,
    },
    /// A blank line or a multibulk of no arguments: neither a command nor a reply to it.
    Empty {
        /// Bytes to drop from the front of the buffer.
        consumed: usize,
    },
    /// The buffer ends within a command.
    Incomplete {
        /// At least so many bytes are missing, never zero: a hint for reserving room. It never exceeds the length of
        /// the buffer or 64 KiB, whichever is more, so following it cannot make an empty announcement costly.
        needed: usize,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    /// Within the line behind `*`.
    Count,
    /// Within the line behind `$`.
    BulkHeader,
    /// Within the bytes of an argument, of which [`RequestDecoder::bulk_len`] were announced.
    Bulk,
    /// Within an inline command.
    Inline,
    /// Within an inline command that has a NUL byte: its end is never found (so do all real servers).
    InlineWithNul,
}

/// Decodes the requests of one connection. It keeps its place in an unfinished command, not the bytes of it.
#[derive(Debug, Default)]
pub struct RequestDecoder {
    state: State,
    /// Where the unfinished line or argument begins.
    at: usize,
    /// Bytes before this offset hold no end of the unfinished line.
    scanned: usize,
    args_pending: usize,
    bulk_len: usize,
    /// Arguments of the unfinished command.
    partial: Vec<Span>,
    inline_bytes: Vec<u8>,
    #[cfg(test)]
    examined: usize,
}

impl RequestDecoder {
    /// A decoder at the start of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes the next command.
    ///
    /// `buf` begins at the first byte that no finished command has consumed. The arguments of a finished command are
    /// appended to `args`, which is otherwise left alone. After [`Decoded::Incomplete`] call again with the same bytes
    /// and more behind them; they may have moved in memory.
    ///
    /// # Errors
    /// [`ProtocolError`]: the connection cannot go on, and the decoder must not be used again.
    // There is one caller, whose loop would otherwise read each result from memory.
    #[inline(always)]
    pub fn decode(&mut self, buf: &[u8], limits: &Limits, args: &mut Vec<Span>) -> Result<Decoded, ProtocolError> {
        if self.state == State::Idle {
            match buf.first() {
                Some(b'*') => return self.decode_whole(buf, limits, args),
                Some(_) => self.state = State::Inline,
                None => return Ok(Decoded::Incomplete { needed: 1 }),
            }
        }
        self.resume(buf, limits, args)
    }

    /// The arguments of the last [`Decoded::Inline`], unescaped, one behind the other. Valid until the next
    /// [`RequestDecoder::decode`].
    pub fn inline_bytes(&self) -> &[u8] {
        &self.inline_bytes
    }

    /// Whether the connection stands between commands.
    pub fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// Arguments of the unfinished command that have not arrived completely (0 while the count is unknown).
    pub fn pending_args(&self) -> usize {
        self.args_pending
    }

    /// Announced length in bytes of the argument that is arriving, if it was announced.
    pub fn pending_bulk_len(&self) -> Option<usize> {
        (self.state == State::Bulk).then_some(self.bulk_len)
    }

    /// Bytes of the unfinished command's arguments that have arrived completely.
    pub fn pending_arg_bytes(&self) -> usize {
        self.partial.iter().fold(0, |sum, span| sum.saturating_add(span.len()))
    }

    /// How many bytes at the front of the buffer are headers and complete arguments of the unfinished command.
    pub fn pending_parsed_len(&self) -> usize {
        match self.state {
            State::BulkHeader | State::Bulk => self.at,
            _ => 0,
        }
    }

    /// The length that the buffer has once the argument is complete that is arriving; 0 while none was announced.
    pub fn pending_buffer_len(&self) -> usize {
        match self.state {
            State::Bulk => self.at.saturating_add(self.bulk_len).saturating_add(2),
            _ => 0,
        }
    }

    /// Memory in bytes that the decoder holds beyond its own size.
    pub fn memory_bytes(&self) -> usize {
        self.partial.capacity().saturating_mul(size_of::<Span>()).saturating_add(self.inline_bytes.capacity())
    }

    /// Gives memory back that an idle connection does not need. Voids [`RequestDecoder::inline_bytes`].
    pub fn shrink(&mut self) {
        self.inline_bytes = Vec::new();
        self.partial.shrink_to_fit();
    }

    /// The common case: a multibulk that lies in the buffer completely, with headers in plain form. Whatever else it
    /// meets it leaves to [`Self::resume`], at the argument where it met it.
    #[inline(always)]
    fn decode_whole(&mut self, buf: &[u8], limits: &Limits, args: &mut Vec<Span>) -> Result<Decoded, ProtocolError> {
        let (args_max, bulk_len_max) = if limits.authenticated {
            (limits.args_max, limits.bulk_len_max)
        } else {
            (limits.args_max.min(ARGS_UNAUTHENTICATED), limits.bulk_len_max.min(BULK_LEN_UNAUTHENTICATED))
        };
        let (count, mut at) = match plain_header(buf, 0, b'*') {
            Some((count, at)) if count != 0 && count <= args_max => (count, at),
            _ => {
                self.state = State::Count;
                return self.resume(buf, limits, args);
            }
        };
        let first = args.len();
        for done in 0..count {
            let Some(span) = plain_bulk(buf, at, bulk_len_max) else {
                self.state = State::BulkHeader;
                self.at = at;
                self.scanned = at;
                self.args_pending = count.wrapping_sub(done);
                self.partial.extend(args.drain(first..));
                return self.resume(buf, limits, args);
            };
            args.push(span);
            at = span.end.wrapping_add(2);
        }
        Ok(Decoded::Command { consumed: at })
    }

    /// The general case: goes on from [`Self::state`], step by step.
    #[cold]
    #[inline(never)]
    fn resume(&mut self, buf: &[u8], limits: &Limits, args: &mut Vec<Span>) -> Result<Decoded, ProtocolError> {
        loop {
            match self.state {
                State::Idle => return Ok(Decoded::Incomplete { needed: 1 }),
                State::Inline | State::InlineWithNul => return self.resume_inline(buf, limits, args),
                State::Count => {
                    let Some((line, next)) = self.header_line(buf, limits, b'*', ProtocolError::CountLineTooLong)?
                    else {
                        return Ok(Decoded::Incomplete { needed: 1 });
                    };
                    let count = checked_count(line, limits)?;
                    if count == 0 {
                        self.reset();
                        return Ok(Decoded::Empty { consumed: next });
                    }
                    self.args_pending = count;
                    self.begin(State::BulkHeader, next);
                }
                State::BulkHeader => {
                    let Some((line, next)) = self.header_line(buf, limits, b'$', ProtocolError::BulkLineTooLong)?
                    else {
                        return Ok(Decoded::Incomplete { needed: 1 });
                    };
                    self.bulk_len = checked_bulk_len(line, limits)?;
                    self.begin(State::Bulk, next);
                }
                State::Bulk => {
                    let span = Span { start: self.at, end: self.at.saturating_add(self.bulk_len) };
                    let next = span.end.saturating_add(2);
                    let Some(line_end) = buf.get(span.end..next) else {
                        let missing = next.saturating_sub(buf.len());
                        return Ok(Decoded::Incomplete { needed: missing.min(buf.len().max(HINT_BYTES_MIN)) });
                    };
                    if line_end != b"\r\n" {
                        return Err(ProtocolError::InvalidCrlf);
                    }
                    self.partial.push(span);
                    self.args_pending = self.args_pending.saturating_sub(1);
                    if self.args_pending == 0 {
                        args.append(&mut self.partial);
                        self.reset();
                        return Ok(Decoded::Command { consumed: next });
                    }
                    self.begin(State::BulkHeader, next);
                }
            }
        }
    }

    fn resume_inline(&mut self, buf: &[u8], limits: &Limits, args: &mut Vec<Span>) -> Result<Decoded, ProtocolError> {
        if self.state == State::Inline {
            let window_end = limits.inline_len_max.saturating_add(1).min(buf.len());
            let window = buf.get(self.scanned..window_end).unwrap_or_default();
            let found = memchr2(b'\n', 0, window).map(|offset| self.scanned.saturating_add(offset));
            self.note_examined(found.map_or(window.len(), |end| end.saturating_sub(self.scanned)));
            match found {
                Some(end) if buf.get(end) == Some(&b'\n') => {
                    let line = buf.get(..end).unwrap_or_default();
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    self.inline_bytes.clear();
                    let first = args.len();
                    split_args(line, &mut self.inline_bytes, args).map_err(|_| ProtocolError::UnbalancedQuotes)?;
                    self.reset();
                    let consumed = end.saturating_add(1);
                    let blank = args.len() == first;
                    return Ok(if blank { Decoded::Empty { consumed } } else { Decoded::Inline { consumed } });
                }
                Some(_) => self.state = State::InlineWithNul,
                None => self.scanned = window_end,
            }
        }
        if buf.len() > limits.inline_len_max {
            return Err(ProtocolError::InlineTooLong);
        }
        Ok(Decoded::Incomplete { needed: 1 })
    }

    /// Finds the end of the header line at [`Self::at`]. `None` when it has not arrived, otherwise the line between
    /// `tag` and CR, and the offset behind LF.
    fn header_line<'b>(
        &mut self,
        buf: &'b [u8],
        limits: &Limits,
        tag: u8,
        too_long: ProtocolError,
    ) -> Result<Option<(&'b [u8], usize)>, ProtocolError> {
        let len_max = limits.inline_len_max.max(HEADER_LEN_MIN);
        let window_end = self.at.saturating_add(len_max).saturating_add(1).min(buf.len());
        let window = buf.get(self.scanned..window_end).unwrap_or_default();
        let Some(offset) = memchr(b'\r', window) else {
            self.note_examined(window.len());
            self.scanned = window_end;
            let too_long_already = buf.len().saturating_sub(self.at) > len_max;
            return if too_long_already { Err(too_long) } else { Ok(None) };
        };
        self.note_examined(offset);
        let line_end = self.scanned.saturating_add(offset);
        self.scanned = line_end;
        let Some(&behind) = buf.get(line_end.saturating_add(1)) else {
            return Ok(None);
        };
        let (&first, line) = match buf.get(self.at..line_end) {
            Some([first, line @ ..]) => (first, line),
            _ => (&b'\r', Default::default()),
        };
        if first != tag {
            return Err(ProtocolError::ExpectedBulk(first));
        }
        if behind != b'\n' {
            return Err(ProtocolError::InvalidCrlf);
        }
        Ok(Some((line, line_end.saturating_add(2))))
    }

    fn begin(&mut self, state: State, at: usize) {
        self.state = state;
        self.at = at;
        self.scanned = at;
    }

    fn reset(&mut self) {
        self.begin(State::Idle, 0);
        self.args_pending = 0;
        self.bulk_len = 0;
        if self.partial.capacity() > PARTIAL_KEPT_MAX {
            self.partial = Vec::new();
        }
    }

    #[cfg(test)]
    fn note_examined(&mut self, bytes: usize) {
        self.examined += bytes;
    }

    #[cfg(not(test))]
    fn note_examined(&mut self, _bytes: usize) {}
}

fn checked_count(line: &[u8], limits: &Limits) -> Result<usize, ProtocolError> {
    let announced = parse_i64(line).ok_or(ProtocolError::InvalidMultibulkLength)?;
    let count = usize::try_from(announced).unwrap_or(0);
    if count > limits.args_max {
        return Err(ProtocolError::InvalidMultibulkLength);
    }
    if count > ARGS_UNAUTHENTICATED && !limits.authenticated {
        return Err(ProtocolError::UnauthenticatedMultibulk);
    }
    Ok(count)
}

fn checked_bulk_len(line: &[u8], limits: &Limits) -> Result<usize, ProtocolError> {
    let len = parse_i64(line).and_then(|len| usize::try_from(len).ok()).ok_or(ProtocolError::InvalidBulkLength)?;
    if len > limits.bulk_len_max {
        return Err(ProtocolError::InvalidBulkLength);
    }
    if len > BULK_LEN_UNAUTHENTICATED && !limits.authenticated {
        return Err(ProtocolError::UnauthenticatedBulk);
    }
    Ok(len)
}

/// An argument that lies in `buf` completely, header included, and is at most `len_max` long.
#[inline]
fn plain_bulk(buf: &[u8], at: usize, len_max: usize) -> Option<Span> {
    let (len, start) = plain_header(buf, at, b'$')?;
    let end = start.wrapping_add(len);
    let line_end = buf.get(end..)?.first_chunk::<2>()?;
    (len <= len_max && line_end == b"\r\n").then_some(Span { start, end })
}

/// The header line at `at`, if it is complete and has the tag and one to eight digits in canonical form: the number,
/// and the offset behind the line.
#[inline]
fn plain_header(buf: &[u8], at: usize, tag: u8) -> Option<(usize, usize)> {
    let line = buf.get(at..)?;
    // No complete command ends sooner behind a header.
    let (head, &[_, _, _, _, fifth]) = (line.first_chunk::<4>()?, line.first_chunk::<5>()?);
    // What is left are the digits as numbers, in the lowest bytes, where all else is as expected.
    let head = u32::from_le_bytes(*head);
    let one_digit = (head ^ u32::from_le_bytes([tag, b'0', b'\r', b'\n'])).rotate_right(8);
    if one_digit <= 9 {
        return Some((one_digit as usize, at.wrapping_add(4)));
    }
    let two_digits = (head ^ u32::from_le_bytes([tag, b'0', b'0', b'\r'])).rotate_right(8);
    let (tens, ones) = (two_digits & 0xff, two_digits >> 8);
    if ones <= 9 && (1..=9).contains(&tens) && fifth == b'\n' {
        return Some((tens.wrapping_mul(10).wrapping_add(ones) as usize, at.wrapping_add(5)));
    }
    let is_longer = line.first() == Some(&tag) && matches!(line.get(1), Some(b'1'..=b'9'));
    if is_longer { longer_header(line, at) } else { None }
}

fn longer_header(line: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut number = 0usize;
    for (offset, &byte) in line.iter().enumerate().skip(1).take(9) {
        if !byte.is_ascii_digit() {
            let line_end = line.get(offset..)?;
            return matches!(line_end, [b'\r', b'\n', ..]).then(|| (number, at.wrapping_add(offset).wrapping_add(2)));
        }
        number = number.wrapping_mul(10).wrapping_add(digit(byte));
    }
    None
}

#[inline]
fn digit(byte: u8) -> usize {
    usize::from(byte.wrapping_sub(b'0'))
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
