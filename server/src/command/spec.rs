//! What a command declares about itself. One `static` [`CommandSpec`] stands beside each handler and is the only
//! place the command is described: dispatch, COMMAND, ACL, key extraction, HELP and the documents are derived from it.

use super::KeyPosition;
use crate::args::Argv;
use crate::client::Client;
use crate::context::Context;
use crate::error::CommandResult;
use ochre_store::sync::ShardSet;

/// Runs a command whose arity, permissions and locks have been dealt with. Writes exactly one reply, or returns the error.
pub type Handler = fn(&mut Context<'_>) -> CommandResult;

/// A command or a subcommand.
pub struct CommandSpec {
    /// Lower case; of a subcommand its own name only (`kill`).
    pub name: &'static str,
    /// Number of arguments with the name(s); negative: at least that many.
    pub arity: i16,
    /// Behaviour flags.
    pub flags: Flags,
    /// ACL categories beyond those that [`Flags`] imply.
    pub acl: AclCategories,
    /// Where the keys are.
    pub keys: &'static [KeySpec],
    /// What happens to the keys of a line, where that depends on its other arguments.
    pub key_flags: Option<fn(Argv<'_>) -> KeyFlags>,
    /// Finds the keys of a line that `keys` leaves open.
    pub open_keys: Option<OpenKeys>,
    /// Finds all keys of a line, where `keys` only tells clients where they are in general.
    pub all_keys: Option<OpenKeys>,
    /// Which arguments are channels that it publishes to or subscribes to.
    pub channels: Option<ChannelArguments>,
    /// Finds the arguments that are numbers of databases.
    pub databases: Option<NamedDatabases>,
    /// Which shards the command locks.
    pub lock: LockClass,
    /// The version of Redis that brought it; for commands that came later, that of the server that did.
    pub since: &'static str,
    /// Documentation group.
    pub group: Group,
    /// Cost, in big-O form.
    pub complexity: &'static str,
    /// One line in our own words.
    pub summary: &'static str,
    /// The arguments after the name(s), as in `key value [NX|XX] [EX seconds|PX milliseconds]`: `[]` optional, `<>` a choice that must be made,
    /// `...` repetition; upper case are tokens.
    pub syntax: &'static str,
    /// Hints for clients and proxies, as COMMAND shows them.
    pub tips: &'static [&'static str],
    /// Versions that changed it.
    pub changed_in: &'static [&'static str],
    /// For a container such as CLIENT; empty otherwise.
    pub subcommands: Subcommands,
    /// What runs; of a container, what runs without a subcommand name.
    pub handler: Handler,
}

/// Hands the keys of a line, name included, to its argument.
pub type OpenKeys = fn(Argv<'_>, &mut dyn FnMut(KeyPosition));

/// Hands the places of numbers of databases to its argument.
pub type NamedDatabases = fn(Argv<'_>, &mut dyn FnMut(usize));

/// Which arguments are channels, or patterns of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelArguments {
    /// Where they begin.
    pub first: usize,
    /// Whether all that follow are channels too.
    pub to_the_end: bool,
    /// Whether they are patterns.
    pub patterns: bool,
}

impl ChannelArguments {
    /// The first argument.
    pub const ONE: ChannelArguments = ChannelArguments { first: 1, to_the_end: false, patterns: false };
    /// All arguments.
    pub const ALL: ChannelArguments = ChannelArguments { to_the_end: true, ..ChannelArguments::ONE };
    /// All arguments are patterns.
    pub const PATTERNS: ChannelArguments = ChannelArguments { patterns: true, ..ChannelArguments::ALL };
}

/// The subcommands of a container.
pub type Subcommands = &'static [&'static CommandSpec];

