//! Everything that `compatibility-level` switches. Nothing else in the server asks for a version.

use super::codec::Choice;
use ochre_resp::reply::DoubleFormat;
use ochre_store::stream::Counting;

/// The version whose behaviour is followed where versions disagree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Redis 7.0.
    V7_0,
    /// Redis 7.2.
    V7_2,
    /// Redis 7.2 with the defaults and additions of Valkey.
    Native,
}

impl Choice for Level {
    const WORDS: &'static [(&'static str, Self)] =
        &[("7.0", Self::V7_0), ("7.2", Self::V7_2), ("native", Self::Native)];
}

impl Level {
    /// Whether a list is a quicklist from its first element on, where later versions begin with a listpack.
    #[must_use]
    pub fn small_lists_are_quicklists(self) -> bool {
        self == Self::V7_0
    }

    /// Whether a small set of strings is a hash table, where later versions have a listpack.
    #[must_use]
    pub fn small_sets_are_hashtables(self) -> bool {
        self == Self::V7_0
    }

    /// At how many entries a bucket tables double, times ten, if not at the usual fill. At 7.0 they do where those of Redis do,
    /// at a power of two of entries, which its programs look at (DEBUG HTSTATS).
    #[must_use]
    pub fn bucket_fill_tenths(self) -> Option<usize> {
        (self == Self::V7_0).then_some(40)
    }

    /// Whether a process of its own stands for what saves in the background, as a forked child does in Redis: whoever ends it
    /// ends the job, and tables stay as large as they are while it lives.
    #[must_use]
    pub fn shows_job_processes(self) -> bool {
        self == Self::V7_0
    }

    /// The version of RDB that is written.
    #[must_use]
    pub fn rdb_version(self) -> u32 {
        match self {
            Self::V7_0 => 10,
            Self::V7_2 | Self::Native => 11,
        }
    }

    /// Whether scripts may not call what may block, where later versions have it not block.
    #[must_use]
    pub fn refuses_blocking_in_scripts(self) -> bool {
        self == Self::V7_0
    }

    /// Whether a script that has written cannot be killed, where otherwise what it has written is taken back.
    #[must_use]
    pub fn keeps_what_scripts_wrote(self) -> bool {
        self != Self::Native
    }

    /// Whether who waits for news in a stream as one of a group gets an error of its own when the stream is gone, where later
    /// versions run the command once more.
    #[must_use]
    pub fn has_own_error_for_lost_stream(self) -> bool {
        self == Self::V7_0
    }

    /// Whether BITCOUNT and BITPOS look at the key before they check the range, so that a wrong range of a missing key
    /// is no error.
    #[must_use]
    pub fn checks_bit_ranges_last(self) -> bool {
        self == Self::V7_0
    }

    /// Whether BITCOUNT refuses a start without an end.
    #[must_use]
    pub fn bitcount_wants_an_end(self) -> bool {
        self != Self::Native
    }

    /// How floating-point replies are printed: with 17 digits, or since 7.2 as the shortest text that reads back.
    #[must_use]
    pub fn doubles(self) -> DoubleFormat {
        if self == Self::V7_0 { DoubleFormat::Digits17 } else { DoubleFormat::Shortest }
    }

    /// Whether numbers are read as C's `strtod` does, hexadecimal ones included, and ends of ranges with blanks before
    /// them, where later versions read decimal digits only.
    #[must_use]
    pub fn reads_numbers_as_strtod(self) -> bool {
        self != Self::Native
    }

    /// Whether the first member that ZADD adds decides how a new sorted set begins, where later versions look at all
    /// members, also where the set exists.
    #[must_use]
    pub fn begins_sorted_sets_with_the_first_member(self) -> bool {
        self == Self::V7_0
    }

    /// Whether LTRIM that removes nothing aborts the transactions of those who watch the list.
    #[must_use]
    pub fn trims_touch_lists(self) -> bool {
        self != Self::Native
    }

