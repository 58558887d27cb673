//! Reading a listpack.

use super::codec::{back_bytes, decode, entry_bytes, last_bytes};
use super::validate::validate;
use super::{COUNT_UNKNOWN, END, HEADER_BYTES};
use crate::corrupt::Corrupt;
use crate::raw::entry::Str;
use crate::short::equal;
use crate::string::parse_int;

/// Texts shorter than this have one byte before them, which tells their length.
const SHORT_MAX: usize = 64;
/// The highest bits of that byte.
const SHORT_TAG: u8 = 0x80;

/// Where an entry stands: bytes from the start of its listpack. Good until the listpack changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub(super) u32);

impl Position {
    pub(super) fn new(offset: usize) -> Position {
        // Offsets stay below BYTES_MAX.
        Position(offset as u32)
    }

    pub(crate) fn offset(self) -> usize {
        self.0 as usize
    }
}

/// A borrowed listpack.
///
/// A [`Position`] given to a method must come from the same listpack; otherwise the method may panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pack<'a>(&'a [u8]);

impl<'a> Pack<'a> {
    /// Borrows bytes from outside after checking all of them.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Pack<'a>, Corrupt> {
        validate(bytes)?;
        Ok(Pack(bytes))
    }

    /// Borrows bytes that are known to be a listpack.
    #[inline]
    pub(super) fn trusted(bytes: &'a [u8]) -> Pack<'a> {
        Pack(bytes)
    }

    /// All bytes, header and end included.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The number of entries: at once below 65535, else by counting.
    #[inline]
    pub fn len(self) -> usize {
        match self.known_len() {
            COUNT_UNKNOWN => self.iter().count(),
            count => count,
        }
    }

    /// The count in the header.
    #[inline]
    pub(super) fn known_len(self) -> usize {
        usize::from(u16::from_le_bytes([self.0[4], self.0[5]]))
    }

    /// Whether there is no entry.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0[HEADER_BYTES] == END
    }

    /// The first entry.
    #[inline]
    pub fn first(self) -> Option<Position> {
        (!self.is_empty()).then_some(Position::new(HEADER_BYTES))
    }

    /// The last entry.
    #[inline]
    pub fn last(self) -> Option<Position> {
        self.before(self.0.len() - 1)
    }

    /// The entry after another.
    #[inline]
    pub fn next(self, position: Position) -> Option<Position> {
        let next = position.offset() + entry_bytes(&self.0[position.offset()..]);
        (self.0[next] != END).then_some(Position::new(next))
    }

    /// The entry before another.
    #[inline]
    pub fn prev(self, position: Position) -> Option<Position> {
        self.before(position.offset())
    }

    fn before(self, offset: usize) -> Option<Position> {
        if offset <= HEADER_BYTES {
            return None;
        }
        Some(Position::new(offset - last_bytes(&self.0[..offset])))
    }

    /// The entry at an index; negative ones count from the end, -1 being the last.
    pub fn seek(self, index: i64) -> Option<Position> {
        let count = self.known_len();
        if count == COUNT_UNKNOWN {
            return if index >= 0 { self.forward(index as u64) } else { self.backward(!index as u64) };
        }
        let count = count as i64;
        let index = if index < 0 { index + count } else { index };
        if index < 0 || index >= count {
            None
        } else if index <= count / 2 {
            self.forward(index as u64)
        } else {
            self.backward((count - 1 - index) as u64)
        }
    }

    fn forward(self, mut steps: u64) -> Option<Position> {
        let mut position = self.first()?;
        while steps > 0 {
            position = self.next(position)?;
            steps -= 1;
        }
        Some(position)
    }

    fn backward(self, mut steps: u64) -> Option<Position> {
        let mut position = self.last()?;
        while steps > 0 {
            position = self.prev(position)?;
            steps -= 1;
        }
        Some(position)
    }

    /// The entry's value.
    #[inline]
    pub fn get(self, position: Position) -> Str<'a> {
        decode(&self.0[position.offset()..]).0
    }

    /// Bytes that the entry takes.
    pub fn bytes_of(self, position: Position) -> usize {
        entry_bytes(&self.0[position.offset()..])
    }

    /// Whether the entry's value is `bytes`.
    pub fn equals(self, position: Position, bytes: &[u8]) -> bool {
        match self.get(position) {
            Str::Int(number) => parse_int(bytes) == Some(number),
            Str::Bytes(value) => value == bytes,
        }
    }

    /// The first entry from `from` on that equals `bytes`, passing over `skip` entries after each one looked at: 1 looks
    /// only at the fields of field-value pairs.
    #[inline]
    pub fn find(self, from: Position, bytes: &[u8], skip: usize) -> Option<Position> {
        match parse_int(bytes) {
            Some(number) => self.find_entry(from, skip, |value| match value {
                Str::Bytes(value) => value == bytes,
                Str::Int(value) => value == number,
            }),
            None if bytes.len() < SHORT_MAX => self.find_short(from, bytes, skip),
            None => self.find_entry(from, skip, |value| matches!(value, Str::Bytes(value) if value == bytes)),
        }
    }

    /// As [`find`](Pack::find), of a text of less than [`SHORT_MAX`] bytes: only the first byte of most other entries is
    /// looked at.
    fn find_short(self, from: Position, bytes: &[u8], skip: usize) -> Option<Position> {
        let sought = SHORT_TAG | bytes.len() as u8;
        let mut at = from.offset();
        let mut last = Stride::default();
        loop {
            let entry = &self.0[at..];
            let first = entry[0];
            if first == sought && entry.get(1..1 + bytes.len()).is_some_and(|text| equal(text, bytes)) {
                return Some(Position::new(at));
            }
            if last.fits(entry) {
                at += last.total;
                continue;
            }
            let (same, len) = match first {
                END => return None,
                0x80..=0xbf => (false, 1 + usize::from(first & 0x3f)),
                _ => {
                    let (value, len) = decode(entry);
                    (matches!(value, Str::Bytes(value) if value == bytes), len)
                }
            };
            if same {
                return Some(Position::new(at));
            }
            let behind = at + len + back_bytes(len);
            let next = self.pass(behind, skip)?;
            last = Stride::new(entry, behind - at, next - at, skip);
            at = next;
        }
    }

    #[inline]
    fn find_entry(self, from: Position, skip: usize, matches: impl Fn(Str<'_>) -> bool) -> Option<Position> {
        let mut at = from.offset();
        loop {
            let entry = &self.0[at..];
            if entry[0] == END {
                return None;
            }
            let (value, len) = decode(entry);
            if matches(value) {
                return Some(Position::new(at));
            }
            at = self.pass(at + len + back_bytes(len), skip)?;
        }
    }

    /// Where one is after passing over `count` entries; nothing at the end.
    #[inline]
    fn pass(self, mut at: usize, count: usize) -> Option<usize> {
        for _ in 0..count {
            let entry = &self.0[at..];
            at += match entry[0] {
                0..=0x7f => 2,
                first @ 0x80..=0xbf => 2 + usize::from(first & 0x3f),
                END => return None,
                _ => entry_bytes(entry),
            };
        }
        Some(at)
    }

    /// The values from first to last; the iterator can be reversed and used from both ends.
    #[inline]
    pub fn iter(self) -> Iter<'a> {
        Iter { rest: &self.0[HEADER_BYTES..self.0.len() - 1] }
    }

    /// The values from `position` to the last.
    #[inline]
    pub fn iter_from(self, position: Position) -> Iter<'a> {
        Iter { rest: &self.0[position.offset()..self.0.len() - 1] }
    }

    /// Where the values that an iterator has left start. The iterator is one of this listpack, used from the front only,
    /// and has a value left.
    pub(crate) fn position(self, left: &Iter<'a>) -> Position {
        Position::new(self.0.len() - 1 - left.rest.len())
    }

    /// The values from the first to `position`, included.
    #[inline]
    pub fn iter_to(self, position: Position) -> Iter<'a> {
        let end = position.offset() + entry_bytes(&self.0[position.offset()..]);
        Iter { rest: &self.0[HEADER_BYTES..end] }
    }
}

