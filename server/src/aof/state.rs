//! What is known of the append-only file, and writing to it.

use super::disk::SystemDisk;
use super::held::Held;
use crate::client::ClientHandle;
use crate::config::{AppendFsync, Config};
use crate::propagation::End;
use crate::server::{Attention, Server};
use ochre_persist::aof::{AofFiles, FilesError};
use ochre_store::sync::{SHARDS_MAX, ShardSet};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Whether commands are appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// No.
    Off,
    /// They will be part of it once there is a base.
    Waiting,
    /// Yes.
    On,
}

/// What units have appended and is not written yet; part of the propagation log.
#[derive(Default)]
pub(crate) struct Tail {
    /// The database that the reader is at.
    pub(crate) selected: Option<usize>,
    pub(crate) pending: Vec<u8>,
    /// The second of the last annotation.
    pub(crate) annotated_s: i64,
}

/// The append-only file.
pub struct Aof {
    pub(super) open: Mutex<Open>,
    mode: AtomicU8,
    /// Up to which place of the log all has reached the disk.
    durable: AtomicU64,
    /// Up to where all is on the disk for certain, whatever the policy: the place in the log and in the replicas' stream.
    synced: AtomicU64,
    synced_stream: AtomicU64,
    /// Bytes allocated for what was taken from the log and is not in the file yet.
    unwritten_bytes: AtomicU64,
    /// Clients whose output waits for that, by worker.
    held: Box<[Held]>,
    pub(super) thread: Mutex<Option<std::thread::Thread>>,
    /// The thread that writes sleeps, or is about to.
    pub(super) is_asleep: AtomicBool,
    /// What the system said when the last write or sync failed; 0: it went well.
    errno: AtomicI32,
    /// Microseconds to wait before each write, for tests.
    pub flush_delay_us: AtomicU64,
    /// Figures for INFO.
    pub figures: Figures,
    pub(super) rewriting: Mutex<Option<Arc<super::rewrite::Running>>>,
    /// Where in the log the last change of each shard stands, while what is not durable may not be seen.
    shards: [AtomicU64; SHARDS_MAX],
}

/// What INFO shows.
#[derive(Default)]
pub struct Figures {
    /// Bytes of all files that are read.
    pub current_size: AtomicU64,
    /// What that was after the last rewrite.
    pub base_size: AtomicU64,
    /// A rewrite is to begin when it can.
    pub is_scheduled: AtomicBool,
    /// When the rewrite that runs began, Unix seconds; -1: none runs.
    pub rewrite_started_s: AtomicI64,
    /// How long the last rewrite took, seconds; -1: there was none.
    pub last_rewrite_s: AtomicI64,
    /// Whether the last rewrite failed.
    pub rewrite_failed: AtomicBool,
    /// Rewrites that began.
    pub rewrites: AtomicU64,
    /// Rewrites that failed since one went well.
    pub failures: AtomicU64,
    /// Syncs that took so long that the next one was late.
    pub delayed_syncs: AtomicU64,
    /// Whether one is in progress that no client waits for.
    pub syncs: AtomicBool,
    /// Microseconds spent on writing, and on syncs that clients wait for.
    pub write_us: AtomicU64,
    /// Bytes that the last rewrite copied because they changed meanwhile.
    pub last_bytes_ahead: AtomicU64,
}

impl Figures {
    fn spent(&self, began: Instant) {
        self.write_us.fetch_add(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX), Relaxed);
    }
}

/// What only one thread at a time works with.
pub(super) struct Open {
    pub(super) files: AofFiles,
    /// Taken from the log and not in the file yet, because writing fails.
    unwritten: Vec<u8>,
    /// Where the log ended when `unwritten` was taken from it.
    end: End,
    last_sync: Instant,
    last_report: Option<Instant>,
}

/// Errors are logged no more often than this.
const REPORT_PERIOD: Duration = Duration::from_secs(30);

impl Aof {
    /// That of a server with this configuration; nothing is read or written yet.
    pub fn new(config: &Config) -> Aof {
        let files = AofFiles::closed(Arc::new(SystemDisk), Path::new(&config.appenddirname), &config.appendfilename);
        let open =
            Open { files, unwritten: Vec::new(), end: End::default(), last_sync: Instant::now(), last_report: None };
        let figures = Figures { rewrite_started_s: (-1).into(), last_rewrite_s: (-1).into(), ..Figures::default() };
        Aof {
            open: Mutex::new(open),
            mode: AtomicU8::new(0),
            durable: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            synced_stream: AtomicU64::new(0),
            unwritten_bytes: AtomicU64::new(0),
            held: (0..config.workers()).map(|_| Held::default()).collect(),
            thread: Mutex::default(),
            is_asleep: AtomicBool::new(false),
            errno: AtomicI32::new(0),
            flush_delay_us: AtomicU64::new(0),
            figures,
            rewriting: Mutex::default(),
            shards: [const { AtomicU64::new(0) }; SHARDS_MAX],
        }
    }

