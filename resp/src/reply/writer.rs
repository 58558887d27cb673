//! The writer of replies.

use super::children::Children;
use super::double::{DoubleFormat, as_integer, write_double};
use crate::error::ProtocolError;
use memchr::memchr2;

/// The version of the protocol that a connection speaks (`HELLO 2`, `HELLO 3`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Simple strings, errors, integers, bulk strings, arrays, and nulls of two kinds.
    #[default]
    Resp2,
    /// The types of RESP2 and maps, sets, doubles, booleans, verbatim strings, big numbers, attributes and pushes.
    Resp3,
}

/// A reserved aggregate header, to be written by [`ReplyWriter::set_len`].
#[must_use = "the aggregate has no header before set_len"]
#[derive(Debug)]
pub struct Deferred {
    position: usize,
    tag: u8,
    children_each: usize,
    depth: usize,
}

/// Appends replies to a buffer, each in the form that the protocol version has for it.
///
/// Debug builds panic when an aggregate gets fewer children than declared before the writer is dropped, or a deferred
/// one gets other than declared. Push messages and attributes are no children of what they stand in.
#[derive(Debug)]
pub struct ReplyWriter<'a> {
    out: &'a mut Vec<u8>,
    protocol: Protocol,
    doubles: DoubleFormat,
    children: Children,
}

impl<'a> ReplyWriter<'a> {
    /// A writer that appends to `out`.
    #[inline]
    pub fn new(out: &'a mut Vec<u8>, protocol: Protocol) -> Self {
        Self { out, protocol, doubles: DoubleFormat::default(), children: Children::default() }
    }

    /// The same writer, writing doubles in another form than the shortest.
    #[inline]
    pub fn with_doubles(mut self, format: DoubleFormat) -> Self {
        self.doubles = format;
        self
    }

    /// The protocol version.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Changes the protocol version for what follows (HELLO answers in the new one).
    #[inline]
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// The form of doubles.
    #[inline]
    pub fn doubles(&self) -> DoubleFormat {
        self.doubles
    }

    /// Bytes in the buffer, those from before this writer included.
    #[inline]
    pub fn position(&self) -> usize {
        self.out.len()
    }

    /// Drops everything behind `position`, a value of [`ReplyWriter::position`] taken while no aggregate was open.
    pub fn rewind(&mut self, position: usize) {
        self.out.truncate(position);
        self.children.forget();
    }

    /// A simple string; CR and LF become blanks.
    #[inline]
    pub fn simple(&mut self, text: impl AsRef<[u8]>) {
        self.children.value();
        self.line(b'+', text.as_ref());
    }

    /// `+OK`
    #[inline]
    pub fn ok(&mut self) {
        self.children.value();
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// An error. `text` begins with its code (`ERR …`, `WRONGTYPE …`). Line ends at its end are dropped, other CR and
    /// LF become blanks.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        self.children.value();
        let mut text = text.as_ref();
        while let [head @ .., b'\r' | b'\n'] = text {
            text = head;
        }
        self.line(b'-', text);
    }

    /// The error that ends a connection: `-ERR Protocol error: …`.
    pub fn protocol_error(&mut self, error: &ProtocolError) {
        let mut text = b"ERR Protocol error: ".to_vec();
        error.write_text(&mut text);
        self.error(text);
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, number: i64) {
        self.children.value();
        match u8::try_from(number) {
            Ok(small @ 0..=9) => self.out.extend_from_slice(&[b':', b'0' + small, b'\r', b'\n']),
            _ => write_int(self.out, number),
        }
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: impl AsRef<[u8]>) {
        self.children.value();
        let bytes = bytes.as_ref();
        if bytes.len() <= SHORT_LEN_MAX {
            write_short_bulk(self.out, bytes);
        } else {
            self.blob(b'$', &[], bytes);
        }
    }

    /// An integer as a bulk string.
    #[inline]
    pub fn bulk_int(&mut self, number: i64) {
        self.bulk(itoa::Buffer::new().format(number));
    }

