//! Serving those who wait for keys that have become ready.

use super::claim::Claimed;
use super::request::WaitKind;
use super::table::{KeyQueue, WaitTable};
use super::waiter::{Outcome, Waiter};
use crate::acl::{LogContext, acl_check};
use crate::command::Flags;
use crate::context::{After, Context, Mode};
use crate::error::{self, CommandError, CommandResult};
use crate::net::{KeyHashes, Worker};
use crate::server::Attention;
use ochre_resp::reply::ReplyWriter;
use ochre_store::keyspace::Presence;
use ochre_store::sync::Guard;
use ochre_store::{Access, Clock, Effects, Expired, Shard, Txn, keyspace};
use std::collections::VecDeque;
use std::sync::Arc;

/// Keys that somebody waits for and that are to be looked at, in the order in which they became ready.
#[derive(Default)]
pub(crate) struct Ready(VecDeque<ReadyKey>);

struct ReadyKey {
    db: usize,
    key: Box<[u8]>,
    shard: usize,
}

impl Ready {
    /// Adds what a unit has touched that somebody waits for, and takes it out of the unit's effects.
    pub(crate) fn collect(&mut self, worker: &Worker, guard: &mut Guard<'_, Shard>, effects: &mut Effects) {
        for (db, key) in effects.touched.drain(..).chain(effects.ready.drain(..)) {
            self.note(worker, guard, db, key);
        }
        for db in effects.touched_databases.drain(..) {
            self.collect_database(worker, guard, db);
        }
    }

    /// Nobody is to be served.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn note(&mut self, worker: &Worker, guard: &mut Guard<'_, Shard>, db: usize, key: Box<[u8]>) {
        let number = worker.server.store.key(&key).shard();
        let Some(shard) = guard.shard(number) else { return };
        if shard.attached::<WaitTable>().mark_ready(db, &key) {
            self.0.push_back(ReadyKey { db, key, shard: number });
        }
    }

    /// Whoever has waited longest for a key of the database comes first.
    fn collect_database(&mut self, worker: &Worker, guard: &mut Guard<'_, Shard>, db: usize) {
        let mut keys: Vec<(u64, Box<[u8]>)> = Vec::new();
        for number in worker.server.blocked.shards_among(guard.set()).iter() {
            let Some(shard) = guard.shard(number) else { continue };
            keys.extend(shard.attached::<WaitTable>().keys(db).map(|(ticket, key)| (ticket, key.into())));
        }
        keys.sort_unstable();
        for (_, key) in keys {
            self.note(worker, guard, db, key);
        }
    }
}

/// Serves the clients that wait for the `ready` keys, and those whom that makes ready, until nothing is ready. Each is a unit
/// of its own. `guard` is that of the unit that made the keys ready, whose effects are settled.
#[cold]
pub(crate) fn serve(
    worker: &Worker,
    guard: &mut Guard<'_, Shard>,
    effects: &mut Effects,
    ready: Ready,
    clock: Clock,
    access: Access,
) {
    let mut serving = Serving { worker, guard, effects, ready, clock, access };
    while let Some(key) = serving.ready.0.pop_front() {
        serving.look_at(&key);
    }
}

/// Serves those who wait for the end of keys that expired or were evicted, and marks those who watch them. To be called before the effects are settled, with
/// the locks still held.
pub(crate) fn serve_removals(worker: &Worker, guard: &mut Guard<'_, Shard>, effects: &mut Effects) {
    let mut ready = Ready::default();
    crate::transaction::mark_removals(worker, guard, effects, worker.clock());
    crate::tracking::settle_removals(worker, guard, effects);
    if !worker.server.blocked.shards_among(guard.set()).is_empty() {
        for removal in &effects.removals {
            ready.note(worker, guard, removal.db, removal.key.clone());
        }
    }
    crate::effects::settle_removals(worker, effects);
    if !ready.is_empty() {
        effects.record_touched = true;
        serve(worker, guard, effects, ready, worker.clock(), Access::default());
    }
}

/// Looks at the keys of one waiter, in its own worker, as if they had just become ready: others could not tell whether it can
/// be served. `guard` holds all shards it needs.
pub(crate) fn serve_again(worker: &Worker, guard: &mut Guard<'_, Shard>, waiter: &Waiter) {
    let mut ready = Ready::default();
    for place in &waiter.keys {
        ready.note(worker, guard, waiter.client.db, waiter.argv().at(place.argument).into());
    }
    let mut effects = worker.effects();
    effects.record_touched = true;
    effects.record_events = crate::memory::publishes_events(worker);
    serve(worker, guard, &mut effects, ready, worker.clock(), Access::default());
}

