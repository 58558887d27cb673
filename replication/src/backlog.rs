//! The latest part of the stream of changes.

use std::collections::VecDeque;

/// Bytes of a block. Small ones, since they are given back as a whole.
const BLOCK_BYTES: usize = 16 * 1024;

/// The stream of changes from some offset to its end. An offset counts the bytes before a place in the stream.
#[derive(Debug, Default)]
pub struct Backlog {
    blocks: VecDeque<Block>,
    /// The offset of the first byte kept.
    begin: u64,
    end: u64,
}

#[derive(Debug)]
struct Block {
    begin: u64,
    bytes: Vec<u8>,
}

impl Block {
    fn end(&self) -> u64 {
        self.begin + self.bytes.len() as u64
    }
}

impl Backlog {
    /// An empty one that begins at an offset.
    pub fn new(begin: u64) -> Backlog {
        Backlog { blocks: VecDeque::new(), begin, end: begin }
    }
    /// The offset of the first byte that can still be read.
    pub fn begin(&self) -> u64 {
        self.begin
    }
    /// The offset of the next byte to come.
    pub fn end(&self) -> u64 {
        self.end
    }
    /// Bytes kept.
    pub fn len(&self) -> u64 {
        self.end - self.begin
    }
    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.begin == self.end
    }
    /// Bytes allocated: the blocks, and the list of them with the room that it has for more.
    pub fn allocated(&self) -> usize {
        self.blocks.len() * BLOCK_BYTES + self.blocks.capacity() * size_of::<Block>()
    }
    /// Adds bytes at the end.
    pub fn append(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = self.blocks.back().map_or(0, |last| BLOCK_BYTES - last.bytes.len());
            if room == 0 {
                self.blocks.push_back(Block { begin: self.end, bytes: Vec::with_capacity(BLOCK_BYTES) });
                continue;
            }
            let (taken, behind) = rest.split_at(room.min(rest.len()));
            if let Some(last) = self.blocks.back_mut() {
                last.bytes.extend_from_slice(taken);
            }
            self.end += taken.len() as u64;
            rest = behind;
        }
    }
    /// Copies bytes from an offset on to the end of `into`, up to about `len_max` and at least one if there is any; how many.
    pub fn read(&self, offset: u64, len_max: usize, into: &mut Vec<u8>) -> usize {
        let first = self.blocks.partition_point(|block| block.end() <= offset);
        let mut copied = 0;
        for block in self.blocks.range(first..) {
            let skip = usize::try_from(offset.saturating_sub(block.begin)).unwrap_or(usize::MAX);
            let rest = block.bytes.get(skip..).unwrap_or_default();
            let rest = rest.get(..len_max - copied).unwrap_or(rest);
            into.extend_from_slice(rest);
            copied += rest.len();
            if copied >= len_max {
                break;
            }
        }
        copied
    }
    /// Forgets whole blocks before an offset.
    pub fn forget_before(&mut self, offset: u64) {
        while let Some(first) = self.blocks.front()
            && first.end() <= offset
        {
            self.begin = first.end();
            self.blocks.pop_front();
        }
        // The list has grown with what waited for a slow replica.
        let wanted = self.blocks.len().next_power_of_two();
        if self.blocks.capacity() > 4 * wanted {
            self.blocks.shrink_to(wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allocated_includes_the_list_of_blocks() {
        let mut backlog = Backlog::new(0);
        assert_eq!(backlog.allocated(), 0);
        backlog.append(&[0; 600 * BLOCK_BYTES]);
        let list = backlog.allocated() - 600 * BLOCK_BYTES;
        assert!(list > 600 * size_of::<Block>(), "a list has room for more than it holds: {list}");
        backlog.forget_before(599 * BLOCK_BYTES as u64);
        let list = backlog.allocated() - BLOCK_BYTES;
        assert!(list <= 4 * size_of::<Block>(), "the list stays large: {list}");
    }

    #[test]
    fn any_part_that_is_kept_can_be_read() {
        let all: Vec<u8> = (0..100_000u32).map(|number| (number % 251) as u8).collect();
        let mut backlog = Backlog::new(1000);
        for piece in all.chunks(777) {
            backlog.append(piece);
        }
        assert_eq!((backlog.begin(), backlog.end(), backlog.len()), (1000, 101_000, 100_000));
        for (from, len_max) in [(0, 10), (16_000, 40_000), (99_990, 100), (100_000, 10)] {
            let mut read = Vec::new();
            let count = backlog.read(1000 + from as u64, len_max, &mut read);
            assert_eq!(count, read.len());
            assert_eq!(read, all[from..(from + len_max).min(all.len())], "{from}");
        }
        backlog.forget_before(51_000);
        assert!(backlog.begin() > 20_000 && backlog.begin() <= 51_000, "{}", backlog.begin());
        let mut read = Vec::new();
        backlog.read(51_000, usize::MAX, &mut read);
        assert_eq!(read, all[50_000..]);
        backlog.forget_before(101_000);
        assert!(backlog.is_empty() && backlog.begin() == 101_000);
    }
}
