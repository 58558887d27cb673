//! Worker threads: each runs a single-threaded event loop over its connections.

use super::connection::Connection;
use super::stream::Stream;
use super::tls_stream::TlsStream;
use crate::args::Argv;
use crate::client::{Client, ClientHandle, Signals};
use crate::clock::{Ticks, unix_ms};
use crate::command::{Command, Flags};
use crate::config::Config;
use crate::propagation::{End, Unit};
use crate::server::{Attention, Server};
use crate::stats::{CommandStats, WorkerStats};
use ochre_store::evict::Evictor;
use ochre_store::expire::ExpireCycle;
use ochre_store::undo::Undo;
use ochre_store::{Effects, Member};
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::runtime::{LocalOptions, LocalRuntime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// An accepted socket on its way to its worker.
pub enum Incoming {
    /// A TCP connection.
    Tcp(std::net::TcpStream),
    /// The same after its TLS handshake.
    Tls(std::net::TcpStream, Box<ochre_tls::rustls::Connection>),
    /// A connection through a Unix socket at that path.
    Unix(std::os::unix::net::UnixStream, String),
}

/// A worker with much to do looks for what else has arrived after so many turns of its connections. A short request takes
/// two turns; to look sooner costs a system call that finds little.
const TURNS_A_LOOK: u32 = 128;

/// What the connections of one thread share.
pub struct Worker {
    /// Its number, from 0.
    pub index: usize,
    pub(crate) server: Arc<Server>,
    pub(crate) member: Member,
    /// The part in locking of the script that runs: it may keep its locks while others are served.
    pub(crate) script_member: Member,
    pub(crate) stacks: super::stack::Stacks,
    pub(crate) stats: Arc<WorkerStats>,
    pub(crate) ticks: Ticks,
    effects: RefCell<Effects>,
    /// For others, while a script that takes long has the former.
    spare_effects: RefCell<Effects>,
    /// What the unit that runs is going to propagate.
    pub(crate) unit: RefCell<Unit>,
    /// Where scripts record what they change; taken while one runs.
    pub(crate) undo: RefCell<Option<Undo>>,
    /// The end of the propagation log when the last unit was appended.
    pub(crate) log_end: Cell<End>,
    pub(crate) evictor: RefCell<Evictor>,
    /// What runs scripts.
    pub(crate) engine: crate::scripting::Engine,
    /// Memory is over its limit, as the gates of the last command have found while there is a limit.
    out_of_memory: Cell<bool>,
    /// Commands have left evictions unfinished.
    pub(crate) eviction_due: tokio::sync::Notify,
    pub(crate) expiry: RefCell<ExpireCycle>,
    config: RefCell<Arc<Config>>,
    config_version: Cell<u64>,
    now_ms: Cell<i64>,
    slow_nanos: Cell<u64>,
    large_bytes: Cell<usize>,
    tracks_latency: Cell<bool>,
    /// Bytes that all clients together may take.
    clients_max: Cell<Option<u64>>,
    acks_quickly: Cell<bool>,
    corks: Cell<bool>,
    /// How much of what the unit in progress has touched those were told who track keys.
    pub(crate) told_touched: Cell<usize>,
    /// More keys are tracked than the limit allows.
    pub(crate) tracking_due: tokio::sync::Notify,
    /// Clients that were served while they waited; woken once the locks are released.
    served: RefCell<Vec<Arc<ClientHandle>>>,
    connections: RefCell<Slab<Arc<ClientHandle>>>,
}

impl Worker {
    fn new(index: usize, server: Arc<Server>, stats: Arc<WorkerStats>) -> Worker {
        stats.last_beat_ms.set(unix_ms().unsigned_abs());
        server.stats.register(stats.clone());
        Worker {
            index,
            member: server.store.register(),
            script_member: server.store.register(),
            stacks: Default::default(),
            stats,
            ticks: Ticks::new(),
            effects: RefCell::default(),
            spare_effects: RefCell::default(),
            unit: RefCell::default(),
            undo: RefCell::default(),
            log_end: Cell::default(),
            engine: Default::default(),
            out_of_memory: Cell::default(),
            eviction_due: Default::default(),
            evictor: RefCell::new(Evictor::new(crate::random::seed()[0])),
            expiry: RefCell::new(ExpireCycle::new(index, server.config().workers())),
            config: RefCell::new(server.config().clone()),
            config_version: Cell::new(0),
            now_ms: Cell::new(unix_ms()),
            slow_nanos: Cell::default(),
            large_bytes: Cell::default(),
            tracks_latency: Cell::default(),
            clients_max: Cell::default(),
            acks_quickly: Cell::default(),
            corks: Cell::default(),
            told_touched: Cell::default(),
            tracking_due: Default::default(),
            served: RefCell::default(),
            connections: RefCell::default(),
            server,
        }
    }

    /// Reads the clock and looks for a new configuration: once a batch.
    #[inline]
    pub(crate) fn begin_batch(&self) {
        self.now_ms.set(unix_ms());
        self.see_config();
    }
    /// Looks for a new configuration.
    #[inline]
    pub(crate) fn see_config(&self) {
        let version = self.server.config_version();
        if version != self.config_version.get() {
            self.refresh_config(version);
        }
    }
    #[cold]
    fn refresh_config(&self, version: u64) {
        let config = self.server.config().clone();
        let slowlog =
            u64::try_from(config.slowlog_log_slower_than).map_or(u64::MAX, |micros| micros.saturating_mul(1000));
        let latency = match config.latency_monitor_threshold {
            0 => u64::MAX,
            millis => millis.saturating_mul(1_000_000),
        };
        self.slow_nanos.set(slowlog.min(latency));
        let larger_than = config.commandlog_request_larger_than.min(config.commandlog_reply_larger_than);
        let larger_than = match larger_than {
            -1 => config.commandlog_request_larger_than.max(config.commandlog_reply_larger_than),
            bytes => bytes,
        };
        // What stands before the first argument and behind the last is not in their extent.
        const FRAME_LEN: usize = 64;
        let large = usize::try_from(larger_than).map_or(usize::MAX, |bytes| bytes.saturating_sub(FRAME_LEN));
        self.large_bytes.set(large);
        self.tracks_latency.set(config.latency_tracking);
        self.clients_max.set(config.clients_max());
        self.acks_quickly.set(config.tcp_quickack);
        self.corks.set(config.tcp_cork);
        *self.config.borrow_mut() = config;
        self.config_version.set(version);
    }
    /// Unix milliseconds at the beginning of the batch.
    #[inline]
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms.get()
    }
    /// The configuration as of the beginning of the batch.
    #[inline]
    pub(crate) fn config(&self) -> std::cell::Ref<'_, Arc<Config>> {
        self.config.borrow()
    }
    /// The frozen time of the commands of this batch.
    pub(crate) fn clock(&self) -> ochre_store::Clock {
        ochre_store::Clock { now_ms: self.now_ms.get() }
    }
    /// Nanoseconds from which on a command is of interest to the slow log or the latency monitor.
    #[inline]
    pub(crate) fn slow_nanos(&self) -> u64 {
        self.slow_nanos.get()
    }
    /// Where what is done is recorded.
    #[inline]
    pub(crate) fn effects(&self) -> std::cell::RefMut<'_, Effects> {
        self.effects.try_borrow_mut().unwrap_or_else(|_| self.spare_effects.borrow_mut())
    }
    /// Notes whether memory is over its limit.
    pub(crate) fn set_out_of_memory(&self, is_out: bool) {
        self.out_of_memory.set(is_out);
    }
    /// Whether memory was over its limit when the command that runs was let in.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        self.server.attention.get() & Attention::MAXMEMORY != 0 && self.out_of_memory.get()
    }
    /// Bytes of arguments or of a reply from which on a command is of interest to the logs of large ones.
    #[inline]
    pub(crate) fn large_bytes(&self) -> usize {
        self.large_bytes.get()
    }
    /// Whether received data is acknowledged at once.
    #[inline]
    pub(crate) fn acks_quickly(&self) -> bool {
        self.acks_quickly.get()
    }
    /// Whether large replies are corked.
    #[inline]
    pub(crate) fn corks(&self) -> bool {
        self.corks.get()
    }
    /// Counts an execution.
    #[inline]
    pub(crate) fn account_call(&self, stats: &CommandStats, nanos: u64) {
        stats.calls.add(1);
        stats.nanos.add(nanos);
        self.stats.commands.add(1);
        self.account_latency(stats, nanos);
    }
    /// Has a client woken that was served while it waited.
    pub(crate) fn wake_later(&self, client: &Arc<ClientHandle>) {
        self.served.borrow_mut().push(client.clone());
    }
    /// Wakes the clients that were served. To be called without a lock.
    #[inline]
    pub(crate) fn wake_served(&self) {
        if !self.served.borrow().is_empty() {
            self.served.borrow_mut().drain(..).for_each(|client| client.signal(Signals::WAIT_OVER));
        }
    }
    /// Counts a command's duration, where durations are tracked.
    #[inline]
    pub(crate) fn account_latency(&self, stats: &CommandStats, nanos: u64) {
        if self.tracks_latency.get() {
            stats.latency.get_or_init(Default::default).record(nanos);
        }
    }
    /// Whether there is a limit to what all clients together may take.
    #[inline]
    pub(crate) fn limits_clients(&self) -> bool {
        self.clients_max.get().is_some()
    }
    /// Counts what a client of this worker takes, and closes the largest clients if all take too much.
    #[cold]
    pub(crate) fn evict_clients(&self, client: &ClientHandle) {
        let Some(limit) = self.clients_max.get() else { return };
        let (server, now_ms) = (&self.server, self.now_ms());
        server.client_memory.count(client);
        let evicted = server.client_memory.evict(&server.clients, limit, |client| {
            let line = crate::commands::client::describe(server, client, now_ms);
            tracing::info!("Evicting client: {}", String::from_utf8_lossy(&line));
            server.blocked.cancel(client);
        });
        self.stats.evicted_clients.add(evicted);
    }
    /// Counts what all clients take, and closes the largest if that is too much: the limit may be new.
    #[cold]
    pub(crate) fn limit_clients(&self, client: &ClientHandle) {
        if self.limits_clients() {
            self.server.client_memory.count_all(&self.server.clients);
            self.evict_clients(client);
        }
    }
    pub(crate) fn add_connection(&self, handle: Arc<ClientHandle>) -> usize {
        self.connections.borrow_mut().insert(handle)
    }
    pub(crate) fn remove_connection(&self, slot: usize) {
        self.connections.borrow_mut().remove(slot);
    }

    /// Enters a command into the slow log and the latency monitor, if it was slow enough for them.
    pub(crate) fn account_slow(
        &self,
        client: &Client,
        command: &Command,
        argv: Argv<'_>,
        redacted: &[usize],
        nanos: u64,
    ) {
        let config = self.config();
        let seconds = unix_ms() / 1000;
        let micros = nanos / 1000;
        let threshold = u64::try_from(config.slowlog_log_slower_than);
        if threshold.is_ok_and(|threshold| micros >= threshold) && !command.has(Flags::SKIP_SLOWLOG) {
            let len_max = config.slowlog_max_len as usize;
            self.server.slowlog.add(&client.handle, argv, redacted, seconds, micros, len_max);
        }
        let millis = nanos / 1_000_000;
        if config.latency_monitor_threshold > 0 && millis >= config.latency_monitor_threshold {
            let event = if command.has(Flags::FAST) { "fast-command" } else { "command" };
            self.server.latency.add(event, seconds, millis);
        }
    }

    /// Accounts for a command that was executed as a part of something else.
    pub(crate) fn account_part(
        &self,
        client: &Client,
        command: &Command,
        argv: Argv<'_>,
        redacted: &[usize],
        nanos: u64,
        whole: PartOf,
    ) {
        let server = &*self.server;
        self.account_call(&self.stats.by_command[usize::from(command.id)], nanos);
        if nanos >= self.slow_nanos() {
            self.account_slow(client, command, argv, redacted, nanos);
        }
        let monitored = server.attention.get() & Attention::MONITORS != 0;
        if monitored && !command.spec.flags.intersects(Flags::SKIP_MONITOR | Flags::ADMIN) {
            match whole {
                PartOf::Transaction => server.monitors.feed(&client.handle, client.db, argv, redacted),
                PartOf::Script => server.monitors.feed_script(client.db, argv, redacted),
            }
        }
    }

    /// Enters a command into the logs of those with large requests and replies, if it is large enough for them.
    pub(crate) fn account_large(
        &self,
        client: &Client,
        command: &Command,
        argv: Argv<'_>,
        redacted: &[usize],
        reply_len: usize,
    ) {
        if command.has(Flags::SKIP_SLOWLOG) {
            return;
        }
        let (config, server) = (self.config(), &self.server);
        let request = (
            &server.large_requests,
            argv.request_len(),
            config.commandlog_request_larger_than,
            config.commandlog_large_request_max_len,
        );
        let reply = (
            &server.large_replies,
            reply_len,
            config.commandlog_reply_larger_than,
            config.commandlog_large_reply_max_len,
        );
        for (log, len, larger_than, len_max) in [request, reply] {
            if usize::try_from(larger_than).is_ok_and(|limit| len >= limit) {
                let len_max = usize::try_from(len_max).unwrap_or(usize::MAX);
                log.add(&client.handle, argv, redacted, unix_ms() / 1000, len as u64, len_max);
            }
        }
    }

    /// Enters something that is no command into the latency monitor, if it took long enough for it.
    pub(crate) fn account_event(&self, event: &'static str, elapsed: std::time::Duration) {
        let threshold_ms = self.config().latency_monitor_threshold;
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        if threshold_ms > 0 && millis >= threshold_ms {
            self.server.latency.add(event, unix_ms() / 1000, millis);
        }
    }

    /// Closes idle and stalled clients, and has others tidy up their buffers.
    pub(crate) fn sweep(&self) {
        self.begin_batch();
        let now_ms = self.now_ms();
        let config = self.config();
        let (mut input_max, mut output_max) = (0, 0);
        for (_, handle) in self.connections.borrow().iter() {
            let seen = &handle.published;
            let idle_ms = now_ms.saturating_sub(seen.last_active_ms.load(Relaxed));
            let partial_since = seen.partial_since_ms.load(Relaxed);
            let exempt = ClientHandle::FLAG_REPLICA
                | ClientHandle::FLAG_PRIMARY
                | ClientHandle::FLAG_MONITOR
                | ClientHandle::FLAG_BLOCKED
                | ClientHandle::FLAG_PUBSUB;
            let is_exempt = seen.flags.load(Relaxed) & exempt != 0;
            if self.limits_clients() {
                self.evict_clients(handle);
            }
            input_max = input_max.max(seen.query_capacity());
            output_max = output_max.max(handle.waiting_bytes());
            if config.timeout > 0 && !is_exempt && idle_ms / 1000 > i64::from(config.timeout) {
                tracing::debug!("Closing idle client");
                handle.kill();
            } else if config.request_timeout > 0
                && partial_since > 0
                && now_ms.saturating_sub(partial_since) / 1000 >= i64::from(config.request_timeout)
            {
                tracing::debug!(addr = handle.addr, "Closing client that did not finish its request in time");
                handle.kill();
            } else if super::buffers::wants_housekeeping(handle, idle_ms) {
                handle.signal(Signals::HOUSEKEEPING);
            }
        }
        self.stats.buffer_peaks.note(now_ms, input_max, output_max);
    }
}

