//! The state of a session, owned by its connection.

use super::{ClientHandle, ReplicaSide};
use crate::acl::{Account, Accounts, Permit, User};
use crate::propagation::{End, Rewrite};
use crate::pubsub::{Space, Subscriptions};
use crate::server::{Attention, Server};
use crate::tracking::Tracks;
use crate::transaction::{Transaction, Watching};
use ochre_resp::reply::Protocol;
use ochre_store::sync::ShardSet;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    /// Every command is answered.
    #[default]
    On,
    /// None is.
    Off,
    /// This one is not; the next one is.
    SkipThis,
    /// The next one is not.
    SkipNext,
    /// None may be: it is a replica, and what it is sent is the stream.
    Never,
}

/// What a prefix takes beside its bytes, in the lists of the client and of the process.
const PREFIX_BYTES: usize = 160;

/// What a connection remembers between commands.
pub struct Client {
    /// Selected database.
    pub db: usize,
    /// RESP version of the replies.
    pub protocol: Protocol,
    /// Whether it has given its password, or needs none.
    pub authenticated: bool,
    /// The user it is logged in as.
    pub(crate) account: Arc<Account>,
    /// What that user may do, as of the gate epoch below.
    pub(crate) user: Arc<User>,
    /// What that user has just been allowed.
    pub(crate) permit: Permit,
    /// The gate epoch for which it was last looked what has changed.
    pub(crate) gate_epoch: u64,
    /// CLIENT REPLY.
    pub reply_mode: ReplyMode,
    /// Leave access times of keys alone (CLIENT NO-TOUCH).
    pub no_touch: bool,
    /// Its connection is encrypted.
    pub(crate) is_encrypted: bool,
    /// Whether it has its scripts debugged.
    pub(crate) debugs: Debugging,
    /// What it does is taken back: what stands for it is recorded, though nobody may read what is propagated.
    pub(crate) rehearses: bool,
    /// Imports data from another server (CLIENT IMPORT-SOURCE).
    pub import_source: bool,
    /// Runs MONITOR.
    pub monitor: bool,
    /// What it has queued since MULTI.
    pub(crate) transaction: Option<Box<Transaction>>,
    /// What it watches.
    pub(crate) watching: Option<Box<Watching>>,
    /// What it listens to.
    pub(crate) subscriptions: Option<Box<Subscriptions>>,
    /// What is propagated in place of the command it runs; none while nobody has asked.
    pub(crate) rewrite: Option<Box<Rewrite>>,
    /// What came of the transfer that its command is about to end.
    pub(crate) migrated: Option<Box<crate::migration::Outcome>>,
    /// Where the propagation log ended after its last command.
    pub(crate) written: End,
    /// Up to which place of the log for the append-only file its output depends on what was done.
    pub(crate) depends: u64,
    /// Its commands come from a log: they were accepted once, and are what their effect was.
    pub(crate) is_log: bool,
    /// It is the link to the primary.
    pub(crate) link: Option<Box<crate::upstream::Link>>,
    /// What it has said of itself as a replica.
    pub(crate) replica: Option<Box<ReplicaSide>>,
    /// How it tracks keys, if it does.
    pub(crate) tracks: Option<Tracks>,
    /// The prefixes of keys that it tracks.
    pub(crate) prefixes: BTreeSet<Box<[u8]>>,
    /// Bits of [`Attention`](crate::server::Attention) for this client alone.
    pub(crate) attention: u32,
    /// How others see it.
    pub handle: Arc<ClientHandle>,
}

/// Whether and on what scripts are debugged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Debugging {
    Off,
    /// On the data.
    InPlace,
    /// On what seems to be a copy of it.
    OnCopy,
}

