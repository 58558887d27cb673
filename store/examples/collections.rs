//! Time and memory of large hashes, sets and sorted sets alone:
//! `cargo run --release -p ochre-store --example collections [members...]`.
//!
//! Prints ns of processor time an operation, resident bytes an element, and the longest operations.
#![forbid(unsafe_code)]

use nix::time::{ClockId, clock_gettime};
use ochre_store::collection::{FieldMap, MemberSet, OrderedSet};
use ochre_store::random::Random;
use ochre_store::{Options, Store};
use std::hint::black_box;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const KINDS: [&str; 4] = ["small", "hash", "ascending", "random"];
const OPERATIONS: u64 = 1_000_000;
/// Time for the store's thread to free what was left.
const SETTLE: Duration = Duration::from_millis(200);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [only, size] = &arguments[..]
        && KINDS.contains(&only.as_str())
        && let Ok(size) = size.parse()
    {
        return run(only, size);
    }
    let mut sizes: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if sizes.is_empty() {
        sizes = vec!["10000", "1000000"];
    }
    // Each in a process of its own, so that none finds memory that another one has left.
    for size in sizes {
        for only in KINDS {
            let program = std::env::current_exe().expect("a running program has a path");
            let status = std::process::Command::new(program).args([only, size]).status();
            assert!(status.is_ok_and(|status| status.success()), "{only} {size} failed");
        }
    }
}

fn run(only: &str, size: u64) {
    // As a server does: otherwise the allocator gives memory back to the system within some operation.
    if let Err(error) = tikv_jemalloc_ctl::background_thread::write(true) {
        println!("the allocator has no thread of its own: {error}");
    }
    let store = Store::new(Options { shards: 1, databases: 1, hash_seed: [1, 2, 3, 4] });
    match only {
        "small" => small_sets(&store, size),
        "hash" => fields(&store, size),
        "ascending" => ordered(&store, size, |number| number as f64),
        _ => ordered(&store, size, |number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64),
    }
}

/// 14 bytes.
fn name(number: u64) -> [u8; 14] {
    let mut name = *b"m:000000000000";
    let mut rest = number;
    for digit in name[2..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    name
}

/// Processor time of this thread so far, ns: what others do on the machine does not count.
fn processor_ns() -> i64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = statm.split(' ').nth(1).and_then(|field| field.parse().ok()).unwrap_or(0);
    pages * 4096
}

/// Runs `operation` for every number and prints what one takes, and the longest.
fn each(label: &str, numbers: impl Iterator<Item = u64>, mut operation: impl FnMut(u64)) {
    let start_ns = processor_ns();
    let (mut count, mut worst, mut last_ns) = (0, (0, 0), start_ns);
    for number in numbers {
        operation(number);
        count += 1;
        if count % 8 == 0 {
            let now_ns = processor_ns();
            worst = worst.max((now_ns - last_ns, count));
            last_ns = now_ns;
        }
    }
    let total_ns = processor_ns() - start_ns;
    println!("  {label}: {} ns; the longest eight {} µs, before {}", total_ns / count.max(1), worst.0 / 1000, worst.1);
}

fn random_numbers(seed: u64, below: u64) -> impl Iterator<Item = u64> {
    let mut random = Random::new(seed);
    (0..OPERATIONS).map(move |_| random.next_u64() % below)
}

fn small_sets(store: &Arc<Store>, size: u64) {
    let before = resident_bytes();
    let sets: Vec<MemberSet> = (0..size / 20)
        .map(|number| {
            let mut set = MemberSet::new(store);
            (0..20).for_each(|member| {
                set.insert(&name(number * 20 + member)[4..]);
            });
            set
        })
        .collect();
    let resident = (resident_bytes() - before) / sets.len();
    println!("set of 20 members of 10 bytes: {resident} B resident a set ({} counted)", sets[0].memory());
}

fn fields(store: &Arc<Store>, size: u64) {
    let before = resident_bytes();
    let mut map = FieldMap::new(store);
    println!("hash of {size} fields of 14 bytes with values of 16");
    each("insert", 0..size, |number| {
        map.set(&name(number), b"value:0123456789", None);
    });
    while map.rehash(100) {}
    std::thread::sleep(SETTLE);
    let resident = resident_bytes().saturating_sub(before) as f64 / size as f64;
    println!("  {resident:.1} B resident a field ({:.1} counted)", map.memory() as f64 / size as f64);
    each("get", random_numbers(1, size), |number| {
        black_box(map.get(&name(number)));
    });
    each("set", random_numbers(2, size), |number| {
        black_box(map.set(&name(number), b"value:9876543210", None));
    });
    let start_ns = processor_ns();
    let length: usize = map.iter().map(|field| field.value.len()).sum();
    println!("  iterate: {} ns", (processor_ns() - start_ns) / (length as i64 / 16).max(1));
    each("set deadline", random_numbers(3, size), |number| {
        black_box(map.set_deadline(&name(number), Some(number as i64 * 7919 % 1_000_003)));
    });
    let volatile = map.volatile_len();
    println!("  {volatile} volatile: {:.1} B counted a field", map.memory() as f64 / size as f64);
    each("expire", 0..volatile as u64, |_| {
        black_box(map.remove_expired(i64::MAX, 1, &mut |_| ()));
    });
    let mut random = Random::new(4);
    each("random", 0..OPERATIONS, |_| {
        black_box(map.random(&mut random));
    });
    each("remove", 0..size, |number| {
        black_box(map.remove(&name(number)));
    });
    println!("  {} B when empty", map.memory());
    store.free_later(map.into_garbage());
}

fn ordered(store: &Arc<Store>, size: u64, score: fn(u64) -> f64) {
    let before = resident_bytes();
    let mut set = OrderedSet::new(store);
    println!("sorted set of {size} members of 14 bytes, scores like {} {} {}", score(1), score(2), score(3));
    each("insert", 0..size, |number| {
        set.set(&name(number), score(number));
    });
    while set.rehash(100) {}
    std::thread::sleep(SETTLE);
    let resident = resident_bytes().saturating_sub(before) as f64 / size as f64;
    println!("  {resident:.1} B resident a member ({:.1} counted)", set.memory() as f64 / size as f64);
    each("score", random_numbers(1, size), |number| {
        black_box(set.score(&name(number)));
    });
    each("rank", random_numbers(2, size), |number| {
        black_box(set.rank(&name(number)));
    });
    each("increment by 1", random_numbers(3, size), |number| {
        black_box(set.increment(&name(number), 1.0));
    });
    each("range of 100 by rank", random_numbers(4, size).take(10_000), |number| {
        set.range(number as usize..number as usize + 100).for_each(|scored| {
            black_box(scored);
        });
    });
    each("count by score", random_numbers(5, size), |number| {
        black_box(set.score_range(Bound::Included(score(number)), Bound::Excluded(score(number + 1))));
    });
    each("new random score", random_numbers(6, size), |number| {
        black_box(set.set(&name(number), score(number * 31 + 7)));
    });
    println!("  {:.1} B counted a member", set.memory() as f64 / size as f64);
    each("pop lowest and highest", 0..size / 4, |_| {
        black_box(set.pop_min());
        black_box(set.pop_max());
    });
    each("remove", 0..size, |number| {
        black_box(set.remove(&name(number)));
    });
    println!("  {} B when empty", set.memory());
    store.free_later(set.into_garbage());
}
