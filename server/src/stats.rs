//! Statistics: each worker counts for itself; readers add up.

use crossbeam_utils::CachePadded;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// A counter that one thread writes and any thread reads.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owning thread may call this: it is no atomic addition.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }
    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
    /// Sets the count; a racing [`Counter::add`] may undo it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }
}

/// Statistics of one command.
#[derive(Default)]
pub struct CommandStats {
    /// Executions.
    pub calls: Counter,
    /// Nanoseconds spent.
    pub nanos: Counter,
    /// Refused before execution.
    pub rejected: Counter,
    /// Executions that answered with an error.
    pub failed: Counter,
    /// Executions by duration, see [`LatencyHistogram`]; made at the first call.
    pub latency: std::sync::OnceLock<Box<LatencyHistogram>>,
}

/// Durations in buckets of about 3 % width: 32 linear steps in each power of two nanoseconds.
pub struct LatencyHistogram {
    counts: [AtomicU32; LatencyHistogram::BUCKETS],
}

impl LatencyHistogram {
    const STEP_BITS: u32 = 4;
    /// 1 ns to about 68 s.
    pub const BUCKETS: usize = 34 << Self::STEP_BITS;

    /// Counts one duration.
    #[inline]
    pub fn record(&self, nanos: u64) {
        let count = &self.counts[Self::bucket(nanos)];
        count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
    }
    #[inline]
    fn bucket(nanos: u64) -> usize {
        let nanos = nanos.max(1 << Self::STEP_BITS);
        let power = 63 - nanos.leading_zeros();
        let step = (nanos >> (power - Self::STEP_BITS)) as usize & ((1 << Self::STEP_BITS) - 1);
        ((((power - Self::STEP_BITS) as usize) << Self::STEP_BITS) + step).min(Self::BUCKETS - 1)
    }
    /// The longest duration, in nanoseconds, that the bucket counts.
    pub fn upper_bound(bucket: usize) -> u64 {
        let power = (bucket >> Self::STEP_BITS) as u32;
        let step = (bucket & ((1 << Self::STEP_BITS) - 1)) as u64;
        (((1 << Self::STEP_BITS) + step + 1) << power) - 1
    }
    /// The counts by bucket.
    pub fn counts(&self) -> impl Iterator<Item = u32> {
        self.counts.iter().map(|count| count.load(Relaxed))
    }
    /// Forgets everything.
    pub fn reset(&self) {
        self.counts.iter().for_each(|count| count.store(0, Relaxed));
    }
}

impl Default for LatencyHistogram {
    fn default() -> LatencyHistogram {
        LatencyHistogram { counts: [const { AtomicU32::new(0) }; LatencyHistogram::BUCKETS] }
    }
}

/// What one worker counts.
#[derive(Default)]
pub struct WorkerStats {
    /// Commands executed.
    pub commands: CachePadded<Counter>,
    /// Connections accepted and handed to this worker.
    pub connections: Counter,
    /// Connections refused at the maxclients limit.
    pub rejected_connections: Counter,
    /// Bytes read from clients.
    pub bytes_in: Counter,
    /// Bytes written to clients.
    pub bytes_out: Counter,
    /// Read events.
    pub reads: Counter,
    /// Write calls.
    pub writes: Counter,
    /// Error replies.
    pub errors: Counter,
    /// Changes to the data set.
    pub dirty: Counter,
    /// Clients closed at their output buffer limit.
    pub output_limit_closed: Counter,
    /// Clients closed at the query buffer limit.
    pub query_limit_closed: Counter,
    /// By [`crate::command::CommandId`].
    pub by_command: Vec<CommandStats>,
}

impl WorkerStats {
    /// Zeroes for `commands` command ids.
    pub fn new(commands: usize) -> WorkerStats {
        WorkerStats { by_command: (0..commands).map(|_| CommandStats::default()).collect(), ..WorkerStats::default() }
    }
    fn reset(&self) {
        let WorkerStats {
            commands,
            connections,
            rejected_connections,
            bytes_in,
            bytes_out,
            reads,
            writes,
            errors,
            dirty: _,
            output_limit_closed,
            query_limit_closed,
            by_command,
        } = self;
        let totals = [connections, rejected_connections, bytes_in, bytes_out, reads, writes, errors];
        totals.into_iter().chain([&**commands, output_limit_closed, query_limit_closed]).for_each(|total| total.set(0));
        for command in by_command {
            [&command.calls, &command.nanos, &command.rejected, &command.failed]
                .into_iter()
                .for_each(|count| count.set(0));
            if let Some(latency) = command.latency.get() {
                latency.reset();
            }
        }
    }
}

/// The statistics of all workers.
#[derive(Default)]
pub struct Stats {
    workers: RwLock<Vec<Arc<WorkerStats>>>,
    /// Error replies by code word, at most [`Stats::ERROR_CODES_MAX`] kinds.
    pub errors_by_code: parking_lot::Mutex<std::collections::BTreeMap<String, u64>>,
}

impl Stats {
    /// INFO errorstats stops naming codes beyond this many.
    pub const ERROR_CODES_MAX: usize = 128;

    /// Counts an error reply by its code word.
    pub fn count_error(&self, code: &str) {
        let mut errors = self.errors_by_code.lock();
        if let Some(count) = errors.get_mut(code) {
            *count += 1;
        } else if errors.len() < Self::ERROR_CODES_MAX {
            errors.insert(code.to_owned(), 1);
        }
    }
    /// Sets everything back to zero (CONFIG RESETSTAT). What a worker counts at that moment may survive.
    pub fn reset(&self) {
        self.each(|worker| worker.reset());
        self.errors_by_code.lock().clear();
    }
    /// Adds a worker's statistics.
    pub fn register(&self, stats: Arc<WorkerStats>) {
        self.workers.write().push(stats);
    }
    /// The sum of one figure over all workers.
    pub fn sum(&self, figure: impl Fn(&WorkerStats) -> u64) -> u64 {
        self.workers.read().iter().map(|worker| figure(worker)).sum()
    }
    /// Calls `visit` for the statistics of each worker.
    pub fn each(&self, visit: impl FnMut(&Arc<WorkerStats>)) {
        self.workers.read().iter().for_each(visit);
    }
}
