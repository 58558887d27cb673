//! Keeping memory in bounds: eviction before a command, expiry from time to time.

use crate::net::Worker;
use ochre_store::evict::Eviction;
use ochre_store::expire::CycleKind;
use std::time::{Duration, Instant};

/// How long a command may be held up by evictions; what is left to evict waits for the next command.
const EVICTION_MAX: Duration = Duration::from_micros(500);

/// Evicts keys until memory is below its limit; false if it stays above and nothing is left to evict.
pub(crate) fn make_room(worker: &Worker) -> bool {
    let started = Instant::now();
    let mut effects = worker.effects.borrow_mut();
    let outcome = worker.evictor.borrow_mut().run(
        &worker.member,
        worker.clock(),
        0,
        &mut effects,
        &mut || started.elapsed() >= EVICTION_MAX,
        &mut |_, effects| crate::effects::settle(worker, effects),
    );
    worker.server.over_limit.set(outcome != Eviction::Enough, crate::clock::unix_us);
    outcome != Eviction::Nothing
}

/// Expires some keys of the worker's share of the shards.
pub(crate) fn expire_some(worker: &Worker) {
    let started = Instant::now();
    let mut effects = worker.effects.borrow_mut();
    worker.expiry.borrow_mut().run(
        &worker.member,
        worker.clock(),
        CycleKind::Slow,
        &mut effects,
        &mut || started.elapsed().as_micros() as u64,
        &mut |_, effects| crate::effects::settle(worker, effects),
    );
    worker.stats.expire_cycle_us.add(started.elapsed().as_micros() as u64);
}
