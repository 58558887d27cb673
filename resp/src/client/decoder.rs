//! The incremental decoder of replies.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects))]

use super::value::Value;
use crate::error::ReplyError;
use crate::number::parse_i64;
use memchr::memchr;

/// Room reserved for the children of an aggregate before they arrive.
const CHILDREN_RESERVED_MAX: usize = 16;

/// What a server may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyLimits {
    /// Aggregates within each other; attributes count.
    pub depth_max: usize,
    /// Bytes of a line: a simple string, an error, a number.
    pub line_len_max: usize,
    /// Bytes of a bulk string.
    pub bulk_len_max: usize,
    /// Children of one aggregate, a map's keys and values each.
    pub children_max: usize,
}

impl Default for ReplyLimits {
    /// 128 levels, lines of 16 MiB, bulk strings and aggregates as long as 63 bits tell.
    fn default() -> Self {
        let unlimited = i64::MAX as usize;
        Self { depth_max: 128, line_len_max: 16 << 20, bulk_len_max: unlimited, children_max: unlimited }
    }
}

/// Decodes the replies on one connection. It keeps all it needs of what it was given: nothing is given to it twice.
#[derive(Debug, Default)]
pub struct ReplyDecoder {
    limits: ReplyLimits,
    state: State,
    /// Aggregates that miss children, the outermost first.
    open: Vec<Open>,
}

#[derive(Debug)]
enum State {
    /// Within a line, type byte included.
    Line(Vec<u8>),
    /// Within a bulk string; so many bytes are missing, the CR LF included.
    Bulk { kind: BulkKind, bytes: Vec<u8>, missing: usize },
}

impl Default for State {
    fn default() -> Self {
        Self::Line(Vec::new())
    }
}

#[derive(Clone, Copy, Debug)]
enum BulkKind {
    Plain,
    Error,
    Verbatim,
}

#[derive(Debug)]
struct Open {
    kind: OpenKind,
    children: Vec<Value>,
    missing: usize,
}

#[derive(Debug)]
enum OpenKind {
    Array,
    Set,
    Push,
    Map,
    /// The pairs of attributes.
    Attribute,
    /// The reply which these attributes describe.
    Described(Vec<(Value, Value)>),
}

/// What a header line calls for.
enum Header {
    Value(Value),
    Bulk(BulkKind, usize),
    Aggregate(OpenKind, usize),
}

impl ReplyDecoder {
    /// A decoder at the start of a connection.
    pub fn new(limits: ReplyLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Whether the connection stands between replies.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty() && matches!(&self.state, State::Line(line) if line.is_empty())
    }

    /// Takes bytes in until a reply is complete or `input` is used up.
    ///
    /// Returns the reply, if one was completed, and how many bytes were taken: all of them if none was. Give the
    /// remaining ones to the next call.
    ///
    /// # Errors
    /// [`ReplyError`]: what follows cannot be understood, and the decoder must not be used again.
    pub fn decode(&mut self, input: &[u8]) -> Result<(usize, Option<Value>), ReplyError> {
        let mut rest = input;
        while !rest.is_empty() {
            let (tail, value) = match &self.state {
                State::Line(_) => self.take_line(rest)?,
                State::Bulk { .. } => self.take_bulk(rest)?,
            };
            rest = tail;
            if let Some(reply) = value.and_then(|value| self.place(value)) {
                return Ok((input.len().saturating_sub(rest.len()), Some(reply)));
            }
        }
        Ok((input.len(), None))
    }

