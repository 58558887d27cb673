//! The store, its keys' addresses, and the threads that use it.

use crate::clock::Clock;
use crate::effects::Effects;
use crate::free::{Core, Garbage, HeldTables};
use crate::memory;
use crate::random::Random;
use crate::raw::hint::{Hint, Pin, Seat};
use crate::settings::Settings;
use crate::shard::Shard;
use crate::stats::{Counters, Stats};
use crate::sync::{Party, SHARDS_MAX, ShardLocks, ShardSet};
use crate::txn::{Access, Txn};
use crossbeam_utils::CachePadded;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

/// What is fixed while a store lives.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of shards: a power of two up to 64. Other numbers are rounded up, and down to 64.
    pub shards: usize,
    /// Number of databases, at least 1.
    pub databases: usize,
    /// Key of the hash function; to be random, so that nobody can prepare colliding keys.
    pub hash_seed: [u64; 4],
}

/// The database itself, and its spare.
const PLACES_PER_DATABASE: usize = 2;

/// A sharded keyspace.
pub struct Store {
    pub(crate) core: Arc<Core>,
    locks: Arc<ShardLocks<Shard>>,
    settings: Settings,
    counters: Box<[CachePadded<Counters>]>,
    shards: usize,
    databases: usize,
    /// The databases and their spares.
    places: usize,
    /// The latest time any transaction has seen.
    latest_ms: CachePadded<AtomicI64>,
    pub(crate) expire_stale_millionths: AtomicU64,
    pub(crate) expire_time_caps: AtomicU64,
    /// Whether a snapshot is being taken.
    pub(crate) is_cut: AtomicBool,
}

/// The address of a key: its bytes, their hash, and the shard they belong to.
#[derive(Clone, Copy, Debug)]
pub struct Key<'k> {
    bytes: &'k [u8],
    hash: u64,
    shard: u8,
}

impl<'k> Key<'k> {
    /// A key whose hash and shard an earlier [`Store::key`] of the same bytes has found.
    pub fn from_parts(bytes: &'k [u8], hash: u64, shard: usize) -> Key<'k> {
        Key { bytes, hash, shard: shard as u8 }
    }
    /// The key's bytes.
    pub fn bytes(&self) -> &'k [u8] {
        self.bytes
    }
    /// The keyed hash of the bytes.
    pub fn hash(&self) -> u64 {
        self.hash
    }
    /// The shard whose lock the key needs.
    pub fn shard(&self) -> usize {
        usize::from(self.shard)
    }
}

