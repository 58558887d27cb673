//! A set of permissions that stand or fall together.

use super::check::{Denial, Reason};
use super::command_set::CommandSet;
use super::pattern::{Access, KeyPatterns};
use super::permit::Permit;
use super::rule::{Grant, RuleFault};
use super::user::RuleSet;
use crate::args::{Argv, parse_int};
use crate::command::{
    AclCategories, ChannelArguments, Command, CommandId, CommandTable, Flags, KeyFlags, KeyPosition, command_keys,
};
use crate::glob;
use std::collections::BTreeSet;

/// Permissions: a command must be allowed by one selector in all respects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    pub(super) commands: CommandSet,
    /// No command was taken away since all were allowed.
    pub(super) all_commands: bool,
    /// All commands were allowed at first, so that others would be too.
    pub(super) begins_with_all: bool,
    /// What was said since then, `+get` or `-@read`, as far as nothing later replaces it.
    pub(super) command_rules: Vec<CommandRule>,
    /// First arguments with which a command is allowed that is not.
    pub(super) first_arguments: Vec<(CommandId, Vec<u8>)>,
    /// `None`: all.
    pub(super) keys: Option<KeyPatterns>,
    /// `None`: all.
    pub(super) channels: Option<Vec<Box<[u8]>>>,
    /// `None`: all.
    pub(super) databases: Option<BTreeSet<usize>>,
}

/// A rule about commands: `get`, `config|set` or `@read`, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommandRule {
    pub(super) allow: bool,
    pub(super) name: Vec<u8>,
}

impl Selector {
    /// No command and no key; all channels if they are allowed by default.
    pub(super) fn new(all_channels: bool) -> Selector {
        Selector {
            commands: CommandSet::NONE,
            all_commands: false,
            begins_with_all: false,
            command_rules: Vec::new(),
            first_arguments: Vec::new(),
            keys: Some(KeyPatterns::default()),
            channels: if all_channels { None } else { Some(Vec::new()) },
            databases: None,
        }
    }

    /// Everything.
    pub(super) fn all() -> Selector {
        Selector {
            commands: CommandSet::ALL,
            all_commands: true,
            begins_with_all: true,
            keys: None,
            ..Selector::new(true)
        }
    }

    /// Whether it allows everything.
    pub(super) fn is_unrestricted(&self) -> bool {
        self.all_commands && self.keys.is_none() && self.channels.is_none() && self.databases.is_none()
    }

    /// Applies a rule.
    pub(super) fn apply(&mut self, grant: Grant<'_>, set: &RuleSet<'_>) -> Result<(), RuleFault> {
        match grant {
            Grant::AllKeys => self.keys = None,
            Grant::ResetKeys => self.keys = Some(KeyPatterns::default()),
            Grant::Keys(access, pattern) => {
                self.keys.as_mut().ok_or(RuleFault::AllKeys)?.add(access, pattern);
            }
            Grant::AllChannels => self.channels = None,
            Grant::ResetChannels => self.channels = Some(Vec::new()),
            Grant::Channels(pattern) => {
                let channels = self.channels.as_mut().ok_or(RuleFault::AllChannels)?;
                if !channels.iter().any(|known| **known == *pattern) {
                    channels.push(pattern.into());
                }
            }
            Grant::AllDatabases => self.databases = None,
            Grant::ResetDatabases => self.databases = Some(BTreeSet::new()),
            Grant::Databases(databases) => self.databases = Some(databases),
            Grant::AllCommands | Grant::NoCommands => self.set_all_commands(grant == Grant::AllCommands),
            Grant::Command { name, allow } => return self.apply_command(name, allow, set.commands),
            Grant::Category { name, allow } => {
                let known = std::str::from_utf8(name).ok().and_then(AclCategories::from_name);
                self.set_category(known.ok_or(RuleFault::Unknown)?, allow, set.commands);
                self.note(allow, [b"@", name].concat());
            }
        }
        Ok(())
    }

    pub(super) fn set_all_commands(&mut self, allow: bool) {
        self.commands = if allow { CommandSet::ALL } else { CommandSet::NONE };
        self.all_commands = allow;
        self.begins_with_all = allow;
        self.command_rules.clear();
        self.first_arguments.clear();
    }