    fn take_line<'i>(&mut self, input: &'i [u8]) -> Result<(&'i [u8], Option<Value>), ReplyError> {
        let State::Line(kept) = &mut self.state else { return Ok((input, None)) };
        let (head, tail, complete) = match memchr(b'\n', input).and_then(|end| input.split_at_checked(end)) {
            Some((head, tail)) => (head, tail.get(1..).unwrap_or_default(), true),
            None => (input, Default::default(), false),
        };
        if kept.len().saturating_add(head.len()) > self.limits.line_len_max.saturating_add(2) {
            return Err(ReplyError::LineTooLong);
        }
        if !complete {
            kept.extend_from_slice(head);
            return Ok((tail, None));
        }
        let mut whole = std::mem::take(kept);
        let line = if whole.is_empty() {
            head
        } else {
            whole.extend_from_slice(head);
            &whole
        };
        let line = line.strip_suffix(b"\r").ok_or(ReplyError::MissingCrlf)?;
        let value = match self.read_header(line)? {
            Header::Value(value) => Some(value),
            Header::Bulk(kind, len) => {
                self.state = State::Bulk { kind, bytes: Vec::new(), missing: len.saturating_add(2) };
                None
            }
            Header::Aggregate(kind, 0) => self.finish(kind, Vec::new())?,
            Header::Aggregate(kind, children) => {
                self.open(kind, children)?;
                None
            }
        };
        Ok((tail, value))
    }

    fn read_header(&self, line: &[u8]) -> Result<Header, ReplyError> {
        let (&tag, text) = line.split_first().ok_or(ReplyError::UnknownType(b'\r'))?;
        Ok(match tag {
            b'+' => Header::Value(Value::Simple(text.to_vec())),
            b'-' => Header::Value(Value::Error(text.to_vec())),
            b':' => Header::Value(Value::Int(parse_i64(text).ok_or(ReplyError::BadNumber)?)),
            b'_' if text.is_empty() => Header::Value(Value::Null),
            b'_' => return Err(ReplyError::Malformed("null")),
            b'#' => match text {
                b"t" => Header::Value(Value::Bool(true)),
                b"f" => Header::Value(Value::Bool(false)),
                _ => return Err(ReplyError::Malformed("boolean")),
            },
            b',' if is_double(text) => Header::Value(Value::Double(text.to_vec())),
            b',' => return Err(ReplyError::Malformed("double")),
            b'(' if is_integer(text) => Header::Value(Value::BigNumber(text.to_vec())),
            b'(' => return Err(ReplyError::Malformed("big number")),
            b'$' if text == b"-1" => Header::Value(Value::Null),
            b'*' if text == b"-1" => Header::Value(Value::NullArray),
            b'$' => Header::Bulk(BulkKind::Plain, self.bulk_len(text)?),
            b'!' => Header::Bulk(BulkKind::Error, self.bulk_len(text)?),
            b'=' => Header::Bulk(BulkKind::Verbatim, self.bulk_len(text)?),
            b'*' => Header::Aggregate(OpenKind::Array, self.children(text, 1)?),
            b'~' => Header::Aggregate(OpenKind::Set, self.children(text, 1)?),
            b'>' => Header::Aggregate(OpenKind::Push, self.children(text, 1)?),
            b'%' => Header::Aggregate(OpenKind::Map, self.children(text, 2)?),
            b'|' => Header::Aggregate(OpenKind::Attribute, self.children(text, 2)?),
            other => return Err(ReplyError::UnknownType(other)),
        })
    }

    fn bulk_len(&self, text: &[u8]) -> Result<usize, ReplyError> {
        length(text).filter(|&len| len <= self.limits.bulk_len_max).ok_or(ReplyError::BadNumber)
    }

    fn children(&self, text: &[u8], each: usize) -> Result<usize, ReplyError> {
        let children = length(text).and_then(|len| len.checked_mul(each));
        children.filter(|&count| count <= self.limits.children_max).ok_or(ReplyError::BadNumber)
    }

    fn take_bulk<'i>(&mut self, input: &'i [u8]) -> Result<(&'i [u8], Option<Value>), ReplyError> {
        let State::Bulk { kind, bytes, missing } = &mut self.state else { return Ok((input, None)) };
        let (head, tail) = input.split_at_checked(*missing).unwrap_or((input, Default::default()));
        bytes.extend_from_slice(head);
        *missing = missing.saturating_sub(head.len());
        if *missing > 0 {
            return Ok((tail, None));
        }
        let (kind, mut bytes) = (*kind, std::mem::take(bytes));
        self.state = State::default();
        if !bytes.ends_with(b"\r\n") {
            return Err(ReplyError::MissingCrlf);
        }
        bytes.truncate(bytes.len().saturating_sub(2));
        let value = match kind {
            BulkKind::Plain => Value::Bulk(bytes),
            BulkKind::Error => Value::Error(bytes),
            BulkKind::Verbatim => match *bytes {
                [first, second, third, b':', ..] => {
                    bytes.drain(..4);
                    Value::Verbatim { format: [first, second, third], text: bytes }
                }
                _ => return Err(ReplyError::Malformed("verbatim")),
            },
        };
        Ok((tail, Some(value)))
    }

    fn open(&mut self, kind: OpenKind, missing: usize) -> Result<(), ReplyError> {
        if self.open.len() >= self.limits.depth_max {
            return Err(ReplyError::TooDeep);
        }
        let children = Vec::with_capacity(missing.min(CHILDREN_RESERVED_MAX));
        self.open.push(Open { kind, children, missing });
        Ok(())
    }

    /// Makes a value of an aggregate that has all its children. Attributes make none: what they describe follows.
    fn finish(&mut self, kind: OpenKind, mut children: Vec<Value>) -> Result<Option<Value>, ReplyError> {
        Ok(Some(match kind {
            OpenKind::Array => Value::Array(children),
            OpenKind::Set => Value::Set(children),
            OpenKind::Push => Value::Push(children),
            OpenKind::Map => Value::Map(pairs(children)),
            OpenKind::Attribute => {
                self.open(OpenKind::Described(pairs(children)), 1)?;
                return Ok(None);
            }
            OpenKind::Described(pairs) => match children.pop() {
                Some(value) => Value::Attribute { pairs, value: Box::new(value) },
                None => return Ok(None),
            },
        }))
    }

    /// Gives a complete value to the aggregate that waits for it, and so on outwards. Returns a complete reply.
    fn place(&mut self, value: Value) -> Option<Value> {
        let mut value = value;
        loop {
            let Some(parent) = self.open.last_mut() else {
                return Some(value);
            };
            parent.children.push(value);
            parent.missing = parent.missing.saturating_sub(1);
            if parent.missing > 0 {
                return None;
            }
            let Open { kind, children, .. } = self.open.pop()?;
            // Only attributes open anew, and the room of the one just closed is free for that.
            value = self.finish(kind, children).ok()??;
        }
    }
}

fn length(text: &[u8]) -> Option<usize> {
    parse_i64(text).and_then(|len| usize::try_from(len).ok())
}

fn pairs(children: Vec<Value>) -> Vec<(Value, Value)> {
    let mut pairs = Vec::with_capacity(children.len() >> 1);
    let mut children = children.into_iter();
    while let (Some(key), Some(value)) = (children.next(), children.next()) {
        pairs.push((key, value));
    }
    pairs
}

/// `[+-]digits[.digits][e[+-]digits]`, or one of the names that servers write.
fn is_double(text: &[u8]) -> bool {
    if matches!(text, b"inf" | b"-inf" | b"nan" | b"-nan") {
        return true;
    }
    let plain = text.first().is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.'))
        && text.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    plain && std::str::from_utf8(text).is_ok_and(|text| text.parse::<f64>().is_ok())
}

fn is_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
