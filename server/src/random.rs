//! Randomness from the operating system.

use std::fs::File;
use std::io::Read;

/// Fills a seed. Without an entropy source, falls back to the randomness of the standard library's hash maps.
pub fn seed() -> [u64; 4] {
    let mut bytes = [0; 32];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    std::array::from_fn(|i| match &read {
        Ok(()) => bytes[i * 8..i * 8 + 8].iter().fold(0, |value, &byte| value << 8 | u64::from(byte)),
        Err(_) => {
            use std::hash::{BuildHasher, Hasher};
            std::hash::RandomState::new().build_hasher().finish()
        }
    })
}

/// Forty random hexadecimal digits: a run id.
pub fn run_id() -> String {
    let [a, b, c, _] = seed();
    format!("{a:016x}{b:016x}{:08x}", c as u32)
}