struct Serving<'s, 'g, 'w> {
    worker: &'w Worker,
    guard: &'s mut Guard<'g, Shard>,
    effects: &'s mut Effects,
    ready: Ready,
    clock: Clock,
    access: Access,
}

/// What came of running a waiter's command again.
#[derive(PartialEq, Eq)]
enum Tried {
    /// The wait is over.
    Over,
    /// It goes on.
    Waits,
}

impl Serving<'_, '_, '_> {
    fn look_at(&mut self, key: &ReadyKey) {
        let Some(shard) = self.guard.shard(key.shard) else { return };
        shard.attached::<WaitTable>().unmark_ready(key.db, &key.key);
        self.expire(key);
        let mut last = None;
        while let Some(waiter) = self.next_to_lose(key, last) {
            last = Some(waiter.ticket);
            self.try_waiter(&waiter, key, true);
        }
        let mut last = None;
        while let Some(waiter) = self.next_to_gain(key, last) {
            last = Some(waiter.ticket);
            let tried = self.try_waiter(&waiter, key, false);
            if tried == Tried::Waits && waiter.kind.is_taken_by_one() {
                break;
            }
        }
    }

    /// Removes the key, if it has expired, as looking for something there does in a command.
    fn expire(&mut self, key: &ReadyKey) {
        let mut txn = Txn::new(&self.worker.server.store, self.guard, self.clock, self.effects, self.access);
        let address = txn.store().key(&key.key);
        let presence = keyspace::presence(&mut txn, key.db, address);
        if presence == Ok(Presence::Expired) && self.access.expired == Expired::Remove {
            // It was found just now.
            let _ = keyspace::exists_for_write(&mut txn, key.db, address);
            self.settle(After::default(), 0);
        }
    }

    /// The next waiter whose wait the absence of what it waits for ends.
    fn next_to_lose(&mut self, key: &ReadyKey, last: Option<u64>) -> Option<Arc<Waiter>> {
        let waiter = self.queue(key)?.minding_absence_after(last)?;
        self.wanted(key).is_none_or(|kind| kind != WaitKind::Stream).then_some(waiter)
    }

    /// The next waiter that what the key holds now is something for.
    fn next_to_gain(&mut self, key: &ReadyKey, last: Option<u64>) -> Option<Arc<Waiter>> {
        self.queue(key)?;
        let kind = self.wanted(key)?;
        self.queue(key)?.after(kind, last)
    }

    fn queue(&mut self, key: &ReadyKey) -> Option<&KeyQueue> {
        self.guard.shard(key.shard)?.attached::<WaitTable>().get(key.db, &key.key)
    }

    /// Who wants what the key holds now.
    fn wanted(&mut self, key: &ReadyKey) -> Option<WaitKind> {
        let mut txn = Txn::new(&self.worker.server.store, self.guard, self.clock, self.effects, self.access);
        let address = txn.store().key(&key.key);
        let found = keyspace::peek_type(&mut txn, key.db, address).ok()??;
        [WaitKind::List, WaitKind::SortedSet, WaitKind::Stream].into_iter().find(|kind| kind.wants(found))
    }

    fn try_waiter(&mut self, waiter: &Arc<Waiter>, key: &ReadyKey, is_gone: bool) -> Tried {
        if waiter.destination.is_some_and(|place| !self.guard.set().contains(place.shard)) {
            // It takes all locks it needs by itself.
            waiter.look_yourself();
            return Tried::Waits;
        }
        if self.is_held_up(waiter) {
            return Tried::Waits;
        }
        match waiter.claim.try_serve() {
            Claimed::Mine => {}
            // Whoever tries it will have it look by itself, if that is in vain.
            Claimed::Busy => return Tried::Over,
            Claimed::Over => {
                self.worker.server.blocked.leave(self.guard, waiter);
                return Tried::Over;
            }
        }
        let mut bytes = Vec::new();
        let before = self.worker.ticks.now();
        let (result, after) = if is_gone && self.worker.config().compatibility_level.has_own_error_for_lost_stream() {
            (Err(error::STREAM_GONE), After::default())
        } else {
            self.run(waiter, key, &mut bytes)
        };
        let nanos = waiter.nanos + self.worker.ticks.nanos(before, self.worker.ticks.now());
        let waits = matches!(result, Err(CommandError::Blocked(_)));
        if !waits {
            self.account(waiter, &result, &after, nanos, &mut bytes);
            self.worker.server.blocked.leave(self.guard, waiter);
            self.worker.server.blocked.ended(waiter);
            waiter.set_outcome(Outcome::Served(bytes));
            waiter.claim.serve();
            self.worker.wake_later(waiter.handle());
        }
        self.settle(after, waiter.client.id());
        if waits {
            if waiter.claim.give_up() {
                waiter.look_yourself();
            }
            return Tried::Waits;
        }
        Tried::Over
    }

    /// Whether the key that it writes to is on its way to another server. It looks again once that has ended.
    fn is_held_up(&mut self, waiter: &Waiter) -> bool {
        let server = &*self.worker.server;
        let Some(place) = waiter.destination else { return false };
        if server.attention.get() & Attention::MIGRATES == 0 {
            return false;
        }
        let mut txn = Txn::new(&server.store, self.guard, self.clock, self.effects, self.access);
        let key = server.store.key(waiter.argv().at(place.argument));
        keyspace::is_pinned(&mut txn, key).unwrap_or_default()
    }

    fn run(&mut self, waiter: &Waiter, key: &ReadyKey, bytes: &mut Vec<u8>) -> (CommandResult, After) {
        let server = &*self.worker.server;
        let command = server.commands.by_id(waiter.command);
        let mut after = After::default();
        let mut client = waiter.client.frozen();
        // What it may do can have changed since it began to wait.
        client.see_user();
        let allowed = acl_check(&client.user, command, waiter.argv(), client.db);
        if let Err(denial) = allowed {
            crate::acl::log_denial(server, &client, command, waiter.argv(), denial, LogContext::TopLevel);
            let is_old = self.worker.config().compatibility_level.old_error_texts();
            let refusal = error::no_permission(client.user.name(), &command.full_name, denial.reason, is_old);
            return (Err(refusal), after);
        }
        let checks_memory = self.worker.config().compatibility_level.checks_memory_for_waiters();
        if checks_memory && command.has(Flags::DENYOOM) && self.worker.is_out_of_memory() {
            return (Err(error::OOM), after);
        }
        let protocol = client.protocol;
        let mut access = Access { no_touch: client.no_touch, ..self.access };
        if server.attention.get() & Attention::IMPORTS != 0 {
            access.expired = if client.import_source { Expired::Show } else { Expired::Hide };
        }
        let mut context = Context {
            server,
            command,
            argv: waiter.argv(),
            txn: Txn::new(&server.store, self.guard, self.clock, self.effects, access),
            reply: ReplyWriter::new(bytes, protocol),
            hashes: KeyHashes::default(),
            slice: None,
            mode: Mode::Again { kind: waiter.kind, key: &key.key },
            client: &mut client,
            after: &mut after,
        };
        let result = (command.spec.handler)(&mut context);
        if server.attention.get() & Attention::PROPAGATES != 0 {
            crate::propagation::record_call(self.worker, &mut client, waiter.argv(), self.effects, 0);
        }
        if server.attention.get() & Attention::TRACKING != 0 {
            let mut txn = Txn::new(&server.store, self.guard, self.clock, self.effects, access);
            crate::tracking::after_call(self.worker, &client, command, waiter.argv(), &mut txn);
        }
        (result, after)
    }

    fn account(&self, waiter: &Waiter, result: &CommandResult, after: &After, nanos: u64, bytes: &mut Vec<u8>) {
        let worker = self.worker;
        let command = worker.server.commands.by_id(waiter.command);
        let stats = &worker.stats.by_command[usize::from(command.id)];
        if let Err(error) = result {
            self.write_error(error, waiter, bytes);
            stats.failed.add(1);
        }
        worker.account_call(stats, nanos);
        if nanos >= worker.slow_nanos() {
            worker.account_slow(&waiter.client, command, waiter.argv(), after.redacted(), nanos);
        }
    }

    fn write_error(&self, error: &CommandError, waiter: &Waiter, bytes: &mut Vec<u8>) {
        bytes.clear();
        error.write(&mut ReplyWriter::new(bytes, waiter.client.protocol));
        self.worker.stats.errors.add(1);
        self.worker.server.stats.count_error(&error.code());
    }

    /// Accounts for a unit's effects, after noting whom they make ready.
    fn settle(&mut self, mut after: After, client: u64) {
        crate::transaction::mark(self.worker, self.guard, self.effects, self.clock);
        crate::tracking::settle(self.worker, self.guard, self.effects, client);
        self.ready.collect(self.worker, self.guard, self.effects);
        let garbage = std::mem::take(&mut self.effects.garbage);
        garbage
            .into_iter()
            .chain(after.take_rare().garbage)
            .for_each(|garbage| self.worker.server.store.free_later(garbage));
        crate::effects::settle(self.worker, self.effects);
    }
}
