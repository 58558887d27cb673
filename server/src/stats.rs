//! Statistics: each worker counts for itself; readers add up.

use crate::command::CommandId;
use crossbeam_utils::CachePadded;
use parking_lot::RwLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use tokio::runtime::RuntimeMetrics;

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
    pub latency: OnceLock<Box<LatencyHistogram>>,
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
        let shift = 63 - Self::STEP_BITS - nanos.leading_zeros();
        // The highest bit is left of the steps: it counts for one power.
        let steps = (nanos >> shift) as usize;
        (((shift as usize) << Self::STEP_BITS) + steps - (1 << Self::STEP_BITS)).min(Self::BUCKETS - 1)
    }
    /// The longest duration, in nanoseconds, that the bucket counts.
    pub fn upper_bound(bucket: usize) -> u64 {
        let power = (bucket >> Self::STEP_BITS) as u32;
        let step = (bucket & ((1 << Self::STEP_BITS) - 1)) as u64;
        (((1 << Self::STEP_BITS) + step + 1) << power) - 1
    }
    /// The duration, in nanoseconds, that `percent` per cent of the durations counted in `counts` do not exceed.
    pub fn percentile(counts: &[u64], percent: f64) -> u64 {
        let total: u64 = counts.iter().sum();
        let rank = ((percent.clamp(0.0, 100.0) / 100.0 * total as f64 + 0.5) as u64).max(1);
        let mut seen = 0;
        let bucket = counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        bucket.map_or(0, Self::upper_bound)
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

/// What event loops did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventLoop {
    /// Times they went to sleep.
    pub cycles: u64,
    /// Microseconds they were awake.
    pub busy_us: u64,
}

/// The largest query and reply buffers that clients had in the last seconds.
#[derive(Default)]
pub struct BufferPeaks {
    /// A slot a second: the second, and the largest of each kind in it.
    slots: [(Counter, Counter, Counter); BufferPeaks::SECONDS],
}

impl BufferPeaks {
    const SECONDS: usize = 8;

    /// Notes the largest buffers at that time. Only the owning thread may call this.
    pub fn note(&self, now_ms: i64, input: u64, output: u64) {
        let second = now_ms.unsigned_abs() / 1000;
        let (slot_second, input_max, output_max) = &self.slots[second as usize % Self::SECONDS];
        if slot_second.get() != second {
            slot_second.set(second);
            input_max.set(0);
            output_max.set(0);
        }
        input_max.set(input_max.get().max(input));
        output_max.set(output_max.get().max(output));
    }
    /// The largest query and reply buffer of the last seconds.
    pub fn recent(&self, now_ms: i64) -> (u64, u64) {
        let second = now_ms.unsigned_abs() / 1000;
        let recent = self.slots.iter().filter(|slot| second.saturating_sub(slot.0.get()) < Self::SECONDS as u64);
        recent.fold((0, 0), |max, slot| (max.0.max(slot.1.get()), max.1.max(slot.2.get())))
    }
}

/// Statistics of one command over all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandTotal {
    /// Executions.
    pub calls: u64,
    /// Nanoseconds spent.
    pub nanos: u64,
    /// Refused before execution.
    pub rejected: u64,
    /// Executions that answered with an error.
    pub failed: u64,
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
    /// Those of `bytes_in` that came from the primary.
    pub replication_bytes_in: Counter,
    /// Those of `bytes_out` that went to replicas.
    pub replication_bytes_out: Counter,
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
    /// Clients closed because all together took too much memory.
    pub evicted_clients: Counter,
    /// Times a reply buffer was made smaller.
    pub reply_buffer_shrinks: Counter,
    /// Times a reply buffer was made larger.
    pub reply_buffer_expands: Counter,
    /// Microseconds spent on periodic work.
    pub cron_us: Counter,
    /// Microseconds spent on looking for expired keys.
    pub expire_cycle_us: Counter,
    /// Processor time of the thread in its own code, in microseconds, as of its last look.
    pub cpu_user_us: Counter,
    /// Processor time of the thread in the kernel, likewise.
    pub cpu_system_us: Counter,
    /// Bytes of the thread's Lua state, as of its last script.
    pub lua_bytes: Counter,
    /// Bytes of its Lua state for functions, likewise.
    pub lua_function_bytes: Counter,
    /// Unix milliseconds of the last sign of life.
    pub last_beat_ms: Counter,
    /// The largest buffers of clients, of late.
    pub buffer_peaks: BufferPeaks,
    /// The event loop, and what it had done when the statistics were last set to zero.
    event_loop: OnceLock<RuntimeMetrics>,
    event_loop_base: (Counter, Counter),
    /// The longest turn of the event loop, in microseconds, and the most commands of one.
    pub cycle_peaks: (Counter, Counter),
    /// What `busy` and `commands` were when the last turn ended.
    cycle_base: (Counter, Counter),
    /// By [`crate::command::CommandId`].
    pub by_command: Vec<CommandStats>,
}

