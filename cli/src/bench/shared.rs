//! What the threads of one test share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::bench::options::Extent;

/// Counters of one thread, on a cache line of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Progress {
    finished: AtomicU64,
    latency_sum_us: AtomicU64,
}

impl Progress {
    /// Counts `requests` answered requests with a latency of `latency_us` each.
    #[inline]
    pub fn add(&self, requests: u64, latency_us: u64) {
        self.finished.fetch_add(requests, Ordering::Relaxed);
        self.latency_sum_us.fetch_add(requests.wrapping_mul(latency_us), Ordering::Relaxed);
    }
}

/// How many requests are left, when the test began, and how far it is.
#[derive(Debug)]
pub struct Shared {
    extent: Extent,
    start: Instant,
    issued: AtomicU64,
    progress: Vec<Progress>,
}

impl Shared {
    /// For a test of `extent` that begins now and runs on `threads` threads.
    #[must_use]
    pub fn new(extent: Extent, threads: usize) -> Self {
        let progress = (0..threads).map(|_| Progress::default()).collect();
        Self { extent, start: Instant::now(), issued: AtomicU64::new(0), progress }
    }

    /// When the test began.
    #[must_use]
    pub fn start(&self) -> Instant {
        self.start
    }

    /// Takes up to `wanted` requests off what is left to send; 0 when the test is over at the time `now`.
    #[inline]
    pub fn claim(&self, wanted: u64, now: Instant) -> u64 {
        match self.extent {
            Extent::Requests(total) => {
                let before = self.issued.fetch_add(wanted, Ordering::Relaxed);
                total.saturating_sub(before).min(wanted)
            }
            Extent::Time(time) if now.duration_since(self.start) >= time => 0,
            Extent::Time(_) => wanted,
        }
    }

    /// The counters of thread number `thread`.
    #[must_use]
    pub fn progress(&self, thread: usize) -> Option<&Progress> {
        self.progress.get(thread)
    }

    /// Requests answered so far, and the sum of their latencies in microseconds.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        self.progress.iter().fold((0, 0), |(finished, sum_us), one| {
            let more_us = one.latency_sum_us.load(Ordering::Relaxed);
            (finished + one.finished.load(Ordering::Relaxed), sum_us.wrapping_add(more_us))
        })
    }
}
