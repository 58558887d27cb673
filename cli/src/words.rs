//! Lines and quoted strings as arguments.

use ochre_resp::split::split_args;

/// Splits a line as the server splits inline commands; `None` when its quotes do not match.
#[must_use]
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut bytes, mut spans) = (Vec::new(), Vec::new());
    split_args(line, &mut bytes, &mut spans).ok()?;
    Some(spans.iter().map(|span| bytes.get(span.start..span.end).unwrap_or_default().to_vec()).collect())
}

/// The bytes that a single quoted (or bare) word stands for; `None` when it is not exactly one word.
#[must_use]
pub fn unquote(text: &[u8]) -> Option<Vec<u8>> {
    let [word] = <[Vec<u8>; 1]>::try_from(split(text)?).ok()?;
    Some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_is_unquoted() {
        assert_eq!(unquote(b"\"\\x00\\x41\"").as_deref(), Some(&b"\0A"[..]));
        assert_eq!(unquote(b"plain").as_deref(), Some(&b"plain"[..]));
        for not_one in [&b"\"Unterminated"[..], b"\"a\" \"b\"", b"", b"  "] {
            assert_eq!(unquote(not_one), None, "{not_one:?}");
        }
    }
}
