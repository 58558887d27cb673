//! Times a list's operations by themselves, in nanoseconds each: `cargo run --release -p ochre-store --example lists`.
#![forbid(unsafe_code)]

use ochre_store::Str;
use ochre_store::quicklist::{End, Limits, List};
use std::hint::black_box;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const OPERATIONS: usize = 2_000_000;

fn time(name: &str, operations: usize, mut run: impl FnMut(usize)) {
    let start = Instant::now();
    (0..operations).for_each(&mut run);
    let each = start.elapsed().as_nanos() as f64 / operations as f64;
    println!("{name:24} {each:8.1} ns");
}

fn main() {
    let limits = Limits::default();
    for (kind, value) in [("string", &b"xxxxxxxxxx"[..]), ("integer", b"123456")] {
        for end in [End::Head, End::Tail] {
            let mut list = List::new(&limits);
            time(&format!("push {end:?} {kind}"), OPERATIONS, |_| {
                list.grow(&limits, value.len(), 1);
                list.push(end, Str::Bytes(black_box(value)));
            });
            time(&format!("range 100 {end:?} {kind}"), OPERATIONS / 50, |_| {
                let mut cursor = list.cursor(0, End::Tail);
                for _ in 0..100 {
                    black_box(cursor.next());
                }
            });
            time(&format!("pop {end:?} {kind}"), OPERATIONS, |_| {
                black_box(list.pop(end, |value| value.len()));
                list.shrink(&limits);
            });
        }
    }
    let mut list = List::new(&limits);
    (0..400).for_each(|number| list.push(End::Tail, Str::Int(number * 1000)));
    time("rotate 400 in a listpack", OPERATIONS, |_| {
        let value = list.pop(End::Tail, |value| value.to_vec()).unwrap_or_default();
        list.push(End::Head, Str::Bytes(&value));
    });
}
