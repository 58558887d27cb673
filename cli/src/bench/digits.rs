//! Random numbers and their decimal digits, cheap enough to do several per request.

/// Length of the placeholder, and so of a number put in its place.
pub const WIDTH: usize = 12;

/// A small fast generator (xoshiro256++ by Blackman and Vigna), seeded through SplitMix64.
#[derive(Debug, Clone)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// A generator whose sequence follows from `seed` alone.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut mixer = seed;
        let state = [(); 4].map(|()| {
            mixer = mixer.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = mixer;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^ (word >> 31)
        });
        Self { state }
    }

    /// A number from 0 to `bound - 1`; 0 when `bound` is 0. The bias is below `bound` / 2^64.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    #[inline]
    fn next(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c2, d2) = (c ^ a, d ^ b);
        self.state = [a ^ d2, b ^ c2, c2 ^ (b << 17), d2.rotate_left(45)];
        result
    }
}

/// Writes the last twelve decimal digits of `number`, with leading zeros.
#[inline]
pub fn write_digits(target: &mut [u8; WIDTH], number: u64) {
    // Halves of six digits: 32-bit divisions are far cheaper than 64-bit ones.
    let high = ((number / 1_000_000) % 1_000_000) as u32;
    let low = (number % 1_000_000) as u32;
    let (first, second) = target.split_at_mut(WIDTH / 2);
    write_six(first, high);
    write_six(second, low);
}

#[inline]
fn write_six(target: &mut [u8], mut number: u32) {
    for digit in target.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_padded_and_cut() {
        let mut target = [0; WIDTH];
        for number in [0, 7, 999_999, 1_000_000, 123_456_789_012, 999_999_999_999] {
            write_digits(&mut target, number);
            assert_eq!(target, format!("{number:012}").as_bytes());
        }
        write_digits(&mut target, 91_234_567_890_123);
        assert_eq!(&target, b"234567890123");
    }

    #[test]
    fn numbers_follow_from_the_seed_and_stay_below_the_bound() {
        let (mut one, mut same, mut other) = (Random::new(1), Random::new(1), Random::new(2));
        let mut seen = [0u32; 10];
        let mut differs = false;
        for _ in 0..10_000 {
            let number = one.below(10);
            seen[number as usize] += 1;
            assert_eq!(number, same.below(10));
            differs |= number != other.below(10);
        }
        assert!(differs);
        assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
        assert_eq!(one.below(0), 0);
    }
}
