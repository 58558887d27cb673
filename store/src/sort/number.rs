//! The numbers that texts stand for.

use crate::raw::entry::Str;

/// The number that a text stands for; `None` if it is none, or too large, or too small to be told from zero.
pub(super) fn number(text: Str<'_>, c_numbers: bool) -> Option<f64> {
    match text {
        Str::Int(number) => Some(number as f64),
        Str::Bytes(bytes) if c_numbers => c_number(bytes),
        Str::Bytes(bytes) => {
            let number = decimal(bytes)?;
            (number != 0.0 || is_zero(bytes)).then_some(number)
        }
    }
}

/// As strtod(3) reads it, without an error and to the end of the text.
fn c_number(bytes: &[u8]) -> Option<f64> {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let start = text.iter().position(|byte| !matches!(byte, b' ' | b'\t'..=b'\r'))?;
    let text = text.get(start..)?;
    let number = match hexadecimal(text) {
        Some(number) => number,
        None => decimal(text)?,
    };
    // What lost digits on the way to zero is out of range.
    (number == 0.0 || number.is_normal() || number.is_infinite())
        .then_some(number)
        .filter(|number| *number != 0.0 || is_zero(text))
}

/// A decimal number, or infinity in words; nothing that is too large.
fn decimal(text: &[u8]) -> Option<f64> {
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let in_words = text.iter().any(|byte| byte.eq_ignore_ascii_case(&b'f'));
    (number.is_finite() || number.is_infinite() && in_words).then_some(number)
}

/// Whether all digits before the exponent are zero.
fn is_zero(text: &[u8]) -> bool {
    let hexadecimal = text.iter().any(|byte| byte.eq_ignore_ascii_case(&b'x'));
    let exponent: &[u8] = if hexadecimal { b"pP" } else { b"eE" };
    let digits = text.iter().take_while(|byte| !exponent.contains(byte));
    digits.clone().all(|byte| !matches!(byte, b'1'..=b'9' | b'a'..=b'f' | b'A'..=b'F'))
}

/// A hexadecimal number such as `-0x1.8p3`. Nothing if it is not written like one, NaN if it is out of range.
fn hexadecimal(text: &[u8]) -> Option<f64> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let [b'0', b'x' | b'X', rest @ ..] = rest else { return None };
    let (mut number, mut exponent, mut digits, mut behind_point) = (0f64, 0i32, 0usize, false);
    let mut rest = rest.iter();
    let mut power = 0i32;
    while let Some(&byte) = rest.next() {
        match byte {
            b'.' if !behind_point => behind_point = true,
            b'p' | b'P' if digits > 0 => {
                power = std::str::from_utf8(rest.as_slice()).ok()?.parse::<i64>().ok()?.clamp(-9999, 9999) as i32;
                rest = [].iter();
            }
            _ => {
                let digit = char::from(byte).to_digit(16)?;
                digits += 1;
                // Sixteen digits are more than the precision of the result.
                if digits <= 16 || number == 0.0 {
                    number = number * 16.0 + f64::from(digit);
                    exponent -= if behind_point { 4 } else { 0 };
                } else {
                    exponent += if behind_point { 0 } else { 4 };
                }
            }
        }
    }
    if digits == 0 {
        return None;
    }
    // In two steps, neither of which leaves the range of powers.
    let half = exponent.saturating_add(power) / 2;
    let scaled = number * 2f64.powi(half) * 2f64.powi(exponent.saturating_add(power) - half);
    if scaled.is_infinite() {
        return Some(f64::NAN);
    }
    Some(if negative { -scaled } else { scaled })
}

#[cfg(test)]
mod tests {
    use super::*;

    // What Redis 7.0.15 and Valkey 9.1.2 sort by, or refuse.
    #[test]
    fn numbers_are_read_as_servers_do() {
        let inf = f64::INFINITY;
        for (text, c, plain) in [
            (" 1", Some(1.0), None),
            ("1 ", None, None),
            ("", Some(0.0), None),
            (" ", None, None),
            ("0x10", Some(16.0), None),
            ("0x1p3", Some(8.0), None),
            ("0X1.8", Some(1.5), None),
            ("-0x1p-1", Some(-0.5), None),
            ("0x", None, None),
            ("0x1p", None, None),
            ("0x1p99999", None, None),
            ("1e400", None, None),
            ("-1e400", None, None),
            ("1e-400", None, None),
            ("1e-310", None, Some(1e-310)),
            ("0e-400", Some(0.0), Some(0.0)),
            ("inf", Some(inf), Some(inf)),
            ("-Infinity", Some(-inf), Some(-inf)),
            ("nan", None, None),
            ("+5", Some(5.0), Some(5.0)),
            (".5", Some(0.5), Some(0.5)),
            ("5.", Some(5.0), Some(5.0)),
            ("1e", None, None),
            ("infx", None, None),
            ("1_0", None, None),
            ("1e5", Some(1e5), Some(1e5)),
        ] {
            let read = |c_numbers| number(Str::Bytes(text.as_bytes()), c_numbers);
            assert_eq!(read(true), c, "{text:?} as C reads it");
            assert_eq!(read(false), plain, "{text:?}");
        }
    }
}
