//! Pointers without alignment, so that what stands in an entry needs no padding: a block of bytes whose class of lengths
//! lies in front of them, and a box.
//!
//! A short block may be folded into the entry that its value stands in, and be no pointer then:
//!
//! ```text
//! 1 if folded │ number of bytes 10 bits │ where it lies 3 bits │ mark 10 bits │ the bytes themselves
//! ```

use super::entry::size_class;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::fmt::{Debug, Formatter};
use std::num::NonZero;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Bytes of the allocation before those of the block: the mark, 2, and the class of the allocation. Each byte less keeps
/// some values out of the next class.
pub(super) const HEAD_BYTES: usize = 3;
const CLASS_OFFSET: usize = 2;
/// Bits of a class that say how many units it has, less one; the others say how often a unit of one byte is doubled.
const CLASS_BITS: u32 = 3;
/// How often the smallest unit is doubled.
const UNIT_MIN: u32 = 4;
const ALIGN: usize = 8;
/// Set in the first byte of a folded block. Pointers of blocks are even, and so are those of boxes.
const FOLDED: usize = 1;
/// In a folded block: where the number of bytes begins, what is known of the address, and the mark.
const LEN_SHIFT: u32 = 1;
const PLACE_SHIFT: u32 = 11;
const MARK_SHIFT: u32 = 14;
/// The largest number of bytes and the largest mark of a folded block.
const NUMBER_MAX: usize = (1 << (PLACE_SHIFT - LEN_SHIFT)) - 1;
/// The first byte of a pointer is the one of the low bits, so that it tells whether there is one.
const CAN_FOLD: bool = cfg!(target_endian = "little");
/// Longest block: far beyond the largest listpack, and its allocation's size needs no check.
const BYTES_MAX: usize = (u32::MAX / 2) as usize;

/// Initialised bytes in one allocation of the size of the allocator's class, and a number to go with them.
///
/// Invariant: the pointer leads to an allocation of `HEAD_BYTES + len()` bytes with alignment 8, all initialised, and of
/// that size its byte at `CLASS_OFFSET` is the class. Or the block is folded: then it stands in an allocation where
/// `HEAD_BYTES + len()` bytes from its own first one on belong to it, all initialised; `len()` is at least
/// `size_of::<Block>() - HEAD_BYTES`. So whoever has a folded block never moves it: it can be copied, replaced by another or
/// changed in its place, and [`lift`](Block::lift) makes it one that can be moved.
#[repr(C, packed)]
pub(crate) struct Block(NonNull<u8>);

// SAFETY: a block owns all it points to, like a Box.
unsafe impl Send for Block {}
// SAFETY: nothing is changed through a shared reference.
unsafe impl Sync for Block {}

fn layout(len: usize) -> Layout {
    // Lengths are at most BYTES_MAX, a size class more than that included.
    Layout::from_size_align(HEAD_BYTES + len, ALIGN).expect("a block is smaller than the address space")
}

/// The low bits of an address: a folded block that is found elsewhere has been moved.
#[inline]
fn place_of(at: NonNull<u8>) -> usize {
    at.addr().get() & (ALIGN - 1)
}

/// The class of an allocation whose size is one of jemalloc's: one to eight units.
#[inline]
fn class_of(size: usize) -> u8 {
    let doubled = (size - 1).ilog2().saturating_sub(CLASS_BITS - 1).max(UNIT_MIN);
    (doubled << CLASS_BITS) as u8 | ((size >> doubled) - 1) as u8
}

/// The size of the allocations of a class.
#[inline]
fn size_of_class(class: u8) -> usize {
    (usize::from(class & ((1 << CLASS_BITS) - 1)) + 1) << (class >> CLASS_BITS)
}

impl Block {
    /// The length of a block that has at least `bytes` bytes: as many as fit the class of the allocation.
    #[inline]
    pub(crate) fn room(bytes: usize) -> usize {
        assert!(bytes <= BYTES_MAX, "a block has at most {BYTES_MAX} bytes");
        size_class(HEAD_BYTES + bytes) - HEAD_BYTES
    }