/// What a command is executed as a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartOf {
    /// EXEC.
    Transaction,
    /// A script or a function.
    Script,
}

/// The threads, and the way to hand them connections.
pub struct WorkerPool {
    inboxes: Vec<UnboundedSender<Incoming>>,
    next: std::sync::atomic::AtomicUsize,
}

impl WorkerPool {
    /// Starts `count` worker threads.
    ///
    /// # Errors
    /// If the system gives no thread or no event queue.
    pub fn start(server: &Arc<Server>, count: usize) -> std::io::Result<Arc<WorkerPool>> {
        let mut inboxes = Vec::new();
        for index in 0..count {
            let (sender, receiver) = unbounded_channel();
            inboxes.push(sender);
            let server = server.clone();
            // The event loop belongs to the thread that makes it.
            let (started, has_started) = std::sync::mpsc::sync_channel(1);
            std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
                crate::process::crash::prepare_thread();
                let stats = Arc::new(WorkerStats::new(server.commands.all().len()));
                let (runtime, outcome) = match event_loop(stats.clone()) {
                    Ok(runtime) => (Some(runtime), Ok(())),
                    Err(error) => (None, Err(error)),
                };
                // Nobody listens only where the process ends.
                let _ = started.send(outcome);
                if let Some(runtime) = runtime {
                    runtime.block_on(serve(Rc::new(Worker::new(index, server, stats)), receiver));
                }
            })?;
            has_started.recv().map_err(std::io::Error::other)??;
        }
        Ok(Arc::new(WorkerPool { inboxes, next: Default::default() }))
    }
    /// Hands a connection to the workers in turn.
    pub fn hand_over(&self, incoming: Incoming) {
        let turn = self.next.fetch_add(1, Relaxed);
        if let Some(inbox) = self.inboxes.get(turn % self.inboxes.len().max(1)) {
            // The receiver lives as long as the process.
            let _ = inbox.send(incoming);
        }
    }
}

