//! Reading the elementary parts: bytes, lengths, numbers, strings.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::error::{RdbError, Reason};
use crate::crc64;
use ochre_store::{Corrupt, lzf};
use std::io::BufRead;
use std::num::NonZero;

/// The high bits of the first byte of a length.
const LEN_14_BITS: u8 = 1;
const LEN_LONG: u8 = 2;
const ENCODED: u8 = 3;
const LEN_32_BITS: u8 = 0x80;
const LEN_64_BITS: u8 = 0x81;

/// How a string that is not merely bytes is encoded.
const INT_8: u64 = 0;
const INT_16: u64 = 1;
const INT_32: u64 = 2;
const LZF: u64 = 3;

/// Memory taken at once for what a length declares; the rest as it arrives.
const RESERVE_BYTES: u64 = 64 << 10;

/// A source of RDB data, which knows how far it was read and the checksum of that.
///
/// Nothing is allocated because it was declared: memory grows with the bytes that are really there.
#[derive(Debug)]
pub struct Input<R> {
    source: R,
    offset: u64,
    crc: u64,
    /// How many bytes are left at most; 0 if that is not known.
    left: u64,
}

/// A length, or the number of a special encoding.
enum Length {
    Plain(u64),
    Encoded(u64),
}

impl<'a> Input<&'a [u8]> {
    /// Reads from memory.
    #[must_use]
    pub fn of_bytes(bytes: &'a [u8]) -> Input<&'a [u8]> {
        Input::new(bytes, bytes.len() as u64)
    }
}

impl<R: BufRead> Input<R> {
    /// Reads from `source`, which has `bytes` bytes; 0 if that is not known, in which case tables grow as they fill.
    pub fn new(source: R, bytes: u64) -> Input<R> {
        Input { source, offset: 0, crc: 0, left: bytes }
    }