    /// A block that starts with `bytes` and has room for `room` bytes, or more; the others are zero, and so is the mark.
    pub(crate) fn new(bytes: &[u8], room: usize) -> Block {
        let len = Block::room(bytes.len().max(room));
        let layout = layout(len);
        // SAFETY: the size is not zero.
        let Some(base) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        // SAFETY: HEAD_BYTES + len bytes were allocated, aligned to 8, and len is at least that of `bytes`; all are
        // initialised here.
        unsafe {
            base.cast::<u16>().write(0);
            base.add(CLASS_OFFSET).write(class_of(layout.size()));
            let data = base.add(HEAD_BYTES);
            data.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
            data.add(bytes.len()).write_bytes(0, len - bytes.len());
        }
        Block(base)
    }

    /// The number of bytes that a block folded into `room` bytes has; none if it cannot be folded there.
    #[inline]
    pub(super) const fn folded_len(room: usize) -> Option<usize> {
        if !CAN_FOLD || room < size_of::<Block>() || room > HEAD_BYTES + NUMBER_MAX {
            return None;
        }
        Some(room - HEAD_BYTES)
    }

    /// Bytes to allocate for a block of `bytes` bytes that is not folded.
    #[inline]
    pub(super) fn size(bytes: usize) -> usize {
        size_class(HEAD_BYTES + bytes)
    }

    /// Folds a block into the `HEAD_BYTES + len` bytes at `at`: it starts with `bytes`, the others are zero, and so is the mark.
    ///
    /// # Safety
    /// [`folded_len`](Block::folded_len) has told `len`, that of `bytes` is not more, and `at` has as much room as it was
    /// asked for.
    pub(super) unsafe fn fold(at: NonNull<u8>, bytes: &[u8], len: usize) {
        debug_assert!(bytes.len() <= len && Block::folded_len(HEAD_BYTES + len) == Some(len));
        let head = FOLDED | len << LEN_SHIFT | place_of(at) << PLACE_SHIFT;
        // SAFETY: by the caller; all bytes are initialised here.
        unsafe {
            at.copy_from_nonoverlapping(NonNull::from(&head.to_le_bytes()).cast(), HEAD_BYTES);
            let data = at.add(HEAD_BYTES);
            data.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
            data.add(bytes.len()).write_bytes(0, len - bytes.len());
        }
    }

    /// Whether it is folded.
    #[inline]
    pub(crate) fn is_folded(&self) -> bool {
        self.word() & FOLDED != 0
    }

    /// Makes it one that can be moved.
    pub(crate) fn lift(&mut self) {
        if self.is_folded() {
            self.leave(self.len());
        }
    }

    /// Takes the bytes, or the first of them, out into an allocation of their own that has room for `bytes` bytes, or more.
    #[cold]
    fn leave(&mut self, bytes: usize) {
        let kept = self.len().min(Block::room(bytes));
        let mut own = Block::new(&self[..kept], bytes);
        own.set_mark(self.mark());
        // Nothing is freed with the folded one, whose room stays with its entry.
        *self = own;
    }

    /// The pointer's bits, or those that a folded block has in its place.
    #[inline]
    fn word(&self) -> usize {
        let pointer = self.0;
        let word = pointer.addr().get();
        debug_assert!(
            word & FOLDED == 0 || word >> PLACE_SHIFT & (ALIGN - 1) == place_of(NonNull::from(self).cast()),
            "a folded block was moved"
        );
        word
    }

    /// What the mark and the bytes, or the bytes alone, stand behind.
    #[inline]
    fn base(&self) -> NonNull<u8> {
        if self.is_folded() { NonNull::from(self).cast() } else { self.0 }
    }

    #[inline]
    fn base_mut(&mut self) -> NonNull<u8> {
        if self.is_folded() { NonNull::from(self).cast() } else { self.0 }
    }

