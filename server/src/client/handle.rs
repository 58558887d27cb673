//! What the rest of the process sees of a client, and how it reaches it.

use super::{Outbox, Push, TaskWaker};
use crate::acl::Account;
use crate::blocking::Waiter;
use crate::tracking::{Mode, Tracker};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

/// The class of a client, by which output limits and CLIENT KILL TYPE go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// Everybody.
    Normal,
    /// A replica of ours.
    Replica,
    /// In pub/sub mode.
    PubSub,
    /// The link to our primary.
    Primary,
}

impl ClientKind {
    /// The name of the configuration and of CLIENT LIST TYPE.
    pub fn name(self) -> &'static str {
        match self {
            ClientKind::Normal => "normal",
            ClientKind::Replica => "slave",
            ClientKind::PubSub => "pubsub",
            ClientKind::Primary => "master",
        }
    }
}

/// Requests to the connection's task, set by any thread.
#[derive(Default)]
pub struct Signals(AtomicU8);

impl Signals {
    /// Close at once, without sending what waits.
    pub const KILL: u8 = 1;
    /// The outbox holds something.
    pub const OUTBOX: u8 = 2;
    /// Look after the buffers.
    pub const HOUSEKEEPING: u8 = 4;
    /// The pause that held the client back may be over.
    pub const RESUME: u8 = 8;
    /// The client's wait has ended.
    pub const WAIT_OVER: u8 = 16;
    /// The client may be served, which it has to see to itself.
    pub const WAIT_AGAIN: u8 = 32;
    /// The user may listen to less than before.
    pub const RULES: u8 = 64;
    /// More of the log has reached the disk.
    pub const DURABLE: u8 = 128;

    /// Adds signals.
    pub fn raise(&self, signals: u8) {
        self.0.fetch_or(signals, SeqCst);
    }
    /// Takes all signals.
    #[inline]
    pub fn take(&self) -> u8 {
        if self.0.load(SeqCst) == 0 { 0 } else { self.0.swap(0, SeqCst) }
    }
    /// The signals, left in place.
    pub fn peek(&self) -> u8 {
        self.0.load(SeqCst)
    }
}

/// Figures the connection publishes for CLIENT LIST and INFO after each batch. Only its own task writes them.
#[derive(Default)]
pub struct Published {
    /// Unix milliseconds of the last batch.
    pub last_active_ms: AtomicI64,
    /// Unix milliseconds since which a command has been incomplete; 0: none is.
    pub partial_since_ms: AtomicI64,
    /// Selected database.
    pub db: AtomicU32,
    /// Id of the last command, plus one; 0 before the first.
    pub last_command: AtomicU32,
    /// 2 or 3.
    pub protocol: AtomicU8,
    /// Letters of CLIENT LIST's `flags`, one bit each: see [`ClientHandle::FLAG_LETTERS`].
    pub flags: AtomicU32,
    /// Commands queued since MULTI, plus one; 0 outside MULTI.
    pub queued: AtomicU32,
    /// Keys watched.
    pub watched: AtomicU32,
    /// Bytes that the queued commands and the list of watched keys take.
    pub transaction_bytes: AtomicU64,
    /// How many channels, patterns and channels of slots it listens to.
    pub subscriptions: [AtomicU32; 3],
    /// Bytes that its subscriptions take.
    pub subscription_bytes: AtomicU64,
    /// Bytes that the prefixes take which it tracks.
    pub prefix_bytes: AtomicU64,
    /// Bytes in the query buffer that are not parsed yet.
    pub query_len: AtomicU64,
    /// Bytes in the query buffer that are complete arguments of an incomplete command, with their headers.
    pub query_parsed: AtomicU64,
    /// Bytes that the query buffer is going to need beyond its size for the argument that has been announced.
    pub query_announced: AtomicU64,
    /// Bytes free in the query buffer.
    pub query_free: AtomicU64,
    /// Bytes held by the arguments of the command that the client waits in.
    pub argv_bytes: AtomicU64,
    /// Bytes of replies not yet sent.
    pub output_len: AtomicU64,
    /// Bytes of them that are shared with other clients.
    pub output_shared: AtomicU64,
    /// Size of the reply buffer as CLIENT LIST shows it.
    pub output_capacity: AtomicU64,
    /// Bytes allocated for replies.
    pub output_allocated: AtomicU64,
    /// Most bytes in the reply buffer since the last look at it.
    pub output_peak: AtomicU64,
    /// Bytes read since the connection began.
    pub bytes_in: AtomicU64,
    /// Bytes written.
    pub bytes_out: AtomicU64,
    /// Commands executed.
    pub commands: AtomicU64,
}

impl Published {
    /// Size of the query buffer.
    pub fn query_capacity(&self) -> u64 {
        self.query_len.load(Relaxed) + self.query_parsed.load(Relaxed) + self.query_free.load(Relaxed)
    }
}

