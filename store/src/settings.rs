//! What the embedding program may change while the store runs.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

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
    /// Bytes up to which a HyperLogLog is sparse.
    pub hll_sparse_max_bytes: AtomicU64,
    /// As [`Limits::fill`](crate::quicklist::Limits::fill).
    pub list_max_listpack_size: AtomicI32,
    /// As [`Limits::compress_depth`](crate::quicklist::Limits::compress_depth).
    pub list_compress_depth: AtomicU32,
    /// As [`Limits::plain_bytes`](crate::quicklist::Limits::plain_bytes).
    pub list_plain_bytes: AtomicU32,
    /// As [`Limits::short_as_listpack`](crate::quicklist::Limits::short_as_listpack).
    pub list_short_as_listpack: AtomicBool,
    /// Most members of a set that is an intset.
    pub set_max_intset_entries: AtomicU64,
    /// As [`Limits::packs`](crate::set::Limits::packs).
    pub set_listpacks: AtomicBool,
    /// How large a set may be as a listpack.
    pub set_listpack: PackSettings,
    /// How large a hash may be as a listpack.
    pub hash_listpack: PackSettings,
    /// Whether setting more fields at once than a listpack may have makes a table, even where some are the same.
    pub hash_presized: AtomicBool,
    /// How large a sorted set may be as a listpack.
    pub zset_listpack: PackSettings,
    /// Most bytes of a node of a stream; 0: any number.
    pub stream_node_max_bytes: AtomicU64,
    /// Most entries of a node of a stream; 0: any number.
    pub stream_node_max_entries: AtomicU64,
}

/// How large a value may be as a listpack.
#[derive(Debug)]
pub struct PackSettings {
    /// Most elements (fields of a hash).
    pub entries: AtomicU64,
    /// Longest element (field or value of a hash), bytes.
    pub value: AtomicU64,
}

/// How large a value may be as a listpack, at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackLimits {
    /// Most elements (fields of a hash).
    pub(crate) entries: usize,
    /// Longest element (field or value of a hash), bytes.
    pub(crate) value: usize,
}

impl PackSettings {
    fn new(entries: u64) -> PackSettings {
        PackSettings { entries: AtomicU64::new(entries), value: AtomicU64::new(64) }
    }

    /// Changes both.
    pub fn set(&self, entries: u64, value: u64) {
        self.entries.store(entries, Relaxed);
        self.value.store(value, Relaxed);
    }

    #[inline]
    pub(crate) fn limits(&self) -> PackLimits {
        PackLimits { entries: self.entries.load(Relaxed) as usize, value: self.value.load(Relaxed) as usize }
    }
}

impl Settings {
    /// The settings for lists.
    #[inline]
    pub fn list_limits(&self) -> crate::quicklist::Limits {
        let short_as_listpack = self.list_short_as_listpack.load(Relaxed);
        let plain_bytes = match self.list_plain_bytes.load(Relaxed) {
            // As before Redis 7.2: the size of nodes has nothing to do with it.
            0 if !short_as_listpack => 1 << 30,
            bytes => bytes,
        };
        crate::quicklist::Limits {
            fill: self.list_max_listpack_size.load(Relaxed),
            compress_depth: self.list_compress_depth.load(Relaxed),
            plain_bytes,
            short_as_listpack,
        }
    }
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
            hll_sparse_max_bytes: AtomicU64::new(3000),
            list_max_listpack_size: AtomicI32::new(-2),
            list_compress_depth: AtomicU32::new(0),
            list_plain_bytes: AtomicU32::new(0),
            list_short_as_listpack: AtomicBool::new(true),
            set_max_intset_entries: AtomicU64::new(512),
            set_listpacks: AtomicBool::new(true),
            set_listpack: PackSettings::new(128),
            hash_listpack: PackSettings::new(512),
            hash_presized: AtomicBool::new(true),
            zset_listpack: PackSettings::new(128),
            stream_node_max_bytes: AtomicU64::new(4096),
            stream_node_max_entries: AtomicU64::new(100),
        }
    }
}
