//! LZF, the compression of RDB strings and of the inner nodes of lists.
//!
//! The format is that of Marc Lehmann's liblzf, without the block headers of its command line tool. A control byte
//! starts
//!
//! * below 32: that many bytes and one, which follow as they are;
//! * else a copy of earlier output: its length less two is in the high three bits, in a byte of its own more when these
//!   are seven; the low five bits and one more byte are the distance less one.
//!
//! Written here rather than taken from a crate: both directions work in memory that the caller bounds, and the table
//! of earlier places is small enough to be cleared for inputs of a few hundred bytes.

use crate::corrupt::Corrupt;

const LITERALS_MAX: usize = 32;
const DISTANCE_MAX: usize = 1 << 13;
const COPY_MIN: usize = 3;
const COPY_MAX: usize = 264;

/// Compresses `input` into at most `bytes_max` bytes; `None` if it does not get that short.
pub fn compress(input: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    // Incompressible input takes no more than this.
    let mut output = vec![0; bytes_max.min(input.len() + input.len() / LITERALS_MAX + 1)];
    let len = compress_into(input, &mut output)?;
    output.truncate(len);
    output.shrink_to_fit();
    Some(output)
}

/// Compresses `input` into the start of `output` and returns the length there; `None` if it does not fit, or if there is
/// nothing to compress.
pub fn compress_into(input: &[u8], output: &mut [u8]) -> Option<usize> {
    match input.len() {
        0 => None,
        1..=1024 => Compressor { input, output, len: 0 }.run(&mut [0; 1 << 9]),
        1025..=0xffff_fffe => Compressor { input, output, len: 0 }.run(&mut [0; 1 << 13]),
        _ => None,
    }
}

/// Decompresses `input`, which must give exactly `bytes` bytes.
///
/// Nothing is allocated when `input` is too short for that many, so that a false length costs nothing.
pub fn decompress(input: &[u8], bytes: usize) -> Result<Vec<u8>, Corrupt> {
    // The best that three bytes can stand for.
    if bytes > input.len().saturating_mul(COPY_MAX / 3) {
        return Err(corrupt(input.len(), "too short for its length"));
    }
    let mut output = vec![0; bytes];
    decompress_into(input, &mut output)?;
    Ok(output)
}

/// Decompresses `input`, which must fill `output` exactly.
#[deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
pub fn decompress_into(input: &[u8], output: &mut [u8]) -> Result<(), Corrupt> {
    const CUT: &str = "cut off";
    const LONG: &str = "longer than its length";
    let (mut rest, mut done) = (input, 0usize);
    while let Some((&control, after)) = rest.split_first() {
        let offset = input.len().saturating_sub(rest.len());
        let fail = |reason| corrupt(offset, reason);
        if usize::from(control) < LITERALS_MAX {
            let len = usize::from(control).saturating_add(1);
            let (literals, after) = after.split_at_checked(len).ok_or_else(|| fail(CUT))?;
            let end = done.saturating_add(len);
            output.get_mut(done..end).ok_or_else(|| fail(LONG))?.copy_from_slice(literals);
            (rest, done) = (after, end);
            continue;
        }
        let (len, low, after) = match (control >> 5, after) {
            (7, &[more, low, ref after @ ..]) => (usize::from(more).saturating_add(9), low, after),
            (0..=6, &[low, ref after @ ..]) => (usize::from(control >> 5).saturating_add(2), low, after),
            _ => return Err(fail(CUT)),
        };
        let distance = usize::from(u16::from_be_bytes([control & 0x1f, low])).saturating_add(1);
        let from = done.checked_sub(distance).ok_or_else(|| fail("a copy from before the start"))?;
        let end = done.saturating_add(len);
        let target = output.get_mut(..end).ok_or_else(|| fail(LONG))?;
        copy(target, from, done);
        (rest, done) = (after, end);
    }
    if done == output.len() { Ok(()) } else { Err(corrupt(input.len(), "shorter than its length")) }
}

/// Fills `bytes[to..]` from `from` on, repeating what was just written where the two overlap.
#[inline]
fn copy(bytes: &mut [u8], from: usize, to: usize) {
    let distance = to - from;
    if distance >= bytes.len() - to {
        bytes.copy_within(from..from + bytes.len() - to, to);
    } else if distance == 1 {
        let byte = bytes[from];
        bytes[to..].fill(byte);
    } else {
        for at in to..bytes.len() {
            bytes[at] = bytes[at - distance];
        }
    }
}

fn corrupt(offset: usize, reason: &'static str) -> Corrupt {
    Corrupt { kind: "LZF data", offset, reason }
}

struct Compressor<'a> {
    input: &'a [u8],
    output: &'a mut [u8],
    len: usize,
}

