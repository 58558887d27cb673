//! Changing a listpack.

use super::codec::{Encoded, entry_bytes};
use super::pack::{Pack, Position};
use super::validate::validate;
use super::{BYTES_MAX, COUNT_UNKNOWN, EMPTY, EMPTY_BYTES, END, HEADER_BYTES};
use crate::corrupt::Corrupt;
use crate::raw::block::Block;
use crate::raw::entry::Str;

/// A listpack in one allocation.
///
/// The allocation has the size of the allocator's class, and what the class leaves over lies before or behind the
/// bytes, so that pushing and popping at either end moves nothing most of the time. The listpack itself is a pointer
/// without alignment, so that it takes no more than its eight bytes in an entry.
///
/// A [`Position`] given to a method must come from this listpack as it is; otherwise the method may panic. A method
/// panics rather than grow the listpack beyond [`BYTES_MAX`]: see [`fits`](Listpack::fits).
pub struct Listpack {
    /// Marked with the place where the listpack starts in it.
    space: Block,
}

const _: () = assert!(size_of::<Listpack>() == 8 && align_of::<Listpack>() == 1);

impl Listpack {
    /// An empty listpack.
    pub fn new() -> Listpack {
        Listpack::with_capacity(EMPTY_BYTES)
    }

    /// An empty listpack with room for `bytes` bytes in all, those of header and end included.
    pub fn with_capacity(bytes: usize) -> Listpack {
        Listpack { space: Block::new(&EMPTY, bytes.min(BYTES_MAX)) }
    }

