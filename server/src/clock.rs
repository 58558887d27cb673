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
pub struct Ticks {
    clock: quanta::Clock,
    /// Nanoseconds of `1 << SCALE_BITS` ticks.
    scale: u64,
}

const SCALE_BITS: u32 = 32;

impl Ticks {
    /// A clock; the first one in a process calibrates itself for some milliseconds.
    // A function of its own, so that a count of instructions can leave the calibration out.
    #[inline(never)]
    pub fn new() -> Ticks {
        let clock = quanta::Clock::new();
        let scale = clock.delta_as_nanos(0, 1 << SCALE_BITS);
        Ticks { clock, scale }
    }
    /// Now, in ticks.
    #[inline]
    pub fn now(&self) -> u64 {
        self.clock.raw()
    }
    /// Nanoseconds between two readings.
    #[inline]
    pub fn nanos(&self, from: u64, to: u64) -> u64 {
        // Processors' counters may differ a little.
        let ticks = to.saturating_sub(from);
        ((u128::from(ticks) * u128::from(self.scale)) >> SCALE_BITS) as u64
    }
}

impl Default for Ticks {
    fn default() -> Ticks {
        Ticks::new()
    }
}
