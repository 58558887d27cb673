//! The arguments of a command: slices of the connection's buffer, and a cursor that parses them.

use crate::error::{self, CommandError};
use ochre_resp::request::Span;

/// The arguments of one command line, the name first. Borrowed from the query buffer: copy what must outlive the command.
#[derive(Clone, Copy)]
pub struct Argv<'a> {
    buffer: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Argv<'a> {
    /// Arguments that lie at `spans` of `buffer`. Spans outside the buffer read as empty.
    #[inline]
    pub fn new(buffer: &'a [u8], spans: &'a [Span]) -> Argv<'a> {
        Argv { buffer, spans }
    }
    /// Number of arguments, the name included.
    #[inline]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.spans.len()
    }
    /// From the beginning of the first to the end of the last.
    #[inline]
    pub fn extent(&self) -> usize {
        match (self.spans.first(), self.spans.last()) {
            (Some(first), Some(last)) => last.end.saturating_sub(first.start),
            _ => 0,
        }
    }
    /// How long a request with them is, as an array of bulk strings.
    pub fn request_len(&self) -> usize {
        let digits = |number: usize| number.checked_ilog10().map_or(1, |power| power as usize + 1);
        let header = |number| digits(number) + "*\r\n".len();
        self.iter()
            .fold(header(self.len()), |len, argument| len + header(argument.len()) + argument.len() + "\r\n".len())
    }
    /// Number of bytes in the buffer they lie in, which holds the commands behind this one too.
    pub fn buffer_len(&self) -> usize {
        self.buffer.len()
    }
    /// The first eight bytes of the argument at `index` as a number, with zeros for those that it does not have.
    #[inline]
    pub(crate) fn head(&self, index: usize) -> u64 {
        let Some(span) = self.spans.get(index) else { return 0 };
        let behind = u64::MAX.checked_shl(span.len().min(8) as u32 * 8).unwrap_or(0);
        match self.buffer.get(span.start..).and_then(|bytes| bytes.first_chunk()) {
            Some(bytes) => u64::from_le_bytes(*bytes) & !behind,
            None => span.of(self.buffer).iter().rev().fold(0, |head, byte| head << 8 | u64::from(*byte)),
        }
    }
    /// The name, if it has at most eight bytes: those as a number, and their number.
    #[inline]
    pub(crate) fn short_name(&self) -> Option<(u64, usize)> {
        let len = self.spans.first()?.len();
        (1..=8).contains(&len).then(|| (self.head(0), len))
    }
    /// The argument at `index`.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.spans.get(index).map(|span| self.buffer.get(span.start..span.end).unwrap_or_default())
    }
    /// The argument at `index`; empty where there is none: for places the arity has vouched for.
    #[inline]
    pub fn at(&self, index: usize) -> &'a [u8] {
        self.get(index).unwrap_or_default()
    }
    /// All arguments in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        self.spans.iter().map(move |span| self.buffer.get(span.start..span.end).unwrap_or_default())
    }
    /// The arguments from `index` on, as a line of their own.
    pub fn from(self, index: usize) -> Argv<'a> {
        Argv { spans: self.spans.get(index..).unwrap_or_default(), ..self }
    }
    /// The arguments before `index`, as a line of their own.
    pub fn to(self, index: usize) -> Argv<'a> {
        Argv { spans: self.spans.get(..index).unwrap_or(self.spans), ..self }
    }
    /// A cursor over the arguments from `index` on.
    pub fn cursor(self, index: usize) -> Cursor<'a> {
        Cursor { argv: self, next: index }
    }
}

impl std::ops::Index<usize> for Argv<'_> {
    type Output = [u8];
    fn index(&self, index: usize) -> &[u8] {
        self.at(index)
    }
}

/// Reads arguments one after the other. Nothing is consumed by a method that returns an error or `None`.
#[derive(Clone)]
pub struct Cursor<'a> {
    argv: Argv<'a>,
    next: usize,
}

