//! Cluster mode.

macro_rules! cluster_directives {
    ($next:ident $($rest:ident)* => $($gathered:tt)*) => { $next! { $($rest)* => $($gathered)*
        "Cluster" {
            /// Whether the server is a node of a cluster.
            cluster_enabled: bool = Switch(false), not_yet("cluster mode").immutable();

            /// File in which a node keeps what it knows of the cluster.
            cluster_config_file: String = Text::new("nodes.conf"), kept("takes effect with cluster mode").immutable();

            /// What follows when that file cannot be written.
            cluster_config_save_behavior: ConfigSaveBehavior = Pick(ConfigSaveBehavior::Sync),
                kept("takes effect with cluster mode").origin(Origin::Valkey);

            /// Port of the bus; 0 is the client port plus 10000.
            cluster_port: u16 = Int::new(0, 0, 65535), kept("takes effect with cluster mode").immutable();

            /// How many databases a node has.
            cluster_databases: u32 = Int::new(1, 1, INT_MAX),
                kept("takes effect with cluster mode").immutable().origin(Origin::Valkey);

            /// Milliseconds of silence after which a node counts as failing.
            cluster_node_timeout: u64 = Int::new(15_000, 0, i64::MAX), kept("takes effect with cluster mode");

            /// Milliseconds between two pings; 0 derives them.
            cluster_ping_interval: u64 = Int::new(0, 0, i64::MAX),
                kept("takes effect with cluster mode").hidden().origin(Origin::Later);

            /// Share of nodes that a message gossips about, in percent.
            cluster_message_gossip_perc: u32 = Int::new(10, 0, 100),
                kept("takes effect with cluster mode").hidden().origin(Origin::Valkey);

            /// How stale a replica may be and still stand for election; 0 is any.
            cluster_replica_validity_factor: u32 = Int::new(10, 0, INT_MAX),
                kept("takes effect with cluster mode").aliases(&["cluster-slave-validity-factor"]);

            /// Whether a replica never starts an election.
            cluster_replica_no_failover: bool = Switch(false),
                kept("takes effect with cluster mode").aliases(&["cluster-slave-no-failover"]);

            /// Replicas that a primary keeps when one moves to an orphan.
            cluster_migration_barrier: u32 = Int::new(1, 0, INT_MAX), kept("takes effect with cluster mode");

            /// Whether replicas move to orphans at all.
            cluster_allow_replica_migration: bool = Switch(true), kept("takes effect with cluster mode");

            /// Whether nodes stop when a slot is not covered.
            cluster_require_full_coverage: bool = Switch(true), kept("takes effect with cluster mode");

            /// Whether a cluster that is down still answers reads.
            cluster_allow_reads_when_down: bool = Switch(false), kept("takes effect with cluster mode");

            /// Whether it still passes on sharded messages.
            cluster_allow_pubsubshard_when_down: bool = Switch(true), kept("takes effect with cluster mode");

            /// Output that may wait on a link of the bus; 0 is no limit.
            cluster_link_sendbuf_limit: u64 = Memory::new(0, 0, u64::MAX as i128),
                kept("takes effect with cluster mode");

            /// Seconds for which a forgotten node is not met again.
            cluster_blacklist_ttl: u64 = Int::new(60, 0, i64::MAX),
                kept("takes effect with cluster mode").origin(Origin::Valkey);

            /// Milliseconds that a manual failover may take.
            cluster_manual_failover_timeout: u32 = Int::new(5000, 1, INT_MAX),
                kept("takes effect with cluster mode").origin(Origin::Valkey);

            /// Whether each slot has statistics.
            cluster_slot_stats_enabled: bool = Switch(false), not_yet("cluster mode").origin(Origin::Later);

            /// Entries that the log of migrated slots keeps.
            cluster_slot_migration_log_max_len: u64 = Int::new(1000, 0, i64::MAX),
                kept("takes effect with cluster mode").origin(Origin::Valkey);

            /// Bytes behind which a migrated slot is not yet handed over; -1 is no limit.
            slot_migration_max_failover_repl_bytes: i64 = Memory::new(0, -1, LONG_MAX),
                kept("takes effect with cluster mode").origin(Origin::Valkey);

            /// Share of commands that are checked for use in a cluster, in percent.
            cluster_compatibility_sample_ratio: u32 = Int::new(0, 0, 100), not_yet("that check").origin(Origin::Redis8);

            /// What clients are told to connect to.
            cluster_preferred_endpoint_type: EndpointType = Pick(EndpointType::Ip),
                kept("takes effect with cluster mode");

            /// Address that a node tells others.
            cluster_announce_ip: String = Text::optional(), kept("takes effect with cluster mode");

            /// Port that a node tells others; 0 is its own.
            cluster_announce_port: u16 = Int::new(0, 0, 65535), kept("takes effect with cluster mode");

            /// TLS port that a node tells others.
            cluster_announce_tls_port: u16 = Int::new(0, 0, 65535), kept("takes effect with cluster mode");

            /// Port of the bus that a node tells others.
            cluster_announce_bus_port: u16 = Int::new(0, 0, 65535), kept("takes effect with cluster mode");

            /// Host name that a node tells others.
            cluster_announce_hostname: String = Text::optional().checked(host_name),
                kept("takes effect with cluster mode");

            /// Name for people that a node tells others.
            cluster_announce_human_nodename: String = Text::optional().checked(node_name),
                kept("takes effect with cluster mode").origin(Origin::Later);

            /// IPv4 address that clients are told.
            cluster_announce_client_ipv4: String = Text::optional().checked(ipv4),
                kept("takes effect with cluster mode").origin(Origin::Valkey);

            /// IPv6 address that clients are told.
            cluster_announce_client_ipv6: String = Text::optional().checked(ipv6),
                kept("takes effect with cluster mode").origin(Origin::Valkey);

            /// Port that clients are told; 0 is the node's own.
            cluster_announce_client_port: u16 = Int::new(0, 0, 65535),
                kept("takes effect with cluster mode").origin(Origin::Valkey);

            /// TLS port that clients are told.
            cluster_announce_client_tls_port: u16 = Int::new(0, 0, 65535),
                kept("takes effect with cluster mode").origin(Origin::Valkey);
        }
    }};
}
