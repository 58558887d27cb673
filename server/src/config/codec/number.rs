//! Numbers: plain, sizes in bytes, sizes or percentages, octal modes.

use std::fmt::Display;
use std::marker::PhantomData;

use super::{Codec, Mention, Written, single};

/// A field type that holds a whole number.
pub(in super::super) trait Whole:
    Copy + PartialEq + Display + TryFrom<i128> + TryInto<i128> + Sync
{
}
impl<T: Copy + PartialEq + Display + TryFrom<i128> + TryInto<i128> + Sync> Whole for T {}

/// A decimal number between two bounds.
pub(in super::super) struct Int<T> {
    default: i64,
    min: i64,
    max: i64,
    clamp: Option<(i64, i64)>,
    word: Option<(&'static str, i64)>,
    field: PhantomData<T>,
}

impl<T> Int<T> {
    /// `default`, and the bounds, both included.
    pub(in super::super) const fn new(default: i64, min: i64, max: i64) -> Self {
        Self { default, min, max, clamp: None, word: None, field: PhantomData }
    }

    /// Takes any value inside the bounds, but keeps it between `low` and `high`.
    pub(in super::super) const fn clamped(mut self, low: i64, high: i64) -> Self {
        self.clamp = Some((low, high));
        self
    }

    /// Takes `word` for `value`.
    pub(in super::super) const fn word(mut self, word: &'static str, value: i64) -> Self {
        self.word = Some((word, value));
        self
    }
}

impl<T: Whole> Codec for Int<T> {
    type Value = T;

    fn default(&self) -> T {
        fit(i128::from(self.default))
    }

    fn parse(&self, words: &[Vec<u8>], _old: &T, _mention: Mention) -> Result<T, String> {
        let word = single(words)?;
        let number = match self.word {
            Some((name, value)) if word.eq_ignore_ascii_case(name.as_bytes()) => value,
            _ => strict_integer(word).ok_or("argument couldn't be parsed into an integer")?,
        };
        if number < self.min || number > self.max {
            return Err(format!("argument must be between {} and {} inclusive", self.min, self.max));
        }
        let kept = self.clamp.map_or(number, |(low, high)| number.clamp(low, high));
        T::try_from(i128::from(kept)).map_err(|_| "argument couldn't be parsed into an integer".to_owned())
    }

    fn render(&self, value: &T) -> Vec<u8> {
        value.to_string().into_bytes()
    }

    fn shape(&self) -> String {
        let range = match (self.min, self.max) {
            (i64::MIN, i64::MAX) => String::new(),
            (min, i64::MAX) => format!(", {min} or more"),
            (min, max) => format!(", {min} to {max}"),
        };
        match self.word {
            Some((word, _)) => format!("number{range}, or {word}"),
            None => format!("number{range}"),
        }
    }
}

/// A size in bytes; `k`, `kb`, `m`, `mb`, `g` and `gb` are understood.
pub(in super::super) struct Memory<T> {
    default: i128,
    min: i128,
    max: i128,
    floor: i128,
    field: PhantomData<T>,
}

impl<T> Memory<T> {
    /// `default`, and the bounds, both included, all in bytes. A negative bound also admits negative numbers.
    pub(in super::super) const fn new(default: i128, min: i128, max: i128) -> Self {
        Self { default, min, max, floor: min, field: PhantomData }
    }

    /// Takes any value inside the bounds, but keeps at least `floor`.
    pub(in super::super) const fn at_least(mut self, floor: i128) -> Self {
        self.floor = floor;
        self
    }
}

impl<T: Whole> Codec for Memory<T> {
    type Value = T;

    fn default(&self) -> T {
        fit(self.default)
    }

    fn parse(&self, words: &[Vec<u8>], _old: &T, _mention: Mention) -> Result<T, String> {
        let word = single(words)?;
        let negative = || if self.min < 0 { strict_integer(word).map(i128::from) } else { None };
        let bytes = memory_size(word).map(i128::from).or_else(negative).ok_or("argument must be a memory value")?;
        let in_range = bytes >= self.min && bytes <= self.max;
        match T::try_from(bytes.max(self.floor)) {
            Ok(value) if in_range => Ok(value),
            _ => Err(format!("argument must be between {} and {} inclusive", self.min, self.max)),
        }
    }

    fn render(&self, value: &T) -> Vec<u8> {
        value.to_string().into_bytes()
    }

    fn written(&self, value: &T, default: &T) -> Vec<Written> {
        vec![Written { arguments: short_size((*value).try_into().unwrap_or_default()), forced: value != default }]
    }

    fn shape(&self) -> String {
        format!("size{}", size_range(self.min, self.max))
    }
}

/// An absolute size, or a share of `maxmemory`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SizeOrPercent {
    /// Bytes; 0 is no limit.
    Bytes(u64),
    /// Percent, 1 to 100.
    Percent(u8),
}

/// A size in bytes, or a percentage up to 100.
pub(in super::super) struct MemoryOrPercent;

impl Codec for MemoryOrPercent {
    type Value = SizeOrPercent;

    fn default(&self) -> SizeOrPercent {
        SizeOrPercent::Bytes(0)
    }

