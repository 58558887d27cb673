//! The large encodings of hashes, sets and sorted sets against plain models.

mod field_map;
mod member_set;
mod ordered_set;

use ochre_store::{Options, Store};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

fn store() -> Arc<Store> {
    Store::new(Options { shards: 1, databases: 1, hash_seed: [9, 8, 7, 6] })
}

/// Keeps the freeing thread of `store` waiting until the result is dropped.
fn pause_freeing(store: &Store) -> Sender<()> {
    let (resume, wait) = channel();
    store.free_then(Vec::new(), move || _ = wait.recv());
    resume
}

/// A name for each number: most are short, some are long enough for the other layouts.
fn name(number: u64) -> Vec<u8> {
    let mut name = number.to_string().into_bytes();
    match number % 16 {
        3 => name.resize(127, b'.'),
        5 => name.resize(128, b'.'),
        7 => name.resize(300, b'.'),
        11 => name.insert(0, 0),
        _ => {}
    }
    name
}
