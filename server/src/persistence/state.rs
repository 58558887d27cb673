//! What is known about saving and loading.

use super::background::Running;
use super::load::LoadProgress;
use crate::config::Config;
use crate::server::{Attention, Server};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use tokio::sync::Notify;

/// Saving and loading, of this process so far.
#[derive(Default)]
pub struct Persistence {
    status: Mutex<SaveStatus>,
    /// The save in the background, while there is one.
    running: Mutex<Option<Arc<Running>>>,
    /// A save in the background is to begin when it can.
    pub(super) is_scheduled: AtomicBool,
    /// How far the data set is loaded.
    pub loading: LoadProgress,
    /// The data set that the process began with is loaded.
    has_started: Notify,
}

/// How the last saves went.
#[derive(Clone, Copy, Debug)]
pub struct SaveStatus {
    /// When the data set was saved last, or the process began: Unix seconds.
    pub last_save_s: i64,
    /// When the last attempt to save in the background began, Unix seconds.
    pub last_try_s: i64,
    /// Whether the last save in the background, or the last save that went well, went well.
    pub is_good: bool,
    /// How long the last save in the background took, seconds; -1: there was none.
    pub last_duration_s: i64,
    /// Saves that went well.
    pub saves: u64,
    /// Bytes of keys that were taken ahead of the walk by the last save in the background, because they were changed.
    pub last_bytes_ahead: u64,
    /// How many changes there had been at the moment that the last good save shows.
    saved_changes: u64,
}

impl Default for SaveStatus {
    fn default() -> SaveStatus {
        SaveStatus {
            last_save_s: crate::clock::unix_ms() / 1000,
            last_try_s: 0,
            is_good: true,
            last_duration_s: -1,
            saves: 0,
            last_bytes_ahead: 0,
            saved_changes: 0,
        }
    }
}

impl Persistence {
    /// How the last saves went.
    pub fn status(&self) -> SaveStatus {
        *self.status.lock()
    }

    /// Changes since the last good save.
    pub fn changes(&self, server: &Server) -> u64 {
        changes_ever(server).saturating_sub(self.status.lock().saved_changes)
    }

    /// A save went well; it shows the moment after so many changes.
    pub(super) fn saved(&self, server: &Server, changes: u64) {
        {
            let mut status = self.status.lock();
            status.saved_changes = changes;
            status.last_save_s = crate::clock::unix_ms() / 1000;
            status.is_good = true;
            status.saves += 1;
        }
        self.judge(server, &server.config());
    }

    /// The save in the background, while there is one.
    pub(crate) fn running(&self) -> Option<Arc<Running>> {
        self.running.lock().clone()
    }

    /// Has a save in the background begin when it can.
    pub(crate) fn schedule(&self) {
        self.is_scheduled.store(true, SeqCst);
    }

    /// Takes that back; whether there was anything to take back.
    pub(crate) fn unschedule(&self) -> bool {
        self.is_scheduled.swap(false, SeqCst)
    }

    /// A save in the background begins.
    pub(super) fn begins(&self, running: &Arc<Running>) {
        self.status.lock().last_try_s = running.started_s;
        *self.running.lock() = Some(running.clone());
    }

    /// The save in the background is over, after so many bytes were taken ahead; `is_good` says whether it went well, nothing
    /// if it was cancelled.
    pub(super) fn ended(&self, server: &Server, is_good: Option<bool>, bytes_ahead: u64) {
        let Some(running) = self.running() else { return };
        {
            let mut status = self.status.lock();
            status.last_bytes_ahead = bytes_ahead;
            if let Some(is_good) = is_good {
                status.is_good = is_good;
                status.last_duration_s = (crate::clock::unix_ms() / 1000).saturating_sub(running.started_s);
            }
        }
        self.judge(server, &server.config());
        *self.running.lock() = None;
    }

    /// The data set that the process began with is loaded.
    pub(super) fn start_is_over(&self, server: &Server) {
        server.attention.set(Attention::LOADING, false);
        self.has_started.notify_waiters();
    }

    /// Waits until it is.
    pub(crate) async fn started(&self, server: &Server) {
        loop {
            let started = self.has_started.notified();
            if !is_loading(server) {
                return;
            }
            started.await;
        }
    }

    /// What was loaded is what the file holds: nothing has changed since.
    pub(crate) fn loaded(&self, server: &Server) {
        let changes = changes_ever(server);
        self.status.lock().saved_changes = changes;
    }

    /// Has the dispatcher refuse writes if they can no longer be saved, and `config` wants them refused then. To be called
    /// whenever either changes.
    pub(crate) fn judge(&self, server: &Server, config: &Config) {
        let fails = !self.status.lock().is_good;
        let refuses = fails && config.stop_writes_on_bgsave_error && !config.save.is_empty();
        if refuses != (server.attention.get() & Attention::DISK_ERROR != 0) {
            server.attention.set(Attention::DISK_ERROR, refuses);
            server.bump_gate_epoch();
        }
    }
}

/// Changes of the data set since the process began.
pub(super) fn changes_ever(server: &Server) -> u64 {
    server.stats.sum(|worker| worker.dirty.get())
}

/// Whether the data set is being loaded.
pub(crate) fn is_loading(server: &Server) -> bool {
    server.attention.get() & Attention::LOADING != 0
}
