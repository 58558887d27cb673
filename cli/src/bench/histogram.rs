//! A latency histogram with a bounded relative error, after the bucket layout of HdrHistogram: buckets are exact up to
//! a power of two that follows from the wanted number of significant digits, and double in width with each further
//! power of two.

/// Longest latency told apart, in microseconds (one hour); longer ones count as this.
const LATENCY_MAX_US: u64 = 3_600_000_000;

/// Counts of latencies in microseconds.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    /// log2 of the number of exact buckets.
    exact_bits: u32,
    total: u64,
    sum_us: u128,
    min_us: u64,
    max_us: u64,
}

/// One non-empty bucket: its highest value, and how many recorded values are at or below that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Highest value of the bucket, in microseconds.
    pub highest_us: u64,
    /// Recorded values up to and with this bucket.
    pub cumulative: u64,
}

impl Histogram {
    /// An empty histogram that keeps `digits` significant decimal digits (taken as 1 to 5).
    #[must_use]
    pub fn new(digits: u32) -> Self {
        let exact_bits = match digits.clamp(1, 5) {
            1 => 5,
            2 => 8,
            3 => 11,
            4 => 15,
            _ => 18,
        };
        let mut histogram = Self { counts: Vec::new(), exact_bits, total: 0, sum_us: 0, min_us: u64::MAX, max_us: 0 };
        histogram.counts = vec![0; histogram.index(LATENCY_MAX_US) + 1];
        histogram
    }

    /// Records the latency `value_us` (microseconds) `count` times.
    #[inline]
    pub fn record(&mut self, value_us: u64, count: u64) {
        if count == 0 {
            return;
        }
        let value_us = value_us.min(LATENCY_MAX_US);
        let index = self.index(value_us);
        if let Some(bucket) = self.counts.get_mut(index) {
            *bucket += count;
        }
        self.total += count;
        self.sum_us += u128::from(value_us) * u128::from(count);
        self.min_us = self.min_us.min(value_us);
        self.max_us = self.max_us.max(value_us);
    }

    /// Adds everything recorded in `other`, which must keep the same number of digits.
    pub fn add(&mut self, other: &Self) {
        debug_assert_eq!(self.exact_bits, other.exact_bits);
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.sum_us += other.sum_us;
        self.min_us = self.min_us.min(other.min_us);
        self.max_us = self.max_us.max(other.max_us);
    }

    /// How many values were recorded.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Smallest value, or 0 when nothing was recorded.
    #[must_use]
    pub fn min_us(&self) -> u64 {
        if self.total == 0 { 0 } else { self.min_us }
    }

    /// Largest value, or 0 when nothing was recorded.
    #[must_use]
    pub fn max_us(&self) -> u64 {
        self.max_us
    }

    /// Arithmetic mean, or 0 when nothing was recorded.
    #[must_use]
    pub fn mean_us(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.sum_us as f64 / self.total as f64 }
    }

    /// The value at or below which `percentile` per cent of the recorded values lie (0 when nothing was recorded).
    #[must_use]
    pub fn percentile_us(&self, percentile: f64) -> u64 {
        let wanted = ((percentile.clamp(0.0, 100.0) / 100.0) * self.total as f64 + 0.5) as u64;
        let wanted = wanted.clamp(1, self.total.max(1));
        self.steps().find(|step| step.cumulative >= wanted).map_or(0, |step| step.highest_us.min(self.max_us))
    }

    /// The non-empty buckets in ascending order.
    pub fn steps(&self) -> impl Iterator<Item = Step> {
        let mut cumulative = 0;
        self.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(move |(index, count)| {
            cumulative += count;
            Step { highest_us: self.highest(index), cumulative }
        })
    }

    fn index(&self, value: u64) -> usize {
        let exact = 1u64 << self.exact_bits;
        if value < exact {
            return value as usize;
        }
        let shift = 64 - value.leading_zeros() - self.exact_bits;
        (u64::from(shift) * (exact / 2) + (value >> shift)) as usize
    }

    fn highest(&self, index: usize) -> u64 {
        let (exact, index) = (1u64 << self.exact_bits, index as u64);
        if index < exact {
            return index;
        }
        let shift = index / (exact / 2) - 1;
        let mantissa = index - shift * (exact / 2);
        ((mantissa + 1) << shift) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_tile_the_range_and_keep_the_digits() {
        for digits in 1..=4 {
            let histogram = Histogram::new(digits);
            let mut expected_low = 0;
            for index in 0..histogram.counts.len() {
                let high = histogram.highest(index);
                assert_eq!(histogram.index(expected_low), index);
                assert_eq!(histogram.index(high), index);
                let width = high - expected_low;
                assert!(
                    width as f64 <= expected_low as f64 / 10f64.powi(digits as i32 - 1),
                    "{digits} digits at {high}"
                );
                expected_low = high + 1;
            }
            assert!(expected_low > LATENCY_MAX_US);
        }
    }

    #[test]
    fn percentiles_of_a_known_distribution() {
        let mut histogram = Histogram::new(3);
        for value in 1..=1000 {
            histogram.record(value, 1);
        }
        assert_eq!(histogram.percentile_us(50.0), 500);
        assert_eq!(histogram.percentile_us(99.0), 990);
        assert_eq!(histogram.percentile_us(100.0), 1000);
        assert_eq!((histogram.min_us(), histogram.max_us(), histogram.total()), (1, 1000, 1000));
        assert!((histogram.mean_us() - 500.5).abs() < 1e-9);
    }

    #[test]
    fn merging_equals_recording_in_one() {
        let (mut left, mut right, mut both) = (Histogram::new(3), Histogram::new(3), Histogram::new(3));
        for value in [3, 70, 2_500, 1_000_000, u64::MAX] {
            left.record(value, 2);
            right.record(value / 3, 1);
            both.record(value, 2);
            both.record(value / 3, 1);
        }
        left.add(&right);
        assert!(left.steps().eq(both.steps()));
        assert_eq!((left.min_us(), left.max_us()), (both.min_us(), both.max_us()));
    }

    #[test]
    fn an_empty_histogram_answers_zero() {
        let histogram = Histogram::new(3);
        assert_eq!((histogram.min_us(), histogram.max_us(), histogram.percentile_us(99.0)), (0, 0, 0));
        assert_eq!(histogram.steps().count(), 0);
    }
}
