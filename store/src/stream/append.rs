//! Adding entries.

use super::node::{Node, SAME_FIELDS, Walk, count_more, counts};
use super::{NewId, Stream, StreamId};
use crate::listpack::{BYTES_MAX, Listpack};
use crate::raw::entry::Str;
use crate::string::parse_int;

/// Bytes that an entry takes beside its fields and values at most, master entry included.
const AROUND_BYTES_MAX: usize = 128;

/// When a node is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLimits {
    /// Bytes of a node (`stream-node-max-bytes`); 0 means no limit.
    pub bytes_max: u64,
    /// Entries of a node, deleted ones included (`stream-node-max-entries`); 0 means no limit.
    pub entries_max: u64,
}

impl Default for NodeLimits {
    fn default() -> NodeLimits {
        NodeLimits { bytes_max: 4096, entries_max: 100 }
    }
}

/// Why an entry cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The last ID is the greatest there is.
    #[error("no ID is left")]
    Exhausted,
    /// The ID is not greater than the last one.
    #[error("the ID is not greater than the last one")]
    NotGreater,
    /// Fields and values are longer than a node can be.
    #[error("the entry is too large")]
    TooLarge,
}

impl Stream {
    /// The ID that a new entry gets at `now_ms`. Errs with `Exhausted` and `NotGreater`.
    pub fn next_id(&self, wanted: NewId, now_ms: u64) -> Result<StreamId, AppendError> {
        let last = self.facts.last_id;
        let after_last = last.next().ok_or(AppendError::Exhausted)?;
        let id = match wanted {
            NewId::Auto if now_ms > last.ms => StreamId { ms: now_ms, seq: 0 },
            NewId::Auto => after_last,
            NewId::AutoSeq(ms) if ms == last.ms => {
                StreamId { ms, seq: last.seq.checked_add(1).ok_or(AppendError::NotGreater)? }
            }
            NewId::AutoSeq(ms) | NewId::Millis(ms) => StreamId { ms, seq: 0 },
            NewId::Exact(id) => id,
        };
        if id <= last { Err(AppendError::NotGreater) } else { Ok(id) }
    }

    /// Adds an entry at the end. Errs with `NotGreater` if its ID is not greater than the last ID, and with `TooLarge`.
    pub fn append<'f, I>(&mut self, id: StreamId, fields: I, limits: &NodeLimits) -> Result<(), AppendError>
    where
        I: IntoIterator<Item = (&'f [u8], &'f [u8])>,
        I::IntoIter: Clone,
    {
        if id <= self.facts.last_id {
            return Err(AppendError::NotGreater);
        }
        let fields = fields.into_iter();
        let size = Size::of(fields.clone());
        if size.bytes > BYTES_MAX || size.stored > BYTES_MAX - AROUND_BYTES_MAX {
            return Err(AppendError::TooLarge);
        }
        match &mut self.tail {
            Some(tail) if !full(&tail.pack, &size, limits) => {
                let master = tail.master;
                self.node_changes(master);
                if let Some(tail) = &mut self.tail {
                    append_to(tail, id, fields, size.count);
                }
            }
            _ => self.append_node(id, fields, size.count),
        }
        self.facts.length += 1;
        self.facts.entries_added = self.facts.entries_added.saturating_add(1);
        self.facts.last_id = id;
        if self.facts.length == 1 {
            self.facts.first_id = id;
        }
        Ok(())
    }

    /// Starts a node with an entry.
    fn append_node<'f, I>(&mut self, id: StreamId, fields: I, count: usize)
    where
        I: Iterator<Item = (&'f [u8], &'f [u8])> + Clone,
    {
        let mut pack = match self.tail.take() {
            None => Listpack::new(),
            // A stream that filled one node will fill another: no growing in steps.
            Some(mut full) => {
                let bytes = full.pack.bytes().len();
                full.pack.shrink_to_fit();
                self.more.get_or_insert_default().earlier.insert(full.master, full.pack);
                Listpack::with_capacity(bytes.min(PREPARED_BYTES_MAX))
            }
        };
        let head = [1, 0, count as i64].map(Str::Int);
        let names = fields.clone().map(|(name, _)| Str::Bytes(name));
        let entry = [0, SAME_FIELDS, 0, 0].map(Str::Int);
        let values = fields.map(|(_, value)| Str::Bytes(value));
        let foot = [Str::Int(count as i64 + 3)];
        pack.append_all(head.into_iter().chain(names).chain(entry).chain(values).chain(foot));
        self.node_comes(id);
        self.tail = Some(Node { master: id, pack });
    }
}

/// The most bytes that a new node gets before they are needed.
const PREPARED_BYTES_MAX: usize = 4096;

/// What an entry measures.
struct Size {
    /// Number of fields.
    count: usize,
    /// Bytes of fields and values.
    bytes: usize,
    /// Bytes that fields and values take in a listpack.
    stored: usize,
}

impl Size {
    fn of<'f>(fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> Size {
        let mut size = Size { count: 0, bytes: 0, stored: 0 };
        for (name, value) in fields {
            size.count += 1;
            size.bytes += name.len() + value.len();
            // An entry has at most ten bytes beside its string; only long ones are worth a closer look.
            size.stored += name.len() + value.len() + 20;
        }
        size
    }
}

/// Whether an entry goes into a new node.
fn full(pack: &Listpack, size: &Size, limits: &NodeLimits) -> bool {
    let bytes = pack.bytes().len();
    let bytes_max = match limits.bytes_max {
        0 => BYTES_MAX,
        max => usize::try_from(max).unwrap_or(BYTES_MAX).min(BYTES_MAX),
    };
    if bytes + size.bytes >= bytes_max || bytes + size.stored > BYTES_MAX - AROUND_BYTES_MAX {
        return true;
    }
    let (live, deleted) = counts(pack.view());
    limits.entries_max != 0 && live.saturating_add(deleted) >= limits.entries_max
}

/// Adds an entry to a node that is not full.
fn append_to<'f, I>(node: &mut Node, id: StreamId, fields: I, count: usize)
where
    I: Iterator<Item = (&'f [u8], &'f [u8])> + Clone,
{
    let ms = id.ms.wrapping_sub(node.master.ms) as i64;
    let seq = id.seq.wrapping_sub(node.master.seq) as i64;
    let values = fields.clone().map(|(_, value)| Str::Bytes(value));
    if has_names(node, fields.clone(), count) {
        let head = [SAME_FIELDS, ms, seq].map(Str::Int);
        let foot = [Str::Int(count as i64 + 3)];
        node.pack.append_all(head.into_iter().chain(values).chain(foot));
    } else {
        let head = [0, ms, seq, count as i64].map(Str::Int);
        let pairs = fields.flat_map(|(name, value)| [Str::Bytes(name), Str::Bytes(value)]);
        let foot = [Str::Int(2 * count as i64 + 4)];
        node.pack.append_all(head.into_iter().chain(pairs).chain(foot));
    }
    count_more(&mut node.pack, 1, 0);
}

/// Whether an entry's fields are those of the node.
fn has_names<'f>(node: &Node, fields: impl Iterator<Item = (&'f [u8], &'f [u8])>, count: usize) -> bool {
    let (names, known) = Walk::new(node.master, node.pack.view()).names();
    known == count
        && names.zip(fields).all(|(known, (name, _))| match known {
            Str::Bytes(known) => known == name,
            Str::Int(known) => parse_int(name) == Some(known),
        })
}