    /// The source.
    pub fn into_inner(self) -> R {
        self.source
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The checksum of what was read so far.
    pub fn checksum(&self) -> u64 {
        self.crc
    }

    /// How many elements to make room for where `declared` are announced, each of at least one byte.
    pub(crate) fn expected(&self, declared: u64) -> usize {
        self.expected_of(declared, NonZero::<u64>::MIN)
    }

    /// As [`expected`](Input::expected), where each element takes so many bytes at least.
    pub(crate) fn expected_of(&self, declared: u64, bytes_min: NonZero<u64>) -> usize {
        usize::try_from(declared.min(self.left / bytes_min)).unwrap_or(0)
    }

    /// An error at the place reached.
    pub(crate) fn error(&self, reason: Reason) -> RdbError {
        RdbError::new(self.offset, reason)
    }

    /// An error at the place reached.
    pub(crate) fn malformed(&self, reason: &'static str) -> RdbError {
        self.error(Reason::Malformed(reason))
    }

    /// An error of the encoding that was read last.
    pub(crate) fn corrupt(&self, corrupt: Corrupt) -> RdbError {
        self.error(Reason::Encoding(corrupt))
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// If the source fails or ends before.
    pub fn bytes(&mut self, len: u64) -> Result<Vec<u8>, RdbError> {
        let mut bytes = Vec::with_capacity(usize::try_from(len.min(RESERVE_BYTES)).unwrap_or(0));
        let mut missing = len;
        while missing > 0 {
            let taken = self.piece(missing, &mut |piece| bytes.extend_from_slice(piece))?;
            missing = missing.saturating_sub(taken);
        }
        Ok(bytes)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// If the source fails or ends before.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], RdbError> {
        let mut array = [0; N];
        let mut rest = &mut array[..];
        while !rest.is_empty() {
            let mut filled = 0;
            self.piece(rest.len() as u64, &mut |piece| {
                filled = piece.len();
                rest.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
            })?;
            rest = rest.get_mut(filled..).unwrap_or_default();
        }
        Ok(array)
    }

    /// The next byte.
    ///
    /// # Errors
    /// If the source fails or has ended.
    pub fn byte(&mut self) -> Result<u8, RdbError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// A length.
    ///
    /// # Errors
    /// If the source fails or ends, or if something else stands there.
    pub fn length(&mut self) -> Result<u64, RdbError> {
        match self.length_or_encoding()? {
            Length::Plain(length) => Ok(length),
            Length::Encoded(_) => Err(self.malformed("no length where one must be")),
        }
    }

    /// A string; an encoded integer as its decimal form.
    ///
    /// # Errors
    /// If the source fails or ends, or if the string is damaged.
    pub fn string(&mut self) -> Result<Vec<u8>, RdbError> {
        let number = match self.length_or_encoding()? {
            Length::Plain(length) => return self.bytes(length),
            Length::Encoded(INT_8) => i64::from(i8::from_le_bytes(self.array()?)),
            Length::Encoded(INT_16) => i64::from(i16::from_le_bytes(self.array()?)),
            Length::Encoded(INT_32) => i64::from(i32::from_le_bytes(self.array()?)),
            Length::Encoded(LZF) => return self.compressed(),
            Length::Encoded(_) => return Err(self.malformed("unknown encoding of a string")),
        };
        Ok(itoa::Buffer::new().format(number).as_bytes().to_vec())
    }

    /// A signed number of 64 bits, as times are written.
    ///
    /// # Errors
    /// If the source fails or ends before.
    pub fn i64(&mut self) -> Result<i64, RdbError> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// A floating-point number in decimal, as up to version 7.
    ///
    /// # Errors
    /// If the source fails or ends before, or if it is no number.
    pub fn decimal(&mut self) -> Result<f64, RdbError> {
        match self.byte()? {
            253 => Ok(f64::NAN),
            254 => Ok(f64::INFINITY),
            255 => Ok(f64::NEG_INFINITY),
            len => {
                let text = self.bytes(u64::from(len))?;
                let number = std::str::from_utf8(&text).ok().and_then(|text| text.trim_start().parse().ok());
                number.ok_or_else(|| self.malformed("a score is no number"))
            }
        }
    }

    /// A floating-point number in binary.
    ///
    /// # Errors
    /// If the source fails or ends before.
    pub fn binary(&mut self) -> Result<f64, RdbError> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    fn compressed(&mut self) -> Result<Vec<u8>, RdbError> {
        let compressed_len = self.length()?;
        let len = self.length()?;
        let compressed = self.bytes(compressed_len)?;
        let len = usize::try_from(len).map_err(|_| self.malformed("a string is too long"))?;
        lzf::decompress(&compressed, len).map_err(|corrupt| self.corrupt(corrupt))
    }

    fn length_or_encoding(&mut self) -> Result<Length, RdbError> {
        let first = self.byte()?;
        let low = u64::from(first & 0x3f);
        Ok(match first >> 6 {
            ENCODED => Length::Encoded(low),
            LEN_14_BITS => Length::Plain(low << 8 | u64::from(self.byte()?)),
            LEN_LONG => match first {
                LEN_32_BITS => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
                LEN_64_BITS => Length::Plain(u64::from_be_bytes(self.array()?)),
                _ => return Err(self.malformed("unknown form of a length")),
            },
            _ => Length::Plain(low),
        })
    }

    /// Shows `see` what is at hand of the next `max` bytes, and passes over that. Returns how many bytes it was.
    fn piece(&mut self, max: u64, see: &mut dyn FnMut(&[u8])) -> Result<u64, RdbError> {
        let offset = self.offset;
        let at_hand = loop {
            match self.source.fill_buf() {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(RdbError::new(offset, Reason::Io(error))),
                // Once more without the borrow: it could not be returned from the loop otherwise.
                Ok(_) => break self.source.fill_buf().map_err(|error| RdbError::new(offset, Reason::Io(error)))?,
            }
        };
        let len = at_hand.len().min(usize::try_from(max).unwrap_or(usize::MAX));
        let piece = at_hand.get(..len).unwrap_or_default();
        if piece.is_empty() {
            return Err(self.error(Reason::Truncated));
        }
        see(piece);
        self.crc = crc64::update(self.crc, piece);
        self.source.consume(len);
        self.offset = self.offset.saturating_add(len as u64);
        self.left = self.left.saturating_sub(len as u64);
        Ok(len as u64)
    }
}
