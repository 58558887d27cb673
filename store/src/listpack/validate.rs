//! Checks bytes from outside before they are trusted.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::codec::{back_bytes, write_back};
use super::{BYTES_MAX, COUNT_UNKNOWN, END, HEADER_BYTES, Pack};
use crate::corrupt::Corrupt;
use crate::raw::entry::Str;
use crate::string::parse_int;

/// Checks that `bytes` are a listpack, every entry included.
pub(super) fn validate(bytes: &[u8]) -> Result<(), Corrupt> {
    if bytes.len() > BYTES_MAX {
        return Err(corrupt(0, "longer than a listpack can be"));
    }
    let (Some((header, rest)), Some(&last)) = (bytes.split_first_chunk::<HEADER_BYTES>(), bytes.last()) else {
        return Err(corrupt(bytes.len(), "shorter than a header"));
    };
    let [a, b, c, d, e, f] = *header;
    if u32::from_le_bytes([a, b, c, d]) as usize != bytes.len() {
        return Err(corrupt(0, "the length in the header is not the length of the bytes"));
    }
    let Some((_, mut rest)) = rest.split_last() else { return Err(corrupt(HEADER_BYTES, "no end byte")) };
    if last != END {
        return Err(corrupt(bytes.len().saturating_sub(1), "no end byte"));
    }
    let mut count = 0usize;
    while !rest.is_empty() {
        // One byte is the end byte.
        let offset = bytes.len().saturating_sub(rest.len()).saturating_sub(1);
        rest = entry(rest).map_err(|reason| corrupt(offset, reason))?;
        count = count.saturating_add(1);
    }
    let declared = usize::from(u16::from_le_bytes([e, f]));
    if declared != COUNT_UNKNOWN && declared != count {
        return Err(corrupt(4, "the count in the header is not the number of entries"));
    }
    Ok(())
}

/// Checks that the entries come in groups of `group`, and that the first ones of all groups differ.
pub(crate) fn distinct(pack: Pack<'_>, group: usize) -> Result<(), &'static str> {
    let mut seen = std::collections::HashSet::new();
    let mut entries = pack.iter();
    while let Some(name) = entries.next() {
        // What reads as an integer is one, however it is kept.
        let name = match name {
            Str::Bytes(text) => parse_int(text).map_or(name, Str::Int),
            Str::Int(_) => name,
        };
        if !seen.insert(name) {
            return Err("listpack with dup elements");
        }
        for _ in 1..group {
            entries.next().ok_or("an element is not complete")?;
        }
    }
    Ok(())
}

/// Checks the first entry and returns what follows it.
fn entry(bytes: &[u8]) -> Result<&[u8], &'static str> {
    const CUT: &str = "the entry reaches beyond the end";
    let len = match *bytes {
        [0..=0x7f, ..] => 1,
        [first @ 0x80..=0xbf, ..] => usize::from(first & 0x3f).saturating_add(1),
        [0xc0..=0xdf, ..] => 2,
        [first @ 0xe0..=0xef, second, ..] => usize::from(u16::from_be_bytes([first & 0x0f, second])).saturating_add(2),
        [0xf0, a, b, c, d, ..] => (u32::from_le_bytes([a, b, c, d]) as usize).saturating_add(5),
        [0xf1, ..] => 3,
        [0xf2, ..] => 4,
        [0xf3, ..] => 5,
        [0xf4, ..] => 9,
        [0xe0..=0xf0, ..] | [] => return Err(CUT),
        [0xf5..=0xff, ..] => return Err("unknown encoding"),
    };
    let (_, rest) = bytes.split_at_checked(len).ok_or(CUT)?;
    let (back, rest) = rest.split_at_checked(back_bytes(len)).ok_or(CUT)?;
    let mut space = [0; 5];
    let (expected, _) = space.split_at_mut_checked(back.len()).ok_or(CUT)?;
    write_back(expected, len);
    if back != expected {
        return Err("the length behind the entry is not its length");
    }
    Ok(rest)
}

fn corrupt(offset: usize, reason: &'static str) -> Corrupt {
    Corrupt { kind: "listpack", offset, reason }
}