    /// Whether a search around a missing member says that the member cannot be decoded.
    #[must_use]
    pub fn blames_undecodable_members(self) -> bool {
        self != Self::Native
    }

    /// Whether GEOSEARCH searches polygons.
    #[must_use]
    pub fn searches_polygons(self) -> bool {
        self == Self::Native
    }

    /// Whether certificates that have expired or are not valid yet are refused when they are read.
    #[must_use]
    pub fn refuses_outdated_certificates(self) -> bool {
        self == Self::Native
    }

    /// Whether RESET ends what CLIENT NO-EVICT has begun.
    #[must_use]
    pub fn reset_ends_exemption(self) -> bool {
        self == Self::Native
    }

    /// Whether CLIENT LIST takes all that follows ID for ids, and CLIENT KILL knows one, where later filters may follow
    /// them.
    #[must_use]
    pub fn reads_client_ids_as_redis(self) -> bool {
        self != Self::Native
    }

    /// Whether CLIENT LIST tells the libraries that clients announced.
    #[must_use]
    pub fn shows_client_libraries(self) -> bool {
        self != Self::V7_0
    }

    /// Whether CLIENT LIST tells how many keys clients watch.
    #[must_use]
    pub fn shows_watched_keys(self) -> bool {
        self == Self::Native
    }

    /// Whether CLIENT LIST tells the capabilities that clients announced.
    #[must_use]
    pub fn shows_client_capabilities(self) -> bool {
        self == Self::Native
    }

    /// Whether CLIENT LIST tells how much clients have sent and received.
    #[must_use]
    pub fn shows_client_traffic(self) -> bool {
        self == Self::Native
    }

    /// Whether a pattern in CONFIG GET passes over directives that Redis 7.0 does not have: its programs set again what
    /// they were shown.
    #[must_use]
    pub fn hides_later_directives(self) -> bool {
        self == Self::V7_0
    }

    /// Whether INFO keyspace tells how many hashes have fields that expire.
    #[must_use]
    pub fn shows_field_keys(self) -> bool {
        self == Self::Native
    }

    /// Whether a reply comes only once the append-only file has what it depends on, synced or not.
    #[must_use]
    pub fn answers_after_append(self) -> bool {
        self != Self::Native
    }

    /// Whether INFO replication tells what a replica's connection is for.
    #[must_use]
    pub fn shows_replica_types(self) -> bool {
        self == Self::Native
    }

    /// Whether cursors of SCAN are read as C's `strtoul` does: nothing is 0, and negative ones wrap.
    #[must_use]
    pub fn reads_cursors_as_strtoul(self) -> bool {
        self == Self::V7_0
    }

    /// Whether a client that has waited is refused what takes memory while that is short, as if it had only just asked.
    #[must_use]
    pub fn checks_memory_for_waiters(self) -> bool {
        self != Self::V7_0
    }

    /// Whether HSCAN knows NOVALUES, and ZSCAN NOSCORES.
    #[must_use]
    pub fn has_later_scan_options(self) -> bool {
        self == Self::Native
    }

    /// Whether PFDEBUG knows SIMD.
    #[must_use]
    pub fn has_simd_switch(self) -> bool {
        self == Self::Native
    }

    /// Whether SORT reads numbers as the C library does: hexadecimal ones, those behind blanks, nothing as zero.
    #[must_use]
    pub fn sorts_c_numbers(self) -> bool {
        self != Self::Native
    }

    /// How groups of a stream count what they have read.
    #[must_use]
    pub fn stream_counting(self) -> Counting {
        if self == Self::V7_0 { Counting::V7_0 } else { Counting::V7_2 }
    }

    /// Whether a consumer of a stream is created, and counts as seen, only if there is something for it.
    #[must_use]
    pub fn sees_served_consumers_only(self) -> bool {
        self == Self::V7_0
    }

    /// Whether XINFO tells when a consumer last got something.
    #[must_use]
    pub fn shows_active_consumers(self) -> bool {
        self != Self::V7_0
    }

