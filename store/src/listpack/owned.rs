//! Changing a listpack.

use super::codec::{Encoded, entry_bytes};
use super::pack::{Pack, Position};
use super::validate::validate;
use super::{BYTES_MAX, COUNT_UNKNOWN, EMPTY_BYTES, END, HEADER_BYTES};
use crate::corrupt::Corrupt;
use crate::raw::entry::{Str, size_class};

/// A listpack in one allocation.
///
/// The allocation has the size of the allocator's class, and what the class leaves over lies before or behind the
/// bytes, so that pushing and popping at either end moves nothing most of the time.
///
/// A [`Position`] given to a method must come from this listpack as it is; otherwise the method may panic. A method
/// panics rather than grow the listpack beyond [`BYTES_MAX`]: see [`fits`](Listpack::fits).
pub struct Listpack {
    space: Box<[u8]>,
    /// Bytes of the listpack.
    bytes: u32,
    /// Where the listpack starts in `space`.
    start: u16,
    _niche: Niche,
}

/// A byte with one meaning, so that an enum of a listpack and several smaller things is no larger than a listpack.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Niche {
    Here,
}

const _: () = assert!(size_of::<Listpack>() == 24);

impl Listpack {
    /// An empty listpack.
    pub fn new() -> Listpack {
        Listpack::with_capacity(EMPTY_BYTES)
    }

    /// An empty listpack with room for `bytes` bytes in all, those of header and end included.
    pub fn with_capacity(bytes: usize) -> Listpack {
        let mut space = vec![0; size_class(bytes.clamp(EMPTY_BYTES, BYTES_MAX))].into_boxed_slice();
        space[0] = EMPTY_BYTES as u8;
        space[HEADER_BYTES] = END;
        Listpack { space, bytes: EMPTY_BYTES as u32, start: 0, _niche: Niche::Here }
    }

