//! Checks a node from outside before it is trusted.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::StreamId;
use super::node::{DELETED, SAME_FIELDS};
use crate::corrupt::Corrupt;
use crate::listpack::{Pack, Position};
use crate::raw::entry::Str;

/// What a node holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    /// Number of live entries.
    pub(super) live: u64,
    /// IDs of the first and the last live one.
    pub(super) ends: Option<(StreamId, StreamId)>,
}

/// Checks that a listpack is a node: every count right, the live entries in order and not before `master`.
pub(super) fn check(master: StreamId, pack: Pack<'_>) -> Result<Checked, Corrupt> {
    let mut reader = Reader { pack, at: pack.first(), last: None };
    let live = reader.count("no number of live entries")?;
    let deleted = reader.count("no number of deleted entries")?;
    let fields = reader.count("no number of fields")?;
    reader.skip(fields, "fewer fields than the node says")?;
    if reader.integer("no end of the master entry")? != 0 {
        return Err(reader.corrupt("the master entry does not end with 0"));
    }
    let mut found = (0u64, 0u64);
    let mut ends: Option<(StreamId, StreamId)> = None;
    while reader.at.is_some() {
        let (id, flags) = reader.entry(master, fields)?;
        if flags & DELETED != 0 {
            found.1 = found.1.saturating_add(1);
            continue;
        }
        found.0 = found.0.saturating_add(1);
        if id < master || ends.is_some_and(|(_, last)| id <= last) {
            return Err(reader.corrupt("an entry's ID is not greater than that before it"));
        }
        ends = Some((ends.map_or(id, |(first, _)| first), id));
    }
    if found != (live, deleted) {
        return Err(reader.corrupt("not as many entries as the node says"));
    }
    Ok(Checked { live, ends })
}

/// Values of a listpack one after the other.
struct Reader<'a> {
    pack: Pack<'a>,
    /// The next value.
    at: Option<Position>,
    /// The one read last.
    last: Option<Position>,
}

impl<'a> Reader<'a> {
    fn value(&mut self, missing: &'static str) -> Result<Str<'a>, Corrupt> {
        let at = self.at.ok_or_else(|| self.corrupt(missing))?;
        self.at = self.pack.next(at);
        self.last = Some(at);
        Ok(self.pack.get(at))
    }

    fn integer(&mut self, missing: &'static str) -> Result<i64, Corrupt> {
        match self.value(missing)? {
            Str::Int(number) => Ok(number),
            Str::Bytes(_) => Err(self.corrupt(missing)),
        }
    }

    fn count(&mut self, missing: &'static str) -> Result<u64, Corrupt> {
        u64::try_from(self.integer(missing)?).map_err(|_| self.corrupt(missing))
    }

    fn skip(&mut self, count: u64, missing: &'static str) -> Result<(), Corrupt> {
        // Ends with the listpack at the latest, whatever the count.
        for _ in 0..count {
            self.value(missing)?;
        }
        Ok(())
    }

    /// One entry's ID and flags.
    fn entry(&mut self, master: StreamId, master_fields: u64) -> Result<(StreamId, i64), Corrupt> {
        const CUT: &str = "an entry is cut off";
        let flags = self.integer("an entry has no flags")?;
        if flags & !(DELETED | SAME_FIELDS) != 0 {
            return Err(self.corrupt("unknown flags"));
        }
        let ms = self.integer("an entry has no time")?;
        let seq = self.integer("an entry has no number")?;
        let values = if flags & SAME_FIELDS != 0 {
            self.skip(master_fields, CUT)?;
            master_fields.saturating_add(3)
        } else {
            let fields = self.count("an entry has no number of fields")?;
            let both = fields.saturating_mul(2);
            self.skip(both, CUT)?;
            both.saturating_add(4)
        };
        if self.count("an entry has no number of values")? != values {
            return Err(self.corrupt("the count at the end of an entry is not that of its values"));
        }
        let id = StreamId { ms: master.ms.wrapping_add_signed(ms), seq: master.seq.wrapping_add_signed(seq) };
        Ok((id, flags))
    }

    fn corrupt(&self, reason: &'static str) -> Corrupt {
        let offset = self.last.map_or(0, Position::offset);
        Corrupt { kind: "stream node", offset, reason }
    }
}
