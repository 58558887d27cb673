//! The active expiry cycle: finds expired keys that nobody asks for.
//!
//! As in Redis, keys with a deadline are sampled, and sampled again at once while too many of them are expired, within
//! a share of the processor's time. Each worker looks after its own share of the shards, one lock at a time. A cycle may
//! be run in slices, so that nobody waits for the whole of it.

use crate::clock::Clock;
use crate::effects::Effects;
use crate::error::Error;
use crate::hash::FieldCycle;
use crate::raw::hint::Hint;
use crate::shard::Shard;
use crate::store::{Member, Store};
use crate::sync::{Guard, ShardSet};
use crate::txn::{Access, Txn};
use std::sync::atomic::Ordering::Relaxed;

/// Databases looked at in one cycle, unless the one before ran out of time.
const DATABASES_PER_CYCLE: usize = 16;
const KEYS_PER_LOOP: usize = 20;
const FAST_DURATION_US: u64 = 1000;
const SLOW_TIME_PERCENT: u64 = 25;
/// Percentage of expired keys among the sampled ones above which a shard is sampled again at once.
const ACCEPTABLE_STALE_PERCENT: u64 = 10;
/// Chains looked at for each key wanted in a sample.
const CHAINS_PER_KEY: usize = 20;

/// How long a cycle may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CycleKind {
    /// `hz` times a second.
    Slow,
    /// Between two slow ones, whenever a worker is about to sleep; does nothing unless much is known to be expired. Not
    /// to be repeated within twice its time.
    Fast,
}

/// One worker's part in active expiry.
#[derive(Debug)]
pub struct ExpireCycle {
    worker: usize,
    workers: usize,
    next_db: usize,
    /// Turns taken by the worker's shards.
    turns: usize,
    timed_out: bool,
    fields: FieldCycle,
    /// Whether fields go before keys the next time, so that neither takes all the time for ever.
    fields_first: bool,
    current: Option<Pass>,
}

/// How far a cycle has come.
#[derive(Debug)]
struct Pass {
    kind: CycleKind,
    /// Databases to be looked at, with the one that is being looked at.
    databases: usize,
    /// Shards of the current database to be looked at.
    shards: usize,
    sampled: u64,
    expired: u64,
    /// Whether the last slice of it came to the end of its time.
    timed_out: bool,
}

/// What a cycle, or a slice of it, did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CycleReport {
    /// Keys with a deadline that were looked at.
    pub sampled: u64,
    /// Keys that were removed.
    pub expired: u64,
    /// Fields of hashes that were removed.
    pub expired_fields: u64,
    /// Whether it ended because its time was over.
    pub timed_out: bool,
}

/// The time, in µs, that a cycle may take on each worker.
pub fn time_limit_us(store: &Store, kind: CycleKind) -> u64 {
    let effort = effort(store);
    match kind {
        CycleKind::Fast => FAST_DURATION_US + FAST_DURATION_US / 4 * effort,
        CycleKind::Slow => {
            let hz = u64::from(store.settings().hz.load(Relaxed).max(1));
            ((SLOW_TIME_PERCENT + 2 * effort) * 1_000_000 / hz / 100).max(1)
        }
    }
}

impl ExpireCycle {
    /// The part of worker number `worker` (from 0) of `workers`.
    pub fn new(worker: usize, workers: usize) -> ExpireCycle {
        ExpireCycle {
            worker,
            workers: workers.max(1),
            next_db: 0,
            turns: 0,
            timed_out: false,
            fields: FieldCycle::default(),
            fields_first: false,
            current: None,
        }
    }

