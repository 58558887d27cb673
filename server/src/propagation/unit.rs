//! The commands of one unit.

use super::Reach;
use ochre_resp::encode_command;

/// Commands that are propagated together, encoded.
#[derive(Default)]
pub(crate) struct Unit {
    bytes: Vec<u8>,
    commands: Vec<Command>,
}

/// How much a unit held at some moment.
pub(crate) struct UnitMark {
    bytes: usize,
    commands: usize,
}

struct Command {
    db: usize,
    end: usize,
    reach: Reach,
}

/// Where room for a unit is given back.
const BYTES_KEPT: usize = 64 * 1024;

impl Unit {
    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }
    /// Adds what `encode` appends.
    pub(super) fn push(&mut self, db: usize, reach: Reach, encode: impl FnOnce(&mut Vec<u8>)) {
        encode(&mut self.bytes);
        self.commands.push(Command { db, end: self.bytes.len(), reach });
    }
    /// How much it holds.
    pub(crate) fn mark(&self) -> UnitMark {
        UnitMark { bytes: self.bytes.len(), commands: self.commands.len() }
    }
    /// What was added since that changes data, each command with its database.
    pub(crate) fn changes_since(&self, mark: &UnitMark) -> Vec<(usize, Vec<u8>)> {
        let (mut start, mut changes) = (mark.bytes, Vec::new());
        for command in self.commands.iter().skip(mark.commands) {
            if command.reach != Reach::Replicas {
                changes.push((command.db, self.bytes.get(start..command.end).unwrap_or_default().to_vec()));
            }
            start = command.end;
        }
        changes
    }
    /// Forgets what was added since.
    pub(crate) fn rewind(&mut self, mark: &UnitMark) {
        self.bytes.truncate(mark.bytes);
        self.commands.truncate(mark.commands);
    }
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(BYTES_KEPT);
        self.commands.clear();
    }
    /// Appends the unit to `out`: for replicas all of it, for the file what changes data. `selected` is the database that
    /// the reader is at. `wraps`: several commands are made a transaction.
    pub(super) fn write(&self, reader: Reach, wraps: bool, selected: &mut Option<usize>, out: &mut Vec<u8>) {
        let wanted = |command: &Command| match command.reach {
            Reach::All => true,
            Reach::Replicas => reader == Reach::Replicas,
            Reach::File => reader != Reach::Replicas,
        };
        let wraps = wraps && self.commands.iter().filter(|command| wanted(command)).nth(1).is_some();
        let (mut start, mut is_first) = (0, true);
        for command in &self.commands {
            let bytes = self.bytes.get(start..command.end).unwrap_or_default();
            start = command.end;
            if !wanted(command) {
                continue;
            }
            select(command.db, selected, out);
            if std::mem::take(&mut is_first) && wraps {
                encode_command(out, &["MULTI"]);
            }
            out.extend_from_slice(bytes);
        }
        if wraps {
            encode_command(out, &["EXEC"]);
        }
    }
}

fn select(db: usize, selected: &mut Option<usize>, out: &mut Vec<u8>) {
    if *selected != Some(db) {
        encode_command(out, &["SELECT", itoa::Buffer::new().format(db)]);
        *selected = Some(db);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(commands: &[(usize, Reach, &str)], reader: Reach, wraps: bool, selected: Option<usize>) -> String {
        let mut unit = Unit::default();
        for (db, reach, line) in commands {
            unit.push(*db, *reach, |out| encode_command(out, &line.split(' ').collect::<Vec<_>>()));
        }
        let (mut out, mut selected) = (Vec::new(), selected);
        unit.write(reader, wraps, &mut selected, &mut out);
        let text = String::from_utf8(out).unwrap();
        let words = text.split("\r\n").filter(|line| !line.starts_with('$') && !line.is_empty());
        words.map(|word| if word.starts_with('*') { ";" } else { word }).collect::<Vec<_>>().join(" ")
    }

    // As propagatePendingCommands of Redis 7.0 does.
    #[test]
    fn several_commands_are_a_transaction() {
        let one = [(0, Reach::All, "SET a 1")];
        let two = [(3, Reach::All, "DEL x"), (0, Reach::All, "SET a 1")];
        let mixed = [(0, Reach::All, "SET a 1"), (0, Reach::Replicas, "PUBLISH c m")];
        assert_eq!(written(&one, Reach::Replicas, true, None), "; SELECT 0 ; SET a 1");
        assert_eq!(written(&one, Reach::Replicas, true, Some(0)), "; SET a 1");
        let wrapped = "; SELECT 3 ; MULTI ; DEL x ; SELECT 0 ; SET a 1 ; EXEC";
        assert_eq!(written(&two, Reach::Replicas, true, Some(0)), wrapped);
        assert_eq!(written(&two, Reach::All, false, Some(3)), "; DEL x ; SELECT 0 ; SET a 1");
        assert_eq!(written(&mixed, Reach::Replicas, true, Some(0)), "; MULTI ; SET a 1 ; PUBLISH c m ; EXEC");
        assert_eq!(written(&mixed, Reach::All, true, Some(0)), "; SET a 1");
    }
}