impl Compressor<'_> {
    /// `places` holds, by the hash of three bytes, where these stood last, counted from one.
    fn run<const N: usize>(mut self, places: &mut [u32; N]) -> Option<usize> {
        let input = self.input;
        let (mut at, mut literals_from) = (0, 0);
        while let Some(&[a, b, c]) = input.get(at..at + COPY_MIN) {
            let place = &mut places[hash(a, b, c) & (N - 1)];
            let earlier = *place as usize;
            *place = at as u32 + 1;
            let distance = at + 1 - earlier;
            if earlier == 0 || distance > DISTANCE_MAX || input[earlier - 1..earlier + 2] != [a, b, c] {
                at += 1;
                continue;
            }
            let len = same(&input[earlier - 1..], &input[at..]);
            self.literals(&input[literals_from..at])?;
            self.copy(distance, len)?;
            at += len;
            literals_from = at;
            // Two places of the copied part are enough to find what continues it.
            for place in at - 2..at {
                if let Some(&[a, b, c]) = input.get(place..place + COPY_MIN) {
                    places[hash(a, b, c) & (N - 1)] = place as u32 + 1;
                }
            }
        }
        self.literals(&input[literals_from..])?;
        Some(self.len)
    }

    fn literals(&mut self, bytes: &[u8]) -> Option<()> {
        for run in bytes.chunks(LITERALS_MAX) {
            let (control, rest) = self.output.get_mut(self.len..)?.split_first_mut()?;
            *control = run.len() as u8 - 1;
            rest.get_mut(..run.len())?.copy_from_slice(run);
            self.len += 1 + run.len();
        }
        Some(())
    }

    fn copy(&mut self, distance: usize, len: usize) -> Option<()> {
        let [high, low] = (distance as u16 - 1).to_be_bytes();
        let out = self.output.get_mut(self.len..)?;
        if len < 9 {
            out.get_mut(..2)?.copy_from_slice(&[high | (len as u8 - 2) << 5, low]);
            self.len += 2;
        } else {
            out.get_mut(..3)?.copy_from_slice(&[high | 7 << 5, (len - 9) as u8, low]);
            self.len += 3;
        }
        Some(())
    }
}

#[inline]
fn hash(a: u8, b: u8, c: u8) -> usize {
    (u32::from_le_bytes([a, b, c, 0]).wrapping_mul(0x9e37_79b1) >> 16) as usize
}

/// How many bytes two slices have in common at the start, at most [`COPY_MAX`].
#[inline]
fn same(earlier: &[u8], now: &[u8]) -> usize {
    earlier.iter().zip(now).take(COPY_MAX).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Strings and what Redis 7.0.15 compressed them to, cut from its DUMP payloads.
    const RECORDED: &[(&str, usize, &str)] = &[
        ("a", 100, "016161e05700016161"),
        ("abc", 50, "0361626361e08702016263"),
        ("hello world, ", 20, "0d68656c6c6f20776f726c642c2068e0eb0c012c20"),
        (
            "0123456789abcdefghijklmnopqrstuvwxyz",
            2,
            "1f303132333435363738396162636465666768696a6b6c6d6e6f70717273747576047778797a30e0182301797a",
        ),
        ("x", 1000, "017878e0ff00e0ff00e0ff00e0c300017878"),
        ("the cat and the hat and the bat", 1, "0c7468652063617420616e642074200b0068e0020b02626174"),
    ];

    fn hex(digits: &str) -> Vec<u8> {
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("digits")).collect()
    }

    #[test]
    fn what_redis_compressed_is_read() {
        for &(unit, times, bytes) in RECORDED {
            let (text, bytes) = (unit.repeat(times), hex(bytes));
            assert_eq!(decompress(&bytes, text.len()).as_deref(), Ok(text.as_bytes()), "{unit}");
            let ours = compress(text.as_bytes(), text.len()).expect("compressible");
            assert!(ours.len() <= bytes.len() + 2, "{unit}: {} bytes", ours.len());
        }
    }

    #[test]
    fn incompressible_input_is_refused() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(compress(&bytes, 256), None);
        assert_eq!(compress(&bytes, 264).map(|packed| packed.len()), Some(264));
        assert_eq!(compress(b"", 100), None);
        assert_eq!(compress(b"aaaaaaaaaaaaaaaaaaaa", 4), None);
    }

    #[test]
    fn copies_reach_back_8192_bytes_and_no_farther() {
        let mut random = crate::random::Random::new(5);
        let noise: Vec<u8> = (0..8193).map(|_| random.next_u64() as u8).collect();
        let packed_bytes = |distance: usize| {
            let text = [&noise[..distance], &noise[..20]].concat();
            let packed = compress(&text, text.len() + text.len() / 32 + 1).expect("within the bound");
            assert_eq!(decompress(&packed, text.len()), Ok(text));
            packed.len()
        };
        assert!(packed_bytes(8192) < 8192 + 8192 / 32 + 10);
        assert!(packed_bytes(8193) > 8193 + 8193 / 32 + 10);
    }

    #[test]
    fn damage_is_named_with_its_offset() {
        let offset = |input: &[u8], bytes| decompress(input, bytes).expect_err("broken").offset;
        assert_eq!(offset(&[0, b'a', 31, b'b'], 3), 2);
        assert_eq!(offset(&[0, b'a', 0x20, 1], 4), 2);
        assert_eq!(offset(&[0, b'a', 0x20], 4), 2);
        assert_eq!(offset(&[0, b'a', 0xe0, 0], 100), 2);
        assert_eq!(offset(&[0, b'a', 0x20, 0], 3), 2);
        assert_eq!(offset(&[0, b'a', 0x20, 0], 5), 4);
        assert_eq!(decompress(&[0, b'a', 0x20, 0], 4).as_deref(), Ok(&b"aaaa"[..]));
        assert!(decompress(&[0; 100], usize::MAX).is_err());
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            (any::<u8>(), 1usize..600).prop_map(|(byte, len)| vec![byte; len]),
            Just(b"the quick brown fox".to_vec()),
        ];
        proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn what_is_compressed_comes_back(text in text()) {
            let bound = text.len() + text.len() / 32 + 1;
            match compress(&text, bound) {
                None => prop_assert!(text.is_empty()),
                Some(packed) => {
                    prop_assert_eq!(decompress(&packed, text.len()), Ok(text.clone()));
                    prop_assert_eq!(compress(&text, packed.len() - 1), None);
                    prop_assert_eq!(compress(&text, packed.len()), Some(packed));
                }
            }
        }

        #[test]
        fn any_bytes_are_read_or_rejected(input in proptest::collection::vec(any::<u8>(), 0..60), bytes in 0usize..3000) {
            if let Ok(output) = decompress(&input, bytes) {
                prop_assert_eq!(output.len(), bytes);
            }
        }
    }
}