    /// Runs a cycle in one go. `elapsed_us` tells the time since its start. Otherwise as [`slice`](Self::slice).
    pub fn run(
        &mut self,
        member: &Member,
        clock: Clock,
        kind: CycleKind,
        effects: &mut Effects,
        elapsed_us: &mut dyn FnMut() -> u64,
        commit: &mut dyn FnMut(&mut Guard<'_, Shard>, &mut Effects),
    ) -> CycleReport {
        let store = member.store().clone();
        let limit_us = time_limit_us(&store, kind);
        self.begin(&store, kind);
        let report = self.slice(member, clock, effects, &mut || elapsed_us() > limit_us, commit);
        self.end(&store);
        report
    }

    /// Begins a cycle, of which [`slice`](Self::slice) then does pieces. One that has not come to its end is ended.
    pub fn begin(&mut self, store: &Store, kind: CycleKind) {
        self.end(store);
        if !store.settings().active_expire.load(Relaxed) {
            return;
        }
        let shards = self.shards(store);
        let stale_millionths = store.expire_stale_millionths.load(Relaxed);
        let is_little = !self.timed_out && stale_millionths < acceptable_stale_percent(store) * 10_000;
        let databases = match kind {
            CycleKind::Fast if is_little => 0,
            _ if shards == 0 => 0,
            _ if self.timed_out => store.databases(),
            _ => store.databases().min(DATABASES_PER_CYCLE),
        };
        self.current = Some(Pass { kind, databases, shards, sampled: 0, expired: 0, timed_out: false });
    }

    /// Goes on with the cycle until it is done (then there is nothing left to do until the next one begins) or `out_of_time`
    /// says so, which is asked after each few keys. `commit` is called with the locked shard after keys were removed
    /// from it: it propagates the removals and clears the effects. Shards that are locked by others are left out.
    pub fn slice(
        &mut self,
        member: &Member,
        clock: Clock,
        effects: &mut Effects,
        out_of_time: &mut dyn FnMut() -> bool,
        commit: &mut dyn FnMut(&mut Guard<'_, Shard>, &mut Effects),
    ) -> CycleReport {
        let store = member.store().clone();
        let kind = match &self.current {
            Some(pass) if store.settings().active_expire.load(Relaxed) => pass.kind,
            _ => return CycleReport::default(),
        };
        let shards = (self.worker..store.shards()).step_by(self.workers);
        self.fields_first = !self.fields_first;
        let mut removed = 0;
        if self.fields_first {
            removed = self.fields.run(member, shards.clone(), clock, kind, effects, out_of_time, commit);
        }
        let mut report = self.expire_keys(member, clock, effects, out_of_time, commit);
        if !self.fields_first {
            removed = self.fields.run(member, shards, clock, kind, effects, out_of_time, commit);
        }
        report.expired_fields = removed;
        report.timed_out |= self.fields.is_unfinished();
        report
    }

    /// Ends the cycle, if one is under way: its time is over, or all is done.
    pub fn end(&mut self, store: &Store) {
        let Some(pass) = self.current.take() else { return };
        if pass.kind == CycleKind::Fast && pass.sampled == 0 {
            return;
        }
        self.timed_out = pass.timed_out;
        if self.timed_out {
            // Another database has its turn first.
            self.next_db = self.next_db.wrapping_add(1);
            store.expire_time_caps.fetch_add(1, Relaxed);
        }
        let current = (pass.expired * 1_000_000).checked_div(pass.sampled).unwrap_or(0);
        let before = store.expire_stale_millionths.load(Relaxed);
        store.expire_stale_millionths.store((current * 5 + before * 95) / 100, Relaxed);
    }

    /// How many shards the worker looks after.
    fn shards(&self, store: &Store) -> usize {
        store.shards().saturating_sub(self.worker).div_ceil(self.workers)
    }

    fn expire_keys(
        &mut self,
        member: &Member,
        clock: Clock,
        effects: &mut Effects,
        out_of_time: &mut dyn FnMut() -> bool,
        commit: &mut dyn FnMut(&mut Guard<'_, Shard>, &mut Effects),
    ) -> CycleReport {
        let store = member.store();
        let own = self.shards(store);
        let mut report = CycleReport::default();
        let Some(pass) = &mut self.current else { return report };
        pass.timed_out = false;
        let wanted = KEYS_PER_LOOP / 4 * (4 + effort(store) as usize);
        let acceptable = acceptable_stale_percent(store);
        while pass.databases > 0 {
            let db = self.next_db % store.databases();
            while pass.shards > 0 {
                let shard = self.worker + self.turns % own * self.workers;
                let mut sample = Sample::default();
                if has_deadlines(store, shard, db) {
                    sample = take_sample(member, shard, db, clock, wanted, effects, commit);
                    report.sampled += sample.sampled;
                    report.expired += sample.expired;
                    pass.sampled += sample.sampled;
                    pass.expired += sample.expired;
                    pass.timed_out = out_of_time();
                }
                let again = sample.expired * 100 > sample.sampled * acceptable;
                if !again && !sample.found_nothing_yet {
                    self.turns = self.turns.wrapping_add(1);
                    pass.shards -= 1;
                }
                if pass.timed_out {
                    report.timed_out = true;
                    return report;
                }
            }
            self.next_db = self.next_db.wrapping_add(1);
            pass.shards = own;
            pass.databases -= 1;
        }
        report
    }
}

/// `active-expire-effort`, from 0.
fn effort(store: &Store) -> u64 {
    u64::from(store.settings().active_expire_effort.load(Relaxed).clamp(1, 10)) - 1
}

fn acceptable_stale_percent(store: &Store) -> u64 {
    ACCEPTABLE_STALE_PERCENT - effort(store)
}

fn has_deadlines(store: &Store, shard: usize, db: usize) -> bool {
    let hint = store.hint(shard, db);
    let has_some = hint.volatile.load(Relaxed) > 0;
    if !has_some {
        hint.average_ttl_ms.store(0, Relaxed);
    }
    has_some
}

#[derive(Default)]
struct Sample {
    sampled: u64,
    expired: u64,
    /// There are keys, but the chains looked at had none.
    found_nothing_yet: bool,
}

/// Looks at some keys with a deadline in one shard and removes the expired ones.
fn take_sample(
    member: &Member,
    shard: usize,
    db: usize,
    clock: Clock,
    wanted: usize,
    effects: &mut Effects,
    commit: &mut dyn FnMut(&mut Guard<'_, Shard>, &mut Effects),
) -> Sample {
    let store = member.store();
    let Some(mut guard) = member.party().enter().and_then(|slice| slice.try_lock(ShardSet::one(shard))) else {
        return Sample::default();
    };
    let mut txn = Txn::new(store, &mut guard, clock, effects, Access::default());
    let sample = sample_locked(&mut txn, store.hint(shard, db), shard, db, wanted).unwrap_or_default();
    if sample.expired > 0 {
        commit(&mut guard, effects);
    }
    sample
}

fn sample_locked(txn: &mut Txn<'_>, hint: &Hint, shard: usize, db: usize, wanted: usize) -> Result<Sample, Error> {
    let (now_ms, store) = (txn.now_ms(), txn.store());
    let (data, _) = txn.shard(shard)?;
    let (Some(keys), Some(cursor)) = (data.databases.get(db), data.expire_cursors.get_mut(db)) else {
        return Err(Error::OutOfRange);
    };
    let wanted = wanted.min(keys.volatile_len());
    if wanted == 0 {
        return Ok(Sample::default());
    }
    let buckets = keys.volatile_buckets();
    // In a table that will shrink soon looking for keys is expensive.
    if buckets.0 + buckets.1 > 4 && keys.volatile_len() * 100 < buckets.0 + buckets.1 {
        return Ok(Sample::default());
    }
    let mut expired = Vec::new();
    let (mut sampled, mut ttl_sum, mut alive) = (0, 0i64, 0i64);
    for _ in 0..wanted * CHAINS_PER_KEY {
        *cursor = keys.scan_volatile(*cursor, &mut |entry| {
            let Some(deadline) = entry.deadline() else { return };
            sampled += 1;
            if now_ms > deadline {
                expired.push(entry.key().to_vec());
            } else {
                ttl_sum = ttl_sum.saturating_add(deadline - now_ms);
                alive += 1;
            }
        });
        if sampled >= wanted {
            break;
        }
    }
    if let Some(average) = ttl_sum.checked_div(alive) {
        let before = hint.average_ttl_ms.load(Relaxed);
        let before = if before == 0 { average } else { before };
        hint.average_ttl_ms.store(before / 50 * 49 + average / 50, Relaxed);
    }
    if !data.pins.is_empty() {
        expired.retain(|key| !data.pins.has(db, key));
    }
    for key in &expired {
        // A look-up removes what has expired.
        txn.peek(db, &store.key(key))?;
    }
    Ok(Sample { sampled: sampled as u64, expired: expired.len() as u64, found_nothing_yet: sampled == 0 })
}
