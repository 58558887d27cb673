//! Primary and replicas.

macro_rules! replication_directives {
    ($next:ident $($rest:ident)* => $($gathered:tt)*) => { $next! { $($rest)* => $($gathered)*
        "Replication" {
            /// Host and port of the primary to follow.
            replicaof: Option<Upstream> = ReplicaOf, WORKS.immutable().aliases(&["slaveof"]);

            /// Password for the primary.
            masterauth: Vec<u8> = Secret, WORKS.sensitive().aliases(&["primaryauth"]);

            /// User for the primary.
            masteruser: String = Text::optional(),
                WORKS.sensitive().aliases(&["primaryuser"]);

            /// Whether a replica without its primary still answers.
            replica_serve_stale_data: bool = Switch(true),
                WORKS.aliases(&["slave-serve-stale-data"]);

            /// Whether a replica refuses writes.
            replica_read_only: bool = Switch(true), WORKS.aliases(&["slave-read-only"]);

            /// Whether a replica leaves eviction to its primary.
            replica_ignore_maxmemory: bool = Switch(true),
                WORKS.aliases(&["slave-ignore-maxmemory"]);

            /// Whether a replica frees its old data in the background.
            replica_lazy_flush: bool = Switch(true),
                WORKS.aliases(&["slave-lazy-flush"]);

            /// Whether a replica goes on when it cannot write to disk.
            replica_ignore_disk_write_errors: bool = Switch(false), WORKS;

            /// Rank for promotion: the lowest first, 0 never.
            replica_priority: u32 = Int::new(100, 0, INT_MAX),
                WORKS.aliases(&["slave-priority"]);

            /// Whether a replica is shown to Sentinel.
            replica_announced: bool = Switch(true), WORKS;

            /// Address that a replica tells its primary.
            replica_announce_ip: String = Text::optional(),
                WORKS.aliases(&["slave-announce-ip"]);

            /// Port that a replica tells its primary.
            replica_announce_port: u16 = Int::new(0, 0, 65535),
                WORKS.aliases(&["slave-announce-port"]);

            /// Replicas that must be in touch for a write to be accepted.
            min_replicas_to_write: u32 = Int::new(0, 0, INT_MAX),
                WORKS.aliases(&["min-slaves-to-write"]);

            /// Seconds after which a silent replica does not count.
            min_replicas_max_lag: u32 = Int::new(10, 0, INT_MAX),
                WORKS.aliases(&["min-slaves-max-lag"]);

            /// Bytes of history for replicas that come back.
            repl_backlog_size: u64 = Memory::new(10 << 20, 1, LONG_MAX).at_least(16 << 10), WORKS;

            /// Seconds it is kept without a replica; 0 is forever.
            repl_backlog_ttl: u64 = Int::new(3600, 0, i64::MAX), WORKS;

            /// Seconds of silence after which the link is given up.
            repl_timeout: u32 = Int::new(60, 1, INT_MAX), WORKS;

            /// Seconds between two pings to replicas.
            repl_ping_replica_period: u32 = Int::new(10, 1, INT_MAX),
                WORKS.aliases(&["repl-ping-slave-period"]);

            /// Whether data to replicas may wait to fill packets.
            repl_disable_tcp_nodelay: bool = Switch(false), WORKS;

            /// Whether a full synchronisation goes without a file on the primary.
            repl_diskless_sync: bool = Switch(true), WORKS;

            /// Seconds it waits for more replicas.
            repl_diskless_sync_delay: u32 = Int::new(5, 0, INT_MAX), WORKS;

            /// Replicas at which it waits no longer; 0 waits the whole time.
            repl_diskless_sync_max_replicas: u32 = Int::new(0, 0, INT_MAX), WORKS;

            /// How a replica takes in a full synchronisation.
            repl_diskless_load: DisklessLoad = Pick(DisklessLoad::Disabled),
                WORKS.deny_loading();

            /// Whether the link speaks Multipath TCP.
            repl_mptcp: bool = Switch(false), not_yet("Multipath TCP").immutable().origin(Origin::Valkey);

            /// Whether snapshot and stream come over two connections.
            dual_channel_replication_enabled: bool = Switch(false),
                not_yet("replication over two connections").origin(Origin::Valkey);

            /// The same in Redis 8.
            repl_rdb_channel: bool = Switch(true),
                kept("takes effect with replication").hidden().origin(Origin::Redis8);

            /// How much a replica may hold back during a full synchronisation; 0 follows its output buffer limit.
            replica_full_sync_buffer_limit: u64 = Memory::new(0, 0, LONG_MAX),
                kept("takes effect with replication").origin(Origin::Redis8);

            /// What follows when a replicated command fails.
            propagation_error_behavior: PropagationError = Pick(PropagationError::Ignore),
                WORKS;
        }
    }};
}
