//! Workers run random commands over the shard locks, dropping waiting tasks at random; the history must be one that a
//! single thread could have produced, in an order that respects real time.
#![cfg(not(loom))]

mod executor;

use executor::{Task, run, yield_now};
use ochre_store::sync::{Guard, Lock, Party, ShardLocks, ShardSet};
use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

/// A shard: the version of each key, counted up by every write.
type Shard = HashMap<u64, u64>;

const SHARDS: u64 = 8;
const KEYS: u64 = 24;

/// What one command saw and did, between two ticks of a shared clock.
#[derive(Clone, Debug, Default)]
struct Record {
    start: u64,
    end: u64,
    /// Key and version.
    reads: Vec<(u64, u64)>,
    /// Key and the version this write made.
    writes: Vec<(u64, u64)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Violation {
    /// Two commands made the same version of a key.
    LostUpdate { key: u64, version: u64 },
    /// A version was read that nobody made.
    PhantomRead { key: u64, version: u64 },
    /// No serial order explains these commands.
    Cycle { commands: usize },
}

/// Checks that a history is strictly serialisable. Nodes are the commands and, to say "ended before that one started"
/// with few edges, a chain of the ends in order of time; the history is serialisable if the graph has no cycle.
fn check(history: &[Record]) -> Result<(), Violation> {
    let mut writer = HashMap::new();
    for (index, record) in history.iter().enumerate() {
        for &(key, version) in &record.writes {
            if writer.insert((key, version), index).is_some() {
                return Err(Violation::LostUpdate { key, version });
            }
        }
    }
    let mut ends: Vec<_> = (0..history.len()).collect();
    ends.sort_by_key(|&index| history[index].end);
    let mut edges = vec![Vec::new(); 2 * history.len()];
    for (place, &index) in ends.iter().enumerate() {
        edges[index].push(history.len() + place);
        if place > 0 {
            edges[history.len() + place - 1].push(history.len() + place);
        }
    }
    for (index, record) in history.iter().enumerate() {
        let ended_before = ends.partition_point(|&other| history[other].end < record.start);
        if ended_before > 0 {
            edges[history.len() + ended_before - 1].push(index);
        }
        for &(key, version) in &record.reads {
            match writer.get(&(key, version)) {
                Some(&made) if made != index => edges[made].push(index),
                Some(_) => {}
                None if version == 0 => {}
                None => return Err(Violation::PhantomRead { key, version }),
            }
            if let Some(&next) = writer.get(&(key, version + 1))
                && next != index
            {
                edges[index].push(next);
            }
        }
        for &(key, version) in &record.writes {
            if let Some(&next) = writer.get(&(key, version + 1)) {
                edges[index].push(next);
            }
        }
    }
    let in_cycles = left_after_sorting(&edges);
    if in_cycles == 0 { Ok(()) } else { Err(Violation::Cycle { commands: in_cycles }) }
}

/// How many nodes cannot be put into an order that all edges follow.
fn left_after_sorting(edges: &[Vec<usize>]) -> usize {
    let mut before = vec![0; edges.len()];
    edges.iter().flatten().for_each(|&to| before[to] += 1);
    let mut free: Vec<_> = (0..edges.len()).filter(|&node| before[node] == 0).collect();
    let mut sorted = 0;
    while let Some(node) = free.pop() {
        sorted += 1;
        for &to in &edges[node] {
            before[to] -= 1;
            if before[to] == 0 {
                free.push(to);
            }
        }
    }
    edges.len() - sorted
}

/// How the workers lock.
#[derive(Clone, Copy, PartialEq)]
enum Locking {
    /// All keys of a command at once.
    Whole,
    /// Broken: each key for itself.
    KeyByKey,
    /// Broken: reading and writing are two turns.
    ReadThenWrite,
}

#[derive(Clone)]
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

fn shard_of(key: u64) -> usize {
    (key % SHARDS) as usize
}

/// Counts down the life of a waiting future.
enum Patience {
    Endless,
    /// Given up while it waits.
    UntilPolledAgain,
    /// Given up when it is woken, before it can look why.
    UntilWoken,
}

/// A lock that may be given up: by a client that disconnects, say.
struct Fickle<'p> {
    lock: Option<Lock<'p, Shard>>,
    patience: Patience,
    polled: bool,
}

