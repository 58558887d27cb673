//! The active expiry cycle: finds expired keys that nobody asks for.
//!
//! As in Redis, keys with a deadline are sampled, and sampled again at once while too many of them are expired, within
//! a share of the processor's time. Each worker looks after its own share of the shards, one lock at a time.

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
/// Samples between two looks at the time.
const SAMPLES_PER_TIME_CHECK: u32 = 16;
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
    timed_out: bool,
    fields: FieldCycle,
    /// Whether fields go before keys the next time, so that neither takes all the time for ever.
    fields_first: bool,
}

/// What a cycle did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CycleReport {
    /// Keys with a deadline that were looked at.
    pub sampled: u64,
    /// Keys that were removed.
    pub expired: u64,
    /// Fields of hashes that were removed.
    pub expired_fields: u64,
    /// Whether the cycle ended because its time was over.
    pub timed_out: bool,
}

/// The time, in µs, that a cycle may take on each worker.
pub fn time_limit_us(store: &Store, kind: CycleKind) -> u64 {
    let settings = store.settings();
    let effort = u64::from(settings.active_expire_effort.load(Relaxed).clamp(1, 10)) - 1;
    match kind {
        CycleKind::Fast => FAST_DURATION_US + FAST_DURATION_US / 4 * effort,
        CycleKind::Slow => {
            let hz = u64::from(settings.hz.load(Relaxed).max(1));
            ((SLOW_TIME_PERCENT + 2 * effort) * 1_000_000 / hz / 100).max(1)
        }
    }
}

impl ExpireCycle {
    /// The part of worker number `worker` (from 0) of `workers`.
    pub fn new(worker: usize, workers: usize) -> ExpireCycle {
        let fields = FieldCycle::default();
        ExpireCycle { worker, workers: workers.max(1), next_db: 0, timed_out: false, fields, fields_first: false }
    }

    /// Runs a cycle. `elapsed_us` tells the time since its start. `commit` is called with the locked shard after keys were
    /// removed from it: it propagates the removals and clears the effects. Shards that are
    /// locked by others are left out.
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
        if !store.settings().active_expire.load(Relaxed) {
            return CycleReport::default();
        }
        let limit_us = time_limit_us(&store, kind);
        let shards = (self.worker..store.shards()).step_by(self.workers);
        let mut out_of_time = || elapsed_us() > limit_us;
        self.fields_first = !self.fields_first;
        let mut removed = 0;
        if self.fields_first {
            removed = self.fields.run(member, shards.clone(), clock, kind, effects, &mut out_of_time, commit);
        }
        let mut report = self.expire_keys(member, clock, kind, effects, &mut out_of_time, commit);
        if !self.fields_first {
            removed = self.fields.run(member, shards, clock, kind, effects, &mut out_of_time, commit);
        }
        report.expired_fields = removed;
        report.timed_out |= self.fields.is_unfinished();
        report
    }

    fn expire_keys(
        &mut self,
        member: &Member,
        clock: Clock,
        kind: CycleKind,
        effects: &mut Effects,
        out_of_time: &mut dyn FnMut() -> bool,
        commit: &mut dyn FnMut(&mut Guard<'_, Shard>, &mut Effects),
    ) -> CycleReport {
        let store = member.store().clone();
        let settings = store.settings();
        let mut report = CycleReport::default();
        let effort = settings.active_expire_effort.load(Relaxed).clamp(1, 10) as usize - 1;
        let acceptable = ACCEPTABLE_STALE_PERCENT - effort as u64;
        let stale_millionths = store.expire_stale_millionths.load(Relaxed);
        if kind == CycleKind::Fast && !self.timed_out && stale_millionths < acceptable * 10_000 {
            return report;
        }
        let databases = store.databases();
        let count = if self.timed_out { databases } else { databases.min(DATABASES_PER_CYCLE) };
        let mut samples = 0u32;
        'cycle: for _ in 0..count {
            let db = self.next_db % databases;
            self.next_db = self.next_db.wrapping_add(1);
            for shard in (self.worker..store.shards()).step_by(self.workers) {
                loop {
                    samples += 1;
                    let sample = sample(member, shard, db, clock, KEYS_PER_LOOP / 4 * (4 + effort), effects, commit);
                    report.sampled += sample.sampled;
                    report.expired += sample.expired;
                    if samples.is_multiple_of(SAMPLES_PER_TIME_CHECK) && out_of_time() {
                        report.timed_out = true;
                        store.expire_time_caps.fetch_add(1, Relaxed);
                        break 'cycle;
                    }
                    let again = sample.expired * 100 > sample.sampled * acceptable;
                    if !again && !sample.found_nothing_yet {
                        break;
                    }
                }
            }
        }
        self.timed_out = report.timed_out;
        let current = (report.expired * 1_000_000).checked_div(report.sampled).unwrap_or(0);
        store.expire_stale_millionths.store((current * 5 + stale_millionths * 95) / 100, Relaxed);
        report
    }
}

#[derive(Default)]
struct Sample {
    sampled: u64,
    expired: u64,
    /// There are keys, but the chains looked at had none.
    found_nothing_yet: bool,
}

/// Looks at some keys with a deadline in one shard and removes the expired ones.
fn sample(
    member: &Member,
    shard: usize,
    db: usize,
    clock: Clock,
    wanted: usize,
    effects: &mut Effects,
    commit: &mut dyn FnMut(&mut Guard<'_, Shard>, &mut Effects),
) -> Sample {
    let store = member.store();
    let hint = store.hint(shard, db);
    if hint.volatile.load(Relaxed) == 0 {
        hint.average_ttl_ms.store(0, Relaxed);
        return Sample::default();
    }
    let Some(mut guard) = member.party().enter().and_then(|slice| slice.try_lock(ShardSet::one(shard))) else {
        return Sample::default();
    };
    let mut txn = Txn::new(store, &mut guard, clock, effects, Access::default());
    let sample = sample_locked(&mut txn, hint, shard, db, wanted).unwrap_or_default();
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
    for key in &expired {
        // A look-up removes what has expired.
        txn.peek(db, &store.key(key))?;
    }
    Ok(Sample { sampled: sampled as u64, expired: expired.len() as u64, found_nothing_yet: sampled == 0 })
}