    /// The number of bytes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        if self.is_folded() {
            return self.word() >> LEN_SHIFT & NUMBER_MAX;
        }
        // SAFETY: by the invariant, the class is initialised.
        size_of_class(unsafe { self.base().add(CLASS_OFFSET).read() }) - HEAD_BYTES
    }

    /// Bytes allocated for it alone.
    pub(crate) fn memory(&self) -> usize {
        if self.is_folded() { 0 } else { HEAD_BYTES + self.len() }
    }

    /// Whether a block of `bytes` bytes would need less memory. Of a folded one it has to be a good deal less, since its
    /// room is what the size class of its entry leaves over.
    #[inline]
    pub(crate) fn is_roomy_for(&self, bytes: usize) -> bool {
        if self.is_folded() { bytes * 4 <= self.len() * 3 } else { Block::room(bytes) < self.len() }
    }

    /// The number that goes with the bytes.
    #[inline]
    pub(crate) fn mark(&self) -> u16 {
        if self.is_folded() {
            return (self.word() >> MARK_SHIFT & NUMBER_MAX) as u16;
        }
        // SAFETY: by the invariant, the allocation starts with an aligned u16.
        unsafe { self.base().cast::<u16>().read() }
    }

    /// The mark and the bytes.
    #[inline]
    pub(crate) fn parts(&self) -> (u16, &[u8]) {
        if self.is_folded() {
            let word = self.word();
            let len = word >> LEN_SHIFT & NUMBER_MAX;
            // SAFETY: as in deref().
            let bytes =
                unsafe { std::slice::from_raw_parts(NonNull::from(self).cast::<u8>().as_ptr().add(HEAD_BYTES), len) };
            return ((word >> MARK_SHIFT & NUMBER_MAX) as u16, bytes);
        }
        // SAFETY: as in mark(), len() and deref().
        unsafe {
            let len = size_of_class(self.0.add(CLASS_OFFSET).read()) - HEAD_BYTES;
            let bytes = std::slice::from_raw_parts(self.0.as_ptr().add(HEAD_BYTES), len);
            (self.0.cast::<u16>().read(), bytes)
        }
    }

    /// Changes it. The mark of a folded block is at most its number of bytes.
    #[inline]
    pub(crate) fn set_mark(&mut self, mark: u16) {
        if self.is_folded() {
            debug_assert!(usize::from(mark) <= self.len());
            let bits = usize::from(mark) & NUMBER_MAX;
            let pointer = self.0;
            // The bits beyond are the first ones of the bytes.
            let changed = |word: usize| word & !(NUMBER_MAX << MARK_SHIFT) | bits << MARK_SHIFT;
            self.0 = pointer.map_addr(|word| NonZero::<usize>::MIN | changed(word.get()));
            return;
        }
        // SAFETY: as in mark(); exclusive by &mut self.
        unsafe { self.base().cast::<u16>().write(mark) };
    }

    /// Changes the mark as [`set_mark`](Block::set_mark) does, and gives the bytes.
    #[inline]
    pub(crate) fn marked(&mut self, mark: u16) -> &mut [u8] {
        if self.is_folded() {
            self.set_mark(mark);
            return self;
        }
        // SAFETY: as in set_mark(), len() and deref_mut().
        unsafe {
            self.0.cast::<u16>().write(mark);
            let len = size_of_class(self.0.add(CLASS_OFFSET).read()) - HEAD_BYTES;
            std::slice::from_raw_parts_mut(self.0.as_ptr().add(HEAD_BYTES), len)
        }
    }

    /// Gives the block the length [`room`](Block::room)`(bytes)`: bytes at the end are cut off, or zeroes added there.
    pub(crate) fn resize(&mut self, bytes: usize) {
        if self.is_folded() {
            return self.leave(bytes);
        }
        let (old, new) = (self.len(), Block::room(bytes));
        if old == new {
            return;
        }
        // SAFETY: allocated with the layout of the old length; the new size is neither zero nor too large.
        let base = unsafe { realloc(self.base().as_ptr(), layout(old), layout(new).size()) };
        let Some(base) = NonNull::new(base) else { handle_alloc_error(layout(new)) };
        // The old allocation is gone; from here on nothing can fail.
        self.0 = base;
        // SAFETY: HEAD_BYTES + new bytes are allocated; the first of them, up to the smaller length, came along.
        unsafe {
            base.add(CLASS_OFFSET).write(class_of(HEAD_BYTES + new));
            if new > old {
                base.add(HEAD_BYTES + old).write_bytes(0, new - old);
            }
        }
    }
}

impl Deref for Block {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: by the invariant these bytes are initialised; they live as long as the block. Those of a folded one go on
        // behind what `self` refers to, in the same allocation, which its entry borrows like itself.
        unsafe { std::slice::from_raw_parts(self.base().as_ptr().add(HEAD_BYTES), self.len()) }
    }
}

impl DerefMut for Block {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in deref(); exclusive by &mut self.
        unsafe { std::slice::from_raw_parts_mut(self.base_mut().as_ptr().add(HEAD_BYTES), self.len()) }
    }
}