    /// Copies bytes from outside after checking all of them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Listpack, Corrupt> {
        validate(bytes)?;
        Ok(Listpack::copy(bytes))
    }

    /// Copies the bytes of a valid listpack.
    pub(crate) fn copy(bytes: &[u8]) -> Listpack {
        Listpack { space: Block::new(bytes, bytes.len()) }
    }

    /// The listpack for reading.
    #[inline]
    pub fn view(&self) -> Pack<'_> {
        Pack::trusted(self.bytes())
    }

    /// All bytes, header and end included.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        let tail_space = self.tail_space();
        &tail_space[..header(tail_space).0]
    }

    /// Where the listpack starts in `space`.
    #[inline]
    fn start(&self) -> usize {
        usize::from(self.space.mark())
    }

    /// The space from the start of the listpack on.
    #[inline]
    fn tail_space(&self) -> &[u8] {
        let (start, space) = self.space.parts();
        &space[usize::from(start)..]
    }

    /// Bytes of the listpack, as its header says.
    #[inline]
    fn total(&self) -> usize {
        header(self.tail_space()).0
    }

    /// The number of entries: at once below 65535, else by counting.
    #[inline]
    pub fn len(&self) -> usize {
        match header(self.tail_space()).1 {
            COUNT_UNKNOWN => self.view().len(),
            count => count,
        }
    }

    /// Whether there is no entry.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.total() == EMPTY_BYTES
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        self.space.memory()
    }

    /// The bytes, if there is not much more room than a folded block can have.
    #[inline]
    pub(crate) fn foldable(&self) -> Option<&[u8]> {
        (self.space.len() < 1 << 10).then(|| self.bytes())
    }

    /// Whether values of `bytes` bytes in all, one by one at most as long, can be added.
    pub fn fits(&self, bytes: usize) -> bool {
        // An entry has at most ten bytes beside its value.
        bytes.saturating_add(self.total()).saturating_add(10) <= BYTES_MAX
    }

    /// Adds a value at the end.
    #[inline]
    pub fn append(&mut self, value: Str<'_>) {
        self.insert_at(self.total() - 1, value);
    }

    /// Adds values at the end, growing once for all of them.
    pub fn append_all<'a>(&mut self, values: impl Iterator<Item = Str<'a>> + Clone) {
        let (mut total, mut count) = (0, 0_isize);
        for value in values.clone() {
            total += Encoded::new(value).total();
            count += 1;
        }
        let mut space = self.splice(self.total() - 1, 0, total, count);
        for value in values {
            let encoded = Encoded::new(value);
            let (entry, rest) = space.split_at_mut(encoded.total());
            encoded.write(entry);
            space = rest;
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

    /// Adds two values at the end.
    #[inline]
    pub fn append_pair(&mut self, first: Str<'_>, second: Str<'_>) {
        self.insert_pair_at(self.total() - 1, first, second);
    }

    /// Adds two values before an entry.
    #[inline]
    pub fn insert_pair_before(&mut self, position: Position, first: Str<'_>, second: Str<'_>) {
        self.insert_pair_at(position.offset(), first, second);
    }

    /// Gives an entry another value.
    pub fn replace(&mut self, position: Position, value: Str<'_>) {
        if self.set(position, value) {
            self.shrink();
        }
    }

    /// Gives an entry another value as [`replace`](Listpack::replace) does, but never gives memory back. Whether the
    /// number of bytes has changed.
    pub fn set(&mut self, position: Position, value: Str<'_>) -> bool {
        let encoded = Encoded::new(value);
        let (at, old) = (position.offset(), self.end_of(position) - position.offset());
        if encoded.total() == old {
            let start = self.start();
            encoded.write(&mut self.space[start + at..][..old]);
            return false;
        }
        encoded.write(self.splice(at, old, encoded.total(), 0));
        true
    }

    /// Deletes an entry and returns the one that followed it.
    pub fn delete(&mut self, position: Position) -> Option<Position> {
        self.cut(position.offset(), self.end_of(position), 1)
    }

    /// Deletes two entries from `position` on, without giving memory back: another pair is to take their place elsewhere.
    pub fn take_pair(&mut self, position: Position) {
        let first = position.offset();
        let second = self.end_of(position);
        let end = self.end_of(Position::new(second));
        self.splice(first, end - first, 0, -2);
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
        tail.write_total(total);
        let known = self.view().known_len();
        let (kept, gone) = if known == COUNT_UNKNOWN {
            let gone = tail.view().iter().count();
            (at, gone)
        } else {
            (at, known - at)
        };
        tail.write_count(gone);
        let end = self.total() - 1;
        self.splice(position.offset(), end - position.offset(), 0, 0);
        self.write_count(kept);
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
        if self.total() >= other.total() {
            let added = &other.bytes()[HEADER_BYTES..other.total() - 1];
            self.splice(self.total() - 1, 0, added.len(), 0).copy_from_slice(added);
        } else {
            std::mem::swap(self, &mut other);
            let added = &other.bytes()[HEADER_BYTES..other.total() - 1];
            self.splice(HEADER_BYTES, 0, added.len(), 0).copy_from_slice(added);
        }
        self.write_count(count);
    }

    /// Gives back memory beyond the size class of the bytes.
    pub fn shrink_to_fit(&mut self) {
        let (start, total) = (self.start(), self.total());
        if self.space.is_roomy_for(total) {
            self.space.copy_within(start..start + total, 0);
            self.space.set_mark(0);
            self.space.resize(total);
        }
    }

    fn end_of(&self, position: Position) -> usize {
        position.offset() + entry_bytes(&self.bytes()[position.offset()..])
    }

    #[inline]
    fn insert_at(&mut self, at: usize, value: Str<'_>) {
        let encoded = Encoded::new(value);
        encoded.write(self.splice(at, 0, encoded.total(), 1));
    }

    #[inline]
    fn insert_pair_at(&mut self, at: usize, first: Str<'_>, second: Str<'_>) {
        let (first, second) = (Encoded::new(first), Encoded::new(second));
        let (head, tail) = self.splice(at, 0, first.total() + second.total(), 2).split_at_mut(first.total());
        first.write(head);
        second.write(tail);
    }

    /// Removes the bytes `from..to`, which are `count` entries.
    fn cut(&mut self, from: usize, to: usize, count: usize) -> Option<Position> {
        self.splice(from, to - from, 0, -(count as isize));
        self.shrink();
        (self.bytes()[from] != END).then_some(Position::new(from))
    }

    #[inline]
    fn write_total(&mut self, total: usize) {
        let start = self.start();
        self.space[start..start + 4].copy_from_slice(&(total as u32).to_le_bytes());
    }

    #[inline]
    fn write_count(&mut self, count: usize) {
        let start = self.start();
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        self.space[start + 4..start + 6].copy_from_slice(&count.to_le_bytes());
    }

    /// Turns the `remove` bytes at `at`, which lie between header and end, into `add` bytes and returns these to be
    /// written. The header is kept right; `more` entries are in it than before.
    #[inline]
    fn splice(&mut self, at: usize, remove: usize, add: usize, more: isize) -> &mut [u8] {
        let (start, space) = self.space.parts();
        let (start, mut len) = (usize::from(start), space.len());
        let (old_bytes, known) = header(&space[start..]);
        let bytes = old_bytes - remove + add;
        assert!(bytes <= BYTES_MAX, "a listpack has at most {BYTES_MAX} bytes");
        if bytes > len {
            self.space.resize(bytes);
            len = self.space.len();
        }
        let behind = old_bytes - at - remove;
        // Afterwards free, before and behind the bytes together.
        let free = len - bytes;
        let free_behind = len - start - old_bytes;
        let new_start = if at < behind {
            // Moves the part before, if there is room; else makes room there for those that follow.
            if add <= start + remove { start + remove - add } else { generous(free) }
        } else if add <= free_behind + remove {
            start
        } else {
            free - generous(free)
        };
        let new_start = new_start.min(usize::from(u16::MAX));
        let space = self.space.marked(new_start as u16);
        // The header is written anew, so of the part before only the entries move.
        let (before_from, before, before_to) = (start + HEADER_BYTES, at - HEADER_BYTES, new_start + HEADER_BYTES);
        let (behind_from, behind_to) = (start + at + remove, new_start + at + add);
        // The part that moves away from the other goes first.
        if new_start <= start {
            move_within(space, before_from, before, before_to);
            move_within(space, behind_from, behind, behind_to);
        } else {
            move_within(space, behind_from, behind, behind_to);
            move_within(space, before_from, before, before_to);
        }
        let count = if known == COUNT_UNKNOWN { known } else { known.wrapping_add_signed(more).min(COUNT_UNKNOWN) };
        let pack = &mut space[new_start..];
        pack[..4].copy_from_slice(&(bytes as u32).to_le_bytes());
        pack[4..HEADER_BYTES].copy_from_slice(&(count as u16).to_le_bytes());
        &mut pack[at..at + add]
    }

    /// Gives back memory if a quarter or more would be saved.
    fn shrink(&mut self) {
        // Without the size class, which is at least the bytes, this is nearly always enough to know.
        let (total, len) = (self.total(), self.space.len());
        if total * 4 <= len * 3 && Block::room(total) * 4 <= len * 3 {
            self.shrink_to_fit();
        }
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

/// Bytes and count of entries, as the header that `pack` starts with tells them.
#[inline]
fn header(pack: &[u8]) -> (usize, usize) {
    let [a, b, c, d, e, f, ..] = *pack else { return (0, 0) };
    (u32::from_le_bytes([a, b, c, d]) as usize, usize::from(u16::from_le_bytes([e, f])))
}

#[inline]
fn move_within(space: &mut [u8], from: usize, len: usize, to: usize) {
    if from != to && len > 0 {
        space.copy_within(from..from + len, to);
    }
}
