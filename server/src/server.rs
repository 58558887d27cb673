//! The process-wide state.

use crate::acl::{Accounts, RuleSet};
use crate::client::Registry;
use crate::command::CommandTable;
use crate::config::Config;
use crate::stats::Stats;
use arc_swap::ArcSwap;
use ochre_store::Store;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Weak};

/// The version of Redis whose behaviour is the baseline; clients gate on it.
pub const REDIS_VERSION: &str = "7.2.4";

/// Everything that all connections share.
pub struct Server {
    me: Weak<Server>,
    /// The data.
    pub store: Arc<Store>,
    /// What can be called.
    pub commands: CommandTable,
    /// Who is connected.
    pub clients: Arc<Registry>,
    /// What the clients take, where that is limited.
    pub client_memory: crate::client::ClientMemory,
    /// What was counted.
    pub stats: Stats,
    /// Who watches with MONITOR.
    pub monitors: crate::monitor::Monitors,
    /// Slow commands.
    pub slowlog: crate::slowlog::SlowLog,
    /// Commands with large requests.
    pub large_requests: crate::slowlog::SlowLog,
    /// Commands with large replies.
    pub large_replies: crate::slowlog::SlowLog,
    /// Latency events.
    pub latency: crate::latency::LatencyMonitor,
    /// Who waits in a blocking command.
    pub blocked: crate::blocking::Blocked,
    /// Who watches keys.
    pub watched: crate::transaction::Watched,
    /// Who listens to which channels.
    pub pubsub: crate::pubsub::PubSub,
    /// The scripts that are known.
    pub scripts: crate::scripting::Sources,
    /// Who is told that keys change.
    pub tracking: crate::tracking::Tracking,
    /// The scripts that take long.
    pub busy_scripts: crate::scripting::BusyScripts,
    /// Libraries of functions.
    pub functions: crate::scripting::Libraries,
    /// Keys on their way to other servers.
    pub migrations: crate::migration::Migrations,
    /// CLIENT PAUSE.
    pub pause: crate::pause::Pause,
    /// Users, and what they were denied.
    pub accounts: Accounts,
    /// What the dispatcher must look at before a command; 0: nothing.
    pub attention: Attention,
    /// Identity and start time of this process.
    pub process: ProcessInfo,
    /// The append-only file.
    pub aof: crate::aof::Aof,
    /// Whom this process follows, as a replica.
    pub upstream: crate::upstream::Upstream,
    /// What units have changed, for replicas and files.
    pub log: crate::propagation::Log,
    /// Replicas that are to get a snapshot.
    pub full_sync: crate::propagation::FullSync,
    /// How fast counters grow.
    pub rates: crate::metrics::rates::Rates,
    /// Peak and first use of memory.
    pub memory: crate::metrics::memory::MemoryWatch,
    /// Walks over all keys for the lengths of their values.
    pub surveys: crate::metrics::key_sizes::Surveys,
    /// How long memory was over its limit.
    pub over_limit: crate::metrics::over_limit::OverLimit,
    /// What TLS connections are made from.
    pub tls: crate::tls::Tls,
    /// SHUTDOWN, SIGTERM.
    pub shutdown: crate::shutdown::Shutdown,
    /// Saving and loading.
    pub persistence: crate::persistence::Persistence,
    /// What looks after threads that others wait for.
    pub watchdog: Arc<crate::process::watchdog::Watchdog>,
    /// What DEBUG switches off and on.
    pub switches: Switches,
    /// Rung with every new configuration.
    pub config_changed: tokio::sync::Notify,
    reply_buffer_peak_reset_ms: AtomicI64,
    /// Changes of the configuration at run time.
    pub changes: crate::config::apply::Changes,
    config: ArcSwap<Config>,
    config_version: AtomicU64,
    gate_epoch: AtomicU64,
}

/// Facts about the process that never change.
#[derive(Default)]
pub struct ProcessInfo {
    /// Forty hexadecimal digits, new at each start.
    pub run_id: String,
    /// Unix milliseconds.
    pub started_ms: i64,
    /// The configuration file given at start, absolute.
    pub config_file: Option<std::path::PathBuf>,
    /// The path of the executable.
    pub executable: std::path::PathBuf,
    /// The supervisor that was found.
    pub supervisor: Option<&'static str>,
    /// The port it listens on, which CONFIG SET may change.
    pub port: AtomicI64,
    /// What the kernel's OOM killer is to think of processes that stand for jobs; nothing while that is left to it.
    pub job_oom_score: parking_lot::Mutex<Option<i32>>,
}

