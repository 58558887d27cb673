//! Names of stream entries.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::string::parse_int;

/// Longest text taken for an ID.
const TEXT_MAX: usize = 127;

/// The ID of a stream entry: a time in milliseconds and a number within it. IDs are ordered by time, then number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Milliseconds, by convention since 1970.
    pub ms: u64,
    /// Number within the millisecond.
    pub seq: u64,
}

impl StreamId {
    /// The least ID, `0-0`. No entry has it.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The greatest ID.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// The ID `ms-seq`.
    pub const fn new(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    /// The least greater ID; `None` after [`MAX`](StreamId::MAX).
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The greatest lesser ID; `None` before [`MIN`](StreamId::MIN).
    pub fn prev(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// The ID as a 128-bit number, high bytes first: what RDB files and DUMP payloads carry.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    /// The ID that [`to_bytes`](StreamId::to_bytes) gave as `bytes`.
    pub fn from_bytes(bytes: [u8; 16]) -> StreamId {
        let number = u128::from_be_bytes(bytes);
        StreamId { ms: (number >> 64) as u64, seq: number as u64 }
    }

    /// Reads `ms-seq` or `ms` alone, where `missing_seq` is the number. `None` if it is neither.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<StreamId> {
        match NewId::parse(text)? {
            NewId::Exact(id) => Some(id),
            NewId::Millis(ms) => Some(StreamId { ms, seq: missing_seq }),
            NewId::AutoSeq(_) | NewId::Auto => None,
        }
    }

    /// Reads what [`parse`](StreamId::parse) does, and `-` and `+` for the least and the greatest ID.
    pub fn parse_edge(text: &[u8], missing_seq: u64) -> Option<StreamId> {
        match before_nul(text)? {
            b"-" => Some(StreamId::MIN),
            b"+" => Some(StreamId::MAX),
            text => StreamId::parse(text, missing_seq),
        }
    }

    /// The ID as `ms-seq`, without allocating.
    pub fn text(self) -> IdText {
        let mut text = IdText { bytes: [0; IdText::BYTES_MAX], len: 0 };
        text.push(itoa::Buffer::new().format(self.ms).as_bytes());
        text.push(b"-");
        text.push(itoa::Buffer::new().format(self.seq).as_bytes());
        text
    }
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}", self.ms, self.seq)
    }
}

/// An ID in the form `ms-seq`; it dereferences to its bytes.
#[derive(Clone, Copy, Debug)]
pub struct IdText {
    bytes: [u8; IdText::BYTES_MAX],
    len: usize,
}

impl IdText {
    /// Two numbers of up to 20 digits and what stands between them.
    const BYTES_MAX: usize = 41;

    fn push(&mut self, piece: &[u8]) {
        for (to, &from) in self.bytes.iter_mut().skip(self.len).zip(piece) {
            *to = from;
        }
        self.len = self.len.saturating_add(piece.len());
    }
}

impl std::ops::Deref for IdText {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The ID asked for a new entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewId {
    /// `*`: made from the clock.
    Auto,
    /// `ms-*`: the next number within this millisecond.
    AutoSeq(u64),
    /// `ms` alone: the number is zero.
    Millis(u64),
    /// `ms-seq`.
    Exact(StreamId),
}

impl NewId {
    /// Reads one of the forms. `None` if it is none of them; `-` and `+` are none.
    pub fn parse(text: &[u8]) -> Option<NewId> {
        let text = before_nul(text)?;
        if text == b"*" {
            return Some(NewId::Auto);
        }
        match memchr::memchr(b'-', text) {
            None => Some(NewId::Millis(number(text)?)),
            Some(dash) => {
                let ms = number(text.get(..dash)?)?;
                match text.get(dash.checked_add(1)?..)? {
                    b"*" => Some(NewId::AutoSeq(ms)),
                    seq => Some(NewId::Exact(StreamId { ms, seq: number(seq)? })),
                }
            }
        }
    }
}

/// One end of a range of IDs as a client gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The ID at the end of the range.
    pub id: StreamId,
    /// Whether a `(` before it leaves the ID itself out.
    pub exclusive: bool,
}

impl Bound {
    /// Reads an ID, complete or not (then with `missing_seq`), `-` or `+`, or `(` and an ID. `None` if it is none of these.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<Bound> {
        match text {
            [b'(', text @ ..] if !text.is_empty() => {
                Some(Bound { id: StreamId::parse(text, missing_seq)?, exclusive: true })
            }
            text => Some(Bound { id: StreamId::parse_edge(text, missing_seq)?, exclusive: false }),
        }
    }

    /// The least ID in a range that starts here. `None` if no ID follows the one left out.
    pub fn start(self) -> Option<StreamId> {
        if self.exclusive { self.id.next() } else { Some(self.id) }
    }

    /// The greatest ID in a range that ends here. `None` if no ID precedes the one left out.
    pub fn end(self) -> Option<StreamId> {
        if self.exclusive { self.id.prev() } else { Some(self.id) }
    }
}

