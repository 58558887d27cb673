//! Switches and choices: one word out of a fixed list.

use super::{Codec, Mention, single};

/// `yes` or `no`.
pub(in super::super) struct Switch(pub(in super::super) bool);

impl Codec for Switch {
    type Value = bool;

    fn default(&self) -> bool {
        self.0
    }

    fn parse(&self, words: &[Vec<u8>], _old: &bool, _mention: Mention) -> Result<bool, String> {
        let word = single(words)?;
        if word.eq_ignore_ascii_case(b"yes") {
            Ok(true)
        } else if word.eq_ignore_ascii_case(b"no") {
            Ok(false)
        } else {
            Err("argument must be 'yes' or 'no'".to_owned())
        }
    }

    fn render(&self, value: &bool) -> Vec<u8> {
        if *value { b"yes".to_vec() } else { b"no".to_vec() }
    }

    fn shape(&self) -> String {
        "yes or no".to_owned()
    }
}

/// A type that is one of several words.
pub(in super::super) trait Choice: Copy + PartialEq + Sync + 'static {
    /// Every word and what it means; the first word of a meaning is the one shown.
    const WORDS: &'static [(&'static str, Self)];
}

/// One word of a [`Choice`], and the default.
pub(in super::super) struct Pick<T>(pub(in super::super) T);

impl<T: Choice> Codec for Pick<T> {
    type Value = T;

    fn default(&self) -> T {
        self.0
    }

    fn parse(&self, words: &[Vec<u8>], _old: &T, _mention: Mention) -> Result<T, String> {
        let word = single(words)?;
        let found = T::WORDS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| *value).ok_or_else(|| must_be_one_of(T::WORDS.iter().map(|(name, _)| *name)))
    }

    fn render(&self, value: &T) -> Vec<u8> {
        name_of(*value).as_bytes().to_vec()
    }

    fn shape(&self) -> String {
        format!("one of {}", T::WORDS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "))
    }
}

/// The error for a word that is not on the list.
pub(super) fn must_be_one_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    format!("argument(s) must be one of the following: {}", words.collect::<Vec<_>>().join(", "))
}

fn name_of<T: Choice>(value: T) -> &'static str {
    T::WORDS.iter().find(|(_, meaning)| *meaning == value).map_or("", |(name, _)| *name)
}

