//! Ziplists, the compact encoding before listpacks.
//!
//! ```text
//! total bytes, u32 │ offset of the last entry, u32 │ count, u16 (65535: unknown) │ entry… │ 0xff
//! entry: bytes of the entry before (one byte, or 0xfe and a u32) │ encoding │ value
//! ```
//!
//! Little endian but for the lengths of strings.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use ochre_store::listpack::{BYTES_MAX, Listpack};
use ochre_store::{Corrupt, Str};

const HEADER_BYTES: usize = 10;
const END: u8 = 0xff;
const LONG_BEFORE: u8 = 0xfe;
const COUNT_UNKNOWN: usize = 0xffff;

/// A ziplist of which every byte was checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ziplist<'a> {
    /// All entries, without header and end.
    entries: &'a [u8],
}

/// An entry, with how long the one before it says to be and what follows.
struct Entry<'a> {
    before: usize,
    value: Str<'a>,
    rest: &'a [u8],
}

impl<'a> Ziplist<'a> {
    /// Checks that `bytes` are a ziplist.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Ziplist<'a>, Corrupt> {
        let (Some((header, rest)), Some(&END)) = (bytes.split_first_chunk::<HEADER_BYTES>(), bytes.last()) else {
            return Err(corrupt(0, "no header or no end byte"));
        };
        let [a, b, c, d, e, f, g, h, i, j] = *header;
        if u32::from_le_bytes([a, b, c, d]) as usize != bytes.len() {
            return Err(corrupt(0, "the length in the header is not the length of the bytes"));
        }
        let Some((_, entries)) = rest.split_last() else { return Err(corrupt(HEADER_BYTES, "no end byte")) };
        let (mut rest, mut len, mut before, mut last) = (entries, 0usize, 0usize, HEADER_BYTES);
        while !rest.is_empty() {
            let offset = entries.len().saturating_sub(rest.len()).saturating_add(HEADER_BYTES);
            let entry = entry(rest).map_err(|reason| corrupt(offset, reason))?;
            if entry.before != before {
                return Err(corrupt(offset, "the entry before has another length"));
            }
            before = rest.len().saturating_sub(entry.rest.len());
            (last, len) = (offset, len.saturating_add(1));
            rest = entry.rest;
        }
        let count = usize::from(u16::from_le_bytes([i, j]));
        if count != COUNT_UNKNOWN && count != len {
            return Err(corrupt(8, "the count in the header is not the number of entries"));
        }
        if u32::from_le_bytes([e, f, g, h]) as usize != last {
            return Err(corrupt(4, "the offset in the header is not that of the last entry"));
        }
        Ok(Ziplist { entries })
    }

    /// The entries.
    pub(super) fn iter(self) -> impl Iterator<Item = Str<'a>> + Clone {
        let mut rest = self.entries;
        std::iter::from_fn(move || {
            let entry = entry(rest).ok()?;
            rest = entry.rest;
            Some(entry.value)
        })
    }

    /// The same entries in a listpack. Errs if that would be too large.
    pub(super) fn to_listpack(self) -> Result<Listpack, Corrupt> {
        // No entry takes twice as much there.
        if self.entries.len() > BYTES_MAX / 4 {
            return Err(corrupt(0, "too large"));
        }
        let mut pack = Listpack::with_capacity(self.entries.len());
        pack.append_all(self.iter());
        pack.shrink_to_fit();
        Ok(pack)
    }
}

/// The first entry.
fn entry(bytes: &[u8]) -> Result<Entry<'_>, &'static str> {
    const CUT: &str = "the entry reaches beyond the end";
    let (before, rest) = match *bytes {
        [LONG_BEFORE, a, b, c, d, ref rest @ ..] => (u32::from_le_bytes([a, b, c, d]) as usize, rest),
        [before, ref rest @ ..] if before < LONG_BEFORE => (usize::from(before), rest),
        _ => return Err(CUT),
    };
    let (len, rest) = match *rest {
        [first @ 0x00..=0x3f, ref rest @ ..] => (usize::from(first), rest),
        [first @ 0x40..=0x7f, second, ref rest @ ..] => (usize::from(u16::from_be_bytes([first & 0x3f, second])), rest),
        [0x80..=0xbf, a, b, c, d, ref rest @ ..] => (u32::from_be_bytes([a, b, c, d]) as usize, rest),
        _ => {
            let (number, rest) = integer(rest)?;
            return Ok(Entry { before, value: Str::Int(number), rest });
        }
    };
    let (text, rest) = rest.split_at_checked(len).ok_or(CUT)?;
    Ok(Entry { before, value: Str::Bytes(text), rest })
}

/// An integer, with what follows.
fn integer(bytes: &[u8]) -> Result<(i64, &[u8]), &'static str> {
    Ok(match *bytes {
        [0xc0, a, b, ref rest @ ..] => (i64::from(i16::from_le_bytes([a, b])), rest),
        [0xd0, a, b, c, d, ref rest @ ..] => (i64::from(i32::from_le_bytes([a, b, c, d])), rest),
        [0xe0, a, b, c, d, e, f, g, h, ref rest @ ..] => (i64::from_le_bytes([a, b, c, d, e, f, g, h]), rest),
        [0xf0, a, b, c, ref rest @ ..] => (i64::from(i32::from_le_bytes([0, a, b, c]) >> 8), rest),
        [0xfe, a, ref rest @ ..] => (i64::from(a as i8), rest),
        [first @ 0xf1..=0xfd, ref rest @ ..] => (i64::from(first & 0x0f).saturating_sub(1), rest),
        [0xc0 | 0xd0 | 0xe0 | 0xf0 | 0xfe, ..] | [] => return Err("the entry reaches beyond the end"),
        _ => return Err("unknown encoding"),
    })
}

fn corrupt(offset: usize, reason: &'static str) -> Corrupt {
    Corrupt { kind: "ziplist", offset, reason }
}
