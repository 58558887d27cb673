//! CLIENT PAUSE: holding clients back for a while.

use crate::client::{ClientHandle, Signals};
use crate::server::{Attention, Server};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicUsize, Ordering::SeqCst};

/// What is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PauseKind {
    /// Commands that write or may replicate.
    Write = 1,
    /// All commands.
    All = 2,
}

/// The pause in force, if any.
#[derive(Default)]
pub struct Pause {
    kind: AtomicU8,
    until_ms: AtomicI64,
    change: Mutex<()>,
    held_back: AtomicUsize,
    /// Writes are held back until the process ends or that is given up.
    holds_writes: AtomicBool,
}

impl Pause {
    /// Pauses until `until_ms`, Unix milliseconds. A pause in force is only ever made longer and stronger.
    pub fn start(&self, kind: PauseKind, until_ms: i64, now_ms: i64, attention: &Attention) {
        let _change = self.change.lock();
        let (kind, until_ms) = match self.asked(now_ms) {
            Some((old_kind, old_until)) => (kind.max(old_kind), until_ms.max(old_until)),
            None => (kind, until_ms),
        };
        self.until_ms.store(until_ms, SeqCst);
        self.kind.store(kind as u8, SeqCst);
        attention.set(Attention::PAUSED, true);
    }
    /// Has the dispatcher look no longer, if no pause is in force any more.
    pub fn forget(&self, now_ms: i64, attention: &Attention) {
        let _change = self.change.lock();
        if self.in_force(now_ms).is_none() {
            attention.set(Attention::PAUSED, false);
        }
    }
    /// A client is held back from now on.
    pub(crate) fn enter(&self) {
        self.held_back.fetch_add(1, SeqCst);
    }
    /// A client is not held back any more.
    pub(crate) fn leave(&self) {
        self.held_back.fetch_sub(1, SeqCst);
    }
    /// How many clients are held back.
    pub fn held_back(&self) -> usize {
        self.held_back.load(SeqCst)
    }
    /// Ends the pause.
    pub fn end(&self, attention: &Attention) {
        let _change = self.change.lock();
        self.kind.store(0, SeqCst);
        self.until_ms.store(0, SeqCst);
        attention.set(Attention::PAUSED, self.holds_writes.load(SeqCst));
    }
    /// Holds writes back, whatever clients ask for, or does so no longer.
    pub(crate) fn hold_writes(&self, holds: bool, attention: &Attention) {
        let _change = self.change.lock();
        self.holds_writes.store(holds, SeqCst);
        // Without a pause the dispatcher finds out and looks no longer.
        attention.set(Attention::PAUSED, holds || self.kind.load(SeqCst) != 0);
    }
    /// What is paused, and until when (Unix milliseconds).
    pub fn in_force(&self, now_ms: i64) -> Option<(PauseKind, i64)> {
        let asked = self.asked(now_ms);
        if self.holds_writes.load(SeqCst) {
            return Some((asked.map_or(PauseKind::Write, |(kind, _)| kind), i64::MAX));
        }
        asked
    }
    /// What clients have asked for.
    fn asked(&self, now_ms: i64) -> Option<(PauseKind, i64)> {
        let until_ms = self.until_ms.load(SeqCst);
        match self.kind.load(SeqCst) {
            1 if now_ms < until_ms => Some((PauseKind::Write, until_ms)),
            2 if now_ms < until_ms => Some((PauseKind::All, until_ms)),
            _ => None,
        }
    }
}

/// Has those look again whom a pause held back that is over.
pub(crate) fn wake_held_back(server: &Server) {
    server.bump_gate_epoch();
    for handle in server.clients.all() {
        if handle.published.flags.load(SeqCst) & ClientHandle::FLAG_BLOCKED != 0 {
            handle.signal(Signals::RESUME);
        }
    }
}
