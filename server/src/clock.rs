//! Time as the server needs it: a wall clock a batch, a monotonic tick a command.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix milliseconds.
pub fn unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Unix microseconds.
pub fn unix_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

/// A cheap monotonic clock for timing commands.
#[derive(Clone)]
pub struct Ticks(quanta::Clock);

impl Ticks {
    /// A clock; the first one in a process calibrates itself for some milliseconds.
    // A function of its own, so that a count of instructions can leave the calibration out.
    #[inline(never)]
    pub fn new() -> Ticks {
        Ticks(quanta::Clock::new())
    }
    /// Now, in ticks.
    #[inline]
    pub fn now(&self) -> u64 {
        self.0.raw()
    }
    /// Nanoseconds between two readings.
    #[inline]
    pub fn nanos(&self, from: u64, to: u64) -> u64 {
        self.0.delta_as_nanos(from, to)
    }
}

impl Default for Ticks {
    fn default() -> Ticks {
        Ticks::new()
    }
}