/// Which locks a command needs.
#[derive(Clone, Copy, Debug)]
pub enum LockClass {
    /// None: it reads and writes no key.
    None,
    /// The shards of its keys.
    Keys,
    /// The shards of its keys, or all of them for a line of which the function says that it reaches for others too.
    KeysOrAll(fn(Argv<'_>) -> bool),
    /// The shards of its keys, which it lets go in between; all where it cannot, as a part of something else.
    Transfer,
    /// Those that the session says: of what it has queued or watches.
    Session(fn(&Client) -> ShardSet),
    /// Those of its keys, or all: the script decides.
    Script,
    /// One shard at a time, chosen by the handler.
    Walk,
    /// All shards.
    All,
}

macro_rules! flag_set {
    ($(#[$doc:meta])* $name:ident($int:ty) { $($(#[$fdoc:meta])* $flag:ident = $bit:expr, $text:expr;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name($int);
        impl $name {
            $($(#[$fdoc])* pub const $flag: $name = $name(1 << $bit);)*
            /// No flag.
            pub const NONE: $name = $name(0);
            const NAMES: &'static [($name, &'static str)] = &[$(($name::$flag, $text)),*];
            /// Both sets together.
            pub const fn with(self, other: $name) -> $name {
                $name(self.0 | other.0)
            }
            /// This set less the other.
            pub const fn without(self, other: $name) -> $name {
                $name(self.0 & !other.0)
            }
            /// Whether every flag of `other` is set.
            pub const fn has(self, other: $name) -> bool {
                self.0 & other.0 == other.0
            }
            /// Whether any flag of `other` is set.
            pub const fn intersects(self, other: $name) -> bool {
                self.0 & other.0 != 0
            }
            /// The names of the flags set, in the order in which real servers list them.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                Self::NAMES.iter().filter(move |(flag, _)| self.has(*flag)).map(|(_, name)| *name)
            }
            /// The names of all flags.
            pub fn all_names() -> impl Iterator<Item = &'static str> {
                Self::NAMES.iter().map(|(_, name)| *name)
            }
            /// The flag of that name.
            pub fn from_name(name: &str) -> Option<$name> {
                Self::NAMES.iter().find(|(_, text)| text.eq_ignore_ascii_case(name)).map(|(flag, _)| *flag)
            }
        }
        impl std::ops::BitOr for $name {
            type Output = $name;
            fn bitor(self, other: $name) -> $name {
                self.with(other)
            }
        }
    };
}

flag_set! {
    /// Behaviour flags of a command; the names are those of COMMAND INFO.
    Flags(u32) {
        /// Changes data.
        WRITE = 0, "write";
        /// Reads keys, changes nothing.
        READONLY = 1, "readonly";
        /// Refused while memory is over its limit.
        DENYOOM = 2, "denyoom";
        /// A module's command.
        MODULE = 3, "module";
        /// For administrators.
        ADMIN = 4, "admin";
        /// Pub/sub.
        PUBSUB = 5, "pubsub";
        /// Not in scripts.
        NOSCRIPT = 6, "noscript";
        /// May block the client.
        BLOCKING = 7, "blocking";
        /// Allowed while a data set is loaded.
        LOADING = 8, "loading";
        /// Allowed on a replica whose data is stale.
        STALE = 9, "stale";
        /// Not shown by MONITOR.
        SKIP_MONITOR = 10, "skip_monitor";
        /// Not in the slow log.
        SKIP_SLOWLOG = 11, "skip_slowlog";
        /// Asks no slot owner's permission.
        ASKING = 12, "asking";
        /// Constant or logarithmic time.
        FAST = 13, "fast";
        /// Needs no authentication.
        NO_AUTH = 14, "no_auth";
        /// May replicate though it is no write.
        MAY_REPLICATE = 15, "may_replicate";
        /// Keys are optional.
        NO_MANDATORY_KEYS = 16, "no_mandatory_keys";
        /// Not in asynchronous loading.
        NO_ASYNC_LOADING = 17, "no_async_loading";
        /// Not inside MULTI.
        NO_MULTI = 18, "no_multi";
        /// Clients cannot tell its keys from the first, the last and the step; follows from the key specifications.
        MOVABLEKEYS = 19, "movablekeys";
        /// Allowed while a script is busy.
        ALLOW_BUSY = 20, "allow_busy";
        /// Works on every database.
        ALL_DBS = 21, "all_dbs";
        /// Only in Sentinel mode.
        ONLY_SENTINEL = 22, "only_sentinel";
        /// Also in Sentinel mode.
        SENTINEL = 23, "sentinel";
    }
}

flag_set! {
    /// ACL categories, as in ACL CAT.
    AclCategories(u32) {
        /// Touches keys by name.
        KEYSPACE = 0, "keyspace";
        /// Reads.
        READ = 1, "read";
        /// Writes.
        WRITE = 2, "write";
        /// Sets.
        SET = 3, "set";
        /// Sorted sets.
        SORTEDSET = 4, "sortedset";
        /// Lists.
        LIST = 5, "list";
        /// Hashes.
        HASH = 6, "hash";
        /// Strings.
        STRING = 7, "string";
        /// Bitmaps.
        BITMAP = 8, "bitmap";
        /// HyperLogLog.
        HYPERLOGLOG = 9, "hyperloglog";
        /// Geo.
        GEO = 10, "geo";
        /// Streams.
        STREAM = 11, "stream";
        /// Pub/sub.
        PUBSUB = 12, "pubsub";
        /// Administration.
        ADMIN = 13, "admin";
        /// Fast commands.
        FAST = 14, "fast";
        /// All others.
        SLOW = 15, "slow";
        /// May block.
        BLOCKING = 16, "blocking";
        /// Harmful in wrong hands.
        DANGEROUS = 17, "dangerous";
        /// Connections.
        CONNECTION = 18, "connection";
        /// Transactions.
        TRANSACTION = 19, "transaction";
        /// Scripts.
        SCRIPTING = 20, "scripting";
    }
}

flag_set! {
    /// What a command does with the keys of a [`KeySpec`].
    KeyFlags(u16) {
        /// Read only.
        RO = 0, "RO";
        /// Read and write.
        RW = 1, "RW";
        /// Overwrite.
        OW = 2, "OW";
        /// Remove.
        RM = 3, "RM";
        /// The value is returned or used.
        ACCESS = 4, "access";
        /// The value is changed depending on the old one.
        UPDATE = 5, "update";
        /// Something is added, nothing returned or removed.
        INSERT = 6, "insert";
        /// Something is removed.
        DELETE = 7, "delete";
        /// Not a key, but looks like one.
        NOT_KEY = 8, "not_key";
        /// The specification may miss keys.
        INCOMPLETE = 9, "incomplete";
        /// The flags depend on the arguments.
        VARIABLE_FLAGS = 10, "variable_flags";
    }
}

/// Where some keys of a command are and what happens to them.
pub struct KeySpec {
    /// What happens to them.
    pub flags: KeyFlags,
    /// Where the search begins.
    pub begin: Begin,
    /// How it goes on.
    pub find: Find,
}

/// Where the search for keys begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At this argument.
    Index(u16),
    /// After this token, looked for from an argument on; negative: backwards from the end.
    Keyword(&'static str, i16),
    /// Only the handler knows.
    Unknown,
}

/// How the keys follow from where the search begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// `last` counted from the beginning of the search (negative: from the last argument, -1 being it); every `step`-th;
    /// with `last` -1, only the first 1/`limit` of the arguments where `limit` is above 1.
    Range {
        /// Last key.
        last: i16,
        /// Distance of two keys.
        step: u8,
        /// Divisor of the range.
        limit: u8,
    },
    /// A count at `count`, keys from `first`, both relative to the beginning; every `step`-th.
    KeyNum {
        /// Where the count is.
        count: u8,
        /// Where the first key is.
        first: u8,
        /// Distance of two keys.
        step: u8,
    },
    /// Only the handler knows.
    Unknown,
}

