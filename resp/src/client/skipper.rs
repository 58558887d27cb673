//! Counting replies without building them.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects))]

use crate::error::ReplyError;
use memchr::memchr;

/// Replies that were completed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Replies to requests, errors included.
    pub replies: u64,
    /// Those that are errors themselves; errors within arrays do not count.
    pub errors: u64,
    /// Push messages, which are no replies.
    pub pushes: u64,
}

/// Counts the replies of a stream in constant memory, for a load generator. It checks only what it needs to find
/// the end of each reply.
#[derive(Debug, Default)]
pub struct ReplySkipper {
    state: State,
    /// Values that must still end before the current reply ends; 0 between replies.
    missing: u64,
    /// The type of the reply that the current value belongs to.
    outermost: u8,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Type,
    /// Within the text of a value that is only a line.
    Text,
    /// Within the number of a header of this type.
    Length { tag: u8, number: Option<u64>, negative: bool },
    /// Within a bulk string and its line end; so many bytes are missing.
    Bulk(u64),
}

impl ReplySkipper {
    /// A counter at the start of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the connection stands between replies.
    pub fn is_idle(&self) -> bool {
        self.missing == 0 && matches!(self.state, State::Type)
    }

    /// Takes all of `input` in and returns what was completed by it.
    ///
    /// # Errors
    /// [`ReplyError::UnknownType`] and [`ReplyError::BadNumber`]; the counter must not be used again.
    pub fn skip(&mut self, input: &[u8]) -> Result<Counts, ReplyError> {
        let mut counts = Counts::default();
        let mut rest = input;
        while let Some((&byte, tail)) = rest.split_first() {
            rest = match self.state {
                State::Type => {
                    self.start(byte)?;
                    tail
                }
                State::Text => match memchr(b'\n', rest) {
                    Some(end) => {
                        self.end_value(&mut counts);
                        rest.get(end.saturating_add(1)..).unwrap_or_default()
                    }
                    None => return Ok(counts),
                },
                State::Length { tag, number, negative } => {
                    self.state = match byte {
                        b'-' if number.is_none() && !negative => State::Length { tag, number, negative: true },
                        b'0'..=b'9' => State::Length { tag, number: Some(grown(number, byte)?), negative },
                        b'\r' => State::Length { tag, number, negative },
                        b'\n' => {
                            self.end_length(tag, number, negative, &mut counts)?;
                            rest = tail;
                            continue;
                        }
                        _ => return Err(ReplyError::BadNumber),
                    };
                    tail
                }
                State::Bulk(missing) => {
                    let len = usize::try_from(missing).unwrap_or(usize::MAX).min(rest.len());
                    match missing.saturating_sub(len as u64) {
                        0 => self.end_value(&mut counts),
                        missing => self.state = State::Bulk(missing),
                    }
                    rest.get(len..).unwrap_or_default()
                }
            };
        }
        Ok(counts)
    }

    fn start(&mut self, tag: u8) -> Result<(), ReplyError> {
        self.state = match tag {
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => State::Text,
            b'$' | b'!' | b'=' | b'*' | b'~' | b'>' | b'%' | b'|' => {
                State::Length { tag, number: None, negative: false }
            }
            other => return Err(ReplyError::UnknownType(other)),
        };
        if self.missing == 0 {
            self.missing = 1;
            self.outermost = tag;
        } else if self.outermost == b'|' && self.missing == 1 {
            // What outermost attributes describe: its type counts. (The pairs before it miss more than one.)
            self.outermost = tag;
        }
        Ok(())
    }

    fn end_length(
        &mut self,
        tag: u8,
        number: Option<u64>,
        negative: bool,
        counts: &mut Counts,
    ) -> Result<(), ReplyError> {
        let number = number.ok_or(ReplyError::BadNumber)?;
        if negative {
            if number != 1 || !matches!(tag, b'$' | b'*') {
                return Err(ReplyError::BadNumber);
            }
            self.end_value(counts);
            return Ok(());
        }
        let children = match tag {
            b'$' | b'!' | b'=' => {
                self.state = State::Bulk(number.checked_add(2).ok_or(ReplyError::BadNumber)?);
                return Ok(());
            }
            b'%' | b'|' => number.checked_mul(2),
            _ => Some(number),
        };
        self.missing = children.and_then(|more| self.missing.checked_add(more)).ok_or(ReplyError::BadNumber)?;
        self.state = State::Type;
        if tag != b'|' {
            self.end_value(counts);
        }
        Ok(())
    }