impl<'p> Future for Fickle<'p> {
    type Output = Option<Guard<'p, Shard>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = std::mem::replace(&mut self.polled, true);
        if polled && !matches!(self.patience, Patience::Endless) {
            self.lock = None;
        }
        let Some(lock) = &mut self.lock else { return Poll::Ready(None) };
        let guard = Pin::new(lock).poll(context).map(Some);
        if guard.is_pending() && matches!(self.patience, Patience::UntilPolledAgain) {
            context.waker().wake_by_ref();
        }
        guard
    }
}

/// Takes the locks of `set` as a connection does: at once if possible, else by waiting, perhaps in vain.
async fn obtain<'p>(party: &'p Party<Shard>, set: ShardSet, random: &mut Random) -> Option<Guard<'p, Shard>> {
    if random.below(2) == 0
        && let Some(guard) = party.enter().and_then(|slice| slice.try_lock(set))
    {
        return Some(guard);
    }
    let patience = match random.below(4) {
        0 => Patience::UntilPolledAgain,
        1 => Patience::UntilWoken,
        _ => Patience::Endless,
    };
    Fickle { lock: Some(party.lock(set)), patience, polled: false }.await
}

/// Reads some keys and writes some.
fn execute(guard: &mut Guard<'_, Shard>, keys: &[u64], writes: bool, record: &mut Record) {
    for &key in keys {
        let shard = guard.shard(shard_of(key)).expect("a shard of the set");
        let version = shard.entry(key).or_insert(0);
        record.reads.push((key, *version));
        if writes {
            *version += 1;
            record.writes.push((key, *version));
        }
    }
}

/// One command: `None` if it was given up before it began.
async fn command(party: &Party<Shard>, clock: &AtomicU64, locking: Locking, random: &mut Random) -> Option<Record> {
    let keys: BTreeSet<_> = (0..1 + random.below(4)).map(|_| random.below(KEYS)).collect();
    let mut keys: Vec<_> = keys.into_iter().collect();
    let writes = random.below(2) == 0;
    let mut set = ShardSet::EMPTY;
    keys.iter().for_each(|&key| set.insert(shard_of(key)));
    let mut record = Record { start: clock.fetch_add(1, Ordering::SeqCst), ..Record::default() };
    match locking {
        Locking::Whole if random.below(20) == 0 => {
            let mut guard = obtain(party, ShardSet::ALL, random).await?;
            keys = (0..KEYS).collect();
            if random.below(2) == 0 {
                execute(&mut guard, &keys, writes, &mut record);
            } else {
                guard.share();
                for shard in 0..SHARDS {
                    let keys: Vec<_> = keys.iter().copied().filter(|&key| key % SHARDS == shard).collect();
                    execute(&mut guard, &keys, false, &mut record);
                    guard.release(shard as usize);
                }
            }
        }
        Locking::Whole => {
            let mut guard = obtain(party, set, random).await?;
            execute(&mut guard, &keys, writes, &mut record);
        }
        Locking::KeyByKey => {
            for key in keys {
                let mut guard = party.lock(ShardSet::one(shard_of(key))).await;
                execute(&mut guard, &[key], writes, &mut record);
                drop(guard);
                std::thread::yield_now();
            }
        }
        Locking::ReadThenWrite => {
            execute(&mut party.lock(set).await, &keys, false, &mut record);
            std::thread::yield_now();
            let mut guard = party.lock(set).await;
            for &(key, version) in &record.reads {
                guard.shard(shard_of(key)).expect("a shard of the set").insert(key, version + 1);
                record.writes.push((key, version + 1));
            }
        }
    }
    record.end = clock.fetch_add(1, Ordering::SeqCst);
    Some(record)
}