impl<'a> Cursor<'a> {
    /// Index of the next argument, in the whole command line.
    pub fn position(&self) -> usize {
        self.next
    }
    /// How many arguments are left.
    pub fn remaining(&self) -> usize {
        self.argv.len().saturating_sub(self.next)
    }
    /// Whether all are read.
    pub fn is_done(&self) -> bool {
        self.remaining() == 0
    }
    /// The next argument, not consumed.
    pub fn peek(&self) -> Option<&'a [u8]> {
        self.argv.get(self.next)
    }
    /// The next argument, whatever it is.
    ///
    /// # Errors
    /// A syntax error at the end of the line.
    pub fn bytes(&mut self) -> Result<&'a [u8], CommandError> {
        let argument = self.peek().ok_or(error::SYNTAX)?;
        self.next += 1;
        Ok(argument)
    }
    /// Consumes the next argument if it is `token`, in any case.
    pub fn token(&mut self, token: &str) -> bool {
        let found = self.peek().is_some_and(|argument| argument.eq_ignore_ascii_case(token.as_bytes()));
        self.next += usize::from(found);
        found
    }
    /// Consumes the next argument if it is one of the tokens, in any case, and returns its value.
    pub fn one_of<T: Copy>(&mut self, tokens: &[(&str, T)]) -> Option<T> {
        let argument = self.peek()?;
        let (_, value) = tokens.iter().find(|(token, _)| argument.eq_ignore_ascii_case(token.as_bytes()))?;
        self.next += 1;
        Some(*value)
    }
    /// The next argument as a signed 64-bit integer.
    ///
    /// # Errors
    /// "value is not an integer or out of range", or a syntax error at the end of the line.
    pub fn int(&mut self) -> Result<i64, CommandError> {
        let argument = self.peek().ok_or(error::SYNTAX)?;
        let value = parse_int(argument).ok_or(error::NOT_INTEGER)?;
        self.next += 1;
        Ok(value)
    }
    /// The next argument as an integer between `min` and `max`.
    ///
    /// # Errors
    /// `otherwise` where it is none or out of bounds.
    pub fn int_in(&mut self, min: i64, max: i64, otherwise: CommandError) -> Result<i64, CommandError> {
        match self.int() {
            Ok(value) if (min..=max).contains(&value) => Ok(value),
            _ => Err(otherwise),
        }
    }
    /// The next argument as a floating-point number.
    ///
    /// # Errors
    /// "value is not a valid float", or a syntax error at the end of the line.
    pub fn float(&mut self) -> Result<f64, CommandError> {
        let argument = self.peek().ok_or(error::SYNTAX)?;
        let value = parse_float(argument).ok_or(error::NOT_FLOAT)?;
        self.next += 1;
        Ok(value)
    }
    /// Rejects leftovers.
    ///
    /// # Errors
    /// A syntax error where an argument is left.
    pub fn finish(self) -> Result<(), CommandError> {
        if self.is_done() { Ok(()) } else { Err(error::SYNTAX) }
    }
}

/// A signed 64-bit integer as Redis reads it: no sign `+`, no blanks, no leading zeros, no `-0`.
#[inline]
pub fn parse_int(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut value: u64 = 0;
    for &digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit)); // 19 digits fit
    }
    if negative { (value <= 1 << 63).then(|| (value as i64).wrapping_neg()) } else { i64::try_from(value).ok() }
}

/// A finite or infinite floating-point number as strtod reads it, decimal or hexadecimal, without blanks around it; no NaN.
pub fn parse_float(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    match text.parse::<f64>() {
        Ok(value) => (!value.is_nan()).then_some(value),
        Err(_) => parse_hexadecimal(text),
    }
}

