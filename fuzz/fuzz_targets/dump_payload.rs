//! Payloads of DUMP: what is read can be written, and reads as the same then.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ochre_persist::dump::{self, Settings, Verify};
use ochre_store::{Options, Store};

fuzz_target!(|bytes: &[u8]| {
    let store = Store::new(Options { shards: 1, databases: 1, hash_seed: [1, 2, 3, 4] });
    // The footer is of no interest here: any ten bytes pass.
    let payload = [bytes, &[11, 0], &[0; 8]].concat();
    if let Ok(value) = dump::read(&payload, &store, Verify::Version) {
        let written = dump::write(value.view(), Settings::default());
        let again = dump::read(&written, &store, Verify::Checksum).expect("it was just written");
        assert_eq!(again.view().len(), value.view().len());
    }
});
