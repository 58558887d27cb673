//! Splitting a text line into arguments, and quoting one: blanks separate, double quotes take escapes, single quotes take all but
//! `\'` literally.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects))]

use crate::request::Span;
use thiserror::Error;

/// A quote is not closed, or something other than a blank follows the closing quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("unbalanced quotes")]
pub struct UnbalancedQuotes;

/// Splits `line` into arguments, as inline commands and configuration lines are.
///
/// The arguments, quotes and escapes resolved, are appended to `bytes`, and their places in `bytes` to `args`. They
/// never take more room than the line. A NUL byte ends the line. Between double quotes `\n \r \t \b \a` and `\xHH`
/// stand for bytes, and a backslash before anything else is dropped.
///
/// # Errors
/// [`UnbalancedQuotes`]; nothing is appended then.
pub fn split_args(line: &[u8], bytes: &mut Vec<u8>, args: &mut Vec<Span>) -> Result<(), UnbalancedQuotes> {
    let (bytes_before, args_before) = (bytes.len(), args.len());
    let mut rest = line.split(|&byte| byte == 0).next().unwrap_or_default();
    loop {
        rest = skip_blanks(rest);
        if rest.is_empty() {
            return Ok(());
        }
        let start = bytes.len();
        match take_word(rest, bytes) {
            Ok(tail) => rest = tail,
            Err(error) => {
                bytes.truncate(bytes_before);
                args.truncate(args_before);
                return Err(error);
            }
        }
        args.push(Span { start, end: bytes.len() });
    }
}

/// Appends `bytes` as one double-quoted word in printable ASCII, which [`split_args`] reads back.
pub fn quote(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or_default();
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            7 => out.extend_from_slice(b"\\a"),
            8 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 15)]),
        }
    }
    out.push(b'"');
}

fn skip_blanks(mut line: &[u8]) -> &[u8] {
    while let [first, tail @ ..] = line
        && is_blank(*first)
    {
        line = tail;
    }
    line
}

/// White space of C's default locale.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Takes one word into `bytes` and returns what follows it. A vertical tab or form feed separates words only before
/// one begins or after a closing quote: within a bare word it is a letter, as in Redis.
fn take_word<'a>(mut rest: &'a [u8], bytes: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        match rest {
            [] => return Ok(rest),
            [b' ' | b'\n' | b'\r' | b'\t', tail @ ..] => return Ok(tail),
            [b'"', tail @ ..] => return take_double_quoted(tail, bytes),
            [b'\'', tail @ ..] => return take_single_quoted(tail, bytes),
            [letter, tail @ ..] => {
                bytes.push(*letter);
                rest = tail;
            }
        }
    }
}

fn take_double_quoted<'a>(mut rest: &'a [u8], bytes: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        rest = match rest {
            [] => return Err(UnbalancedQuotes),
            [b'"', tail @ ..] => return after_quote(tail),
            [b'\\', b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(hex_value(*high) << 4 | hex_value(*low));
                tail
            }
            [b'\\', letter, tail @ ..] => {
                bytes.push(match letter {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                tail
            }
            [letter, tail @ ..] => {
                bytes.push(*letter);
                tail
            }
        };
    }
}

fn take_single_quoted<'a>(mut rest: &'a [u8], bytes: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        rest = match rest {
            [] => return Err(UnbalancedQuotes),
            [b'\'', tail @ ..] => return after_quote(tail),
            [b'\\', b'\'', tail @ ..] => {
                bytes.push(b'\'');
                tail
            }
            [letter, tail @ ..] => {
                bytes.push(*letter);
                tail
            }
        };
    }
}

fn after_quote(rest: &[u8]) -> Result<&[u8], UnbalancedQuotes> {
    match rest.first() {
        Some(&byte) if !is_blank(byte) => Err(UnbalancedQuotes),
        _ => Ok(rest),
    }
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit.wrapping_sub(b'0'),
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
        let (mut bytes, mut args) = (b"kept".to_vec(), Vec::new());
        split_args(line, &mut bytes, &mut args)?;
        Ok(args.iter().map(|span| bytes[span.start..span.end].to_vec()).collect())
    }

    /// What redis-server 7.0.15 and 8.2 answered to `ECHO <text>` sent inline.
    #[test]
    fn words_are_split_as_the_real_server_does() {
        for (text, expected) in [
            (&b"'a\\'b\\n'"[..], &b"a'b\\n"[..]),
            (b"\"a\\x41\\x4\\n\\r\\t\\b\\a\\q\\\"\\\\\"", b"aAx4\n\r\t\x08\x07q\"\\"),
            (b"\"\"", b""),
            (b"''", b""),
            (b"ab\"c d\"", b"abc d"),
            (b"ab'c d'", b"abc d"),
            (b"a\x0bb", b"a\x0bb"),
            (b"\"a\rb\"", b"a\rb"),
            (b"\"a\\x00b\"", b"a\0b"),
            (b"\"\\xfF\\xGg\"", b"\xffxGg"),
            (b"a\\x41b", b"a\\x41b"),
            (b"\xff\xa0b", b"\xff\xa0b"),
        ] {
            assert_eq!(split(&[b"ECHO ", text].concat()).unwrap(), [&b"ECHO"[..], expected], "{text:?}");
        }
        assert_eq!(split(b"ECHO \"a\"\x0bb").unwrap(), [&b"ECHO"[..], b"a", b"b"]);
        assert_eq!(split(b"ECHO a\rb").unwrap(), [&b"ECHO"[..], b"a", b"b"]);
        assert_eq!(split(b"\x0b\x0cPING\r").unwrap(), [&b"PING"[..]]);
        assert_eq!(split(b" \t ").unwrap(), Vec::<Vec<u8>>::new());
        assert_eq!(split(b"").unwrap(), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_quote_must_close_at_the_end_of_a_word() {
        for text in
            [&b"\"abc"[..], b"'abc", b"\"abc\\", b"ab\"c\"d", b"\"a\"'b'", b"\"a\"\xa0b", b"set \"\"\"k\"\"\" v", b"'"]
        {
            assert_eq!(split(text), Err(UnbalancedQuotes), "{text:?}");
        }
    }

    // As MONITOR of redis-server 7.0.15 shows it.
    #[test]
    fn a_quoted_word_is_printable_and_is_split_back() {
        let mut quoted = Vec::new();
        quote(&mut quoted, b"a \"\\\n\r\t\x07\x08\0\x7f\xff'");
        assert_eq!(quoted, br#""a \"\\\n\r\t\a\b\x00\x7f\xff'""#);
        let all: Vec<u8> = (0..=u8::MAX).collect();
        let mut line = Vec::new();
        quote(&mut line, &all);
        assert_eq!(split(&line).unwrap(), [all]);
    }

    #[test]
    fn nothing_is_appended_on_an_error() {
        let (mut bytes, mut args) = (b"x".to_vec(), vec![Span { start: 0, end: 1 }]);
        assert!(split_args(b"good words 'bad", &mut bytes, &mut args).is_err());
        assert_eq!((bytes.as_slice(), args.len()), (&b"x"[..], 1));
    }
}