/// The set of the shards of some keys.
pub fn shards_of(keys: &[Key<'_>]) -> ShardSet {
    let mut set = ShardSet::EMPTY;
    for key in keys {
        set.insert(key.shard());
    }
    set
}

impl Store {
    /// An empty store. Starts the thread that frees large values.
    pub fn new(options: Options) -> Arc<Store> {
        let shards = options.shards.clamp(1, SHARDS_MAX).next_power_of_two();
        let databases = options.databases.max(1);
        let places = databases * PLACES_PER_DATABASE;
        let core = Core::new(options.hash_seed, shards * places);
        let seed = core.hash(b"sampling");
        let shard = |number| Shard::new(&core, number, places, Random::new(seed ^ number as u64));
        let locks = ShardLocks::new((0..shards).map(shard).collect());
        Arc::new(Store {
            locks,
            settings: Settings::default(),
            counters: (0..shards).map(|_| CachePadded::default()).collect(),
            shards,
            databases,
            places,
            latest_ms: CachePadded::new(AtomicI64::new(i64::MIN)),
            expire_stale_millionths: AtomicU64::new(0),
            expire_time_caps: AtomicU64::new(0),
            is_cut: AtomicBool::new(false),
            core,
        })
    }

    /// Whether a snapshot is being taken, so that none can begin.
    pub fn has_snapshot(&self) -> bool {
        self.is_cut.load(SeqCst)
    }

    /// Hashes a key. Keys with the same non-empty `{tag}` share a shard.
    #[inline]
    pub fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        let hash = self.core.hash(bytes);
        if self.shards == 1 {
            return Key { bytes, hash, shard: 0 };
        }
        let tagged = hash_tag(bytes).map_or(hash, |tag| self.core.hash(tag));
        // Bits that neither the table's index nor its fragments use.
        let shard = (tagged >> 48) as usize & (self.shards - 1);
        Key { bytes, hash, shard: shard as u8 }
    }

    /// Registers the calling thread.
    pub fn register(self: &Arc<Store>) -> Member {
        let seat = self.core.hints.seat();
        memory::seated(Arc::as_ptr(self).addr(), &seat);
        Member { party: self.locks.register(), seat, store: self.clone() }
    }

    /// Keys in a database, including expired ones not yet removed; 0 if there is no such database.
    pub fn db_len(&self, db: usize) -> usize {
        self.hints(db).map(|hint| hint.len.load(Relaxed)).sum()
    }

    /// Keys with a deadline in a database; 0 if there is no such database.
    pub fn db_volatile_len(&self, db: usize) -> usize {
        self.hints(db).map(|hint| hint.volatile.load(Relaxed)).sum()
    }

    /// Hashes in a database that have fields with a deadline; 0 if there is no such database.
    pub fn db_field_keys(&self, db: usize) -> usize {
        self.hints(db).map(|hint| hint.field_keys.load(Relaxed)).sum()
    }

    /// Bytes of the bucket arrays of a database: of all its keys, and of those with a deadline.
    pub fn db_table_bytes(&self, db: usize) -> (usize, usize) {
        let bytes = |hint: &Hint| (hint.main_bytes(), hint.volatile_bytes.load(Relaxed));
        self.hints(db).map(bytes).fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
    }

    /// Bytes of the arrays that the keys of a database are just leaving for others.
    pub fn db_rehashing_bytes(&self, db: usize) -> usize {
        self.hints(db).map(Hint::rehashing_bytes).sum()
    }

    /// Estimated mean time to live, in ms, of the keys with a deadline in a database; 0 without any.
    pub fn db_average_ttl_ms(&self, db: usize) -> i64 {
        let (mut sum, mut keys) = (0i128, 0i128);
        for hint in self.hints(db) {
            let volatile = hint.volatile.load(Relaxed) as i128;
            let average = i128::from(hint.average_ttl_ms.load(Relaxed));
            if volatile > 0 && average > 0 {
                sum += average * volatile;
                keys += volatile;
            }
        }
        if keys == 0 { 0 } else { (sum / keys) as i64 }
    }

    /// The number of keys of a database in one shard.
    pub fn shard_len(&self, shard: usize, db: usize) -> usize {
        if shard < self.shards && db < self.places { self.hint(shard, db).len.load(Relaxed) } else { 0 }
    }

    fn hints(&self, db: usize) -> impl Iterator<Item = &Hint> {
        let shards = if db < self.places { self.shards } else { 0 };
        (0..shards).map(move |shard| self.hint(shard, db))
    }

    #[inline]
    pub(crate) fn hint(&self, shard: usize, db: usize) -> &Hint {
        self.core.hints.get(self.hint_index(shard, db))
    }

    /// Asks the processor for the bucket where the key may be: the first of two steps that hide the memory's latency
    /// when several keys are about to be looked up. The second is [`Prefetch::entry`].
    #[inline]
    pub fn prefetch_bucket(&self, db: usize, key: &Key<'_>) {
        if db < self.databases {
            self.hint(key.shard(), db).prefetch_buckets(key.hash);
        }
    }

    #[inline]
    fn hint_index(&self, shard: usize, db: usize) -> usize {
        shard * self.places + db
    }

    /// Has tables double when they hold more than so many entries a bucket on average, times ten. A bucket has seven slots;
    /// the usual fill, which none stands for, is 6.3.
    pub fn set_bucket_fill_tenths(&self, tenths: Option<usize>) {
        self.core.set_bucket_fill_tenths(tenths);
    }

    /// Has tables stay as large as they are, unless that is wrong by far, as long as the result lives.
    pub fn hold_tables(&self) -> HeldTables {
        HeldTables::new(self.core.clone())
    }

    /// The number of databases.
    pub fn databases(&self) -> usize {
        self.databases
    }

    /// The spare of a database: a number beyond those that are counted, under which nobody looks for anything, so that a
    /// whole database can be built beside the one in use and put in its place with
    /// [`swap_db`](crate::keyspace::swap_db). Snapshots leave it out.
    pub fn spare_of(&self, db: usize) -> usize {
        self.databases + db
    }

    /// The number of databases, spares included.
    #[inline]
    pub(crate) fn places(&self) -> usize {
        self.places
    }

    /// The number of shards.
    pub fn shards(&self) -> usize {
        self.shards
    }

    /// Whether these are all shards.
    pub fn are_all(&self, set: ShardSet) -> bool {
        set.len() >= self.shards && (0..self.shards).all(|shard| set.contains(shard))
    }

    /// What may be changed at any time.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Bytes used: what the registered threads have allocated and not freed, and the bucket arrays. Exact when all have
    /// published ([`Member::publish_memory`]).
    pub fn used_memory(&self) -> usize {
        let net = self.core.hints.net_bytes().max(0) as usize;
        net + self.core.free.mapped_bytes.load(Relaxed)
    }

    /// As [`Member::publish_memory`], where the calling thread is registered.
    pub fn publish_memory(&self) {
        memory::publish_own(std::ptr::from_ref(self).addr());
    }

    /// Bytes that wait for the freeing thread; they are part of [`used_memory`](Store::used_memory).
    pub fn pending_free_bytes(&self) -> usize {
        self.core.free.pending_bytes.load(Relaxed)
    }

    /// Hands garbage of a command to the freeing thread, which calls `done` when all of it is freed.
    pub fn free_then(&self, garbage: Vec<Garbage>, done: impl FnOnce() + Send + 'static) {
        self.core.later_then(garbage, Box::new(done));
    }

    /// Hands garbage of a command to the freeing thread.
    pub fn free_later(&self, garbage: Garbage) {
        self.core.later(garbage);
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            expired_stale_millionths: self.expire_stale_millionths.load(Relaxed),
            expired_time_cap_reached_count: self.expire_time_caps.load(Relaxed),
            lazyfree_pending_objects: self.core.free.pending_objects.load(Relaxed) as u64,
            lazyfreed_objects: self.core.free.freed_objects.load(Relaxed) as u64,
            ..Stats::default()
        };
        for counters in &self.counters {
            stats.keyspace_hits += counters.hits.load(Relaxed);
            stats.keyspace_misses += counters.misses.load(Relaxed);
            stats.expired_keys += counters.expired.load(Relaxed);
            stats.expired_fields += counters.expired_fields.load(Relaxed);
            stats.evicted_keys += counters.evicted.load(Relaxed);
        }
        stats
    }

    /// Sets the counters to zero, except those of what waits to be freed.
    pub fn reset_stats(&self) {
        for counters in &self.counters {
            let Counters { hits, misses, expired, expired_fields, evicted } = &**counters;
            for counter in [hits, misses, expired, expired_fields, evicted] {
                counter.store(0, Relaxed);
            }
        }
        self.expire_time_caps.store(0, Relaxed);
        self.core.free.freed_objects.store(0, Relaxed);
    }

    pub(crate) fn counters(&self, shard: usize) -> &Counters {
        &self.counters[shard]
    }

    /// The larger of `now_ms` and the latest time that was used before: time never runs back between transactions.
    pub(crate) fn advance(&self, now_ms: i64) -> i64 {
        let latest = self.latest_ms.load(Relaxed);
        if now_ms > latest { self.latest_ms.fetch_max(now_ms, Relaxed).max(now_ms) } else { latest }
    }
}