impl Client {
    /// A fresh session of the default user on database 0, RESP2.
    pub fn new(handle: Arc<ClientHandle>, accounts: &Accounts) -> Client {
        let account = accounts.default_account().clone();
        let user = account.user();
        let mut client = Client {
            db: 0,
            protocol: Protocol::Resp2,
            authenticated: user.is_open(),
            account: account.clone(),
            user,
            permit: Permit::default(),
            // None: it is looked once before the first command.
            gate_epoch: 0,
            reply_mode: ReplyMode::On,
            no_touch: false,
            is_encrypted: false,
            debugs: Debugging::Off,
            rehearses: false,
            import_source: false,
            monitor: false,
            transaction: None,
            watching: None,
            subscriptions: None,
            tracks: None,
            prefixes: BTreeSet::new(),
            rewrite: None,
            migrated: None,
            written: End::default(),
            depends: 0,
            is_log: false,
            link: None,
            replica: None,
            attention: 0,
            handle,
        };
        client.set_account(account);
        client
    }
    /// Goes on as that user.
    pub(crate) fn set_account(&mut self, account: Arc<Account>) {
        *self.handle.account.lock() = account.clone();
        self.account = account;
        self.see_user();
    }
    /// Looks what the user may do now.
    pub(crate) fn see_user(&mut self) {
        self.user = self.account.user();
        self.permit = Permit::default();
        let restricted = if self.user.is_unrestricted() || self.link.is_some() { 0 } else { Attention::RESTRICTED };
        self.attention = self.attention & !Attention::RESTRICTED | restricted;
    }
    /// Has it carry the stream of the primary. Nobody asks what that may do, and nobody wants replies.
    pub(crate) fn follow(&mut self, link: crate::upstream::Link, db: usize) {
        self.link = Some(Box::new(link));
        self.attention |= Attention::FOLLOWED;
        self.authenticated = true;
        self.is_log = true;
        self.reply_mode = ReplyMode::Off;
        self.db = db;
        self.see_user();
        self.publish_flags();
    }
    /// Is a replica from now on, which calls nothing that is answered.
    pub(crate) fn be_fed(&mut self) {
        self.attention |= Attention::FED;
        self.reply_mode = ReplyMode::Never;
    }
    /// Whether the user may still listen to all that the client listens to.
    pub(crate) fn may_go_on_listening(&self) -> bool {
        let own = self.subscriptions.as_deref();
        own.is_none_or(|own| own.all(|space, name| self.user.may_subscribe(name, space == Space::Pattern)))
    }
    /// Is nobody any more: its user was deleted.
    pub(crate) fn log_out(&mut self, accounts: &Accounts) {
        self.authenticated = false;
        self.set_account(accounts.default_account().clone());
    }
    /// The session as the runs of a command that waits see it.
    pub(crate) fn frozen(&self) -> Client {
        Client {
            handle: self.handle.clone(),
            account: self.account.clone(),
            user: self.user.clone(),
            transaction: None,
            watching: None,
            subscriptions: None,
            prefixes: BTreeSet::new(),
            rewrite: None,
            migrated: None,
            link: None,
            replica: None,
            attention: 0,
            ..*self
        }
    }
    /// Changes the protocol of the replies to come.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        let version = if protocol == Protocol::Resp3 { 3 } else { 2 };
        self.handle.published.protocol.store(version, Relaxed);
        self.mark_listener();
    }
    /// Begins to track keys, or goes on in another way.
    pub(crate) fn start_tracking(&mut self, tracks: Tracks) {
        self.tracks = Some(tracks);
        self.attention |= Attention::TRACKS;
    }
    /// Tracks keys no more.
    pub(crate) fn stop_tracking(&mut self, server: &Server) {
        if self.tracks.take().is_some() {
            let prefixes = std::mem::take(&mut self.prefixes);
            server.tracking.disable(&self.handle, &prefixes, &server.attention);
            self.attention &= !Attention::TRACKS;
            self.publish_prefixes();
        }
    }
    /// Shows others what its prefixes take.
    pub(crate) fn publish_prefixes(&self) {
        let bytes = self.prefixes.iter().map(|prefix| prefix.len() + PREFIX_BYTES);
        self.handle.published.prefix_bytes.store(bytes.sum::<usize>() as u64, Relaxed);
    }
    /// A command is over: what CLIENT CACHING said concerned that one, unless it was CLIENT CACHING itself, or one of its
    /// kin, or is part of a transaction.
    pub(crate) fn command_over(&mut self, is_client: bool) {
        if let Some(tracks) = &mut self.tracks
            && !is_client
            && self.transaction.is_none()
        {
            tracks.caching = false;
        }
    }
    /// Whether it listens to any channel or pattern.
    pub fn is_listener(&self) -> bool {
        self.subscriptions.is_some()
    }
    /// Its subscriptions have changed, or what follows from them.
    pub(crate) fn subscriptions_changed(&mut self) {
        if self.subscriptions.as_ref().is_some_and(|own| own.is_empty()) {
            self.subscriptions = None;
        }
        let (own, seen) = (self.subscriptions.as_deref(), &self.handle.published);
        for space in [Space::Channel, Space::Pattern, Space::Shard] {
            let number = own.map_or(0, |own| own.len(space));
            seen.subscriptions[space as usize].store(number as u32, Relaxed);
        }
        seen.subscription_bytes.store(own.map_or(0, Subscriptions::allocated) as u64, Relaxed);
        self.mark_listener();
        self.publish_flags();
    }
    fn mark_listener(&mut self) {
        self.attention &= !Attention::LISTENS_ONLY;
        if self.is_listener() && self.protocol == Protocol::Resp2 {
            self.attention |= Attention::LISTENS_ONLY;
        }
    }
    /// MULTI.
    pub(crate) fn begin_transaction(&mut self) {
        self.transaction = Some(Box::default());
        self.attention |= Attention::IN_TRANSACTION;
        self.publish_flags();
        self.publish_transaction();
    }
    /// Forgets what it has queued, if anything. What it watches is left.
    pub(crate) fn end_transaction(&mut self) {
        self.transaction = None;
        self.attention &= !Attention::IN_TRANSACTION;
        self.publish_flags();
        self.publish_transaction();
    }
    /// Shows others what it has queued and what it watches.
    pub(crate) fn publish_transaction(&self) {
        let seen = &self.handle.published;
        let (transaction, watching) = (self.transaction.as_deref(), self.watching.as_deref());
        seen.queued.store(transaction.map_or(0, |transaction| transaction.len() as u32 + 1), Relaxed);
        seen.watched.store(watching.map_or(0, |watching| watching.len() as u32), Relaxed);
        let bytes = transaction.map_or(0, Transaction::allocated) + watching.map_or(0, Watching::allocated);
        seen.transaction_bytes.store(bytes as u64, Relaxed);
    }
    /// The shards of the keys it watches.
    pub(crate) fn watched_shards(&self) -> ShardSet {
        self.watching.as_ref().map_or(ShardSet::EMPTY, |watching| watching.shards())
    }
    /// Whether EXEC would run a script.
    pub(crate) fn has_queued_script(&self) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| transaction.has_script())
    }
    /// The shards that EXEC needs.
    pub(crate) fn transaction_shards(&self) -> ShardSet {
        let queued = self.transaction.as_ref().map_or(ShardSet::EMPTY, |transaction| transaction.shards());
        queued.union(self.watched_shards())
    }
    /// The id CLIENT ID tells.
    pub fn id(&self) -> u64 {
        self.handle.id
    }
    /// Shows the session's flags to others.
    pub fn publish_flags(&self) {
        self.handle.published.flags.store(self.flags(), Relaxed);
    }
    /// The bits of [`ClientHandle::FLAG_LETTERS`] that follow from the session's state.
    pub fn flags(&self) -> u32 {
        let mut flags = 0;
        if self.handle.is_unix {
            flags |= ClientHandle::FLAG_UNIX;
        }
        if self.replica.as_ref().is_some_and(|replica| replica.is_attached()) {
            flags |= ClientHandle::FLAG_REPLICA;
        }
        if self.link.is_some() {
            flags |= ClientHandle::FLAG_PRIMARY;
        }
        if self.monitor {
            flags |= ClientHandle::FLAG_MONITOR;
        }
        if self.is_listener() {
            flags |= ClientHandle::FLAG_PUBSUB;
        }
        if self.attention & Attention::IN_TRANSACTION != 0 {
            flags |= ClientHandle::FLAG_MULTI;
        }
        if self.no_touch {
            flags |= ClientHandle::FLAG_NO_TOUCH;
        }
        if self.import_source {
            flags |= ClientHandle::FLAG_IMPORT_SOURCE;
        }
        if self.handle.no_evict.load(Relaxed) {
            flags |= ClientHandle::FLAG_NO_EVICT;
        }
        flags
    }
}
