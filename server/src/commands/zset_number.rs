//! How commands of sorted sets read numbers and the ends of ranges.

use crate::config::Level;
use crate::context::Context;
use crate::error::{self, CommandError};
use ochre_store::sorted_set::LexBound;
use std::ops::Bound;

/// A score.
///
/// # Errors
/// "value is not a valid float".
#[inline]
pub(super) fn parse_score(context: &Context<'_>, text: &[u8]) -> Result<f64, CommandError> {
    score(text, || context.server.config().compatibility_level).ok_or(error::NOT_FLOAT)
}

/// A number, neither too large nor too small; `level` is asked where levels differ.
pub(super) fn score(text: &[u8], level: impl FnOnce() -> Level) -> Option<f64> {
    let number = match decimal(text) {
        Some(number) => number,
        None if level().reads_numbers_as_strtod() => hexadecimal(text)?,
        None => return None,
    };
    let out_of_range = match number {
        number if number.is_infinite() => text.iter().any(u8::is_ascii_digit),
        0.0 => text.iter().take_while(|byte| !b"eEpP".contains(byte)).any(|byte| matches!(byte, b'1'..=b'9')),
        _ => false,
    };
    (!out_of_range).then_some(number)
}

/// One end of a range of scores, which an opening parenthesis excludes.
///
/// # Errors
/// "min or max is not a float".
pub(super) fn parse_score_bound(context: &Context<'_>, text: &[u8]) -> Result<Bound<f64>, CommandError> {
    score_bound(text, || context.server.config().compatibility_level).ok_or(error::SCORE_RANGE)
}

fn score_bound(text: &[u8], level: impl FnOnce() -> Level) -> Option<Bound<f64>> {
    let (excluded, text) = text.strip_prefix(b"(").map_or((false, text), |text| (true, text));
    // The originals read a C string, in which no digits at all are 0.
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let number = match decimal(text) {
        Some(number) => number,
        None if text.is_empty() => 0.0,
        None if level().reads_numbers_as_strtod() => {
            let text = text.trim_ascii_start();
            decimal(text).or_else(|| hexadecimal(text))?
        }
        None => return None,
    };
    Some(if excluded { Bound::Excluded(number) } else { Bound::Included(number) })
}

/// One end of a range of members.
///
/// # Errors
/// "min or max not valid string range item".
pub(super) fn parse_lex_bound(text: &[u8]) -> Result<LexBound<'_>, CommandError> {
    match text {
        [b'-'] | [b'-', 0, ..] => Ok(LexBound::Lowest),
        [b'+'] | [b'+', 0, ..] => Ok(LexBound::Highest),
        [b'[', member @ ..] => Ok(LexBound::Included(member)),
        [b'(', member @ ..] => Ok(LexBound::Excluded(member)),
        _ => Err(error::LEX_RANGE),
    }
}

/// A number in decimal digits, or infinity.
#[inline]
fn decimal(text: &[u8]) -> Option<f64> {
    // Most scores are small integers.
    if text.len() <= 15 && !text.is_empty() && text.iter().all(u8::is_ascii_digit) {
        return Some(text.iter().fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0')) as f64);
    }
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!number.is_nan()).then_some(number)
}