    /// Whether XSETID may set an ID below that of a deleted entry.
    #[must_use]
    pub fn xsetid_may_precede_deleted(self) -> bool {
        self == Self::V7_0
    }

    /// How many entries XREAD and XREADGROUP give a client that has waited and has not said how many; 0 means all.
    #[must_use]
    pub fn blocked_read_count(self) -> u64 {
        if self == Self::V7_0 { 1000 } else { 0 }
    }

    /// Whether a client that has waited for streams is served from the one that became ready alone, and once even if it named
    /// that twice.
    #[must_use]
    pub fn serves_waiters_from_one_stream(self) -> bool {
        self == Self::V7_0
    }

    /// Whether XREAD takes `+` for the last entry.
    #[must_use]
    pub fn reads_last_stream_entry(self) -> bool {
        self == Self::Native
    }

    /// Whether XADD and XTRIM can be told what becomes of references to the entries that go.
    #[must_use]
    pub fn trims_stream_references(self) -> bool {
        self == Self::Native
    }

    /// Whether MULTI and WATCH inside MULTI are refused like others that are not allowed there, so that EXEC does nothing.
    #[must_use]
    pub fn refuses_nested_transactions(self) -> bool {
        self == Self::Native
    }

    /// Whether the error of a command that is not allowed inside MULTI names it.
    #[must_use]
    pub fn names_commands_refused_in_transactions(self) -> bool {
        self == Self::Native
    }

    /// Whether users may be confined to some databases.
    #[must_use]
    pub fn has_database_rules(self) -> bool {
        self == Self::Native
    }

    /// Whether a new user is from the beginning one whose payloads are checked.
    #[must_use]
    pub fn sanitizes_new_users(self) -> bool {
        self != Self::V7_0
    }

    /// Whether a user's description tells whether payloads are checked.
    #[must_use]
    pub fn shows_sanitizing(self) -> bool {
        self != Self::Native
    }

    /// Whether a user's description holds fewer rules about commands that come to the same, instead of those that were
    /// given.
    #[must_use]
    pub fn rewrites_command_rules(self) -> bool {
        self == Self::V7_0
    }

    /// Whether ACL LOAD spares the clients of users that are in the file.
    #[must_use]
    pub fn keeps_clients_of_loaded_users(self) -> bool {
        self != Self::V7_0
    }

    /// Whether entries of ACL LOG have numbers and times.
    #[must_use]
    pub fn numbers_denials(self) -> bool {
        self != Self::V7_0
    }

    /// Whether texts call the server by the name of Redis.
    #[must_use]
    pub fn calls_itself_redis(self) -> bool {
        self != Self::Native
    }

    /// Whether who has not logged in is told so before anything else.
    #[must_use]
    pub fn asks_for_login_first(self) -> bool {
        self == Self::Native
    }

    /// Whether error texts that changed after 7.0 are the old ones.
    #[must_use]
    pub fn old_error_texts(self) -> bool {
        self == Self::V7_0
    }
}

/// Directives whose default at `level` is not the declared one, which is that of `native`.
pub(super) fn changed_defaults(level: Level) -> Vec<(&'static str, &'static str)> {
    const REDIS: &[(&str, &str)] = &[
        ("lazyfree-lazy-eviction", "no"),
        ("lazyfree-lazy-expire", "no"),
        ("lazyfree-lazy-server-del", "no"),
        ("lazyfree-lazy-user-del", "no"),
        ("lazyfree-lazy-user-flush", "no"),
        ("replica-lazy-flush", "no"),
        ("repl-backlog-size", "1mb"),
        ("syslog-ident", "redis"),
        ("hide-user-data-from-log", "no"),
    ];
    match level {
        // Its clients could tell the order of commands sent over different connections.
        Level::V7_0 => [&[("worker-threads", "1")], REDIS].concat(),
        Level::V7_2 => REDIS.to_vec(),
        Level::Native => Vec::new(),
    }
}
