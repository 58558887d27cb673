//! Snapshots and the append-only file.

macro_rules! persistence_directives {
    ($next:ident $($rest:ident)* => $($gathered:tt)*) => { $next! { $($rest)* => $($gathered)*
        "Persistence" {
            /// After how many seconds with how many writes the data set is saved; empty is never.
            save: Vec<SavePoint> = Save, WORKS;

            /// File of the snapshot.
            dbfilename: String = Text::new("dump.rdb").checked(db_file_name),
                WORKS.protected();

            /// Whether strings in the snapshot are compressed.
            rdbcompression: bool = Switch(true), kept("applies to DUMP; there are no files yet");

            /// Whether the snapshot ends in a checksum.
            rdbchecksum: bool = Switch(true), WORKS.immutable();

            /// Version of the snapshot's format; auto is the one that the compatibility level and the data ask for.
            rdb_version: RdbVersion = Pick(RdbVersion::Auto), WORKS.origin(Origin::Own);

            /// Whether snapshots of unknown versions are tried.
            rdb_version_check: RdbVersionCheck = Pick(RdbVersionCheck::Strict),
                WORKS.origin(Origin::Valkey);

            /// Whether the snapshot reaches the disk bit by bit.
            rdb_save_incremental_fsync: bool = Switch(true), WORKS;

            /// Whether snapshots are removed that only served a replica.
            rdb_del_sync_files: bool = Switch(false), WORKS;

            /// Microseconds to wait after each key that is saved, for tests.
            rdb_key_save_delay: i32 = Int::new(0, INT_MIN, INT_MAX), WORKS.hidden();

            /// Microseconds to wait after each key that is loaded, for tests.
            key_load_delay: i32 = Int::new(0, INT_MIN, INT_MAX), WORKS.hidden();

            /// Bytes that are loaded between two looks at the clients.
            loading_process_events_interval_bytes: u32 = Int::new(2_097_152, 1024, INT_MAX),
                WORKS.hidden();

            /// Whether writes are refused after a snapshot has failed.
            stop_writes_on_bgsave_error: bool = Switch(true), WORKS;

            /// Whether every write goes to the append-only file.
            appendonly: bool = Switch(false), WORKS.deny_loading();

            /// Base name of its files.
            appendfilename: String = Text::new("appendonly.aof").checked(append_file_name),
                WORKS.immutable();

            /// Directory of its files.
            appenddirname: String = Text::new("appendonlydir").checked(append_directory_name),
                WORKS.immutable();

            /// When it reaches the disk.
            appendfsync: AppendFsync = Pick(AppendFsync::EverySec), WORKS;

            /// Whether it is left to the system while a snapshot is written.
            no_appendfsync_on_rewrite: bool = Switch(false), WORKS;

            /// Growth in percent after which it is rewritten; 0 is never.
            auto_aof_rewrite_percentage: u32 = Int::new(100, 0, INT_MAX), WORKS;

            /// Size below which it is not rewritten.
            auto_aof_rewrite_min_size: u64 = Memory::new(64 << 20, 0, LONG_MAX), WORKS;

            /// Whether a file with a torn end is loaded.
            aof_load_truncated: bool = Switch(true), WORKS;

            /// Whether its base is a snapshot.
            aof_use_rdb_preamble: bool = Switch(true), WORKS;

            /// Whether it notes the time.
            aof_timestamp_enabled: bool = Switch(false), WORKS;

            /// Whether a rewrite reaches the disk bit by bit.
            aof_rewrite_incremental_fsync: bool = Switch(true), WORKS;

            /// Whether replaced files are kept.
            aof_disable_auto_gc: bool = Switch(false), WORKS.hidden();
        }
    }};
}
