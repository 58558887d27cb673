//! Memory: its limit, eviction, freeing and fragmentation.

macro_rules! memory_directives {
    ($next:ident $($rest:ident)* => $($gathered:tt)*) => { $next! { $($rest)* => $($gathered)*
        "Memory" {
            /// Memory that data may take; 0 is no limit.
            maxmemory: u64 = Memory::new(0, 0, u64::MAX as i128), WORKS.effect(Effect::Store);

            /// What is dropped when that is exceeded.
            maxmemory_policy: Policy = Pick(Policy::NoEviction), WORKS.effect(Effect::Store);

            /// Keys that are compared to find one to drop.
            maxmemory_samples: u32 = Int::new(5, 1, INT_MAX), WORKS.effect(Effect::Store);

            /// How long a command may be held up by dropping keys: 0 hardly, 100 until memory suffices.
            maxmemory_eviction_tenacity: u32 = Int::new(10, 0, 100), WORKS;

            /// Accesses that saturate the frequency counter: the higher, the more.
            lfu_log_factor: u32 = Int::new(10, 0, INT_MAX), WORKS.effect(Effect::Store);

            /// Minutes after which the frequency counter falls by one; 0 never.
            lfu_decay_time: u32 = Int::new(1, 0, INT_MAX), WORKS.effect(Effect::Store);

            /// Whether evicted values are freed in the background.
            lazyfree_lazy_eviction: bool = Switch(true),
                kept("has no meaning here: large values are always freed in the background");

            /// Whether expired values are freed in the background.
            lazyfree_lazy_expire: bool = Switch(true),
                kept("has no meaning here: large values are always freed in the background");

            /// Whether values that a command overwrites are freed in the background.
            lazyfree_lazy_server_del: bool = Switch(true),
                kept("has no meaning here: large values are always freed in the background");

            /// Whether DEL frees as UNLINK does.
            lazyfree_lazy_user_del: bool = Switch(true),
                kept("has no meaning yet: large strings are always freed in the background");

            /// Whether FLUSHDB and FLUSHALL without option free in the background.
            lazyfree_lazy_user_flush: bool = Switch(true), WORKS;

            /// Whether tables go on growing into their new buckets while the server is idle.
            activerehashing: bool = Switch(true), kept("takes effect with rehashing in idle time");

            /// Whether the allocator gives memory back in threads of its own.
            jemalloc_bg_thread: bool = Switch(true), WORKS.effect(Effect::Store);

            /// Whether memory is compacted while the server runs.
            activedefrag: bool = Switch(false), not_yet("active defragmentation");

            /// Waste below which nothing is compacted.
            active_defrag_ignore_bytes: u64 = Memory::new(100 << 20, 1, LONG_MAX),
                kept("takes effect with active defragmentation");

            /// Fragmentation in percent at which compaction begins.
            active_defrag_threshold_lower: u32 = Int::new(10, 0, 1000),
                kept("takes effect with active defragmentation");

            /// Fragmentation in percent at which it works hardest.
            active_defrag_threshold_upper: u32 = Int::new(100, 0, 1000),
                kept("takes effect with active defragmentation");

            /// Share of a core it uses at the lower threshold.
            active_defrag_cycle_min: u32 = Int::new(1, 1, 99), kept("takes effect with active defragmentation");

            /// Share of a core it uses at the upper threshold.
            active_defrag_cycle_max: u32 = Int::new(25, 1, 99), kept("takes effect with active defragmentation");

            /// Microseconds it may work without a break.
            active_defrag_cycle_us: u32 = Int::new(500, 0, 100_000),
                kept("takes effect with active defragmentation").origin(Origin::Valkey);

            /// Elements above which a value is compacted apart.
            active_defrag_max_scan_fields: u64 = Int::new(1000, 1, i64::MAX),
                kept("takes effect with active defragmentation");

            /// Whether huge pages are refused where the system gives them out unasked.
            disable_thp: bool = Switch(true), WORKS.immutable();

            /// Whether large data that hold still get huge pages, from a thread beside the workers.
            background_huge_pages: bool = Switch(true), WORKS.origin(Origin::Own);
        }
    }};
}
