//! Every error text that goes over the wire, in one place.

use crate::acl::{Reason, RuleError};
use ochre_resp::reply::ReplyWriter;

/// What a handler returns: its reply is written, or this error is to be.
pub type CommandResult = Result<(), CommandError>;

/// Why a command failed.
#[derive(Debug)]
pub enum CommandError {
    /// A fixed text, code word first.
    Text(&'static str),
    /// A text made for the occasion, code word first.
    Message(String),
    /// A text that repeats what the client sent, which may be any bytes.
    Quoting(Vec<u8>),
    /// The engine refused.
    Store(ochre_store::Error),
    /// A walking handler found this shard locked and has done nothing yet: run it again once the shard is free.
    Contended(usize),
    /// What the client has queued is to be executed.
    Execute(Box<crate::transaction::Transaction>),
    /// Something is to be done with a script.
    Script(crate::scripting::ScriptRequest),
    /// EXEC was refused for this reason before it could begin.
    Refused(Box<CommandError>),
    /// There is nothing for the client yet, so it waits: see [`Context::block`](crate::context::Context::block).
    Blocked(Box<crate::blocking::Block>),
    /// It takes long: a thread of its own does it, and the reply is what comes of that.
    Errand(crate::errand::Errand),
    /// Keys are to be sent to another server; then the command is run again.
    Transfer(Box<crate::migration::Job>),
}

impl CommandError {
    /// The text, code word first, without the leading `-`.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        match self {
            CommandError::Text(text) => (*text).into(),
            CommandError::Message(text) => text.as_str().into(),
            CommandError::Quoting(text) => String::from_utf8_lossy(text),
            CommandError::Store(error) => store_text(error).into(),
            CommandError::Blocked(_) => "ERR the client waits".into(),
            CommandError::Contended(_) => "ERR the data is locked".into(),
            CommandError::Execute(_) => "ERR commands are queued".into(),
            CommandError::Script(_) => "ERR a script is to run".into(),
            CommandError::Errand(_) => "ERR it is to be done elsewhere".into(),
            CommandError::Transfer(_) => "ERR the keys are to be sent elsewhere".into(),
            CommandError::Refused(reason) => format!("{EXEC_ABORT_BECAUSE}{}", reason.text()).into(),
        }
    }
    /// The code word, by which INFO errorstats counts.
    pub fn code(&self) -> String {
        self.text().split(' ').next().unwrap_or_default().to_owned()
    }
    /// Writes the error as a reply.
    pub fn write(&self, reply: &mut ReplyWriter<'_>) {
        match self {
            CommandError::Quoting(text) => reply.error(text),
            CommandError::Refused(reason) => {
                let reason: &[u8] = match &**reason {
                    CommandError::Quoting(text) => text,
                    other => &other.text().into_owned().into_bytes(),
                };
                // Its code word is that of any error.
                let reason = reason.strip_prefix(b"ERR ").unwrap_or(reason);
                reply.error([EXEC_ABORT_BECAUSE.as_bytes(), reason].concat());
            }
            other => reply.error(other.text().as_bytes()),
        }
    }
}

impl From<ochre_store::Error> for CommandError {
    fn from(error: ochre_store::Error) -> CommandError {
        CommandError::Store(error)
    }
}

/// What stands before the reason for which EXEC was refused.
const EXEC_ABORT_BECAUSE: &str = "EXECABORT Transaction discarded because of: ";

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: CommandError = CommandError::Text($text);)*
    };
}

mod pushes;
pub mod replicas;
mod scripting;
mod streams;
mod transfer;

pub use pushes::*;
pub use scripting::*;
pub use streams::*;
pub use transfer::*;

