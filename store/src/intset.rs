//! Sets of integers as a sorted array.
//!
//! The bytes are those of Redis (`intset.c`), since RDB files and DUMP payloads carry them as they are: the width of a
//! member (2, 4 or 8 bytes) as a u32, their number as a u32, then the members in ascending order; all little endian.

use crate::corrupt::Corrupt;
use crate::random::Random;
use crate::raw::block::Block;

const HEADER_BYTES: usize = 8;
/// Most members of a set: it takes a GiB at most, and so its lengths fit.
pub(crate) const MEMBERS_MAX: usize = 1 << 27;

/// A set of integers in one allocation of the size class of its bytes.
///
/// Invariant: `space` starts with a header and as many members of its width as it says, ascending; the rest is room.
#[derive(Clone)]
pub struct Intset {
    space: Block,
}

impl Intset {
    /// An empty set.
    pub fn new() -> Intset {
        Intset { space: Block::new(&[2, 0, 0, 0, 0, 0, 0, 0], 0) }
    }

    /// Copies bytes from outside after checking all of them. Errs as well when there is no member, since no key holds an
    /// empty set, and when there are more than 2²⁷.
    pub fn from_bytes(bytes: &[u8]) -> Result<Intset, Corrupt> {
        validate(bytes)?;
        Ok(Intset { space: Block::new(bytes, 0) })
    }

    /// All bytes, header included.
    pub fn bytes(&self) -> &[u8] {
        &self.space[..HEADER_BYTES + self.len() * self.width()]
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        self.space.memory()
    }

    /// The number of members.
    #[inline]
    pub fn len(&self) -> usize {
        let [_, _, _, _, a, b, c, d, ..] = *self.space else { return 0 };
        u32::from_le_bytes([a, b, c, d]) as usize
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The member at an index in ascending order.
    pub fn get(&self, index: usize) -> Option<i64> {
        (index < self.len()).then(|| self.at(index))
    }

    /// Whether `member` is in the set.
    pub fn contains(&self, member: i64) -> bool {
        width_of(member) <= self.width() && self.search(member).is_ok()
    }

    /// Adds a member; false if it was there.
    pub fn insert(&mut self, member: i64) -> bool {
        let width = width_of(member);
        if width > self.width() {
            // Beyond all the others on one side.
            let index = if member < 0 { 0 } else { self.len() };
            self.widen(width);
            self.insert_at(index, member);
            return true;
        }
        match self.search(member) {
            Ok(_) => false,
            Err(index) => {
                self.insert_at(index, member);
                true
            }
        }
    }

    /// Removes a member; false if it was not there.
    pub fn remove(&mut self, member: i64) -> bool {
        if width_of(member) > self.width() {
            return false;
        }
        let Ok(index) = self.search(member) else { return false };
        self.remove_at(index);
        true
    }

    /// Removes and returns the member at an index.
    pub fn take(&mut self, index: usize) -> Option<i64> {
        let member = self.get(index)?;
        self.remove_at(index);
        Some(member)
    }

    /// A member, each with the same probability.
    pub fn random(&self, random: &mut Random) -> Option<i64> {
        self.get(random.below(self.len()))
    }

    /// The members, ascending.
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.bytes()[HEADER_BYTES..], width: self.width() }
    }

    #[inline]
    fn width(&self) -> usize {
        usize::from(self.space[0])
    }

    #[inline]
    fn at(&self, index: usize) -> i64 {
        let width = self.width();
        read(&self.space[HEADER_BYTES + index * width..][..width])
    }

    /// The index of a member, or where it belongs.
    fn search(&self, member: i64) -> Result<usize, usize> {
        let len = self.len();
        // Ascending inserts are frequent.
        if len > 0 && self.at(len - 1) < member {
            return Err(len);
        }
        let (mut low, mut high) = (0, len);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.at(middle).cmp(&member) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    fn insert_at(&mut self, index: usize, member: i64) {
        let width = self.width();
        let at = HEADER_BYTES + index * width;
        let old = self.bytes().len();
        if old + width > self.space.len() {
            self.space.resize(old + width);
        }
        self.space.copy_within(at..old, at + width);
        self.space[at..at + width].copy_from_slice(&member.to_le_bytes()[..width]);
        self.write_len(self.len() + 1);
    }

    fn remove_at(&mut self, index: usize) {
        let width = self.width();
        let at = HEADER_BYTES + index * width;
        let old = self.bytes().len();
        self.space.copy_within(at + width..old, at);
        self.write_len(self.len() - 1);
        if Block::room(old - width) * 4 <= self.space.len() * 3 {
            self.space.resize(old - width);
        }
    }

    fn widen(&mut self, width: usize) {
        let bytes = HEADER_BYTES + self.len() * width;
        // Room for the member that made it necessary.
        let mut wide = Block::new(&self.space[..HEADER_BYTES], bytes + width);
        wide[..4].copy_from_slice(&(width as u32).to_le_bytes());
        for (place, member) in wide[HEADER_BYTES..].chunks_exact_mut(width).zip(self.iter()) {
            place.copy_from_slice(&member.to_le_bytes()[..width]);
        }
        self.space = wide;
    }

    fn write_len(&mut self, len: usize) {
        // At most as many as an address space of members; Redis' limit of 2^32 is far beyond any configured one.
        self.space[4..HEADER_BYTES].copy_from_slice(&(len as u32).to_le_bytes());
    }
}

