//! How much memory the program uses, exact to the allocator: each registered thread publishes what it allocated and
//! freed, as jemalloc counts it.
//!
//! Where jemalloc is not the program's allocator the counts are zero and only bucket arrays are known.

use crate::raw::hint::Seat;
use crossbeam_utils::CachePadded;
use std::cell::{OnceCell, RefCell};
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::{Arc, Weak};
use tikv_jemalloc_ctl::thread::{ThreadLocal, allocatedp, deallocatedp};

thread_local! {
    static COUNTERS: OnceCell<Option<(ThreadLocal<u64>, ThreadLocal<u64>)>> = const { OnceCell::new() };
    /// The seats of this thread, and the addresses of the stores they are of.
    static SEATS: RefCell<Vec<(usize, Weak<CachePadded<Seat>>)>> = const { RefCell::new(Vec::new()) };
}

/// Remembers the calling thread's seat in the store at that address.
pub(crate) fn seated(store: usize, seat: &Arc<CachePadded<Seat>>) {
    SEATS.with_borrow_mut(|seats| {
        seats.retain(|(_, seat)| seat.strong_count() > 0);
        seats.push((store, Arc::downgrade(seat)));
    });
}

/// Publishes the calling thread's counts at its first seat in the store at that address, if it has one.
pub(crate) fn publish_own(store: usize) {
    SEATS.with_borrow(|seats| {
        let own = seats.iter().find(|(at, seat)| *at == store && seat.strong_count() > 0);
        if let Some(seat) = own.and_then(|(_, seat)| seat.upgrade()) {
            publish(&seat);
        }
    });
}

/// Publishes the calling thread's counts at its seat.
pub(crate) fn publish(seat: &Seat) {
    COUNTERS.with(|cell| {
        let counters = cell.get_or_init(|| Some((allocatedp::read().ok()?, deallocatedp::read().ok()?)));
        if let Some((allocated, freed)) = counters {
            // In this order nobody sees what was allocated without what was freed before.
            seat.freed.store(freed.get(), Relaxed);
            seat.allocated.store(allocated.get(), Release);
        }
    });
}