texts! {
    /// The arguments do not fit the grammar.
    SYNTAX = "ERR syntax error";
    /// Not a 64-bit integer.
    NOT_INTEGER = "ERR value is not an integer or out of range";
    /// Not a floating-point number.
    NOT_FLOAT = "ERR value is not a valid float";
    /// The key does not exist, and must.
    NO_SUCH_KEY = "ERR no such key";
    /// A number that does not fit into 32 bits.
    NOT_32_BITS = "ERR value is out of range, value must between -2147483648 and 2147483647";
    /// An offset that does not fit.
    OUT_OF_RANGE = "ERR value is out of range";
    /// A negative number where none may be.
    NOT_POSITIVE = "ERR value is out of range, must be positive";
    /// SELECT and the like.
    DB_OUT_OF_RANGE = "ERR DB index is out of range";
    /// No password given yet.
    NO_AUTH = "NOAUTH Authentication required.";
    /// Memory over its limit.
    OOM = "OOM command not allowed when used memory > 'maxmemory'.";
    /// maxclients.
    MAX_CLIENTS = "ERR max number of clients reached";
    /// Protected mode.
    PROTECTED_MODE = "DENIED Ochre is running in protected mode: no password is set for the default user, so only loopback and Unix sockets may connect. Set a password (requirepass), or turn protected mode off (CONFIG SET protected-mode no, from this host), or start the server with --protected-mode no.";
    /// AUTH without a password to compare with.
    AUTH_WITHOUT_PASSWORD = "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?";
    /// Wrong password or user.
    WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled.";
    /// HELLO with a version we do not speak.
    NO_PROTOCOL = "NOPROTO unsupported protocol version";
    /// HELLO with something that is no version.
    PROTOCOL_NOT_INTEGER = "ERR Protocol version is not an integer or out of range";
    /// HELLO before the password.
    HELLO_NO_AUTH = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time";
    /// HELLO before the password, as Redis 7.0 says it.
    OLD_HELLO_NO_AUTH = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time";
    /// A key that the user may not use, as Redis 7.0 says it.
    OLD_NO_KEY_PERMISSION = "NOPERM this user has no permissions to access one of the keys used as arguments";
    /// A key that the user may not use.
    NO_KEY_PERMISSION = "NOPERM No permissions to access a key";
    /// A channel that the user may not use, as Redis 7.0 says it.
    OLD_NO_CHANNEL_PERMISSION = "NOPERM this user has no permissions to access one of the channels used as arguments";
    /// A channel that the user may not use.
    NO_CHANNEL_PERMISSION = "NOPERM No permissions to access a channel";
    /// A database that the user may not use.
    NO_DATABASE_PERMISSION = "NOPERM No permissions to access database";
    /// SORT by values of keys that the user may not read.
    SORT_BY_DENIED = "ERR BY option of SORT denied due to insufficient ACL permissions.";
    /// SORT that returns values of keys that the user may not read.
    SORT_GET_DENIED = "ERR GET option of SORT denied due to insufficient ACL permissions.";
    /// INFO keysizes where nothing may wait.
    SURVEY_DENIED = "ERR INFO keysizes walks over all keys and is not allowed in transactions and scripts";
    /// CLIENT IMPORT-SOURCE without `import-mode`.
    NOT_IMPORTING = "ERR Server is not in import mode";
    /// Commands of a cluster.
    NO_CLUSTER = "ERR This instance has cluster support disabled";
    /// ACL DELUSER.
    DEFAULT_USER_STAYS = "ERR The 'default' user cannot be removed";
    /// ACL SETUSER.
    USER_NAME = "ERR Usernames can't contain spaces or null characters";
    /// ACL GENPASS.
    PASSWORD_BITS = "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096";
    /// ACL GENPASS while the system has no randomness to give.
    NO_RANDOMNESS = "ERR The system provides no randomness";
    /// ACL SAVE.
    ACL_NOT_SAVED = "ERR There was an error trying to save the ACLs. Please check the server logs for more information";
    /// MULTI inside MULTI, where that does not spoil the transaction.
    NESTED_MULTI = "ERR MULTI calls can not be nested";
    /// WATCH inside MULTI, likewise.
    WATCH_IN_MULTI = "ERR WATCH inside MULTI is not allowed";
    /// EXEC outside MULTI.
    EXEC_WITHOUT_MULTI = "ERR EXEC without MULTI";
    /// DISCARD outside MULTI.
    DISCARD_WITHOUT_MULTI = "ERR DISCARD without MULTI";
    /// EXEC after a command that could not be queued.
    EXEC_ABORT = "EXECABORT Transaction discarded because of previous errors.";
    /// SHUTDOWN that may have to wait, inside MULTI.
    SHUTDOWN_DENIED = "ERR SHUTDOWN without NOW or ABORT isn't allowed for DENY BLOCKING client";
    /// MONITOR inside MULTI.
    MONITOR_DENIED = "ERR MONITOR isn't allowed for DENY BLOCKING client";
    /// SYNC behind replies that are not sent yet.
    SYNC_WITH_OUTPUT = "ERR SYNC and PSYNC are invalid with pending output";
    /// SYNC of a part, by a replica that could not tell where it ends.
    FILTER_WITHOUT_EOF = "ERR Filtered replica requires EOF capability";
    /// PSYNC with FAILOVER, to a primary.
    PSYNC_FAILOVER = "ERR PSYNC FAILOVER can't be sent to a master.";
    /// REPLCONF rdb-filter-only without names.
    FILTER_MISSING = "ERR Missing rdb-filter-only values";
    /// SYNC where the data set cannot be written.
    NO_SNAPSHOT = "ERR Unable to perform background save";
    /// A write while fewer replicas are in touch than `min-replicas-to-write`.
    NO_REPLICAS = "NOREPLICAS Not enough good replicas to write.";
    /// BGREWRITEAOF while one runs.
    AOF_REWRITES = "ERR Background append only file rewriting already in progress";
    /// BGREWRITEAOF where it cannot begin.
    AOF_REWRITE_FAILED = "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.";
    /// CONFIG SET appendonly where that fails.
    AOF_NOT_ON = "ERR CONFIG SET failed (possibly related to argument 'appendonly') - Unable to turn on AOF. Check server logs.";
    /// DEBUG LOADAOF.
    AOF_NOT_LOADED = "ERR Error trying to load the AOF files, check server logs";
    /// REPLICAOF by a replica of this server.
    REPLICAOF_BY_REPLICA = "ERR Command is not valid when client is a replica.";
    /// REPLICAOF with something that is no port.
    INVALID_PRIMARY_PORT = "ERR Invalid master port";
    /// A command that is not allowed inside MULTI, as Redis says it.
    NOT_IN_TRANSACTION = "ERR Command not allowed inside a transaction";
    /// CLIENT PAUSE.
    PAUSE_MODE = "ERR CLIENT PAUSE mode must be WRITE or ALL";
    /// A timeout that is no number.
    TIMEOUT_NOT_INTEGER = "ERR timeout is not an integer or out of range";
    /// A timeout that is no number, where fractions are allowed.
    TIMEOUT_NOT_FLOAT = "ERR timeout is not a float or out of range";
    /// A timeout below zero.
    TIMEOUT_NEGATIVE = "ERR timeout is negative";
    /// A timeout that ends after time does.
    TIMEOUT_OUT_OF_RANGE = "ERR timeout is out of range";
    /// CLIENT UNBLOCK with ERROR.
    UNBLOCKED_BY_CLIENT = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
    /// CLIENT UNBLOCK.
    UNBLOCK_REASON = "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR";
    /// A stream that a group was read from is gone, as Redis 7.0 says it.
    STREAM_GONE = "UNBLOCKED the stream key no longer exists";
    /// CLIENT KILL.
    NO_SUCH_CLIENT = "ERR No such client";
    /// CLIENT KILL ID.
    CLIENT_ID_NOT_POSITIVE = "ERR client-id should be greater than 0";
    /// CLIENT LIST ID.
    CLIENT_ID_INVALID = "ERR Invalid client ID";
    /// CLIENT KILL MAXAGE.
    MAX_AGE = "ERR maxage should be greater than 0";
    /// CLIENT KILL MAXAGE.
    MAX_AGE_NOT_INTEGER = "ERR maxage is not an integer or out of range";
    /// CLIENT KILL IDLE.
    IDLE_TIME_NOT_INTEGER = "ERR idle is not an integer or out of range";
    /// CLIENT KILL IDLE.
    IDLE_TIME = "ERR idle should be greater than 0";
    /// COMMAND GETKEYS of a command that does not exist.
    NO_SUCH_COMMAND = "ERR Invalid command specified";
    /// COMMAND GETKEYS of a command without keys.
    NO_KEY_ARGUMENTS = "ERR The command has no key arguments";
    /// COMMAND GETKEYS of a line that is too short or too long.
    BAD_ARGUMENT_COUNT = "ERR Invalid number of arguments specified for command";
    /// COMMAND GETKEYS of a line whose keys cannot be found.
    BAD_ARGUMENTS = "ERR Invalid arguments specified for command";
    /// The data set is being loaded.
    LOADING = "LOADING Redis is loading the dataset in memory";
    /// SWAPDB.
    FIRST_DB_INVALID = "ERR invalid first DB index";
    /// SWAPDB.
    SECOND_DB_INVALID = "ERR invalid second DB index";
    /// MEMORY PURGE.
    CANNOT_PURGE = "ERR Error purging dirty pages";
    /// SHUTDOWN ABORT.
    NO_SHUTDOWN = "ERR No shutdown in progress.";
    /// SHUTDOWN.
    CANNOT_END = "ERR Errors trying to SHUTDOWN. Check logs.";
    /// SAVE, DEBUG RELOAD: the log says why.
    NOT_SAVED = "ERR";
    /// The data set could not be saved.
    DISK_ERROR = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";
    /// DEBUG RELOAD.
    NOT_LOADED = "ERR Error trying to load the RDB dump, check server logs.";
    /// DEBUG RELOAD.
    RELOAD_OPTIONS = "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.";
    /// SAVE and BGSAVE.
    BACKGROUND_SAVE_RUNS = "ERR Background save already in progress";
    /// BGSAVE.
    OTHER_SNAPSHOT_RUNS = "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.";
    /// BGSAVE CANCEL.
    NO_BACKGROUND_SAVE = "ERR Background saving is currently not in progress or scheduled";
    /// CONFIG REWRITE.
    NO_CONFIG_FILE = "ERR The server is running without a config file";
    /// CLIENT SETNAME and HELLO SETNAME.
    CLIENT_NAME = "ERR Client names cannot contain spaces, newlines or special characters.";
    /// SETRANGE.
    OFFSET_OUT_OF_RANGE = "ERR offset is out of range";
    /// DECRBY of the one number that has no negative.
    DECREMENT_OVERFLOWS = "ERR decrement would overflow";
    /// A number of keys that is none.
    BAD_NUMKEYS = "ERR invalid numkeys value or out of range";
    /// An integer that must fit 32 bits and does not.
    NOT_INT32 = "ERR value is out of range, value must between -2147483648 and 2147483647";
    /// LCS of other types.
    LCS_NOT_STRINGS = "ERR The specified keys must contain string values";
    /// LCS with both LEN and IDX.
    LCS_LENGTH_AND_MATCHES = "ERR If you want both the length and indexes, please just use IDX.";
    /// LCS whose table would be larger than the longest string.
    LCS_MEMORY = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
    /// SETBIT, GETBIT, BITFIELD.
    BIT_OFFSET = "ERR bit offset is not an integer or out of range";
    /// SETBIT.
    BIT_VALUE = "ERR bit is not an integer or out of range";
    /// BITPOS.
    BITPOS_BIT = "ERR The bit argument must be 1 or 0.";
    /// BITOP NOT.
    BITOP_NOT_SOURCES = "ERR BITOP NOT must be called with a single source key.";
    /// BITOP DIFF.
    BITOP_DIFF_SOURCES = "ERR BITOP DIFF must be called with at least two source keys.";
    /// BITOP DIFF1.
    BITOP_DIFF1_SOURCES = "ERR BITOP DIFF1 must be called with at least two source keys.";
    /// BITOP ANDOR.
    BITOP_ANDOR_SOURCES = "ERR BITOP ANDOR must be called with at least two source keys.";
    /// BITFIELD with a type that is none.
    BITFIELD_TYPE = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";
    /// BITFIELD OVERFLOW.
    BITFIELD_OVERFLOW = "ERR Invalid OVERFLOW type specified";
    /// BITFIELD_RO with anything but GET.
    BITFIELD_READ_ONLY = "ERR BITFIELD_RO only supports the GET subcommand";
    /// PFDEBUG of a key that does not exist.
    SPECIFIED_KEY_MISSING = "ERR The specified key does not exist";
    /// PFDEBUG DECODE.
    HYPERLOGLOG_NOT_SPARSE = "ERR HLL encoding is not sparse";
    /// PFDEBUG SIMD.
    ON_OR_OFF = "ERR Argument must be ON or OFF";
    /// EXPIRE and the like.
    EXPIRE_NX = "ERR NX and XX, GT or LT options at the same time are not compatible";
    /// EXPIRE and the like.
    EXPIRE_GT_LT = "ERR GT and LT options at the same time are not compatible";
    /// OBJECT IDLETIME while access is counted.
    IDLE_TIME_NOT_TRACKED = "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.";
    /// OBJECT FREQ while access is not counted.
    FREQUENCY_NOT_TRACKED = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.";
    /// DEBUG where the configuration forbids it.
    DEBUG_NOT_ALLOWED = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.";
    /// DEBUG PROTOCOL.
    DEBUG_PROTOCOL_TYPE = "ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false";
    /// A reply that RESP2 has no form for.
    RESP2_NOT_SUPPORTED = "ERR RESP2 is not supported by this command";
    /// DEBUG HTSTATS.
    OUT_OF_RANGE_DATABASE = "ERR Out of range database";
    /// DEBUG HTSTATS-KEY.
    NOT_A_HASH_TABLE = "ERR The value stored at the specified key is not represented using an hash table";
    /// DEBUG SDSLEN.
    NOT_AN_SDS_STRING = "ERR Not an sds encoded string.";
    /// COMMANDLOG.
    COMMANDLOG_TYPE = "ERR type should be one of the following: slow, large-request, large-reply";
    /// SLOWLOG GET.
    SLOWLOG_COUNT = "ERR count should be greater than or equal to -1";
    /// An integer whose negative is no integer, where it would be needed.
    NO_NEGATIVE = "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
    /// LPOS.
    LPOS_RANK_ZERO = "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list";
    /// LPOS.
    LPOS_COUNT_NEGATIVE = "ERR COUNT can't be negative";
    /// LPOS.
    LPOS_MAXLEN_NEGATIVE = "ERR MAXLEN can't be negative";
    /// LMPOP and the like.
    NUMKEYS_NOT_POSITIVE = "ERR numkeys should be greater than 0";
    /// LMPOP and the like.
    COUNT_NOT_POSITIVE = "ERR count should be greater than 0";
    /// DEBUG LISTPACK.
    NOT_A_LISTPACK = "ERR Not a listpack encoded object.";
    /// DEBUG QUICKLIST.
    NOT_A_QUICKLIST = "ERR Not a quicklist encoded object.";
    /// DEBUG QUICKLIST-PACKED-THRESHOLD.
    PACKED_THRESHOLD = "ERR argument must be a memory value bigger than 1 and smaller than 4gb";
    /// A client that watches others asks for data.
    REPLICA_INTERACTION = "ERR Replica can't interact with the keyspace";
    /// ZADD.
    ZADD_NX_XX = "ERR XX and NX options at the same time are not compatible";
    /// ZADD.
    ZADD_GT_LT_NX = "ERR GT, LT, and/or NX options at the same time are not compatible";
    /// ZADD INCR.
    ZADD_INCR_PAIRS = "ERR INCR option supports a single increment-element pair";
    /// A range of scores.
    SCORE_RANGE = "ERR min or max is not a float";
    /// A range of members.
    LEX_RANGE = "ERR min or max not valid string range item";
    /// ZRANGE with LIMIT by ranks.
    ZRANGE_LIMIT = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
    /// ZRANGE BYLEX with WITHSCORES.
    ZRANGE_LEX_WITHSCORES = "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
    /// ZUNION and the like.
    WEIGHT_NOT_FLOAT = "ERR weight value is not a float";
    /// ZINTERCARD and the like.
    NEGATIVE_LIMIT = "ERR LIMIT can't be negative";
    /// A unit of length.
    GEO_UNIT = "ERR unsupported unit provided. please use M, KM, FT, MI";
    /// A radius that is no number.
    GEO_RADIUS_NOT_FLOAT = "ERR need numeric radius";
    /// A radius.
    GEO_RADIUS_NEGATIVE = "ERR radius cannot be negative";
    /// BYBOX.
    GEO_WIDTH_NOT_FLOAT = "ERR need numeric width";
    /// BYBOX.
    GEO_HEIGHT_NOT_FLOAT = "ERR need numeric height";
    /// BYBOX.
    GEO_BOX_NEGATIVE = "ERR height or width cannot be negative";
    /// BYPOLYGON.
    GEO_VERTICES_NOT_INTEGER = "ERR invalid number of vertices";
    /// BYPOLYGON.
    GEO_VERTICES_TOO_FEW = "ERR GEOSEARCH BYPOLYGON must have at least 3 vertices";
    /// COUNT of GEOSEARCH and the like.
    GEO_COUNT = "ERR COUNT must be > 0";
    /// ANY of GEOSEARCH and the like.
    GEO_ANY = "ERR the ANY argument requires COUNT argument";
    /// GEORADIUS STORE.
    GEORADIUS_STORE = "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options";
    /// GEOSEARCHSTORE.
    GEOSEARCHSTORE_WITH = "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options";
    /// HINCRBY.
    HASH_VALUE_NOT_INTEGER = "ERR hash value is not an integer";
    /// HINCRBYFLOAT.
    HASH_VALUE_NOT_FLOAT = "ERR hash value is not a float";
    /// HINCRBYFLOAT with an increment that is infinite.
    NAN_OR_INFINITY = "ERR value is NaN or Infinity";
    /// HEXPIRE and the like: the number of fields.
    FIELD_COUNT = "ERR numfields should be greater than 0 and match the provided number of fields";
    /// SINTERCARD and its like with more keys than arguments.
    TOO_MANY_KEYS = "ERR Number of keys can't be greater than number of args";
    /// SORT of something that is no number.
    SORT_NOT_FLOAT = "ERR One or more scores can't be converted into double";
    /// Not the ID of a stream's entry.
    STREAM_ID = "ERR Invalid stream ID specified as stream command argument";
    /// A range that starts behind the greatest ID.
    RANGE_START = "ERR invalid start ID for the interval";
    /// A range that ends before the least ID.
    RANGE_END = "ERR invalid end ID for the interval";
    /// XADD of an entry without ID.
    XADD_ZERO = "ERR The ID specified in XADD must be greater than 0-0";
    /// XADD.
    XADD_NOT_GREATER = "ERR The ID specified in XADD is equal or smaller than the target stream top item";
    /// XADD behind the greatest ID.
    XADD_EXHAUSTED = "ERR The stream has exhausted the last possible ID, unable to add more items";
    /// XADD.
    XADD_TOO_LARGE = "ERR Elements are too large to be stored";
    /// XADD and XTRIM.
    TRIM_TWICE = "ERR syntax error, MAXLEN and MINID options at the same time are not compatible";
    /// XADD and XTRIM.
    MAXLEN_NEGATIVE = "ERR The MAXLEN argument must be >= 0.";
    /// XADD and XTRIM.
    LIMIT_NEGATIVE = "ERR The LIMIT argument must be >= 0.";
    /// XADD and XTRIM.
    LIMIT_WITHOUT_TRIM = "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy";
    /// XADD and XTRIM.
    LIMIT_OF_EXACT_TRIM = "ERR syntax error, LIMIT cannot be used without the special ~ option";
    /// XTRIM.
    XTRIM_WITHOUT_TRIM = "ERR syntax error, XTRIM must be called with a trimming strategy";
    /// XDELEX and XACKDEL.
    NUMIDS = "ERR Number of IDs must be a positive integer";
    /// XDELEX and XACKDEL.
    NUMIDS_ARGUMENTS = "ERR The `numids` parameter must match the number of arguments";
    /// XSETID.
    ENTRIES_ADDED = "ERR entries_added must be positive";
    /// XSETID.
    XSETID_BELOW_GIVEN = "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id";
    /// XSETID.
    XSETID_BELOW_DELETED = "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id";
    /// XSETID.
    XSETID_BELOW_LAST = "ERR The ID specified in XSETID is smaller than the target stream top item";
    /// XSETID.
    XSETID_ADDED = "ERR The entries_added specified in XSETID is smaller than the target stream length";
    /// XREAD and XREADGROUP, as Redis 7.0 says it.
    UNBALANCED_STREAMS = "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.";
    /// XREAD.
    XREAD_GROUP = "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.";
    /// XREAD.
    XREAD_NOACK = "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.";
    /// XREAD.
    XREAD_NEW = "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.";
    /// XREADGROUP.
    XREADGROUP_WITHOUT_GROUP = "ERR Missing GROUP option for XREADGROUP";
    /// A group that was read from is gone, as Redis 7.0 says it.
    GROUP_GONE = "NOGROUP the consumer group this client was blocked on no longer exists";
    /// XGROUP.
    XGROUP_NO_KEY = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.";
    /// XGROUP CREATE.
    BUSY_GROUP = "BUSYGROUP Consumer Group name already exists";
    /// XGROUP.
    ENTRIES_READ = "ERR value for ENTRIESREAD must be positive or -1";
    /// XCLAIM.
    XCLAIM_IDLE_TIME = "ERR Invalid min-idle-time argument for XCLAIM";
    /// XCLAIM.
    XCLAIM_IDLE = "ERR Invalid IDLE option argument for XCLAIM";
    /// XCLAIM.
    XCLAIM_TIME = "ERR Invalid TIME option argument for XCLAIM";
    /// XCLAIM.
    XCLAIM_RETRYCOUNT = "ERR Invalid RETRYCOUNT option argument for XCLAIM";
    /// XAUTOCLAIM.
    XAUTOCLAIM_IDLE_TIME = "ERR Invalid min-idle-time argument for XAUTOCLAIM";
    /// XAUTOCLAIM.
    XAUTOCLAIM_COUNT = "ERR COUNT must be > 0";
    /// SCAN.
    INVALID_CURSOR = "ERR invalid cursor";
    /// NOVALUES in another command than HSCAN.
    NOVALUES_ELSEWHERE = "ERR NOVALUES option can only be used in HSCAN";
    /// NOSCORES in another command than ZSCAN.
    NOSCORES_ELSEWHERE = "ERR NOSCORES option can only be used in ZSCAN";
}