    fn parse(&self, words: &[Vec<u8>], _old: &SizeOrPercent, _mention: Mention) -> Result<SizeOrPercent, String> {
        let word = single(words)?;
        if let Some(bytes) = memory_size(word) {
            return if i64::try_from(bytes).is_ok() {
                Ok(SizeOrPercent::Bytes(bytes))
            } else {
                Err(format!("argument must be between -100 and {} inclusive", i64::MAX))
            };
        }
        let percent = word.strip_suffix(b"%").and_then(strict_integer).filter(|number| *number >= 0);
        match percent.map(u8::try_from) {
            None => Err("argument must be a memory or percent value".to_owned()),
            // No percentage is no limit.
            Some(Ok(0)) => Ok(SizeOrPercent::Bytes(0)),
            Some(Ok(number @ 1..=100)) => Ok(SizeOrPercent::Percent(number)),
            Some(_) => Err("percentage argument must be less or equal to 100".to_owned()),
        }
    }

    fn render(&self, value: &SizeOrPercent) -> Vec<u8> {
        match value {
            SizeOrPercent::Bytes(bytes) => bytes.to_string().into_bytes(),
            SizeOrPercent::Percent(percent) => format!("{percent}%").into_bytes(),
        }
    }

    fn written(&self, value: &SizeOrPercent, default: &SizeOrPercent) -> Vec<Written> {
        let arguments = match value {
            SizeOrPercent::Bytes(bytes) => short_size(i128::from(*bytes)),
            SizeOrPercent::Percent(percent) => format!("{percent}%"),
        };
        vec![Written { arguments, forced: value != default }]
    }

    fn shape(&self) -> String {
        "size, or 0% to 100%".to_owned()
    }
}

/// A file mode in octal.
pub(in super::super) struct Octal {
    pub(in super::super) default: u32,
    pub(in super::super) max: u32,
}

impl Codec for Octal {
    type Value = u32;

    fn default(&self) -> u32 {
        self.default
    }

    fn parse(&self, words: &[Vec<u8>], _old: &u32, _mention: Mention) -> Result<u32, String> {
        let text = std::str::from_utf8(single(words)?).unwrap_or("?").trim_start();
        let number = if text.is_empty() { Ok(0) } else { i64::from_str_radix(text, 8) };
        let number = number.map_err(|_| "argument couldn't be parsed as an octal number")?;
        match u32::try_from(number) {
            Ok(mode) if mode <= self.max => Ok(mode),
            _ => Err(format!("argument must be between 0 and {:o} inclusive", self.max)),
        }
    }

    fn render(&self, value: &u32) -> Vec<u8> {
        format!("{value:o}").into_bytes()
    }

    fn shape(&self) -> String {
        format!("octal, 0 to {:o}", self.max)
    }
}

/// A whole number with nothing around it: no blank space, no plus sign, no leading zeros.
fn strict_integer(word: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(word).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Bytes from digits and an optional unit: `1k` is 1000, `1kb` 1024.
pub(crate) fn memory_size(word: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(word).ok()?;
    let unit_at = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(unit_at)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    // An empty number counts as zero, as C's strtoull has it.
    let number: u64 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    number.checked_mul(factor)
}

/// `bytes` with the largest binary unit that divides it.
pub(super) fn short_size(bytes: i128) -> String {
    for (unit, factor) in [("gb", 1_i128 << 30), ("mb", 1 << 20), ("kb", 1 << 10)] {
        if bytes != 0 && bytes.checked_rem(factor) == Some(0) {
            return format!("{}{unit}", bytes.checked_div(factor).unwrap_or_default());
        }
    }
    bytes.to_string()
}

fn size_range(min: i128, max: i128) -> String {
    let unbounded = max >= i128::from(i64::MAX);
    match (min, unbounded) {
        (0, true) => String::new(),
        (min, true) => format!(", {} or more", short_size(min)),
        (min, false) => format!(", {} to {}", short_size(min), short_size(max)),
    }
}

/// A declared default in its field's type. The declarations are tested to fit.
fn fit<T: Whole>(number: i128) -> T {
    T::try_from(number).unwrap_or_else(|_| panic!("the declared default {number} does not fit its field"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_units() {
        for (text, bytes) in [("0", 0), ("1k", 1000), ("1kb", 1024), ("2Mb", 2 << 20), ("1G", 1_000_000_000), ("b", 0)]
        {
            assert_eq!(memory_size(text.as_bytes()), Some(bytes), "{text}");
        }
        for text in ["-1", "1x", "1 kb", "99999999999999999999", "18446744073709551615k"] {
            assert_eq!(memory_size(text.as_bytes()), None, "{text}");
        }
        assert_eq!(short_size(1 << 30), "1gb");
        assert_eq!(short_size(1536), "1536");
        assert_eq!(short_size(3 << 10), "3kb");
    }

    #[test]
    fn percentages_stop_at_a_hundred() {
        let parse = |text: &str| MemoryOrPercent.parse(&[text.into()], &SizeOrPercent::Bytes(0), Mention::Command);
        assert_eq!(parse("5%"), Ok(SizeOrPercent::Percent(5)));
        assert_eq!(parse("1mb"), Ok(SizeOrPercent::Bytes(1 << 20)));
        assert_eq!(parse("200%").unwrap_err(), "percentage argument must be less or equal to 100");
        assert_eq!(parse("-1%").unwrap_err(), "argument must be a memory or percent value");
    }

    #[test]
    fn integers_are_strict() {
        for text in ["+1", " 1", "01", "1 ", "", "1x", "9223372036854775808"] {
            assert_eq!(strict_integer(text.as_bytes()), None, "{text}");
        }
        assert_eq!(strict_integer(b"-1"), Some(-1));
    }
}
