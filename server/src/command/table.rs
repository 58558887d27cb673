//! Looking commands up by name.

use super::{Begin, CommandSpec, Find, Flags, KeyFlags, KeySpec};
use crate::args::Argv;
use crate::config::{RenameCommand, fatal_error};

/// A number for each command and subcommand, dense from 0: the index of its statistics.
pub type CommandId = u16;

/// A command as this server knows it: its specification and what was derived from it at start.
pub struct Command {
    /// Its number.
    pub id: CommandId,
    /// What it declares.
    pub spec: &'static CommandSpec,
    /// `get`, `client|kill`.
    pub full_name: String,
    /// The container it belongs to.
    pub parent: Option<CommandId>,
    /// The numbers of its subcommands.
    pub subcommands: Vec<CommandId>,
    /// The only argument that is a key, where that never depends on the arguments; 0: it has none, or several.
    pub(crate) only_key: u8,
    /// What happens to that key, where that is all there is to say about the arguments.
    pub(crate) only_key_flags: Option<KeyFlags>,
}

impl Command {
    /// Whether the command takes a subcommand name.
    #[inline]
    pub fn is_container(&self) -> bool {
        !self.subcommands.is_empty()
    }
    /// Whether its name alone calls it, whatever the arguments are.
    pub(crate) fn is_plain(&self) -> bool {
        !self.is_container() && self.parent.is_none()
    }
    /// Whether the flag is set.
    #[inline]
    pub fn has(&self, flag: Flags) -> bool {
        self.spec.flags.has(flag)
    }
}

const SLOTS: usize = 2048;
const FREE: u16 = u16::MAX;

/// A name under which a command can be called.
struct Name {
    /// [`folded_head`] of the text.
    head: u64,
    /// Lower case.
    text: Box<[u8]>,
    command: CommandId,
}

/// All commands by name. Built once, with the renames of the configuration.
pub struct CommandTable {
    /// Commands and subcommands by id.
    commands: Vec<Command>,
    /// Open addressing over indices into `names`.
    slots: Box<[u16; SLOTS]>,
    /// By name.
    names: Vec<Name>,
}

impl CommandTable {
    /// The table of `specs`, after `renames`; an empty new name removes the command.
    ///
    /// # Errors
    /// The report of the offending line: an unknown old name or a new name that is taken.
    pub fn new(specs: &[&'static CommandSpec], renames: &[RenameCommand]) -> Result<CommandTable, String> {
        let mut specs = specs.to_vec();
        specs.sort_by_key(|spec| spec.name);
        let mut commands = Vec::new();
        let mut names = std::collections::BTreeMap::new();
        for spec in specs {
            names.insert(spec.name.to_owned(), add(&mut commands, spec, None));
        }
        for rename in renames {
            let report = |reason| fatal_error(Some((rename.line, &rename.text)), reason);
            let id = names.remove(&rename.command.to_ascii_lowercase());
            let id = id.ok_or_else(|| report("No such command in rename-command"))?;
            if !rename.name.is_empty() && names.insert(rename.name.to_ascii_lowercase(), id).is_some() {
                return Err(report("Target command name already exists"));
            }
        }
        let name = |(text, command): (String, CommandId)| {
            let text = text.into_bytes().into_boxed_slice();
            Name { head: folded_head(&text), text, command }
        };
        let names: Vec<Name> = names.into_iter().map(name).collect();
        let mut slots = Box::new([FREE; SLOTS]);
        for (number, name) in names.iter().enumerate() {
            let mut slot = hash(name.head, name.text.len());
            while slots[slot % SLOTS] != FREE {
                slot += 1;
            }
            slots[slot % SLOTS] = number as u16;
        }
        Ok(CommandTable { commands, slots, names })
    }

    /// The command of that name, in any case.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<&Command> {
        let head = folded_head(name);
        let mut slot = hash(head, name.len());
        loop {
            let known = self.names.get(usize::from(self.slots[slot % SLOTS]))?;
            let is_same = known.head == head && known.text.len() == name.len();
            if is_same && (name.len() <= HEAD || known.text.eq_ignore_ascii_case(name)) {
                return Some(self.by_id(known.command));
            }
            slot += 1;
        }
    }

    /// The command that a line `name [subcommand …]` calls: the subcommand where there is one of that name.
    #[inline]
    pub fn resolve(&self, argv: Argv<'_>) -> Option<&Command> {
        let command = self.get(argv.at(0))?;
        if !command.is_container() {
            return Some(command);
        }
        Some(argv.get(1).and_then(|name| self.subcommand(command, name)).unwrap_or(command))
    }

