//! Floating point numbers as text, in the two forms that servers of different versions use.

use std::io::Write;

/// Largest magnitude that the shortest form writes as an integer: half the range of a 64-bit integer, as in Redis 7.2.
const INTEGER_MAX: f64 = (1u64 << 62) as f64;

/// How doubles are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DoubleFormat {
    /// The fewest digits that read back as the same number (Redis 7.2 and later, Valkey): `0.1`, `1e-7`.
    #[default]
    Shortest,
    /// Seventeen significant digits, `%.17g` of C (Redis 7.0 and before): `0.10000000000000001`.
    Digits17,
}

/// Appends `number` to `out`.
///
/// [`DoubleFormat::Shortest`] writes the exponent without leading zeros and avoids it up to seven trailing or six
/// leading zeros, as Redis 7.2 does. Where Redis's algorithm misses the shortest digits, one random number in 2,000
/// (`1e23` is one), the text here is shorter and still reads back as the same number.
pub fn write_double(out: &mut Vec<u8>, number: f64, format: DoubleFormat) {
    if number.is_nan() {
        let signed = number.is_sign_negative() && format == DoubleFormat::Digits17;
        return out.extend_from_slice(if signed { b"-nan" } else { b"nan" });
    }
    if number.is_infinite() {
        return out.extend_from_slice(if number > 0.0 { b"inf" } else { b"-inf" });
    }
    match format {
        DoubleFormat::Shortest => write_shortest(out, number),
        DoubleFormat::Digits17 => write_digits17(out, number),
    }
}

/// The integer as which the shortest form writes a number, if it does.
#[inline]
pub(super) fn as_integer(number: f64) -> Option<i64> {
    if number.abs() > INTEGER_MAX {
        return None;
    }
    let integer = number as i64;
    let negative_zero = integer == 0 && number.is_sign_negative();
    (integer as f64 == number && !negative_zero).then_some(integer)
}

