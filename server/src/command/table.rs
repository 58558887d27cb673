//! Looking commands up by name.

use super::{CommandSpec, Flags};
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
}

impl Command {
    /// Whether the command takes a subcommand name.
    #[inline]
    pub fn is_container(&self) -> bool {
        !self.subcommands.is_empty()
    }
    /// Whether the flag is set.
    #[inline]
    pub fn has(&self, flag: Flags) -> bool {
        self.spec.flags.has(flag)
    }
}

const SLOTS: usize = 2048;
const NAME_MAX: usize = 64;
const FREE: u16 = u16::MAX;

/// All commands by name. Built once, with the renames of the configuration.
pub struct CommandTable {
    /// Commands and subcommands by id.
    commands: Vec<Command>,
    /// Open addressing over indices into `names`.
    slots: Box<[u16; SLOTS]>,
    /// Lower-case name, and the command it stands for.
    names: Vec<(Box<[u8]>, CommandId)>,
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
        let names: Vec<(Box<[u8]>, CommandId)> =
            names.into_iter().map(|(name, id)| (name.into_bytes().into_boxed_slice(), id)).collect();
        let mut slots = Box::new([FREE; SLOTS]);
        for (number, (name, _)) in names.iter().enumerate() {
            let mut slot = hash(name);
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
        if name.len() > NAME_MAX {
            return None;
        }
        let mut slot = hash(name);
        loop {
            let number = self.slots[slot % SLOTS];
            let (known, id) = self.names.get(usize::from(number))?;
            if known.eq_ignore_ascii_case(name) {
                return Some(self.by_id(*id));
            }
            slot += 1;
        }
    }

    /// The command that a line `name [subcommand …]` calls: the subcommand where there is one of that name.
    #[inline]
    pub fn resolve(&self, name: &[u8], subcommand: Option<&[u8]>) -> Option<&Command> {
        let command = self.get(name)?;
        match subcommand {
            Some(subcommand) if command.is_container() => Some(self.subcommand(command, subcommand).unwrap_or(command)),
            _ => Some(command),
        }
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
        self.names.iter().map(|(_, id)| self.by_id(*id))
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
    commands.push(Command { id, spec, full_name, parent, subcommands: Vec::new() });
    let subcommands = spec.subcommands.iter().map(|sub| add(commands, sub, Some(id))).collect();
    commands[usize::from(id)].subcommands = subcommands;
    id
}

/// A hash that ignores ASCII case and does not need to resist an attacker: the names in the table are ours.
#[inline]
fn hash(name: &[u8]) -> usize {
    let mut hash = name.len() as u64;
    for &byte in name {
        hash = (hash ^ u64::from(byte | 0x20)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
    }
    (hash >> 20) as usize % SLOTS
}
