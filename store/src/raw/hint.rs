//! What other threads may look at without a lock: where a table's buckets are, and how many keys it has.
//!
//! A thread that prefetches is *pinned* meanwhile. A bucket array that was published here is freed only after every
//! seat has been seen unpinned once since: a thread pinned later finds the new array here, by the total order of the
//! sequentially consistent accesses to `pins` and `arrays`.

use super::array::Array;
use super::bucket::{Bucket, tag_of};
use crossbeam_utils::CachePadded;
use parking_lot::Mutex;
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use std::sync::atomic::{AtomicI64, AtomicPtr, AtomicU64, AtomicUsize};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The allocation of an entry with a key and a value of 16 bytes.
const SMALL_ENTRY_BYTES: usize = 48;

/// Published facts about the tables of one database in one shard.
pub(crate) struct Hint {
    /// The arrays of the main table: current and, while it is rehashed, next. Tagged as [`Array::tagged`] does.
    arrays: [AtomicPtr<u8>; 2],
    /// Keys.
    pub(crate) len: AtomicUsize,
    /// Keys with a deadline.
    pub(crate) volatile: AtomicUsize,
    /// Bytes of the arrays of the table of keys with a deadline.
    pub(crate) volatile_bytes: AtomicUsize,
    /// Hashes that have fields with deadlines.
    pub(crate) field_keys: AtomicUsize,
    /// The earliest deadline of any field, ms since the Unix epoch.
    pub(crate) next_field_ms: AtomicI64,
    /// Running average of the time to live, ms, as the active expiry cycle saw it.
    pub(crate) average_ttl_ms: AtomicI64,
}

impl Default for Hint {
    fn default() -> Hint {
        Hint {
            arrays: Default::default(),
            len: AtomicUsize::default(),
            volatile: AtomicUsize::default(),
            volatile_bytes: AtomicUsize::default(),
            field_keys: AtomicUsize::default(),
            next_field_ms: AtomicI64::new(i64::MAX),
            average_ttl_ms: AtomicI64::default(),
        }
    }
}

impl Hint {
    pub(super) fn publish(&self, current: &Array, next: &Array) {
        self.arrays[0].store(current.tagged(), SeqCst);
        self.arrays[1].store(next.tagged(), SeqCst);
    }

    /// Bytes of the arrays of the main table.
    pub(crate) fn main_bytes(&self) -> usize {
        self.arrays.iter().map(published_bytes).sum()
    }

    /// Bytes of the current array of the main table while it is being left for the next one.
    pub(crate) fn rehashing_bytes(&self) -> usize {
        let [current, next] = &self.arrays;
        if next.load(SeqCst).is_null() { 0 } else { published_bytes(current) }
    }

    /// First stage of prefetching: asks the processor for the buckets where `hash` may be. Follows no pointer, so it
    /// needs no pin.
    #[inline]
    pub(crate) fn prefetch_buckets(&self, hash: u64) {
        self.homes(hash).for_each(|bucket| prefetch(bucket.cast()));
    }

    /// The home buckets of `hash` in the published arrays.
    #[inline]
    fn homes(&self, hash: u64) -> impl Iterator<Item = *const Bucket> {
        self.arrays.iter().filter_map(move |array| {
            let tagged = array.load(SeqCst);
            if tagged.is_null() {
                return None;
            }
            let mask = (1usize << (tagged.addr() & 63)) - 1;
            let base = tagged.map_addr(|address| address & !63).cast::<Bucket>();
            Some(base.wrapping_add(hash as usize & mask).cast_const())
        })
    }
}

/// The size of a published array.
fn published_bytes(array: &AtomicPtr<u8>) -> usize {
    let tagged = array.load(SeqCst);
    if tagged.is_null() { 0 } else { size_of::<Bucket>() << (tagged.addr() & 63) }
}

/// A registered thread's seat: pinned while the thread looks at published arrays; and its counters.
#[derive(Default)]
pub(crate) struct Seat {
    pins: AtomicUsize,
    /// Bytes allocated by the thread so far, as its allocator counts.
    pub(crate) allocated: AtomicU64,
    /// Bytes freed by the thread so far.
    pub(crate) freed: AtomicU64,
}

/// The hints of all databases and shards, and the seats of all threads.
pub(crate) struct Hints {
    hints: Box<[CachePadded<Hint>]>,
    seats: Mutex<Vec<Weak<CachePadded<Seat>>>>,
    /// Allocated minus freed bytes of the threads that are gone.
    departed_bytes: AtomicI64,
}

