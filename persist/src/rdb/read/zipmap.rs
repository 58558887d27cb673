//! Zipmaps, the compact encoding of hashes up to Redis 2.4.
//!
//! ```text
//! count (254 and more: unknown) │ pair… │ 0xff
//! pair: length │ name │ length │ free bytes, u8 │ value │ what is free
//! length: one byte, or 0xfe and a u32, little endian
//! ```
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use ochre_store::Corrupt;

const END: u8 = 0xff;
const LONG: u8 = 0xfe;
const COUNT_UNKNOWN: usize = 0xfe;

/// A zipmap of which every byte was checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zipmap<'a> {
    /// All pairs, without count and end.
    pairs: &'a [u8],
    len: usize,
}

impl<'a> Zipmap<'a> {
    /// Checks that `bytes` are a zipmap.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Zipmap<'a>, Corrupt> {
        let [count, ref pairs @ .., END] = *bytes else { return Err(corrupt(0, "no count or no end byte")) };
        let (mut rest, mut len) = (pairs, 0usize);
        while !rest.is_empty() {
            let offset = bytes.len().saturating_sub(rest.len()).saturating_sub(1);
            (_, rest) = pair(rest).ok_or_else(|| corrupt(offset, "the pair reaches beyond the end"))?;
            len = len.saturating_add(1);
        }
        if len == 0 {
            return Err(corrupt(0, "no pair"));
        }
        let count = usize::from(count);
        if count < COUNT_UNKNOWN && count != len {
            return Err(corrupt(0, "the count is not the number of pairs"));
        }
        Ok(Zipmap { pairs, len })
    }

    /// Number of pairs.
    pub(super) fn len(self) -> usize {
        self.len
    }

    /// Names and values.
    pub(super) fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut rest = self.pairs;
        std::iter::from_fn(move || {
            let (found, after) = pair(rest)?;
            rest = after;
            Some(found)
        })
    }
}

type Pair<'a> = (&'a [u8], &'a [u8]);

/// The first pair, and what follows.
fn pair(bytes: &[u8]) -> Option<(Pair<'_>, &[u8])> {
    let (len, rest) = length(bytes)?;
    let (name, rest) = rest.split_at_checked(len)?;
    let (len, rest) = length(rest)?;
    let (&free, rest) = rest.split_first()?;
    let (value, rest) = rest.split_at_checked(len)?;
    let (_, rest) = rest.split_at_checked(usize::from(free))?;
    Some(((name, value), rest))
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match *bytes {
        [LONG, a, b, c, d, ref rest @ ..] => Some((u32::from_le_bytes([a, b, c, d]) as usize, rest)),
        [len, ref rest @ ..] if len < LONG => Some((usize::from(len), rest)),
        _ => None,
    }
}

fn corrupt(offset: usize, reason: &'static str) -> Corrupt {
    Corrupt { kind: "zipmap", offset, reason }
}