    /// The null: a bulk string of length -1 in RESP2.
    #[inline]
    pub fn null(&mut self) {
        self.children.value();
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// The null where an array would stand: an array of length -1 in RESP2.
    #[inline]
    pub fn null_array(&mut self) {
        self.children.value();
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"*-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// A boolean: the integer 1 or 0 in RESP2.
    #[inline]
    pub fn bool(&mut self, value: bool) {
        self.children.value();
        self.out.extend_from_slice(match (self.protocol, value) {
            (Protocol::Resp2, false) => b":0\r\n",
            (Protocol::Resp2, true) => b":1\r\n",
            (Protocol::Resp3, false) => b"#f\r\n",
            (Protocol::Resp3, true) => b"#t\r\n",
        });
    }

    /// A double: a bulk string in RESP2.
    pub fn double(&mut self, number: f64) {
        self.children.value();
        match self.protocol {
            Protocol::Resp2 => match as_integer(number) {
                Some(integer) if self.doubles == DoubleFormat::Shortest => {
                    write_short_bulk(self.out, itoa::Buffer::new().format(integer).as_bytes());
                }
                _ => write_bulk_double(self.out, number, self.doubles),
            },
            Protocol::Resp3 => {
                self.out.push(b',');
                write_double(self.out, number, self.doubles);
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// A double in a form of its own: a bulk string in RESP2.
    pub fn double_text(&mut self, text: impl AsRef<[u8]>) {
        self.children.value();
        match self.protocol {
            Protocol::Resp2 => self.blob(b'$', &[], text.as_ref()),
            Protocol::Resp3 => self.line(b',', text.as_ref()),
        }
    }

    /// A big number in decimal digits: a bulk string in RESP2.
    pub fn big_number(&mut self, digits: impl AsRef<[u8]>) {
        self.children.value();
        match self.protocol {
            Protocol::Resp2 => self.blob(b'$', &[], digits.as_ref()),
            Protocol::Resp3 => self.line(b'(', digits.as_ref()),
        }
    }

    /// Text with a format of three letters (`txt`, `mkd`): a plain bulk string in RESP2.
    pub fn verbatim(&mut self, format: &[u8; 3], bytes: impl AsRef<[u8]>) {
        self.children.value();
        match self.protocol {
            Protocol::Resp2 => self.blob(b'$', &[], bytes.as_ref()),
            Protocol::Resp3 => {
                let [first, second, third] = *format;
                self.blob(b'=', &[first, second, third, b':'], bytes.as_ref());
            }
        }
    }

    /// The header of an array; `len` replies follow.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.children.aggregate(len);
        self.header(b'*', len);
    }

    /// The header of a map; `pairs` times two replies follow. An array in RESP2.
    #[inline]
    pub fn map(&mut self, pairs: usize) {
        let children = pairs.saturating_mul(2);
        self.children.aggregate(children);
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', children),
            Protocol::Resp3 => self.header(b'%', pairs),
        }
    }

    /// The header of a set; `len` replies follow. An array in RESP2.
    #[inline]
    pub fn set(&mut self, len: usize) {
        self.children.aggregate(len);
        self.header(self.set_tag(), len);
    }

    /// The header of a push message; `len` replies follow. An array in RESP2.
    #[inline]
    pub fn push(&mut self, len: usize) {
        self.children.aside(len);
        let tag = match self.protocol {
            Protocol::Resp2 => b'*',
            Protocol::Resp3 => b'>',
        };
        self.header(tag, len);
    }

    /// The header of attributes; `pairs` times two replies follow, and then the reply which they describe.
    ///
    /// RESP2 has no attributes: returns false there and writes nothing, and the pairs must not be written either.
    #[must_use]
    pub fn attribute(&mut self, pairs: usize) -> bool {
        if self.protocol == Protocol::Resp2 {
            return false;
        }
        self.children.aside(pairs.saturating_mul(2));
        self.header(b'|', pairs);
        true
    }

    /// An array whose length becomes known after its children are written.
    #[inline]
    pub fn deferred_array(&mut self) -> Deferred {
        self.deferred(b'*', 1)
    }

    /// A set whose length becomes known after its children are written.
    #[inline]
    pub fn deferred_set(&mut self) -> Deferred {
        self.deferred(self.set_tag(), 1)
    }

    /// A map whose number of pairs becomes known after they are written.
    #[inline]
    pub fn deferred_map(&mut self) -> Deferred {
        match self.protocol {
            Protocol::Resp2 => self.deferred(b'*', 2),
            Protocol::Resp3 => self.deferred(b'%', 2),
        }
    }

    /// Writes the header that `mark` stands for; `len` counts elements, or the pairs of a map. Aggregates within it
    /// must have theirs already. Moves the children in memory when `len` has more than one digit.
    pub fn set_len(&mut self, mark: Deferred, len: usize) {
        let Deferred { position, tag, children_each, depth } = mark;
        let children = len.saturating_mul(children_each);
        self.children.close(depth, children);
        let shown = if tag == b'*' { children } else { len };
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(shown).bytes();
        self.out.splice(position..position + 2, std::iter::once(tag).chain(digits));
    }

    /// Copies complete replies, `count` of them, that are encoded for this protocol version already.
    #[inline]
    pub fn encoded(&mut self, bytes: &[u8], count: usize) {
        for _ in 0..count {
            self.children.value();
        }
        self.out.extend_from_slice(bytes);
    }

    /// Lets others than this writer write the children of what is open.
    pub fn hand_over(&mut self) {
        self.children.forget();
    }

    fn deferred(&mut self, tag: u8, children_each: usize) -> Deferred {
        let mark = Deferred { position: self.out.len(), tag, children_each, depth: self.children.deferred() };
        self.out.extend_from_slice(&[tag, b'0', b'\r', b'\n']);
        mark
    }

    fn set_tag(&self) -> u8 {
        match self.protocol {
            Protocol::Resp2 => b'*',
            Protocol::Resp3 => b'~',
        }
    }

    #[inline]
    fn header(&mut self, tag: u8, len: usize) {
        write_header(self.out, tag, len);
    }

    #[inline]
    fn blob(&mut self, tag: u8, prefix: &[u8], bytes: &[u8]) {
        let len = prefix.len() + bytes.len();
        self.out.reserve(len + 24);
        self.header(tag, len);
        self.out.extend_from_slice(prefix);
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn line(&mut self, tag: u8, text: &[u8]) {
        self.out.reserve(text.len() + 3);
        self.out.push(tag);
        if memchr2(b'\r', b'\n', text).is_none() {
            self.out.extend_from_slice(text);
        } else {
            self.out.extend(text.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
        }
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Longest bulk string that is put together in registers, so to speak, before it is appended.
const SHORT_LEN_MAX: usize = 24;

/// Appends an integer by one copy, of a fixed size as long as it has few digits.
#[inline]
fn write_int(out: &mut Vec<u8>, number: i64) {
    let mut space = itoa::Buffer::new();
    let digits = space.format(number).as_bytes();
    // The sign and 19 digits, the tag before them and the end of the line.
    let mut line = [b':'; 24];
    let end = 1 + digits.len();
    copy_short(&mut line[1..end], digits);
    line[end..end + 2].copy_from_slice(b"\r\n");
    out.extend_from_slice(&line);
    out.truncate(out.len() - (line.len() - end - 2));
}

/// Appends a bulk string of at most [`SHORT_LEN_MAX`] bytes: all copies are of fixed sizes, which takes half the time of
/// three copies of sizes that only the processor gets to know.
#[inline]
fn write_short_bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut text = [0; SHORT_LEN_MAX + 8];
    let len = bytes.len();
    let digit = |number: usize| b'0' + number as u8;
    let head = if len < 10 {
        text[..4].copy_from_slice(&[b'$', digit(len), b'\r', b'\n']);
        4
    } else {
        text[..5].copy_from_slice(&[b'$', digit(len / 10), digit(len % 10), b'\r', b'\n']);
        5
    };
    let end = head + len;
    copy_short(&mut text[head..end], bytes);
    text[end..end + 2].copy_from_slice(b"\r\n");
    out.extend_from_slice(&text);
    out.truncate(out.len() - (text.len() - end - 2));
}

/// Copies at most 24 bytes between slices of one length, in pieces that may overlap.
#[inline(always)]
fn copy_short(to: &mut [u8], from: &[u8]) {
    let len = from.len();
    if let (Some(first), Some(last)) = (from.first_chunk::<8>(), from.last_chunk::<8>()) {
        to[..8].copy_from_slice(first);
        if len > 16 {
            to[8..16].copy_from_slice(&from[8..16]);
        }
        to[len - 8..].copy_from_slice(last);
    } else if let (Some(first), Some(last)) = (from.first_chunk::<4>(), from.last_chunk::<4>()) {
        to[..4].copy_from_slice(first);
        to[len - 4..].copy_from_slice(last);
    } else {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    }
}

/// Appends a double, whose text has less than a hundred bytes, as a bulk string.
#[inline]
fn write_bulk_double(out: &mut Vec<u8>, number: f64, format: DoubleFormat) {
    let start = out.len();
    out.extend_from_slice(b"$00\r\n");
    write_double(out, number, format);
    let len = out.len() - start - 5;
    if len < 10 {
        // Nearly always: one digit of the length too many.
        out.copy_within(start + 5.., start + 4);
        out.truncate(start + 4 + len);
        out[start + 1..start + 4].copy_from_slice(&[b'0' + len as u8, b'\r', b'\n']);
    } else {
        out[start + 1] = b'0' + (len / 10) as u8;
        out[start + 2] = b'0' + (len % 10) as u8;
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a header line of `tag` and `len`.
#[inline]
pub(crate) fn write_header(out: &mut Vec<u8>, tag: u8, len: usize) {
    match u8::try_from(len) {
        Ok(small @ 0..=9) => out.extend_from_slice(&[tag, b'0' + small, b'\r', b'\n']),
        Ok(small @ 10..=99) => {
            out.extend_from_slice(&[tag, b'0' + small / 10, b'0' + small % 10, b'\r', b'\n']);
        }
        _ => {
            out.push(tag);
            out.extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