/// `0x`, digits with an optional point, and an optional exponent of two in decimal digits (`0x1.8p-3`).
#[cold]
fn parse_hexadecimal(text: &str) -> Option<f64> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let [b'0', b'x' | b'X', digits @ ..] = digits else { return None };
    let (digits, exponent) = match digits.iter().position(|byte| matches!(byte, b'p' | b'P')) {
        Some(at) => (digits.get(..at)?, std::str::from_utf8(digits.get(at + 1..)?).ok()?.parse::<i64>().ok()?),
        None => (digits, 0),
    };
    let (mut mantissa, mut shift, mut seen, mut behind_point) = (0u64, 0i64, false, false);
    for &byte in digits {
        if byte == b'.' && !behind_point {
            behind_point = true;
            continue;
        }
        let digit = u64::from((byte as char).to_digit(16)?);
        seen = true;
        if mantissa >> 59 == 0 {
            mantissa = mantissa << 4 | digit;
            shift -= if behind_point { 4 } else { 0 };
        } else {
            // Of the digits that have no room it counts only whether one is not 0, for rounding.
            mantissa |= u64::from(digit != 0);
            shift += if behind_point { 0 } else { 4 };
        }
    }
    let exponent = exponent.saturating_add(shift).clamp(-4000, 4000) as i32;
    // In steps, so that none of the powers is beyond the range of numbers.
    let value = [exponent / 4; 3].iter().fold(mantissa as f64, |value, step| value * 2f64.powi(*step));
    let value = value * 2f64.powi(exponent - exponent / 4 * 3);
    seen.then_some(if negative { -value } else { value })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Runs `test` on the words of `line`, which blanks separate.
    pub(crate) fn with_argv<R>(line: &str, test: impl FnOnce(Argv<'_>) -> R) -> R {
        let start = |word: &str| word.as_ptr() as usize - line.as_ptr() as usize;
        let spans: Vec<Span> = line
            .split_ascii_whitespace()
            .map(|word| Span { start: start(word), end: start(word) + word.len() })
            .collect();
        test(Argv::new(line.as_bytes(), &spans))
    }

    #[test]
    fn heads_end_with_their_argument() {
        with_argv("get abcdefghij key 1", |argv| {
            assert_eq!(argv.short_name(), Some((u64::from_le_bytes(*b"get\0\0\0\0\0"), 3)));
            assert_eq!(argv.head(1), u64::from_le_bytes(*b"abcdefgh"));
            assert_eq!(argv.head(2), u64::from_le_bytes(*b"key\0\0\0\0\0"));
            assert_eq!(argv.from(1).short_name(), None);
            assert_eq!((argv.head(3), argv.head(4)), (u64::from(b'1'), 0));
        });
    }

    // Values that strtod gives.
    #[test]
    fn floats_may_be_hexadecimal() {
        for (text, value) in [
            ("0x10", Some(16.0)),
            ("-0X.8p3", Some(-4.0)),
            ("+0x1.8P-1", Some(0.75)),
            ("0x1p-10", Some(0.0009765625)),
            ("0x.0000000000000000000000000001p112", Some(1.0)),
            ("0x10000000000000000000000000000p-112", Some(1.0)),
            ("0x1.fffffffffffff7ffp1023", Some(f64::MAX)),
            ("0x1p1024", Some(f64::INFINITY)),
            ("0x1p-1074", Some(f64::from_bits(1))),
            ("0x1p-99999999999", Some(0.0)),
            ("0x20000000000001", Some(9007199254740993u64 as f64)),
            ("0x2000000000000100000000001", Some((0x0020_0000_0000_0002_u64 as f64) * 2f64.powi(44))),
            ("0x", None),
            ("0x.", None),
            ("0x1p", None),
            ("0x1.2.3", None),
            ("0xg", None),
            ("x1", None),
            ("nan", None),
        ] {
            assert_eq!(parse_float(text.as_bytes()), value, "{text:?}");
        }
    }

    #[test]
    fn integers_are_read_as_string2ll_does() {
        for (text, value) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("18446744073709551616", None),
            ("01", None),
            ("-0", None),
            ("+1", None),
            (" 1", None),
            ("1 ", None),
            ("", None),
            ("-", None),
        ] {
            assert_eq!(parse_int(text.as_bytes()), value, "{text:?}");
        }
    }
}
