//! Zeroed arrays of buckets. Large ones are mapped, so that the kernel zeroes them page by page when touched.

use super::bucket::Bucket;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// Arrays of at least this size are mapped.
const MAP_BYTES_MIN: usize = 64 << 10;
/// Unmapped at once: a whole array would hold the kernel's lock of the address space for too long.
const UNMAP_BYTES: usize = 4 << 20;

/// An array of buckets; a power of two of them, or none.
///
/// Does not free itself: see [`free`](Array::free).
pub(super) struct Array {
    base: NonNull<Bucket>,
    buckets: usize,
}

// SAFETY: an array owns its memory; its buckets are made of atomics.
unsafe impl Send for Array {}
// SAFETY: as above.
unsafe impl Sync for Array {}

impl Array {
    /// The array of no buckets.
    pub(super) const EMPTY: Array = Array { base: NonNull::dangling(), buckets: 0 };

    /// `1 << bits` empty buckets.
    pub(super) fn new(bits: u32) -> Array {
        let buckets = 1usize << bits;
        let layout = Layout::array::<Bucket>(buckets).expect("a bucket array is smaller than the address space");
        let base = if layout.size() >= MAP_BYTES_MIN { map(layout.size()) } else { zeroed(layout) };
        let Some(base) = base else { handle_alloc_error(layout) };
        Array { base: base.cast(), buckets }
    }

    /// The number of buckets.
    pub(super) fn buckets(&self) -> usize {
        self.buckets
    }

    /// Bytes of the array that the allocator does not know of.
    pub(super) fn mapped_bytes(&self) -> usize {
        let bytes = self.buckets * size_of::<Bucket>();
        if bytes >= MAP_BYTES_MIN { bytes } else { 0 }
    }

    /// All bytes of the array.
    pub(super) fn bytes(&self) -> usize {
        self.buckets * size_of::<Bucket>()
    }

    /// The bucket at `index` modulo the length. The array must not be [`EMPTY`](Array::EMPTY).
    pub(super) fn bucket(&self, index: usize) -> &Bucket {
        debug_assert!(self.buckets != 0);
        // SAFETY: the masked index lies inside the array, whose zeroed memory is a valid bucket.
        unsafe { self.base.add(index & (self.buckets - 1)).as_ref() }
    }

    /// The base address with the logarithm of the length in its low six bits; null for no buckets.
    pub(super) fn tagged(&self) -> *mut u8 {
        if self.buckets == 0 {
            return std::ptr::null_mut();
        }
        self.base.as_ptr().cast::<u8>().map_addr(|address| address | self.buckets.trailing_zeros() as usize)
    }

    /// Frees the memory (not what the buckets point to).
    ///
    /// # Safety
    /// Nobody holds a reference into the array any more, nor can obtain one.
    pub(super) unsafe fn free(self) {
        let bytes = self.bytes();
        let base = self.base.as_ptr().cast::<u8>();
        if bytes == 0 {
        } else if bytes >= MAP_BYTES_MIN {
            let mut at = 0;
            while at < bytes {
                let piece = UNMAP_BYTES.min(bytes - at);
                // SAFETY: the piece lies inside a mapping of `bytes` bytes that nobody uses.
                unsafe { libc::munmap(base.add(at).cast(), piece) };
                at += piece;
            }
        } else {
            // SAFETY: allocated by `zeroed` with the same layout.
            unsafe { dealloc(base, Layout::from_size_align_unchecked(bytes, align_of::<Bucket>())) };
        }
    }
}

fn map(bytes: usize) -> Option<NonNull<u8>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new anonymous mapping touches no existing memory.
    let base =
        unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
    if base == libc::MAP_FAILED { None } else { NonNull::new(base.cast()) }
}

fn zeroed(layout: Layout) -> Option<NonNull<u8>> {
    // SAFETY: the layout has at least one bucket.
    NonNull::new(unsafe { alloc_zeroed(layout) })
}
