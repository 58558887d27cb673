//! How large listpacks and nodes may become.

use crate::listpack::BYTES_MAX;

/// Largest node, whatever its number of elements, where the limit is a number of elements.
const SAFE_BYTES: usize = 8192;
/// Limits in bytes for `fill` -1 to -5.
const LEVEL_BYTES: [usize; 5] = [4096, 8192, 16384, 32768, 65536];
/// No setting puts a larger element into a listpack, which could not take it.
const PACKED_BYTES_MAX: usize = BYTES_MAX / 2;
const FILL_MIN: i32 = -5;
/// A listpack's entry has about this many bytes beside its value.
const ENTRY_OVERHEAD: usize = 8;

/// The settings for lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `list-max-listpack-size`: if positive, the most elements of a node; -1 to -5 for 4, 8, 16, 32 and 64 KB.
    pub fill: i32,
    /// `list-compress-depth`: how many nodes at each end are never compressed; 0 compresses none at all.
    pub compress_depth: u32,
    /// Elements of at least this many bytes get a node of their own (`DEBUG QUICKLIST-PACKED-THRESHOLD`); 0 leaves it to
    /// `fill`.
    pub plain_bytes: u32,
    /// Whether short lists are a single listpack; otherwise all are quicklists, as before Redis 7.2.
    pub short_as_listpack: bool,
}

impl Default for Limits {
    /// The defaults of the directives.
    fn default() -> Limits {
        Limits { fill: -2, compress_depth: 0, plain_bytes: 0, short_as_listpack: true }
    }
}

/// What a quicklist keeps of the settings it was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) fill: i16,
    pub(super) depth: u16,
    pub(super) plain_bytes: u32,
}

impl Limits {
    pub(super) fn shape(&self) -> Shape {
        Shape {
            fill: self.fill.clamp(FILL_MIN, i32::from(i16::MAX)) as i16,
            depth: self.compress_depth.min(u32::from(u16::MAX)) as u16,
            plain_bytes: self.plain_bytes,
        }
    }
}

impl Shape {
    /// Whether a node of this size, with this many elements, would be too large.
    pub(super) fn exceeds(self, bytes: usize, count: usize) -> bool {
        let (bytes_max, count_max) = self.maxima();
        if count_max == usize::MAX { bytes > bytes_max } else { bytes > SAFE_BYTES || count > count_max }
    }

    /// Whether a list of this size, with this many elements, has shrunk to half of what a listpack may have, or (not
    /// `halved`) to just that.
    pub(super) fn holds(self, bytes: usize, count: usize, halved: bool) -> bool {
        let (bytes_max, count_max) = self.maxima();
        let part = if halved { 2 } else { 1 };
        bytes <= bytes_max / part && count <= count_max / part
    }

    /// Whether an element of this size gets a node of its own.
    pub(super) fn is_large(self, bytes: usize) -> bool {
        if self.plain_bytes != 0 {
            return bytes >= (self.plain_bytes as usize).min(PACKED_BYTES_MAX);
        }
        bytes > if self.fill >= 0 { SAFE_BYTES } else { self.maxima().0 }
    }

    /// Whether a node with `node_bytes` and `count` elements may take another one of `bytes`.
    pub(super) fn takes(self, node_bytes: usize, count: usize, bytes: usize) -> bool {
        !self.is_large(bytes) && !self.exceeds(node_bytes + bytes + ENTRY_OVERHEAD, count + 1)
    }

    /// Most bytes and most elements; one of the two is unlimited.
    fn maxima(self) -> (usize, usize) {
        match self.fill {
            0 => (usize::MAX, 1),
            1.. => (usize::MAX, self.fill as usize),
            _ => {
                let level = usize::from(self.fill.unsigned_abs() - 1);
                (LEVEL_BYTES[level.min(LEVEL_BYTES.len() - 1)], usize::MAX)
            }
        }
    }
}
