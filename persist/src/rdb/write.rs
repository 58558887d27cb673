//! Writing values.

use super::code::{TypeCode, VERSION_VALKEY};
use super::output::Output;
use ochre_store::ValueRef;
use ochre_store::collection::FieldMap;
use ochre_store::hash::Hash;
use ochre_store::quicklist::{List, NodeView};
use ochre_store::set::Set;
use ochre_store::sorted_set::SortedSet;
use ochre_store::stream::{StreamId, StreamPiece};
use std::io::{self, Write};

/// The first version with listpacks for sets and the times at which consumers were active.
const VERSION_7_2: u32 = 11;
/// How the node of a list is kept: one element as it is, or a listpack.
const NODE_PLAIN: u64 = 1;
const NODE_PACKED: u64 = 2;
/// Stands for a time that never was and a number that is not known.
const NEVER: i64 = -1;
pub(super) const NO_DEADLINE: i64 = -1;

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writing {
    /// The version of the format: 10 (Redis 7.0), 11 (Redis 7.2, Valkey 8) or 80 (Valkey 9).
    pub version: u32,
}

/// The version that a value needs at least, if that is more than `version`.
#[must_use]
pub fn version_needed(value: ValueRef<'_>, version: u32) -> u32 {
    match value {
        ValueRef::Hash(Hash::Table(fields)) if fields.volatile_len() > 0 => version.max(VERSION_VALKEY),
        _ => version,
    }
}

/// The type under which a value is written.
#[must_use]
pub fn type_of(value: ValueRef<'_>, writing: Writing) -> TypeCode {
    let later = writing.version >= VERSION_7_2;
    match value {
        ValueRef::String(_) => TypeCode::String,
        ValueRef::List(_) => TypeCode::ListQuicklist2,
        ValueRef::Set(Set::Ints(_)) => TypeCode::SetIntset,
        ValueRef::Set(Set::Pack(_)) if later => TypeCode::SetListpack,
        ValueRef::Set(_) => TypeCode::Set,
        ValueRef::SortedSet(SortedSet::Pack(_)) => TypeCode::ZsetListpack,
        ValueRef::SortedSet(SortedSet::Order(_)) => TypeCode::Zset,
        ValueRef::Hash(Hash::Pack(_)) => TypeCode::HashListpack,
        ValueRef::Hash(Hash::Table(fields)) if fields.volatile_len() > 0 => TypeCode::HashDeadlines,
        ValueRef::Hash(Hash::Table(_)) => TypeCode::Hash,
        ValueRef::Stream(_) if later => TypeCode::Stream3,
        ValueRef::Stream(_) => TypeCode::Stream2,
    }
}

/// Writes a value, without its type, which [`type_of`] tells.
///
/// # Errors
/// Those of the sink.
pub fn write_value<W: Write>(output: &mut Output<W>, value: ValueRef<'_>, writing: Writing) -> io::Result<()> {
    match value {
        ValueRef::String(text) => output.str(text),
        ValueRef::List(list) => write_list(output, list),
        ValueRef::Set(Set::Ints(ints)) => output.string(ints.bytes()),
        ValueRef::Set(set) => write_set(output, set, writing),
        ValueRef::SortedSet(SortedSet::Pack(pack)) | ValueRef::Hash(Hash::Pack(pack)) => output.string(pack.bytes()),
        ValueRef::SortedSet(SortedSet::Order(members)) => {
            output.length(members.len() as u64)?;
            // From the highest down: so the servers do, since their lists are filled quickest from that end.
            for rank in (0..members.len()).rev() {
                if let Some((member, score)) = members.at(rank) {
                    output.string(member)?;
                    output.raw(&score.to_le_bytes())?;
                }
            }
            Ok(())
        }
        ValueRef::Hash(Hash::Table(fields)) => write_fields(output, fields),
        ValueRef::Stream(stream) => {
            output.length(stream.nodes_len() as u64)?;
            stream.try_pieces(|piece| write_stream_piece(output, piece, writing))
        }
    }
}

fn write_list<W: Write>(output: &mut Output<W>, list: &List) -> io::Result<()> {
    let quick = match list {
        List::Quick(quick) => quick,
        List::Pack(pack) => {
            output.length(1)?;
            output.length(NODE_PACKED)?;
            return output.string(pack.bytes());
        }
    };
    output.length(quick.node_count() as u64)?;
    quick.nodes().try_for_each(|node| write_node(output, node))
}

/// Writes a node of a list.
pub(super) fn write_node<W: Write>(output: &mut Output<W>, node: NodeView<'_>) -> io::Result<()> {
    match node {
        NodeView::Plain(element) => {
            output.length(NODE_PLAIN)?;
            output.string(element)
        }
        NodeView::Packed(pack) => {
            output.length(NODE_PACKED)?;
            output.string(pack.bytes())
        }
        NodeView::Compressed { data, bytes } => {
            output.length(NODE_PACKED)?;
            output.compressed(data, bytes)
        }
    }
}

fn write_set<W: Write>(output: &mut Output<W>, set: &Set, writing: Writing) -> io::Result<()> {
    if let Set::Pack(pack) = set
        && writing.version >= VERSION_7_2
    {
        return output.string(pack.bytes());
    }
    output.length(set.len() as u64)?;
    let mut result = Ok(());
    set.all(|member| {
        result = output.str(member);
        result.is_ok()
    });
    result
}

fn write_fields<W: Write>(output: &mut Output<W>, fields: &FieldMap) -> io::Result<()> {
    let with_deadlines = fields.volatile_len() > 0;
    output.length(fields.len() as u64)?;
    for field in fields.iter() {
        output.string(field.name)?;
        output.string(field.value)?;
        if with_deadlines {
            output.i64(field.deadline_ms.unwrap_or(NO_DEADLINE))?;
        }
    }
    Ok(())
}

/// Writes a piece of a stream.
pub(super) fn write_stream_piece<W: Write>(
    output: &mut Output<W>,
    piece: StreamPiece<'_>,
    writing: Writing,
) -> io::Result<()> {
    match piece {
        StreamPiece::Node(node) => {
            output.string(&node.master().to_bytes())?;
            output.string(node.bytes())
        }
        StreamPiece::Facts(facts, groups) => {
            output.length(facts.length)?;
            write_id(output, facts.last_id)?;
            write_id(output, facts.first_id)?;
            write_id(output, facts.max_deleted_id)?;
            output.length(facts.entries_added)?;
            output.length(groups as u64)
        }
        StreamPiece::Group(group) => {
            output.string(group.name)?;
            write_id(output, group.last_id)?;
            output.length(group.entries_read.unwrap_or(NEVER as u64))?;
            output.length(group.pending as u64)
        }
        StreamPiece::Pending(id, nack) => {
            output.raw(&id.to_bytes())?;
            output.i64(nack.delivery_ms)?;
            output.length(nack.deliveries)
        }
        StreamPiece::Consumers(consumers) => output.length(consumers as u64),
        StreamPiece::Consumer(consumer) => {
            output.string(consumer.name)?;
            output.i64(consumer.seen_ms)?;
            if writing.version >= VERSION_7_2 {
                output.i64(consumer.active_ms.unwrap_or(NEVER))?;
            }
            output.length(consumer.pending as u64)
        }
        StreamPiece::Held(id, _) => output.raw(&id.to_bytes()),
    }
}

fn write_id<W: Write>(output: &mut Output<W>, id: StreamId) -> io::Result<()> {
    output.length(id.ms)?;
    output.length(id.seq)
}
