//! Scripts that take long: while there is one, others are told so instead of being kept waiting.

use crate::client::Signals;
use crate::error::{self, CommandError};
use crate::server::{Attention, Server};
use atomic_waker::AtomicWaker;
use ochre_store::undo::Fate;
use parking_lot::Mutex;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

/// A script that has run for longer than `busy-reply-threshold`.
pub struct Busy {
    /// The SHA-1 of a script, or the name of a function.
    pub name: String,
    /// Whether it is a function.
    pub is_function: bool,
    /// The command that runs it.
    pub command: Vec<Vec<u8>>,
    /// When it began.
    pub started: Instant,
    /// Whether it may be killed. That it cannot any more is decided before it does what is not taken back.
    pub(crate) fate: Arc<Fate>,
    /// Whoever is to hear of it when it is killed.
    waker: AtomicWaker,
}

impl Busy {
    /// A script that has begun then.
    pub(crate) fn new(name: String, is_function: bool, command: Vec<Vec<u8>>, started: Instant) -> Busy {
        Busy { name, is_function, command, started, fate: Arc::default(), waker: AtomicWaker::new() }
    }
    /// Whether somebody has killed it.
    pub(crate) fn is_killed(&self) -> bool {
        self.fate.is_killed()
    }
    /// Waits until somebody has killed it. Only one may wait.
    pub(crate) async fn killed(&self) {
        std::future::poll_fn(|context| {
            self.waker.register(context.waker());
            if self.is_killed() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// The scripts that are busy, at most one a worker.
#[derive(Default)]
pub struct BusyScripts(Mutex<Vec<Arc<Busy>>>);

impl BusyScripts {
    /// The one that is busy for longest.
    pub fn first(&self) -> Option<Arc<Busy>> {
        self.0.lock().first().cloned()
    }

    /// Adds one. Whoever waits for locks is to look again, and to be told.
    pub(crate) fn add(&self, server: &Server, busy: Arc<Busy>) {
        self.0.lock().push(busy);
        server.attention.set(Attention::BUSY, true);
        server.bump_gate_epoch();
        server.clients.all().iter().for_each(|client| client.signal(Signals::HOUSEKEEPING));
    }

    /// It is over.
    pub(crate) fn remove(&self, server: &Server, busy: &Arc<Busy>) {
        let mut all = self.0.lock();
        all.retain(|known| !Arc::ptr_eq(known, busy));
        server.attention.set(Attention::BUSY, !all.is_empty());
    }

    /// What others are told.
    pub(crate) fn refusal(&self) -> CommandError {
        match self.first() {
            Some(busy) if busy.is_function => error::BUSY_FUNCTION,
            _ => error::BUSY_SCRIPT,
        }
    }

    /// Ends a script, or with `function` a function.
    ///
    /// # Errors
    /// If there is none, or it cannot be ended.
    pub(crate) fn kill(&self, function: bool) -> Result<(), CommandError> {
        let busy = self.first().ok_or(error::NOT_BUSY)?;
        if busy.fate.is_fixed() {
            return Err(error::UNKILLABLE);
        }
        match (busy.is_function, function) {
            (true, false) => Err(error::BUSY_FUNCTION),
            (false, true) => Err(error::BUSY_SCRIPT),
            _ if busy.fate.kill() => {
                busy.waker.wake();
                Ok(())
            }
            _ => Err(error::UNKILLABLE),
        }
    }
}
