//! Patterns of keys, and what may be done to the keys that match.

use crate::command::KeyFlags;
use crate::glob;

/// What may be done to a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Access(u8);

impl Access {
    pub(super) const READ: Access = Access(1);
    pub(super) const WRITE: Access = Access(2);
    pub(super) const ALL: Access = Access(3);
    pub(super) const NONE: Access = Access(0);

    /// What a command that does this to a key has to be allowed. To learn whether a key exists is neither.
    #[inline]
    pub(super) fn needed(flags: KeyFlags) -> Access {
        let read = if flags.has(KeyFlags::ACCESS) { Access::READ } else { Access::NONE };
        let writes = flags.intersects(KeyFlags::INSERT.with(KeyFlags::DELETE).with(KeyFlags::UPDATE));
        read.with(if writes { Access::WRITE } else { Access::NONE })
    }
    pub(super) fn with(self, other: Access) -> Access {
        Access(self.0 | other.0)
    }
    #[inline]
    pub(super) fn has(self, other: Access) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A pattern of keys with what may be done to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyPattern {
    pub(super) access: Access,
    pub(super) text: Box<[u8]>,
    /// How many bytes stand before a star that ends it, where nothing else in it is special.
    prefix_len: Option<usize>,
}

impl KeyPattern {
    pub(super) fn new(access: Access, text: &[u8]) -> KeyPattern {
        let is_plain = |text: &&[u8]| !text.iter().any(|byte| b"*?[\\".contains(byte));
        let prefix_len = text.strip_suffix(b"*").filter(is_plain).map(<[u8]>::len);
        KeyPattern { access, text: text.into(), prefix_len }
    }
    /// Whether the key may be used so.
    #[inline]
    pub(super) fn allows(&self, key: &[u8], access: Access) -> bool {
        self.access.has(access) && self.matches(key)
    }
    #[inline]
    fn matches(&self, key: &[u8]) -> bool {
        match self.prefix_len {
            Some(len) if !key.is_empty() => {
                key.get(..len).is_some_and(|head| self.text.get(..len).is_some_and(|prefix| head == prefix))
            }
            _ => glob::matches(&self.text, key, false),
        }
    }
    /// As a rule.
    pub(super) fn rule(&self) -> Vec<u8> {
        let sign: &[u8] = match self.access {
            Access::READ => b"%R~",
            Access::WRITE => b"%W~",
            _ => b"~",
        };
        [sign, &self.text].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_pattern_matches_as_globs_do(pattern in "[ab*?\\[\\]\\\\]{0,5}", key in "[ab*]{0,5}") {
            let found = KeyPattern::new(Access::ALL, pattern.as_bytes()).matches(key.as_bytes());
            prop_assert_eq!(found, glob::matches(pattern.as_bytes(), key.as_bytes(), false));
        }
    }

    #[test]
    fn what_is_needed() {
        for (flags, needed) in [
            (KeyFlags::RO, Access::NONE),
            (KeyFlags::RO | KeyFlags::ACCESS, Access::READ),
            (KeyFlags::RW | KeyFlags::INSERT, Access::WRITE),
            (KeyFlags::RM | KeyFlags::DELETE, Access::WRITE),
            (KeyFlags::RW | KeyFlags::ACCESS | KeyFlags::UPDATE, Access::ALL),
        ] {
            assert_eq!(Access::needed(flags), needed);
        }
    }
}