/// Runs `tasks` tasks on each of `workers` threads and returns what they did.
fn history(workers: u64, tasks: u64, commands: u64, locking: Locking) -> Vec<Record> {
    let locks = ShardLocks::new((0..SHARDS).map(|_| Shard::new()).collect());
    let clock = Arc::new(AtomicU64::new(0));
    let spawn = |worker: u64| {
        let (locks, clock) = (locks.clone(), clock.clone());
        std::thread::spawn(move || {
            let party = locks.register();
            let records = std::cell::RefCell::new(Vec::new());
            let connection = async |task: u64| {
                let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ (worker * tasks + task + 1));
                for _ in 0..commands {
                    let record = command(&party, &clock, locking, &mut random).await;
                    records.borrow_mut().extend(record);
                    if random.below(8) == 0 {
                        yield_now().await;
                    }
                }
            };
            run((0..tasks).map(|task| Box::pin(connection(task)) as Task<'_>).collect());
            records.into_inner()
        })
    };
    let threads: Vec<_> = (0..workers).map(spawn).collect();
    let history = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    let party = locks.register();
    let every_shard = ShardSet::from_bits((1 << SHARDS) - 1);
    assert!(party.enter().and_then(|slice| slice.try_lock(every_shard)).is_some(), "something was left locked");
    history
}

#[test]
fn whole_locking_is_serialisable() {
    let history = history(4, 16, 1500, Locking::Whole);
    assert!(history.len() > 4 * 16 * 1500 / 2, "most commands were given up: {}", history.len());
    assert_eq!(check(&history), Ok(()));
}

#[test]
fn releasing_between_keys_is_caught() {
    let verdict = check(&history(4, 4, 1500, Locking::KeyByKey));
    assert!(matches!(verdict, Err(Violation::Cycle { .. })), "{verdict:?}");
}

#[test]
fn releasing_between_read_and_write_is_caught() {
    let verdict = check(&history(4, 4, 1500, Locking::ReadThenWrite));
    assert!(matches!(verdict, Err(Violation::LostUpdate { .. })), "{verdict:?}");
}

#[test]
fn the_checker_knows_the_classic_anomalies() {
    let record =
        |start, end, reads: &[_], writes: &[_]| Record { start, end, reads: reads.to_vec(), writes: writes.to_vec() };
    // Two overlapping commands in one of their orders.
    let fine = [record(0, 3, &[(1, 0)], &[(1, 1)]), record(1, 2, &[(1, 1)], &[(1, 2)])];
    assert_eq!(check(&fine), Ok(()));
    // Write skew: each reads what the other is about to change.
    let skew = [record(0, 3, &[(1, 0)], &[(2, 1)]), record(1, 2, &[(2, 0)], &[(1, 1)])];
    assert!(matches!(check(&skew), Err(Violation::Cycle { .. })));
    // A reader between the two halves of a write.
    let torn = [record(0, 3, &[], &[(1, 1), (2, 1)]), record(1, 2, &[(1, 1), (2, 0)], &[])];
    assert!(matches!(check(&torn), Err(Violation::Cycle { .. })));
    // Serialisable, but the reader began after the writer had ended.
    let stale = [record(0, 1, &[], &[(1, 1)]), record(2, 3, &[(1, 0)], &[])];
    assert!(matches!(check(&stale), Err(Violation::Cycle { .. })));
    let lost = [record(0, 3, &[(1, 0)], &[(1, 1)]), record(1, 2, &[(1, 0)], &[(1, 1)])];
    assert_eq!(check(&lost), Err(Violation::LostUpdate { key: 1, version: 1 }));
    assert_eq!(check(&[record(0, 1, &[(1, 7)], &[])]), Err(Violation::PhantomRead { key: 1, version: 7 }));
}
