//! The access clocks: 24 bits an entry, read as an LRU time or as an LFU counter, depending on the policy.
//!
//! LRU: seconds modulo 2^24. LFU: 16 bits of minutes of the last decrement, 8 bits of a logarithmic counter.

use crate::random::Random;

/// Resolution of the LRU time, ms.
pub const LRU_RESOLUTION_MS: i64 = 1000;
const LRU_BITS_MASK: u32 = (1 << 24) - 1;
/// The counter of a new key, so that it is not evicted before it had a chance to be used.
pub const LFU_INITIAL: u8 = 5;

/// A moment, as ms since the Unix epoch, that stays fixed for a whole command, transaction or script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// The LRU time at `now_ms`, 24 bits.
#[inline]
pub fn lru_at(now_ms: i64) -> u32 {
    // Unsigned, since every access asks and a division of signed numbers takes twice as long.
    (now_ms as u64 / LRU_RESOLUTION_MS as u64) as u32 & LRU_BITS_MASK
}

/// The LRU time `idle_seconds` before `now_ms`; half the range of that time ago if it does not reach back so far.
pub fn lru_before(now_ms: i64, idle_seconds: u64) -> u32 {
    let now = lru_at(now_ms);
    u32::try_from(idle_seconds)
        .ok()
        .and_then(|idle| now.checked_sub(idle))
        .unwrap_or((now + LRU_BITS_MASK / 2) % LRU_BITS_MASK)
}

/// How long ago, in ms, the LRU time `access` was current.
pub fn lru_idle_ms(access: u32, now_ms: i64) -> u64 {
    let now = lru_at(now_ms);
    let ticks = if now >= access { now - access } else { now + (LRU_BITS_MASK - access) };
    u64::from(ticks) * LRU_RESOLUTION_MS as u64
}

/// Minutes modulo 2^16, the time unit of LFU.
fn minutes_at(now_ms: i64) -> u32 {
    (now_ms / 60_000) as u32 & 0xffff
}

/// The 24 bits of an LFU state.
pub fn lfu_bits(now_ms: i64, counter: u8) -> u32 {
    minutes_at(now_ms) << 8 | u32::from(counter)
}

/// The counter after the decay since its last change: one less each `decay_minutes`. 0 minutes: no decay.
pub fn lfu_decayed(access: u32, now_ms: i64, decay_minutes: u32) -> u8 {
    let (last, counter) = (access >> 8, (access & 0xff) as u8);
    let now = minutes_at(now_ms);
    let elapsed = if now >= last { now - last } else { 65535 - last + now };
    match elapsed.checked_div(decay_minutes) {
        Some(periods) => counter.saturating_sub(periods.min(255) as u8),
        None => counter,
    }
}

/// The counter after one more access: the larger it is, the less likely it grows.
pub fn lfu_grown(counter: u8, log_factor: u32, random: &mut Random) -> u8 {
    if counter == u8::MAX {
        return counter;
    }
    let base = f64::from(counter.saturating_sub(LFU_INITIAL));
    let probability = 1.0 / (base * f64::from(log_factor) + 1.0);
    if random.unit() < probability { counter + 1 } else { counter }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_survives_the_wrap_of_the_clock() {
        let wrap_ms = (1i64 << 24) * 1000;
        assert_eq!(lru_idle_ms(lru_at(5_000), 12_000), 7_000);
        // As in Redis, crossing the wrap loses one tick.
        assert_eq!(lru_idle_ms(lru_at(wrap_ms - 2_000), wrap_ms + 3_000), 4_000);
    }

    #[test]
    fn lfu_counter_decays_by_elapsed_periods() {
        let access = lfu_bits(0, 10);
        assert_eq!(lfu_decayed(access, 3 * 60_000, 1), 7);
        assert_eq!(lfu_decayed(access, 3 * 60_000, 0), 10);
        assert_eq!(lfu_decayed(access, 300 * 60_000, 1), 0);
        assert_eq!(lfu_decayed(lfu_bits(65_535 * 60_000, 9), 65_537 * 60_000, 1), 8);
    }

    #[test]
    fn lfu_counter_grows_logarithmically() {
        let mut random = Random::new(7);
        let mut counter = LFU_INITIAL;
        for _ in 0..100_000 {
            counter = lfu_grown(counter, 10, &mut random);
        }
        // Redis documents about 142 after 100 K hits at factor 10.
        assert!((110..180).contains(&counter), "{counter}");
        assert_eq!(lfu_grown(255, 0, &mut random), 255);
    }
}