/// What stands between the first `{` and the next `}`, unless that is nothing.
fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let open = memchr::memchr(b'{', key)?;
    let rest = key.get(open + 1..)?;
    let close = memchr::memchr(b'}', rest)?;
    if close == 0 { None } else { rest.get(..close) }
}

/// A thread's membership in a store: its part in locking, prefetching and memory accounting.
pub struct Member {
    store: Arc<Store>,
    party: Party<Shard>,
    seat: Arc<CachePadded<Seat>>,
}

impl Member {
    /// The store.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The thread's part in locking.
    pub fn party(&self) -> &Party<Shard> {
        &self.party
    }

    /// Starts the second step of prefetching for a batch, some time after [`Store::prefetch_bucket`] for all its keys:
    /// call [`entry`](Prefetch::entry) for each of them, then drop the result before anything else is done.
    #[inline]
    pub fn prefetch(&self) -> Prefetch<'_> {
        Prefetch { store: &self.store, pin: self.store.core.hints.pin(&self.seat) }
    }

    /// Publishes what this thread has allocated and freed so far; cheap, to be called after each batch. Must be called
    /// on the thread that registered.
    pub fn publish_memory(&self) {
        memory::publish(&self.seat);
    }

    /// Runs `action` on the shards of `keys`, blocking the thread until they are free: for embedded use and tests.
    pub fn run<R>(
        &self,
        set: ShardSet,
        clock: Clock,
        effects: &mut Effects,
        action: impl FnOnce(&mut Txn<'_>) -> R,
    ) -> R {
        let mut guard = self.party.lock_blocking(set);
        let mut txn = Txn::new(&self.store, &mut guard, clock, effects, Access::default());
        action(&mut txn)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.store.core.hints.depart(&self.seat);
    }
}

/// A batch of prefetches.
pub struct Prefetch<'m> {
    store: &'m Store,
    pin: Pin<'m>,
}

impl Prefetch<'_> {
    /// Asks the processor for the entries in the key's bucket that may be the key's.
    #[inline]
    pub fn entry(&self, db: usize, key: &Key<'_>) {
        if db < self.store.databases {
            self.pin.prefetch_entry(self.store.hint_index(key.shard(), db), key.hash);
        }
    }
}
