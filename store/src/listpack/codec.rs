//! One entry of a listpack.
//!
//! The first byte tells the encoding:
//!
//! | first byte | value |
//! |---|---|
//! | `0xxxxxxx` | integer 0–127 |
//! | `10xxxxxx` | string of up to 63 bytes |
//! | `110xxxxx` +1 | 13-bit signed integer, high bits first |
//! | `1110xxxx` +1 | string of up to 4095 bytes, high bits of the length first |
//! | `0xf0` +4 | string with a 32-bit length |
//! | `0xf1`–`0xf4` | signed integer of 2, 3, 4, 8 bytes |

use crate::raw::entry::Str;
use crate::string::parse_int;

/// Bytes that `value` takes in a listpack.
pub fn encoded_bytes(value: Str<'_>) -> usize {
    Encoded::new(value).total()
}

/// A value ready to be written.
pub(super) struct Encoded<'a> {
    head: [u8; 9],
    head_len: usize,
    tail: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// Encodes a value, as an integer if it is one in its shortest decimal form.
    #[inline]
    pub(super) fn new(value: Str<'a>) -> Encoded<'a> {
        match value {
            Str::Int(number) => Encoded::int(number),
            Str::Bytes(bytes) => match parse_int(bytes) {
                Some(number) => Encoded::int(number),
                None => Encoded::bytes(bytes),
            },
        }
    }

    fn int(number: i64) -> Encoded<'a> {
        let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
        let (head, head_len) = match number {
            0..=127 => ([a, 0, 0, 0, 0, 0, 0, 0, 0], 1),
            -4096..=4095 => ([0xc0 | (b & 0x1f), a, 0, 0, 0, 0, 0, 0, 0], 2),
            -0x8000..=0x7fff => ([0xf1, a, b, 0, 0, 0, 0, 0, 0], 3),
            -0x80_0000..=0x7f_ffff => ([0xf2, a, b, c, 0, 0, 0, 0, 0], 4),
            -0x8000_0000..=0x7fff_ffff => ([0xf3, a, b, c, d, 0, 0, 0, 0], 5),
            _ => ([0xf4, a, b, c, d, e, f, g, h], 9),
        };
        Encoded { head, head_len, tail: &[] }
    }

    fn bytes(bytes: &'a [u8]) -> Encoded<'a> {
        let [a, b, c, d, ..] = bytes.len().to_le_bytes();
        let (head, head_len) = match bytes.len() {
            0..=63 => ([0x80 | a, 0, 0, 0, 0, 0, 0, 0, 0], 1),
            64..=4095 => ([0xe0 | b, a, 0, 0, 0, 0, 0, 0, 0], 2),
            _ => ([0xf0, a, b, c, d, 0, 0, 0, 0], 5),
        };
        Encoded { head, head_len, tail: bytes }
    }

    fn len(&self) -> usize {
        self.head_len + self.tail.len()
    }

    /// Bytes of the entry, its back length included.
    #[inline]
    pub(super) fn total(&self) -> usize {
        let len = self.len();
        len + back_bytes(len)
    }

    /// Writes the entry into `out`, which has [`total`](Encoded::total) bytes.
    #[inline]
    pub(super) fn write(&self, out: &mut [u8]) {
        let (head, rest) = out.split_at_mut(self.head_len);
        match head {
            // Nearly always: no call for one byte.
            [only] => *only = self.head[0],
            _ => head.copy_from_slice(&self.head[..self.head_len]),
        }
        let (tail, back) = rest.split_at_mut(self.tail.len());
        tail.copy_from_slice(self.tail);
        write_back(back, self.len());
    }
}

/// Bytes of the back length of an entry with `len` bytes before it. (The limits are one lower than seven bits a byte
/// would allow: so are those of Redis.)
#[inline]
pub(super) fn back_bytes(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

/// Fills `out`, which has `back_bytes(len)` bytes.
#[inline]
pub(super) fn write_back(out: &mut [u8], len: usize) {
    if let [only] = out {
        *only = len as u8;
        return;
    }
    let mut rest = len;
    for byte in out.iter_mut().rev() {
        *byte = (rest & 0x7f) as u8 | 0x80;
        rest >>= 7;
    }
    if let Some(first) = out.first_mut() {
        *first &= 0x7f;
    }
}

/// Bytes of the whole entry that ends where `before` ends.
#[inline]
pub(super) fn last_bytes(before: &[u8]) -> usize {
    let mut len = 0;
    for (group, &byte) in before.iter().rev().take(5).enumerate() {
        len |= usize::from(byte & 0x7f) << (7 * group);
        if byte & 0x80 == 0 {
            break;
        }
    }
    len + back_bytes(len)
}

/// Bytes before the back length of the valid entry that `entry` starts with.
#[inline]
pub(super) fn encoded_len(entry: &[u8]) -> usize {
    match entry[0] {
        0..=0x7f => 1,
        first @ 0x80..=0xbf => 1 + usize::from(first & 0x3f),
        0xc0..=0xdf => 2,
        first @ 0xe0..=0xef => 2 + (usize::from(first & 0x0f) << 8 | usize::from(entry[1])),
        0xf0 => 5 + long_len(entry),
        0xf1 => 3,
        0xf2 => 4,
        0xf3 => 5,
        0xf4 => 9,
        _ => unreachable!("an entry of a listpack is valid"),
    }
}

/// Bytes of the valid entry that `entry` starts with.
#[inline]
pub(super) fn entry_bytes(entry: &[u8]) -> usize {
    let len = encoded_len(entry);
    len + back_bytes(len)
}

/// The value of the valid entry that `entry` starts with, and the bytes before its back length.
#[inline]
pub(super) fn decode(entry: &[u8]) -> (Str<'_>, usize) {
    match entry[0] {
        first @ 0..=0x7f => (Str::Int(i64::from(first)), 1),
        first @ 0x80..=0xbf => {
            let end = 1 + usize::from(first & 0x3f);
            (Str::Bytes(&entry[1..end]), end)
        }
        first @ 0xc0..=0xdf => {
            let number = i16::from_be_bytes([first << 3, 0]) | i16::from(entry[1]) << 3;
            (Str::Int(i64::from(number >> 3)), 2)
        }
        0xe0..=0xef => {
            let end = encoded_len(entry);
            (Str::Bytes(&entry[2..end]), end)
        }
        0xf0 => {
            let end = encoded_len(entry);
            (Str::Bytes(&entry[5..end]), end)
        }
        0xf1 => (Str::Int(i64::from(i16::from_le_bytes([entry[1], entry[2]]))), 3),
        0xf2 => (Str::Int(i64::from(i32::from_le_bytes([0, entry[1], entry[2], entry[3]]) >> 8)), 4),
        0xf3 => (Str::Int(i64::from(i32::from_le_bytes(word(&entry[1..5])))), 5),
        0xf4 => (Str::Int(i64::from_le_bytes(word(&entry[1..9]))), 9),
        _ => unreachable!("an entry of a listpack is valid"),
    }
}

fn long_len(entry: &[u8]) -> usize {
    u32::from_le_bytes(word(&entry[1..5])) as usize
}

#[inline]
fn word<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut word = [0; N];
    word.copy_from_slice(bytes);
    word
}
