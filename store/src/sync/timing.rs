//! How long to spin, when to reserve, when to retreat.

use super::platform::relax;
use std::time::{Duration, Instant};

/// Clock and limits of the locks. The defaults are measured; tests inject their own.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// The clock; read only where a lock is contended and every 16 commands of a slice.
    pub now: fn() -> Instant,
    /// How long a lock attempt spins on a held shard before it gives up, and an exclusive turn on an active party.
    pub spin: Duration,
    /// How long a waiter waits until newcomers may no longer take the shard before it.
    pub reservation_after: Duration,
    /// How long a woken waiter may take to try; after that the next one is woken in its place.
    pub call_max: Duration,
    /// How long an exclusive turn keeps the gate closed while it waits for active parties, before it retreats; also how
    /// long it then leaves the gate open.
    pub drain_max: Duration,
    /// How often an exclusive turn retreats before it keeps the gate closed until everybody has left.
    pub retreats_max: u32,
}

impl Default for Timing {
    fn default() -> Self {
        // Where only one thread can run, spinning keeps the holder from finishing.
        let alone = std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
        Timing {
            // Only durations are taken from it, never the time of day; a simulation injects its own clock here.
            now: Instant::now,
            spin: if alone { Duration::ZERO } else { Duration::from_micros(4) },
            reservation_after: Duration::from_millis(1),
            call_max: Duration::from_millis(1),
            drain_max: Duration::from_millis(1),
            retreats_max: 3,
        }
    }
}

impl Timing {
    pub(super) fn passed(&self, since: Instant, limit: Duration) -> bool {
        (self.now)().saturating_duration_since(since) >= limit
    }

    /// Asks `ready` until it says yes or the spin time is over; returns its last answer.
    pub(super) fn spin_until(&self, mut ready: impl FnMut() -> bool) -> bool {
        if self.spin.is_zero() {
            return ready();
        }
        let start = (self.now)();
        loop {
            for _ in 0..4 {
                if ready() {
                    return true;
                }
                relax();
            }
            if self.passed(start, self.spin) {
                return false;
            }
        }
    }
}
