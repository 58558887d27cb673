//! Ending the process: SHUTDOWN, signals.

use crate::process::signals::SignalState;
use crate::server::Server;
use parking_lot::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// How the process should end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownRequest {
    /// Write a snapshot first: `None` if one is configured.
    pub save: Option<bool>,
    /// Do not wait for lagging replicas.
    pub now: bool,
    /// End even if the snapshot fails.
    pub force: bool,
    /// All that is to be done first was done.
    pub is_prepared: bool,
}

/// The wish to end, and those who wait for it.
#[derive(Default)]
pub struct Shutdown {
    is_requested: AtomicBool,
    state: Mutex<State>,
    changed: Notify,
    signals: OnceLock<SignalState>,
}

#[derive(Default)]
struct State {
    wish: Option<ShutdownRequest>,
    /// The wish came by a signal, which is heeded only while periodic work is done.
    is_signal: bool,
    /// It is being fulfilled.
    has_begun: bool,
    /// Until when replicas are waited for, Unix milliseconds.
    deadline_ms: Option<i64>,
    /// Somebody has taken the wish back.
    is_aborted: bool,
}

impl Shutdown {
    /// Asks for the end. The first wish counts.
    pub fn request(&self, request: ShutdownRequest) {
        self.ask(request, false);
    }

    /// Asks for the end as a signal does.
    pub(crate) fn request_by_signal(&self, request: ShutdownRequest) {
        self.ask(request, true);
    }

    fn ask(&self, request: ShutdownRequest, is_signal: bool) {
        {
            let mut state = self.state.lock();
            state.is_signal = is_signal && (state.wish.is_none() || state.is_signal);
            state.wish.get_or_insert(request);
        }
        self.is_requested.store(true, SeqCst);
        self.look_again();
    }

    /// Has whoever waits for the wish look whether it is to be heeded now.
    pub(crate) fn look_again(&self) {
        self.changed.notify_waiters();
        self.changed.notify_one();
    }

    /// Whether somebody asked.
    pub fn is_requested(&self) -> bool {
        self.is_requested.load(SeqCst)
    }

    /// Waits until somebody asks.
    pub(crate) async fn asked(&self) {
        loop {
            let changed = self.changed.notified();
            if self.is_requested() {
                return;
            }
            changed.await;
        }
    }

    /// Waits until somebody asks, and begins.
    pub(crate) async fn requested(&self, server: &Server) -> ShutdownRequest {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.state.lock();
                let rests = state.is_signal && server.switches.cron_rests.load(Relaxed);
                if let Some(request) = state.wish.filter(|_| !rests) {
                    state.has_begun = true;
                    return request;
                }
            }
            changed.await;
        }
    }

    /// Says until when replicas are waited for, Unix milliseconds; or that they no longer are.
    pub(crate) fn set_deadline(&self, deadline_ms: Option<i64>) {
        self.state.lock().deadline_ms = deadline_ms;
    }

    /// Until when replicas are waited for, Unix milliseconds; nothing while that is not the matter.
    pub fn deadline_ms(&self) -> Option<i64> {
        self.state.lock().deadline_ms
    }

    /// Takes the wish back; false, if there is none, or it is too late.
    pub(crate) fn abort(&self) -> bool {
        {
            let mut state = self.state.lock();
            match (&state.wish, state.has_begun, state.deadline_ms) {
                (None, ..) | (Some(_), true, None) => return false,
                (Some(_), true, Some(_)) => {
                    state.is_aborted = true;
                    drop(state);
                    self.changed.notify_waiters();
                    return true;
                }
                (Some(_), false, _) => {}
            }
        }
        self.give_up();
        true
    }

    /// Waits until something has changed that the end may wait for, from this call on.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// A replica has come further, or is gone: perhaps the end waits for that.
    pub(crate) fn replica_moved(&self) {
        if self.is_requested() {
            self.changed.notify_waiters();
        }
    }

    /// Whether the wish was taken back while replicas were waited for.
    pub(crate) fn is_aborted(&self) -> bool {
        self.state.lock().is_aborted
    }

    /// The wish cannot be fulfilled, and is forgotten.
    pub fn give_up(&self) {
        *self.state.lock() = State::default();
        self.is_requested.store(false, SeqCst);
        if let Some(signals) = self.signals.get() {
            signals.shutdown_aborted();
        }
    }

    /// Says who is to be told that the wish was given up.
    pub(crate) fn set_signals(&self, signals: SignalState) {
        // It is set once, when the process begins.
        let _ = self.signals.set(signals);
    }
}