/// How far it is from one entry to the next that is looked at, and the first bytes that tell so. Entries mostly follow each
/// other in the same lengths: where they do, the processor need not have read one to know where the next is.
#[derive(Default)]
struct Stride {
    first: u8,
    /// Where the second entry starts, if one is passed over, and its first byte; else those of the first.
    second_at: usize,
    second: u8,
    total: usize,
}

impl Stride {
    /// That of the entry that `entry` starts with, if first bytes tell it: the entry takes `len` bytes, and `total` with
    /// the `skip` ones behind it.
    fn new(entry: &[u8], len: usize, total: usize, skip: usize) -> Stride {
        let second_at = if skip == 0 { 0 } else { len };
        match (entry.first(), entry.get(second_at)) {
            (Some(&first), Some(&second)) if skip <= 1 && tells_length(first) && tells_length(second) => {
                Stride { first, second_at, second, total }
            }
            _ => Stride::default(),
        }
    }
    /// Whether it is that of the entry that `entry` starts with.
    #[inline]
    fn fits(&self, entry: &[u8]) -> bool {
        self.total > 0 && entry.first() == Some(&self.first) && entry.get(self.second_at) == Some(&self.second)
    }
}

/// Whether the first byte of an entry alone tells how many bytes it takes.
fn tells_length(first: u8) -> bool {
    !matches!(first, 0xe0..=0xf0 | END)
}

