//! What a command did to the data, passed on to those who want to know.

use crate::net::Worker;
use ochre_store::Effects;

/// Accounts for the effects of one command and clears them.
pub(crate) fn settle(worker: &Worker, effects: &mut Effects) {
    worker.stats.dirty.add(effects.dirty);
    if !effects.events.is_empty() {
        crate::pubsub::notify(worker, &effects.events);
    }
    effects.clear();
}
