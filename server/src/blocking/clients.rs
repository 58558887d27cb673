//! All who wait: how they begin and end, and what is counted.

use super::claim::Claimed;
use super::request::{Block, WaitKind};
use super::table::{Change, WaitTable};
use super::waiter::{Outcome, Waiter};
use crate::args::Argv;
use crate::client::{Client, ClientHandle, Signals};
use crate::command::CommandId;
use crate::error::{self, CommandError};
use crate::server::{Attention, Server};
use crossbeam_utils::CachePadded;
use ochre_resp::reply::ReplyWriter;
use ochre_store::Shard;
use ochre_store::sync::{Guard, ShardSet};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};

/// How CLIENT UNBLOCK has a command answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unblock {
    /// As if its time were over.
    Timeout,
    /// With an error.
    Error,
}

/// Who waits, in the whole process. The queues themselves lie in the shards.
#[derive(Default)]
pub struct Blocked {
    /// Shards in which somebody waits, one bit each. A bit changes under the lock of its shard, so that whoever holds that
    /// sees it right.
    shards: CachePadded<AtomicU64>,
    /// How many waiters write to another key when they are served. Whoever holds the shard of such a waiter's key sees
    /// that it is not 0.
    with_destination: AtomicUsize,
    next_ticket: AtomicU64,
    clients: AtomicUsize,
    with_timeout: AtomicUsize,
    keys: AtomicIsize,
    keys_minding_absence: AtomicIsize,
    /// Those that wait for no key, by ticket.
    keyless: Mutex<BTreeMap<u64, Arc<Waiter>>>,
}

impl Blocked {
    /// How many clients wait.
    pub fn clients(&self) -> usize {
        self.clients.load(SeqCst)
    }
    /// How many of them do not wait for ever.
    pub fn with_timeout(&self) -> usize {
        self.with_timeout.load(Relaxed)
    }
    /// How many keys are waited for.
    pub fn keys(&self) -> usize {
        self.keys.load(Relaxed).max(0).unsigned_abs()
    }
    /// Of how many keys the end is waited for.
    pub fn keys_minding_absence(&self) -> usize {
        self.keys_minding_absence.load(Relaxed).max(0).unsigned_abs()
    }
    /// The shards among `set` in which somebody waits; to be asked while these are locked.
    #[inline]
    pub(crate) fn shards_among(&self, set: ShardSet) -> ShardSet {
        ShardSet::from_bits(self.shards.load(Relaxed) & set.bits())
    }
    /// Whether some waiter writes to another key when it is served; to be asked under locks.
    pub(crate) fn has_destinations(&self) -> bool {
        self.with_destination.load(Relaxed) > 0
    }
    /// Visits those that wait for no key, the longest waiting first: to [answer](Waiter::answer) those whose wait is over.
    pub fn each_keyless(&self, kind: WaitKind, mut visit: impl FnMut(&Arc<Waiter>)) {
        let waiting: Vec<_> = self.keyless.lock().values().filter(|waiter| waiter.kind == kind).cloned().collect();
        waiting.iter().for_each(&mut visit);
    }

    /// Has a client wait that has just run a command, whose locks `guard` holds. `nanos` is what that took.
    pub(crate) fn begin(
        server: &Server,
        guard: &mut Guard<'_, Shard>,
        client: &Client,
        command: CommandId,
        argv: Argv<'_>,
        block: Block,
        nanos: u64,
    ) -> Arc<Waiter> {
        let blocked = &server.blocked;
        let ticket = blocked.next_ticket.fetch_add(1, Relaxed);
        let mut waiter = Waiter::new(&server.store, ticket, client, command, argv, block);
        waiter.nanos = nanos;
        let waiter = Arc::new(waiter);
        blocked.clients.fetch_add(1, SeqCst);
        blocked.with_timeout.fetch_add(usize::from(waiter.timeout.is_some()), Relaxed);
        blocked.with_destination.fetch_add(usize::from(waiter.destination.is_some()), Relaxed);
        for place in &waiter.keys {
            let Some(shard) = guard.shard(place.shard) else { continue };
            let change = shard.attached::<WaitTable>().add(client.db, waiter.argv().at(place.argument), &waiter);
            blocked.count(change);
            blocked.shards.fetch_or(ShardSet::one(place.shard).bits(), Relaxed);
        }
        if waiter.keys.is_empty() {
            blocked.keyless.lock().insert(ticket, waiter.clone());
        } else if server.attention.get() & Attention::WAITERS == 0 {
            // Never cleared: the shards' bits say the rest.
            server.attention.set(Attention::WAITERS, true);
        }
        *client.handle.waiter.lock() = Some(waiter.clone());
        client.handle.published.flags.fetch_or(ClientHandle::FLAG_BLOCKED, SeqCst);
        waiter
    }

