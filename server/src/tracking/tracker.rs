//! How one client tracks.

use super::Invalidation;
use crate::client::{ClientHandle, ClientKind, Push};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed, Ordering::SeqCst};

/// How a client tracks, as its own session knows it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tracks {
    /// Keys by prefix, not those that it reads.
    pub(crate) broadcast: bool,
    /// Only what it reads behind CLIENT CACHING YES.
    pub(crate) opt_in: bool,
    /// Not what it reads behind CLIENT CACHING NO.
    pub(crate) opt_out: bool,
    /// CLIENT CACHING was called for the next command.
    pub(crate) caching: bool,
}

impl Tracks {
    /// Whether the keys that it reads now are to be remembered.
    pub(crate) fn reads(self) -> bool {
        let is_left_out = self.opt_in && !self.caching || self.opt_out && self.caching;
        !self.broadcast && !is_left_out
    }
}

/// How a client tracks, as those see it who change keys.
#[derive(Default)]
pub struct Tracker {
    mode: AtomicU32,
    /// Who is told in its place.
    redirect: Mutex<Option<Arc<ClientHandle>>>,
}

/// Bits of a tracker.
pub(crate) struct Mode;

impl Mode {
    /// It tracks.
    pub(crate) const ON: u32 = 1;
    /// Keys by prefix.
    pub(crate) const BROADCAST: u32 = 1 << 1;
    /// Not what it changes itself.
    pub(crate) const NO_LOOP: u32 = 1 << 2;
    /// Whom it redirected to is gone.
    pub(crate) const BROKEN: u32 = 1 << 3;
}

impl Tracker {
    /// The bits that are set.
    pub(crate) fn mode(&self) -> u32 {
        self.mode.load(Relaxed)
    }
    /// Sets how it tracks.
    pub(super) fn set(&self, mode: u32, redirect: Option<Arc<ClientHandle>>) {
        *self.redirect.lock() = redirect;
        self.mode.store(mode, SeqCst);
    }
    /// The id of who is told in its place; 0: it is told itself. None: it does not track.
    pub fn redirect(&self) -> Option<u64> {
        let is_on = self.mode() & Mode::ON != 0;
        is_on.then(|| self.redirect.lock().as_ref().map_or(0, |target| target.id))
    }
}

/// Tells a client that tracks, or who is told in its place.
pub(super) fn tell(client: &ClientHandle, what: &Arc<Invalidation>) {
    let target = client.tracker.redirect.lock().clone();
    let Some(target) = target else {
        if client.published.protocol.load(Relaxed) == 3 {
            client.push(Push::Invalidation(what.clone(), false));
        }
        return;
    };
    if target.closed.load(SeqCst) || target.is_killed() {
        client.tracker.mode.fetch_or(Mode::BROKEN, SeqCst);
        client.push(Push::RedirectBroken(target.id));
    } else if target.published.protocol.load(Relaxed) == 3 || target.kind() == ClientKind::PubSub {
        target.push(Push::Invalidation(what.clone(), true));
    }
}