fn store_text(error: &ochre_store::Error) -> &'static str {
    use ochre_store::Error;
    match error {
        Error::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
        Error::NotInteger => "ERR value is not an integer or out of range",
        Error::NotFloat => "ERR value is not a valid float",
        Error::IncrementOverflow => "ERR increment or decrement would overflow",
        Error::NanOrInfinity => "ERR increment would produce NaN or Infinity",
        Error::NotANumber => "ERR resulting score is not a number (NaN)",
        Error::OutOfRange => "ERR index out of range",
        Error::StringTooLong => "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        Error::NotHyperLogLog => "WRONGTYPE Key is not a valid HyperLogLog string value.",
        Error::CorruptHyperLogLog => "INVALIDOBJ Corrupted HLL object detected",
        Error::NotKept => "ERR the command cannot be taken back",
        Error::NotLocked => "ERR the command reached for a key that it had not declared",
        Error::Busy => "ERR Background save already in progress",
        Error::NoSuchKey => "ERR no such key",
        Error::SameKey => "ERR source and destination objects are the same",
    }
}

/// Wrong number of arguments, for the command or subcommand of that full name (`client|kill`).
pub fn wrong_arity(full_name: &str) -> CommandError {
    CommandError::Message(format!("ERR wrong number of arguments for '{full_name}' command"))
}