/// Switches for tests, all off in normal service.
#[derive(Default)]
pub struct Switches {
    /// Periodic work rests (DEBUG PAUSE-CRON).
    pub cron_rests: AtomicBool,
    /// Reply buffers do not follow their use (DEBUG REPLYBUFFER RESIZING).
    pub reply_buffers_keep_size: AtomicBool,
    /// Scripts may call what is not for them (DEBUG SET-DISABLE-DENY-SCRIPTS).
    pub scripts_call_anything: AtomicBool,
    /// RESTORE does not look at checksums (DEBUG SET-SKIP-CHECKSUM-VALIDATION).
    pub skips_payload_checksums: AtomicBool,
}

/// One bit for each reason for which commands leave the fast path.
#[derive(Default)]
pub struct Attention(AtomicU32);

// No two reasons share a bit.
const _: () = {
    let bits = [
        Attention::MONITORS,
        Attention::PAUSED,
        Attention::MAXMEMORY,
        Attention::LOADING,
        Attention::WAITERS,
        Attention::WATCHERS,
        Attention::DISK_ERROR,
        Attention::PROPAGATES,
        Attention::TOO_FEW_REPLICAS,
        Attention::NOTIFY,
        Attention::BUSY,
        Attention::DURABLE,
        Attention::AOF_ERROR,
        Attention::TRACKING,
        Attention::FOLLOWS,
        Attention::STALE,
        Attention::LOADS_ASIDE,
        Attention::FOLLOWED,
        Attention::IMPORTS,
        Attention::MIGRATES,
        Attention::FED,
        Attention::TRACKS,
        Attention::LISTENS_ONLY,
        Attention::RESTRICTED,
        Attention::IN_TRANSACTION,
    ];
    let (mut seen, mut at) = (0u32, 0);
    while at < bits.len() {
        assert!(seen & bits[at] == 0);
        seen |= bits[at];
        at += 1;
    }
};

impl Attention {
    /// Somebody runs MONITOR.
    pub const MONITORS: u32 = 1;
    /// Clients are paused.
    pub const PAUSED: u32 = 1 << 1;
    /// A memory limit is set.
    pub const MAXMEMORY: u32 = 1 << 2;
    /// The data set is being loaded.
    pub const LOADING: u32 = 1 << 3;
    /// Somebody waits for a key, or has done so.
    pub const WAITERS: u32 = 1 << 4;
    /// Somebody watches a key.
    pub const WATCHERS: u32 = 1 << 5;
    /// The data set could not be saved.
    pub const DISK_ERROR: u32 = 1 << 6;
    /// Somebody reads the propagation log.
    pub const PROPAGATES: u32 = 1 << 7;
    /// Fewer replicas are in touch than writes need.
    pub const TOO_FEW_REPLICAS: u32 = 1 << 8;
    /// Keyspace events are published.
    pub const NOTIFY: u32 = 1 << 9;
    /// A script takes long.
    pub const BUSY: u32 = 1 << 10;
    /// What is not on the disk may not be seen.
    pub const DURABLE: u32 = 1 << 11;
    /// The append-only file cannot be written.
    pub const AOF_ERROR: u32 = 1 << 12;
    /// Somebody tracks keys.
    pub const TRACKING: u32 = 1 << 13;
    /// This process is a replica.
    pub const FOLLOWS: u32 = 1 << 14;
    /// It is one without a link to its primary, and may not show what it has.
    pub const STALE: u32 = 1 << 15;
    /// A data set is being loaded beside the one in use.
    pub const LOADS_ASIDE: u32 = 1 << 16;
    /// Of one client, never of the process: it is the link to the primary.
    pub(crate) const FOLLOWED: u32 = 1 << 27;
    /// Of one client, never of the process: it is a replica.
    pub(crate) const FED: u32 = 1 << 26;
    /// Another server's data is being imported.
    pub const IMPORTS: u32 = 1 << 20;
    /// Keys are on their way to other servers.
    pub const MIGRATES: u32 = 1 << 21;
    /// Of one client, never of the process: it tracks keys.
    pub(crate) const TRACKS: u32 = 1 << 28;
    /// Of one client, never of the process: it listens to channels and speaks RESP2, so that it may do little else.
    pub(crate) const LISTENS_ONLY: u32 = 1 << 29;
    /// Of one client, never of the process: its user may not do everything.
    pub(crate) const RESTRICTED: u32 = 1 << 30;
    /// Of one client, never of the process: it is inside MULTI.
    pub(crate) const IN_TRANSACTION: u32 = 1 << 31;
    /// What is no gate: it concerns what commands do, not whether they may.
    pub(crate) const NO_GATE: u32 = Self::WAITERS
        | Self::WATCHERS
        | Self::NOTIFY
        | Self::PROPAGATES
        | Self::DURABLE
        | Self::TRACKING
        | Self::IMPORTS
        | Self::MIGRATES
        | Self::TRACKS;
    /// What is to be prepared for before a command is run.
    pub(crate) const PREPARED: u32 = Self::PAUSED
        | Self::WAITERS
        | Self::WATCHERS
        | Self::NOTIFY
        | Self::TRACKING
        | Self::FOLLOWS
        | Self::IMPORTS
        | Self::MIGRATES;

