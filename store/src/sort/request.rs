//! What is asked for.

use super::pattern::Pattern;

/// By what elements are ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By<'a> {
    /// By themselves.
    Itself,
    /// Not at all: they stay in the order that they have.
    Nothing,
    /// By the value that the pattern leads to; where there is none, by zero, or before all texts.
    Value(Pattern<'a>),
}

/// What SORT does.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// By what elements are ordered.
    pub by: By<'a>,
    /// What is shown of each element; itself if there is nothing.
    pub get: Vec<Pattern<'a>>,
    /// Whether texts are compared, byte by byte, instead of numbers.
    pub alpha: bool,
    /// Whether the order is reversed.
    pub descending: bool,
    /// How many elements are passed over; negative: none.
    pub offset: i64,
    /// How many are taken from there on; negative: all.
    pub count: i64,
    /// Whether numbers are read as the C library does: hexadecimal ones, those behind blanks, and nothing as zero.
    pub c_numbers: bool,
}

impl Request<'_> {
    /// The places of the elements that are asked for, of `len`.
    pub(super) fn places(&self, len: usize) -> std::ops::Range<usize> {
        let start = usize::try_from(self.offset).unwrap_or(0).min(len);
        let end = match usize::try_from(self.count) {
            Ok(count) => start.saturating_add(count).min(len),
            Err(_) => len,
        };
        start..end
    }
}
