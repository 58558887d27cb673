//! Counting and finding bits.

use crate::error::Error;
use crate::store::Key;
use crate::txn::Txn;

/// The unit of a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    #[default]
    Byte,
    /// Bits.
    Bit,
}

/// A range of a string, both ends included; negative numbers count from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitRange {
    /// The first index.
    pub start: i64,
    /// The last index; `None`: the end of the string.
    pub end: Option<i64>,
    /// What the indexes count.
    pub unit: Unit,
}

/// How many bits are set in the whole string or a range of it.
pub fn count(txn: &mut Txn<'_>, db: usize, key: Key<'_>, range: Option<BitRange>) -> Result<u64, Error> {
    let Some(entry) = txn.read(db, &key)? else { return Ok(0) };
    let mut space = itoa::Buffer::new();
    let value = entry.string()?;
    let bytes = value.as_bytes(&mut space);
    // Two ends from behind in the wrong order are an empty range here, but not where a position is asked for.
    if range.is_some_and(|BitRange { start, end, .. }| start < 0 && end.is_some_and(|end| end < 0 && start > end)) {
        return Ok(0);
    }
    let Some((first, last)) = bit_span(bytes.len(), range) else { return Ok(0) };
    let Some(part) = bytes.get((first / 8) as usize..=(last / 8) as usize) else { return Ok(0) };
    let mut ones = ones(part);
    // The bits of the first and last byte that lie outside.
    if let (Some(low), Some(high)) = (part.first(), part.last()) {
        ones -= u64::from((low & !(0xff >> (first % 8))).count_ones());
        ones -= u64::from((high & (0x7f >> (last % 8))).count_ones());
    }
    Ok(ones)
}

/// The index of the first bit equal to `bit` in the whole string or a range of it. When a zero is looked for and the
/// range has no end, the bits behind the string count as zeros.
pub fn position(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    bit: bool,
    range: Option<BitRange>,
) -> Result<Option<u64>, Error> {
    let open = range.is_none_or(|range| range.end.is_none());
    let Some(entry) = txn.read(db, &key)? else { return Ok((!bit).then_some(0)) };
    let mut space = itoa::Buffer::new();
    let value = entry.string()?;
    let bytes = value.as_bytes(&mut space);
    let Some((first, last)) = bit_span(bytes.len(), range) else { return Ok(None) };
    let behind = (open && !bit).then_some(bytes.len() as u64 * 8);
    let found = first_bit(bytes, bit, first, last);
    Ok(found.or(behind))
}

/// The first and last bit of a range of a string of `len` bytes; `None` if it is empty.
fn bit_span(len: usize, range: Option<BitRange>) -> Option<(u64, u64)> {
    let bits = (len as i64).checked_mul(8)?;
    let Some(BitRange { start, end, unit }) = range else {
        return (bits > 0).then(|| (0, bits as u64 - 1));
    };
    let total = if unit == Unit::Bit { bits } else { len as i64 };
    let end = end.unwrap_or(total - 1);
    let from_end = |index: i64| if index < 0 { (total + index.max(-total)).max(0) } else { index };
    let (start, end) = (from_end(start), from_end(end).min(total - 1));
    if start > end || total == 0 {
        return None;
    }
    Some(if unit == Unit::Bit { (start as u64, end as u64) } else { (start as u64 * 8, end as u64 * 8 + 7) })
}

fn ones(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from(u64::from_le_bytes(*word).count_ones())).sum::<u64>();
    words + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

fn first_bit(bytes: &[u8], bit: bool, first: u64, last: u64) -> Option<u64> {
    let flip = if bit { 0 } else { 0xff };
    let part = bytes.get((first / 8) as usize..=(last / 8) as usize)?;
    let mut index = 0;
    let (head, tail) = part.split_first()?;
    // The first byte, without the bits before the range.
    let head = (head ^ flip) & (0xff >> (first % 8));
    let mut byte = head;
    if head == 0 {
        let (words, rest) = tail.as_chunks::<8>();
        let word_flip = if bit { 0 } else { u64::MAX };
        let skipped = words.iter().take_while(|word| u64::from_ne_bytes(**word) == word_flip).count();
        let left = words.get(skipped..)?.as_flattened();
        let offset = left.iter().chain(rest).position(|byte| byte ^ flip != 0)?;
        index = 1 + skipped * 8 + offset;
        byte = part.get(index)? ^ flip;
    }
    let found = (first / 8 + index as u64) * 8 + u64::from(byte.leading_zeros());
    (found <= last).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_follow_both_units() {
        let range = |start, end, unit| Some(BitRange { start, end, unit });
        assert_eq!(bit_span(3, None), Some((0, 23)));
        assert_eq!(bit_span(0, None), None);
        assert_eq!(bit_span(3, range(1, None, Unit::Byte)), Some((8, 23)));
        assert_eq!(bit_span(3, range(-1, Some(-1), Unit::Byte)), Some((16, 23)));
        assert_eq!(bit_span(3, range(-100, Some(100), Unit::Bit)), Some((0, 23)));
        assert_eq!(bit_span(3, range(5, Some(4), Unit::Bit)), None);
        // BITPOS of Redis looks at the first byte then.
        assert_eq!(bit_span(3, range(-5, Some(-31), Unit::Byte)), Some((0, 7)));
        assert_eq!(bit_span(3, range(i64::MIN, Some(i64::MAX), Unit::Bit)), Some((0, 23)));
    }

    proptest::proptest! {
        #[test]
        fn finding_equals_looking_at_each_bit(
            bytes in proptest::collection::vec(proptest::sample::select(vec![0u8, 0, 0, 255, 255, 255, 8]), 1..40),
            bit: bool, a in 0u64..320, b in 0u64..320,
        ) {
            let last = b.min(bytes.len() as u64 * 8 - 1);
            let first = a.min(last);
            let expected = (first..=last).find(|&i| (bytes[(i / 8) as usize] >> (7 - i % 8) & 1 == 1) == bit);
            proptest::prop_assert_eq!(first_bit(&bytes, bit, first, last), expected);
        }
    }
}
