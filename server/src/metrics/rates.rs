//! How fast counters grow, averaged over the last seconds.

use crate::stats::Stats;
use parking_lot::Mutex;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Commands executed a second.
    Commands,
    /// Bytes read a second.
    BytesIn,
    /// Bytes written a second.
    BytesOut,
    /// Those read that came from the primary.
    ReplicationIn,
    /// Those written that went to replicas.
    ReplicationOut,
    /// Turns of all workers' event loops a second.
    LoopCycles,
    /// Microseconds of a second in which workers were busy, over all of them.
    LoopBusyMicros,
}

const RATES: usize = 7;
const SAMPLES: usize = 16;
/// Least time between two samples.
const PERIOD_MS: i64 = 100;

/// The latest rates, sampled about ten times a second.
#[derive(Default)]
pub struct Rates {
    samples: Mutex<Samples>,
}

/// Rates at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot([u64; RATES]);

#[derive(Default)]
struct Samples {
    by_rate: [[u64; SAMPLES]; RATES],
    next: usize,
    /// When the counters were read last, and what they said.
    last: Option<(i64, [u64; RATES])>,
}

impl Rates {
    /// Reads the counters, if it is time to do so. `now_ms`: Unix milliseconds.
    pub fn sample(&self, stats: &Stats, now_ms: i64) {
        self.samples.lock().add(now_ms, || {
            let event_loop = stats.event_loop();
            [
                stats.sum(|worker| worker.commands.get()),
                stats.sum(|worker| worker.bytes_in.get()),
                stats.sum(|worker| worker.bytes_out.get()),
                stats.sum(|worker| worker.replication_bytes_in.get()),
                stats.sum(|worker| worker.replication_bytes_out.get()),
                event_loop.cycles,
                event_loop.busy_us,
            ]
        });
    }
    /// Forgets all samples: the counters have been set back.
    pub fn reset(&self) {
        *self.samples.lock() = Samples::default();
    }
    /// The rates, a second, as averages over the samples.
    pub fn current(&self) -> Snapshot {
        let samples = self.samples.lock();
        Snapshot(samples.by_rate.map(|rate| rate.iter().sum::<u64>() / SAMPLES as u64))
    }
}

impl Snapshot {
    /// One rate.
    pub fn of(&self, rate: Rate) -> u64 {
        self.0[rate as usize]
    }
}

impl Samples {
    fn add(&mut self, now_ms: i64, read: impl FnOnce() -> [u64; RATES]) {
        let Some((last_ms, last)) = self.last else {
            self.last = Some((now_ms, read()));
            return;
        };
        // The clock may have been set back.
        let elapsed_ms = now_ms - last_ms;
        if (0..PERIOD_MS).contains(&elapsed_ms) {
            return;
        }
        let counters = read();
        for (rate, samples) in self.by_rate.iter_mut().enumerate() {
            let grown = counters[rate].saturating_sub(last[rate]);
            samples[self.next] = grown.saturating_mul(1000) / elapsed_ms.max(1).unsigned_abs();
        }
        self.next = (self.next + 1) % SAMPLES;
        self.last = Some((now_ms, counters));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_averages_over_all_samples() {
        let rates = Rates::default();
        let mut counter = 0;
        for step in 0..=SAMPLES as i64 {
            rates.samples.lock().add(step * 200, || [counter, 0, counter * 10, 0, 0, 0, 0]);
            // Too early: ignored.
            rates.samples.lock().add(step * 200 + 50, || unreachable!());
            counter += 100;
        }
        let now = rates.current();
        assert_eq!((now.of(Rate::Commands), now.of(Rate::BytesIn), now.of(Rate::BytesOut)), (500, 0, 5000));
        // One sample of nothing.
        rates.samples.lock().add(10_000, || [counter - 100, 0, 0, 0, 0, 0, 0]);
        assert_eq!(rates.current().of(Rate::Commands), 500 * 15 / 16);
        rates.reset();
        assert_eq!(rates.current(), Snapshot::default());
    }
}
