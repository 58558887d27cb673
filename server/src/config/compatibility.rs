//! Everything that `compatibility-level` switches. Nothing else in the server asks for a version.

use super::codec::Choice;

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

    /// The version of RDB that is written.
    #[must_use]
    pub fn rdb_version(self) -> u32 {
        match self {
            Self::V7_0 => 10,
            Self::V7_2 | Self::Native => 11,
        }
    }

    /// Whether the error for a script that has written, and so cannot be killed, is the one of 7.0.
    #[must_use]
    pub fn old_unkillable_text(self) -> bool {
        self == Self::V7_0
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

    /// Whether floating-point replies are printed with 17 digits, where later versions print the shortest text that
    /// reads back.
    #[must_use]
    pub fn prints_17_digits(self) -> bool {
        self == Self::V7_0
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

    /// Whether PFDEBUG knows SIMD.
    #[must_use]
    pub fn has_simd_switch(self) -> bool {
        self == Self::Native
    }

    /// Whether HSCAN knows NOVALUES, and ZSCAN NOSCORES.
    #[must_use]
    pub fn has_later_scan_options(self) -> bool {
        self == Self::Native
    }

    /// Whether SORT reads numbers as the C library does: hexadecimal ones, those behind blanks, nothing as zero.
    #[must_use]
    pub fn sorts_c_numbers(self) -> bool {
        self != Self::Native
    }

    /// Whether error texts that changed after 7.0 are the old ones.
    #[must_use]
    pub fn old_error_texts(self) -> bool {
        self == Self::V7_0
    }
}

/// Directives whose default at `level` is not the declared one, which is that of `native`.
pub(super) fn changed_defaults(level: Level) -> &'static [(&'static str, &'static str)] {
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
        Level::V7_0 | Level::V7_2 => REDIS,
        Level::Native => &[],
    }
}
