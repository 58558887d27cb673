//! The link as INFO and ROLE show it.

use super::state::{Attempts, Stage, State, Transfer, Upstream};
use crate::clock::unix_ms;
use std::sync::atomic::Ordering::Relaxed;

/// How the link stands.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Host and port of the primary.
    pub host: String,
    /// See `host`.
    pub port: u16,
    /// How far it is.
    pub stage: Stage,
    /// Seconds since something came over it; -1: there is none.
    pub idle_s: i64,
    /// Seconds since there was one; -1: there was none yet.
    pub down_s: i64,
    /// Seconds since it was made; 0: there is none.
    pub up_s: i64,
    /// Seconds that there was none, in all, since there was one for the first time.
    pub down_in_all_s: i64,
    /// How often it was tried to make one.
    pub attempts: Attempts,
    /// How much of the snapshot has come.
    pub transfer: Option<Transfer>,
    /// Bytes that have come and are not executed.
    pub unexecuted: u64,
}

impl Upstream {
    /// How the link stands; nothing in a primary.
    pub fn summary(&self) -> Option<Summary> {
        let state = self.state.lock();
        let State { target, stage, link, down_since_ms, heard_ms, transfer, .. } = &*state;
        let target = target.as_ref()?;
        let seconds_since = |ms: i64| (unix_ms() - ms).max(0) / 1000;
        Some(Summary {
            host: target.host.clone(),
            port: target.port,
            stage: *stage,
            idle_s: if *stage == Stage::Connected { seconds_since(*heard_ms) } else { -1 },
            down_s: down_since_ms.map_or(-1, seconds_since),
            up_s: if *stage == Stage::Connected { seconds_since(state.up_since_ms) } else { 0 },
            down_in_all_s: (state.down_ms + down_since_ms.map_or(0, |ms| (unix_ms() - ms).max(0))) / 1000,
            attempts: state.attempts,
            transfer: transfer.clone(),
            unexecuted: link.as_ref().map_or(0, |link| link.published.query_len.load(Relaxed)),
        })
    }
}