/// A number of sources below one, for the command of that full name.
pub fn no_input_keys(full_name: &str) -> CommandError {
    CommandError::Message(format!("ERR at least 1 input key is needed for '{full_name}' command"))
}

/// An integer that is not between two others.
pub fn out_of_range(min: i64, max: i64) -> CommandError {
    CommandError::Message(format!("ERR value is out of range, value must between {min} and {max}"))
}

/// A write while the append-only file cannot be written.
pub fn aof_error(error: &std::io::Error) -> CommandError {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    CommandError::Message(format!("MISCONF Errors writing to the AOF file: {text}"))
}

/// REPLCONF ip-address.
pub fn replica_address_too_long(len: usize) -> CommandError {
    CommandError::Message(format!("ERR REPLCONF ip-address provided by replica instance is too long: {len} bytes"))
}

/// REPLCONF rdb-filter-only.
pub fn unsupported_filter(word: &[u8]) -> CommandError {
    quoting(&[b"ERR Unsupported rdb-filter-only option: ", word])
}

/// REPLCONF.
pub fn unknown_replconf(option: &[u8]) -> CommandError {
    quoting(&[b"ERR Unrecognized REPLCONF option: ", option])
}

/// A position that is not on the map.
pub fn invalid_position(longitude: f64, latitude: f64) -> CommandError {
    CommandError::Message(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}"))
}