impl Clone for Block {
    fn clone(&self) -> Block {
        let mut copy = Block::new(self, self.len());
        copy.set_mark(self.mark());
        copy
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.is_folded() {
            return;
        }
        // SAFETY: allocated with this layout, and not used any more.
        unsafe { dealloc(self.base().as_ptr(), layout(self.len())) };
    }
}

/// A box that may stand at any address.
///
/// Invariant: the pointer came from `Box::into_raw` and is owned.
#[repr(C, packed)]
pub struct PackedBox<T>(NonNull<T>);

// SAFETY: it owns what it points to, as a Box does.
unsafe impl<T: Send> Send for PackedBox<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for PackedBox<T> {}

impl<T> PackedBox<T> {
    /// Boxes a value.
    pub fn new(value: T) -> PackedBox<T> {
        const { assert!(align_of::<T>() > FOLDED) };
        PackedBox::from(Box::new(value))
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        let pointer = self.0;
        std::mem::forget(self);
        // SAFETY: by the invariant; the owner has just been forgotten.
        *unsafe { Box::from_raw(pointer.as_ptr()) }
    }
}

impl<T> From<Box<T>> for PackedBox<T> {
    fn from(value: Box<T>) -> PackedBox<T> {
        PackedBox(NonNull::from(Box::leak(value)))
    }
}

impl<T: Default> Default for PackedBox<T> {
    fn default() -> PackedBox<T> {
        PackedBox::new(T::default())
    }
}

impl<T> Deref for PackedBox<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        let pointer = self.0;
        // SAFETY: by the invariant the value is alive as long as the box.
        unsafe { pointer.as_ref() }
    }
}

impl<T> DerefMut for PackedBox<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        let mut pointer = self.0;
        // SAFETY: as in deref(); exclusive by &mut self.
        unsafe { pointer.as_mut() }
    }
}

impl<T: Clone> Clone for PackedBox<T> {
    fn clone(&self) -> PackedBox<T> {
        PackedBox::new(T::clone(self))
    }
}

impl<T: Debug> Debug for PackedBox<T> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        T::fmt(self, formatter)
    }
}

