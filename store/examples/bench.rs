//! Time and memory of the store alone: `cargo run --release -p ochre-store --example bench [keys...]`.
//!
//! Prints ns of processor time a get and a set on one thread, one lock an operation, with and without prefetching in
//! batches of 16, the resident memory a key, and the longest single insert.
#![forbid(unsafe_code)]

use nix::time::{ClockId, clock_gettime};
use ochre_store::string::{self, SetOptions};
use ochre_store::{Clock, Effects, Key, Member, Options, Store, random::Random, shards_of};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const CLOCK: Clock = Clock { now_ms: 1_700_000_000_000 };
const OPERATIONS: usize = 4_000_000;
const BATCH: usize = 16;

fn main() {
    let mut sizes: Vec<u64> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![300_000, 5_000_000];
    }
    for shards in [1, 64] {
        for &keys in &sizes {
            run(shards, keys);
        }
    }
}

fn name(number: u64) -> [u8; 16] {
    let mut name = *b"key:000000000000";
    let mut rest = number;
    for digit in name[4..].iter_mut().rev() {
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

fn run(shards: usize, keys: u64) {
    let before = resident_bytes();
    let store = Store::new(Options { shards, databases: 16, hash_seed: [1, 2, 3, 4] });
    let member = store.register();
    let mut effects = Effects::default();
    let (mut worst, mut before_ns) = (0, processor_ns());
    for number in 0..keys {
        let name = name(number);
        set(&member, store.key(&name), &mut effects);
        let after_ns = processor_ns();
        worst = worst.max(after_ns - before_ns);
        before_ns = after_ns;
    }
    member.publish_memory();
    let resident = resident_bytes().saturating_sub(before) as f64 / keys as f64;
    let used = store.used_memory() as f64 / keys as f64;
    println!("{shards} shards, {keys} keys: {resident:.1} B resident a key ({used:.1} allocated)");
    println!("  longest insert {} µs", worst / 1000);
    let mut random = Random::new(1);
    for (label, prefetching, setting) in
        [("get", false, false), ("get, prefetched", true, false), ("set", false, true), ("set, prefetched", true, true)]
    {
        let start_ns = processor_ns();
        for _ in 0..OPERATIONS / BATCH {
            let names: [[u8; 16]; BATCH] = std::array::from_fn(|_| name(random.next_u64() % keys));
            let batch: [Key<'_>; BATCH] = std::array::from_fn(|index| store.key(&names[index]));
            if prefetching {
                batch.iter().for_each(|key| store.prefetch_bucket(0, key));
                let prefetch = member.prefetch();
                batch.iter().for_each(|key| prefetch.entry(0, key));
            }
            for key in batch {
                if setting {
                    set(&member, key, &mut effects);
                } else {
                    get(&member, key, &mut effects);
                }
            }
        }
        println!("  {label}: {} ns", (processor_ns() - start_ns) as usize / OPERATIONS);
    }
}

fn set(member: &Member, key: Key<'_>, effects: &mut Effects) {
    member.run(shards_of(&[key]), CLOCK, effects, |txn| {
        let outcome = string::set(txn, 0, key, b"value:0123456789", SetOptions::default());
        std::hint::black_box(outcome.is_ok());
    });
}

fn get(member: &Member, key: Key<'_>, effects: &mut Effects) {
    member.run(shards_of(&[key]), CLOCK, effects, |txn| {
        let value = string::get(txn, 0, key);
        std::hint::black_box(value.is_ok_and(|value| value.is_some()));
    });
}