/// The event loop of a worker with these statistics.
fn event_loop(stats: Arc<WorkerStats>) -> std::io::Result<LocalRuntime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.on_thread_unpark(move || stats.end_cycle()).event_interval(TURNS_A_LOOK);
    builder.enable_io().enable_time().build_local(LocalOptions::default())
}

async fn serve(worker: Rc<Worker>, mut inbox: UnboundedReceiver<Incoming>) {
    worker.stats.set_event_loop(tokio::runtime::Handle::current().metrics());
    worker.member.publish_memory();
    worker.server.memory.started(worker.server.store.used_memory());
    tokio::task::spawn_local(crate::cron::beat(worker.clone()));
    tokio::task::spawn_local(crate::cron::run(worker.clone()));
    tokio::task::spawn_local(crate::memory::finish_evictions(worker.clone()));
    tokio::task::spawn_local(crate::pubsub::deliver(worker.clone()));
    tokio::task::spawn_local(crate::aof::let_go(worker.clone()));
    tokio::task::spawn_local(crate::tracking::keep_limit(worker.clone()));
    tokio::task::spawn_local(crate::memory::expire(worker.clone()));
    if worker.index == 0 {
        tokio::task::spawn_local(crate::upstream::follow(worker.clone()));
    }
    while let Some(incoming) = inbox.recv().await {
        worker.begin_batch();
        let (stream, addresses) = match register(incoming) {
            Ok(registered) => registered,
            Err(error) => {
                tracing::warn!(%error, "a connection was lost before it was served");
                continue;
            }
        };
        if let Some(connection) = Connection::open(&worker, stream, addresses) {
            let task = connection.run(worker.clone());
            tokio::task::spawn_local(super::stack::OnStack::new(worker.clone(), task));
        }
    }
}

fn register(incoming: Incoming) -> std::io::Result<(Stream, super::addresses::Addresses)> {
    Ok(match incoming {
        Incoming::Tcp(stream) => {
            let addresses = super::addresses::Addresses::tcp(stream.peer_addr()?, stream.local_addr()?);
            (Stream::Tcp(tokio::net::TcpStream::from_std(stream)?), addresses)
        }
        Incoming::Tls(stream, session) => {
            let addresses = super::addresses::Addresses::tcp(stream.peer_addr()?, stream.local_addr()?);
            let stream = TlsStream::new(tokio::net::TcpStream::from_std(stream)?, session);
            (Stream::Tls(Box::new(stream)), addresses)
        }
        Incoming::Unix(stream, path) => {
            (Stream::Unix(tokio::net::UnixStream::from_std(stream)?), super::addresses::Addresses::unix(&path))
        }
    })
}
