//! A client that waits, with all that is needed to run its command again.

use super::claim::{Claim, Claimed};
use super::request::{Block, TimeoutReply, WaitKind};
use crate::args::Argv;
use crate::client::{Client, ClientHandle, Signals};
use crate::command::CommandId;
use crate::error::CommandError;
use crate::propagation::End;
use ochre_resp::request::Span;
use ochre_store::Store;
use ochre_store::sync::ShardSet;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How a wait ended, if not by the client's own connection.
pub(crate) enum Outcome {
    /// The command was run again; this is the reply.
    Served(Vec<u8>),
    /// It is to be answered as if the time were over.
    TimedOut,
    /// It is to be answered with this error, and then closed if so said.
    Failed(CommandError, bool),
}

/// A key that is waited for, or written to when the client is served.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) argument: usize,
    pub(super) shard: usize,
}

/// One client in one wait. Its connection's task waits for the end of it; anybody may bring that about.
pub struct Waiter {
    pub(super) claim: Claim,
    /// By which waiters stand in order: drawn under the locks of all its keys.
    pub(super) ticket: u64,
    pub(super) kind: WaitKind,
    /// The session as it was.
    pub(super) client: Client,
    pub(super) command: CommandId,
    bytes: Vec<u8>,
    spans: Vec<Span>,
    pub(super) keys: Vec<Place>,
    pub(super) destination: Option<Place>,
    pub(super) timeout: Option<Duration>,
    otherwise: TimeoutReply,
    /// Nanoseconds of the first run, which count as part of the command.
    pub(super) nanos: u64,
    outcome: Mutex<Option<Outcome>>,
    /// Shards in whose tables it still stands, one bit each.
    standing: AtomicU64,
}

impl Waiter {
    pub(super) fn new(
        store: &Store,
        ticket: u64,
        client: &Client,
        command: CommandId,
        argv: Argv<'_>,
        block: Block,
    ) -> Waiter {
        let Block { kind, keys, destination, timeout, otherwise, rewritten } = block;
        let (mut bytes, mut spans) = (Vec::new(), Vec::with_capacity(argv.len()));
        for (index, argument) in argv.iter().enumerate() {
            let new = rewritten.iter().find(|(place, _)| *place == index).map(|(_, new)| &**new);
            let start = bytes.len();
            bytes.extend_from_slice(new.unwrap_or(argument));
            spans.push(Span { start, end: bytes.len() });
        }
        let place = |argument| Place { argument, shard: store.key(argv.at(argument)).shard() };
        let keys: Vec<Place> = keys.map(place).collect();
        let standing = keys.iter().fold(0, |bits, place| bits | ShardSet::one(place.shard).bits());
        Waiter {
            claim: Claim::default(),
            ticket,
            kind,
            client: client.frozen(),
            command,
            bytes,
            spans,
            keys,
            destination: destination.map(place),
            timeout: timeout.as_millis().map(Duration::from_millis),
            otherwise,
            nanos: 0,
            outcome: Mutex::default(),
            standing: AtomicU64::new(standing),
        }
    }

    /// What it waits for.
    pub fn kind(&self) -> WaitKind {
        self.kind
    }
    /// The client.
    pub fn handle(&self) -> &Arc<ClientHandle> {
        &self.client.handle
    }
    pub(crate) fn command(&self) -> CommandId {
        self.command
    }
    pub(crate) fn argv(&self) -> Argv<'_> {
        Argv::new(&self.bytes, &self.spans)
    }
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }
    pub(crate) fn otherwise(&self) -> &TimeoutReply {
        &self.otherwise
    }
    /// Where the propagation log ended after the client's last command.
    pub(crate) fn written(&self) -> End {
        self.client.written
    }
    /// Nanoseconds of the first run.
    pub(crate) fn nanos(&self) -> u64 {
        self.nanos
    }
    /// Whether the wait has ended, and what there is for the client may be [taken](Waiter::take_outcome).
    pub(crate) fn is_over(&self) -> bool {
        self.claim.is_over()
    }
    pub(crate) fn take_outcome(&self) -> Option<Outcome> {
        self.outcome.lock().take()
    }
    pub(super) fn set_outcome(&self, outcome: Outcome) {
        *self.outcome.lock() = Some(outcome);
    }
    /// Ends the wait for the waiter's own task, or in its name.
    pub(super) fn claim(&self) -> Claimed {
        self.claim.end()
    }
    /// The shards in whose tables it still stands.
    pub(crate) fn standing(&self) -> ShardSet {
        ShardSet::from_bits(self.standing.load(Relaxed))
    }
    pub(super) fn stands_no_more(&self, shard: usize) {
        self.standing.fetch_and(!ShardSet::one(shard).bits(), Relaxed);
    }
    /// The shards that its command needs, as far as the waiter knows.
    pub(crate) fn shards(&self) -> ShardSet {
        let places = self.keys.iter().chain(&self.destination);
        places.fold(ShardSet::EMPTY, |set, place| set.union(ShardSet::one(place.shard)))
    }
    /// Has the waiter's own task look whether it can be served, because others could not tell.
    pub(super) fn look_yourself(&self) {
        self.client.handle.signal(Signals::WAIT_AGAIN);
    }
}
