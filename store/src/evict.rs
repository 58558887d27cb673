//! Eviction: removes keys while more memory is used than `maxmemory` allows.
//!
//! As in Redis, the best of a few random keys go to a small pool of candidates, and the best of the pool is evicted.
//! At most one shard is locked at a time.

use crate::clock::{self, Clock};
use crate::effects::Effects;
use crate::error::Error;
use crate::random::Random;
use crate::raw::entry::Entry;
use crate::settings::Policy;
use crate::shard::Shard;
use crate::store::{Member, Store};
use crate::sync::{Guard, ShardSet};
use crate::txn::{Access, Expired, Txn};
use std::sync::atomic::Ordering::Relaxed;

const POOL_SIZE: usize = 16;
/// Rounds of sampling without a candidate, or of locks held by others, before giving up.
const ATTEMPTS: usize = 256;

/// How eviction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// No more memory is used than allowed.
    Enough,
    /// Too much is used, but the time was over or the shards were locked; to be continued.
    Unfinished,
    /// Too much is used and there is nothing to evict.
    Nothing,
}

/// One worker's eviction state.
#[derive(Debug)]
pub struct Evictor {
    /// Candidates, the best last.
    pool: Vec<Candidate>,
    /// The policy that the pool's scores are for.
    policy: Policy,
    next_db: usize,
    random: Random,
    /// What the keys took that were evicted in this run.
    freed_bytes: usize,
}

#[derive(Debug)]
struct Candidate {
    score: u64,
    db: usize,
    key: Box<[u8]>,
}

/// What one try did.
enum Step {
    Evicted,
    Locked,
    Empty,
}

/// Bytes in use beyond `maxmemory`, if any. What waits to be freed counts as freed, and `not_counted` bytes (buffers that
/// must not cause evictions) are left out.
pub fn excess_bytes(store: &Store, not_counted: &dyn Fn() -> usize) -> Option<usize> {
    let max = store.settings().maxmemory.load(Relaxed) as usize;
    if max == 0 {
        return None;
    }
    // Other threads take and free such memory meanwhile: no key must go for what is seen on one side only.
    let left_out = || not_counted().saturating_add(store.pending_free_bytes());
    let before = left_out();
    let used = store.used_memory();
    used.saturating_sub(before.max(left_out())).checked_sub(max).filter(|excess| *excess > 0)
}

impl Evictor {
    /// An evictor with the given random seed.
    pub fn new(seed: u64) -> Evictor {
        Evictor { pool: Vec::new(), policy: Policy::NoEviction, next_db: 0, random: Random::new(seed), freed_bytes: 0 }
    }

