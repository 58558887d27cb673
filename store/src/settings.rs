//! What the embedding program may change while the store runs.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

/// Which keys go first when memory runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Policy {
    /// Evict nothing.
    NoEviction = 0,
    /// Any key, the longest unused first.
    AllKeysLru,
    /// Keys with a deadline, the longest unused first.
    VolatileLru,
    /// Any key, the least often used first.
    AllKeysLfu,
    /// Keys with a deadline, the least often used first.
    VolatileLfu,
    /// Any key.
    AllKeysRandom,
    /// Any key with a deadline.
    VolatileRandom,
    /// Keys with a deadline, the nearest deadline first.
    VolatileTtl,
}

impl Policy {
    /// Whether the access bits count uses instead of telling the last one.
    pub fn is_lfu(self) -> bool {
        matches!(self, Policy::AllKeysLfu | Policy::VolatileLfu)
    }
    /// Whether the access bits tell the last use and decide about eviction.
    pub fn is_lru(self) -> bool {
        matches!(self, Policy::AllKeysLru | Policy::VolatileLru)
    }
    /// Whether only keys with a deadline may go.
    pub fn is_volatile(self) -> bool {
        matches!(self, Policy::VolatileLru | Policy::VolatileLfu | Policy::VolatileRandom | Policy::VolatileTtl)
    }
    fn from_u8(number: u8) -> Policy {
        match number {
            1 => Policy::AllKeysLru,
            2 => Policy::VolatileLru,
            3 => Policy::AllKeysLfu,
            4 => Policy::VolatileLfu,
            5 => Policy::AllKeysRandom,
            6 => Policy::VolatileRandom,
            7 => Policy::VolatileTtl,
            _ => Policy::NoEviction,
        }
    }
}

/// Tunables, read without a lock by every thread.
#[derive(Debug)]
pub struct Settings {
    /// Bytes above which keys are evicted; 0: no limit.
    pub maxmemory: AtomicU64,
    policy: AtomicU8,
    /// Keys looked at for each eviction.
    pub maxmemory_samples: AtomicU32,
    /// The larger, the slower the LFU counter grows.
    pub lfu_log_factor: AtomicU32,
    /// Minutes after which the LFU counter loses one; 0: never.
    pub lfu_decay_time: AtomicU32,
    /// Whether the active expiry cycle runs at all.
    pub active_expire: AtomicBool,
    /// How much the active expiry cycle does, 1 to 10.
    pub active_expire_effort: AtomicU32,
    /// Runs of the active expiry cycle a second.
    pub hz: AtomicU32,
    /// Longest string, bytes.
    pub proto_max_bulk_len: AtomicU64,
}

impl Settings {
    /// The eviction policy.
    pub fn policy(&self) -> Policy {
        Policy::from_u8(self.policy.load(Relaxed))
    }
    /// Changes the eviction policy. Access bits keep their old reading until the next access.
    pub fn set_policy(&self, policy: Policy) {
        self.policy.store(policy as u8, Relaxed);
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            maxmemory: AtomicU64::new(0),
            policy: AtomicU8::new(Policy::NoEviction as u8),
            maxmemory_samples: AtomicU32::new(5),
            lfu_log_factor: AtomicU32::new(10),
            lfu_decay_time: AtomicU32::new(1),
            active_expire: AtomicBool::new(true),
            active_expire_effort: AtomicU32::new(1),
            hz: AtomicU32::new(10),
            proto_max_bulk_len: AtomicU64::new(512 << 20),
        }
    }
}
