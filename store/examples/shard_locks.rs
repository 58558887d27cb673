//! What the shard locks cost when nobody is in the way, and who gets through when somebody is.
//!
//! `cargo run --release -p ochre-store --example shard_locks [uncontended|hot|all|long]`
#![forbid(unsafe_code)]

#[path = "../tests/executor/mod.rs"]
mod executor;

use executor::{Task, run, yield_now};
use ochre_store::sync::{Party, ShardLocks, ShardSet};
use std::cell::RefCell;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SHARDS: usize = 64;
const CONNECTIONS: usize = 25;
const RUN: Duration = Duration::from_millis(1000);
/// About what a small command takes under its lock.
const WORK: u32 = 12;

fn main() {
    let wanted = std::env::args().nth(1);
    let is_wanted = |name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
    if is_wanted("uncontended") {
        uncontended();
    }
    if is_wanted("hot") {
        hot_shard();
    }
    if is_wanted("all") {
        lock_all_mixes();
    }
    if is_wanted("long") {
        long_holders();
    }
}

/// Nanoseconds each of the uncontended operations takes, best of several rounds.
fn uncontended() {
    println!("uncontended, ns");
    let mutex = std::sync::Mutex::new(0_u64);
    let ns = best(|| *black_box(&mutex).lock().expect("no poison") += 1);
    println!("  to compare: std::sync::Mutex           {ns:6.1}");
    for shards in [1, SHARDS] {
        let locks = ShardLocks::new(vec![0_u64; shards]);
        let party = locks.register();
        let slice = party.enter().expect("an open gate");
        for keys in [1, 4, 16] {
            if keys > shards {
                continue;
            }
            let set = ShardSet::from_bits((1 << keys) - 1);
            let ns = best(|| {
                let mut guard = slice.try_lock(black_box(set)).expect("a free lock");
                *guard.shard(0).expect("a shard of the set") += 1;
            });
            println!("  {shards:2} shards: try_lock and drop of {keys:2}        {ns:6.1}");
        }
        let ns = best(|| _ = black_box(slice.is_over()));
        println!("  {shards:2} shards: slice.is_over (incl. clock)   {ns:6.1}");
        drop(slice);
        let ns = best(|| _ = black_box(party.enter()));
        println!("  {shards:2} shards: enter and leave                {ns:6.1}");
        let ns = best(|| run_now(&party, black_box(ShardSet::one(0))));
        println!("  {shards:2} shards: enter, lock, unlock, leave     {ns:6.1}");
        let ns = best(|| drop(party.lock_all_blocking()));
        println!("  {shards:2} shards: lock_all_blocking and drop     {ns:6.1}");
    }
}

fn run_now(party: &Party<u64>, set: ShardSet) {
    let slice = party.enter().expect("an open gate");
    drop(slice.try_lock(set).expect("a free lock"));
}

fn best(mut operation: impl FnMut()) -> f64 {
    const TIMES: u32 = 200_000;
    let round = |operation: &mut dyn FnMut(u32)| {
        let start = Instant::now();
        operation(TIMES);
        start.elapsed().as_nanos() as f64 / f64::from(TIMES)
    };
    let mut many = |times| (0..times).for_each(|_| operation());
    (0..15).map(|_| round(&mut many)).fold(f64::INFINITY, f64::min)
}

/// How many commands of one kind were done, and how long each took from asking to having done it.
#[derive(Default)]
struct Latencies(Vec<u32>);

impl Latencies {
    fn add(&mut self, since: Instant) {
        self.0.push(u32::try_from(since.elapsed().as_nanos()).unwrap_or(u32::MAX));
    }

    fn print(mut self, name: &str) {
        if self.0.is_empty() {
            return;
        }
        self.0.sort_unstable();
        let at = |share: f64| {
            let index = ((self.0.len() as f64 * share) as usize).min(self.0.len().saturating_sub(1));
            self.0.get(index).map_or(0.0, |ns| f64::from(*ns) / 1000.0)
        };
        let rate = self.0.len() as f64 / RUN.as_secs_f64() / 1000.0;
        println!(
            "  {name:34} {rate:8.1} k/s   p50 {:8.1}  p99 {:8.1}  p99.9 {:8.1}  max {:8.1} µs",
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0)
        );
    }
}

/// Processor time of this thread: unlike the rates it says little about what else the machine is doing.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = stat.split_whitespace().next().and_then(|ns| ns.parse().ok());
    Duration::from_nanos(ns.unwrap_or(0))
}

fn work(units: u32) {
    (0..units).for_each(|_| std::hint::spin_loop());
}

/// What some connections of a worker do.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    connections: usize,
    /// Of a hundred commands.
    lock_all: u32,
    /// The shard of every command; else they go round.
    shard: Option<usize>,
    /// How long a command holds its lock, if longer than a small one.
    hold: Duration,
}