macro_rules! choices {
    ($(
        $(#[doc = $about:literal])+
        $name:ident { $( $(#[doc = $doc:literal])+ $variant:ident: $word:literal $(| $other:literal)*, )+ }
    )+) => {$(
        $(#[doc = $about])+
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name { $( $(#[doc = $doc])+ $variant, )+ }

        impl $name {
            /// The word that a configuration file has for it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                name_of(self)
            }
        }

        impl Choice for $name {
            const WORDS: &'static [(&'static str, Self)] =
                &[$( ($word, Self::$variant), $( ($other, Self::$variant), )* )+];
        }
    )+};
}

choices! {
    /// Which keys are dropped when memory runs out.
    Policy {
        /// The least recently used of those with an expiry.
        VolatileLru: "volatile-lru",
        /// The least frequently used of those with an expiry.
        VolatileLfu: "volatile-lfu",
        /// Any of those with an expiry.
        VolatileRandom: "volatile-random",
        /// Those that expire soonest.
        VolatileTtl: "volatile-ttl",
        /// The least recently used.
        AllkeysLru: "allkeys-lru",
        /// The least frequently used.
        AllkeysLfu: "allkeys-lfu",
        /// Any.
        AllkeysRandom: "allkeys-random",
        /// None: writes that need memory fail.
        NoEviction: "noeviction",
    }

    /// Who may use what is dangerous: protected directives, `DEBUG`, modules.
    Permission {
        /// Nobody.
        No: "no",
        /// Everybody.
        Yes: "yes",
        /// Connections from this machine.
        Local: "local",
    }

    /// From which weight on events are logged.
    LogLevel {
        /// Everything.
        Debug: "debug",
        /// Much that is rarely useful.
        Verbose: "verbose",
        /// What an operator wants to see.
        Notice: "notice",
        /// Only what matters.
        Warning: "warning",
        /// Nothing at all.
        Nothing: "nothing",
    }

    /// The shape of log lines.
    LogFormat {
        /// `pid:role date level message`.
        Legacy: "legacy",
        /// `key=value` pairs.
        Logfmt: "logfmt",
        /// One JSON object a line.
        Json: "json",
    }

    /// How log lines show the time.
    LogTimestampFormat {
        /// `01 Jan 2026 12:00:00.000`.
        Legacy: "legacy",
        /// ISO 8601 with offset.
        Iso8601: "iso8601",
        /// Milliseconds since 1970.
        Milliseconds: "milliseconds",
    }

    /// The syslog facility.
    SyslogFacility {
        /// `LOG_USER`.
        User: "user",
        /// `LOG_LOCAL0`.
        Local0: "local0",
        /// `LOG_LOCAL1`.
        Local1: "local1",
        /// `LOG_LOCAL2`.
        Local2: "local2",
        /// `LOG_LOCAL3`.
        Local3: "local3",
        /// `LOG_LOCAL4`.
        Local4: "local4",
        /// `LOG_LOCAL5`.
        Local5: "local5",
        /// `LOG_LOCAL6`.
        Local6: "local6",
        /// `LOG_LOCAL7`.
        Local7: "local7",
    }

    /// Who started the server and wants to hear that it is ready.
    Supervised {
        /// Upstart.
        Upstart: "upstart",
        /// systemd.
        Systemd: "systemd",
        /// Whichever the environment shows.
        Auto: "auto",
        /// Nobody.
        No: "no",
    }

    /// Whether the kernel's OOM score is set, and against what.
    OomScoreAdj {
        /// Left alone.
        No: "no",
        /// Added to the score the process started with.
        Relative: "yes" | "relative",
        /// Written as it is.
        Absolute: "absolute",
    }

    /// When the append-only file reaches the disk.
    AppendFsync {
        /// Once a second.
        EverySec: "everysec",
        /// Before a write is acknowledged.
        Always: "always",
        /// When the system likes.
        No: "no",
    }

    /// Channels of a new user.
    AclPubsubDefault {
        /// Every channel.
        AllChannels: "allchannels",
        /// None.
        ResetChannels: "resetchannels",
    }

    /// How deeply payloads of RDB and RESTORE are checked.
    SanitizePayload {
        /// Not at all.
        No: "no",
        /// Always.
        Yes: "yes",
        /// Only those that clients send.
        Clients: "clients",
    }

    /// What clients of a cluster are told to connect to.
    EndpointType {
        /// The address.
        Ip: "ip",
        /// The announced host name.
        Hostname: "hostname",
        /// Nothing: the endpoint they already use.
        UnknownEndpoint: "unknown-endpoint",
    }

    /// What follows when `nodes.conf` cannot be written.
    ConfigSaveBehavior {
        /// The process ends.
        Sync: "sync",
        /// It is logged.
        BestEffort: "best-effort",
    }

    /// What follows when a replicated command fails.
    PropagationError {
        /// It is logged.
        Ignore: "ignore",
        /// The process ends.
        Panic: "panic",
        /// The process ends if it is a replica.
        PanicOnReplicas: "panic-on-replicas",
    }

    /// How a replica takes in a full synchronisation.
    DisklessLoad {
        /// Through a file.
        Disabled: "disabled",
        /// From the socket when the data set is empty.
        OnEmptyDb: "on-empty-db",
        /// From the socket, keeping the old data until it succeeded.
        SwapDb: "swapdb",
        /// From the socket, after emptying the data set.
        FlushBeforeLoad: "flush-before-load",
    }

    /// Whether RDB files of unknown versions are loaded.
    RdbVersionCheck {
        /// They are refused.
        Strict: "strict",
        /// They are tried.
        Relaxed: "relaxed",
    }

    /// The version of the snapshot's format.
    RdbVersion {
        /// That of the compatibility level, or a later one where the data need it.
        Auto: "auto",
        /// That of Redis 7.0.
        Redis7: "10",
        /// That of Redis 7.2 and Valkey 8.
        Redis72: "11",
        /// That of Valkey 9.
        Valkey9: "80",
    }

    /// Whether TLS clients show a certificate.
    ClientAuth {
        /// They need not.
        No: "no",
        /// They must.
        Yes: "yes",
        /// They may, and then it must be valid.
        Optional: "optional",
    }

    /// Which part of a TLS client's certificate names its user.
    ClientAuthUser {
        /// The common name.
        CommonName: "CN",
        /// The URI.
        Uri: "URI",
        /// None.
        Off: "off",
    }
}