impl PartialEq for Intset {
    fn eq(&self, other: &Intset) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Intset {}

impl Default for Intset {
    fn default() -> Intset {
        Intset::new()
    }
}

impl std::fmt::Debug for Intset {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for &'a Intset {
    type Item = i64;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl FromIterator<i64> for Intset {
    fn from_iter<I: IntoIterator<Item = i64>>(members: I) -> Intset {
        let mut set = Intset::new();
        for member in members {
            set.insert(member);
        }
        set
    }
}

/// The members of an [`Intset`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rest: &'a [u8],
    width: usize,
}

impl Iterator for Iter<'_> {
    type Item = i64;

    #[inline]
    fn next(&mut self) -> Option<i64> {
        let (member, rest) = self.rest.split_at_checked(self.width)?;
        self.rest = rest;
        Some(read(member))
    }

    fn nth(&mut self, n: usize) -> Option<i64> {
        self.rest = self.rest.get(n.checked_mul(self.width)?..).unwrap_or(&[]);
        self.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.rest.len() / self.width;
        (len, Some(len))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<i64> {
        let at = self.rest.len().checked_sub(self.width)?;
        let (rest, member) = self.rest.split_at_checked(at)?;
        self.rest = rest;
        Some(read(member))
    }
}

impl ExactSizeIterator for Iter<'_> {}
impl std::iter::FusedIterator for Iter<'_> {}

/// Bytes that a member needs.
fn width_of(member: i64) -> usize {
    match member {
        -0x8000..=0x7fff => 2,
        -0x8000_0000..=0x7fff_ffff => 4,
        _ => 8,
    }
}

/// Two, four or eight bytes as a number.
#[inline]
fn read(bytes: &[u8]) -> i64 {
    match *bytes {
        [a, b] => i64::from(i16::from_le_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => unreachable!("a member has two, four or eight bytes"),
    }
}

#[deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
fn validate(bytes: &[u8]) -> Result<(), Corrupt> {
    let corrupt = |offset, reason| Err(Corrupt { kind: "intset", offset, reason });
    let Some((header, members)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return corrupt(bytes.len(), "shorter than a header");
    };
    let [a, b, c, d, e, f, g, h] = *header;
    let width = match u32::from_le_bytes([a, b, c, d]) {
        2 => 2usize,
        4 => 4,
        8 => 8,
        _ => return corrupt(0, "unknown width of a member"),
    };
    let len = u32::from_le_bytes([e, f, g, h]) as usize;
    if len.checked_mul(width) != Some(members.len()) {
        return corrupt(4, "the count in the header is not the number of members");
    }
    if len == 0 {
        return corrupt(4, "no member");
    }
    if len > MEMBERS_MAX {
        return corrupt(4, "more members than are kept so");
    }
    let numbers = Iter { rest: members, width };
    let pairs = numbers.clone().zip(numbers.skip(1));
    for (index, (member, next)) in pairs.enumerate() {
        if next <= member {
            let before = index.saturating_add(1).saturating_mul(width);
            return corrupt(before.saturating_add(HEADER_BYTES), "the members do not ascend");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Members and the intset that Redis 7.0.15 made of them, cut from its DUMP payloads.
    const RECORDED: &[(&[i64], &str)] = &[
        (&[1], "02000000010000000100"),
        (&[3, 1, 2], "0200000003000000010002000300"),
        (&[-32768, 32767], "02000000020000000080ff7f"),
        (&[32768, 5], "04000000020000000500000000800000"),
        (&[-32769, 5, 7], "0400000003000000ff7fffff0500000007000000"),
        (&[2147483647, 0], "040000000200000000000000ffffff7f"),
        (&[2147483648, -1], "0800000002000000ffffffffffffffff0000008000000000"),
        (&[i64::MIN, i64::MAX, 100], "080000000300000000000000000000806400000000000000ffffffffffffff7f"),
    ];

    fn hex(digits: &str) -> Vec<u8> {
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("digits")).collect()
    }

    #[test]
    fn bytes_are_those_of_redis() {
        for &(members, bytes) in RECORDED {
            let bytes = hex(bytes);
            let set: Intset = members.iter().copied().collect();
            assert_eq!(set.bytes(), bytes, "{members:?}");
            let backwards: Intset = members.iter().rev().copied().collect();
            assert_eq!(backwards, set);
            assert_eq!(Intset::from_bytes(&bytes), Ok(set));
        }
    }

    #[test]
    fn the_width_stays_when_the_wide_member_goes() {
        let mut set: Intset = [1, 70_000].into_iter().collect();
        assert!(set.remove(70_000));
        assert!(!set.remove(1 << 40));
        assert_eq!(set.bytes(), hex("040000000100000001000000"));
        assert_eq!(set.take(0), Some(1));
        assert_eq!((set.take(0), set.is_empty()), (None, true));
    }

    #[test]
    fn damage_is_named_with_its_offset() {
        let good = hex("0200000003000000010002000300");
        let broken = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            Intset::from_bytes(&bytes).expect_err("broken bytes").offset
        };
        assert_eq!((broken(0, 3), broken(1, 1), broken(4, 2), broken(7, 255)), (0, 0, 4, 4));
        assert_eq!((broken(10, 1), broken(12, 2), broken(13, 0x80)), (10, 12, 12));
        for len in 0..good.len() {
            assert!(Intset::from_bytes(&good[..len]).is_err());
        }
        assert!(Intset::from_bytes(Intset::new().bytes()).is_err());
    }

    #[test]
    fn every_member_is_drawn() {
        let set: Intset = (0..8).collect();
        let mut random = Random::new(1);
        let drawn: BTreeSet<i64> = (0..500).filter_map(|_| set.random(&mut random)).collect();
        assert_eq!(drawn.len(), 8);
        assert_eq!(Intset::new().random(&mut random), None);
    }

    fn member() -> impl Strategy<Value = i64> {
        prop_oneof![6 => -20i64..20, 2 => -40_000i64..40_000, 1 => any::<i32>().prop_map(i64::from), 1 => any::<i64>()]
    }

    proptest! {
        #[test]
        fn behaves_like_an_ordered_set(steps in proptest::collection::vec((any::<bool>(), member()), 0..80)) {
            let (mut set, mut model) = (Intset::new(), BTreeSet::new());
            for (insert, member) in steps {
                if insert {
                    prop_assert_eq!(set.insert(member), model.insert(member));
                } else {
                    prop_assert_eq!(set.remove(member), model.remove(&member));
                }
                prop_assert_eq!(set.contains(member), model.contains(&member));
                prop_assert!(set.iter().eq(model.iter().copied()));
                prop_assert!(set.iter().rev().eq(model.iter().rev().copied()));
                prop_assert_eq!(set.len(), model.len());
                prop_assert_eq!(set.get(model.len() / 2), model.iter().nth(model.len() / 2).copied());
                prop_assert_eq!(set.iter().nth(model.len() / 2), set.get(model.len() / 2));
                prop_assert!(set.is_empty() || Intset::from_bytes(set.bytes()).is_ok());
                prop_assert!(set.memory() <= Block::new(set.bytes(), 0).memory() * 4 / 3 + 8);
            }
        }

        #[test]
        fn any_bytes_are_read_or_rejected(bytes in proptest::collection::vec(prop_oneof![Just(0u8), Just(2), any::<u8>()], 0..40)) {
            if let Ok(set) = Intset::from_bytes(&bytes) {
                prop_assert_eq!(set.iter().count(), set.len());
            }
        }
    }
}