/// A number in hexadecimal digits, as `0x1.8p-3`.
fn hexadecimal(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let [b'0', b'x' | b'X', digits @ ..] = digits else { return None };
    let (mut mantissa, mut exponent, mut any, mut point) = (0u64, 0i32, false, false);
    let mut rest = digits;
    while let [byte, tail @ ..] = rest {
        match char::from(*byte).to_digit(16) {
            Some(digit) => {
                any = true;
                if mantissa < 1 << 58 {
                    mantissa = mantissa << 4 | u64::from(digit);
                    exponent = exponent.saturating_sub(if point { 4 } else { 0 });
                } else {
                    // What does not fit decides about rounding only.
                    mantissa |= u64::from(digit != 0);
                    exponent = exponent.saturating_add(if point { 0 } else { 4 });
                }
            }
            None if *byte == b'.' && !point => point = true,
            None => break,
        }
        rest = tail;
    }
    match rest {
        _ if !any => return None,
        [] => {}
        [b'p' | b'P', power @ ..] => {
            let power = std::str::from_utf8(power).ok()?;
            let digits = power.strip_prefix(['+', '-']).unwrap_or(power);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            // Powers of any length: beyond these all is infinite or zero.
            let power = power.parse().unwrap_or(if power.starts_with('-') { -100_000 } else { 100_000 });
            exponent = exponent.saturating_add(power);
        }
        _ => return None,
    }
    let mut number = mantissa as f64;
    // In steps, so that no factor is infinite or zero where the product is not.
    while exponent != 0 && number != 0.0 && number.is_finite() {
        let step = exponent.clamp(-900, 900);
        number *= 2f64.powi(step);
        exponent -= step;
    }
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Replies of Redis 7.0.15 and Valkey 9.1.2.
    #[test]
    fn scores() {
        for (text, old, new) in [
            ("1", Some(1.0), Some(1.0)),
            ("0x10", Some(16.0), None),
            ("0x1p3", Some(8.0), None),
            ("-0x1.8p1", Some(-3.0), None),
            ("0x", None, None),
            ("0x1p", None, None),
            ("0x1p+", None, None),
            ("0x1p99999999999", None, None),
            ("0x1p-99999999999", None, None),
            ("1e400", None, None),
            ("1e-400", None, None),
            ("0e-400", Some(0.0), Some(0.0)),
            ("-0", Some(-0.0), Some(-0.0)),
            ("4.9e-324", Some(5e-324), Some(5e-324)),
            ("inf", Some(f64::INFINITY), Some(f64::INFINITY)),
            ("-INF", Some(f64::NEG_INFINITY), Some(f64::NEG_INFINITY)),
            ("+infinity", Some(f64::INFINITY), Some(f64::INFINITY)),
            ("infinit", None, None),
            ("nan", None, None),
            ("", None, None),
            (" 1", None, None),
            ("1 ", None, None),
            ("1.", Some(1.0), Some(1.0)),
            (".5", Some(0.5), Some(0.5)),
            (".", None, None),
            ("1e", None, None),
            ("1E5", Some(1e5), Some(1e5)),
            ("1_0", None, None),
            ("1\0", None, None),
            ("123456789012345678901", Some(123456789012345678901.0), Some(123456789012345678901.0)),
        ] {
            assert_eq!(score(text.as_bytes(), || Level::V7_0), old, "{text:?}");
            assert_eq!(score(text.as_bytes(), || Level::Native), new, "{text:?}");
        }
    }

    #[test]
    fn ends_of_ranges() {
        use Bound::{Excluded, Included};
        for (text, old, new) in [
            ("", Some(Included(0.0)), Some(Included(0.0))),
            ("(", Some(Excluded(0.0)), Some(Excluded(0.0))),
            (" 1", Some(Included(1.0)), None),
            ("\t1", Some(Included(1.0)), None),
            ("( 1", Some(Excluded(1.0)), None),
            (" (1", None, None),
            ("((1", None, None),
            ("1 ", None, None),
            ("0x2", Some(Included(2.0)), None),
            ("1\0zz", Some(Included(1.0)), Some(Included(1.0))),
            ("1e400", Some(Included(f64::INFINITY)), Some(Included(f64::INFINITY))),
            ("1e-400", Some(Included(0.0)), Some(Included(0.0))),
            ("(nan", None, None),
            ("(inf", Some(Excluded(f64::INFINITY)), Some(Excluded(f64::INFINITY))),
            ("abc", None, None),
        ] {
            assert_eq!(score_bound(text.as_bytes(), || Level::V7_0), old, "{text:?}");
            assert_eq!(score_bound(text.as_bytes(), || Level::Native), new, "{text:?}");
        }
    }
}
