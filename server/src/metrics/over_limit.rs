//! For how long memory has been over its limit.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// Time spent over `maxmemory`.
#[derive(Default)]
pub struct OverLimit {
    /// Unix microseconds since which memory has been over its limit without a break; 0: it is not.
    since_us: AtomicI64,
    /// Microseconds of the times before.
    past_us: AtomicU64,
}

/// Milliseconds over the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exceeded {
    /// Since the present time began; 0 if memory is below its limit.
    pub current_ms: u64,
    /// In all.
    pub total_ms: u64,
}

impl OverLimit {
    /// Tells whether memory is over its limit now. `now_us` is asked for Unix microseconds where that is a change.
    pub fn set(&self, is_over: bool, now_us: impl FnOnce() -> i64) {
        let since_us = self.since_us.load(Relaxed);
        if is_over == (since_us != 0) {
            return;
        }
        let now_us = now_us();
        let next = if is_over { now_us } else { 0 };
        if self.since_us.compare_exchange(since_us, next, Relaxed, Relaxed).is_ok() && !is_over {
            self.past_us.fetch_add((now_us - since_us).max(0).unsigned_abs(), Relaxed);
        }
    }
    /// The times, at `now_us` in Unix microseconds.
    pub fn read(&self, now_us: i64) -> Exceeded {
        let current_us = match self.since_us.load(Relaxed) {
            0 => 0,
            since_us => (now_us - since_us).max(0).unsigned_abs(),
        };
        let total_us = self.past_us.load(Relaxed) + current_us;
        Exceeded { current_ms: current_us / 1000, total_ms: total_us / 1000 }
    }
    /// Forgets the past, and begins the present anew.
    pub fn reset(&self) {
        self.past_us.store(0, Relaxed);
        self.since_us.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_add_up() {
        let over = OverLimit::default();
        over.set(false, || unreachable!());
        over.set(true, || 1_000_000);
        over.set(true, || unreachable!());
        assert_eq!(over.read(1_005_000), Exceeded { current_ms: 5, total_ms: 5 });
        over.set(false, || 1_010_000);
        assert_eq!(over.read(2_000_000), Exceeded { current_ms: 0, total_ms: 10 });
        over.set(true, || 3_000_000);
        assert_eq!(over.read(3_001_000), Exceeded { current_ms: 1, total_ms: 11 });
        over.reset();
        assert_eq!(over.read(9_000_000), Exceeded::default());
    }
}
