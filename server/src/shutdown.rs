//! Ending the process: SHUTDOWN, signals.

use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use tokio::sync::Notify;

/// How the process should end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownRequest {
    /// Write a snapshot first: `None` if one is configured.
    pub save: Option<bool>,
    /// Do not wait for lagging replicas.
    pub now: bool,
    /// End even if the snapshot fails.
    pub force: bool,
}

/// The wish to end, and those who wait for it.
#[derive(Default)]
pub struct Shutdown {
    state: AtomicU8,
    wish: parking_lot::Mutex<Option<ShutdownRequest>>,
    notify: Notify,
}

impl Shutdown {
    /// Asks for the end. The first wish counts.
    pub fn request(&self, request: ShutdownRequest) {
        self.wish.lock().get_or_insert(request);
        self.state.store(1, SeqCst);
        self.notify.notify_waiters();
        self.notify.notify_one();
    }
    /// The wish cannot be fulfilled, and is forgotten.
    pub fn give_up(&self) {
        *self.wish.lock() = None;
        self.state.store(0, SeqCst);
    }
    /// Whether somebody asked.
    pub fn is_requested(&self) -> bool {
        self.state.load(SeqCst) != 0
    }
    /// Waits until somebody asks.
    pub async fn requested(&self) -> ShutdownRequest {
        loop {
            let notified = self.notify.notified();
            if let Some(request) = *self.wish.lock() {
                return request;
            }
            notified.await;
        }
    }
}