fn write_shortest(out: &mut Vec<u8>, number: f64) {
    if let Some(integer) = as_integer(number) {
        return out.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(number).as_bytes();
    if (1e-3..1e4).contains(&number.abs()) {
        // Redis's form and the usual one agree here.
        return out.extend_from_slice(text);
    }
    let decimal = Decimal::read(text);
    decimal.write_sign(out);
    let digits = decimal.len as i32;
    let trailing_zeros = decimal.exponent - (digits - 1);
    let plain = if trailing_zeros >= 0 {
        decimal.exponent < digits + 7
    } else {
        trailing_zeros > -7 || decimal.exponent.abs() < 4
    };
    if plain { decimal.write_plain(out) } else { decimal.write_scientific(out, 1) }
}

fn write_digits17(out: &mut Vec<u8>, number: f64) {
    let decimal = Decimal::rounded(number);
    decimal.write_sign(out);
    if (-4..17).contains(&decimal.exponent) { decimal.write_plain(out) } else { decimal.write_scientific(out, 2) }
}

/// The longest text of a double: the sign, 17 digits, the point and `e-308`; or zeros around as many digits.
const TEXT_LEN_MAX: usize = 32;

/// `digits[0].digits[1..] * 10^exponent`, without zeros at either end.
struct Decimal {
    negative: bool,
    digits: [u8; TEXT_LEN_MAX],
    len: usize,
    exponent: i32,
}

impl Decimal {
    /// The seventeen digits nearest to a finite number.
    fn rounded(number: f64) -> Self {
        let mut text = [0; TEXT_LEN_MAX];
        let mut free = &mut text[..];
        let written = write!(free, "{number:.16e}");
        debug_assert!(written.is_ok());
        let used = TEXT_LEN_MAX - free.len();
        Self::read(&text[..used])
    }

    /// Reads `12.5`, `-0.00125`, `1.25e-3` and the like.
    fn read(text: &[u8]) -> Self {
        let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |text| (true, text));
        let mut decimal = Self { negative, digits: [b'0'; TEXT_LEN_MAX], len: 0, exponent: -1 };
        let (mut fraction, mut zeros, mut text) = (false, 0, text.iter());
        for &byte in text.by_ref() {
            match byte {
                b'.' => fraction = true,
                b'0'..=b'9' => {
                    // Zeros count only once a digit follows, and never before the first digit.
                    decimal.exponent += match (decimal.len + zeros, byte, fraction) {
                        (0, b'0', false) => 0,
                        (0, b'0', true) => -1,
                        (_, _, false) => 1,
                        (_, _, true) => 0,
                    };
                    if byte != b'0' {
                        decimal.len += zeros;
                        decimal.digits[decimal.len] = byte;
                        decimal.len += 1;
                        zeros = 0;
                    } else if decimal.len > 0 {
                        zeros += 1;
                    }
                }
                _ => break,
            }
        }
        if decimal.len == 0 {
            return Self { len: 1, exponent: 0, ..decimal };
        }
        let power = std::str::from_utf8(text.as_slice()).ok().and_then(|power| power.parse::<i32>().ok());
        decimal.exponent += power.unwrap_or(0);
        decimal
    }

    fn digits(&self) -> &[u8] {
        &self.digits[..self.len]
    }

    fn write_sign(&self, out: &mut Vec<u8>) {
        if self.negative {
            out.push(b'-');
        }
    }

    fn write_plain(&self, out: &mut Vec<u8>) {
        let whole = self.exponent + 1;
        if whole <= 0 {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + whole.unsigned_abs() as usize, b'0');
            out.extend_from_slice(self.digits());
        } else if whole as usize >= self.len {
            out.extend_from_slice(self.digits());
            out.resize(out.len() + whole as usize - self.len, b'0');
        } else {
            let (whole, fraction) = self.digits().split_at(whole as usize);
            out.extend_from_slice(whole);
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
    }

    fn write_scientific(&self, out: &mut Vec<u8>, exponent_digits_min: usize) {
        let (first, rest) = self.digits().split_at(1);
        out.extend_from_slice(first);
        if !rest.is_empty() {
            out.push(b'.');
            out.extend_from_slice(rest);
        }
        out.extend_from_slice(if self.exponent < 0 { b"e-" } else { b"e+" });
        let mut buffer = itoa::Buffer::new();
        let exponent = buffer.format(self.exponent.unsigned_abs());
        out.resize(out.len() + exponent_digits_min.saturating_sub(exponent.len()), b'0');
        out.extend_from_slice(exponent.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: f64, format: DoubleFormat) -> String {
        let mut out = Vec::new();
        write_double(&mut out, number, format);
        String::from_utf8(out).expect("ASCII")
    }

    /// `ZSCORE` of valkey-server 9.1 (Redis 8.2 answers the same) and of redis-server 7.0.15, which keep the number in
    /// a skiplist.
    #[test]
    fn numbers_are_written_as_the_real_servers_do() {
        for (number, shortest, digits17) in [
            ("0", "0", "0"),
            ("-0", "-0", "-0"),
            ("3", "3", "3"),
            ("2.5", "2.5", "2.5"),
            ("1.1", "1.1", "1.1000000000000001"),
            ("0.1", "0.1", "0.10000000000000001"),
            ("1e15", "1000000000000000", "1000000000000000"),
            ("1e18", "1000000000000000000", "1e+18"),
            ("4611686018427387904", "4611686018427387904", "4.6116860184273879e+18"),
            ("4611686018427388928", "4611686018427389000", "4.6116860184273889e+18"),
            ("5e18", "5e+18", "5e+18"),
            ("-4e18", "-4000000000000000000", "-4e+18"),
            ("-5e18", "-5e+18", "-5e+18"),
            ("1e20", "1e+20", "1e+20"),
            ("123456789012345680000", "123456789012345680000", "1.2345678901234568e+20"),
            ("1.2345678901234567e23", "123456789012345670000000", "1.2345678901234567e+23"),
            ("1.2345678901234567e24", "1.2345678901234568e+24", "1.2345678901234568e+24"),
            ("123456789e14", "1.23456789e+22", "1.23456789e+22"),
            ("1.23e21", "1.23e+21", "1.23e+21"),
            ("12e22", "1.2e+23", "1.2e+23"),
            ("1e300", "1e+300", "1.0000000000000001e+300"),
            ("12345.678901234567", "1.2345678901234567e+4", "12345.678901234567"),
            ("123456789.123", "123456789.123", "123456789.123"),
            ("10000000.5", "10000000.5", "10000000.5"),
            ("1.5e10", "15000000000", "15000000000"),
            ("0.001234567", "0.001234567", "0.001234567"),
            ("0.00012345678", "1.2345678e-4", "0.00012345678000000001"),
            ("0.0001", "0.0001", "0.0001"),
            ("0.00001", "0.00001", "1.0000000000000001e-05"),
            ("0.00001234", "1.234e-5", "1.234e-05"),
            ("0.000001", "0.000001", "9.9999999999999995e-07"),
            ("0.0000001", "1e-7", "9.9999999999999995e-08"),
            ("-1.5e-7", "-1.5e-7", "-1.4999999999999999e-07"),
            ("0.1234567890123", "0.1234567890123", "0.12345678901230001"),
            ("5e-324", "5e-324", "4.9406564584124654e-324"),
            ("1.7e-310", "1.7e-310", "1.7000000000000096e-310"),
            ("1.7976931348623157e308", "1.7976931348623157e+308", "1.7976931348623157e+308"),
            ("inf", "inf", "inf"),
            ("-inf", "-inf", "-inf"),
        ] {
            let value = number.parse().expect("a number");
            assert_eq!(text(value, DoubleFormat::Shortest), shortest, "{number} shortest");
            assert_eq!(text(value, DoubleFormat::Digits17), digits17, "{number} with 17 digits");
        }
        assert_eq!(text(f64::NAN, DoubleFormat::Shortest), "nan");
        assert_eq!(text(-f64::NAN.abs(), DoubleFormat::Shortest), "nan");
        assert_eq!(text(-f64::NAN.abs(), DoubleFormat::Digits17), "-nan");
    }
}
