//! Some elements of a list, to be looked at one after the other.

use crate::quicklist::{Cursor, End, List};
use crate::raw::entry::Str;

/// A known number of consecutive elements. They are read where they stand; nothing is copied.
#[derive(Debug)]
pub struct Elements<'a> {
    cursor: Option<Cursor<'a>>,
    len: usize,
}

impl<'a> Elements<'a> {
    /// No elements.
    pub(super) fn none() -> Elements<'a> {
        Elements { cursor: None, len: 0 }
    }

    /// `len` elements from index `first` on towards `end`: no more than there are.
    pub(super) fn of(list: &'a List, first: usize, len: usize, end: End) -> Elements<'a> {
        Elements { cursor: (len > 0).then(|| list.cursor(first, end)), len }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Shows all of them to `see`, in order.
    #[inline]
    pub fn for_each(self, see: impl FnMut(Str<'_>)) {
        if let Some(mut cursor) = self.cursor {
            cursor.visit(self.len, see);
        }
    }
}
