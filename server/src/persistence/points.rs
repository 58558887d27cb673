//! When the data set is saved without anybody asking.

use super::background;
use crate::net::Worker;
use ochre_store::{Access, Effects, Txn};
use std::sync::atomic::Ordering::SeqCst;

/// How long after a failure the next attempt comes.
const RETRY_S: i64 = 5;

/// Begins a save in the background, if one is due or was put off. To be called from time to time by one worker.
pub(crate) async fn look(worker: &Worker) {
    let server = &worker.server;
    let persistence = &server.persistence;
    if persistence.running().is_some() || crate::persistence::is_loading(server) {
        return;
    }
    let is_scheduled = persistence.is_scheduled.load(SeqCst);
    if !is_scheduled && !is_due(worker) {
        return;
    }
    let mut guard = worker.member.party().lock_all().await;
    worker.begin_batch();
    let mut effects = Effects::default();
    let mut txn = Txn::new(&server.store, &mut guard, worker.clock(), &mut effects, Access::default());
    // What is in the way passes, and failures were logged: either is tried again.
    let _ = background::start(server, &mut txn);
}

fn is_due(worker: &Worker) -> bool {
    let server = &worker.server;
    let config = worker.config();
    if config.save.is_empty() {
        return false;
    }
    let (status, changes) = (server.persistence.status(), server.persistence.changes(server));
    let now_s = crate::clock::unix_ms() / 1000;
    if !status.is_good && now_s.saturating_sub(status.last_try_s) <= RETRY_S {
        return false;
    }
    let elapsed_s = now_s.saturating_sub(status.last_save_s);
    let due = config
        .save
        .iter()
        .find(|point| changes >= point.changes && elapsed_s > i64::try_from(point.seconds).unwrap_or(i64::MAX));
    if let Some(point) = due {
        tracing::info!("{} changes in {} seconds. Saving...", point.changes, point.seconds);
    }
    due.is_some()
}
