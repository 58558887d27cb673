//! Up to which size values are kept compact.

macro_rules! encoding_directives {
    ($next:ident $($rest:ident)* => $($gathered:tt)*) => { $next! { $($rest)* => $($gathered)*
        "Encodings" {
            /// Fields up to which a hash is a listpack.
            hash_max_listpack_entries: u64 = Int::new(512, 0, i64::MAX),
                WORKS.effect(Effect::Store).aliases(&["hash-max-ziplist-entries"]);

            /// Length of a field or value up to which a hash is a listpack.
            hash_max_listpack_value: u64 = Memory::new(64, 0, LONG_MAX),
                WORKS.effect(Effect::Store).aliases(&["hash-max-ziplist-value"]);

            /// Bytes of a node of a list if negative (-1 4 kB, -2 8 kB, up to -5 64 kB), else elements of it.
            list_max_listpack_size: i32 = Int::new(-2, INT_MIN, INT_MAX),
                WORKS.effect(Effect::Store).aliases(&["list-max-ziplist-size"]);

            /// Nodes at either end of a list that are not compressed; 0 compresses none.
            list_compress_depth: u32 = Int::new(0, 0, INT_MAX), WORKS.effect(Effect::Store);

            /// Members up to which a set of integers is an intset.
            set_max_intset_entries: u64 = Int::new(512, 0, i64::MAX), WORKS.effect(Effect::Store);

            /// Members up to which a set is a listpack.
            set_max_listpack_entries: u64 = Int::new(128, 0, i64::MAX),
                WORKS.effect(Effect::Store).origin(Origin::Later);

            /// Length of a member up to which a set is a listpack.
            set_max_listpack_value: u64 = Int::new(64, 0, i64::MAX),
                WORKS.effect(Effect::Store).origin(Origin::Later);

            /// Members up to which a sorted set is a listpack.
            zset_max_listpack_entries: u64 = Int::new(128, 0, i64::MAX),
                WORKS.effect(Effect::Store).aliases(&["zset-max-ziplist-entries"]);

            /// Length of a member up to which a sorted set is a listpack.
            zset_max_listpack_value: u64 = Memory::new(64, 0, LONG_MAX),
                WORKS.effect(Effect::Store).aliases(&["zset-max-ziplist-value"]);

            /// Bytes up to which a HyperLogLog is sparse.
            hll_sparse_max_bytes: u64 = Memory::new(3000, 0, LONG_MAX), WORKS.effect(Effect::Store);

            /// Bytes of a node of a stream; 0 is no limit.
            stream_node_max_bytes: u64 = Memory::new(4096, 0, LONG_MAX), WORKS.effect(Effect::Store);

            /// Entries of a node of a stream; 0 is no limit.
            stream_node_max_entries: u64 = Int::new(100, 0, i64::MAX), WORKS.effect(Effect::Store);

            /// Whether vector sets are searched in one thread.
            vset_force_single_threaded_execution: bool = Switch(false), not_yet("vector sets").origin(Origin::Redis8);
        }
    }};
}