impl KeySpec {
    /// One key, at argument `index`.
    pub const fn one(index: u16, flags: KeyFlags) -> KeySpec {
        KeySpec { flags, begin: Begin::Index(index), find: Find::Range { last: 0, step: 1, limit: 0 } }
    }
    /// Every `step`-th argument from `index` to the last one.
    pub const fn rest(index: u16, step: u8, flags: KeyFlags) -> KeySpec {
        KeySpec { flags, begin: Begin::Index(index), find: Find::Range { last: -1, step, limit: 0 } }
    }
}

/// Documentation groups, as in COMMAND DOCS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Group {
    Generic,
    String,
    List,
    Set,
    SortedSet,
    Hash,
    PubSub,
    Transactions,
    Connection,
    Server,
    Scripting,
    HyperLogLog,
    Cluster,
    Sentinel,
    Geo,
    Stream,
    Bitmap,
    Module,
}

impl Group {
    /// The name real servers print.
    pub fn name(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Hash => "hash",
            Group::PubSub => "pubsub",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Scripting => "scripting",
            Group::HyperLogLog => "hyperloglog",
            Group::Cluster => "cluster",
            Group::Sentinel => "sentinel",
            Group::Geo => "geo",
            Group::Stream => "stream",
            Group::Bitmap => "bitmap",
            Group::Module => "module",
        }
    }
}