/// A client as everybody sees it.
pub struct ClientHandle {
    /// Never used twice while the process lives.
    pub id: u64,
    /// `ip:port` of the peer, or the socket's path with `:0`.
    pub addr: String,
    /// `ip:port` of our side.
    pub local_addr: String,
    /// File descriptor.
    pub fd: i32,
    /// Whether it came through a Unix socket.
    pub is_unix: bool,
    /// Unix milliseconds.
    pub connected_ms: i64,
    /// Worker that serves it.
    pub worker: usize,
    /// CLIENT SETNAME.
    pub name: Mutex<Vec<u8>>,
    /// CLIENT SETINFO.
    pub library: Mutex<(Vec<u8>, Vec<u8>)>,
    /// The user it is logged in as.
    pub account: Mutex<Arc<Account>>,
    /// Figures for CLIENT LIST.
    pub published: Published,
    /// What [`ClientMemory`](super::ClientMemory) has counted for it.
    pub counted_bytes: AtomicU64,
    /// What it has to give back since it was closed for the sake of memory.
    pub leaving_bytes: AtomicU64,
    /// CLIENT NO-EVICT.
    pub no_evict: AtomicBool,
    /// CLIENT CAPA REDIRECT.
    pub understands_redirect: AtomicBool,
    /// How it tracks keys.
    pub tracker: Tracker,
    /// It is about to close, and receives nothing more.
    pub closed: AtomicBool,
    /// Pushes from others.
    pub outbox: Outbox,
    /// The blocking command it waits in.
    pub waiter: Mutex<Option<Arc<Waiter>>>,
    /// A key that it watches has changed. Set under the lock of that key, cleared under those of all watched keys.
    pub(crate) watch_broken: AtomicBool,
    pub(crate) signals: Signals,
    pub(crate) waker: TaskWaker,
}

// No two flags share a bit.
const _: () = {
    let (letters, mut seen, mut at) = (ClientHandle::FLAG_LETTERS, 0, 0);
    while at < letters.len() {
        assert!(seen & letters[at].0 == 0);
        seen |= letters[at].0;
        at += 1;
    }
};