impl Load {
    const SMALL: Load = Load { name: "keys", connections: CONNECTIONS, lock_all: 0, shard: None, hold: Duration::ZERO };
}

/// What the connections of one load did.
#[derive(Default)]
struct Done {
    keys: RefCell<Latencies>,
    all: RefCell<Latencies>,
}

/// Runs one worker thread for each list of loads at the same time and prints what each load got done.
fn measure(workers: &[&[Load]]) {
    let locks = ShardLocks::new(vec![0_u64; SHARDS]);
    let stop = AtomicBool::new(false);
    let work = |loads: &[Load]| {
        let party = locks.register();
        let done: Vec<_> = loads.iter().map(|_| Done::default()).collect();
        let start = |(load, done): (&Load, _)| {
            let tasks = (0..load.connections).map(|number| connection(&party, *load, number, &stop, done));
            tasks.map(|task| Box::pin(task) as Task<'_>).collect::<Vec<_>>()
        };
        run(loads.iter().zip(&done).flat_map(start).collect());
        (done, cpu_time())
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = workers.iter().map(|loads| scope.spawn(|| work(loads))).collect();
        std::thread::sleep(RUN);
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().expect("a worker that ends")).collect()
    });
    for (loads, (done, cpu)) in workers.iter().zip(results) {
        let commands: usize = done.iter().map(|done| done.keys.borrow().0.len() + done.all.borrow().0.len()).sum();
        println!("  a worker: {:.3} µs of CPU a command", cpu.as_secs_f64() * 1e6 / commands.max(1) as f64);
        for (load, done) in loads.iter().zip(done) {
            done.keys.into_inner().print(load.name);
            done.all.into_inner().print(&format!("{}: lock-all", load.name));
        }
    }
}

async fn connection(party: &Party<u64>, load: Load, number: usize, stop: &AtomicBool, done: &Done) {
    let mut count = number as u32 * 37;
    while !stop.load(Ordering::Relaxed) {
        count = count.wrapping_add(1);
        let start = Instant::now();
        if count % 100 < load.lock_all {
            let mut guard = party.lock_all().await;
            *guard.shard(0).expect("every shard") += 1;
            work(WORK);
            drop(guard);
            done.all.borrow_mut().add(start);
        } else {
            let shard = load.shard.unwrap_or(count as usize * 7 % SHARDS);
            let set = ShardSet::one(shard);
            let at_once = party.enter().and_then(|slice| slice.try_lock(set));
            let mut guard = match at_once {
                Some(guard) => guard,
                None => party.lock(set).await,
            };
            *guard.shard(shard).expect("a shard of the set") += 1;
            work(WORK);
            let held = Instant::now();
            while held.elapsed() < load.hold {
                work(WORK);
            }
            drop(guard);
            done.keys.borrow_mut().add(start);
        }
        // The next connection's turn: a worker writes one reply, then reads the next socket.
        yield_now().await;
    }
}

fn hot_shard() {
    println!("one hot shard");
    let hot = Load { name: "hot", shard: Some(0), ..Load::SMALL };
    measure(&[&[hot]]);
    println!("one hot shard, two workers");
    measure(&[&[hot], &[hot]]);
    println!("spread, two workers");
    measure(&[&[Load::SMALL], &[Load::SMALL]]);
}

fn lock_all_mixes() {
    for percent in [0, 1, 10, 100] {
        println!("{percent} % lock-all on one worker, none on the other");
        measure(&[&[Load { name: "mixed", lock_all: percent, ..Load::SMALL }], &[Load::SMALL]]);
    }
    println!("100 % lock-all on both workers");
    let all = Load { lock_all: 100, ..Load::SMALL };
    measure(&[&[all], &[all]]);
}

fn long_holders() {
    let holder = Load {
        name: "holds shard 0 for 1 ms",
        connections: 1,
        shard: Some(0),
        hold: Duration::from_millis(1),
        ..Load::SMALL
    };
    let waiter = Load { name: "wants shard 0", connections: 1, shard: Some(0), ..Load::SMALL };
    let bystander = Load { name: "wants shard 1", shard: Some(1), ..Load::SMALL };
    println!("two holders of 1 ms and a victim");
    measure(&[&[holder], &[holder], &[waiter]]);
    let holder = Load { name: "holds shard 0 for 100 ms", hold: Duration::from_millis(100), ..holder };
    println!("a holder of 100 ms; on another worker one who waits for it, and bystanders");
    measure(&[&[holder], &[waiter, bystander]]);
    println!("a holder of 20 ms; on another worker 1 % lock-all, and bystanders");
    let holder = Load { name: "holds shard 0 for 20 ms", hold: Duration::from_millis(20), ..holder };
    let mixed = Load { name: "1 % lock-all", connections: 1, lock_all: 1, ..bystander };
    measure(&[&[holder], &[mixed, bystander]]);
}
