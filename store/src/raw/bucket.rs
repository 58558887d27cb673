//! A bucket: one cache line with up to seven entry pointers and a fragment of each one's hash.
//!
//! Metadata word: bits 0–6 say which slots are taken, bit 7 that slot 6 points to a further bucket instead of an entry,
//! byte `i + 1` is the hash fragment of slot `i`.
//!
//! All words are relaxed atomics, since other threads read them for prefetching without a lock. Only the owner of the
//! table (who holds its lock) writes them, and only the owner follows the pointers.

use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering::Relaxed};

/// Slots a bucket.
pub(super) const SLOTS: usize = 7;
const LAST: usize = SLOTS - 1;
const CHAIN: u64 = 1 << 7;
const LOW_SEVEN: u64 = 0x7f7f_7f7f_7f7f_7f7f;

/// A bucket. All zero is the empty one.
#[repr(C, align(64))]
pub(super) struct Bucket {
    meta: AtomicU64,
    slots: [AtomicPtr<u8>; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

/// The fragment of a hash kept in the metadata.
#[inline]
pub(super) fn tag_of(hash: u64) -> u8 {
    (hash >> 56) as u8
}

/// The taken slots whose fragment is `tag`, as bits 0–6.
#[inline]
fn matching(meta: u64, tag: u8) -> u32 {
    let differing = meta ^ (u64::from(tag) * 0x0101_0101_0101_0101);
    // Exactly the bytes of zero get their high bit set: no carry leaves a byte.
    let equal = !(((differing & LOW_SEVEN) + LOW_SEVEN) | differing | LOW_SEVEN);
    // Gathers the high bits of bytes 1–7 in bits 0–6.
    let gathered = (equal >> 15).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    (gathered as u32) & meta as u32 & 0x7f
}

impl Bucket {
    #[inline]
    fn meta(&self) -> u64 {
        self.meta.load(Relaxed)
    }

    /// The taken slots, as bits 0–6.
    pub(super) fn taken(&self) -> u32 {
        self.meta() as u32 & 0x7f
    }

    /// The pointer in slot `index`.
    #[inline]
    pub(super) fn get(&self, index: usize) -> *mut u8 {
        self.slots[index].load(Relaxed)
    }

    /// The fragment of slot `index`.
    pub(super) fn tag(&self, index: usize) -> u8 {
        (self.meta() >> (8 * (index + 1))) as u8
    }

    /// Exchanges the pointer of a taken slot for one with the same hash.
    pub(super) fn replace(&self, index: usize, entry: *mut u8) {
        self.slots[index].store(entry, Relaxed);
    }

    /// Fills a free slot.
    pub(super) fn put(&self, index: usize, tag: u8, entry: *mut u8) {
        let shift = 8 * (index + 1);
        let meta = self.meta() & !(0xff << shift) | u64::from(tag) << shift | 1 << index;
        self.slots[index].store(entry, Relaxed);
        self.meta.store(meta, Relaxed);
    }

    /// Empties a taken slot.
    pub(super) fn clear(&self, index: usize) {
        self.meta.store(self.meta() & !(1 << index), Relaxed);
    }

    /// Empties all slots and forgets the further bucket.
    pub(super) fn clear_all(&self) {
        self.meta.store(0, Relaxed);
    }

    /// A slot that is free for an entry.
    pub(super) fn vacancy(&self) -> Option<usize> {
        let meta = self.meta() as u32;
        let usable = if meta as u64 & CHAIN != 0 { 0x3f } else { 0x7f };
        let free = !meta & usable;
        (free != 0).then(|| free.trailing_zeros() as usize)
    }

    /// The taken slot with fragment `tag` whose pointer satisfies `is`.
    #[inline]
    pub(super) fn find(&self, tag: u8, mut is: impl FnMut(*mut u8) -> bool) -> Option<usize> {
        let mut candidates = matching(self.meta(), tag);
        while candidates != 0 {
            let index = candidates.trailing_zeros() as usize;
            if is(self.get(index)) {
                return Some(index);
            }
            candidates &= candidates - 1;
        }
        None
    }

    /// The further bucket of the chain. Only for the owner of the table.
    pub(super) fn child(&self) -> Option<&Bucket> {
        if self.meta() & CHAIN == 0 {
            return None;
        }
        // SAFETY: CHAIN says that the last slot holds a pointer from `add_child`, freed only by `drop_child`, which
        // the owner of the table calls when it holds no reference to the child.
        Some(unsafe { &*self.get(LAST).cast::<Bucket>() })
    }

    /// Appends a bucket to a full bucket and moves the last entry there.
    pub(super) fn add_child(&self) -> &Bucket {
        debug_assert_eq!(self.meta() as u8, 0x7f);
        let child = Box::new(Bucket { meta: AtomicU64::new(0), slots: Default::default() });
        child.put(0, self.tag(LAST), self.get(LAST));
        let child = Box::into_raw(child);
        self.slots[LAST].store(child.cast(), Relaxed);
        self.meta.store(self.meta() & !(1 << LAST) | CHAIN, Relaxed);
        // SAFETY: just allocated, and owned by this bucket from now on.
        unsafe { &*child }
    }

    /// Frees the further bucket, which must itself have none and hold nothing that is still needed.
    ///
    /// # Safety
    /// Nobody holds a reference to it. (Prefetching threads never do.)
    pub(super) unsafe fn drop_child(&self) {
        debug_assert!(self.meta() & CHAIN != 0);
        let child = self.get(LAST).cast::<Bucket>();
        self.meta.store(self.meta() & !CHAIN, Relaxed);
        // SAFETY: came from Box::into_raw in add_child; CHAIN was set, so it has not been freed.
        drop(unsafe { Box::from_raw(child) });
    }

    /// The pointers of this bucket alone that a key with `tag` may be behind; and that of a further bucket, if any.
    #[inline]
    pub(super) fn prefetch_targets(&self, tag: u8, mut target: impl FnMut(*const u8)) {
        let meta = self.meta();
        let mut candidates = matching(meta, tag);
        while candidates != 0 {
            target(self.get(candidates.trailing_zeros() as usize));
            candidates &= candidates - 1;
        }
        if meta & CHAIN != 0 {
            target(self.get(LAST));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matching_finds_exactly_the_equal_tags_of_taken_slots() {
        let mut random = crate::random::Random::new(3);
        for round in 0..20_000 {
            // Few different fragments, so that equal ones are frequent; every fourth round all 256.
            let mask = if round % 4 == 0 { u64::MAX } else { 0x8181_8181_8181_81ff };
            let meta = random.next_u64() & mask;
            let tag = (random.next_u64() & mask) as u8;
            let expected: u32 = (0..7)
                .filter(|slot| meta >> slot & 1 == 1 && (meta >> (8 * (slot + 1))) as u8 == tag)
                .map(|slot| 1 << slot)
                .sum();
            assert_eq!(matching(meta, tag), expected, "{meta:016x} {tag:02x}");
        }
    }
}
