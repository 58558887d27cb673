//! The longest common subsequence of two strings.

use crate::error::Error;

/// A part that both strings have: first and last index in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LcsMatch {
    /// Index of the first and of the last byte in the first string.
    pub first: (usize, usize),
    /// Index of the first and of the last byte in the second string.
    pub second: (usize, usize),
}

impl LcsMatch {
    /// The length of the part.
    pub fn len(&self) -> usize {
        self.first.1 + 1 - self.first.0
    }
    /// Never.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// A longest common subsequence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lcs {
    /// Its length.
    pub len: usize,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The parts it is made of, the last first.
    pub matches: Vec<LcsMatch>,
}

/// The longest common subsequence of `first` and `second`. Takes time and memory proportional to the product of their
/// lengths; errs with `StringTooLong` if that would need more than `bytes_max` bytes.
pub fn lcs(first: &[u8], second: &[u8], bytes_max: u64) -> Result<Lcs, Error> {
    let width = second.len() + 1;
    let cells = (first.len() + 1).checked_mul(width).ok_or(Error::StringTooLong)?;
    let too_long = cells as u64 > bytes_max / size_of::<u32>() as u64;
    if too_long || first.len() > u32::MAX as usize || second.len() > u32::MAX as usize {
        return Err(Error::StringTooLong);
    }
    let table = lengths(first, second, cells, width);
    let len = table.last().copied().unwrap_or(0) as usize;
    let mut bytes = vec![0; len];
    let mut matches = Vec::new();
    let mut run: Option<LcsMatch> = None;
    let (mut i, mut j, mut place) = (first.len(), second.len(), len);
    while i > 0 && j > 0 {
        if first[i - 1] == second[j - 1] {
            place -= 1;
            bytes[place] = first[i - 1];
            i -= 1;
            j -= 1;
            run = match run {
                Some(run) if run.first.0 == i + 1 && run.second.0 == j + 1 => {
                    Some(LcsMatch { first: (i, run.first.1), second: (j, run.second.1) })
                }
                earlier => {
                    matches.extend(earlier);
                    Some(LcsMatch { first: (i, i), second: (j, j) })
                }
            };
        } else if table[(i - 1) * width + j] > table[i * width + j - 1] {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    matches.extend(run);
    Ok(Lcs { len, bytes, matches })
}

/// The table of the lengths for all pairs of prefixes.
fn lengths(first: &[u8], second: &[u8], cells: usize, width: usize) -> Vec<u32> {
    let mut table = vec![0u32; cells];
    for (i, a) in first.iter().enumerate() {
        let (above, row) = table.split_at_mut((i + 1) * width);
        let (above, row) = (&above[i * width..], &mut row[..width]);
        for (j, b) in second.iter().enumerate() {
            row[j + 1] = if a == b { above[j] + 1 } else { above[j + 1].max(row[j]) };
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_redis_manual() {
        let found = lcs(b"ohmytext", b"mynewtext", 1 << 20).unwrap();
        assert_eq!((found.len, &found.bytes[..]), (6, &b"mytext"[..]));
        assert_eq!(
            found.matches,
            [LcsMatch { first: (4, 7), second: (5, 8) }, LcsMatch { first: (2, 3), second: (0, 1) }]
        );
        assert_eq!(found.matches[0].len(), 4);
    }

    #[test]
    fn empty_and_too_long_strings() {
        assert_eq!(lcs(b"", b"abc", 1 << 20), Ok(Lcs::default()));
        assert_eq!(lcs(&[0; 100], &[0; 100], 40_000), Err(Error::StringTooLong));
    }
}