impl<T> Drop for PackedBox<T> {
    fn drop(&mut self) {
        let pointer = self.0;
        // SAFETY: by the invariant; not used any more.
        drop(unsafe { Box::from_raw(pointer.as_ptr()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::mem::ManuallyDrop;
    use std::sync::Arc;

    #[test]
    fn a_block_fills_its_class() {
        for (bytes, len) in [(0, 13), (13, 13), (14, 29), (125, 125), (126, 157), (1000, 1021), (1022, 1277)] {
            let block = Block::new(&[], bytes);
            assert_eq!((block.len(), block.memory()), (len, len + HEAD_BYTES));
        }
        assert_eq!((size_of::<Block>(), align_of::<Block>()), (8, 1));
        assert_eq!((size_of::<PackedBox<u64>>(), align_of::<PackedBox<u64>>()), (8, 1));
    }

    #[test]
    fn every_class_tells_its_size() {
        let mut size = 1;
        while size < 2 * BYTES_MAX {
            size = size_class(size);
            assert_eq!(size_of_class(class_of(size)), size);
            size += 1;
        }
        assert_eq!(size_of_class(u8::MAX), 1 << 34);
    }

    #[test]
    fn a_packed_box_owns_its_value() {
        let counted = Arc::new(());
        // At an odd address.
        let mut placed = (0u8, PackedBox::new((7, counted.clone())));
        assert_eq!(align_of_val(&placed), 1);
        (*placed.1).0 += 1;
        let copy = placed.1.clone();
        assert_eq!(((*copy).0, Arc::strong_count(&counted)), (8, 3));
        drop(placed);
        assert_eq!(Arc::strong_count(&counted), 2);
        let (number, inner) = copy.into_inner();
        assert_eq!((number, Arc::strong_count(&inner)), (8, 2));
        drop((inner, counted));
    }

    /// A place for a folded block: `offset` bytes from an aligned one on.
    struct Room {
        space: Vec<u64>,
        offset: usize,
    }

    impl Room {
        fn fold(bytes: &[u8], len: usize, offset: usize) -> Room {
            let mut room = Room { space: vec![u64::MAX; (offset + HEAD_BYTES + len).div_ceil(8)], offset };
            let at = NonNull::from(&mut *room.space).cast::<u8>();
            // SAFETY: there is as much room as the length and the offset ask for.
            unsafe { Block::fold(at.add(offset), bytes, len) };
            room
        }

        fn block(&mut self) -> &mut Block {
            let at = NonNull::from(&mut *self.space).cast::<u8>();
            // SAFETY: a block was folded there.
            unsafe { at.add(self.offset).cast::<Block>().as_mut() }
        }
    }

    impl Drop for Room {
        fn drop(&mut self) {
            // SAFETY: it is not used any more.
            unsafe { NonNull::from(self.block()).drop_in_place() };
        }
    }

    #[test]
    fn a_block_is_folded_where_its_length_can_be_told() {
        let lens = [0, 7, 8, 9, 500, 1026, 1027, 5000].map(Block::folded_len);
        assert_eq!(lens, [None, None, Some(5), Some(6), Some(497), Some(1023), None, None]);
        let mut room = Room::fold(b"bytes", 1023, 1);
        assert_eq!((room.block().len(), room.block().mark(), room.block().memory()), (1023, 0, 0));
        room.block().set_mark(1023);
        assert_eq!((room.block().len(), room.block().mark()), (1023, 1023));
        assert_eq!(room.block().iter().position(|byte| *byte == 0), Some(5));
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "a folded block was moved")]
    fn a_folded_block_that_was_moved_is_noticed() {
        let [mut room, mut other] = [1, 2].map(|offset| ManuallyDrop::new(Room::fold(b"bytes", 13, offset)));
        // SAFETY: neither is dropped, nor is the copied one used any more.
        unsafe { NonNull::from(other.block()).copy_from(NonNull::from(room.block()), 1) };
        panic!("{} bytes were read", other.block().len());
    }

    proptest! {
        #[test]
        fn a_folded_one_behaves_like_a_vector(
            start in proptest::collection::vec(any::<u8>(), 0..40),
            room in 0usize..40,
            offset in 0usize..9,
            steps in proptest::collection::vec((0usize..5, 0usize..1200, any::<u8>(), any::<u16>()), 0..20),
        ) {
            let len = (start.len() + room).max(5);
            let mut place = Room::fold(&start, len, offset);
            let mut model = start;
            model.resize(len, 0);
            let mut is_folded = true;
            for (kind, bytes, byte, mark) in steps {
                let block = place.block();
                prop_assert_eq!((block.len(), block.is_folded()), (model.len(), is_folded));
                prop_assert_eq!(&block[..], &model[..]);
                let mark = mark % (model.len() as u16 + 1);
                match kind {
                    4 => prop_assert_eq!(&*block.marked(mark), &model[..]),
                    _ => block.set_mark(mark),
                }
                match kind {
                    0 => {
                        block.resize(bytes);
                        model.resize(Block::room(bytes), 0);
                        is_folded = false;
                    }
                    1 => {
                        block.lift();
                        model.resize(if is_folded { Block::room(model.len()) } else { model.len() }, 0);
                        is_folded = false;
                    }
                    2 => *block = block.clone(),
                    _ => {}
                }
                if kind == 2 {
                    model.resize(Block::room(model.len()), 0);
                    is_folded = false;
                }
                let at = bytes % model.len();
                (block[at], model[at]) = (byte, byte);
                prop_assert_eq!((&block[..], block.mark()), (&model[..], mark));
            }
        }

        #[test]
        fn behaves_like_a_vector(
            start in proptest::collection::vec(any::<u8>(), 0..40),
            steps in proptest::collection::vec((0usize..3000, any::<u8>(), any::<u16>()), 0..20),
        ) {
            let mut block = Block::new(&start, 0);
            let mut model = start;
            model.resize(Block::room(model.len()), 0);
            for (bytes, byte, mark) in steps {
                prop_assert_eq!(&block[..], &model[..]);
                block.set_mark(mark);
                block.resize(bytes);
                model.resize(Block::room(bytes), 0);
                let at = bytes % model.len();
                (block[at], model[at]) = (byte, byte);
                prop_assert_eq!((&block[..], block.mark()), (&model[..], mark));
                prop_assert_eq!((&block.clone()[..], block.clone().mark()), (&model[..], mark));
            }
        }
    }
}