/// A search around a member that does not exist.
pub fn geo_no_member(member: &[u8], old_text: bool) -> CommandError {
    if old_text {
        return CommandError::Text("ERR could not decode requested zset member");
    }
    quoting(&[b"ERR member ", until_nul(member), b" does not exist"])
}

/// GEOSEARCH without a centre, or with two; shows the command as it was typed.
pub fn geo_centre(command: &[u8]) -> CommandError {
    quoting(&[b"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ", until_nul(command)])
}

/// GEOSEARCH without a shape, or with two; shows the command as it was typed.
pub fn geo_shape(command: &[u8], polygons: bool) -> CommandError {
    let shapes: &[u8] = if polygons { b"BYRADIUS, BYBOX and BYPOLYGON" } else { b"BYRADIUS and BYBOX" };
    quoting(&[b"ERR exactly one of ", shapes, b" can be specified for ", until_nul(command)])
}

/// A command that is not allowed inside MULTI, by its full name.
pub fn not_in_transaction(full_name: &str) -> CommandError {
    CommandError::Message(format!("ERR Command '{full_name}' not allowed inside a transaction"))
}

/// An expiry that is negative, zero where it may not be, or overflows.
pub fn invalid_expire(full_name: &str) -> CommandError {
    CommandError::Message(format!("ERR invalid expire time in '{full_name}' command"))
}