    /// One value of those missing has ended; an aggregate ends with its header, its children were added before.
    fn end_value(&mut self, counts: &mut Counts) {
        self.state = State::Type;
        self.missing = self.missing.saturating_sub(1);
        if self.missing > 0 {
            return;
        }
        match self.outermost {
            b'>' => counts.pushes = counts.pushes.saturating_add(1),
            b'-' | b'!' => {
                counts.errors = counts.errors.saturating_add(1);
                counts.replies = counts.replies.saturating_add(1);
            }
            _ => counts.replies = counts.replies.saturating_add(1),
        }
    }
}

fn grown(number: Option<u64>, digit: u8) -> Result<u64, ReplyError> {
    let digit = u64::from(digit.wrapping_sub(b'0'));
    let grown = number.unwrap_or(0).checked_mul(10).and_then(|tens| tens.checked_add(digit));
    grown.filter(|&number| number <= i64::MAX as u64).ok_or(ReplyError::BadNumber)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(input: &str) -> Result<(u64, u64, u64), ReplyError> {
        let mut whole = ReplySkipper::new();
        let at_once = whole.skip(input.as_bytes())?;
        let mut piecewise = ReplySkipper::new();
        let mut sum = Counts::default();
        for byte in input.as_bytes() {
            let counts = piecewise.skip(&[*byte])?;
            sum.replies += counts.replies;
            sum.errors += counts.errors;
            sum.pushes += counts.pushes;
        }
        assert_eq!(at_once, sum, "{input:?}");
        assert_eq!(whole.is_idle(), piecewise.is_idle(), "{input:?}");
        Ok((sum.replies, sum.errors, sum.pushes))
    }

    #[test]
    fn replies_are_counted() {
        for (input, expected) in [
            ("+OK\r\n:1\r\n$-1\r\n*-1\r\n_\r\n", (5, 0, 0)),
            ("$3\r\nfoo\r\n$0\r\n\r\n", (2, 0, 0)),
            ("$4\r\n\r\n+\r\r\n$", (1, 0, 0)),
            ("*2\r\n*2\r\n:1\r\n-ERR no\r\n%1\r\n+a\r\n~0\r\n+b\r\n", (2, 0, 0)),
            ("-ERR no\r\n!2\r\nno\r\n+OK\r\n", (3, 2, 0)),
            (">2\r\n+a\r\n+b\r\n+OK\r\n", (1, 0, 1)),
            ("|1\r\n+a\r\n+b\r\n-ERR no\r\n", (1, 1, 0)),
            ("|0\r\n>1\r\n+b\r\n", (0, 0, 1)),
            ("*1\r\n|1\r\n+a\r\n+b\r\n:1\r\n", (1, 0, 0)),
            ("*3\r\n+a\r\n", (0, 0, 0)),
        ] {
            assert_eq!(counts(input), Ok(expected), "{input:?}");
        }
    }

    #[test]
    fn what_has_no_end_is_refused() {
        for (input, expected) in [
            ("hello\r\n", ReplyError::UnknownType(b'h')),
            ("$x\r\n", ReplyError::BadNumber),
            ("$\r\n", ReplyError::BadNumber),
            ("$-2\r\n", ReplyError::BadNumber),
            ("$--1\r\n", ReplyError::BadNumber),
            ("~-1\r\n", ReplyError::BadNumber),
            ("$9223372036854775808\r\n", ReplyError::BadNumber),
            ("*9223372036854775807\r\n*9223372036854775807\r\n*9223372036854775807\r\n", ReplyError::BadNumber),
        ] {
            assert_eq!(counts(input), Err(expected), "{input:?}");
        }
    }
}