impl CommandSpec {
    /// The fields most commands leave alone; every spec is written as `CommandSpec { name: …, ..CommandSpec::BASE }`.
    pub const BASE: CommandSpec = CommandSpec {
        name: "",
        arity: 1,
        flags: Flags::NONE,
        acl: AclCategories::NONE,
        keys: &[],
        key_flags: None,
        open_keys: None,
        all_keys: None,
        channels: None,
        databases: None,
        lock: LockClass::None,
        since: "1.0.0",
        group: Group::Server,
        complexity: "O(1)",
        summary: "",
        syntax: "",
        tips: &[],
        changed_in: &[],
        subcommands: &[],
        handler: |context| Err(crate::error::wrong_arity(&context.command.full_name)),
    };

    /// All ACL categories: the declared ones and those that the flags imply.
    pub fn acl_categories(&self) -> AclCategories {
        let mut all = self.acl;
        let implied = [
            (Flags::WRITE, AclCategories::WRITE),
            (Flags::ADMIN, AclCategories::ADMIN | AclCategories::DANGEROUS),
            (Flags::PUBSUB, AclCategories::PUBSUB),
            (Flags::FAST, AclCategories::FAST),
            (Flags::BLOCKING, AclCategories::BLOCKING),
        ];
        for (flag, categories) in implied {
            if self.flags.has(flag) {
                all = all | categories;
            }
        }
        if self.flags.has(Flags::READONLY) && !self.acl.has(AclCategories::SCRIPTING) {
            all = all | AclCategories::READ;
        }
        if !all.has(AclCategories::FAST) {
            all = all | AclCategories::SLOW;
        }
        all
    }

    /// The flags that clients are shown: without those of the server alone, with those that follow from the keys.
    pub fn shown_flags(&self) -> impl Iterator<Item = &'static str> {
        let (_, movable) = super::legacy_range(self.keys);
        let flags = if movable { self.flags | Flags::MOVABLEKEYS } else { self.flags };
        let hidden = Flags::MAY_REPLICATE | Flags::ALL_DBS | Flags::ONLY_SENTINEL | Flags::SENTINEL;
        flags.without(hidden).names()
    }

    /// Whether the command has arguments that are keys.
    pub fn has_keys(&self) -> bool {
        self.keys.iter().any(|keys| !keys.flags.has(KeyFlags::NOT_KEY))
    }

    /// Whether the number of arguments, names included, is acceptable.
    #[inline]
    pub fn accepts(&self, arguments: usize) -> bool {
        let arity = usize::from(self.arity.unsigned_abs());
        if self.arity < 0 { arguments >= arity } else { arguments == arity }
    }
}
