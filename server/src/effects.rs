//! What a command did to the data, passed on to those who want to know.

use crate::net::Worker;
use crate::propagation::Wrap;
use crate::server::Attention;
use ochre_store::Effects;

/// Accounts for the effects of one unit, whose locks are held, and clears them.
pub(crate) fn settle(worker: &Worker, effects: &mut Effects) {
    settle_as(worker, effects, Wrap::Several);
}

/// As [`settle`], for keys that expired or were evicted by themselves, each of which stands for itself.
pub(crate) fn settle_removals(worker: &Worker, effects: &mut Effects) {
    settle_as(worker, effects, Wrap::Never);
}

fn settle_as(worker: &Worker, effects: &mut Effects, wrap: Wrap) {
    worker.stats.dirty.add(effects.dirty);
    if worker.server.attention.get() & Attention::PROPAGATES != 0 {
        crate::propagation::commit(worker, effects, wrap);
    }
    if !effects.events.is_empty() {
        crate::pubsub::notify(worker, &effects.events);
    }
    effects.clear();
}
