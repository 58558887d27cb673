//! Values under keys that are made of elements.

use crate::error::Error;
use crate::hash::moment;
use crate::raw::entry::Str;
use crate::stats::count;
use crate::txn::Txn;
use crate::value::ValueRef;

/// Leads from an element to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern<'a> {
    /// To itself: `#`.
    Itself,
    /// To nothing: there is no place for the element.
    Nothing,
    /// To the string, or the field of a hash, under the key that the element makes.
    Key {
        /// What stands before the element.
        prefix: &'a [u8],
        /// What stands behind it.
        suffix: &'a [u8],
        /// The field.
        field: Option<&'a [u8]>,
    },
}

impl<'a> Pattern<'a> {
    /// Reads `prefix*suffix` or `prefix*suffix->field`.
    pub fn new(text: &'a [u8]) -> Pattern<'a> {
        if text == b"#" {
            return Pattern::Itself;
        }
        let Some(place) = memchr::memchr(b'*', text) else { return Pattern::Nothing };
        let (prefix, rest) = text.split_at(place);
        let rest = rest.get(1..).unwrap_or_default();
        let arrow = rest.windows(2).position(|pair| pair == b"->");
        let field = arrow.and_then(|at| rest.get(at + 2..)).filter(|field| !field.is_empty());
        let suffix = match (arrow, field) {
            (Some(at), Some(_)) => &rest[..at],
            _ => rest,
        };
        Pattern::Key { prefix, suffix, field }
    }

    /// Whether it leads to other keys.
    pub fn reaches_out(&self) -> bool {
        matches!(self, Pattern::Key { .. })
    }

    /// The value that stands elsewhere for an element. `space` is used for the key.
    pub(super) fn value<'v>(
        &self,
        txn: &'v Txn<'_>,
        db: usize,
        element: Str<'_>,
        space: &mut Vec<u8>,
    ) -> Result<Option<Str<'v>>, Error> {
        let Pattern::Key { prefix, suffix, field } = *self else { return Ok(None) };
        space.clear();
        space.extend_from_slice(prefix);
        space.extend_from_slice(element.as_bytes(&mut itoa::Buffer::new()));
        space.extend_from_slice(suffix);
        let key = txn.store().key(space);
        let counters = txn.store().counters(key.shard());
        let Some(entry) = txn.glance(db, &key)? else {
            count(&counters.misses);
            return Ok(None);
        };
        count(&counters.hits);
        Ok(match (entry.into_value_ref(), field) {
            (Ok(ValueRef::String(string)), None) => Some(string),
            (Ok(ValueRef::Hash(hash)), Some(field)) => hash.get(field, moment(txn)).map(|found| found.value),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read() {
        let key = |prefix, suffix, field| Pattern::Key { prefix, suffix, field };
        for (text, pattern) in [
            (&b"#"[..], Pattern::Itself),
            (b"constant", Pattern::Nothing),
            (b"", Pattern::Nothing),
            (b"a->b", Pattern::Nothing),
            (b"*", key(b"", b"", None)),
            (b"w_*x", key(b"w_", b"x", None)),
            (b"w_*->", key(b"w_", b"->", None)),
            (b"w_*x->f", key(b"w_", b"x", Some(b"f"))),
            (b"->*->f->*", key(b"->", b"", Some(b"f->*"))),
        ] {
            assert_eq!(Pattern::new(text), pattern, "{}", text.escape_ascii());
        }
    }
}