impl WorkerStats {
    /// Zeroes for `commands` command ids.
    pub fn new(commands: usize) -> WorkerStats {
        WorkerStats { by_command: (0..commands).map(|_| CommandStats::default()).collect(), ..WorkerStats::default() }
    }
    /// Names the event loop of the worker; only the first call counts.
    pub fn set_event_loop(&self, metrics: RuntimeMetrics) {
        let _ = self.event_loop.set(metrics);
    }
    /// What the worker's event loop did.
    pub fn event_loop(&self) -> EventLoop {
        let Some(metrics) = self.event_loop.get() else { return EventLoop::default() };
        let busy_us = u64::try_from(metrics.worker_total_busy_duration(0).as_micros()).unwrap_or(u64::MAX);
        EventLoop {
            cycles: metrics.worker_park_count(0).saturating_sub(self.event_loop_base.0.get()),
            busy_us: busy_us.saturating_sub(self.event_loop_base.1.get()),
        }
    }
    /// Counts bytes that were read at once, perhaps from the primary. Only the owning thread may call this.
    #[inline]
    pub fn count_read(&self, bytes: usize, from_primary: bool) {
        self.bytes_in.add(bytes as u64);
        self.reads.add(1);
        if from_primary {
            self.replication_bytes_in.add(bytes as u64);
        }
    }
    /// Notes that a turn of the event loop is over. Only the owning thread may call this.
    pub fn end_cycle(&self) {
        let Some(metrics) = self.event_loop.get() else { return };
        let busy_us = u64::try_from(metrics.worker_total_busy_duration(0).as_micros()).unwrap_or(u64::MAX);
        let (busy_base, commands_base) = &self.cycle_base;
        let (busy_max, commands_max) = &self.cycle_peaks;
        let commands = self.commands.get();
        // Commands are counted anew after CONFIG RESETSTAT.
        busy_max.set(busy_max.get().max(busy_us.saturating_sub(busy_base.get())));
        commands_max.set(commands_max.get().max(commands.saturating_sub(commands_base.get())));
        busy_base.set(busy_us);
        commands_base.set(commands);
    }
    fn reset(&self) {
        let WorkerStats {
            commands,
            connections,
            rejected_connections,
            bytes_in,
            bytes_out,
            replication_bytes_in,
            replication_bytes_out,
            reads,
            writes,
            errors,
            dirty: _,
            output_limit_closed,
            query_limit_closed,
            evicted_clients,
            reply_buffer_shrinks,
            reply_buffer_expands,
            cron_us,
            expire_cycle_us,
            cpu_user_us: _,
            cpu_system_us: _,
            lua_bytes: _,
            lua_function_bytes: _,
            last_beat_ms: _,
            buffer_peaks: _,
            event_loop: _,
            event_loop_base,
            cycle_peaks,
            cycle_base: _,
            by_command,
        } = self;
        let done = self.event_loop();
        event_loop_base.0.add(done.cycles);
        event_loop_base.1.add(done.busy_us);
        let totals = [evicted_clients, reply_buffer_shrinks, reply_buffer_expands, cron_us, expire_cycle_us];
        let replication = [replication_bytes_in, replication_bytes_out];
        totals.into_iter().chain(replication).chain([&cycle_peaks.0, &cycle_peaks.1]).for_each(|total| total.set(0));
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
    /// Connections refused at the maxclients limit before their TLS handshake.
    pub rejected_handshakes: AtomicU64,
    /// Error replies by code word, at most [`Stats::ERROR_CODES_MAX`] kinds.
    pub errors_by_code: parking_lot::Mutex<std::collections::BTreeMap<String, u64>>,
    /// Commands of the primary that failed here.
    pub unexpected_errors: AtomicU64,
    /// Payloads and keys of files that hold elements, read while `sanitize-dump-payload` asked for all to be checked.
    pub sanitizations: AtomicU64,
    /// Replicas that have asked for the stream.
    pub synchronisations: Synchronisations,
    /// Processes that stand for jobs.
    pub processes: Processes,
}

/// What replicas were given that have asked for the stream.
#[derive(Default)]
pub struct Synchronisations {
    /// A snapshot.
    pub full: AtomicU64,
    /// What they lacked.
    pub partial: AtomicU64,
    /// A snapshot, though they had asked for what they lacked.
    pub refused: AtomicU64,
}

/// The processes that stood for jobs.
#[derive(Default)]
pub struct Processes {
    /// How many were started.
    pub started: AtomicU64,
    /// How long starting the last one took, in microseconds.
    pub last_us: AtomicU64,
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
        self.rejected_handshakes.store(0, Relaxed);
        let Synchronisations { full, partial, refused } = &self.synchronisations;
        let Processes { started, last_us } = &self.processes;
        [full, partial, refused, started, last_us].iter().for_each(|count| count.store(0, Relaxed));
    }
    /// Adds a worker's statistics.
    pub fn register(&self, stats: Arc<WorkerStats>) {
        self.workers.write().push(stats);
    }
    /// The sum of one figure over all workers.
    pub fn sum(&self, figure: impl Fn(&WorkerStats) -> u64) -> u64 {
        self.workers.read().iter().map(|worker| figure(worker)).sum()
    }
    /// What the event loops did, in all.
    pub fn event_loop(&self) -> EventLoop {
        let mut total = EventLoop::default();
        self.each(|worker| {
            let part = worker.event_loop();
            total.cycles += part.cycles;
            total.busy_us += part.busy_us;
        });
        total
    }
    /// The largest query and reply buffer of the last seconds.
    pub fn recent_buffer_peaks(&self, now_ms: i64) -> (u64, u64) {
        let mut max = (0, 0);
        self.each(|worker| {
            let (input, output) = worker.buffer_peaks.recent(now_ms);
            max = (max.0.max(input), max.1.max(output));
        });
        max
    }
    /// The statistics of a command.
    pub fn of_command(&self, id: CommandId) -> CommandTotal {
        let mut total = CommandTotal::default();
        self.each(|worker| {
            if let Some(part) = worker.by_command.get(usize::from(id)) {
                total.calls += part.calls.get();
                total.nanos += part.nanos.get();
                total.rejected += part.rejected.get();
                total.failed += part.failed.get();
            }
        });
        total
    }
    /// The executions of a command by the buckets of [`LatencyHistogram`]; empty if none was timed.
    pub fn latency_of_command(&self, id: CommandId) -> Vec<u64> {
        let mut total = Vec::new();
        self.each(|worker| {
            let histogram = worker.by_command.get(usize::from(id)).and_then(|part| part.latency.get());
            if let Some(histogram) = histogram {
                total.resize(LatencyHistogram::BUCKETS, 0);
                histogram.counts().zip(&mut total).for_each(|(count, sum)| *sum += u64::from(count));
            }
        });
        total
    }
    /// Calls `visit` for the statistics of each worker.
    pub fn each(&self, visit: impl FnMut(&Arc<WorkerStats>)) {
        self.workers.read().iter().for_each(visit);
    }
}