/// What a server written in C sees of an ID: what stands before a zero byte, if the whole is not too long.
fn before_nul(text: &[u8]) -> Option<&[u8]> {
    if text.len() > TEXT_MAX {
        return None;
    }
    text.split(|&byte| byte == 0).next()
}

/// A number as Redis reads those of an ID: other than in its shortest form it may have what `strtoull` skips and
/// understands, blanks and a sign before and zeros in front, and then a negative number wraps.
fn number(text: &[u8]) -> Option<u64> {
    if let Some(number) = parse_int(text) {
        return u64::try_from(number).ok();
    }
    let blanks = text.iter().take_while(|byte| matches!(byte, b'\t'..=b'\r' | b' ')).count();
    let text = text.get(blanks..)?;
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut number: u64 = 0;
    for digit in digits {
        let digit = char::from(*digit).to_digit(10)?;
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(if negative { number.wrapping_neg() } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_carry_over() {
        assert_eq!(StreamId::new(1, 2).next(), Some(StreamId::new(1, 3)));
        assert_eq!(StreamId::new(1, u64::MAX).next(), Some(StreamId::new(2, 0)));
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(StreamId::new(1, 2).prev(), Some(StreamId::new(1, 1)));
        assert_eq!(StreamId::new(1, 0).prev(), Some(StreamId::new(0, u64::MAX)));
        assert_eq!(StreamId::MIN.prev(), None);
    }

    #[test]
    fn bytes_sort_as_ids_do() {
        let ids = [StreamId::MIN, StreamId::new(0, 256), StreamId::new(1, 0), StreamId::new(1, 255), StreamId::MAX];
        assert!(ids.is_sorted());
        assert!(ids.map(StreamId::to_bytes).is_sorted());
        assert_eq!(ids.map(|id| StreamId::from_bytes(id.to_bytes())), ids);
    }

    #[test]
    fn texts_are_decimal() {
        assert_eq!(&*StreamId::new(12, 0).text(), b"12-0");
        assert_eq!(&*StreamId::MAX.text(), b"18446744073709551615-18446744073709551615");
        assert_eq!(StreamId::MAX.to_string().as_bytes(), &*StreamId::MAX.text());
    }

    /// Asked of Redis 7.0.15 with XADD, XRANGE and XDEL.
    #[test]
    fn ids_are_read_as_redis_reads_them() {
        let exact = |ms, seq| Some(NewId::Exact(StreamId::new(ms, seq)));
        for (text, expected) in [
            (&b"5-3"[..], exact(5, 3)),
            (b"5", Some(NewId::Millis(5))),
            (b"5-*", Some(NewId::AutoSeq(5))),
            (b"*", Some(NewId::Auto)),
            (b"05-03", exact(5, 3)),
            (b" 5-+3", exact(5, 3)),
            (b"\x0b5-1", exact(5, 1)),
            (b"5- -3", exact(5, u64::MAX - 2)),
            (b"5-3\0x", exact(5, 3)),
            (b"18446744073709551615-18446744073709551615", exact(u64::MAX, u64::MAX)),
            (b"18446744073709551616-0", None),
            (b"5--3", None),
            (b"5-3-1", None),
            (b"5-", None),
            (b"-5", None),
            (b"-", None),
            (b"+", None),
            (b"", None),
            (b"5-3 ", None),
            (b"*-5", None),
            (b"x-5", None),
        ] {
            assert_eq!(NewId::parse(text), expected, "{}", text.escape_ascii());
        }
        assert_eq!(NewId::parse(&[b'0'; 127]), Some(NewId::Millis(0)));
        assert_eq!(NewId::parse(&[b'0'; 128]), None);
    }

    #[test]
    fn bounds_leave_out_what_follows_a_parenthesis() {
        let bound = |text: &[u8]| Bound::parse(text, 7).map(|bound| (bound.start(), bound.end()));
        let (low, id, high) = (StreamId::new(5, 6), StreamId::new(5, 7), StreamId::new(5, 8));
        assert_eq!(bound(b"5"), Some((Some(id), Some(id))));
        assert_eq!(bound(b"(5"), Some((Some(high), Some(low))));
        assert_eq!(bound(b"-"), Some((Some(StreamId::MIN), Some(StreamId::MIN))));
        assert_eq!(bound(b"+"), Some((Some(StreamId::MAX), Some(StreamId::MAX))));
        assert_eq!((bound(b"(-"), bound(b"(+"), bound(b"("), bound(b"(5-*")), (None, None, None, None));
        assert_eq!(bound(b"(0-0").map(|ends| ends.1), Some(None));
        assert_eq!(Bound { id: StreamId::MAX, exclusive: true }.start(), None);
    }
}
