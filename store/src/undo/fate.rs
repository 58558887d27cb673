//! Whether a unit that takes long may still be taken back.

use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

/// Decides, once, between those who want a unit taken back and the unit itself, which does what cannot be taken back.
#[derive(Debug, Default)]
pub struct Fate(AtomicU8);

const OPEN: u8 = 0;
const KILLED: u8 = 1;
const FIXED: u8 = 2;

impl Fate {
    /// Has the unit taken back. False: it is too late.
    pub fn kill(&self) -> bool {
        self.decide(KILLED)
    }
    /// Has it stay. False: it is to be taken back.
    pub fn fix(&self) -> bool {
        self.decide(FIXED)
    }
    /// Whether it is to be taken back.
    pub fn is_killed(&self) -> bool {
        self.0.load(SeqCst) == KILLED
    }
    /// Whether it cannot be taken back.
    pub fn is_fixed(&self) -> bool {
        self.0.load(SeqCst) == FIXED
    }
    fn decide(&self, fate: u8) -> bool {
        match self.0.compare_exchange(OPEN, fate, SeqCst, SeqCst) {
            Ok(_) => true,
            Err(decided) => decided == fate,
        }
    }
}