    /// Evicts until no more memory is used than allowed, or what was too much at first is freed, or `out_of_time` says so
    /// (asked after every eviction, and while shards are locked by others). `commit` is called with the locked shard after a
    /// key was removed from it: it propagates the removal and clears the effects. What that allocates, so that others hear
    /// of the removal, costs no further key. The caller must hold no shard.
    pub fn run(
        &mut self,
        member: &Member,
        clock: Clock,
        not_counted: &dyn Fn() -> usize,
        effects: &mut Effects,
        out_of_time: &mut dyn FnMut() -> bool,
        commit: &mut dyn FnMut(&mut Guard<'_, Shard>, &mut Effects),
    ) -> Eviction {
        let store = member.store();
        let mut due = None;
        self.freed_bytes = 0;
        loop {
            member.publish_memory();
            let Some(excess) = excess_bytes(store, not_counted) else { return Eviction::Enough };
            if self.freed_bytes >= *due.get_or_insert(excess) {
                return Eviction::Enough;
            }
            let policy = store.settings().policy();
            if self.policy != policy {
                self.pool.clear();
                self.policy = policy;
            }
            let step = match policy {
                Policy::NoEviction => return Eviction::Nothing,
                Policy::AllKeysRandom | Policy::VolatileRandom => {
                    self.evict_random(member, clock, effects, out_of_time, commit)
                }
                _ => self.evict_best(member, clock, effects, out_of_time, commit),
            };
            match step {
                Step::Evicted if out_of_time() => return Eviction::Unfinished,
                Step::Evicted => {}
                Step::Locked => return Eviction::Unfinished,
                Step::Empty => return Eviction::Nothing,
            }
        }
    }

    fn evict_random(
        &mut self,
        member: &Member,
        clock: Clock,
        effects: &mut Effects,
        out_of_time: &mut dyn FnMut() -> bool,
        commit: &mut dyn FnMut(&mut Guard<'_, Shard>, &mut Effects),
    ) -> Step {
        let store = member.store();
        let volatile = self.policy.is_volatile();
        let mut locked = false;
        for _ in 0..ATTEMPTS.max(store.databases()) {
            let db = self.next_db % store.databases();
            self.next_db = self.next_db.wrapping_add(1);
            let Some(shard) = weighted_shard(store, db, volatile, &mut self.random) else { continue };
            let Some(mut guard) = lock(member, shard) else {
                locked = true;
                if out_of_time() {
                    break;
                }
                continue;
            };
            let mut txn = Txn::new(store, &mut guard, clock, effects, ACCESS);
            let random = &mut self.random;
            let key = txn.shard(shard).ok().and_then(|(data, _)| {
                let entry = data.databases.get(db)?.random(volatile, random)?;
                Some(entry.key().to_vec())
            });
            if let Some(key) = key
                && let Ok(Some(freed)) = remove(&mut txn, db, &key, volatile)
            {
                self.freed_bytes = self.freed_bytes.saturating_add(freed);
                commit(&mut guard, effects);
                return Step::Evicted;
            }
        }
        if locked { Step::Locked } else { Step::Empty }
    }

    fn evict_best(
        &mut self,
        member: &Member,
        clock: Clock,
        effects: &mut Effects,
        out_of_time: &mut dyn FnMut() -> bool,
        commit: &mut dyn FnMut(&mut Guard<'_, Shard>, &mut Effects),
    ) -> Step {
        let store = member.store();
        let volatile = self.policy.is_volatile();
        let mut locked = false;
        for _ in 0..ATTEMPTS {
            if locked && out_of_time() {
                break;
            }
            if !self.fill_pool(member, clock, effects, &mut locked) {
                return if locked { Step::Locked } else { Step::Empty };
            }
            while let Some(candidate) = self.pool.pop() {
                let shard = store.key(&candidate.key).shard();
                let Some(mut guard) = lock(member, shard) else {
                    locked = true;
                    continue;
                };
                let mut txn = Txn::new(store, &mut guard, clock, effects, ACCESS);
                if let Ok(Some(freed)) = remove(&mut txn, candidate.db, &candidate.key, volatile) {
                    self.freed_bytes = self.freed_bytes.saturating_add(freed);
                    commit(&mut guard, effects);
                    return Step::Evicted;
                }
            }
        }
        if locked { Step::Locked } else { Step::Empty }
    }

    /// Samples some keys of one shard of each database. False if there is no key to evict at all.
    fn fill_pool(&mut self, member: &Member, clock: Clock, effects: &mut Effects, locked: &mut bool) -> bool {
        let store = member.store();
        let settings = store.settings();
        let (policy, volatile) = (self.policy, self.policy.is_volatile());
        let samples = settings.maxmemory_samples.load(Relaxed).max(1) as usize;
        let decay_minutes = settings.lfu_decay_time.load(Relaxed);
        let mut any = false;
        for db in 0..store.databases() {
            let Some(shard) = weighted_shard(store, db, volatile, &mut self.random) else { continue };
            any = true;
            let Some(mut guard) = lock(member, shard) else {
                *locked = true;
                continue;
            };
            let mut txn = Txn::new(store, &mut guard, clock, effects, ACCESS);
            let now_ms = txn.now_ms();
            let Ok((data, _)) = txn.shard(shard) else { continue };
            let Some(keys) = data.databases.get(db) else { continue };
            let pool = &mut self.pool;
            keys.sample(volatile, samples, &mut self.random, &mut |entry| {
                offer(pool, score(policy, entry, now_ms, decay_minutes), db, entry.key());
            });
        }
        any
    }
}

/// Eviction looks at keys as they are.
const ACCESS: Access = Access { no_touch: true, expired: Expired::Show };

fn lock(member: &Member, shard: usize) -> Option<Guard<'_, Shard>> {
    member.party().enter()?.try_lock(ShardSet::one(shard))
}

/// A shard, each as likely as it has keys that may be evicted.
fn weighted_shard(store: &Store, db: usize, volatile: bool, random: &mut Random) -> Option<usize> {
    let len = |shard| {
        let hint = store.hint(shard, db);
        if volatile { &hint.volatile } else { &hint.len }.load(Relaxed)
    };
    let total: usize = (0..store.shards()).map(len).sum();
    let mut place = random.below(total);
    for shard in 0..store.shards() {
        let len = len(shard);
        if place < len {
            return Some(shard);
        }
        place -= len;
    }
    None
}

/// How much an entry deserves to be evicted.
fn score(policy: Policy, entry: &Entry, now_ms: i64, decay_minutes: u32) -> u64 {
    match policy {
        Policy::VolatileTtl => u64::MAX - entry.deadline().unwrap_or(i64::MAX).max(0) as u64,
        policy if policy.is_lfu() => u64::from(255 - clock::lfu_decayed(entry.access(), now_ms, decay_minutes)),
        _ => clock::lru_idle_ms(entry.access(), now_ms),
    }
}

/// Puts a key into the pool if there is room or it is better than the worst there.
fn offer(pool: &mut Vec<Candidate>, score: u64, db: usize, key: &[u8]) {
    if pool.len() >= POOL_SIZE && pool.first().is_some_and(|worst| score <= worst.score) {
        return;
    }
    if pool.iter().any(|candidate| candidate.db == db && *candidate.key == *key) {
        return;
    }
    if pool.len() >= POOL_SIZE {
        pool.remove(0);
    }
    let place = pool.partition_point(|candidate| candidate.score < score);
    pool.insert(place, Candidate { score, db, key: key.into() });
}

/// Removes a key if it still may be evicted; how many bytes it took.
fn remove(txn: &mut Txn<'_>, db: usize, key: &[u8], volatile: bool) -> Result<Option<usize>, Error> {
    let key = txn.store().key(key);
    if txn.shard(key.shard())?.0.pins.has(db, key.bytes()) {
        return Ok(None);
    }
    let Some((entry, mut around)) = txn.find_existing(db, &key)? else { return Ok(None) };
    if volatile && entry.deadline().is_none() {
        return Ok(None);
    }
    let bytes = entry.memory();
    around.evict(entry);
    Ok(Some(bytes))
}