    /// The subcommand of that name, in any case.
    pub fn subcommand(&self, command: &Command, name: &[u8]) -> Option<&Command> {
        let mut subcommands = command.subcommands.iter().map(|id| self.by_id(*id));
        subcommands.find(|sub| sub.spec.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// The command or subcommand `name|sub`, as ACL rules and COMMAND INFO write it.
    pub fn get_full(&self, full_name: &[u8]) -> Option<&Command> {
        match memchr::memchr(b'|', full_name) {
            Some(bar) => self.subcommand(self.get(&full_name[..bar])?, &full_name[bar + 1..]),
            None => self.get(full_name),
        }
    }

    /// The command or subcommand `name|sub`, whatever it was renamed to.
    pub fn original(&self, full_name: &[u8]) -> Option<&Command> {
        self.commands.iter().find(|command| command.full_name.as_bytes().eq_ignore_ascii_case(full_name))
    }

    /// The command or subcommand of that number.
    ///
    /// # Panics
    /// If no command of this table has it.
    #[inline]
    pub fn by_id(&self, id: CommandId) -> &Command {
        &self.commands[usize::from(id)]
    }

    /// The commands that can be called, by name, without their subcommands.
    pub fn callable(&self) -> impl Iterator<Item = &Command> {
        self.names.iter().map(|name| self.by_id(name.command))
    }

    /// Number of commands that can be called.
    pub fn callable_count(&self) -> usize {
        self.names.len()
    }

    /// Every command and subcommand by id, also those renamed away.
    pub fn all(&self) -> &[Command] {
        &self.commands
    }
}

fn add(commands: &mut Vec<Command>, spec: &'static CommandSpec, parent: Option<CommandId>) -> CommandId {
    let id = commands.len() as CommandId;
    let full_name = match parent {
        Some(parent) => format!("{}|{}", commands[usize::from(parent)].full_name, spec.name),
        None => spec.name.to_owned(),
    };
    let (only_key, only_key_flags) = (only_key(spec), only_key_flags(spec));
    commands.push(Command { id, spec, full_name, parent, subcommands: Vec::new(), only_key, only_key_flags });
    let subcommands = spec.subcommands.iter().map(|sub| add(commands, sub, Some(id))).collect();
    commands[usize::from(id)].subcommands = subcommands;
    id
}

/// See [`Command::only_key`].
fn only_key(spec: &CommandSpec) -> u8 {
    match spec.keys {
        [KeySpec { begin: Begin::Index(index), find: Find::Range { last: 0, .. }, .. }] => {
            u8::try_from(*index).unwrap_or_default()
        }
        _ => 0,
    }
}

/// See [`Command::only_key_flags`].
fn only_key_flags(spec: &CommandSpec) -> Option<KeyFlags> {
    let [KeySpec { flags, .. }] = spec.keys else { return None };
    let is_all = only_key(spec) != 0 && spec.open_keys.is_none() && spec.all_keys.is_none() && spec.channels.is_none();
    (is_all && !flags.has(KeyFlags::NOT_KEY)).then_some(*flags)
}

/// Bytes of a name that are compared as one number.
const HEAD: usize = 8;

/// The first eight bytes of a name as a number, in lower case.
#[inline]
fn folded_head(name: &[u8]) -> u64 {
    let head = match (name, name.first_chunk(), name.last_chunk()) {
        (&[a, b, c], _, _) => u64::from_le_bytes([a, b, c, 0, 0, 0, 0, 0]),
        (_, Some(front), Some(back)) if name.len() <= HEAD => {
            let back = u64::from(u32::from_le_bytes(*back)) << ((name.len() - 4) * 8);
            u64::from(u32::from_le_bytes(*front)) | back
        }
        _ => name.iter().take(HEAD).rev().fold(0, |head, &byte| head << 8 | u64::from(byte)),
    };
    // The high bit of every byte between `A` and `Z`, moved to the bit in which the cases differ.
    const EACH: u64 = 0x0101_0101_0101_0101;
    let low = head & (0x7f * EACH);
    let from_a = low + (0x80 - u64::from(b'A')) * EACH;
    let beyond_z = low + (0x7f - u64::from(b'Z')) * EACH;
    head | ((from_a & !beyond_z & !head & (0x80 * EACH)) >> 2)
}

/// Where a name belongs. It does not need to resist an attacker: the names in the table are ours.
#[inline]
fn hash(head: u64, len: usize) -> usize {
    ((head ^ len as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 53) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_folded_as_ascii_is() {
        for byte in 0..=255u8 {
            for len in 1..=10 {
                let name = vec![byte; len];
                assert_eq!(folded_head(&name), folded_head(&name.to_ascii_lowercase()), "{byte} {len}");
                let others = (0..=255u8).filter(|other| folded_head(&vec![*other; len]) == folded_head(&name));
                assert!(others.clone().all(|other| other.eq_ignore_ascii_case(&byte)), "{byte} {len}");
            }
        }
        assert_ne!(folded_head(b"abc"), folded_head(b"abcd"));
    }

    #[test]
    fn every_command_is_found_in_any_case() {
        let table = CommandTable::new(&crate::commands::all(), &[]).unwrap();
        for command in table.callable() {
            let name = &command.full_name;
            assert_eq!(table.get(name.as_bytes()).unwrap().id, command.id);
            assert_eq!(table.get(name.to_ascii_uppercase().as_bytes()).unwrap().id, command.id);
            assert!(table.get(format!("{name}x").as_bytes()).is_none_or(|other| other.id != command.id));
            assert!(table.get(&name.as_bytes()[1..]).is_none_or(|other| other.id != command.id));
        }
        assert!(table.get(&[b'a'; 100_000]).is_none());
    }
}
