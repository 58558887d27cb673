//! Keeping memory in bounds: eviction before a command, expiry from time to time.

use crate::net::Worker;

/// Evicts keys until memory is below its limit; false if it stays above.
pub(crate) fn make_room(worker: &Worker) -> bool {
    worker.member.publish_memory();
    let mut effects = worker.effects.borrow_mut();
    let outcome = ochre_store::evict::evict(&worker.member, worker.clock(), &mut effects);
    crate::effects::settle(worker, &mut effects);
    outcome.is_ok()
}