/// No such command; shows the name and some arguments, cut at 128 bytes each and in all, and each at a NUL.
pub fn unknown_command(argv: crate::args::Argv<'_>) -> CommandError {
    let mut arguments = Vec::new();
    for argument in argv.iter().skip(1) {
        if arguments.len() >= 128 {
            break;
        }
        let shown = shorten(argument, 128 - arguments.len());
        arguments.extend([b"'", shown, b"' "].concat());
    }
    let name = shorten(argv.at(0), 128);
    quoting(&[b"ERR unknown command '", name, b"', with args beginning with: ", &arguments])
}

/// As far as the first NUL.
fn until_nul(text: &[u8]) -> &[u8] {
    shorten(text, usize::MAX)
}

/// At most `len_max` bytes, as far as the first NUL.
fn shorten(text: &[u8], len_max: usize) -> &[u8] {
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    &text[..end.min(len_max)]
}

/// A text in parts, some of which came from the client.
fn quoting(parts: &[&[u8]]) -> CommandError {
    CommandError::Quoting(parts.concat())
}

/// No such subcommand of the container `parent`.
pub fn unknown_subcommand(parent: &str, name: &[u8]) -> CommandError {
    let parent = parent.to_ascii_uppercase();
    quoting(&[b"ERR unknown subcommand '", shorten(name, 128), b"'. Try ", parent.as_bytes(), b" HELP."])
}

