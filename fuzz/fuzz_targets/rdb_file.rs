//! RDB files: reading ends, and never takes more memory than the file gives reason for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ochre_persist::rdb::FileReader;
use ochre_store::{Options, Store};

fuzz_target!(|bytes: &[u8]| {
    let store = Store::new(Options { shards: 1, databases: 1, hash_seed: [1, 2, 3, 4] });
    let Ok(mut reader) = FileReader::new(bytes, bytes.len() as u64, false, false) else { return };
    while let Ok(Some(_)) = reader.next(&store) {}
    assert!(reader.offset() <= bytes.len() as u64);
});
