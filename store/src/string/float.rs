//! Numbers as the 80-bit extended floating point that Redis uses for `INCRBYFLOAT` on x86-64: 64 bits of precision,
//! rounded to the nearest, ties to even. Done with integers, so that every machine prints the same digits.

use std::cmp::Ordering;

/// Largest binary exponent of a finite number (of its highest bit).
const EXPONENT_MAX: i64 = 16383;
/// Smallest binary exponent of a number that is not zero.
const EXPONENT_MIN: i64 = -16445;
/// Decimal exponents beyond this are infinite or zero, whatever the digits.
const DECIMAL_EXPONENT_MAX: i64 = 5_000;
/// Digits after the point that are printed at most.
const FRACTION_DIGITS: usize = 17;
/// Longest text that is taken for a number.
const TEXT_BYTES_MAX: usize = 5 * 1024;

/// A floating point number: `mantissa × 2^exponent`, the mantissa's highest bit set unless it is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extended {
    Finite { negative: bool, mantissa: u64, exponent: i64 },
    Infinite { negative: bool },
}

/// A natural number, 32 bits a digit, the lowest first, without leading zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Natural(Vec<u32>);

impl Natural {
    fn from_u64(number: u64) -> Natural {
        let mut natural = Natural(vec![number as u32, (number >> 32) as u32]);
        natural.trim();
        natural
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn bits(&self) -> i64 {
        self.0.last().map_or(0, |top| self.0.len() as i64 * 32 - i64::from(top.leading_zeros()))
    }

    /// Multiplies by `factor` and adds `addend`.
    fn multiply_add(&mut self, factor: u32, addend: u32) {
        let mut carry = u64::from(addend);
        for digit in &mut self.0 {
            carry += u64::from(*digit) * u64::from(factor);
            *digit = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    fn multiply_power_of_ten(&mut self, power: i64) {
        for _ in 0..power / 9 {
            self.multiply_add(1_000_000_000, 0);
        }
        self.multiply_add(10u32.pow((power % 9) as u32), 0);
    }

    fn shift_left(&mut self, bits: i64) {
        if self.is_zero() || bits <= 0 {
            return;
        }
        self.multiply_add(1 << (bits % 32), 0);
        let words = (bits / 32) as usize;
        self.0.splice(0..0, std::iter::repeat_n(0, words));
    }

    fn compare(&self, other: &Natural) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    fn add(&mut self, other: &Natural) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        let mut carry = 0u64;
        for (index, digit) in self.0.iter_mut().enumerate() {
            carry += u64::from(*digit) + u64::from(other.0.get(index).copied().unwrap_or(0));
            *digit = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    /// Subtracts a number that is not larger.
    fn subtract(&mut self, other: &Natural) {
        let mut borrow = 0i64;
        for (index, digit) in self.0.iter_mut().enumerate() {
            let difference = i64::from(*digit) - i64::from(other.0.get(index).copied().unwrap_or(0)) + borrow;
            *digit = difference as u32;
            borrow = difference >> 32;
        }
        self.trim();
    }

    /// Divides by `divisor` and returns the remainder.
    fn divide(&mut self, divisor: u32) -> u32 {
        let mut remainder = 0u64;
        for digit in self.0.iter_mut().rev() {
            remainder = remainder << 32 | u64::from(*digit);
            *digit = (remainder / u64::from(divisor)) as u32;
            remainder %= u64::from(divisor);
        }
        self.trim();
        remainder as u32
    }

    fn into_decimal(mut self) -> String {
        let mut groups = Vec::new();
        while !self.is_zero() {
            groups.push(self.divide(1_000_000_000));
        }
        let mut text = groups.pop().map_or("0".to_owned(), |first| first.to_string());
        for group in groups.iter().rev() {
            text.push_str(&format!("{group:09}"));
        }
        text
    }
}

impl Extended {
    const ZERO: Extended = Extended::Finite { negative: false, mantissa: 0, exponent: 0 };

    /// `numerator / denominator × 2^scale`, rounded.
    fn quotient(negative: bool, mut numerator: Natural, mut denominator: Natural, scale: i64) -> Extended {
        if numerator.is_zero() {
            return Extended::Finite { negative, mantissa: 0, exponent: 0 };
        }
        // Shifts one of them so that the quotient has 64 or 65 bits.
        let shift = 65 - (numerator.bits() - denominator.bits());
        numerator.shift_left(shift);
        denominator.shift_left(-shift);
        let mut quotient: u128 = 0;
        let mut power = denominator;
        power.shift_left(66);
        for _ in 0..=66 {
            quotient <<= 1;
            if numerator.compare(&power) != Ordering::Less {
                numerator.subtract(&power);
                quotient |= 1;
            }
            // Instead of halving the divisor, doubles what is left.
            numerator.shift_left(1);
        }
        Extended::rounded(negative, quotient, !numerator.is_zero(), scale - shift)
    }

    /// `number × 2^exponent`, and a bit more if `inexact`, rounded to 64 bits.
    fn rounded(negative: bool, number: u128, inexact: bool, exponent: i64) -> Extended {
        let excess = 128 - i64::from(number.leading_zeros()) - 64;
        if excess <= 0 {
            let mantissa = (number as u64) << -excess;
            return Extended::checked(negative, mantissa, exponent + excess);
        }
        let (kept, cut) = ((number >> excess) as u64, number & ((1 << excess) - 1));
        let half = 1u128 << (excess - 1);
        let up = cut > half || cut == half && (inexact || kept & 1 == 1);
        match kept.checked_add(u64::from(up)) {
            Some(mantissa) => Extended::checked(negative, mantissa, exponent + excess),
            None => Extended::checked(negative, 1 << 63, exponent + excess + 1),
        }
    }

    fn checked(negative: bool, mantissa: u64, exponent: i64) -> Extended {
        if mantissa == 0 {
            Extended::Finite { negative, mantissa, exponent: 0 }
        } else if exponent + 63 > EXPONENT_MAX {
            Extended::Infinite { negative }
        } else {
            Extended::Finite { negative, mantissa, exponent }
        }
    }

    /// The number, if it is neither infinite nor so small that it is zero.
    fn in_range(self) -> Option<Extended> {
        match self {
            Extended::Infinite { .. } => None,
            Extended::Finite { mantissa, exponent, .. } if mantissa != 0 && exponent + 63 < EXPONENT_MIN => None,
            finite => Some(finite),
        }
    }

    /// Reads a number as `strtold` does: decimal or hexadecimal with optional fraction and exponent, or infinity.
    /// `None` if the whole text is not one, or one too large or too small.
    pub(crate) fn parse(text: &[u8]) -> Option<Extended> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
            return Some(Extended::Infinite { negative });
        }
        match rest {
            [b'0', b'x' | b'X', digits @ ..] => parse_digits(negative, digits, true),
            digits => parse_digits(negative, digits, false),
        }
    }

    /// The rounded sum; `None` if it is not a number.
    pub(crate) fn add(self, other: Extended) -> Option<Extended> {
        let (a, b) = match (self, other) {
            (Extended::Infinite { negative: a }, Extended::Infinite { negative: b }) if a != b => return None,
            (infinite @ Extended::Infinite { .. }, _) | (_, infinite @ Extended::Infinite { .. }) => {
                return Some(infinite);
            }
            (
                Extended::Finite { negative: a, mantissa: m, exponent: e },
                Extended::Finite { negative: b, mantissa: n, exponent: f },
            ) => ((a, m, e), (b, n, f)),
        };
        if a.1 == 0 || b.1 == 0 {
            return Some(if a.1 == 0 { other } else { self });
        }
        let low = a.2.min(b.2);
        let aligned = |(_, mantissa, exponent): (bool, u64, i64)| {
            let mut natural = Natural::from_u64(mantissa);
            natural.shift_left(exponent - low);
            natural
        };
        let (mut sum, addend) = (aligned(a), aligned(b));
        let mut negative = a.0;
        if a.0 == b.0 {
            sum.add(&addend);
        } else if sum.compare(&addend) == Ordering::Less {
            let mut difference = addend;
            difference.subtract(&sum);
            sum = difference;
            negative = b.0;
        } else {
            sum.subtract(&addend);
        }
        if sum.is_zero() {
            return Some(Extended::ZERO);
        }
        Some(Extended::quotient(negative, sum, Natural::from_u64(1), low))
    }

    /// The number without exponent, with at most 17 digits after the point and no trailing zeros; `None` if infinite.
    pub(crate) fn to_text(self) -> Option<String> {
        let Extended::Finite { negative, mantissa, exponent } = self else { return None };
        let digits = if exponent >= 0 {
            let mut natural = Natural::from_u64(mantissa);
            natural.shift_left(exponent);
            natural.into_decimal()
        } else {
            let scaled = u128::from(mantissa) * 10u128.pow(FRACTION_DIGITS as u32);
            let shift = exponent.unsigned_abs();
            let rounded = if shift >= 128 {
                0
            } else {
                let (kept, cut, half) = (scaled >> shift, scaled & ((1 << shift) - 1), 1u128 << (shift - 1));
                kept + u128::from(cut > half || cut == half && kept & 1 == 1)
            };
            let digits = format!("{rounded:0width$}", width = FRACTION_DIGITS + 1);
            let (whole, fraction) = digits.split_at(digits.len() - FRACTION_DIGITS);
            match fraction.trim_end_matches('0') {
                "" => whole.to_owned(),
                fraction => format!("{whole}.{fraction}"),
            }
        };
        Some(if negative && digits != "0" { format!("-{digits}") } else { digits })
    }
}

fn parse_digits(negative: bool, text: &[u8], hexadecimal: bool) -> Option<Extended> {
    let base = if hexadecimal { 16 } else { 10 };
    let mut number = Natural::default();
    let (mut any, mut fraction, mut point) = (false, 0i64, false);
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        if *byte == b'.' && !point {
            point = true;
        } else if let Some(digit) = char::from(*byte).to_digit(base) {
            number.multiply_add(base, digit);
            any = true;
            fraction += i64::from(point);
        } else {
            break;
        }
        rest = tail;
    }
    if !any {
        return None;
    }
    number.trim();
    let exponent = match rest {
        [] => 0,
        [b'e' | b'E', digits @ ..] if !hexadecimal => parse_exponent(digits)?,
        [b'p' | b'P', digits @ ..] if hexadecimal => parse_exponent(digits)?,
        _ => return None,
    };
    let one = Natural::from_u64(1);
    if hexadecimal {
        return Extended::quotient(negative, number, one, exponent - 4 * fraction).in_range();
    }
    let power = exponent - fraction;
    // Far out of range, the power of ten is not worth computing.
    let magnitude = number.bits() * 30103 / 100_000 + power;
    if number.is_zero() {
        return Some(Extended::Finite { negative, mantissa: 0, exponent: 0 });
    }
    if !(-DECIMAL_EXPONENT_MAX..=DECIMAL_EXPONENT_MAX).contains(&magnitude) {
        return None;
    }
    let mut denominator = one;
    if power >= 0 {
        number.multiply_power_of_ten(power);
    } else {
        denominator.multiply_power_of_ten(-power);
    }
    Extended::quotient(negative, number, denominator, 0).in_range()
}

fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut exponent = 0i64;
    for &byte in digits {
        exponent = exponent * 10 + i64::from(char::from(byte).to_digit(10)?);
        exponent = exponent.min(4 * DECIMAL_EXPONENT_MAX);
    }
    Some(if negative { -exponent } else { exponent })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums recorded from a real server: two terms and the reply to adding the second to the first.
    const RECORDED: &str = include_str!("float_sums.txt");

    #[test]
    fn sums_are_those_of_a_real_server() {
        for line in RECORDED.lines() {
            let [first, second, expected] = *line.split('|').collect::<Vec<_>>() else { panic!("{line}") };
            let terms = Extended::parse(first.as_bytes()).zip(Extended::parse(second.as_bytes()));
            let sum = match terms {
                None => "not a float".to_owned(),
                Some((first, second)) => {
                    first.add(second).and_then(Extended::to_text).unwrap_or("not finite".to_owned())
                }
            };
            assert_eq!(sum, expected, "{first} + {second}");
        }
    }

    #[test]
    fn long_texts_are_read_in_bounded_time() {
        let digits = vec![b'9'; TEXT_BYTES_MAX];
        assert_eq!(Extended::parse(&digits), None);
        let fraction = [b".".as_slice(), &digits[1..]].concat();
        let one = Extended::parse(&fraction).unwrap();
        assert_eq!(one.to_text().unwrap(), "1");
        assert_eq!(Extended::parse(b"1e999999999999999999999"), None);
    }
}