/// No such subcommand of a command that looks at its subcommands itself, or not with so many arguments.
pub fn unknown_subcommand_or_arity(parent: &str, name: &[u8]) -> CommandError {
    let rest = [b"'. Try ", parent.as_bytes(), b" HELP."].concat();
    quoting(&[b"ERR unknown subcommand or wrong number of arguments for '", shorten(name, 128), &rest])
}

/// No such subcommand of PFDEBUG.
pub fn unknown_pfdebug_subcommand(name: &[u8]) -> CommandError {
    quoting(&[b"ERR Unknown PFDEBUG subcommand '", shorten(name, usize::MAX), b"'"])
}

/// PFSELFTEST found something.
pub fn self_test_failed(failure: &impl std::fmt::Display) -> CommandError {
    CommandError::Message(format!("ERR TESTFAILED {failure}"))
}

/// A subcommand of DEBUG that waits for what it is about.
pub fn debug_not_supported(name: &str) -> CommandError {
    CommandError::Message(format!("ERR DEBUG {name} is not supported yet"))
}

/// LATENCY GRAPH of an event without spikes.
pub fn no_latency_samples(event: &[u8]) -> CommandError {
    CommandError::Message(format!("ERR No samples available for event '{}'", String::from_utf8_lossy(event)))
}

/// An option of HELLO that does not exist or lacks its values.
pub fn hello_option(option: &[u8]) -> CommandError {
    quoting(&[b"ERR Syntax error in HELLO option '", option, b"'"])
}

/// The reply to a client that broke the protocol.
pub fn protocol_error(error: &ochre_resp::ProtocolError) -> String {
    format!("ERR Protocol error: {error}")
}

/// An option of CLIENT SETINFO that does not exist.
pub fn unrecognized_option(option: &[u8]) -> CommandError {
    quoting(&[b"ERR Unrecognized option '", option, b"'"])
}

/// A value of CLIENT SETINFO that has blanks or the like.
pub fn client_info_text(option: &str) -> CommandError {
    CommandError::Message(format!("ERR {option} cannot contain spaces, newlines or special characters."))
}

/// An option of EXPIRE and the like that does not exist.
pub fn unsupported_option(option: &[u8]) -> CommandError {
    quoting(&[b"ERR Unsupported option ", option])
}

/// CLIENT KILL USER.
pub fn no_such_user(user: &[u8]) -> CommandError {
    quoting(&[b"ERR No such user '", until_nul(user), b"'"])
}