    /// Whether commands are appended.
    pub(crate) fn mode(&self) -> Mode {
        match self.mode.load(SeqCst) {
            0 => Mode::Off,
            1 => Mode::Waiting,
            _ => Mode::On,
        }
    }
    pub(super) fn set_mode(&self, mode: Mode) {
        if mode == Mode::Off {
            // What comes next may be of another history.
            self.synced.store(0, SeqCst);
            self.synced_stream.store(0, SeqCst);
        }
        self.mode.store(mode as u8, SeqCst);
    }
    /// Whether the disk has all up to the end that the log once had, in files that are a data set.
    pub(crate) fn is_durable(&self, end: End) -> bool {
        self.mode() == Mode::On && self.synced.load(SeqCst) >= end.appended
    }
    /// Up to where all is on the disk: the place in the log and in the replicas' stream.
    pub(super) fn synced(&self) -> (u64, u64) {
        (self.synced.load(SeqCst), self.synced_stream.load(SeqCst))
    }
    /// Up to which place of the replicas' stream the disk has all, if there is a file.
    pub(crate) fn durable_stream(&self) -> Option<u64> {
        (self.mode() == Mode::On).then(|| self.synced_stream.load(SeqCst))
    }
    /// Whether it is switched on, and there will be one.
    pub fn is_enabled(&self) -> bool {
        self.mode() != Mode::Off
    }
    /// Bytes allocated for what is being written.
    pub fn unwritten_bytes(&self) -> u64 {
        self.unwritten_bytes.load(Relaxed)
    }
    /// Whether a rewrite runs.
    pub fn is_rewriting(&self) -> bool {
        self.rewriting.lock().is_some()
    }
    /// Whether writing works.
    pub fn is_writable(&self) -> bool {
        self.errno.load(SeqCst) == 0
    }
    /// Why writing does not work.
    pub fn write_error(&self) -> std::io::Error {
        std::io::Error::from_raw_os_error(self.errno.load(SeqCst))
    }
    /// Whether all up to that place of the log has reached the disk, or need not before others see it.
    #[inline]
    pub(crate) fn may_be_seen(&self, server: &Server, position: u64) -> bool {
        self.durable.load(SeqCst) >= position || server.attention.get() & Attention::DURABLE == 0
    }
    /// Whether output waits until what it depends on has reached the disk.
    pub(super) fn gates(&self, server: &Server) -> bool {
        server.attention.get() & Attention::DURABLE != 0
    }
    /// The place in the log that somebody depends on who holds the locks of `set`; `change`: where what it has changed itself
    /// ends.
    pub(crate) fn dependence(&self, server: &Server, set: ShardSet, change: Option<u64>) -> u64 {
        if set == ShardSet::ALL && change.is_none() {
            return server.log.end().appended;
        }
        if let Some(end) = change {
            set.iter().filter_map(|shard| self.shards.get(shard)).for_each(|position| position.store(end, SeqCst));
            return end;
        }
        let positions = set.iter().filter_map(|shard| self.shards.get(shard));
        positions.map(|position| position.load(SeqCst)).max().unwrap_or(0)
    }
    /// Signals a client once more has reached the disk. To be called before the last look at
    /// [`may_be_seen`](Aof::may_be_seen).
    pub(crate) fn wait(&self, client: &Arc<ClientHandle>) {
        if let Some(held) = self.held_by(client.worker) {
            held.add(client);
        }
        self.wake();
    }
    /// The clients of a worker whose output waits.
    pub(super) fn held_by(&self, worker: usize) -> Option<&Held> {
        self.held.get(worker)
    }
    /// Wakes all whose output waits.
    pub(super) fn wake_waiting(&self) {
        self.held.iter().for_each(Held::wake);
    }
    /// Has the thread look for what was appended.
    #[inline]
    pub(crate) fn wake(&self) {
        if self.is_asleep.load(SeqCst) && self.is_asleep.swap(false, SeqCst) {
            self.unpark();
        }
    }
    /// The same for a unit that was appended. Where output waits for the disk, [`wake`](Aof::wake) is left to the end of a
    /// turn, so that one sync serves all the units of the clients that were ready together.
    #[inline]
    pub(crate) fn wake_for_unit(&self, server: &Server) {
        if !self.gates(server) {
            self.wake();
        }
    }
    fn unpark(&self) {
        if let Some(thread) = &*self.thread.lock() {
            thread.unpark();
        }
    }
    /// Has the dispatcher do what follows from the configuration, and from whether writing works. To be called whenever
    /// either changes.
    pub(crate) fn judge(&self, server: &Server) {
        let config = server.config();
        // Without a sync it is enough that the file has it, if the disk takes it at all.
        let waits_for_file = config.compatibility_level.answers_after_append() && self.is_writable();
        let waits = self.is_enabled() && (config.appendfsync == AppendFsync::Always || waits_for_file);
        server.attention.set(Attention::DURABLE, waits);
        if !waits {
            self.wake_waiting();
        }
        let refuses = self.is_enabled() && !self.is_writable();
        if refuses != (server.attention.get() & Attention::AOF_ERROR != 0) {
            server.attention.set(Attention::AOF_ERROR, refuses);
            server.bump_gate_epoch();
        }
        self.unpark();
    }
    fn set_errno(&self, server: &Server, errno: i32) {
        if self.errno.swap(errno, SeqCst) != errno {
            self.judge(server);
        }
    }

