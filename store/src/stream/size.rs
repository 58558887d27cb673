//! What a stream takes, and what it would look like to Redis.

use super::group::{Group, Nack};
use super::value::More;
use super::{Stream, StreamId};
use crate::listpack::Listpack;

impl Stream {
    /// Master ID and listpack of each node, in order.
    pub fn nodes(&self) -> impl Iterator<Item = (StreamId, &[u8])> {
        self.view().nodes().map(|(master, pack)| (master, pack.bytes()))
    }

    /// Number of nodes: the `radix-tree-keys` of XINFO.
    pub fn nodes_len(&self) -> usize {
        let earlier = self.more.as_ref().map_or(0, |more| more.earlier.len());
        earlier + usize::from(self.tail.is_some())
    }

    /// The `radix-tree-nodes` of XINFO: how many nodes the radix tree of Redis has for the same keys. Looks at all keys.
    pub fn radix_nodes(&self) -> usize {
        radix_nodes(self.view().nodes().map(|(master, _)| master.to_bytes()))
    }

    /// Bytes taken, the stream's own included. Looks at `samples` nodes and takes
    /// the others to be like these; 0 means all nodes.
    pub fn memory(&self, samples: usize) -> usize {
        let Some(more) = &self.more else {
            return size_of::<Stream>() + self.tail.as_ref().map_or(0, |tail| tail.pack.memory());
        };
        let looked_at = if samples == 0 { usize::MAX } else { samples };
        let (mut bytes, mut count) = (0, 0);
        for pack in more.earlier.values().take(looked_at) {
            bytes += pack.memory();
            count += 1;
        }
        let earlier = bytes.checked_div(count).unwrap_or(0) * more.earlier.len();
        let tail = self.tail.as_ref().map_or(0, |tail| tail.pack.memory());
        let index = map_bytes(more.earlier.len(), size_of::<(StreamId, Listpack)>());
        let groups: usize = more.groups.iter().map(group_bytes).sum();
        size_of::<Stream>() + size_of::<More>() + earlier + tail + index + groups
    }

    /// How many steps it takes to drop the stream, roughly: nodes, and what is pending.
    pub fn drop_effort(&self) -> usize {
        self.nodes_len() + self.groups().map(|group| 1 + group.consumers_len() + group.pending_len()).sum::<usize>()
    }
}

fn group_bytes(group: &Group) -> usize {
    let pending = group.pending_len();
    let own = size_of::<Group>() + group.name().len();
    own + group.consumers.memory()
        + map_bytes(pending, size_of::<(StreamId, Nack)>())
        + map_bytes(pending, size_of::<StreamId>())
}

/// Bytes of an ordered map of the standard library that was filled in order: its nodes have room for eleven and hold six.
fn map_bytes(len: usize, item_bytes: usize) -> usize {
    len.div_ceil(6) * (11 * item_bytes + 16)
}

/// Number of nodes of a radix tree that joins nodes with one child: a node where keys part, one for the bytes in common
/// before it, if there are any, and one at each key's end. `keys` are in order.
fn radix_nodes(mut keys: impl Iterator<Item = [u8; 16]>) -> usize {
    const LEN: usize = 16;
    let Some(mut last) = keys.next() else { return 1 };
    // Depths where keys part, on the way to the last key.
    let mut parts: Vec<usize> = Vec::new();
    let mut nodes = 0;
    // Counts the piece from `from` (a part's depth plus the byte that leads on) to `to`, and what stands at its end.
    let piece = |from: Option<&usize>, to: usize| 1 + usize::from(from.map_or(0, |from| from + 1) < to);
    for key in keys {
        let common = last.iter().zip(&key).take_while(|(a, b)| a == b).count();
        let mut end = LEN;
        while parts.last().is_some_and(|&part| part > common) {
            let part = parts.pop().unwrap_or_default();
            nodes += piece(Some(&part), end);
            end = part;
        }
        if parts.last() == Some(&common) {
            nodes += piece(parts.last(), end);
        } else {
            nodes += piece(Some(&common), end);
            parts.push(common);
        }
        last = key;
    }
    let mut end = LEN;
    while let Some(part) = parts.pop() {
        nodes += piece(Some(&part), end);
        end = part;
    }
    nodes + piece(None, end)
}