/// A command line that the user may not execute.
pub fn no_permission(user: &[u8], command: &str, reason: Reason, old_text: bool) -> CommandError {
    match (reason, old_text) {
        (Reason::Command, true) => {
            CommandError::Message(format!("NOPERM this user has no permissions to run the '{command}' command"))
        }
        (Reason::Command | Reason::Auth | Reason::Certificate, _) => {
            let rest = format!(" has no permissions to run the '{command}' command");
            quoting(&[b"NOPERM User ", until_nul(user), rest.as_bytes()])
        }
        (Reason::Key, true) => OLD_NO_KEY_PERMISSION,
        (Reason::Key, false) => NO_KEY_PERMISSION,
        (Reason::Channel, true) => OLD_NO_CHANNEL_PERMISSION,
        (Reason::Channel, false) => NO_CHANNEL_PERMISSION,
        (Reason::Database, _) => NO_DATABASE_PERMISSION,
    }
}

/// A queued command that the user may not execute any more.
pub fn no_permission_now(reason: Reason) -> CommandError {
    let reason = match reason {
        Reason::Command => "no permission to execute the command or subcommand",
        Reason::Key => "no permission to touch the specified keys",
        Reason::Channel => "no permission to access one of the channels used as arguments",
        Reason::Auth | Reason::Database | Reason::Certificate => "no permission",
    };
    CommandError::Message(format!(
        "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is \
         no longer allowed for the following reason: {reason}"
    ))
}

/// What ACL DRYRUN says of a command line that the user may not execute; no error. `object` is the key, channel or
/// database.
pub fn dry_run(user: &[u8], command: &str, reason: Reason, object: &[u8], old_text: bool) -> Vec<u8> {
    let whose: &[u8] = if old_text { b"This user" } else { &[b"User ", until_nul(user)].concat() };
    let object = until_nul(object);
    let what: &[&[u8]] = match reason {
        Reason::Command | Reason::Auth | Reason::Certificate => &[b"run the '", command.as_bytes(), b"' command"],
        Reason::Key => &[b"access the '", object, b"' key"],
        Reason::Channel => &[b"access the '", object, b"' channel"],
        Reason::Database => &[b"access database ", object],
    };
    [whose, b" has no permissions to ", &what.concat()].concat()
}

/// A rule that ACL SETUSER refuses.
pub fn acl_rule(refused: &RuleError) -> CommandError {
    match refused {
        RuleError::Rule(rule, fault) => {
            let parts: &[&[u8]] =
                &[b"ERR Error in ACL SETUSER modifier '", until_nul(rule), b"': ", fault.text().as_bytes()];
            quoting(parts)
        }
        RuleError::Unmatched(word) => {
            quoting(&[b"ERR Unmatched parenthesis in acl selector starting at '", until_nul(word), b"'."])
        }
    }
}

/// ACL DRYRUN of a user that does not exist.
pub fn user_not_found(user: &[u8]) -> CommandError {
    quoting(&[b"ERR User '", until_nul(user), b"' not found"])
}

/// ACL DRYRUN of a command that does not exist.
pub fn command_not_found(command: &[u8]) -> CommandError {
    quoting(&[b"ERR Command '", until_nul(command), b"' not found"])
}

/// ACL CAT of a category that does not exist.
pub fn unknown_category(name: &[u8]) -> CommandError {
    quoting(&[b"ERR Unknown category '", shorten(name, 128), b"'"])
}

/// ACL LOAD and ACL SAVE without a file.
pub fn no_acl_file(names_redis: bool) -> CommandError {
    CommandError::Text(match names_redis {
        true => {
            "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration."
        }
        false => {
            "ERR This instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a configuration file set) in order to store users in the configuration."
        }
    })
}

/// CLIENT LIST TYPE.
pub fn unknown_client_type(name: &[u8]) -> CommandError {
    quoting(&[b"ERR Unknown client type '", name, b"'"])
}

/// CLIENT LIST FLAGS or CAPA, or the same with NOT-, with a letter that stands for nothing.
pub fn unknown_client_letters(what: &str, negated: bool, letters: &[u8]) -> CommandError {
    let filter = if negated { format!("NOT-{}", what.to_uppercase()) } else { "provided".to_owned() };
    quoting(&[format!("ERR Unknown {what} found in the {filter} filter: ").as_bytes(), letters])
}

/// CLIENT LIST DB or NOT-DB.
pub fn client_db_not_integer(negated: bool) -> CommandError {
    CommandError::Message(format!("ERR {} is not an integer or out of range", db_filter(negated)))
}

/// CLIENT LIST DB or NOT-DB, where there are so many databases.
pub fn client_db_out_of_range(negated: bool, databases: usize) -> CommandError {
    let last = databases.saturating_sub(1);
    CommandError::Message(format!("ERR {} number should be between 0 and {last}", db_filter(negated)))
}

fn db_filter(negated: bool) -> &'static str {
    if negated { "NOT-DB" } else { "DB" }
}

/// A refusal that another module words itself, as a general error.
pub fn message(refusal: &impl std::fmt::Display) -> CommandError {
    CommandError::Message(format!("ERR {refusal}"))
}
