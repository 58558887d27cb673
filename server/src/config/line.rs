//! One line of a configuration file: words, quotes and escapes, as `redis.conf` has them.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while_m_n, take_while1};
use nom::character::complete::anychar;
use nom::combinator::{eof, map, map_opt, peek, value};
use nom::multi::many0;
use nom::sequence::{delimited, pair, preceded, terminated};
use nom::{IResult, Parser};

/// Splits a line into words.
///
/// A word may be plain, `"quoted with \n \xHH escapes"` or `'quoted, with only \' escaped'`; a quote may also begin
/// inside a word. Returns `None` when quotes are unbalanced or when anything but blank space follows a closing quote.
#[must_use]
pub fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    match terminated(many0(preceded(blanks, word)), (blanks, eof)).parse(line) {
        Ok((_, words)) => Some(words),
        Err(_) => None,
    }
}

/// Writes `text` as one double-quoted word that [`words`] reads back.
#[must_use]
pub fn quote(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len().saturating_add(2));
    ochre_resp::split::quote(&mut out, text);
    out.into_iter().map(char::from).collect()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0)
}

/// What ends a plain run: unlike between words, vertical tab and form feed belong to the word.
fn ends_plain(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0 | b'"' | b'\'')
}

fn blanks(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while(is_blank).parse(input)
}

fn word(input: &[u8]) -> IResult<&[u8], Vec<u8>> {
    let plain = || take_while1(|byte| !ends_plain(byte));
    let quoted = || terminated(alt((double_quoted, single_quoted)), peek(boundary));
    alt((
        map(pair(plain(), quoted()), |(head, tail): (&[u8], Vec<u8>)| [head, &tail].concat()),
        map(terminated(plain(), peek(boundary)), <[u8]>::to_vec),
        quoted(),
    ))
    .parse(input)
}

fn boundary(input: &[u8]) -> IResult<&[u8], ()> {
    alt((value((), eof), value((), take_while_m_n(1, 1, is_blank)))).parse(input)
}

fn double_quoted(input: &[u8]) -> IResult<&[u8], Vec<u8>> {
    let byte = alt((
        preceded(tag(&b"\\x"[..]), hex_byte),
        preceded(tag(&b"\\"[..]), map(one_byte, unescape)),
        map(take_while_m_n(1, 1, |byte| byte != b'"' && byte != b'\\'), first_of),
    ));
    delimited(tag(&b"\""[..]), many0(byte), tag(&b"\""[..])).parse(input)
}

fn single_quoted(input: &[u8]) -> IResult<&[u8], Vec<u8>> {
    let byte = alt((value(b'\'', tag(&b"\\'"[..])), map(take_while_m_n(1, 1, |byte| byte != b'\''), first_of)));
    delimited(tag(&b"'"[..]), many0(byte), tag(&b"'"[..])).parse(input)
}

fn hex_byte(input: &[u8]) -> IResult<&[u8], u8> {
    let digits = take_while_m_n(2, 2, |byte: u8| byte.is_ascii_hexdigit());
    map_opt(digits, |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()).parse(input)
}

fn one_byte(input: &[u8]) -> IResult<&[u8], u8> {
    map_opt(anychar, |character| u8::try_from(u32::from(character)).ok()).parse(input)
}

fn first_of(run: &[u8]) -> u8 {
    run.first().copied().unwrap_or_default()
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(line: &str) -> Option<Vec<String>> {
        words(line.as_bytes())
            .map(|words| words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect())
    }

    fn owned(words: &[&str]) -> Option<Vec<String>> {
        Some(words.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn splits_plain_and_quoted_words() {
        assert_eq!(split("  save 900 1 "), owned(&["save", "900", "1"]));
        assert_eq!(split("save ''"), owned(&["save", ""]));
        assert_eq!(split("a \"b c\" 'd \\'e'"), owned(&["a", "b c", "d 'e"]));
        assert_eq!(split("a\"b\" c"), owned(&["ab", "c"]));
        assert_eq!(split(r#""\x41\n\q\x4""#), owned(&["A\nqx4"]));
        assert_eq!(split(""), owned(&[]));
    }

    #[test]
    fn refuses_unbalanced_quotes() {
        for line in ["\"abc", "'abc", "\"a\"b", "'a'b", "a\"b\"c", "\"abc\\"] {
            assert_eq!(split(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn reads_back_what_it_quotes(text in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(words(quote(&text).as_bytes()), Some(vec![text]));
        }

        #[test]
        fn never_panics(line in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = words(&line);
        }
    }
}