impl ClientHandle {
    /// The letters of CLIENT LIST's `flags` by bit number.
    pub const FLAG_LETTERS: &'static [(u32, char)] = &[
        (Self::FLAG_REPLICA, 'S'),
        (Self::FLAG_MONITOR, 'O'),
        (Self::FLAG_PRIMARY, 'M'),
        (Self::FLAG_PUBSUB, 'P'),
        (Self::FLAG_MULTI, 'x'),
        (Self::FLAG_BLOCKED, 'b'),
        (Self::FLAG_TRACKS, 't'),
        (Self::FLAG_REDIRECT_BROKEN, 'R'),
        (Self::FLAG_BROADCAST, 'B'),
        (Self::FLAG_WATCH_BROKEN, 'd'),
        (Self::FLAG_CLOSE_AFTER_REPLY, 'c'),
        (Self::FLAG_UNIX, 'U'),
        (Self::FLAG_NO_EVICT, 'e'),
        (Self::FLAG_NO_TOUCH, 'T'),
        (Self::FLAG_IMPORT_SOURCE, 'I'),
    ];
    /// A replica.
    pub const FLAG_REPLICA: u32 = 1;
    /// Runs MONITOR.
    pub const FLAG_MONITOR: u32 = 1 << 1;
    /// Subscribed.
    pub const FLAG_PUBSUB: u32 = 1 << 2;
    /// Waiting in a blocking command or for a pause to end.
    pub const FLAG_BLOCKED: u32 = 1 << 3;
    /// Closes once its reply is sent.
    pub const FLAG_CLOSE_AFTER_REPLY: u32 = 1 << 4;
    /// Came through a Unix socket.
    pub const FLAG_UNIX: u32 = 1 << 5;
    /// CLIENT NO-EVICT.
    pub const FLAG_NO_EVICT: u32 = 1 << 6;
    /// CLIENT NO-TOUCH.
    pub const FLAG_NO_TOUCH: u32 = 1 << 7;
    /// Inside MULTI.
    pub const FLAG_MULTI: u32 = 1 << 8;
    /// A key that it watches has changed. Not among the published flags: see [`ClientHandle::flag_bits`].
    pub const FLAG_WATCH_BROKEN: u32 = 1 << 9;
    /// CLIENT IMPORT-SOURCE.
    pub const FLAG_IMPORT_SOURCE: u32 = 1 << 10;

    /// The link to our primary.
    pub const FLAG_PRIMARY: u32 = 1 << 11;

    /// Tracks keys. As the next two, not among the published flags.
    pub const FLAG_TRACKS: u32 = 1 << 20;
    /// Whom it has redirected invalidations to is gone.
    pub const FLAG_REDIRECT_BROKEN: u32 = 1 << 21;
    /// Tracks keys by prefix.
    pub const FLAG_BROADCAST: u32 = 1 << 22;

    /// The bits of [`ClientHandle::FLAG_LETTERS`] that are set.
    pub fn flag_bits(&self) -> u32 {
        let broken = if self.watch_broken.load(Relaxed) { Self::FLAG_WATCH_BROKEN } else { 0 };
        let mode = self.tracker.mode();
        let modes = [
            (Mode::ON, Self::FLAG_TRACKS),
            (Mode::BROKEN, Self::FLAG_REDIRECT_BROKEN),
            (Mode::BROADCAST, Self::FLAG_BROADCAST),
        ];
        let tracks = modes.iter().filter(|(bit, _)| mode & bit != 0).fold(0, |flags, (_, flag)| flags | flag);
        self.published.flags.load(Relaxed) | broken | tracks
    }

    /// Closes the connection as soon as its task runs, dropping what it has not sent.
    pub fn kill(&self) {
        self.signal(Signals::KILL);
    }
    /// Whether somebody asked for the connection to be closed.
    pub fn is_killed(&self) -> bool {
        self.signals.peek() & Signals::KILL != 0
    }
    /// Raises signals and wakes the connection's task.
    pub fn signal(&self, signals: u8) {
        self.signals.raise(signals);
        self.waker.wake();
    }
    /// Hands over a message of another's making; it is sent after the replies that are already under way.
    pub fn push(&self, push: Push) {
        if self.outbox.push(push) {
            self.signal(Signals::OUTBOX);
        }
    }
    /// Whether it runs on this machine: it came through a Unix socket or from a loopback address.
    pub fn is_local(&self) -> bool {
        let host = self.addr.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']);
        self.is_unix || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
    }
    /// Bytes of output that are not sent yet, pushes included.
    pub fn waiting_bytes(&self) -> u64 {
        self.published.output_len.load(Relaxed) + self.outbox.len() as u64
    }
    /// Bytes that its buffers and its entry in the registry take.
    pub fn buffer_bytes(&self) -> u64 {
        let seen = &self.published;
        let query = seen.query_capacity();
        let commands = seen.argv_bytes.load(Relaxed) + seen.transaction_bytes.load(Relaxed);
        let pushes = self.outbox.len() as u64 + seen.output_shared.load(Relaxed);
        let subscriptions = seen.subscription_bytes.load(Relaxed) + seen.prefix_bytes.load(Relaxed);
        let output = seen.output_allocated.load(Relaxed) + pushes;
        query + output + commands + subscriptions + size_of::<ClientHandle>() as u64
    }
    /// Bytes that it takes, and those that it is about to take for the argument that it has announced. Other servers
    /// make room for that at once, so limits and figures are about these.
    pub fn claimed_bytes(&self) -> u64 {
        self.buffer_bytes().saturating_add(self.published.query_announced.load(Relaxed))
    }
    /// Whether it is about to be gone.
    pub fn is_leaving(&self) -> bool {
        self.is_killed() || self.closed.load(SeqCst)
    }
    /// The class by which output limits go.
    pub fn kind(&self) -> ClientKind {
        let flags = self.published.flags.load(Relaxed);
        if flags & Self::FLAG_PRIMARY != 0 {
            ClientKind::Primary
        } else if flags & Self::FLAG_REPLICA != 0 && flags & Self::FLAG_MONITOR == 0 {
            ClientKind::Replica
        } else if flags & Self::FLAG_PUBSUB != 0 {
            ClientKind::PubSub
        } else {
            ClientKind::Normal
        }
    }
}

/// What is known of a client from the moment it is accepted.
#[derive(Default)]
pub struct Origin {
    /// See [`ClientHandle::id`].
    pub id: u64,
    /// See [`ClientHandle::addr`].
    pub addr: String,
    /// See [`ClientHandle::local_addr`].
    pub local_addr: String,
    /// See [`ClientHandle::fd`].
    pub fd: i32,
    /// See [`ClientHandle::is_unix`].
    pub is_unix: bool,
    /// See [`ClientHandle::connected_ms`].
    pub connected_ms: i64,
    /// See [`ClientHandle::worker`].
    pub worker: usize,
    /// See [`ClientHandle::account`].
    pub account: Arc<Account>,
}

impl ClientHandle {
    /// A client that has just been accepted.
    pub fn new(origin: Origin) -> ClientHandle {
        let Origin { id, addr, local_addr, fd, is_unix, connected_ms, worker, account } = origin;
        ClientHandle {
            id,
            addr,
            local_addr,
            fd,
            is_unix,
            connected_ms,
            worker,
            name: Default::default(),
            library: Default::default(),
            account: Mutex::new(account),
            published: Published { last_active_ms: connected_ms.into(), protocol: 2.into(), ..Published::default() },
            counted_bytes: Default::default(),
            leaving_bytes: Default::default(),
            no_evict: Default::default(),
            understands_redirect: Default::default(),
            tracker: Default::default(),
            closed: Default::default(),
            outbox: Default::default(),
            waiter: Default::default(),
            watch_broken: Default::default(),
            signals: Default::default(),
            waker: Default::default(),
        }
    }
}
