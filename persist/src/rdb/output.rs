//! Writing the elementary parts: lengths, numbers, strings.

use crate::crc64;
use ochre_store::{Str, lzf};
use std::io::{self, Write};

const LEN_14_BITS: u64 = 1 << 14;
const INT_8: u8 = 0xc0;
const INT_16: u8 = 0xc1;
const INT_32: u8 = 0xc2;
const LZF: u8 = 0xc3;

/// Longest text that may be an integer of 32 bits.
const INT_TEXT_MAX: usize = 11;
/// Strings up to here are not compressed, and one that is must become shorter by this much at least.
const COMPRESS_MIN: usize = 20;
const COMPRESS_GAIN: usize = 4;

/// Where RDB data go, with the checksum of them.
#[derive(Debug)]
pub struct Output<W> {
    sink: W,
    crc: u64,
    offset: u64,
    compress: bool,
    sums: bool,
}

impl<W: Write> Output<W> {
    /// Writes to `sink`, with long strings compressed if `compress`.
    pub fn new(sink: W, compress: bool) -> Output<W> {
        Output { sink, crc: 0, offset: 0, compress, sums: true }
    }

    /// The same without a checksum: for a part of what another output will write.
    pub fn part(sink: W, compress: bool) -> Output<W> {
        Output { sums: false, ..Output::new(sink, compress) }
    }

    /// The checksum of what was written so far.
    pub fn checksum(&self) -> u64 {
        self.crc
    }

    /// Bytes written so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The sink.
    pub fn into_inner(self) -> W {
        self.sink
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// Those of the sink, as of all methods here.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.sums {
            self.crc = crc64::update(self.crc, bytes);
        }
        self.offset += bytes.len() as u64;
        self.sink.write_all(bytes)
    }

    /// Writes a length.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn length(&mut self, length: u64) -> io::Result<()> {
        let mut long = [0; 9];
        if length < 1 << 6 {
            self.raw(&[length as u8])
        } else if length < LEN_14_BITS {
            self.raw(&((1 << 14 | length) as u16).to_be_bytes())
        } else if let Ok(length) = u32::try_from(length) {
            long[0] = 0x80;
            long[1..5].copy_from_slice(&length.to_be_bytes());
            self.raw(&long[..5])
        } else {
            long[0] = 0x81;
            long[1..].copy_from_slice(&length.to_be_bytes());
            self.raw(&long)
        }
    }

    /// Writes a string: as an integer where it is a short one, else compressed where that pays.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn string(&mut self, text: &[u8]) -> io::Result<()> {
        if text.len() <= INT_TEXT_MAX
            && let Some(number) = ochre_store::string::parse_int(text)
            && self.integer(number)?
        {
            return Ok(());
        }
        if self.compress
            && text.len() > COMPRESS_MIN
            && let Some(compressed) = lzf::compress(text, text.len() - COMPRESS_GAIN)
        {
            return self.compressed(&compressed, text.len());
        }
        self.plain(text)
    }

    /// Writes a string, which may be an integer.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn str(&mut self, text: Str<'_>) -> io::Result<()> {
        match text {
            Str::Bytes(text) => self.string(text),
            Str::Int(number) => {
                if self.integer(number)? {
                    return Ok(());
                }
                self.plain(itoa::Buffer::new().format(number).as_bytes())
            }
        }
    }

    /// Writes a string that is compressed already, and has `len` bytes otherwise.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn compressed(&mut self, compressed: &[u8], len: usize) -> io::Result<()> {
        self.raw(&[LZF])?;
        self.length(compressed.len() as u64)?;
        self.length(len as u64)?;
        self.raw(compressed)
    }

    /// Writes a number of 64 bits.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn i64(&mut self, number: i64) -> io::Result<()> {
        self.raw(&number.to_le_bytes())
    }

    fn plain(&mut self, text: &[u8]) -> io::Result<()> {
        self.length(text.len() as u64)?;
        self.raw(text)
    }

    /// Writes a number of up to 32 bits; false, and nothing is written, if it has more.
    fn integer(&mut self, number: i64) -> io::Result<bool> {
        if let Ok(number) = i8::try_from(number) {
            self.raw(&[INT_8, number as u8])?;
        } else if let Ok(number) = i16::try_from(number) {
            let [a, b] = number.to_le_bytes();
            self.raw(&[INT_16, a, b])?;
        } else if let Ok(number) = i32::try_from(number) {
            let [a, b, c, d] = number.to_le_bytes();
            self.raw(&[INT_32, a, b, c, d])?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}
