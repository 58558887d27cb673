//! Patterns as KEYS, SCAN and CONFIG GET take them.

/// Whether the whole `text` matches `pattern`, in which `*` stands for any bytes, `?` for one byte, `[a-c]` for one of
/// a class, `[^a-c]` for one not of it, and `\` takes the special meaning from what follows. ASCII case counts
/// unless `fold` is set. The empty text matches only the empty pattern, not even `*`: real servers have it so. Takes
/// time in proportion to the product of the lengths at most.
pub fn matches(pattern: &[u8], text: &[u8], fold: bool) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut pattern, mut text) = (pattern, text);
    // Where the last star left off: what follows it, and the text it has not swallowed yet.
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            pattern = rest;
            star = Some((rest, text));
            continue;
        }
        let matched = match text {
            [] if pattern.is_empty() => return true,
            [] => return false,
            [byte, rest @ ..] => match_byte(pattern, *byte, fold).map(|pattern| (pattern, rest)),
        };
        (pattern, text) = match (matched, star) {
            (Some(next), _) => next,
            (None, Some((after, [_, rest @ ..]))) => {
                star = Some((after, rest));
                (after, rest)
            }
            (None, _) => return false,
        };
    }
}

/// Matches a byte with the first element of `pattern`, which is no star. Returns what follows the element.
fn match_byte(pattern: &[u8], byte: u8, fold: bool) -> Option<&[u8]> {
    let (literal, rest) = match pattern {
        [] => return None,
        [b'?', rest @ ..] => return Some(rest),
        [b'[', b'^', rest @ ..] => return match_class(rest, byte, fold, true),
        [b'[', rest @ ..] => return match_class(rest, byte, fold, false),
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => (*literal, rest),
    };
    folded(literal, fold).eq(&folded(byte, fold)).then_some(rest)
}

/// Matches a byte with a class, whose opening has been read. A class that is not closed ends with the pattern.
fn match_class(class: &[u8], byte: u8, fold: bool, negated: bool) -> Option<&[u8]> {
    let mut class = class;
    let mut found = false;
    loop {
        class = match class {
            [] => break,
            [b'\\', literal, rest @ ..] => {
                found |= *literal == byte;
                rest
            }
            [b']', rest @ ..] => {
                class = rest;
                break;
            }
            [first, b'-', last, rest @ ..] => {
                let range = folded(*first.min(last), fold)..=folded(*first.max(last), fold);
                found |= range.contains(&folded(byte, fold));
                rest
            }
            [literal, rest @ ..] => {
                found |= folded(*literal, fold) == folded(byte, fold);
                rest
            }
        };
    }
    (found != negated).then_some(class)
}

fn folded(byte: u8, fold: bool) -> u8 {
    if fold { byte.to_ascii_lowercase() } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Answers of Redis 7.0.15 to KEYS and CONFIG GET.
    #[test]
    fn patterns() {
        for (pattern, text, fold, expected) in [
            ("*", "", false, false),
            ("a*c", "abbc", false, true),
            ("a*c", "abbcd", false, false),
            ("*a*b*c", "xaybzc", false, true),
            ("h?llo", "hllo", false, false),
            ("h?llo", "hello", false, true),
            ("h[ae]llo", "hallo", false, true),
            ("h[^a]llo", "hallo", false, false),
            ("h[a-c]llo", "hbllo", false, true),
            ("h[c-a]llo", "hbllo", false, true),
            ("h[a-c", "hb", false, true),
            ("h[\\]]", "h]", false, true),
            ("h[a", "hb", false, false),
            ("\\*", "*", false, true),
            ("\\*", "a", false, false),
            ("\\a", "\\", false, false),
            ("a\\", "a\\", false, true),
            ("ABC", "abc", false, false),
            ("ABC", "abc", true, true),
            ("[A-C]x", "bX", true, true),
            ("", "", false, true),
            ("", "a", false, false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), fold), expected, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = b"a*".repeat(100);
        assert!(!matches(&[&pattern[..], b"b"].concat(), &[b'a'; 10_000], false));
    }
}
