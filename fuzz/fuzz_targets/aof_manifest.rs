//! Manifests of append-only files: what is read reads as the same when it is written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ochre_persist::aof::Manifest;

/// Longer lines are refused. What stands for the bytes of odd names may be longer than they were.
const LINE_LEN_MAX: usize = 1024;

fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = Manifest::parse(bytes) else { return };
    let names = manifest.base.iter().chain(&manifest.history).chain(&manifest.incremental);
    assert!(names.map(|entry| &entry.name).all(|name| !name.contains('/')));
    let text = manifest.to_text();
    if !text.is_empty() && text.split(|byte| *byte == b'\n').all(|line| line.len() < LINE_LEN_MAX) {
        assert_eq!(Manifest::parse(&text).as_ref(), Ok(&manifest));
    }
});
