//! Patterns of keys, and what may be done to the keys that match.

use super::matcher::Matcher;
use crate::command::KeyFlags;

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
    #[inline]
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
}

impl KeyPattern {
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

/// The patterns of a selector. A key may be used as one of them allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyPatterns {
    /// In the order in which they were given.
    rules: Vec<KeyPattern>,
    /// What they allow, made for being asked: those that may begin with any byte, then the others by the byte they begin with.
    sorted: Vec<(Access, Matcher)>,
    /// How many of them may begin with any byte.
    any_first: usize,
    /// Where those begin in `sorted` that begin with a byte, and where the last of them end; made once there are so many
    /// that looking at each would take longer.
    by_first: Option<Box<[u32; BYTES + 1]>>,
}

/// How many values a byte has.
const BYTES: usize = 256;

impl KeyPatterns {
    /// Up to so many are looked at one after the other.
    const FEW: usize = 4;

    /// In the order in which they were given.
    pub(super) fn rules(&self) -> &[KeyPattern] {
        &self.rules
    }

    /// Adds a pattern, or allows more to the keys of one that is known.
    pub(super) fn add(&mut self, access: Access, text: &[u8]) {
        let allowed = match self.rules.iter_mut().find(|known| *known.text == *text) {
            Some(known) => {
                known.access = known.access.with(access);
                known.access
            }
            None => {
                self.rules.push(KeyPattern { access, text: text.into() });
                access
            }
        };
        let matcher = Matcher::new(text);
        // One that allows less may stay before it; two texts that mean the same do not allow together what neither does.
        if !self.sorted.iter().any(|(access, known)| access.has(allowed) && *known == matcher) {
            let first = matcher.first();
            let place = self.sorted.partition_point(|(_, known)| known.first() <= first);
            self.sorted.insert(place, (allowed, matcher));
            self.index();
        }
    }

    /// Whether every key may be used so, by one of them.
    pub(super) fn allow_all(&self, access: Access) -> bool {
        self.rules.iter().any(|pattern| *pattern.text == *b"*" && pattern.access.has(access))
    }

    fn index(&mut self) {
        self.any_first = self.sorted.partition_point(|(_, matcher)| matcher.first().is_none());
        self.by_first = (self.sorted.len() > Self::FEW).then(|| {
            let begin = |byte: usize| {
                let is_before =
                    |(_, matcher): &(Access, Matcher)| matcher.first().is_none_or(|at| usize::from(at) < byte);
                self.sorted.partition_point(is_before) as u32
            };
            Box::new(std::array::from_fn(begin))
        });
    }

    /// Whether a key may be used so.
    #[inline]
    pub(super) fn allow(&self, key: &[u8], access: Access) -> bool {
        self.allowing(key, access).is_some()
    }

    /// A pattern by which a key may be used so.
    #[inline]
    pub(super) fn allowing(&self, key: &[u8], access: Access) -> Option<&Matcher> {
        let head = Matcher::head_of(key);
        let find = |patterns: &'_ [(Access, Matcher)]| -> Option<usize> {
            patterns.iter().position(|(allowed, matcher)| allowed.has(access) && matcher.matches(key, head))
        };
        let nth = |place: usize| self.sorted.get(place).map(|(_, matcher)| matcher);
        let (Some(by_first), Some(first)) = (&self.by_first, key.first()) else {
            return find(&self.sorted).and_then(nth);
        };
        let first = usize::from(*first);
        let (begin, end) = (*by_first.get(first)? as usize, *by_first.get(first.saturating_add(1))? as usize);
        let found =
            find(self.sorted.get(begin..end).unwrap_or_default()).and_then(|place| nth(begin.saturating_add(place)));
        found.or_else(|| find(self.sorted.get(..self.any_first).unwrap_or_default()).and_then(nth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glob;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_match_as_globs_do(
            patterns in proptest::collection::vec(("[ab*?\\[\\]\\\\]{0,5}", 1u8..4), 0..9),
            key in "[ab*]{0,5}",
            needed in 0u8..4,
        ) {
            let mut all = KeyPatterns::default();
            let mut plain: Vec<(u8, &[u8])> = Vec::new();
            for (text, access) in &patterns {
                all.add(Access(*access), text.as_bytes());
                match plain.iter_mut().find(|(_, known)| *known == text.as_bytes()) {
                    Some((known, _)) => *known |= access,
                    None => plain.push((*access, text.as_bytes())),
                }
            }
            let allows = |(access, text): &(u8, &[u8])| access & needed == needed && glob::matches(text, key.as_bytes(), false);
            prop_assert_eq!(all.allow(key.as_bytes(), Access(needed)), plain.iter().any(allows));
            let rules: Vec<_> = all.rules().iter().map(|rule| (rule.access.0, &*rule.text)).collect();
            prop_assert_eq!(rules, plain);
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
