//! The forms in which a snapshot is written: RDB, or commands.

use super::collect::Begun;
use super::file_write::{KeyRecord, WriteError, write_key, write_key_head};
use super::output::Output;
use super::save::UsageKind;
use super::write::{NO_DEADLINE, Writing, write_node, write_stream_piece};
use crate::aof::base::{CommandPieces, write_record};
use ochre_store::ValueRef;
use ochre_store::hash::Hash;
use ochre_store::keyspace::Record;
use ochre_store::quicklist::List;
use ochre_store::snapshot::{Piece, Pieces};
use std::io;
use std::sync::Arc;

/// Longer strings are not compressed if they come in pieces, since then they would have to be gathered first.
const COMPRESS_MAX: usize = 16 << 20;

/// A form of the file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Rdb { version: u32, compress: bool, usage: UsageKind },
    Commands,
}

/// Brings elements into the form of RDB.
struct RdbPieces {
    begun: Arc<Begun>,
    compress: bool,
    writing: Writing,
    /// Whether each field has a place for its deadline.
    with_deadlines: bool,
}

/// Brings elements into the form of commands.
struct Commands {
    begun: Arc<Begun>,
    pieces: CommandPieces,
}

impl Form {
    /// Appends a key.
    pub(super) fn write(self, out: &mut Vec<u8>, record: Record<'_>) -> Result<(), WriteError> {
        match self {
            Form::Rdb { version, compress, usage } => {
                write_key(&mut Output::part(out, compress), version, key_record(record, usage))
            }
            Form::Commands => {
                write_record(&record, out);
                Ok(())
            }
        }
    }

    /// Begins with a key whose value comes in pieces.
    pub(super) fn begin(self, begun: &Arc<Begun>, record: Record<'_>) -> Result<Box<dyn Pieces>, WriteError> {
        let begun = begun.clone();
        match self {
            Form::Rdb { version, compress, usage } => {
                let mut head = Vec::new();
                let mut output = Output::part(&mut head, compress);
                let writing = Writing { version };
                write_key_head(&mut output, writing, &key_record(record, usage))?;
                // A list and a stream count their nodes.
                let len = match record.value {
                    ValueRef::List(List::Quick(list)) => list.node_count(),
                    ValueRef::Stream(stream) => stream.nodes_len(),
                    other => other.len(),
                };
                let is_gathered = compress && len <= COMPRESS_MAX && matches!(record.value, ValueRef::String(_));
                if !is_gathered {
                    output.length(len as u64)?;
                }
                begun.change(|state| {
                    state.bytes = head;
                    state.text = is_gathered.then(Vec::new);
                });
                let with_deadlines =
                    matches!(record.value, ValueRef::Hash(Hash::Table(fields)) if fields.volatile_len() > 0);
                Ok(Box::new(RdbPieces { begun, compress, writing, with_deadlines }))
            }
            Form::Commands => {
                let mut head = Vec::new();
                let pieces = CommandPieces::new(&record, &mut head);
                begun.change(|state| state.bytes = head);
                Ok(Box::new(Commands { begun, pieces }))
            }
        }
    }
}

fn key_record(record: Record<'_>, usage: UsageKind) -> KeyRecord<'_> {
    let Record { key, value, deadline_ms, access } = record;
    KeyRecord { key, value, deadline_ms, usage: usage.usage(access) }
}

impl RdbPieces {
    fn write(&self, output: &mut Output<&mut Vec<u8>>, piece: Piece<'_>) -> io::Result<()> {
        match piece {
            Piece::Member(member) => output.string(member),
            Piece::Node(node) => write_node(output, node),
            Piece::Stream(piece) => write_stream_piece(output, piece, self.writing),
            Piece::Bytes(bytes) => output.raw(bytes),
            Piece::Scored(member, score) => {
                output.string(member)?;
                output.raw(&score.to_le_bytes())
            }
            Piece::Field(field) => {
                output.string(field.name)?;
                output.string(field.value)?;
                if self.with_deadlines { output.i64(field.deadline_ms.unwrap_or(NO_DEADLINE)) } else { Ok(()) }
            }
        }
    }
}

impl Pieces for RdbPieces {
    fn piece(&mut self, piece: Piece<'_>) {
        self.begun.change(|state| {
            if let (Piece::Bytes(bytes), Some(text)) = (piece, &mut state.text) {
                return text.extend_from_slice(bytes);
            }
            // Writing to memory does not fail.
            let _ = self.write(&mut Output::part(&mut state.bytes, self.compress), piece);
        });
    }

    fn end(&mut self) {
        self.begun.change(|state| state.is_whole = true);
    }
}

impl Pieces for Commands {
    fn piece(&mut self, piece: Piece<'_>) {
        self.begun.change(|state| self.pieces.add(piece, &mut state.bytes));
    }

    fn end(&mut self) {
        self.begun.change(|state| {
            self.pieces.end(&mut state.bytes);
            state.is_whole = true;
        });
    }
}
