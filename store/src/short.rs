//! Comparing short byte strings without a call.

/// Longest byte strings that are compared here.
const SHORT_MAX: usize = 32;

/// Whether two byte strings are equal. Those of up to 32 bytes are compared in pieces that may overlap, the last ones
/// first, since names that are numbered differ there.
#[inline]
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if let (Some(a_last), Some(b_last)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        return a_last == b_last
            && a.first_chunk::<8>() == b.first_chunk::<8>()
            && (a.len() <= 16 || middle_is_equal(a, b));
    }
    if let (Some(a_last), Some(b_last)) = (a.last_chunk::<4>(), b.last_chunk::<4>()) {
        return a_last == b_last && a.first_chunk::<4>() == b.first_chunk::<4>();
    }
    a.iter().zip(b).all(|(a, b)| a == b)
}

/// As [`equal`], for more than 16 bytes of which the first and the last eight are.
fn middle_is_equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() > SHORT_MAX {
        return a == b;
    }
    let middle = |text: &[u8]| text.get(8..16).and_then(|piece| piece.first_chunk::<8>().copied());
    let behind = |text: &[u8]| text.get(16..).and_then(|piece| piece.first_chunk::<8>().copied());
    middle(a) == middle(b) && behind(a) == behind(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_and_length_counts() {
        for len in 0..80 {
            let text: Vec<u8> = (0..len).map(|at| at as u8).collect();
            assert!(equal(&text, &text.clone()));
            for at in 0..len {
                let mut other = text.clone();
                other[at] ^= 0x80;
                assert!(!equal(&text, &other), "{len} bytes, different at {at}");
                assert!(!equal(&text, &text[..at]));
            }
        }
    }
}
