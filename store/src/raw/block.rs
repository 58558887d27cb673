//! Pointers without alignment, so that what stands in an entry needs no padding: a block of bytes whose class of lengths
//! lies in front of them, and a box.

use super::entry::size_class;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::fmt::{Debug, Formatter};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Bytes of the allocation before those of the block: the mark, 2, and the class of the allocation. Each byte less keeps
/// some values out of the next class.
const HEAD_BYTES: usize = 3;
const CLASS_OFFSET: usize = 2;
/// Bits of a class that say how many units it has, less one; the others say how often a unit of one byte is doubled.
const CLASS_BITS: u32 = 3;
/// How often the smallest unit is doubled.
const UNIT_MIN: u32 = 4;
const ALIGN: usize = 8;
/// Longest block: far beyond the largest listpack, and its allocation's size needs no check.
const BYTES_MAX: usize = (u32::MAX / 2) as usize;

/// Initialised bytes in one allocation of the size of the allocator's class, and a number to go with them.
///
/// Invariant: the pointer leads to an allocation of `HEAD_BYTES + len()` bytes with alignment 8, all initialised, and of
/// that size its byte at `CLASS_OFFSET` is the class.
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

    #[inline]
    fn base(&self) -> NonNull<u8> {
        self.0
    }

    /// The number of bytes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        // SAFETY: by the invariant, the class is initialised.
        size_of_class(unsafe { self.base().add(CLASS_OFFSET).read() }) - HEAD_BYTES
    }

    /// Bytes allocated.
    pub(crate) fn memory(&self) -> usize {
        HEAD_BYTES + self.len()
    }

    /// The number that goes with the bytes.
    #[inline]
    pub(crate) fn mark(&self) -> u16 {
        // SAFETY: by the invariant, the allocation starts with an aligned u16.
        unsafe { self.base().cast::<u16>().read() }
    }

    #[inline]
    pub(crate) fn set_mark(&mut self, mark: u16) {
        // SAFETY: as in mark(); exclusive by &mut self.
        unsafe { self.base().cast::<u16>().write(mark) };
    }

    /// Gives the block the length [`room`](Block::room)`(bytes)`: bytes at the end are cut off, or zeroes added there.
    pub(crate) fn resize(&mut self, bytes: usize) {
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
        // SAFETY: by the invariant these bytes are initialised; they live as long as the block.
        unsafe { std::slice::from_raw_parts(self.base().as_ptr().add(HEAD_BYTES), self.len()) }
    }
}

impl DerefMut for Block {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in deref(); exclusive by &mut self.
        unsafe { std::slice::from_raw_parts_mut(self.base().as_ptr().add(HEAD_BYTES), self.len()) }
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

    proptest! {
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