    /// All bits.
    #[inline]
    pub fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }
    /// Sets or clears bits.
    pub fn set(&self, bits: u32, on: bool) {
        if on {
            self.0.fetch_or(bits, SeqCst)
        } else {
            self.0.fetch_and(!bits, SeqCst)
        };
    }
}

impl Server {
    /// A server with that configuration and an empty keyspace.
    ///
    /// # Errors
    /// A text that names what is wrong with the configuration.
    pub fn new(mut config: Config, process: ProcessInfo) -> Result<Arc<Server>, String> {
        config.raise_watchdog_period();
        let commands = CommandTable::new(&crate::commands::all(), &config.rename_commands)?;
        let set = RuleSet::new(&commands, &config);
        let accounts = Accounts::of_config(&config, &set).map_err(|error| error.to_string())?;
        let store = Store::new(ochre_store::Options {
            shards: if config.workers() == 1 { 1 } else { ochre_store::sync::SHARDS_MAX },
            databases: config.databases as usize,
            hash_seed: crate::random::seed(),
        });
        let server = Arc::new_cyclic(|me| Server {
            me: me.clone(),
            store,
            commands,
            clients: Arc::default(),
            client_memory: Default::default(),
            stats: Stats::default(),
            monitors: Default::default(),
            slowlog: Default::default(),
            large_requests: Default::default(),
            large_replies: Default::default(),
            latency: Default::default(),
            blocked: Default::default(),
            watched: Default::default(),
            pubsub: crate::pubsub::PubSub::new(config.workers()),
            scripts: Default::default(),
            tracking: Default::default(),
            busy_scripts: Default::default(),
            functions: Default::default(),
            migrations: Default::default(),
            pause: Default::default(),
            accounts,
            attention: Attention::default(),
            process,
            aof: crate::aof::Aof::new(&config),
            upstream: Default::default(),
            log: crate::propagation::Log::new(crate::random::run_id(), &config),
            full_sync: Default::default(),
            rates: Default::default(),
            memory: Default::default(),
            surveys: Default::default(),
            over_limit: Default::default(),
            tls: Default::default(),
            shutdown: Default::default(),
            persistence: Default::default(),
            watchdog: Default::default(),
            switches: Default::default(),
            config_changed: Default::default(),
            reply_buffer_peak_reset_ms: AtomicI64::new(Self::REPLY_BUFFER_PEAK_RESET_MS),
            changes: Default::default(),
            config: ArcSwap::from_pointee(config),
            config_version: AtomicU64::new(1),
            gate_epoch: AtomicU64::new(1),
        });
        crate::config::apply::store_settings(&server, &server.config());
        crate::upstream::start_up(&server);
        Ok(server)
    }

    /// After how long the peak of a reply buffer is forgotten.
    pub const REPLY_BUFFER_PEAK_RESET_MS: i64 = 5000;

    /// How long a peak of a reply buffer counts, in milliseconds; `None`: for ever (DEBUG REPLYBUFFER).
    pub fn reply_buffer_peak_reset(&self) -> Option<i64> {
        Some(self.reply_buffer_peak_reset_ms.load(Relaxed)).filter(|millis| *millis >= 0)
    }
    /// Sets [`Server::reply_buffer_peak_reset`].
    pub fn set_reply_buffer_peak_reset(&self, millis: Option<i64>) {
        self.reply_buffer_peak_reset_ms.store(millis.unwrap_or(-1), Relaxed);
    }
    /// The server itself, for threads that need it for as long as they run; nothing where it is about to go.
    pub fn shared(&self) -> Option<Arc<Server>> {
        self.me.upgrade()
    }
    /// The configuration in force.
    pub fn config(&self) -> arc_swap::Guard<Arc<Config>> {
        self.config.load()
    }
    /// Changes with every new configuration: cheaper to look at than the configuration.
    #[inline]
    pub fn config_version(&self) -> u64 {
        self.config_version.load(Relaxed)
    }
    /// Puts a new configuration in force. Workers see it from their next batch on.
    pub fn publish_config(&self, config: Config) {
        self.config.store(Arc::new(config));
        self.config_version.fetch_add(1, SeqCst);
        self.config_changed.notify_waiters();
        self.bump_gate_epoch();
    }
    /// The count of changes to what gates check: compared after locking, and the gates redone if it moved.
    #[inline]
    pub fn gate_epoch(&self) -> u64 {
        self.gate_epoch.load(SeqCst)
    }
    /// Called by whoever changed what gates check.
    pub fn bump_gate_epoch(&self) {
        self.gate_epoch.fetch_add(1, SeqCst);
    }
}