    /// Takes a waiter out of all queues of the locked shards.
    pub(crate) fn leave(&self, guard: &mut Guard<'_, Shard>, waiter: &Waiter) {
        let db = waiter.client.db;
        for place in waiter.keys.iter().filter(|place| waiter.standing().contains(place.shard)) {
            let Some(shard) = guard.shard(place.shard) else { continue };
            let table = shard.attached::<WaitTable>();
            self.count(table.remove(db, waiter.argv().at(place.argument), waiter));
            if table.is_empty() {
                self.shards.fetch_and(!ShardSet::one(place.shard).bits(), Relaxed);
            }
        }
        for shard in waiter.standing().iter().filter(|shard| guard.set().contains(*shard)) {
            waiter.stands_no_more(shard);
        }
    }

    /// What follows from the end of a wait, but for the queues. To be called by who has claimed it, once.
    pub(super) fn ended(&self, waiter: &Waiter) {
        self.clients.fetch_sub(1, SeqCst);
        self.with_timeout.fetch_sub(usize::from(waiter.timeout.is_some()), Relaxed);
        self.with_destination.fetch_sub(usize::from(waiter.destination.is_some()), Relaxed);
        if waiter.keys.is_empty() {
            self.keyless.lock().remove(&waiter.ticket);
        }
        waiter.handle().published.flags.fetch_and(!ClientHandle::FLAG_BLOCKED, SeqCst);
    }

    /// Ends a wait for the client's own task: the time is over, or the connection closes. `Busy`: somebody serves it just
    /// now; if that is in vain the task is told.
    pub(crate) fn end_own(&self, waiter: &Waiter) -> Claimed {
        let claimed = waiter.claim();
        if claimed == Claimed::Mine {
            self.ended(waiter);
        }
        claimed
    }

    /// Ends a wait from outside. False: it has ended already.
    pub(crate) fn end(&self, waiter: &Waiter, outcome: Outcome) -> bool {
        loop {
            match waiter.claim() {
                Claimed::Mine => {
                    self.ended(waiter);
                    waiter.set_outcome(outcome);
                    waiter.handle().signal(Signals::WAIT_OVER);
                    return true;
                }
                Claimed::Over => return false,
                // For the length of one command.
                Claimed::Busy => std::thread::yield_now(),
            }
        }
    }

    /// Has those look again who write to another key when they are served: that key may be free by now.
    pub(crate) fn look_for_destinations(&self, server: &Server) {
        if !self.has_destinations() {
            return;
        }
        for client in server.clients.all() {
            let waiter = client.waiter.lock().clone();
            waiter.iter().filter(|waiter| waiter.destination.is_some()).for_each(|waiter| waiter.look_yourself());
        }
    }

    /// CLIENT UNBLOCK: ends the wait of a client. False: it does not wait, or not in a way that can be ended so.
    pub fn unblock(&self, client: &ClientHandle, how: Unblock) -> bool {
        let waiter = client.waiter.lock().clone();
        let Some(waiter) = waiter.filter(|waiter| waiter.kind.can_be_unblocked()) else { return false };
        let outcome = match how {
            Unblock::Timeout => Outcome::TimedOut,
            Unblock::Error => Outcome::Failed(error::UNBLOCKED_BY_CLIENT, false),
        };
        self.end(&waiter, outcome)
    }

    /// Ends the wait of a client that is about to be closed: nothing is given to it any more.
    pub fn cancel(&self, client: &ClientHandle) {
        let waiter = client.waiter.lock().clone();
        while let Some(waiter) = &waiter
            && self.end_own(waiter) == Claimed::Busy
        {
            std::thread::yield_now();
        }
    }

    /// Ends the wait of a client with an error, and closes the connection behind that if so said: when this process becomes
    /// a replica, when a slot moves away.
    pub fn fail(&self, client: &ClientHandle, error: CommandError, close: bool) -> bool {
        let waiter = client.waiter.lock().clone();
        waiter.is_some_and(|waiter| self.end(&waiter, Outcome::Failed(error, close)))
    }

    fn count(&self, change: Change) {
        self.keys.fetch_add(change.keys, Relaxed);
        self.keys_minding_absence.fetch_add(change.keys_minding_absence, Relaxed);
    }
}

impl Waiter {
    /// Ends a wait for no key with the reply that `write` makes. False: it has ended already.
    pub fn answer(&self, server: &Server, write: impl FnOnce(&mut ReplyWriter<'_>)) -> bool {
        let mut bytes = Vec::new();
        write(&mut ReplyWriter::new(&mut bytes, self.client.protocol));
        server.blocked.end(self, Outcome::Served(bytes))
    }
}
