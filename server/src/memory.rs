//! Keeping memory in bounds: eviction before a command, expiry in slices between commands.

use crate::net::Worker;
use crate::server::{Attention, Server};
use ochre_store::evict::{Eviction, excess_bytes};
use ochre_store::expire::{CycleKind, time_limit_us};
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How long active expiry holds up a worker in one go: at first, and where it has fallen behind.
const SLICE_FIRST: Duration = Duration::from_micros(500);
const SLICE_MAX: Duration = Duration::from_millis(1);
/// What the timer can tell.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// How long a command may be held up by evictions (what is left to evict waits for the next command), by
/// `maxmemory-eviction-tenacity`: up to 10 in steps of 50 µs, above with 15 % for each further step, 100 without limit.
fn eviction_time_max(tenacity: u32) -> Duration {
    match tenacity {
        0..=10 => Duration::from_micros(50 * u64::from(tenacity)),
        11..=99 => Duration::from_micros(500).mul_f64(1.15_f64.powi(tenacity as i32 - 10)),
        _ => Duration::MAX,
    }
}

/// Whether more memory is used than allowed.
#[inline]
pub(crate) fn is_short(worker: &Worker) -> bool {
    worker.server.attention.get() & Attention::MAXMEMORY != 0 && is_over_limit(worker)
}

#[cold]
fn is_over_limit(worker: &Worker) -> bool {
    worker.member.publish_memory();
    let store = &worker.server.store;
    // It takes longer to count everything, and mostly it is not needed.
    let is_over = store.used_memory() > worker.config().maxmemory as usize
        && excess_bytes(store, &|| not_counted(&worker.server)).is_some();
    worker.server.over_limit.set(is_over, crate::clock::unix_us);
    is_over
}

/// Bytes for which no key has to go: those that are about to be freed, and those that wait for slow replicas or for the disk.
/// Each deletion would add to the latter.
pub(crate) fn not_counted(server: &Server) -> usize {
    let log = &server.log;
    let waiting =
        [log.allocated().1, log.in_connections(server), log.allocated_for_file(), server.aof.unwritten_bytes()];
    let waiting = usize::try_from(waiting.iter().sum::<u64>()).unwrap_or(usize::MAX);
    server.client_memory.leaving().saturating_add(waiting)
}

/// Evicts keys until memory is below its limit; false if it stays above and nothing is left to evict. The caller must
/// hold no shard.
pub(crate) fn make_room(worker: &Worker) -> bool {
    if is_paused(worker) || worker.server.follows() && worker.config().replica_ignore_maxmemory {
        return true;
    }
    if worker.server.attention.get() & Attention::IMPORTS != 0 {
        return false;
    }
    let started = Instant::now();
    let time_max = eviction_time_max(worker.config().maxmemory_eviction_tenacity);
    let mut effects = worker.effects();
    effects.record_events = publishes_events(worker);
    let mut evicted = false;
    let outcome = worker.evictor.borrow_mut().run(
        &worker.member,
        worker.clock(),
        &|| not_counted(&worker.server),
        &mut effects,
        &mut || started.elapsed() >= time_max,
        &mut |guard, effects| {
            evicted = true;
            crate::blocking::serve_removals(worker, guard, effects);
        },
    );
    drop(effects);
    worker.wake_served();
    if evicted {
        worker.account_event("eviction-cycle", started.elapsed());
    }
    if outcome == Eviction::Enough {
        worker.server.over_limit.set(false, crate::clock::unix_us);
    }
    if outcome == Eviction::Unfinished {
        worker.eviction_due.notify_one();
    }
    outcome != Eviction::Nothing
}

/// Goes on with evictions that commands have left unfinished, in pieces between the other tasks of the worker.
pub(crate) async fn finish_evictions(worker: Rc<Worker>) {
    loop {
        worker.eviction_due.notified().await;
        if is_short(&worker) {
            worker.begin_batch();
            make_room(&worker);
        }
        tokio::task::yield_now().await;
    }
}

/// Expires keys and fields of the worker's share of the shards for as long as the process lives, `hz` times a second as far
/// as there is anything to expire. The share of the time that a cycle may take is spent in short slices.
pub(crate) async fn expire(worker: Rc<Worker>) {
    loop {
        let (period, begun) = (worker.config().beat(), Instant::now());
        if !worker.server.switches.cron_rests.load(Relaxed) {
            expire_for(&worker, begun, period).await;
        }
        tokio::time::sleep(period.saturating_sub(begun.elapsed()).max(PAUSE_MIN)).await;
    }
}

/// Runs the cycle of a period that has just begun.
async fn expire_for(worker: &Worker, begun: Instant, period: Duration) {
    let store = &worker.server.store;
    let limit = Duration::from_micros(time_limit_us(store, CycleKind::Slow));
    let share = limit.div_duration_f64(period).min(1.0);
    worker.expiry.borrow_mut().begin(store, CycleKind::Slow);
    let (mut used, mut slice) = (Duration::ZERO, SLICE_FIRST);
    // A replica leaves that to its primary, and who is filled from elsewhere to where it comes from.
    while !is_paused(worker) && !worker.server.follows() && worker.server.attention.get() & Attention::IMPORTS == 0 {
        let elapsed = expire_slice(worker, slice.min(limit.saturating_sub(used)));
        let Some(elapsed) = elapsed else { break };
        used += elapsed;
        if used >= limit || begun.elapsed() >= period {
            break;
        }
        // Pauses of this length keep the share. Late as they may end, what was missed is made up for as far as slices
        // stay short.
        let due = used.div_f64(share).saturating_sub(begun.elapsed());
        if due.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(due.max(PAUSE_MIN)).await;
        }
        slice = begun.elapsed().mul_f64(share).saturating_sub(used).clamp(SLICE_FIRST, SLICE_MAX);
    }
    worker.expiry.borrow_mut().end(store);
}

/// Goes on with the cycle for some time; how much, or nothing if the cycle is done.
fn expire_slice(worker: &Worker, time_max: Duration) -> Option<Duration> {
    worker.begin_batch();
    let started = Instant::now();
    let mut effects = worker.effects();
    effects.record_events = publishes_events(worker);
    let report = worker.expiry.borrow_mut().slice(
        &worker.member,
        worker.clock(),
        &mut effects,
        &mut || started.elapsed() >= time_max,
        &mut |guard, effects| crate::blocking::serve_removals(worker, guard, effects),
    );
    drop(effects);
    worker.wake_served();
    let elapsed = started.elapsed();
    worker.account_event("expire-cycle", elapsed);
    worker.stats.expire_cycle_us.add(elapsed.as_micros() as u64);
    report.timed_out.then_some(elapsed)
}

/// Whether somebody may want to hear what happens to keys.
pub(crate) fn publishes_events(worker: &Worker) -> bool {
    worker.server.attention.get() & Attention::NOTIFY != 0 && worker.server.pubsub.has_listeners()
}

/// Whether clients are paused, or the data set is being loaded: then nothing may change by itself.
fn is_paused(worker: &Worker) -> bool {
    worker.server.attention.get() & Attention::LOADING != 0 || worker.server.pause.in_force(worker.now_ms()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The figures of evictionTimeLimitUs in Redis 7.0.
    #[test]
    fn tenacity_is_a_time() {
        assert_eq!(eviction_time_max(0), Duration::ZERO);
        assert_eq!(eviction_time_max(10), Duration::from_micros(500));
        let at_99 = eviction_time_max(99).as_secs_f64();
        assert!((126.0..126.5).contains(&at_99), "{at_99}");
        assert_eq!(eviction_time_max(100), Duration::MAX);
    }
}