    /// Forgets what could not be written.
    pub(super) fn forget_unwritten(open: &mut Open) {
        open.unwritten.clear();
    }

    /// Writes what the log has, and has it reach the disk if that is due. Whether all was written.
    pub(super) fn flush(&self, server: &Server, open: &mut Open, sync: Sync) -> bool {
        let policy = server.config().appendfsync;
        open.end = server.log.take_appended(&mut open.unwritten).unwrap_or(open.end);
        self.unwritten_bytes.store(open.unwritten.capacity() as u64, Relaxed);
        if !open.unwritten.is_empty() && open.files.is_open() {
            let delay_us = self.flush_delay_us.load(Relaxed);
            if delay_us > 0 {
                std::thread::sleep(Duration::from_micros(delay_us));
            }
            let began = Instant::now();
            let was_written = self.write(server, open, policy);
            self.figures.spent(began);
            if !was_written {
                return false;
            }
        }
        let elapsed = open.last_sync.elapsed();
        let skips = server.config().no_appendfsync_on_rewrite && self.has_other_writers(server);
        let due = match (sync, policy) {
            (Sync::Now, _) => true,
            (Sync::Later, _) => false,
            _ if skips => false,
            (Sync::ByPolicy, AppendFsync::Always) => open.files.is_unsynced(),
            (Sync::ByPolicy, AppendFsync::EverySec) => open.files.is_unsynced() && elapsed >= Duration::from_secs(1),
            (Sync::ByPolicy, AppendFsync::No) => false,
        };
        if due {
            if elapsed >= Duration::from_secs(3) && policy == AppendFsync::EverySec && open.files.is_unsynced() {
                self.figures.delayed_syncs.fetch_add(1, Relaxed);
            }
            let began = Instant::now();
            let is_awaited = policy == AppendFsync::Always;
            self.figures.syncs.store(!is_awaited, Relaxed);
            let synced = open.files.sync();
            self.figures.syncs.store(false, Relaxed);
            if is_awaited {
                self.figures.spent(began);
            }
            if let Err(error) = synced {
                self.fail(server, open, policy, &error, "Fail to fsync the AOF file");
                return false;
            }
            open.last_sync = began;
        }
        if open.files.is_open() && (due || !open.files.is_unsynced()) {
            self.synced.store(open.end.appended, SeqCst);
            self.synced_stream.store(open.end.offset, SeqCst);
        }
        if due || policy != AppendFsync::Always || skips {
            self.durable.fetch_max(open.end.appended, SeqCst);
            if server.attention.get() & Attention::DURABLE != 0 {
                self.wake_waiting();
            }
        }
        if !self.is_writable() {
            tracing::warn!("AOF write error looks solved, Redis can write again.");
            self.set_errno(server, 0);
        }
        true
    }

    fn write(&self, server: &Server, open: &mut Open, policy: AppendFsync) -> bool {
        match open.files.append(&open.unwritten) {
            Ok(()) => {
                self.figures.current_size.fetch_add(open.unwritten.len() as u64, Relaxed);
                open.unwritten.clear();
                open.unwritten.shrink_to(1 << 20);
                self.unwritten_bytes.store(open.unwritten.capacity() as u64, Relaxed);
                true
            }
            Err(failure) => {
                open.unwritten.drain(..failure.written);
                self.figures.current_size.fetch_add(failure.written as u64, Relaxed);
                let what = if failure.was_short {
                    "Short write while writing to the AOF file"
                } else {
                    "Error writing to the AOF file"
                };
                self.fail(server, open, policy, &failure.error, what);
                false
            }
        }
    }

    fn fail(&self, server: &Server, open: &mut Open, policy: AppendFsync, error: &std::io::Error, what: &str) {
        if open.last_report.is_none_or(|last| last.elapsed() > REPORT_PERIOD) {
            open.last_report = Some(Instant::now());
            tracing::warn!("{what}: {error}");
        }
        if policy == AppendFsync::Always && self.mode() == Mode::On {
            // Whether the command is on the disk cannot be known, so nobody may be told either.
            tracing::warn!("Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...");
            std::process::exit(1);
        }
        self.set_errno(server, error.raw_os_error().unwrap_or(libc::EIO));
    }

    fn has_other_writers(&self, server: &Server) -> bool {
        self.is_rewriting() || server.persistence.running().is_some()
    }
}

/// Whether what was written reaches the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sync {
    /// At once.
    Now,
    /// When the configuration says so.
    ByPolicy,
    /// Another time.
    Later,
}

/// Says in the log what is wrong.
pub(super) fn report(error: &FilesError) {
    match error {
        FilesError::Manifest(bad) => {
            tracing::warn!("*** FATAL AOF MANIFEST FILE ERROR ***");
            if let Some((number, line)) = &bad.line {
                tracing::warn!("Reading the manifest file, at line {number}");
                tracing::warn!(">>> '{line}'");
            }
            tracing::warn!("{}", bad.reason);
        }
        other => tracing::warn!("{other}"),
    }
}