    fn apply_command(&mut self, name: &[u8], allow: bool, table: &CommandTable) -> Result<(), RuleFault> {
        if let Some(command) = table.original(name) {
            self.set_command(command, allow, table);
            self.note(allow, command.full_name.clone().into_bytes());
            return Ok(());
        }
        let bar = name.iter().rposition(|byte| *byte == b'|').filter(|_| allow).ok_or(RuleFault::Unknown)?;
        let (command, argument) = name.split_at_checked(bar).unwrap_or_default();
        let command = table.original(command).ok_or(RuleFault::Unknown)?;
        let argument = argument.get(1..).unwrap_or_default();
        if command.parent.is_some() {
            return Err(RuleFault::SubcommandArgument);
        }
        if argument.is_empty() {
            return Err(RuleFault::Syntax);
        }
        if command.is_container() {
            return Err(RuleFault::Unknown);
        }
        tracing::warn!(
            "Deprecation warning: Allowing a first arg of an otherwise blocked command is a misuse of ACL and may get \
             disabled in the future (offender: +{})",
            String::from_utf8_lossy(name)
        );
        if !self.has_first_argument(command.id, argument) {
            self.first_arguments.push((command.id, argument.to_vec()));
        }
        self.note(allow, name.to_ascii_lowercase());
        Ok(())
    }

    /// Allows or forbids a command with its subcommands.
    pub(super) fn set_command(&mut self, command: &Command, allow: bool, table: &CommandTable) {
        self.set_bit(command.id, allow);
        self.first_arguments.retain(|(id, _)| *id != command.id);
        for subcommand in &command.subcommands {
            self.set_bit(table.by_id(*subcommand).id, allow);
        }
    }

    /// Allows or forbids the commands of a category.
    pub(super) fn set_category(&mut self, category: AclCategories, allow: bool, table: &CommandTable) {
        for command in table.all().iter().filter(|command| command.spec.acl_categories().intersects(category)) {
            self.set_command(command, allow, table);
        }
    }

    fn set_bit(&mut self, id: CommandId, allow: bool) {
        self.commands.set(id, allow);
        self.all_commands &= allow;
    }

    /// Keeps a rule, in the place of what it makes void.
    fn note(&mut self, allow: bool, name: Vec<u8>) {
        let name = name.to_ascii_lowercase();
        let is_void = |rule: &CommandRule| match rule.name.strip_prefix(name.as_slice()) {
            Some(rest) => rest.is_empty() || rest.starts_with(b"|"),
            None => false,
        };
        self.command_rules.retain(|rule| !is_void(rule));
        self.command_rules.push(CommandRule { allow, name });
    }

    fn has_first_argument(&self, id: CommandId, argument: &[u8]) -> bool {
        let is_it = |(known, text): &(CommandId, Vec<u8>)| *known == id && text.eq_ignore_ascii_case(argument);
        self.first_arguments.iter().any(is_it)
    }

    /// Whether it allows the command line, in that database.
    #[inline]
    pub(super) fn check(&self, command: &Command, argv: Argv<'_>, db: usize) -> Result<(), Denial> {
        if !self.all_commands && !self.commands.contains(command.id) && !command.has(Flags::NO_AUTH) {
            let is_allowed = argv.get(1).is_some_and(|argument| self.has_first_argument(command.id, argument));
            if !is_allowed {
                return Err(Denial { reason: Reason::Command, argument: 0 });
            }
        }
        if let Some(databases) = &self.databases {
            check_databases(databases, command, argv, db)?;
        }
        if let Some(patterns) = &self.keys {
            check_keys(patterns, command, argv)?;
        }
        match (&self.channels, &command.spec.channels) {
            (Some(patterns), Some(channels)) => check_channels(patterns, *channels, argv),
            _ => Ok(()),
        }
    }

