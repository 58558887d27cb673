//! One pattern, prepared for matching many texts.

use crate::glob;

/// How many bytes are compared as one number.
const HEAD: usize = 8;

/// A pattern that most texts are told from by one comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Matcher {
    /// What a text begins with: its first bytes as a number, as far as `mask` goes.
    head: u64,
    mask: u64,
    /// No text is shorter.
    len_min: usize,
    form: Form,
}

/// What a text that begins rightly and is long enough has to be besides.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// Nothing: the pattern is a few plain bytes and a star.
    Any,
    /// This.
    Exactly(Box<[u8]>),
    /// Plain bytes, a star, plain bytes.
    Between(Box<[u8]>, Box<[u8]>),
    /// Whatever the pattern means.
    Glob(Box<[u8]>),
}

impl Matcher {
    /// Prepares a pattern.
    pub(super) fn new(pattern: &[u8]) -> Matcher {
        let (literal, rest) = literal(pattern);
        let tail = rest.iter().position(|byte| *byte != b'*').map_or(&[][..], |at| rest.get(at..).unwrap_or_default());
        let (tail, behind) = self::literal(tail);
        // Nothing but the empty pattern matches the empty text.
        let (len_min, form) = match rest {
            [] => (literal.len(), Form::Exactly(literal.as_slice().into())),
            [b'*', ..] if behind.is_empty() => {
                let is_told_by_head = literal.len() <= HEAD && tail.is_empty();
                let form = if is_told_by_head {
                    Form::Any
                } else {
                    Form::Between(literal.as_slice().into(), tail.as_slice().into())
                };
                (literal.len().saturating_add(tail.len()).max(1), form)
            }
            _ => (literal.len().max(1), Form::Glob(pattern.into())),
        };
        let mask = literal.iter().take(HEAD).fold(0, |mask, _| mask << 8 | 0xff);
        Matcher { head: Self::head_of(&literal) & mask, mask, len_min, form }
    }

    /// The byte that all texts begin with, if there is one.
    pub(super) fn first(&self) -> Option<u8> {
        (self.mask != 0).then_some(self.head.to_le_bytes()[0])
    }

    /// Some texts that match: those whose first bytes are this number, as far as the mask goes. `None`: that is not enough.
    pub(super) fn start(&self) -> Option<(u64, u64)> {
        // A text that ends sooner has zeros there.
        let tells_len = self.head.to_le_bytes().iter().take(self.len_min).all(|byte| *byte != 0);
        (matches!(self.form, Form::Any) && self.mask != 0 && tells_len).then_some((self.head, self.mask))
    }

    /// The first bytes of a text as a number.
    #[inline]
    pub(super) fn head_of(text: &[u8]) -> u64 {
        match text.first_chunk() {
            Some(head) => u64::from_le_bytes(*head),
            None => text.iter().rev().fold(0, |head, byte| head << 8 | u64::from(*byte)),
        }
    }

    /// Whether a text matches, whose first bytes are `head`.
    #[inline]
    pub(super) fn matches(&self, text: &[u8], head: u64) -> bool {
        head & self.mask == self.head
            && text.len() >= self.len_min
            && (matches!(self.form, Form::Any) || self.goes_on(text))
    }

    fn goes_on(&self, text: &[u8]) -> bool {
        match &self.form {
            Form::Any => true,
            Form::Exactly(known) => *text == **known,
            Form::Between(front, back) => text.starts_with(front) && text.ends_with(back),
            Form::Glob(pattern) => glob::matches(pattern, text, false),
        }
    }
}

/// The plain bytes that a pattern begins with, and what follows them.
fn literal(pattern: &[u8]) -> (Vec<u8>, &[u8]) {
    let (mut plain, mut rest) = (Vec::new(), pattern);
    while let [byte, behind @ ..] = rest {
        let (byte, behind) = match (byte, behind) {
            (b'*' | b'?' | b'[', _) => break,
            (b'\\', [escaped, behind @ ..]) => (escaped, behind),
            plain => plain,
        };
        plain.push(*byte);
        rest = behind;
    }
    (plain, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn matches_as_globs_do(pattern in "[abc*?\\[\\]\\\\^-]{0,14}", text in "[abc*\0]{0,14}") {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            let found = Matcher::new(pattern).matches(text, Matcher::head_of(text));
            prop_assert_eq!(found, glob::matches(pattern, text, false));
        }

        #[test]
        fn plain_patterns_match_as_globs_do(pattern in "[ab]{0,10}\\*{0,2}[ab]{0,3}", text in "[ab]{0,14}") {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            let matcher = Matcher::new(pattern);
            prop_assert!(!matches!(matcher.form, Form::Glob(_)));
            for text in [text, &pattern.iter().copied().filter(|byte| *byte != b'*').collect::<Vec<u8>>()] {
                prop_assert_eq!(matcher.matches(text, Matcher::head_of(text)), glob::matches(pattern, text, false));
            }
        }
    }

    #[test]
    fn how_patterns_begin() {
        for (pattern, first) in
            [("", None), ("*", None), ("?a", None), ("\\*a", Some(b'*')), ("\\", Some(b'\\')), ("a*", Some(b'a'))]
        {
            assert_eq!(Matcher::new(pattern.as_bytes()).first(), first, "{pattern}");
        }
        assert_eq!(Matcher::new(b"tenant:*").form, Form::Any);
        assert!(!Matcher::new(b"a").matches(b"a\0", Matcher::head_of(b"a\0")));
    }
}