impl<'a> IntoIterator for Pack<'a> {
    type Item = Str<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The values of consecutive entries.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    /// Whole entries.
    rest: &'a [u8],
}

impl<'a> Iter<'a> {
    /// Whether no value is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes the next `n` values, or those that are left, out into an iterator of their own.
    #[inline]
    pub(crate) fn split(&mut self, n: usize) -> Iter<'a> {
        let mut bytes = 0;
        for _ in 0..n {
            if bytes == self.rest.len() {
                break;
            }
            bytes += entry_bytes(&self.rest[bytes..]);
        }
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        Iter { rest: taken }
    }

    /// The values behind those of `front`, which starts where this iterator does and ends earlier.
    #[inline]
    pub(crate) fn behind(&self, front: &Iter<'a>) -> Iter<'a> {
        Iter { rest: &self.rest[front.rest.len()..] }
    }

    /// Takes the last `n` values, or those that are left, out into an iterator of their own.
    #[inline]
    pub(crate) fn split_back(&mut self, n: usize) -> Iter<'a> {
        let mut at = self.rest.len();
        for _ in 0..n {
            if at == 0 {
                break;
            }
            at -= last_bytes(&self.rest[..at]);
        }
        let (rest, taken) = self.rest.split_at(at);
        self.rest = rest;
        Iter { rest: taken }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Str<'a>;

    #[inline]
    fn next(&mut self) -> Option<Str<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (value, len) = decode(self.rest);
        self.rest = &self.rest[len + back_bytes(len)..];
        Some(value)
    }

    /// Passes over `n` values without decoding them.
    fn nth(&mut self, n: usize) -> Option<Str<'a>> {
        for _ in 0..n {
            if self.rest.is_empty() {
                return None;
            }
            self.rest = &self.rest[entry_bytes(self.rest)..];
        }
        self.next()
    }

    fn count(mut self) -> usize {
        let mut count = 0;
        while !self.rest.is_empty() {
            self.rest = &self.rest[entry_bytes(self.rest)..];
            count += 1;
        }
        count
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // An entry has at least two bytes.
        (usize::from(!self.rest.is_empty()), Some(self.rest.len() / 2))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (rest, entry) = self.rest.split_at(self.rest.len() - last_bytes(self.rest));
        self.rest = rest;
        Some(decode(entry).0)
    }
}

impl std::iter::FusedIterator for Iter<'_> {}