    /// Whether that is sure without a look at the rules that few users have; if so, what else is allowed then.
    #[inline]
    pub(super) fn surely_allows(&self, command: &Command, argv: Argv<'_>) -> Option<Permit> {
        if self.databases.is_some() || !self.commands.contains(command.id) {
            return None;
        }
        let Some(flags) = command.only_key_flags else { return self.surely_allows_arguments(command, argv) };
        let flags = match command.spec.key_flags {
            Some(of_line) if flags.has(KeyFlags::VARIABLE_FLAGS) => of_line(argv),
            _ => flags,
        };
        let key = argv.get(usize::from(command.only_key))?;
        let start = match &self.keys {
            Some(patterns) => patterns.allowing(key, Access::needed(flags))?.start(),
            None => Some((0, 0)),
        };
        Some(Permit::new(command, argv.len(), start))
    }

    /// As [`surely_allows`](Self::surely_allows), for an allowed command that has not just one key.
    #[inline(never)]
    fn surely_allows_arguments(&self, command: &Command, argv: Argv<'_>) -> Option<Permit> {
        let allows = |patterns: &KeyPatterns| check_keys(patterns, command, argv).is_ok();
        let is_allowed = command.spec.channels.is_none() && self.keys.as_ref().is_none_or(allows);
        is_allowed.then(Permit::default)
    }

    /// Whether every key may be read.
    pub(super) fn reads_all_keys(&self) -> bool {
        self.keys.as_ref().is_none_or(|patterns| patterns.allow_all(Access::READ))
    }
}

fn check_keys(patterns: &KeyPatterns, command: &Command, argv: Argv<'_>) -> Result<(), Denial> {
    if !command.spec.has_keys() {
        return Ok(());
    }
    let of_line = command.spec.key_flags.map(|flags| flags(argv));
    let needed = |flags: KeyFlags| match of_line {
        Some(of_line) if flags.has(KeyFlags::VARIABLE_FLAGS) => Access::needed(of_line),
        _ => Access::needed(flags),
    };
    let mut denied = None;
    let allows = |position: &KeyPosition| patterns.allow(argv.at(position.index), needed(position.flags));
    // Where the line makes no sense, what is a key all the same is checked.
    command_keys(command.spec, argv, |position| {
        if denied.is_none() && !position.flags.has(KeyFlags::NOT_KEY) && !allows(&position) {
            denied = Some(position.index);
        }
    });
    denied.map_or(Ok(()), |argument| Err(Denial { reason: Reason::Key, argument }))
}

fn check_channels(patterns: &[Box<[u8]>], channels: ChannelArguments, argv: Argv<'_>) -> Result<(), Denial> {
    let last = if channels.to_the_end { argv.len() } else { channels.first.saturating_add(1) };
    for argument in channels.first..last.min(argv.len()) {
        if !allows_channel(patterns, argv.at(argument), channels.patterns) {
            return Err(Denial { reason: Reason::Channel, argument });
        }
    }
    Ok(())
}

/// Whether a channel may be used; a pattern of channels has to be one of the `patterns` itself.
pub(super) fn allows_channel(patterns: &[Box<[u8]>], channel: &[u8], is_pattern: bool) -> bool {
    patterns
        .iter()
        .any(|pattern| if is_pattern { **pattern == *channel } else { glob::matches(pattern, channel, false) })
}

fn check_databases(databases: &BTreeSet<usize>, command: &Command, argv: Argv<'_>, db: usize) -> Result<(), Denial> {
    let deny = |argument| Err(Denial { reason: Reason::Database, argument });
    if command.has(Flags::ALL_DBS) {
        return deny(0);
    }
    let mut denied = None;
    if let Some(named) = command.spec.databases {
        named(argv, &mut |argument| {
            let number = argv.get(argument).and_then(parse_int).and_then(|number| usize::try_from(number).ok());
            if denied.is_none() && number.is_some_and(|number| !databases.contains(&number)) {
                denied = Some(argument);
            }
        });
    }
    if let Some(argument) = denied {
        return deny(argument);
    }
    let data = AclCategories::KEYSPACE | AclCategories::READ | AclCategories::WRITE;
    let reaches_data = command.spec.databases.is_none() && command.spec.acl_categories().intersects(data);
    if (reaches_data || command.spec.has_keys()) && !databases.contains(&db) { deny(0) } else { Ok(()) }
}
