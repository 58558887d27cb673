//! Zeroed arrays of buckets. Large ones are mapped, so that the kernel zeroes them page by page when touched, and has them
//! back as soon as they are freed.

use super::bucket::Bucket;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// Arrays of a value are mapped from this size on: there can be more of them than the kernel allows mappings.
const VALUE_MAP_BYTES_MIN: usize = 64 << 10;
/// Arrays of a database are mapped from this size on, which is a page: the allocator would keep what a growing table leaves.
const DATABASE_MAP_BYTES_MIN: usize = 4 << 10;
/// Unmapped at once: a whole array would hold the kernel's lock of the address space for too long.
const UNMAP_BYTES: usize = 4 << 20;

/// An array of buckets; a power of two of them, or none.
///
/// Does not free itself: see [`free`](Array::free).
pub(super) struct Array {
    base: NonNull<Bucket>,
    buckets: u32,
    /// Whether the memory is a mapping of its own.
    is_mapped: bool,
}

/// Whom an array is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// A database in a shard, of which there are few.
    Database,
    /// A value.
    Value,
}

// SAFETY: an array owns its memory; its buckets are made of atomics.
unsafe impl Send for Array {}
// SAFETY: as above.
unsafe impl Sync for Array {}

impl Array {
    /// The array of no buckets.
    pub(super) const EMPTY: Array = Array { base: NonNull::dangling(), buckets: 0, is_mapped: false };

    /// `1 << bits` empty buckets.
    pub(super) fn new(bits: u32, owner: Owner) -> Array {
        let buckets = 1u32.checked_shl(bits).expect("a table has fewer than 2^32 buckets");
        let layout =
            Layout::array::<Bucket>(buckets as usize).expect("a bucket array is smaller than the address space");
        let is_mapped = layout.size()
            >= match owner {
                Owner::Database => DATABASE_MAP_BYTES_MIN,
                Owner::Value => VALUE_MAP_BYTES_MIN,
            };
        let base = if is_mapped { map(layout.size()) } else { zeroed(layout) };
        let Some(base) = base else { handle_alloc_error(layout) };
        Array { base: base.cast(), buckets, is_mapped }
    }

    /// The number of buckets.
    #[inline]
    pub(super) fn buckets(&self) -> usize {
        self.buckets as usize
    }

    /// Bytes of the array that the allocator does not know of.
    pub(super) fn mapped_bytes(&self) -> usize {
        if self.is_mapped { self.bytes() } else { 0 }
    }

    /// All bytes of the array.
    pub(super) fn bytes(&self) -> usize {
        self.buckets() * size_of::<Bucket>()
    }

    /// The bucket at `index` modulo the length. The array must not be [`EMPTY`](Array::EMPTY).
    pub(super) fn bucket(&self, index: usize) -> &Bucket {
        debug_assert!(self.buckets != 0);
        // SAFETY: the masked index lies inside the array, whose zeroed memory is a valid bucket.
        unsafe { self.base.add(index & (self.buckets() - 1)).as_ref() }
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
        } else if self.is_mapped {
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
