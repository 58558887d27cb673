//! Whether an RDB file is whole, and what is in it.

use super::CheckError;
use crate::rdb::{FileReader, Item};
use ochre_store::keyspace::NewValue;
use ochre_store::{Options, Store};
use std::io::{BufRead, Write};

/// The types as the statistics name them.
const TYPES: [&str; 6] = ["strings", "lists", "sets", "sorted sets", "hashes", "streams"];

/// What was found so far.
#[derive(Default)]
struct Found {
    keys: u64,
    volatile: u64,
    expired: u64,
    functions: u64,
    by_type: [u64; TYPES.len()],
    last_key: Option<Vec<u8>>,
}

/// Looks through the RDB file of so many bytes that `source` stands at the beginning of, and writes what it finds to `out`.
/// Keys whose deadline lies before `now_ms` are counted as expired. Returns the source, which stands behind the file, and how
/// long the file is.
///
/// # Errors
/// If the file is damaged, which was written then, or nothing can be written.
pub fn check_rdb<R: BufRead>(
    source: R,
    bytes: u64,
    name: &str,
    now_ms: i64,
    out: &mut dyn Write,
) -> Result<(R, u64), CheckError> {
    writeln!(out, "[offset 0] Checking RDB file {name}")?;
    let mut found = Found::default();
    let store = Store::new(Options { shards: 1, databases: 1, hash_seed: [0; 4] });
    let failed = match FileReader::new(source, bytes, true, false) {
        Ok(mut reader) => {
            let failed = loop {
                match reader.next(&store) {
                    Ok(Some(item)) => found.count(&item, reader.offset(), now_ms, out)?,
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
            };
            if failed.is_none() {
                let end = reader.offset();
                writeln!(out, "[offset {end}] \\o/ RDB looks OK! \\o/")?;
                found.tell(out)?;
                return Ok((reader.into_inner(), end));
            }
            failed
        }
        Err(error) => Some(error),
    };
    if let Some(error) = failed {
        writeln!(out, "--- RDB ERROR DETECTED ---")?;
        writeln!(out, "[offset {}] {}", error.offset, error.reason)?;
        if let Some(key) = &error.key {
            writeln!(out, "[additional info] Reading key '{}'", key.escape_ascii())?;
        } else if let Some(key) = &found.last_key {
            writeln!(out, "[additional info] Behind key '{}'", key.escape_ascii())?;
        }
        found.tell(out)?;
    }
    Err(CheckError::Invalid)
}

impl Found {
    fn count(&mut self, item: &Item, offset: u64, now_ms: i64, out: &mut dyn Write) -> Result<(), CheckError> {
        match item {
            Item::Aux { name, value } => {
                writeln!(out, "[offset {offset}] AUX FIELD {} = '{}'", name.escape_ascii(), value.escape_ascii())?;
            }
            Item::Database(number) => writeln!(out, "[offset {offset}] Selecting DB ID {number}")?,
            Item::Function(_) => self.functions = self.functions.saturating_add(1),
            Item::Key(record) => {
                let place = match record.value {
                    NewValue::String(_) => 0,
                    NewValue::List(_) => 1,
                    NewValue::Set(_) => 2,
                    NewValue::SortedSet(_) => 3,
                    NewValue::Hash(_) => 4,
                    NewValue::Stream(_) => 5,
                };
                if let Some(count) = self.by_type.get_mut(place) {
                    *count = count.saturating_add(1);
                }
                let is_expired = record.deadline_ms.is_some_and(|deadline_ms| deadline_ms < now_ms);
                self.keys = self.keys.saturating_add(1);
                self.volatile = self.volatile.saturating_add(u64::from(record.deadline_ms.is_some()));
                self.expired = self.expired.saturating_add(u64::from(is_expired));
                self.last_key = Some(record.key.clone());
            }
            Item::Sizes(..) | Item::Slot { .. } | Item::ModuleAux(_) | Item::EmptyKey(_) => {}
        }
        Ok(())
    }

    fn tell(&self, out: &mut dyn Write) -> Result<(), CheckError> {
        writeln!(out, "[info] {} keys read", self.keys)?;
        writeln!(out, "[info] {} expires", self.volatile)?;
        writeln!(out, "[info] {} already expired", self.expired)?;
        for (name, count) in TYPES.iter().zip(self.by_type).filter(|(_, count)| *count > 0) {
            writeln!(out, "[info] {count} {name}")?;
        }
        if self.functions > 0 {
            writeln!(out, "[info] {} libraries of functions", self.functions)?;
        }
        Ok(())
    }
}