impl Hints {
    pub(crate) fn new(count: usize) -> Hints {
        Hints {
            hints: (0..count).map(|_| CachePadded::default()).collect(),
            seats: Mutex::default(),
            departed_bytes: AtomicI64::new(0),
        }
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> &Hint {
        &self.hints[index]
    }

    /// A new seat for the calling thread.
    pub(crate) fn seat(&self) -> Arc<CachePadded<Seat>> {
        let seat = Arc::new(CachePadded::<Seat>::default());
        let mut seats = self.seats.lock();
        seats.retain(|seat| seat.strong_count() > 0);
        seats.push(Arc::downgrade(&seat));
        seat
    }

    /// Keeps what a leaving thread has counted.
    pub(crate) fn depart(&self, seat: &Seat) {
        let net = seat.allocated.swap(0, Relaxed).wrapping_sub(seat.freed.swap(0, Relaxed));
        self.departed_bytes.fetch_add(net as i64, Relaxed);
    }

    /// Bytes allocated and not freed, summed over all seats.
    pub(crate) fn net_bytes(&self) -> i64 {
        let seats = self.seats.lock();
        let living = seats.iter().filter_map(Weak::upgrade);
        let net = living.map(|seat| seat.allocated.load(Acquire).wrapping_sub(seat.freed.load(Relaxed)) as i64);
        net.sum::<i64>() + self.departed_bytes.load(Relaxed)
    }

    /// Pins the thread of `seat`.
    pub(crate) fn pin<'a>(&'a self, seat: &'a Seat) -> Pin<'a> {
        seat.pins.fetch_add(1, SeqCst);
        Pin { hints: self, seat }
    }

    /// Waits until every thread has been seen unpinned. Never to be called by a pinned thread.
    fn wait_unpinned(&self) {
        let seats: Vec<_> = self.seats.lock().iter().filter_map(Weak::upgrade).collect();
        for seat in seats {
            while seat.pins.load(SeqCst) != 0 {
                std::thread::sleep(Duration::from_micros(20));
            }
        }
    }
}

/// Leave to look at published arrays. Hold it for one batch of prefetches only, and never over a wait.
pub(crate) struct Pin<'a> {
    hints: &'a Hints,
    seat: &'a Seat,
}

impl Pin<'_> {
    /// Second stage of prefetching: asks for the entries whose hash fragment matches.
    #[inline]
    pub(crate) fn prefetch_entry(&self, index: usize, hash: u64) {
        for bucket in self.hints.get(index).homes(hash) {
            // SAFETY: the array was published when it was read here, under this pin, so it is not freed before the pin
            // is dropped; the index is masked by its length; its words are atomics.
            let bucket = unsafe { &*bucket };
            bucket.prefetch_targets(tag_of(hash), prefetch_small);
        }
    }
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        self.seat.pins.fetch_sub(1, SeqCst);
    }
}

/// A bucket array that is no longer published; frees itself when all threads have passed.
pub(crate) struct Retired {
    array: Option<Array>,
    hints: Arc<Hints>,
}

impl Retired {
    pub(super) fn new(array: Array, hints: Arc<Hints>) -> Retired {
        Retired { array: Some(array), hints }
    }

    /// Bytes of the array.
    pub(crate) fn bytes(&self) -> usize {
        self.array.as_ref().map_or(0, Array::bytes)
    }

    /// Bytes of the array that were mapped instead of allocated.
    pub(crate) fn mapped_bytes(&self) -> usize {
        self.array.as_ref().map_or(0, Array::mapped_bytes)
    }
}

impl Drop for Retired {
    fn drop(&mut self) {
        if let Some(array) = self.array.take() {
            self.hints.wait_unpinned();
            // SAFETY: the table gave the array up and published others before; whoever could have seen it before has
            // been seen unpinned since.
            unsafe { array.free() };
        }
    }
}

/// Asks for a small entry, which often lies across two cache lines.
#[inline]
pub(crate) fn prefetch_small(address: *const u8) {
    prefetch(address);
    prefetch(address.wrapping_add(SMALL_ENTRY_BYTES - 1));
}

/// Asks the processor to load the cache line of `address`, which need not be valid.
#[inline]
pub(crate) fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast())
    };
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch never faults and changes no register or memory.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, preserves_flags, readonly))
    };
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}
