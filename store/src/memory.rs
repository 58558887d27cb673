//! How much memory the program uses, exact to the allocator: each registered thread publishes what it allocated and
//! freed, as jemalloc counts it.
//!
//! Where jemalloc is not the program's allocator the counts are zero and only bucket arrays are known.

use crate::raw::hint::Seat;
use std::cell::OnceCell;
use std::sync::atomic::Ordering::Relaxed;
use tikv_jemalloc_ctl::thread::{ThreadLocal, allocatedp, deallocatedp};

thread_local! {
    static COUNTERS: OnceCell<Option<(ThreadLocal<u64>, ThreadLocal<u64>)>> = const { OnceCell::new() };
}

/// Publishes the calling thread's counts at its seat.
pub(crate) fn publish(seat: &Seat) {
    COUNTERS.with(|cell| {
        let counters = cell.get_or_init(|| Some((allocatedp::read().ok()?, deallocatedp::read().ok()?)));
        if let Some((allocated, freed)) = counters {
            seat.allocated.store(allocated.get(), Relaxed);
            seat.freed.store(freed.get(), Relaxed);
        }
    });
}