    /// Copies bytes from outside after checking all of them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Listpack, Corrupt> {
        validate(bytes)?;
        Ok(Listpack::copy(bytes))
    }

    /// Copies the bytes of a valid listpack.
    pub(crate) fn copy(bytes: &[u8]) -> Listpack {
        let mut space = Vec::with_capacity(size_class(bytes.len()));
        space.extend_from_slice(bytes);
        space.resize(space.capacity(), 0);
        Listpack { space: space.into_boxed_slice(), bytes: bytes.len() as u32, start: 0, _niche: Niche::Here }
    }

    /// The listpack for reading.
    #[inline]
    pub fn view(&self) -> Pack<'_> {
        Pack::trusted(self.bytes())
    }

    /// All bytes, header and end included.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.space[self.start as usize..][..self.bytes as usize]
    }

    /// The number of entries: at once below 65535, else by counting.
    #[inline]
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there is no entry.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes as usize == EMPTY_BYTES
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        self.space.len()
    }

    /// Whether values of `bytes` bytes in all, one by one at most as long, can be added.
    pub fn fits(&self, bytes: usize) -> bool {
        // An entry has at most ten bytes beside its value.
        bytes.saturating_add(self.bytes as usize).saturating_add(10) <= BYTES_MAX
    }

    /// Adds a value at the end.
    #[inline]
    pub fn append(&mut self, value: Str<'_>) {
        self.insert_at(self.bytes as usize - 1, value);
    }

    /// Adds values at the end, growing once for all of them.
    pub fn append_all<'a>(&mut self, values: impl Iterator<Item = Str<'a>> + Clone) {
        let (mut total, mut count) = (0, 0);
        for value in values.clone() {
            total += Encoded::new(value).total();
            count += 1;
        }
        let mut space = self.splice(self.bytes as usize - 1, 0, total);
        for value in values {
            let encoded = Encoded::new(value);
            let (entry, rest) = space.split_at_mut(encoded.total());
            encoded.write(entry);
            space = rest;
        }
        let known = self.view().known_len();
        if known != COUNT_UNKNOWN {
            self.write_count(known + count);
        }
    }

    /// Adds a value at the start.
    #[inline]
    pub fn prepend(&mut self, value: Str<'_>) {
        self.insert_at(HEADER_BYTES, value);
    }

    /// Adds a value before an entry and returns its position.
    pub fn insert_before(&mut self, position: Position, value: Str<'_>) -> Position {
        self.insert_at(position.offset(), value);
        position
    }

    /// Adds a value after an entry and returns its position.
    pub fn insert_after(&mut self, position: Position, value: Str<'_>) -> Position {
        let at = self.end_of(position);
        self.insert_at(at, value);
        Position::new(at)
    }

    /// Gives an entry another value.
    pub fn replace(&mut self, position: Position, value: Str<'_>) {
        let encoded = Encoded::new(value);
        let old = self.end_of(position) - position.offset();
        encoded.write(self.splice(position.offset(), old, encoded.total()));
        self.shrink();
    }

    /// Gives an entry another value as [`replace`](Listpack::replace) does, but never gives memory back.
    pub fn set(&mut self, position: Position, value: Str<'_>) {
        let encoded = Encoded::new(value);
        let (at, old) = (position.offset(), self.end_of(position) - position.offset());
        if encoded.total() == old {
            encoded.write(&mut self.space[self.start as usize + at..][..old]);
        } else {
            encoded.write(self.splice(at, old, encoded.total()));
        }
    }

    /// Deletes an entry and returns the one that followed it.
    pub fn delete(&mut self, position: Position) -> Option<Position> {
        self.cut(position.offset(), self.end_of(position), 1)
    }

    /// Deletes up to `count` entries from `position` on and returns the one that followed them.
    pub fn delete_from(&mut self, position: Position, count: usize) -> Option<Position> {
        let bytes = self.bytes();
        let (mut end, mut deleted) = (position.offset(), 0);
        while deleted < count && bytes[end] != END {
            end += entry_bytes(&bytes[end..]);
            deleted += 1;
        }
        self.cut(position.offset(), end, deleted)
    }

    /// Deletes up to `count` entries from index `start` on (negative ones count from the end).
    pub fn delete_range(&mut self, start: i64, count: usize) {
        if let Some(position) = self.view().seek(start) {
            self.delete_from(position, count);
        }
    }

    /// Deletes all entries.
    pub fn clear(&mut self) {
        *self = Listpack::new();
    }

    /// Takes the entries from index `at` on out into another listpack. Beyond the last entry, that is empty.
    pub fn split_off(&mut self, at: usize) -> Listpack {
        let Some(position) = i64::try_from(at).ok().and_then(|at| self.view().seek(at)) else {
            return Listpack::new();
        };
        let moved = &self.bytes()[position.offset()..];
        let total = HEADER_BYTES + moved.len();
        let mut tail = Listpack::with_capacity(total);
        tail.space[HEADER_BYTES..total].copy_from_slice(moved);
        tail.bytes = total as u32;
        let known = self.view().known_len();
        let (kept, gone) = if known == COUNT_UNKNOWN {
            let gone = tail.view().iter().count();
            (at, gone)
        } else {
            (at, known - at)
        };
        tail.write_header(gone);
        let end = self.bytes as usize - 1;
        self.splice(position.offset(), end - position.offset(), 0);
        self.write_header(kept);
        self.shrink();
        tail
    }

    /// Adds the entries of `other` behind those of this one.
    pub fn merge(&mut self, mut other: Listpack) {
        let count = match (self.view().known_len(), other.view().known_len()) {
            (COUNT_UNKNOWN, _) | (_, COUNT_UNKNOWN) => COUNT_UNKNOWN,
            (a, b) => a + b,
        };
        // The larger one keeps its place, as the smaller one's bytes are moved.
        if self.bytes >= other.bytes {
            let added = &other.bytes()[HEADER_BYTES..other.bytes as usize - 1];
            self.splice(self.bytes as usize - 1, 0, added.len()).copy_from_slice(added);
        } else {
            std::mem::swap(self, &mut other);
            let added = &other.bytes()[HEADER_BYTES..other.bytes as usize - 1];
            self.splice(HEADER_BYTES, 0, added.len()).copy_from_slice(added);
        }
        self.write_header(count);
    }

    /// Gives back memory beyond the size class of the bytes.
    pub fn shrink_to_fit(&mut self) {
        let wanted = size_class(self.bytes as usize);
        if wanted < self.space.len() {
            let start = self.start as usize;
            self.space.copy_within(start..start + self.bytes as usize, 0);
            self.start = 0;
            self.resize(wanted);
        }
    }

    fn end_of(&self, position: Position) -> usize {
        position.offset() + entry_bytes(&self.bytes()[position.offset()..])
    }

    #[inline]
    fn insert_at(&mut self, at: usize, value: Str<'_>) {
        let encoded = Encoded::new(value);
        encoded.write(self.splice(at, 0, encoded.total()));
        let known = self.view().known_len();
        if known != COUNT_UNKNOWN {
            self.write_count(known + 1);
        }
    }

    /// Removes the bytes `from..to`, which are `count` entries.
    fn cut(&mut self, from: usize, to: usize, count: usize) -> Option<Position> {
        self.splice(from, to - from, 0);
        let known = self.view().known_len();
        if known != COUNT_UNKNOWN {
            self.write_count(known - count);
        }
        self.shrink();
        (self.bytes()[from] != END).then_some(Position::new(from))
    }

    fn write_header(&mut self, count: usize) {
        let start = self.start as usize;
        self.space[start..start + 4].copy_from_slice(&self.bytes.to_le_bytes());
        self.write_count(count);
    }

    #[inline]
    fn write_count(&mut self, count: usize) {
        let start = self.start as usize;
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        self.space[start + 4..start + 6].copy_from_slice(&count.to_le_bytes());
    }

    /// Turns the `remove` bytes at `at`, which lie between header and end, into `add` bytes and returns these to be
    /// written. The length in the header is kept right.
    #[inline]
    fn splice(&mut self, at: usize, remove: usize, add: usize) -> &mut [u8] {
        let old_bytes = self.bytes as usize;
        let bytes = old_bytes - remove + add;
        assert!(bytes <= BYTES_MAX, "a listpack has at most {BYTES_MAX} bytes");
        if bytes > self.space.len() {
            self.resize(size_class(bytes));
        }
        let start = self.start as usize;
        let behind = old_bytes - at - remove;
        // Afterwards free, before and behind the bytes together.
        let free = self.space.len() - bytes;
        let free_behind = self.space.len() - start - old_bytes;
        let new_start = if at < behind {
            // Moves the part before, if there is room; else makes room there for those that follow.
            if add <= start + remove { start + remove - add } else { generous(free) }
        } else if add <= free_behind + remove {
            start
        } else {
            free - generous(free)
        };
        let new_start = new_start.min(usize::from(u16::MAX));
        let (before_to, behind_from, behind_to) = (new_start, start + at + remove, new_start + at + add);
        // The part that moves away from the other goes first.
        if before_to <= start {
            move_within(&mut self.space, start, at, before_to);
            move_within(&mut self.space, behind_from, behind, behind_to);
        } else {
            move_within(&mut self.space, behind_from, behind, behind_to);
            move_within(&mut self.space, start, at, before_to);
        }
        self.start = new_start as u16;
        self.bytes = bytes as u32;
        self.space[new_start..new_start + 4].copy_from_slice(&(bytes as u32).to_le_bytes());
        &mut self.space[new_start + at..new_start + at + add]
    }

    /// Gives back memory if a quarter or more would be saved.
    fn shrink(&mut self) {
        // Without the size class, which is at least the bytes, this is nearly always enough to know.
        if self.bytes as usize * 4 <= self.space.len() * 3
            && size_class(self.bytes as usize) * 4 <= self.space.len() * 3
        {
            self.shrink_to_fit();
        }
    }

    fn resize(&mut self, bytes: usize) {
        let mut space = std::mem::take(&mut self.space).into_vec();
        if bytes > space.len() {
            space.reserve_exact(bytes - space.len());
        }
        space.resize(bytes, 0);
        self.space = space.into_boxed_slice();
    }
}

impl Default for Listpack {
    fn default() -> Listpack {
        Listpack::new()
    }
}

impl Clone for Listpack {
    fn clone(&self) -> Listpack {
        Listpack::copy(self.bytes())
    }
}

impl PartialEq for Listpack {
    fn eq(&self, other: &Listpack) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Listpack {}

impl std::fmt::Debug for Listpack {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.view()).finish()
    }
}

impl<'a> FromIterator<Str<'a>> for Listpack {
    fn from_iter<I: IntoIterator<Item = Str<'a>>>(values: I) -> Listpack {
        let mut pack = Listpack::new();
        for value in values {
            pack.append(value);
        }
        pack
    }
}

/// How much of the free bytes goes to the side that needs room: all of a little, half of much, so that pushes at both
/// ends do not take the room from each other.
fn generous(free: usize) -> usize {
    if free < 64 { free } else { free / 2 }
}

#[inline]
fn move_within(space: &mut [u8], from: usize, len: usize, to: usize) {
    if from != to {
        space.copy_within(from..from + len, to);
    }
}
