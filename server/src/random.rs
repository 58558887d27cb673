//! Randomness from the operating system.

use std::cell::RefCell;
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

/// Fills a secret.
///
/// # Errors
/// If the system has no randomness to give: there is nothing else to make secrets of.
pub fn secret(bytes: &mut [u8]) -> std::io::Result<()> {
    File::open("/dev/urandom")?.read_exact(bytes)
}

/// Forty random hexadecimal digits: a run id.
pub fn run_id() -> String {
    let [a, b, c, _] = seed();
    format!("{a:016x}{b:016x}{:08x}", c as u32)
}

/// A random number that resists nobody: to choose a key, not to keep a secret.
pub fn number() -> u64 {
    use ochre_store::random::Random;
    thread_local! {
        static SEQUENCE: RefCell<Random> = RefCell::new(Random::new(seed()[0]));
    }
    SEQUENCE.with_borrow_mut(Random::next_u64)
}
