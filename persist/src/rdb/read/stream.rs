//! Streams.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::rdb::error::RdbError;
use crate::rdb::input::Input;
use ochre_store::stream::{Facts, GroupLoader, Stream, StreamId, StreamLoader};
use std::io::BufRead;

/// Stands for a time that never was and a number that is not known.
const NEVER: i64 = -1;
const UNKNOWN: u64 = u64::MAX;

/// How much is told of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    V1,
    /// Also of what was ever added and deleted.
    V2,
    /// Also when consumers were active.
    V3,
}

pub(super) fn read<R: BufRead>(input: &mut Input<R>, version: Version) -> Result<Stream, RdbError> {
    let mut stream = StreamLoader::new();
    for _ in 0..input.length()? {
        let master = input.string()?;
        let master = master.try_into().map_err(|_| input.malformed("the key of a stream's node is no ID"))?;
        let pack = input.string()?;
        stream.node(StreamId::from_bytes(master), &pack).map_err(|corrupt| input.corrupt(corrupt))?;
    }
    let length = input.length()?;
    let last_id = read_id(input)?;
    let mut facts = Facts { length, last_id, entries_added: length, ..Facts::default() };
    if version >= Version::V2 {
        facts.first_id = read_id(input)?;
        facts.max_deleted_id = read_id(input)?;
        facts.entries_added = input.length()?;
    }
    stream.facts(facts).map_err(|corrupt| input.corrupt(corrupt))?;
    for _ in 0..input.length()? {
        let group = read_group(input, &stream, version)?;
        stream.group(group).map_err(|corrupt| input.corrupt(corrupt))?;
    }
    Ok(stream.finish())
}

fn read_group<R: BufRead>(
    input: &mut Input<R>,
    stream: &StreamLoader,
    version: Version,
) -> Result<GroupLoader, RdbError> {
    let name = input.string()?;
    let last_id = read_id(input)?;
    let entries_read = match version {
        Version::V1 => stream.entries_read(last_id),
        _ => Some(input.length()?).filter(|entries| *entries != UNKNOWN),
    };
    let mut group = GroupLoader::new(&name, last_id, entries_read);
    for _ in 0..input.length()? {
        let id = StreamId::from_bytes(input.array()?);
        let delivery_ms = input.i64()?;
        let deliveries = input.length()?;
        group.pending(id, delivery_ms, deliveries).map_err(|corrupt| input.corrupt(corrupt))?;
    }
    for _ in 0..input.length()? {
        let name = input.string()?;
        let seen_ms = input.i64()?;
        let active_ms = if version >= Version::V3 { input.i64()? } else { seen_ms };
        let active_ms = Some(active_ms).filter(|at_ms| *at_ms != NEVER);
        let consumer = group.consumer(&name, seen_ms, active_ms).map_err(|corrupt| input.corrupt(corrupt))?;
        for _ in 0..input.length()? {
            let id = StreamId::from_bytes(input.array()?);
            group.owned(id, consumer).map_err(|corrupt| input.corrupt(corrupt))?;
        }
    }
    Ok(group)
}

fn read_id<R: BufRead>(input: &mut Input<R>) -> Result<StreamId, RdbError> {
    Ok(StreamId { ms: input.length()?, seq: input.length()? })
}
